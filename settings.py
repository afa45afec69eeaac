"""The app's settings: one table, read from the environment once, by `Settings.from_env`, and nowhere else.

Settings the Functions host reads (AzureWebJobsStorage and the like) are not ours and not here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec

from migration.limits import LimitChanges, Limits


class SettingsError(ValueError):
    """One or more settings are missing or malformed; the text names each of them."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A row of the table: the environment variable, the field it fills, how its text is read, what it means."""

    name: str
    field: str
    parse: Callable[[str], object]
    default: str | None
    meaning: str


def _text(text: str) -> str:
    return text


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError("must be an absolute http(s) URL")
    return text.rstrip("/")


def _optional_url(text: str) -> str:
    return _url(text) if text else ""


def _optional_https_url(text: str) -> str:
    url = _optional_url(text)
    if url and not url.startswith("https://"):
        raise ValueError("must be an https URL")  # the app's token goes there
    return url


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError("must be a whole number above zero")
    return int(text)


def _switch(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("must be true or false")
    return text.lower() == "true"


def _limits(text: str) -> Limits:
    try:
        return msgspec.json.decode(text, type=LimitChanges).applied_to(Limits())
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from error


def _table_prefix(text: str) -> str:
    if not (text.isascii() and text.isalnum() and text[0].isalpha() and len(text) <= 40):
        raise ValueError("must be up to 40 letters and digits, a letter first")
    return text


SETTINGS: tuple[Setting, ...] = (
    Setting(
        name="LEDGER_STORAGE__tableServiceUri",
        field="ledger_uri",
        parse=_optional_url,
        default="",
        meaning="Table endpoint of the storage account that keeps the ledger, reached with the app's identity. "
        "This or LEDGER_STORAGE is needed.",
    ),
    Setting(
        name="LEDGER_STORAGE",
        field="ledger_connection_string",
        parse=_text,
        default="",
        meaning="Connection string of the ledger's storage account, for the local emulator.",
    ),
    Setting(
        name="LEDGER_TABLE_PREFIX",
        field="ledger_table_prefix",
        parse=_table_prefix,
        default="backupmigration",
        meaning="First part of the ledger's table names.",
    ),
    Setting(
        name="AZURE_CLIENT_ID",
        field="identity_client_id",
        parse=_text,
        default="",
        meaning="Client id of the user-assigned identity; empty for the system-assigned one.",
    ),
    Setting(
        name="ARM_BASE_URL",
        field="arm_base_url",
        parse=_url,
        default="https://management.azure.com",
        meaning="Azure Resource Manager's endpoint; another one in sovereign clouds and on the local stack.",
    ),
    Setting(
        name="ARM_SCOPE",
        field="arm_scope",
        parse=_text,
        default="https://management.azure.com/.default",
        meaning="Scope of the tokens for that endpoint.",
    ),
    Setting(
        name="JOB_READS_PER_HOUR",
        field="job_reads_per_hour",
        parse=_count,
        default="150",
        meaning="Job-list reads this app may spend per hour and subscription. Azure has one budget for all callers.",
    ),
    Setting(
        name="DEFAULT_LIMITS",
        field="default_limits",
        parse=_limits,
        default="{}",
        meaning="Limits of migrations whose request does not name them: a JSON object like `limits` in a request.",
    ),
    Setting(
        name="EASY_AUTH",
        field="easy_auth",
        parse=_switch,
        default="false",
        meaning="`true` where App Service's authentication stands before the app: no function keys, and whoever is "
        "signed in is recorded as requester and approver.",
    ),
    Setting(
        name="RETAIL_PRICES_URL",
        field="retail_prices_url",
        parse=_optional_url,
        default="https://prices.azure.com",
        meaning="Azure Retail Prices API, asked for the price of snapshots; empty: the app's own dated table.",
    ),
    Setting(
        name="NOTICE_TOPIC_ENDPOINT",
        field="notice_topic_endpoint",
        parse=_optional_https_url,
        default="",
        meaning="Endpoint of the Event Grid topic that is told when a migration awaits approval, halts or ends; "
        "empty: nobody is told.",
    ),
    Setting(
        name="PUBLIC_URL",
        field="public_url",
        parse=_optional_url,
        default="",
        meaning="Where people reach the app, such as `https://backup.example.com`; notices then link to the migration.",
    ),
)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting, read and checked."""

    ledger_uri: str
    ledger_connection_string: str
    ledger_table_prefix: str
    identity_client_id: str
    arm_base_url: str
    arm_scope: str
    job_reads_per_hour: int
    default_limits: Limits
    easy_auth: bool
    retail_prices_url: str
    notice_topic_endpoint: str
    public_url: str

    @staticmethod
    def from_env(environ: Mapping[str, str]) -> "Settings":
        """The settings in `environ`. Raises SettingsError that names every missing or malformed one."""
        values: dict[str, object] = {}
        problems: list[str] = []
        for setting in SETTINGS:
            text = environ.get(setting.name, setting.default)
            if text is None:
                problems.append(f"{setting.name} is not set")
                continue
            try:
                values[setting.field] = setting.parse(text.strip())
            except ValueError as error:
                problems.append(f"{setting.name}: {error}")
        if not (values.get("ledger_uri") or values.get("ledger_connection_string")):
            problems.append("LEDGER_STORAGE__tableServiceUri or LEDGER_STORAGE must be set")
        if problems:
            raise SettingsError("; ".join(problems))
        return msgspec.convert(values, Settings)
