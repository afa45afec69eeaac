"""The benchmarks measure what they promise, and docs/performance.md says what they found."""

import io
import math
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import cold_start, comparison, money, planning, questions, replay, scale, simulator
from benchmarks.__main__ import BENCHMARKS, benchmark, duration
from benchmarks.measures import Goal, Machine, Measure, Report, at_least, at_most, number, percentile, under
from benchmarks.past import fill, migration_id
from benchmarks.results import DOCUMENT, ROOT, Result, filled_in, keep, markdown, read_results, show
from benchmarks.stage import PAGE_SIZE, names_one
from clients.backup import ITEMS_PER_PAGE
from clients.ledger import Ledger
from migration.records import ItemState, MigrationState, Tally, counts_of

MACHINE = Machine(processor="any", cores=2, system="Linux x86_64", python="3.11.7", load=0.5)

TINY: dict[str, Callable[[], Awaitable[Report]]] = {
    "comparison": lambda: comparison.measure(vaults=1, vms_per_vault=2, threads=2),
    "scale": lambda: scale.measure(sizes=(2, 4), vaults=(1,)),
    "planning": lambda: planning.measure(vaults=1, vms_per_vault=4, latency_ms=1),
    "cold_start": lambda: cold_start.measure(repeats=1),
    "replay": lambda: replay.measure(repeats=1, starts=3, surveys=2, group=2),
    "money": lambda: money.measure(vaults=1, vms_per_vault=4),
    "questions": lambda: questions.measure(migrations=(2, 3), vms_per_migration=10, questions=10, starts=1),
    "simulator": lambda: simulator.measure(vaults=1, vms_per_vault=4, seconds=0.1, connections=1),
}
"""Each benchmark, as small as it can be."""


def a_result(*measures: Measure, name: str = "replay") -> Result:
    """A result with these measures."""
    report = Report(benchmark=name, conditions={"VMs": 1000}, measures=list(measures))
    return Result(measured_on="2026-11-23", machine=MACHINE, report=report)


def _goals(report: Report) -> dict[str, Goal]:
    """The goals that are measured, by measure."""
    return {measure.name: measure.goal for measure in report.measures if measure.goal}


