"""The operators' queries: correct Kusto, over lines that the app really writes, and every one of them in use."""

import ast
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from migration.records import ITEM_TRANSITIONS, ItemState, MigrationState
from tests.infra.bicep import INFRA, Call, Member, Name, parts_of, read
from triggers.migrations import ENDED_AS
from triggers.timers import WATCHDOG_MINUTES

ROOT = INFRA.parent
QUERIES = {file.name: file.read_text() for file in sorted((INFRA / "queries").glob("*.kql"))}
LOGGING = ("activities", "clients", "orchestrations", "triggers")
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
HOSTS_LINE = re.compile(r"Executed 'Functions\.(\w+)' \(Succeeded")
"""What the Functions host writes when a function has come through: no line of the app's, but it names a function."""

Json = dict[str, Any]


@pytest.fixture(scope="module")
def said() -> dict[str, Json]:
    """What Microsoft's Kusto parser says of each query: its problems, and the columns that come out."""
    script = Path(__file__).with_name("kusto.js")
    done = subprocess.run(
        ["node", str(script)], input=json.dumps(QUERIES), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def log_formats(files: str = "*.py") -> set[str]:
    """The text of every line that the app logs, as it is in the code, with %s for what differs."""
    return {
        str(node.args[0].value)
        for package in LOGGING
        for file in (ROOT / package).rglob(files)
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and (node.func.value.id, node.func.attr in LEVELS) == ("log", True)
        and isinstance(node.args[0], ast.Constant)
    }


def functions() -> set[str]:
    """The functions of the app, from the table in function_app's docstring, which another test holds to the code."""
    table = ast.get_docstring(ast.parse((ROOT / "function_app.py").read_text())) or ""
    return {line.split()[0] for line in table.splitlines() if "  " in line}


def searched(query: str) -> Iterator[str]:
    """The texts that a query looks for in a line."""
    yield from re.findall(r'Message has "([^"]+)"', query)


def parsed(query: str) -> Iterator[str]:
    """The lines that a query takes apart, in the form of the app's formats."""
    for pattern in re.findall(r"\| parse Message with \* ([^|;]+)", query):
        yield re.sub(r'"([^"]*)"\s*|(\w+)\s*', lambda part: part[1] if part[2] is None else "%s", pattern)


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_is_correct(name: str, said: dict[str, Json]) -> None:
    """Syntax, tables, columns and functions, as Log Analytics would judge them."""
    assert said[name]["problems"] == []


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_says_what_it_answers(name: str) -> None:
    """In a comment on top: whoever opens it in the portal has nothing else to go by."""
    assert QUERIES[name].startswith("// ")


@pytest.mark.parametrize("name", QUERIES)
def test_what_a_query_looks_for_is_logged(name: str) -> None:
    """A line of the log that gets another text takes its alert and its tile along, or fails here."""
    formats = log_formats()
    for text in searched(QUERIES[name]):
        host = HOSTS_LINE.fullmatch(text)
        assert (host[1] in functions()) if host else any(text in line for line in formats), text
    assert set(parsed(QUERIES[name])) <= formats


@pytest.mark.parametrize("name", QUERIES)
def test_every_part_of_a_query_is_in_its_result(name: str) -> None:
    """What is named by `let` is part of the union: an alert would else not see those lines."""
    named = re.findall(r"^let (\w+) =", QUERIES[name], re.MULTILINE)
    for part in named:
        assert re.search(rf"^union .*\b{part}\b", QUERIES[name], re.MULTILINE)


def test_the_watchdog_logs_what_its_alert_waits_for() -> None:
    """Others log that a migration was not started in the same words; the alert counts the watchdog's."""
    assert set(parsed(QUERIES["migrations-stuck.kql"])) <= log_formats("timers.py")


@pytest.mark.parametrize("name", QUERIES)
def test_a_state_is_one_that_a_migration_can_have(name: str) -> None:
    """Lists of states hold nothing else, and that of the outcomes every end."""
    for states in re.findall(r"state in \(([^)]*)\)", QUERIES[name]):
        named = set(re.findall(r'"(\w+)"', states))
        assert named <= set(MigrationState)
        assert name != "outcomes.kql" or named == set(ENDED_AS)
    assert set(re.findall(r'state == "(\w+)"', QUERIES[name])) <= set(MigrationState)


@pytest.mark.parametrize("name", QUERIES)
def test_no_query_asks_for_two_states_at_once(name: str) -> None:
    """A migration has one state: with `and` between two of them nothing would ever be found."""
    for condition in re.split(r"\||;", QUERIES[name]):
        between = re.findall(r'state == "\w+"\s+(\w+)\s+\(?(?=state ==)', condition)
        assert between == ["or"] * (condition.count("state ==") - 1)


def test_warnings_and_errors_are_what_troubles_are() -> None:
    """Application Insights gives a line 2 for a warning, 3 for an error, and 4, its highest, for a critical one."""
    assert re.findall(r"SeverityLevel >= (\d+)", QUERIES["troubles.kql"]) == ["2"]


def begun() -> set[str]:
    """The states of VMs that come of a write."""
    found, waiting = set[str](), [ItemState.STARTING]
    while waiting:
        state = waiting.pop()
        found.add(state)
        waiting += ITEM_TRANSITIONS.get(state, frozenset()) - found - {ItemState.PLANNED}
    return found


def finds(query: str, state: str, vm: str) -> bool:
    """Whether a query takes a line on a migration in this state, with a VM in that one: its conditions, as Python."""
    conditions = re.findall(r"\| where ((?:not\()?(?:state|vms) (?:.|\n\s+or)*)", query)
    told = {"state": state, "vms": {vm}}
    texts = [re.sub(r"vms has_any (\([^)]*\))", r"bool(vms & {*\1})", text).replace("\n", " ") for text in conditions]
    assert texts
    return all(eval(text, {}, told) for text in texts)  # the project's own files


@pytest.mark.parametrize("vm", ItemState)
@pytest.mark.parametrize("state", MigrationState)
def test_each_stop_is_found_by_just_one_alert(state: MigrationState, vm: ItemState) -> None:
    """A halt and a failure with VMs begun stop a migration, a failure with none is a plan's; nothing else is found."""
    stopped = state == "Halted" or (state == "Failed" and vm in begun())
    assert finds(QUERIES["migrations-stopped.kql"], state, vm) == stopped
    assert finds(QUERIES["plans-failed.kql"], state, vm) == (state == "Failed" and not stopped)


def test_the_formats_are_read_from_the_queries() -> None:
    """The two helpers above find what there is: a parse over two lines, an end without a variable."""
    query = 'T | where Message has "is b"\n| parse Message with * "a " x " is b "\n  y ", c"\n| take 1'
    assert (list(searched(query)), list(parsed(query))) == (["is b"], ["a %s is b %s, c"])


def test_every_query_is_in_use() -> None:
    """Each is loaded by an alert or a tile, and nothing is loaded that is not there."""
    loaded = {
        Path(part.arguments[0]).name
        for module in ("alerts", "workbook")
        for variable in read(INFRA / "modules" / f"{module}.bicep").variables.values()
        for part in parts_of(variable.value)
        if isinstance(part, Call) and part.function == "loadTextContent"
    }
    assert loaded == set(QUERIES)


def alert_rules() -> dict[str, Json]:
    """The table of log alerts, by the query that each one runs."""
    alerts = read(INFRA / "modules" / "alerts.bicep")
    rules = alerts.resolved(alerts.variables["rules"].value)
    return {Path(rule["query"].arguments[0]).name: rule for rule in rules}


@pytest.mark.parametrize("name", alert_rules())
def test_an_alert_counts_what_its_query_returns(name: str, said: dict[str, Json]) -> None:
    """The measure and the dimensions of the rule are columns of the result, and all of them: no other is left over."""
    alerts = read(INFRA / "modules" / "alerts.bicep")
    [criterion] = alerts.resources["logAlerts"].properties["criteria"]["allOf"]
    dimensions = [alerts.resolved(dimension) for dimension in alert_rules()[name]["dimensions"]]
    measured = [criterion["metricMeasureColumn"], *(dimension["name"] for dimension in dimensions)]
    assert sorted(said[name]["columns"]) == sorted(measured)
    assert all(dimension["operator"] == "Include" and dimension["values"] == ["*"] for dimension in dimensions)


def test_what_the_watchdog_must_say_several_times_it_has_the_time_to_say() -> None:
    """A query that looks for repeated lines asks for no more than the watchdog writes in the window of its alert."""
    for name, rule in alert_rules().items():
        for times in re.findall(r"found >= (\d+)", QUERIES[name]):
            assert 1 < int(times) <= minutes(rule["window"]) // WATCHDOG_MINUTES


FIRES = {
    "migrations-stopped.kql": (1, "GreaterThan", 0),
    "migrations-stuck.kql": (1, "GreaterThan", 0),
    "plans-failed.kql": (3, "GreaterThan", 0),
    "watchdog-silent.kql": (1, "LessThan", 1),
}
"""By query: the severity of its alert, and when it fires. Silence is an alert of one query only."""


def test_an_alert_fires_when_it_should() -> None:
    """On anything found, but on nothing where silence is the trouble; and its window leaves no time unseen."""
    rules = alert_rules()
    assert {name: (rule["severity"], rule["operator"], rule["threshold"]) for name, rule in rules.items()} == FIRES
    for rule in rules.values():
        assert minutes(rule["window"]) >= minutes(rule["every"])
    assert minutes(rules["watchdog-silent.kql"]["window"]) > 2 * WATCHDOG_MINUTES


def minutes(duration: str) -> int:
    """The minutes of a duration like PT15M."""
    return int(duration.removeprefix("PT").removesuffix("M"))


def test_an_alert_fires_for_each_way_that_an_event_gets_lost() -> None:
    """Put among the dead letters, or dropped: each an alert of its own, since the criteria of one must all be met."""
    alerts = read(INFRA / "modules" / "alerts.bicep")
    losses = alerts.variables["losses"].value
    assert [loss["metric"] for loss in losses] == ["DeadLetteredCount", "DroppedEventCount"]
    alert = alerts.resources["lostEvents"]
    [criterion] = alert.properties["criteria"]["allOf"]
    assert alert.loop and Name("losses") in parts_of(alert.loop.over)
    assert criterion["metricName"] == Member(Name("loss"), "metric")
    assert (criterion["operator"], criterion["threshold"]) == ("GreaterThan", 0)
    assert minutes(alert.properties["windowSize"]) >= minutes(alert.properties["evaluationFrequency"])
