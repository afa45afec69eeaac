"""The story of a migration: survey, standing, approval, vaults, end."""

from datetime import timedelta
from typing import Any

import pytest

from local_host.clock import SkippingClock
from local_host.host import LocalHost
from migration.records import MigrationState
from tests.orchestrations.conftest import Steps

ORDER = {"migrationId": "m1", "vaultKeys": ["v1", "v2"], "surveyed": False}
SURVEYED = {"done": True}
VAULT_DONE = {"start": [], "waitSeconds": 300, "finished": True}


def standing(state: MigrationState, wait_seconds: int = 0) -> dict[str, Any]:
    """Where the ledger says the migration stands."""
    return {"state": state.value, "waitSeconds": wait_seconds}


PLANNED = standing(MigrationState.COMPLETED)
WAITING = standing(MigrationState.AWAITING_APPROVAL, 900)
RUNNING = standing(MigrationState.RUNNING)
COMPLETED = standing(MigrationState.COMPLETED)


async def run(engine: LocalHost) -> tuple[str, Any]:
    """Run a migration to its end; answers its status and the state it ended in."""
    await engine.start("migrate", ORDER, "m1")
    status = await engine.wait("m1")
    return status.runtime_status, status.output


async def test_a_plan_ends_when_every_vault_is_surveyed(engine: LocalHost, steps: Steps) -> None:
    """Plan mode surveys each vault once and starts no controller."""
    steps.script["advance_migration"] = [PLANNED]

    assert await run(engine) == ("Completed", {"state": "Completed"})

    assert sorted(order["vaultKey"] for order in steps.asked["survey_vault"]) == ["v1", "v2"]
    assert not steps.asked["monitor_jobs"]


async def test_an_approved_plan_runs_every_vault_and_is_closed(engine: LocalHost, steps: Steps) -> None:
    """Each vault has a controller of its own, and the migration ends after the last."""
    steps.script["advance_migration"] = [RUNNING, COMPLETED]
    steps.script["monitor_jobs"] = [VAULT_DONE]

    assert await run(engine) == ("Completed", {"state": "Completed"})

    assert sorted(order["vaultKey"] for order in steps.asked["monitor_jobs"]) == ["v1", "v2"]
    for instance in ("m1:v1", "m1:v2"):
        assert (await engine.wait(instance)).runtime_status == "Completed"


async def test_it_waits_for_approval_without_surveying_again(
    engine: LocalHost, steps: Steps, clock: SkippingClock
) -> None:
    """It looks at the ledger again at the latest when it was told to, whether or not a nudge comes."""
    steps.script["advance_migration"] = [WAITING, WAITING, WAITING, standing(MigrationState.REJECTED)]
    began = clock.now()

    assert await run(engine) == ("Completed", {"state": "Rejected"})

    assert clock.now() - began == timedelta(seconds=3 * 900)
    assert len(steps.asked["survey_vault"]) == 2
    assert not steps.asked["monitor_jobs"]


async def test_a_nudge_makes_it_look_at_once(engine: LocalHost, steps: Steps, clock: SkippingClock) -> None:
    """An approval takes effect when it is given, not at the next look."""
    steps.script["advance_migration"] = [WAITING, RUNNING, COMPLETED]
    steps.script["monitor_jobs"] = [VAULT_DONE]
    with clock.standing_still():
        await engine.start("migrate", ORDER, "m1")
        await engine.settled()
        await engine.raise_event("m1", "nudge", None)
        status = await engine.wait("m1")

    assert status.output == {"state": "Completed"}


async def test_a_throttled_survey_waits_as_long_as_the_service_asks(
    engine: LocalHost, steps: Steps, clock: SkippingClock
) -> None:
    """Planning is not lost to a throttle, however long."""
    steps.script["survey_vault"] = [SURVEYED, {"done": False, "stayAwaySeconds": 3000}, SURVEYED]
    steps.script["advance_migration"] = [PLANNED]
    began = clock.now()

    assert await run(engine) == ("Completed", {"state": "Completed"})

    assert clock.now() - began == timedelta(seconds=3000)


async def test_a_survey_is_tried_again_before_the_migration_fails(engine: LocalHost, steps: Steps) -> None:
    """An outage of the ledger during planning is waited out."""
    steps.script["survey_vault"] = [RuntimeError("no answer"), SURVEYED]
    steps.script["advance_migration"] = [PLANNED]

    assert await run(engine) == ("Completed", {"state": "Completed"})

    assert len(steps.asked["survey_vault"]) == 3


@pytest.mark.parametrize(
    "survey", [[RuntimeError("no access")], [RuntimeError("no access"), SURVEYED, RuntimeError("x")]]
)
async def test_what_nobody_could_deal_with_fails_the_migration_in_the_ledger(
    engine: LocalHost, steps: Steps, survey: list[Any]
) -> None:
    """The one broad except ends in the ledger, with the error's own words."""
    steps.script["survey_vault"] = survey
    steps.script["advance_migration"] = [standing(MigrationState.FAILED)]

    assert await run(engine) == ("Completed", {"state": "Failed"})

    [order] = steps.asked["advance_migration"]
    assert "survey_vault" in order["problem"]
