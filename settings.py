"""The app's settings: one table, read from the environment once, by `Settings.from_env`, and nowhere else.

Settings the Functions host reads (AzureWebJobsStorage and the like) are not ours and not here.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args
from urllib.parse import urlsplit

import msgspec

from migration.events import Approval, EventTerms, Mode
from migration.limits import LimitChanges, Limits
from migration.model import VaultId
from migration.request import POLICY_NAME, SUBSCRIPTION_ID
from migration.scope import within

LONGEST_HISTORY_DAYS = 3650
LONGEST_TIMER_HOURS = 5 * 24  # Durable splits a timer of six days, and can't cancel what it split


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
    if text.lower() not in ("true", "false", ""):
        raise ValueError("must be true or false")
    return text.lower() == "true"


def _hours(text: str) -> int:
    if _count(text) > LONGEST_TIMER_HOURS:
        raise ValueError(f"must be {LONGEST_TIMER_HOURS} hours at most")
    return int(text)


def _minutes(text: str) -> int:
    if _count(text) > LONGEST_TIMER_HOURS * 60:
        raise ValueError(f"must be {LONGEST_TIMER_HOURS} hours at most")
    return int(text)


def _days(text: str) -> int:
    if _count(text) > LONGEST_HISTORY_DAYS:
        raise ValueError(f"must be {LONGEST_HISTORY_DAYS} days at most")
    return int(text)


def _one_of(words: tuple[str, ...]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return text

    return parse


def _policy_name(text: str) -> str:
    if not re.fullmatch(POLICY_NAME, text):
        raise ValueError("must be the name of a backup policy")
    return text


NCRONTAB = (
    ("second", 0, 59, ()),
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day", 1, 31, ()),
    ("month", 1, 12, ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]),
    ("day of the week", 0, 6, ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]),
)
"""The fields of a schedule, in their order, with the numbers and names that each may say."""


def _optional_schedule(text: str) -> str:
    fields = text.split()
    if text and len(fields) != len(NCRONTAB):
        raise ValueError("must be six fields: second, minute, hour, day, month, day of the week")
    for field, (name, least, most, names) in zip(fields, NCRONTAB, strict=False):
        if not all(_is_schedule(part, least, most, names) for part in field.split(",")):
            raise ValueError(f"its field {name} must be *, or {least} to {most}, as N, N-N, */N or N-N/N")
    return " ".join(fields)


def _is_schedule(part: str, least: int, most: int, names: Sequence[str]) -> bool:
    span, slash, step = part.partition("/")
    if slash and not (step.isdecimal() and 1 <= int(step) <= most):
        return False
    ends = [str(names.index(end.upper()) + least) if end.upper() in names else end for end in span.split("-")]
    numbers = [int(end) for end in ends if end.isascii() and end.isdecimal()]
    return span == "*" or (
        len(numbers) == len(ends) <= 2 and all(least <= n <= most for n in numbers) and numbers == sorted(numbers)
    )


def _scopes(text: str) -> tuple[str, ...]:
    entries = [entry.strip().rstrip("/") for entry in re.split(r"[,\n]", text) if entry.strip()]
    if text and not entries:
        raise ValueError("names nothing; leave it out to allow whatever the identity may reach")
    for number, entry in enumerate(entries, 1):
        if not (_is_subscription_or_group(entry) or _is_vault(entry)):
            raise ValueError(f"entry {number} is the resource id of no subscription, resource group or vault")
    return tuple(entries)


def _is_subscription_or_group(text: str) -> bool:
    parts = re.fullmatch(r"/subscriptions/([^/]+)(/resourceGroups/[\w.()-]{1,90})?", text, re.IGNORECASE)
    return bool(parts and re.fullmatch(SUBSCRIPTION_ID, parts[1]))


def _is_vault(text: str) -> bool:
    try:
        VaultId.parse(text)
    except ValueError:
        return False
    return True


def _limits(text: str) -> Limits:
    try:
        return msgspec.json.decode(text or "{}", type=LimitChanges).applied_to(Limits())
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
    Setting(
        name="ALLOWED_SCOPES",
        field="allowed_scopes",
        parse=_scopes,
        default="",
        meaning="Resource ids of the subscriptions, resource groups and vaults that the app may plan and migrate, "
        "separated by commas or line breaks; empty: whatever its identity may reach.",
    ),
    Setting(
        name="EVENT_MODE",
        field="event_mode",
        parse=_one_of(get_args(Mode)),
        default="plan",
        meaning="What an event of a vault without the tag `backup-migration` leads to: off, plan or migrate.",
    ),
    Setting(
        name="EVENT_POLICY",
        field="event_policy",
        parse=_policy_name,
        default="EnhancedPolicy",
        meaning="Target policy of plans that events or the audit lead to, where the tag `backup-migration-policy` "
        "names none.",
    ),
    Setting(
        name="EVENT_DELAY_MINUTES",
        field="event_delay_minutes",
        parse=_minutes,
        default="30",
        meaning="Time between the first event of a vault and its plan; the events in between are one.",
    ),
    Setting(
        name="EVENT_RECHECK_HOURS",
        field="event_recheck_hours",
        parse=_hours,
        default="24",
        meaning="When a vault that was empty is planned once more without another event, 120 at most.",
    ),
    Setting(
        name="EVENT_APPROVAL",
        field="event_approval",
        parse=_one_of(get_args(Approval)),
        default="required",
        meaning="Whether migrations that events lead to wait for a person: required or none.",
    ),
    Setting(
        name="AUDIT_SCHEDULE",
        field="audit_schedule",
        parse=_optional_schedule,
        default="",
        meaning="When all allowed vaults are planned, as NCRONTAB in UTC such as `0 0 5 * * *`; empty: never. Needs "
        "ALLOWED_SCOPES.",
    ),
    Setting(
        name="PURGE_AFTER_DAYS",
        field="purge_after_days",
        parse=_days,
        default="30",
        meaning="Age at which the histories of orchestrations that have ended are forgotten; the ledger is kept.",
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
    allowed_scopes: tuple[str, ...]
    event_mode: Mode
    event_policy: str
    event_delay_minutes: int
    event_recheck_hours: int
    event_approval: Approval
    audit_schedule: str
    purge_after_days: int

    def may_touch(self, vault_id: str) -> bool:
        """Whether the allow-list has this vault."""
        return within(vault_id, self.allowed_scopes)

    @property
    def event_terms(self) -> EventTerms:
        """What events of a vault lead to, as far as its tags do not say."""
        return EventTerms(
            mode=self.event_mode,
            policy_name=self.event_policy,
            approval=self.event_approval,
            limits=self.default_limits,
            scopes=self.allowed_scopes,
        )

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
        if values.get("easy_auth") and environ.get("WEBSITE_AUTH_ENABLED", "").lower() != "true":
            problems.append("EASY_AUTH: App Service's authentication is not switched on (WEBSITE_AUTH_ENABLED)")
        if not (values.get("ledger_uri") or values.get("ledger_connection_string")):
            problems.append("LEDGER_STORAGE__tableServiceUri or LEDGER_STORAGE must be set")
        if values.get("audit_schedule") and values.get("allowed_scopes") == ():
            problems.append("AUDIT_SCHEDULE needs ALLOWED_SCOPES, which say what is audited")
        if problems:
            raise SettingsError("; ".join(problems))
        return msgspec.convert(values, Settings)