# --- what is documented


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_is_documented(name: str) -> None:
    """Each has its section with a place for its table, and the Makefile names it."""
    assert f"\n## {name}\n" in DOCUMENT.read_text()
    assert f"<!-- results: {name} -->\n" in DOCUMENT.read_text()
    assert re.search(rf"^#.*\b{name}\b", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_the_documented_goals_are_those_in_the_code() -> None:
    """The promise is written down once more where people read it, and it is the same promise."""
    goals = DOCUMENT.read_text().partition("## Goals")[2].partition("\n## ")[0]
    documented = re.findall(r"^\| (\w+) \| (.+?) \| (.+?) \|$", goals, re.MULTILINE)
    coded = [(name, what, str(goal)) for name in BENCHMARKS for what, goal in benchmark(name).GOALS.items()]
    assert documented[1:] == coded  # the first is the heading


@pytest.mark.parametrize("name", BENCHMARKS)
def test_there_are_results_for_every_goal(name: str) -> None:
    """results.json has the benchmark's last run, with a measure for each goal that it has now."""
    results = read_results()
    assert name in results
    assert _goals(results[name].report) == benchmark(name).GOALS


def test_the_documented_tables_are_the_results() -> None:
    """What the document shows is what results.json holds, of every benchmark: nobody writes numbers by hand."""
    results, document = read_results(), DOCUMENT.read_text()
    assert results.keys() == set(BENCHMARKS)
    assert filled_in(document, results) == document


# --- what is measured


@pytest.mark.parametrize("name", BENCHMARKS)
async def test_every_goal_is_measured(name: str) -> None:
    """A tiny run ends with numbers, and each goal has one. What they are is the machine's business."""
    report = await TINY[name]()
    assert report.benchmark == name
    assert _goals(report) == benchmark(name).GOALS
    assert all(math.isfinite(measure.value) for measure in report.measures)


@pytest.mark.parametrize(
    ("path", "single"),
    [
        ("/s/1/providers/P/vaults/v/backupFabrics/Azure/protectionContainers/c/protectedItems/VM%3Bi", True),
        (
            "/s/1/providers/P/vaults/v/backupFabrics/Azure/protectionContainers/c/protectedItems/i/operationsStatus/o",
            True,
        ),
        ("/s/1/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm-1?api-version=2025-04-01", True),
        ("/s/1/resourceGroups/rg/providers/Microsoft.Compute/disks/disk-1", True),
        ("/s/1/providers/P/vaults/v/backupProtectedItems?$filter=itemType", False),
        ("/s/1/providers/Microsoft.Compute/virtualMachines?next=/disks/1", False),
        ("/s/1/providers/Microsoft.Compute/disks/", False),
    ],
)
def test_a_call_about_a_single_item_is_known_by_its_path(path: str, single: bool) -> None:
    """One item, VM or disk, or something of it; a list of them is none, whatever its query says."""
    assert names_one(path) is single


def test_the_simulated_pages_are_as_long_as_the_app_reckons() -> None:
    """The documented condition of comparison, scale and planning."""
    assert PAGE_SIZE == ITEMS_PER_PAGE


@pytest.mark.parametrize(
    ("migration", "state", "items"),
    [
        (1, MigrationState.COMPLETED, {"Migrated": 8}),
        (10, MigrationState.RUNNING, {"Migrated": 4, "Migrating": 2, "Planned": 2}),
    ],
)
async def test_a_past_is_as_the_app_leaves_it(
    ledger: Ledger, migration: int, state: MigrationState, items: dict[str, int]
) -> None:
    """Its vaults have a plan and counts that are those of their rows; only VMs in flight are claimed."""
    await fill(ledger, migration, vaults=2, vms_per_vault=4)
    record = await ledger.read_migration(migration_id(migration))
    vaults = await ledger.read_vaults(record.migration_id)
    assert (record.state, record.planned, counts_of(vaults)) == (state, 8, items)
    for vault in vaults:
        records = await ledger.read_items(record.migration_id, vault.vault_key)
        assert (vault.vms, vault.counts) == (4, Tally().plus(records).states)
        assert vault.plan.verdicts and vault.targets and vault.sources and vault.plan_hash
        in_flight = [one.item_name for one in records if one.state is ItemState.MIGRATING]
        assert await ledger.claims(vault.vault_key, record.migration_id) == in_flight


def test_what_was_imported_before_is_no_part_of_an_import() -> None:
    """Only the module's own lines count, each with what it took without those further to the right."""
    lines = [
        "import time: self [us] | cumulative | imported package",
        "import time:       500 |        500 | site",
        "import time:      1500 |       1500 |     azure.core",
        "import time:      2000 |       3500 |   azure.identity",
        "import time:       250 |       3750 | app",
    ]
    assert cold_start.own_times(lines, "app") == {"azure.core": 1.5, "azure.identity": 2.0, "app": 0.25}
    with pytest.raises(ValueError, match="was not imported"):
        cold_start.own_times(lines, "other")


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("azure.identity.aio._credentials", "azure.identity"),
        ("azure.mgmt.recoveryservicesbackup.models", "azure.mgmt.recoveryservicesbackup"),
        ("asyncio.events", "Python's own"),
        ("migration.cycle", "the app's own"),
        ("function_app", "the app's own"),
        ("msal.oauth2cli", "msal"),
    ],
)
def test_a_module_is_counted_for_its_package(module: str, package: str) -> None:
    """Microsoft's packages by their names, Python's own and the app's own together."""
    assert cold_start.package_of(module) == package


def test_a_poller_costs_what_the_sources_say() -> None:
    """A poll every ten minutes for four hours: 83 executions a VM, two GB-s each, 4.35 USD for 1,000 VMs."""
    usage = money.of_the_poller(vms=1000, hours=0)["alone"]
    assert (usage.executions, usage.seconds * money.MEMORY_GB) == (83_000, 166_000)
    cost = usage.cost(money.Prices())
    assert cost["executions"] + cost["active time"] == pytest.approx(4.35, abs=0.005)


def test_each_activity_is_billed_a_second_and_its_turns_with_it() -> None:
    """Of a VM's poller 29 executions are activities and 54 are turns; only the bound counts those, too."""
    usages = money.of_the_poller(vms=1, hours=0)
    assert (usages["shared"].seconds, usages["alone"].seconds) == (29, 83)


