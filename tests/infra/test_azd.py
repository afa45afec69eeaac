"""What azd reads beside the Bicep: azure.yaml, the parameters file and the hooks.

PowerShell can't be had from PyPI or npm: of its scripts only names and arguments are compared with those for sh, which
are run, with an az and a sleep that only write down how they were called."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.documents.markdown import document
from tests.infra.bicep import INFRA, ROOT, read

DEPLOYING = ROOT / "docs" / "deploy.md"
MAIN = read(INFRA / "main.bicep")
SUBSCRIPTION = read(INFRA / "event-subscription.bicep")
AZURE_YAML: dict[str, Any] = yaml.safe_load((ROOT / "azure.yaml").read_text())
PARAMETERS: dict[str, Any] = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]

SHELLS = {"posix": "sh", "windows": "pwsh"}
EVENTS = ("restore", "build", "package", "provision", "publish", "deploy", "up", "down")
GIVEN_BY_AZD = {"AZURE_ENV_NAME", "AZURE_LOCATION", "AZURE_SUBSCRIPTION_ID"}
"""What azd itself puts into the environment; all else in it are outputs of main.bicep."""

FITTING = {"bool": r"true|false", "int": r"\d+", "string": r".*", "array": r"\[.*\]", "object": r"\{.*\}"}
"""What azd makes a value of each type from: it reads the text of a list or object as JSON."""


@dataclass(frozen=True)
class Hook:
    """A hook's script for one kind of system."""

    event: str
    system: str
    shell: str
    path: Path


HOOKS = [
    Hook(event, system, script["shell"], ROOT / script["run"])
    for event, scripts in AZURE_YAML["hooks"].items()
    for system, script in scripts.items()
]


def hooks_of(event: str) -> list[Hook]:
    """The scripts of an event."""
    return [hook for hook in HOOKS if hook.event == event]


def variables_of(hook: Hook) -> set[str]:
    """The variables of azd's environment that a script reads."""
    return set(re.findall(r"AZURE_[A-Z_]+", hook.path.read_text()))


# azure.yaml


def test_azd_deploys_the_root_of_the_repository_as_the_app_with_the_service_s_tag() -> None:
    """The one service is this folder, and azd finds the app that it goes to by the tag that app.bicep gives it."""
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", AZURE_YAML["name"])
    ((name, service),) = AZURE_YAML["services"].items()
    assert (service["project"], service["language"], service["host"]) == (".", "python", "function")
    site = read(INFRA / "modules" / "app.bicep").resources["app"]
    assert {"azd-service-name": name} in site.body["tags"].arguments


def test_every_hook_has_a_script_for_each_system() -> None:
    """An event of azd's has a shell and a PowerShell script, both there, and no failure is passed over."""
    assert {(hook.event, hook.system) for hook in HOOKS} == {
        (event, system) for event in AZURE_YAML["hooks"] for system in SHELLS
    }
    for hook in HOOKS:
        assert re.fullmatch(f"(pre|post)({'|'.join(EVENTS)})", hook.event)
        assert hook.shell == SHELLS[hook.system]
        assert hook.path.is_file()
        assert AZURE_YAML["hooks"][hook.event][hook.system].get("continueOnError", False) is False
    assert {hook.path for hook in HOOKS} == {path.resolve() for path in (INFRA / "hooks").iterdir()}


# The parameters file


def test_the_parameters_file_gives_the_parameters_of_main() -> None:
    """It names parameters that there are, and all that have no default."""
    assert PARAMETERS.keys() <= MAIN.parameters.keys()
    assert {it.name for it in MAIN.parameters.values() if it.required} <= PARAMETERS.keys()


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_is_a_variable_of_the_environment(name: str) -> None:
    """Each value is one variable, with a default, if any, that the parameter's type can be read from."""
    variable = re.fullmatch(r"\$\{([A-Z][A-Z_]*)(?:=(.*))?\}", PARAMETERS[name]["value"])
    assert variable
    default = variable[2]
    assert default is None or re.fullmatch(FITTING[MAIN.parameters[name].type], default)


def test_no_variable_feeds_two_parameters() -> None:
    """Setting one variable changes one thing."""
    variables = [value["value"].strip("${}").partition("=")[0] for value in PARAMETERS.values()]
    assert len(set(variables)) == len(variables)


# The hooks


def test_outputs_are_variables_of_the_environment() -> None:
    """azd hands the outputs of main.bicep to the hooks under their names, which are names of variables then."""
    for name in MAIN.outputs:
        assert re.fullmatch(r"AZURE_[A-Z_]+", name)
        assert name not in GIVEN_BY_AZD


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.path.name)
def test_a_hook_reads_what_there_is(hook: Hook) -> None:
    """A script reads variables that azd sets."""
    assert variables_of(hook) <= MAIN.outputs.keys() | GIVEN_BY_AZD


@pytest.mark.parametrize("hook", hooks_of("postdeploy"), ids=lambda hook: hook.path.name)
def test_the_hook_gives_the_template_what_it_asks_for(hook: Hook) -> None:
    """All parameters that it requires, and none that it does not know."""
    script = hook.path.read_text()
    given = set(re.findall(r"\b(\w+)=\"?\$", script.partition("--parameters")[2].partition("--output")[0]))
    assert given <= SUBSCRIPTION.parameters.keys()
    assert {it.name for it in SUBSCRIPTION.parameters.values() if it.required} <= given


