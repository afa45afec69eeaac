"""What is set at deployment: parameters and application settings, each explained, which together start the app.

That the README's table is the one in the code is shown in test_documentation.
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from settings import SETTINGS, Settings, SettingsError
from tests.infra.bicep import INFRA, Binary, Call, Choice, Expression, Index, Loop, Member, Name, Text, Value, read
from tests.infra.tables import table

ROOT = Path(__file__).resolve().parents[2]
APP = read(INFRA / "modules" / "app.bicep")
MAIN = read(INFRA / "main.bicep")
OURS = {setting.name: setting for setting in SETTINGS}

DEPLOYED: dict[str, Value] = APP.variables["settings"].value
WITH_SCHEDULER: dict[str, Value] = APP.variables["schedulerSettings"].value

SUBSCRIPTION = "/subscriptions/11111111-2222-4333-8444-555555555555"
OTHER = "/subscriptions/22222222-2222-4333-8444-555555555555"
VAULT = f"{OTHER}/resourceGroups/rg-1/providers/Microsoft.RecoveryServices/vaults/vault-1"

GIVEN: Mapping[str, Any] = {
    "identityClientId": "33333333-2222-4333-8444-555555555555",
    "storageAccountName": "st1",
    "blobEndpoint": "https://st1.blob.core.windows.net/",
    "queueEndpoint": "https://st1.queue.core.windows.net/",
    "tableEndpoint": "https://st1.table.core.windows.net/",
    "insightsConnectionString": "IngestionEndpoint=https://westeurope-1.in.applicationinsights.azure.com/",
    "taskHubName": "BackupMigration",
    "schedulerEndpoint": "https://dts-1.westeurope.durabletask.io",
    "noticeTopicEndpoint": "https://evgt-1.westeurope-1.eventgrid.azure.net/api/events",
    "allowedScopes": [SUBSCRIPTION, VAULT],
    "easyAuth": True,
    "app": {"properties": {"defaultHostName": "func-1.azurewebsites.net"}},
}
"""What the other modules and Azure tell app.bicep."""

FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "environment": lambda: {"resourceManager": "https://management.azure.com/"},
    "join": lambda items, separator: separator.join(items),
}


def computed(value: Value, given: Mapping[str, Any]) -> Any:
    """What Bicep makes of a value; knows just the constructs that settings are made with."""
    match value:
        case Name(name):
            return given[name]
        case Text(parts):
            return "".join(str(computed(part, given)) for part in parts)
        case Member(of, name) | Index(of, str(name)):
            return computed(of, given)[name]
        case Call(function, arguments):
            return FUNCTIONS[function](*(computed(argument, given) for argument in arguments))
        case Binary("==", left, right):
            return computed(left, given) == computed(right, given)
        case Choice(condition, yes, no):
            return computed(yes if computed(condition, given) else no, given)
        case Loop(item, None, over, body):
            return [computed(body, {**given, item: one}) for one in computed(over, given)]
        case Expression():
            raise ValueError(f"settings are made with simpler means than {value}")
        case _:
            return value


def environment(**given: Any) -> dict[str, str]:
    """The environment of the deployed app, as the platform gives it where the authentication is on."""
    settings = {name: computed(value, {**GIVEN, **given}) for name, value in DEPLOYED.items()}
    return {**settings, "WEBSITE_AUTH_ENABLED": "True"}


def as_written(variable: str) -> dict[str, str]:
    """The lines of a variable of app.bicep: names, and values as they stand there."""
    [block] = re.findall(rf"^var {variable} = {{\n(.+?)^}}", APP.path.read_text(), re.MULTILINE | re.DOTALL)
    return dict(re.findall(r"^  (\w+): (.+)$", block, re.MULTILINE))


def test_every_parameter_is_explained() -> None:
    """The table in docs/deploy.md is the parameters of main.bicep, and main.parameters.json has a variable for each."""
    variables = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    defaults = dict(re.findall(r"^param (\w+) \w+(?: = (.+))?$", MAIN.path.read_text(), re.MULTILINE))
    assert [tuple(row) for row in table(ROOT / "docs" / "deploy.md", "Parameters")] == [
        (
            f"`{name}`",
            f"`{variables[name]['value'].strip('${}')}`",
            f"`{defaults[name]}`" if defaults[name] else "",
            parameter.description.partition(". ")[2],
        )
        for name, parameter in MAIN.parameters.items()
    ]
    assert list(variables) == list(MAIN.parameters)


@pytest.mark.parametrize(("variable", "number"), [("settings", 0), ("schedulerSettings", 1)])
def test_every_setting_is_the_apps_or_explained(variable: str, number: int) -> None:
    """What the deployment sets and the app does not read is in a table of docs/host.md, as written in app.bicep."""
    shown = table(ROOT / "docs" / "host.md", "Settings of the host", number)
    of_the_host = {f"`{name}`": f"`{value}`" for name, value in as_written(variable).items() if name not in OURS}
    assert {row[0]: row[1] for row in shown} == of_the_host
    assert all(row[2] for row in shown)


def test_the_deployment_decides_only_what_it_must() -> None:
    """A setting of ours that is set depends on the deployment; what has one value everywhere is its default."""
    decided = {name for name in DEPLOYED if name in OURS}
    assert decided
    assert [name for name in sorted(decided) if not isinstance(DEPLOYED[name], Expression)] == []


def test_the_settings_start_the_app() -> None:
    """All that the app must be told it is told, in a form that it takes."""
    settings = Settings.from_env(environment())
    assert settings.ledger_uri == "https://st1.table.core.windows.net"
    assert settings.identity_client_id == GIVEN["identityClientId"]
    assert settings.easy_auth is True
    assert settings.allowed_scopes == (SUBSCRIPTION, VAULT)
    assert settings.public_url == "https://func-1.azurewebsites.net"
    assert settings.notice_topic_endpoint == GIVEN["noticeTopicEndpoint"]


def test_without_options_the_app_starts_too() -> None:
    """No notices, no authentication of App Service: function keys."""
    settings = Settings.from_env(environment(noticeTopicEndpoint="", easyAuth=False))
    assert (settings.notice_topic_endpoint, settings.easy_auth) == ("", False)


def test_nobody_gets_in_before_the_authentication_is_on() -> None:
    """Between the app's settings and easy-auth.bicep the app refuses to start, rather than let everybody in."""
    before = {**environment(), "WEBSITE_AUTH_ENABLED": "False"}
    with pytest.raises(SettingsError, match="EASY_AUTH"):
        Settings.from_env(before)


