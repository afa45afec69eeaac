"""The settings' table: what each defaults to, and how a wrong one is named."""

import msgspec
import pytest

from migration.events import EventTerms
from migration.limits import Limits
from settings import SETTINGS, Settings, SettingsError
from tests.builders import SUBSCRIPTION, VAULT

SCOPE = f"/subscriptions/{SUBSCRIPTION}"
LEDGER = {"LEDGER_STORAGE": "UseDevelopmentStorage=true"}


def test_defaults_leave_only_the_ledger_to_be_set() -> None:
    """An app in Azure's public cloud, with its system-assigned identity, needs to be told nothing but its ledger."""
    assert msgspec.to_builtins(Settings.from_env(LEDGER)) == {
        "ledger_uri": "",
        "ledger_connection_string": "UseDevelopmentStorage=true",
        "ledger_table_prefix": "backupmigration",
        "identity_client_id": "",
        "arm_base_url": "https://management.azure.com",
        "arm_scope": "https://management.azure.com/.default",
        "job_reads_per_hour": 150,
        "default_limits": msgspec.to_builtins(Limits()),
        "easy_auth": False,
        "retail_prices_url": "https://prices.azure.com",
        "notice_topic_endpoint": "",
        "public_url": "",
        "allowed_scopes": (),
        "event_mode": "plan",
        "event_policy": "EnhancedPolicy",
        "event_delay_minutes": 30,
        "event_recheck_hours": 24,
        "event_approval": "required",
        "audit_schedule": "",
        "purge_after_days": 30,
    }


AROUND = {"PATH": "/bin", "ARM_BASE": "ignored", "WEBSITE_AUTH_ENABLED": "True"}
SET = {
    "LEDGER_STORAGE__tableServiceUri": (
        "https://ledger.table.core.windows.net/",
        "https://ledger.table.core.windows.net",
    ),
    "LEDGER_STORAGE": ("AccountName=a;AccountKey=b==", "AccountName=a;AccountKey=b=="),
    "LEDGER_TABLE_PREFIX": ("Ledger1", "Ledger1"),
    "AZURE_CLIENT_ID": (" c11e0000-0000-4000-8000-000000000001\n", "c11e0000-0000-4000-8000-000000000001"),
    "ARM_BASE_URL": ("https://127.0.0.1:8443/", "https://127.0.0.1:8443"),
    "ARM_SCOPE": ("https://management.usgovcloudapi.net/.default", "https://management.usgovcloudapi.net/.default"),
    "JOB_READS_PER_HOUR": ("30", 30),
    "DEFAULT_LIMITS": ('{"ramp": [], "pollSeconds": 60}', Limits(ramp=(), poll_seconds=60)),
    "EASY_AUTH": ("True", True),
    "RETAIL_PRICES_URL": ("", ""),
    "NOTICE_TOPIC_ENDPOINT": (
        "https://notices.westeurope-1.eventgrid.azure.net/api/events",
        "https://notices.westeurope-1.eventgrid.azure.net/api/events",
    ),
    "PUBLIC_URL": ("https://backup.example.com/", "https://backup.example.com"),
    "ALLOWED_SCOPES": (f" {SCOPE}/,\n\n{VAULT}\n", (SCOPE, VAULT)),
    "EVENT_MODE": ("migrate", "migrate"),
    "EVENT_POLICY": ("Gold-1", "Gold-1"),
    "EVENT_DELAY_MINUTES": ("5", 5),
    "EVENT_RECHECK_HOURS": ("120", 120),
    "EVENT_APPROVAL": ("none", "none"),
    "AUDIT_SCHEDULE": ("0 */30 2-4 * * MON,TUE", "0 */30 2-4 * * MON,TUE"),
    "PURGE_AFTER_DAYS": ("7", 7),
}


@pytest.mark.parametrize("name", SET)
def test_a_setting_is_read_from_its_variable(name: str) -> None:
    """White space around a value and a slash behind a URL are dropped; nothing else of the environment matters."""
    text, value = SET[name]
    [field] = [setting.field for setting in SETTINGS if setting.name == name]
    settings = Settings.from_env({**LEDGER, "ALLOWED_SCOPES": SCOPE, name: text, **AROUND})
    assert getattr(settings, field) == value


def test_every_setting_of_the_table_is_tried_and_has_a_field() -> None:
    """Table and value have the same fields, and the list above leaves no setting out."""
    assert {setting.field for setting in SETTINGS} == {field.name for field in msgspec.structs.fields(Settings)}
    assert {setting.name for setting in SETTINGS} == set(SET)
    assert all(setting.meaning.endswith(".") for setting in SETTINGS)


@pytest.mark.parametrize("name", ["LEDGER_STORAGE", "LEDGER_STORAGE__tableServiceUri"])
def test_either_way_to_the_ledger_is_enough(name: str) -> None:
    """A connection string for the emulator, or an endpoint reached with the identity."""
    assert Settings.from_env({name: SET[name][0]})


@pytest.mark.parametrize("environ", [{}, {"LEDGER_STORAGE": ""}, {"LEDGER_STORAGE": " ", "AZURE_CLIENT_ID": "x"}])
def test_an_app_without_a_ledger_does_not_start(environ: dict[str, str]) -> None:
    """The error names both variables that would do."""
    with pytest.raises(SettingsError) as error:
        Settings.from_env(environ)
    assert str(error.value) == "LEDGER_STORAGE__tableServiceUri or LEDGER_STORAGE must be set"