@pytest.mark.parametrize("event", AZURE_YAML["hooks"])
def test_both_scripts_do_the_same(event: str) -> None:
    """The scripts of an event read the same variables and call az, or tell of it, with the same arguments."""
    found = [(variables_of(hook), re.findall(r"(?<=\s)--[\w-]+", hook.path.read_text())) for hook in hooks_of(event)]
    assert all(each == found[0] for each in found)
    assert all(found[0])


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """Where az and sleep write down how they were called; both stand in a folder of their own on the PATH."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, end in (("az", 'echo "${AZ_PRINTS:-}"; exit "${AZ_EXIT_CODE:-0}"'), ("sleep", "exit 0")):
        program = programs / name
        program.write_text(f'#!/bin/sh\necho {name} "$@" >> "{tmp_path}/calls"\n{end}\n')
        program.chmod(0o755)
    for name in ("sh", "dirname", "cat"):
        (programs / name).symlink_to(str(shutil.which(name)))
    (tmp_path / "calls").touch()
    return tmp_path / "calls"


def run_hook(calls: Path, event: str = "postdeploy", **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the shell script of an event as azd does: from the root of the repository, with these variables."""
    script = next(hook.path for hook in hooks_of(event) if hook.shell == "sh")
    assert os.access(script, os.X_OK)
    return run(calls, [str(script)], **variables)


def run(calls: Path, command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the root of the repository, with these variables and programs that write down their calls."""
    environment = {"PATH": str(calls.parent / "programs"), **variables}
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


DEPLOYED = {
    "AZURE_SUBSCRIPTION_ID": "sub",
    "AZURE_SYSTEM_TOPIC_RESOURCE_GROUP": "rg-events",
    "AZURE_SYSTEM_TOPIC_NAME": "evgst-a",
    "AZURE_FUNCTION_APP_ID": "/subscriptions/sub/func-a",
    "AZURE_DEAD_LETTER_STORAGE_ID": "/subscriptions/sub/st",
}


def test_the_hook_deploys_the_event_subscription(calls: Path) -> None:
    """One deployment, to the topic's resource group, with the outputs as parameters."""
    ran = run_hook(calls, **DEPLOYED)
    assert (ran.returncode, ran.stderr) == (0, "")
    (call,) = calls.read_text().splitlines()
    assert call.startswith("az deployment group create --subscription sub --resource-group rg-events ")
    assert "--name vault-writes-func-a " in call
    template = re.search(r"--template-file (\S+)", call)
    assert template and Path(template[1]).resolve() == INFRA / "event-subscription.bicep"
    assert "topicName=evgst-a" in call
    assert "functionAppId=/subscriptions/sub/func-a" in call
    assert "deadLetterStorageId=/subscriptions/sub/st" in call


def test_the_hook_does_nothing_where_events_are_off(calls: Path) -> None:
    """Without a topic there is nothing to subscribe to."""
    assert run_hook(calls).returncode == 0
    assert calls.read_text() == ""


def test_the_hook_tries_again_and_then_says_so(calls: Path) -> None:
    """A function that Azure does not know yet is waited for, five times in all; then azd is told of the failure."""
    ran = run_hook(calls, **DEPLOYED, AZ_EXIT_CODE="1")
    names = [line.split()[0] for line in calls.read_text().splitlines()]
    assert names == ["az", "sleep"] * 4 + ["az"]
    assert ran.returncode == 1
    assert "azd hooks run postdeploy" in ran.stderr


@pytest.mark.parametrize(
    "missing", ["AZURE_SUBSCRIPTION_ID", "AZURE_SYSTEM_TOPIC_RESOURCE_GROUP", "AZURE_FUNCTION_APP_ID"]
)
def test_the_hook_names_what_is_missing(calls: Path, missing: str) -> None:
    """Without one of its variables nothing is tried."""
    ran = run_hook(calls, **{name: value for name, value in DEPLOYED.items() if name != missing})
    assert ran.returncode == 1
    assert missing in ran.stderr
    assert calls.read_text() == ""


def test_azd_down_is_stopped(calls: Path) -> None:
    """Always, since it would delete the vaults' resource groups; what to run instead is said, and nothing is run."""
    ran = run_hook(calls, "predown", AZURE_RESOURCE_GROUP="rg-a", AZURE_ENV_NAME="b")
    assert ran.returncode == 1
    assert "az group delete --name rg-a\n" in ran.stderr
    assert calls.read_text() == ""


def test_azd_down_is_stopped_before_anything_was_deployed(calls: Path) -> None:
    """Without outputs the name of the resource group comes from the environment's, as main.bicep makes it."""
    ran = run_hook(calls, "predown", AZURE_ENV_NAME="b")
    assert (ran.returncode, "az group delete --name rg-b\n" in ran.stderr) == (1, True)


@pytest.mark.parametrize("hook", hooks_of("predown"), ids=lambda hook: hook.path.name)
def test_nothing_lets_azd_down_pass(hook: Hook) -> None:
    """The scripts end in failure, and have no other end."""
    assert re.findall(r"\b(?:exit|return)\b.*", hook.path.read_text()) == ["exit 1"]


def test_without_azd_the_hook_gets_its_variables_from_the_deployment(calls: Path) -> None:
    """The commands of docs/deploy.md, run as they stand there: each variable of the hook is set, and it deploys."""
    blocks = document("deploy.md", DEPLOYING.read_text()).blocks
    [script] = [block.text for block in blocks if "hooks/postdeploy.sh" in block.text]
    ran = run(calls, ["sh", "-eu", "-c", script], AZ_PRINTS="given")
    *asked, deployed = calls.read_text().splitlines()
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "functionAppId=given deadLetterStorageId=given" in deployed
    outputs = {name for line in asked for name in re.findall(r"\[(AZURE_\w+), azurE_\w+\]", line)}
    assert outputs == variables_of(hooks_of("postdeploy")[0]) - GIVEN_BY_AZD
