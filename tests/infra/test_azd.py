"""What azd reads beside the Bicep: azure.yaml, the parameters file and the hooks.

PowerShell can't be had from PyPI or npm: its scripts are only read, and their names and arguments are compared with
those of the scripts for sh, which are run, with an az and a sleep that only write down how they were called."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
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
    assert service["remoteBuild"] is True  # packages built on another system would not run on the app's
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


@pytest.mark.parametrize("event", AZURE_YAML["hooks"])
def test_both_scripts_give_the_same_under_the_same_name(event: str) -> None:
    """Each option, each parameter of a template and each variable has the same value of azd's in both languages."""
    given = [
        re.findall(r"(--[\w-]+(?= )|\w+(?= ?=))[ =]+\"?\$(?:\{|env:)?(AZURE_\w+)", hook.path.read_text())
        for hook in hooks_of(event)
    ]
    assert all(each == given[0] for each in given)
    assert all(given)


POWERSHELL = [pytest.param(hook.path, id=hook.path.name) for hook in HOOKS if hook.shell == "pwsh"]
CLOSING = {"(": ")", "[": "]", "{": "}"}
PARTS = re.compile(r"""@"\n.*?\n"@|@'\n.*?\n'@|"(?:[^"`]|`.)*"|'(?:[^']|'')*'|`.|\#[^\n]*|.""", re.DOTALL)
"""Here-strings, strings, escaped characters, comments, and whatever else, a character at a time."""


@pytest.mark.parametrize("path", POWERSHELL)
def test_brackets_and_quotes_of_powershell_are_closed(path: Path) -> None:
    """Every string ends in its line, and every bracket where it should; the least that a parser would ask for."""
    assert unclosed(path.read_text()) == ""


def unclosed(script: str) -> str:
    """The bracket or quote of a script that is not closed, or closes nothing; empty where there is none."""
    awaited: list[str] = []
    for part in PARTS.findall(script):
        if part in CLOSING:
            awaited.append(CLOSING[part])
        elif part in CLOSING.values() and (not awaited or awaited.pop() != part):
            return part
        elif part in ("'", '"') or (part[0] in "'\"" and "\n" in part):
            return part[0]
    return awaited[-1] if awaited else ""


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("if ($a) { 'it''s' } # don't", ""),
        ('@"\nan "open quote\n"@', ""),
        ('Write-Host "a `" b"', ""),
        ("Write-Host 'a\nexit 1", "'"),
        ("Write-Host 'a\nWrite-Host 'b'", "'"),
        ("if ($a) { exit 1", "}"),
        ("if ($a) { exit (1} )", "}"),
        ("exit 1 }", "}"),
    ],
)
def test_what_is_not_closed_is_found(script: str, found: str) -> None:
    """The check above sees through strings and comments, and finds what is open."""
    assert unclosed(script) == found