# --- how it is told


@pytest.mark.parametrize(("minutes", "text"), [(0.2, "12 seconds"), (1, "60 seconds"), (10, "10 minutes")])
def test_a_duration_is_told_as_people_say_it(minutes: float, text: str) -> None:
    """Few minutes in seconds."""
    assert duration(minutes) == text


@pytest.mark.parametrize(
    ("goal", "met", "missed"), [(at_most(2), 2, 2.1), (under(2), 1.9, 2), (at_least(2), 2, 1.9)], ids=str
)
def test_a_goal_says_what_meets_it(goal: Goal, met: float, missed: float) -> None:
    """The bound itself meets `at most` and `at least`, and misses `under`."""
    assert not Measure("any", met, goal=goal).missed
    assert Measure("any", missed, goal=goal).missed
    assert not Measure("any", missed).missed


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.00036, "0.00036"), (0.000026, "0.000026"), (2.017, "2.02"), (12345.6, "12,346")]
)
def test_numbers_are_told_in_three_digits(value: float, text: str) -> None:
    """Digits that say nothing are left out, and nothing is told in powers of ten."""
    assert number(value) == text


def test_a_percentile_is_one_of_the_values() -> None:
    """Of a hundred values the median has fifty below it, and 99 of 100 are below the last."""
    values = [float(each) for each in range(100, 0, -1)]
    assert (percentile(values, 0.5), percentile(values, 0.99)) == (51, 100)
    with pytest.raises(ValueError):
        percentile([], 0.5)


def test_cases_are_columns_and_goals_say_who_misses_them() -> None:
    """A name is a row. A goal that all cases share is told once; one that a single case has, with the case."""
    both = [Measure("time", 5, "ms", "few", under(10)), Measure("time", 12, "ms", "many", under(10))]
    lines = markdown(a_result(*both, Measure("ratio", 2.4, "", "many", at_most(1.5)))).splitlines()
    assert lines[1:5] == [
        "|  | few | many | goal |",
        "| --- | ---: | ---: | --- |",
        "| time | 5 ms | 12 ms | under 10 ms; missed: many |",
        "| ratio |  | 2.4 | at most 1.5 for many; missed: many |",
    ]
    assert "2 cores (any), Linux x86_64, Python 3.11.7, load average 0.5" in lines[6]
    assert lines[7] == "Conditions: VMs: 1,000."


def test_a_result_takes_the_place_of_the_last_one_and_of_no_other(tmp_path: Path) -> None:
    """results.json and the document keep what other benchmarks have found."""
    file, document = tmp_path / "results.json", tmp_path / "performance.md"
    document.write_text("A\n<!-- results: money -->\n<!-- end -->\nB\n<!-- results: replay -->\nold\n<!-- end -->\nC\n")
    for result in (
        a_result(Measure("cost", 1), name="money"),
        a_result(Measure("time", 1)),
        a_result(Measure("time", 2)),
    ):
        keep(result, file, document)
    assert {name: result.report.measures[0].value for name, result in read_results(file).items()} == {
        "money": 1,
        "replay": 2,
    }
    text = document.read_text()
    assert [text.count(row) for row in ("| cost | 1 |  |", "| time | 2 |  |", "| time | 1 |", "old")] == [1, 1, 0, 0]
    assert [line for line in text.splitlines() if line in ("A", "B", "C")] == ["A", "B", "C"]


def test_the_terminal_shows_the_same_table() -> None:
    """Names, values, goals and conditions."""
    terminal = io.StringIO()
    show(a_result(Measure("time", 12, "ms", goal=under(10))), Console(file=terminal, width=100))
    text = terminal.getvalue()
    assert all(part in text for part in ("replay", "time", "12 ms", "under 10 ms; missed: yes", "VMs: 1,000"))


def test_there_is_no_other_benchmark() -> None:
    """A name that is none is refused before anything is measured."""
    program = subprocess.run(
        [sys.executable, "-m", "benchmarks", "replay", "speed"], cwd=ROOT, capture_output=True, text=True
    )
    assert program.returncode == 2
    assert "there is no benchmark speed" in program.stderr
    assert program.stdout == ""
