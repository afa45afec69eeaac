"""What comes of the events of a vault: how long it sleeps, what it opens, and when it looks again."""

from datetime import timedelta
from typing import Any

import msgspec

from local_host.clock import SkippingClock
from local_host.host import LocalHost
from migration.records import MigrationState
from migration.steps import NUDGE, WAITS_FOR_ITEMS, FollowUp, MigrateOrder, Opening, WatchOrder, is_at
from orchestrations.watch_vault import OUTAGE_SECONDS
from tests.orchestrations.conftest import Steps

DELAY, RECHECK = timedelta(minutes=30), timedelta(hours=24)
ORDER = WatchOrder(
    vault_id="vault",
    vault_key="v1",
    delay_seconds=int(DELAY.total_seconds()),
    recheck_seconds=int(RECHECK.total_seconds()),
    wait_seconds=int(DELAY.total_seconds()),
)
WATCH = "watch:v1"
PLANNED = {"state": MigrationState.COMPLETED.value, "waitSeconds": 0}
NOTHING = FollowUp(touched=False, look_again=False)
TOUCHED = FollowUp(touched=True, look_again=False)
EMPTY = FollowUp(touched=False, look_again=True)


def opens(order: dict[str, Any]) -> Any:
    """The migration that was asked for is opened."""
    migration = MigrateOrder(migration_id=order["migrationId"], vault_keys=("v1",))
    return msgspec.to_builtins(Opening(migration=migration))


def script(steps: Steps, opening: list[Any], follow_up: list[Any]) -> None:
    """Write down what the two steps of a watch answer; every migration is only planned."""
    steps.script["advance_migration"] = [PLANNED]
    steps.script["open_migration"] = [msgspec.to_builtins(o) if isinstance(o, Opening) else o for o in opening]
    steps.script["follow_up"] = [msgspec.to_builtins(f) if isinstance(f, FollowUp) else f for f in follow_up]


async def watch(engine: LocalHost, clock: SkippingClock) -> tuple[Any, timedelta]:
    """Run a watch to its end; answers what it returned and how long it took."""
    began = clock.now()
    await engine.start("watch_vault", msgspec.to_builtins(ORDER), WATCH)
    status = await engine.wait(WATCH)
    assert status.runtime_status == "Completed"
    return status.output, clock.now() - began


async def test_the_vault_is_planned_after_the_delay(engine: LocalHost, steps: Steps, clock: SkippingClock) -> None:
    """The migration's id names the vault and the minute it was opened in, and is its instance's."""
    script(steps, [opens], [NOTHING])

    assert await watch(engine, clock) == ({"migrationId": "event-v1-20260101-0030"}, DELAY)

    assert (await engine.wait("event-v1-20260101-0030")).output == {"state": "Completed"}
    assert steps.asked["follow_up"] == [{"vaultId": "vault", "migrationId": "event-v1-20260101-0030"}]


async def test_events_that_came_meanwhile_lead_to_another_plan(
    engine: LocalHost, steps: Steps, clock: SkippingClock
) -> None:
    """Another one after another delay, under another id."""
    script(steps, [opens], [TOUCHED, NOTHING])

    assert await watch(engine, clock) == ({"migrationId": "event-v1-20260101-0100"}, 2 * DELAY)

    assert [order["migrationId"] for order in steps.asked["advance_migration"]] == [
        "event-v1-20260101-0030",
        "event-v1-20260101-0100",
    ]


async def test_an_empty_vault_is_looked_at_once_more(engine: LocalHost, steps: Steps, clock: SkippingClock) -> None:
    """A day later, without an event, and not again after that."""
    script(steps, [opens], [EMPTY])

    _, took = await watch(engine, clock)

    assert took == DELAY + RECHECK + DELAY
    assert [order["again"] for order in steps.asked["open_migration"]] == [False, True]


async def test_a_vault_that_may_not_be_read_is_looked_at_once_more(
    engine: LocalHost, steps: Steps, clock: SkippingClock
) -> None:
    """A role is often assigned after the vault was made."""
    script(steps, [Opening(look_again=True)], [NOTHING])
    assert await watch(engine, clock) == ({"migrationId": ""}, DELAY + RECHECK + DELAY)


