"""Every fault, and some together: after each, every VM has ended once and truly, by one write, and nothing is left."""

import random

import pytest

from migration.records import ItemState
from tests.faults.azure import everything, move_to_enhanced
from tests.faults.books import Others, policies_of, read_truth
from tests.faults.faults import FAULTS
from tests.faults.rounds import Report, Round, a_request, play, start
from tests.faults.soak import a_round
from tests.faults.stages import in_process

pytestmark = pytest.mark.timeout(900)  # a round is long, and a slow machine must not look like a fault

IN_PROCESS = [
    Round(seed=1, faults=("twice",), vms_per_vault=20),
    Round(seed=2, faults=("storage",), vms_per_vault=30, most_strikes=1),
    Round(seed=3, faults=("throttles",), vms_per_vault=20, most_strikes=8),
    Round(seed=4, faults=("day limit",), vms_per_vault=10, concurrent=5),
    Round(seed=5, faults=("outages",), vms_per_vault=12, concurrent=12),
    Round(seed=6, faults=("clock",), vms_per_vault=20),
    Round(seed=7, faults=("rivals",), vaults=2, vms_per_vault=10),
    Round(seed=8, faults=("operator",), vms_per_vault=40),
    Round(seed=9, faults=("bad jobs",), vms_per_vault=20),
    Round(seed=14, faults=("meddler",), vaults=2, vms_per_vault=10),
    Round(seed=10, faults=("bad jobs", "operator", "rivals", "twice"), vms_per_vault=20),
]
KILLS = 20
GATE = "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/read"


def expect_all_is_well(report: Report, *happened: str) -> None:
    """Fails with all violations; and where one of those things did not happen, for then nothing was shown."""
    assert not report.violations, "\n".join(report.violations)
    assert not [what for what in happened if not report.counts[what]], str(report)


@pytest.mark.parametrize("played", IN_PROCESS, ids=lambda played: "+".join(played.faults))
async def test_a_migration_survives(played: Round, azurite: str) -> None:
    """Whatever its faults do, it ends, each VM by one write, and the ledger tells the truth."""
    expect_all_is_well(await play(played, azurite), *(WITNESS[fault] for fault in played.faults if fault in WITNESS))


WITNESS = {
    "storage": "restarts",
    "throttles": "429",
    "outages": "5xx",
    "clock": "jumps",
    "bad jobs": "bad jobs",
    "meddler": "interventions",
}
"""What a report counts when a fault has struck."""


async def test_a_migration_survives_the_death_of_its_worker(azurite: str) -> None:
    """200 VMs, a worker killed 20 times and more: each VM is moved by one write, or left when its tries are used up."""
    played = Round(seed=11, faults=("kill",), vms_per_vault=200, concurrent=50, most_strikes=KILLS)
    report = await play(played, azurite)
    expect_all_is_well(report)
    assert report.counts["kills"] >= KILLS
    assert report.counts["taken"] == report.states["Migrated"]
    assert report.states["Migrated"] + report.states["Refused"] == 200


async def test_rival_migrations_survive_outages_and_deaths(azurite: str) -> None:
    """Two migrations over one vault, a fifth of all calls failing, and the worker killed again and again."""
    played = Round(seed=12, faults=("kill", "outages", "rivals"), vms_per_vault=6, concurrent=6, most_strikes=4)
    expect_all_is_well(await play(played, azurite), "kills", "5xx")


def test_every_fault_has_a_test_of_its_own() -> None:
    """A new row in the table is no use before somebody shows that the app survives it."""
    alone = {played.faults[0] for played in IN_PROCESS if len(played.faults) == 1}
    assert alone | {"kill"} == set(FAULTS)


def test_a_seed_stands_for_one_round() -> None:
    """What the soak prints is enough to play it again."""
    assert a_round(5) == a_round(5)
    assert len({a_round(seed).faults for seed in range(20)}) > 10


async def test_a_conflict_with_somebody_else_is_not_told_as_our_success(azurite: str) -> None:
    """Somebody moves a VM between the gate and the write, which Azure refuses: it is Drifted, not Migrated."""
    played, others = Round(seed=13, faults=(), vms_per_vault=1), Others()
    async with in_process(azurite, (1, 1), random.Random(played.seed), twice=False) as stage:
        before = policies_of(stage.simulator)
        [(vault, item)] = everything(stage.simulator)

        def right_after_the_gate() -> None:
            if stage.simulator.log.requests[-1].action == GATE and not others.touched:
                move_to_enhanced(stage.simulator, vault, item, others)

        stage.simulator.about_to_answer = right_after_the_gate
        await start(stage, a_request(played, stage, "m1"))
        assert await stage.ended("m1", played.patience_seconds)
        [record] = [record async for record in stage.ledger.all_items("m1")]
        [found] = read_truth(stage.simulator, before, others).values()

    assert (found.accepted, len(found.jobs_of_others), found.enhanced) == (0, 1, True)
    assert record.state is ItemState.DRIFTED
