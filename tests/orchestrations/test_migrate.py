"""The story of a migration: survey, standing, approval, vaults, end."""

from datetime import timedelta
from typing import Any

from local_host.clock import SkippingClock
from local_host.host import LocalHost
from migration.records import MigrationState
from orchestrations.migrate import MOST_OUTAGES, OUTAGE_SECONDS, SURVEYS
from tests.orchestrations.conftest import Steps

ORDER = {"migrationId": "m1", "vaultKeys": ["v1", "v2"], "toSurvey": [0, 1]}
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


async def test_many_vaults_never_make_a_long_history(engine: LocalHost, steps: Steps, clock: SkippingClock) -> None:
    """They are surveyed a few at a time, and followed in groups: 500 vaults are a few hundred events anywhere."""
    keys = [f"v{n:03}" for n in range(500)]
    steps.script["advance_migration"] = [RUNNING, COMPLETED]
    steps.script["monitor_jobs"] = [{"start": [], "waitSeconds": 300, "finished": False}]

    with clock.standing_still():
        await engine.start(
            "migrate", {"migrationId": "m1", "vaultKeys": keys, "toSurvey": list(range(len(keys)))}, "m1"
        )
        await engine.settled()
        lengths = [len(await engine.history(name)) for name in ("m1", "m1:group-00", "m1:group-09", "m1:v499")]
    steps.script["monitor_jobs"] = [VAULT_DONE]

    assert (await engine.wait("m1")).output == {"state": "Completed"}
    assert sorted({order["vaultKey"] for order in steps.asked["monitor_jobs"]}) == keys
    assert sorted(order["vaultKey"] for order in steps.asked["survey_vault"]) == keys
    assert max(lengths) < 300


async def test_a_throttled_vault_keeps_no_other_from_being_surveyed(
    engine: LocalHost, steps: Steps, clock: SkippingClock
) -> None:
    """It comes again after all others, and only then does anybody wait."""
    keys = [f"v{n:03}" for n in range(SURVEYS + 10)]
    throttled = {"done": False, "stayAwaySeconds": 3000}
    steps.script["survey_vault"] = [throttled, *([SURVEYED] * len(keys))]
    steps.script["advance_migration"] = [PLANNED]
    began = clock.now()

    await engine.start("migrate", {"migrationId": "m1", "vaultKeys": keys, "toSurvey": list(range(len(keys)))}, "m1")
    await engine.wait("m1")

    assert len(steps.asked["survey_vault"]) == len(keys) + 1
    assert clock.now() - began < timedelta(seconds=60)


async def test_an_outage_of_the_ledger_is_waited_out(engine: LocalHost, steps: Steps, clock: SkippingClock) -> None:
    """Whichever step gives up, the migration waits, looks again and goes on; an approved one too."""
    away = RuntimeError("no answer")
    steps.script["survey_vault"] = [away, SURVEYED]
    steps.script["advance_migration"] = [away, RUNNING, away, COMPLETED]
    steps.script["monitor_jobs"] = [VAULT_DONE]
    began = clock.now()

    assert await run(engine) == ("Completed", {"state": "Completed"})

    assert clock.now() - began == timedelta(seconds=3 * OUTAGE_SECONDS)
    assert len(steps.asked["monitor_jobs"]) == 2


async def test_a_throttle_without_seconds_is_no_end(engine: LocalHost, steps: Steps) -> None:
    """Retry-After: 0 means at once, not never."""
    steps.script["survey_vault"] = [SURVEYED, {"done": False, "stayAwaySeconds": 0}, SURVEYED]
    steps.script["advance_migration"] = [PLANNED]
    assert await run(engine) == ("Completed", {"state": "Completed"})
    assert len(steps.asked["survey_vault"]) == 3


async def test_an_outage_without_end_fails_the_migration_in_the_ledger(engine: LocalHost, steps: Steps) -> None:
    """The one broad except ends in the ledger, with what was said and without its traceback."""
    steps.script["survey_vault"] = [RuntimeError("no access")]
    steps.script["advance_migration"] = [standing(MigrationState.FAILED)]

    assert await run(engine) == ("Completed", {"state": "Failed"})

    [order] = steps.asked["advance_migration"]
    assert "survey_vault" in order["problem"]
    assert "no access" in order["problem"]
    assert "\n" not in order["problem"]
    assert len(steps.asked["survey_vault"]) == 2 * MOST_OUTAGES


async def test_a_ledger_that_can_t_be_told_of_the_failure_is_told_later(engine: LocalHost, steps: Steps) -> None:
    """The migration does not end unheard: it asks on until its end is written down."""
    away = RuntimeError("the ledger does not answer")
    steps.script["advance_migration"] = [*([away] * (MOST_OUTAGES + 5)), standing(MigrationState.FAILED)]

    assert await run(engine) == ("Completed", {"state": "Failed"})

    problems = [order["problem"] for order in steps.asked["advance_migration"]]
    assert problems[:MOST_OUTAGES] == [""] * MOST_OUTAGES
    assert all("the ledger does not answer" in problem for problem in problems[MOST_OUTAGES:])