async def test_a_nudge_ends_the_wait_for_items_and_not_the_delay(
    engine: LocalHost, steps: Steps, clock: SkippingClock
) -> None:
    """The item's event is the first of a burst: the vault is planned when that is over."""
    script(steps, [opens], [EMPTY, NOTHING])
    with clock.standing_still():
        await engine.start("watch_vault", msgspec.to_builtins(ORDER), WATCH)
        await engine.settled()
        await engine.raise_event(WATCH, NUDGE)
        await engine.settled()
        assert steps.asked["open_migration"] == []
        clock.advance(DELAY)
        await engine.settled()
        status = await engine.status(WATCH)
        assert status and status.custom_status == WAITS_FOR_ITEMS

        await engine.raise_event(WATCH, NUDGE)
        await engine.settled()
        assert len(steps.asked["open_migration"]) == 1
        clock.advance(DELAY)
        await engine.settled()
        assert len(steps.asked["open_migration"]) == 2


async def test_a_busy_vault_is_asked_for_later(engine: LocalHost, steps: Steps, clock: SkippingClock) -> None:
    """As much later as the step said."""
    script(steps, [Opening(wait_seconds=600), opens], [NOTHING])
    assert await watch(engine, clock) == ({"migrationId": "event-v1-20260101-0040"}, DELAY + timedelta(minutes=10))


async def test_nothing_to_do_is_an_end(engine: LocalHost, steps: Steps, clock: SkippingClock) -> None:
    """No migration runs where none was opened."""
    script(steps, [Opening()], [NOTHING])
    assert await watch(engine, clock) == ({"migrationId": ""}, DELAY)
    assert not steps.asked["advance_migration"]


async def test_outages_are_waited_out_and_no_plan_is_made_twice(
    engine: LocalHost, steps: Steps, clock: SkippingClock
) -> None:
    """Before the plan it is opened later; after it only what follows is asked again, and what it said counts."""
    away = RuntimeError("no answer")
    script(steps, [away, opens], [away, EMPTY, NOTHING])

    _, took = await watch(engine, clock)

    assert took == DELAY + 2 * timedelta(seconds=OUTAGE_SECONDS) + RECHECK + DELAY
    assert [order["again"] for order in steps.asked["open_migration"]] == [False, False, True]
    assert len(steps.asked["advance_migration"]) == 2


async def test_after_an_outage_the_same_migration_is_opened(
    engine: LocalHost, steps: Steps, clock: SkippingClock
) -> None:
    """Minutes later, under the id of the first try, which may have written it; the custom status names it all along."""
    name = "event-v1-20260101-0030"
    script(steps, [RuntimeError("no answer"), opens], [TOUCHED, NOTHING])
    with clock.standing_still():
        await engine.start("watch_vault", msgspec.to_builtins(ORDER), WATCH)
        await engine.settled()
        clock.advance(DELAY)
        await engine.settled()
        between = await engine.status(WATCH)
        assert between and is_at(between.custom_status, name)
    await engine.wait(WATCH)

    asked = [order["migrationId"] for order in steps.asked["open_migration"]]
    assert asked == [name, name, "event-v1-20260101-0101"]


async def test_an_outage_does_not_forget_that_a_vault_may_not_be_read(
    engine: LocalHost, steps: Steps, clock: SkippingClock
) -> None:
    """Its event is taken, so that the next try finds nothing; the later look comes all the same, once."""
    script(steps, [Opening(look_again=True), Opening()], [RuntimeError("no answer"), NOTHING])

    _, took = await watch(engine, clock)

    assert took == DELAY + timedelta(seconds=OUTAGE_SECONDS) + RECHECK + DELAY
    assert [order["again"] for order in steps.asked["open_migration"]] == [False, False, True]


async def test_a_migration_that_was_terminated_does_not_end_the_watch(
    engine: LocalHost, steps: Steps, clock: SkippingClock
) -> None:
    """The watch asks what follows, and the migration is the watchdog's."""
    script(steps, [opens], [TOUCHED, NOTHING])
    steps.script["advance_migration"] = [{"state": "AwaitingApproval", "waitSeconds": 900}]
    with clock.standing_still():
        await engine.start("watch_vault", msgspec.to_builtins(ORDER), WATCH)
        await engine.settled()
        clock.advance(DELAY)
        await engine.settled()
        await engine.terminate("event-v1-20260101-0030")
        steps.script["advance_migration"] = [PLANNED]
    status = await engine.wait(WATCH)
    assert (status.runtime_status, len(steps.asked["open_migration"])) == ("Completed", 2)