def test_in_the_public_cloud_azure_is_where_it_is_by_default() -> None:
    """What Bicep says of the cloud agrees with the app's defaults; in another cloud it says something else."""
    plain = Settings.from_env({"LEDGER_STORAGE": "UseDevelopmentStorage=true"})
    deployed = Settings.from_env(environment())
    assert (deployed.arm_base_url, deployed.arm_scope) == (plain.arm_base_url, plain.arm_scope)


def test_what_the_roles_are_for_is_what_the_app_accepts() -> None:
    """One parameter, and the app takes each form of it: subscriptions, resource groups, vaults."""
    assert MAIN.modules["app"].params["allowedScopes"] == Name("backupScopes")
    group = VAULT.partition("/providers/")[0]
    for allowed in ([OTHER], [SUBSCRIPTION, group], [VAULT]):
        assert Settings.from_env(environment(allowedScopes=allowed)).may_touch(VAULT)


def test_the_scheduler_is_where_its_host_json_looks_for_it() -> None:
    """The setting that infra/host.scheduler.json names is the one that the deployment adds, and the only one."""
    host = json.loads((INFRA / "host.scheduler.json").read_text())
    assert set(WITH_SCHEDULER) == {host["extensions"]["durableTask"]["storageProvider"]["connectionStringName"]}