@pytest.mark.parametrize("path", POWERSHELL)
def test_powershell_looks_at_the_exit_code_of_az_itself(path: Path) -> None:
    """After az, and with PowerShell's own way out switched off: 0 is success, and nothing else is."""
    script = re.sub(r'@"\n.*?\n"@', "", path.read_text(), flags=re.DOTALL)
    asked = len(re.findall(r"(?:^|= )\s*az ", script, re.MULTILINE))
    looked_at = re.findall(r"^ *if \(\$LASTEXITCODE -(eq|ne) 0\) \{([^{}]*)\}", script, re.MULTILINE)
    assert len(looked_at) == script.count("LASTEXITCODE") == asked
    assert [failed for failed, block in looked_at if ("exit 1" in block) != (failed == "ne")] == []
    assert not asked or "\n$PSNativeCommandUseErrorActionPreference = $false " in script


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """Where az and sleep write down how they were called; both stand in a folder of their own on the PATH."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, end in (("az", 'echo "${AZ_PRINTS:-}"; exit "${AZ_EXIT_CODE:-0}"'), ("sleep", "exit 0")):
        stand_in(programs / name, f'echo {name} "$@" >> "{tmp_path}/calls"\n{end}')
    stand_in(programs / "date", f'[ "$*" = "-u +%s" ] && echo {NOW} || {shutil.which("date")} "$@"')
    for name in ("sh", "dirname", "cat", "sort", "tail"):
        (programs / name).symlink_to(str(shutil.which(name)))
    (tmp_path / "calls").touch()
    return tmp_path / "calls"


NOW = int(datetime(2026, 11, 2, 8, 0, tzinfo=UTC).timestamp())
"""The time that `date` tells the scripts."""


def stand_in(program: Path, script: str) -> None:
    """Write a program for the scripts to find instead of the one of that name."""
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


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
    signed_in, call = calls.read_text().splitlines()
    assert signed_in.startswith("az account show --subscription sub ")
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
    stand_in(calls.parent / "programs" / "az", f'echo az "$@" >> {calls}; [ "$1" = account ]')
    ran = run_hook(calls, **DEPLOYED)
    names = [line.split()[0] for line in calls.read_text().splitlines()[1:]]
    assert names == ["az", "sleep"] * 4 + ["az"]
    assert ran.returncode == 1
    assert "azd hooks run postdeploy" in ran.stderr


def test_the_hook_does_not_try_with_an_az_that_is_not_signed_in(calls: Path) -> None:
    """azd's sign-in is not az's: what is to be done is said at once."""
    ran = run_hook(calls, **DEPLOYED, AZ_EXIT_CODE="1")
    [call] = calls.read_text().splitlines()
    assert call.startswith("az account show ")
    assert (ran.returncode, "az login" in ran.stderr) == (1, True)


@pytest.mark.parametrize(
    "missing", ["AZURE_SUBSCRIPTION_ID", "AZURE_SYSTEM_TOPIC_RESOURCE_GROUP", "AZURE_FUNCTION_APP_ID"]
)
def test_the_hook_names_what_is_missing(calls: Path, missing: str) -> None:
    """Without one of its variables nothing is tried."""
    ran = run_hook(calls, **{name: value for name, value in DEPLOYED.items() if name != missing})
    assert ran.returncode == 1
    assert missing in ran.stderr
    assert calls.read_text() == ""


PROVISIONED = {
    "AZURE_SUBSCRIPTION_ID": "sub",
    "AZURE_STORAGE_ACCOUNT_ID": "/subscriptions/sub/st",
    "AZURE_IDENTITY_PRINCIPAL_ID": "11111111-2222-4333-8444-555555555555",
}


@pytest.mark.parametrize(
    ("assigned", "waited"),
    [
        ("2026-11-02T07:59:00.123456+00:00", ["sleep 240"]),
        ("2026-11-02T07:59:00Z", ["sleep 240"]),
        ("2026-11-02T07:55:00.123456+00:00", []),
        ("2025-01-01T00:00:00.000000+00:00", []),
        ("2026-11-02T09:00:00.000000+00:00", ["sleep 300"]),
        ("2026-11-02T07:58:00.5+00:00\n2026-11-02T07:59:30.5+00:00\n2026-10-01T07:59:59.5+00:00", ["sleep 270"]),
        ("", []),
    ],
    ids=["a minute old", "in another spelling", "old enough", "later deployments", "a wrong clock", "three", "none"],
)
def test_roles_that_are_new_are_waited_for(calls: Path, assigned: str, waited: list[str]) -> None:
    """Until the youngest role of the identity on the storage account is five minutes old; and a line says so."""
    ran = run_hook(calls, "predeploy", **PROVISIONED, AZ_PRINTS=assigned)
    asked, *then = calls.read_text().splitlines()
    assert asked.startswith("az role assignment list --subscription sub --scope /subscriptions/sub/st ")
    assert f"[?principalId=='{PROVISIONED['AZURE_IDENTITY_PRINCIPAL_ID']}'].createdOn" in asked
    assert (ran.returncode, ran.stderr, then) == (0, "", waited)
    assert [f"waiting {line.partition(' ')[2]} seconds" in ran.stdout for line in waited] == [True] * len(waited)
    assert bool(ran.stdout) == bool(waited)


def test_the_date_of_another_system_is_asked_in_its_own_way(calls: Path) -> None:
    """BSD's and macOS's takes no date by -d, and is told the format."""
    bsd = f'case "$*" in "-u +%s") echo {NOW};; "-u -j -f %Y-%m-%dT%H:%M:%S 2026-11-02T07:59:00 +%s") '
    stand_in(calls.parent / "programs" / "date", f"{bsd} echo {NOW - 60};; *) exit 1;; esac")
    run_hook(calls, "predeploy", **PROVISIONED, AZ_PRINTS="2026-11-02T07:59:00.1+00:00")
    assert calls.read_text().splitlines()[1:] == ["sleep 240"]


@pytest.mark.parametrize("missing", [True, False])
def test_without_az_the_code_is_published_all_the_same(calls: Path, *, missing: bool) -> None:
    """Whether it is missing or not signed in: what may happen is said, and azd goes on."""
    if missing:
        (calls.parent / "programs" / "az").unlink()
    ran = run_hook(calls, "predeploy", **PROVISIONED, AZ_EXIT_CODE="1")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "InaccessibleStorageException" in ran.stdout
    assert "sleep" not in calls.read_text()


def test_both_scripts_wait_as_long() -> None:
    """One number, with the same reason before it."""
    waits = [
        re.findall(r"(?:^#.*\n)+\$?role_?seconds ?= ?(\d+)$", hook.path.read_text(), re.MULTILINE | re.IGNORECASE)
        for hook in hooks_of("predeploy")
    ]
    assert waits == [["300"], ["300"]]


@pytest.mark.parametrize("scheduler", ["", "dts-a"])
@pytest.mark.parametrize("published", ["host.json", "infra/host.scheduler.json"])
def test_the_code_is_published_only_with_the_host_json_of_its_backend(
    calls: Path, tmp_path: Path, scheduler: str, published: str
) -> None:
    """The other one would start a host that fails, or one that stays where it was without a word."""
    clone = tmp_path / "clone"
    shutil.copytree(INFRA / "hooks", clone / "infra" / "hooks")
    shutil.copy(ROOT / published, clone / "host.json")
    script = clone / "infra" / "hooks" / "predeploy.sh"
    ran = run(calls, [str(script)], **PROVISIONED, AZURE_DURABLE_TASK_SCHEDULER_NAME=scheduler)
    fits = bool(scheduler) == ("scheduler" in published)
    assert ran.returncode == (0 if fits else 1)
    assert ("useDurableTaskScheduler" in ran.stderr, bool(calls.read_text())) == (not fits, fits)


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