MALFORMED = [
    ("LEDGER_STORAGE__tableServiceUri", "ledger"),
    ("LEDGER_STORAGE__tableServiceUri", "ftp://ledger"),
    ("LEDGER_TABLE_PREFIX", ""),
    ("LEDGER_TABLE_PREFIX", "1ledger"),
    ("LEDGER_TABLE_PREFIX", "led_ger"),
    ("LEDGER_TABLE_PREFIX", "größe"),
    ("LEDGER_TABLE_PREFIX", "x" * 41),
    ("ARM_BASE_URL", ""),
    ("ARM_BASE_URL", "management.azure.com"),
    ("ARM_BASE_URL", "https://"),
    ("ARM_BASE_URL", "https://["),
    ("JOB_READS_PER_HOUR", ""),
    ("JOB_READS_PER_HOUR", "0"),
    ("JOB_READS_PER_HOUR", "-1"),
    ("JOB_READS_PER_HOUR", "1.5"),
    ("JOB_READS_PER_HOUR", "²"),
    ("JOB_READS_PER_HOUR", "many"),
    ("NOTICE_TOPIC_ENDPOINT", "http://notices.westeurope-1.eventgrid.azure.net/api/events"),
    ("NOTICE_TOPIC_ENDPOINT", "notices"),
    ("PUBLIC_URL", "backup.example.com"),
    ("EASY_AUTH", "yes"),
    ("EASY_AUTH", "true"),  # without the platform's word that anybody stands before the app
    ("ALLOWED_SCOPES", ","),
    ("ALLOWED_SCOPES", "*"),
    ("ALLOWED_SCOPES", "/subscriptions/production"),
    ("ALLOWED_SCOPES", f"{SCOPE} {SCOPE}"),
    ("ALLOWED_SCOPES", "/subscriptions/production/resourceGroups/rg-backup"),
    ("ALLOWED_SCOPES", f"{SCOPE}/resourceGroups"),
    ("ALLOWED_SCOPES", f"{SCOPE}/resourceGroups/rg-backup/vaults"),
    ("ALLOWED_SCOPES", f"{SCOPE}, {VAULT}/backupPolicies/EnhancedPolicy"),
    ("EVENT_MODE", ""),
    ("EVENT_MODE", "Plan"),
    ("EVENT_POLICY", ""),
    ("EVENT_POLICY", "../policy"),
    ("EVENT_DELAY_MINUTES", "0"),
    ("EVENT_DELAY_MINUTES", "7201"),
    ("EVENT_RECHECK_HOURS", "121"),
    ("EVENT_APPROVAL", "never"),
    ("AUDIT_SCHEDULE", "daily"),
    ("AUDIT_SCHEDULE", "0 5 * * *"),
    ("AUDIT_SCHEDULE", "99 0 5 * * *"),
    ("AUDIT_SCHEDULE", "0 0 24 * * *"),
    ("AUDIT_SCHEDULE", "0 */0 5 * * *"),
    ("AUDIT_SCHEDULE", "0 0 5 * * 8"),
    ("AUDIT_SCHEDULE", "0 0 5 * FOO *"),
    ("AUDIT_SCHEDULE", "0 30-10 5 * * *"),
    ("PURGE_AFTER_DAYS", "99999999999"),
    ("AUDIT_SCHEDULE", "%AUDIT% 0 0 5 * *"),
    ("PURGE_AFTER_DAYS", "0"),
]


@pytest.mark.parametrize(("name", "text"), MALFORMED)
def test_a_malformed_setting_is_named(name: str, text: str) -> None:
    """The error begins with the variable's name and says what it must be."""
    with pytest.raises(SettingsError, match=f"^{name}: "):
        Settings.from_env({**LEDGER, name: text})


def test_all_problems_are_named_at_once() -> None:
    """Whoever deploys the app mends everything in one go."""
    with pytest.raises(SettingsError) as error:
        Settings.from_env({"ARM_BASE_URL": "nowhere", "LEDGER_TABLE_PREFIX": "?", "JOB_READS_PER_HOUR": "x"})
    for name in ("ARM_BASE_URL", "LEDGER_TABLE_PREFIX", "JOB_READS_PER_HOUR", "LEDGER_STORAGE"):
        assert name in str(error.value)


def test_an_error_does_not_repeat_the_value() -> None:
    """A value put into the wrong variable may be a secret; it is in no message."""
    with pytest.raises(SettingsError) as error:
        Settings.from_env({**LEDGER, "ARM_BASE_URL": "AccountKey=secret"})
    assert "secret" not in str(error.value)


def test_an_audit_needs_to_be_told_of_what() -> None:
    """An app that may touch whatever it can reach does not know which subscriptions these are."""
    with pytest.raises(SettingsError, match="AUDIT_SCHEDULE needs ALLOWED_SCOPES"):
        Settings.from_env({**LEDGER, "AUDIT_SCHEDULE": "0 0 5 * * *"})


def test_events_are_settled_by_the_settings_of_their_name() -> None:
    """What the app's activities are told of events is what was set, the allow-list and the limits among it."""
    settings = Settings.from_env(
        {**AROUND, **LEDGER, **{name: text for name, (text, _) in SET.items() if name != "LEDGER_STORAGE"}}
    )
    assert settings.event_terms == EventTerms(
        mode="migrate",
        policy_name="Gold-1",
        approval="none",
        limits=Limits(ramp=(), poll_seconds=60),
        scopes=(SCOPE, VAULT),
    )
    assert settings.may_touch(VAULT.upper())
    assert not settings.may_touch(VAULT.replace(SUBSCRIPTION[:8], "99999999"))


def test_a_resource_group_may_be_allowed() -> None:
    """Its vaults are, whatever the casing; those of a group whose name goes on from there are not."""
    settings = Settings.from_env({**LEDGER, "ALLOWED_SCOPES": f"{SCOPE}/resourceGroups/RG-Backup"})
    assert settings.may_touch(VAULT)
    assert not settings.may_touch(VAULT.replace("rg-backup", "rg-backup-2"))
