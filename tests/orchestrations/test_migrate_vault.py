"""The controller of a vault: what it asks, in which order, and how long it waits."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from local_host.clock import SkippingClock
from local_host.host import LocalHost
from migration.cycle import STARTS_PER_CYCLE
from migration.steps import Change, CycleAnswer, Gate, Preflight
from orchestrations.migrate_vault import NEXT_BATCH_SECONDS, OUTAGE_SECONDS
from tests.orchestrations.conftest import Steps

ORDER = {"migrationId": "m1", "vaultKey": "v1"}
FINISHED = CycleAnswer(start=(), wait_seconds=300, finished=True)
IDLE = CycleAnswer(start=(), wait_seconds=300, finished=False, in_flight=1)
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
GATE = Gate(checked_at=NOON, closes_at=NOON)
WRITTEN = Change(verdict="written")
ORCHESTRATOR_STARTED, ORCHESTRATOR_COMPLETED = 12, 13  # Durable's event types that frame an episode


def starting(*names: str) -> CycleAnswer:
    """A cycle in which these items' turn has come."""
    return CycleAnswer(start=names, wait_seconds=300, finished=False)


def all_ready(order: dict[str, Any]) -> Any:
    """Every item whose turn it is may be written."""
    return msgspec.to_builtins(Preflight(ready=tuple(order["itemNames"]), gate=GATE))


def script(steps: Steps, **answers: list[Any]) -> None:
    """Write the test's steps down as what crosses the seam."""
    for name, values in answers.items():
        steps.script[name] = [
            msgspec.to_builtins(value) if isinstance(value, msgspec.Struct) else value for value in values
        ]


async def run(engine: LocalHost, clock: SkippingClock) -> timedelta:
    """Run the controller to its end; answers how much time passed."""
    began = clock.now()
    await engine.start("migrate_vault", ORDER, "m1:v1")
    status = await engine.wait("m1:v1")
    assert (status.runtime_status, status.output) == ("Completed", {"finished": True})
    return clock.now() - began


async def test_a_vault_with_nothing_to_do_ends_after_one_look(
    engine: LocalHost, steps: Steps, clock: SkippingClock
) -> None:
    """The jobs are looked at, and that is all."""
    script(steps, monitor_jobs=[FINISHED])

    assert await run(engine, clock) == timedelta()

    assert [(name, len(asked)) for name, asked in steps.asked.items()] == [("monitor_jobs", 1)]


async def test_the_policies_are_ensured_before_every_batch(
    engine: LocalHost, steps: Steps, clock: SkippingClock
) -> None:
    """A policy edited on the second day must not be written to on the third."""
    script(
        steps,
        monitor_jobs=[starting("a"), IDLE, starting("b"), FINISHED],
        preflight_items=[all_ready],
        change_policy=[WRITTEN],
    )
    await run(engine, clock)
    assert len(steps.asked["ensure_policy"]) == 2


async def test_items_pass_the_live_gate_before_their_write(
    engine: LocalHost, steps: Steps, clock: SkippingClock
) -> None:
    """One look at all whose turn it is; only what is ready now is written, with the service's time of that look."""
    script(
        steps,
        monitor_jobs=[starting("a", "b", "c"), FINISHED],
        preflight_items=[Preflight(ready=("a", "c"), gate=GATE)],
        change_policy=[WRITTEN],
    )

    await run(engine, clock)

    assert [order["itemNames"] for order in steps.asked["preflight_items"]] == [["a", "b", "c"]]
    gate = msgspec.to_builtins(GATE)
    asked = sorted((order["itemName"], order["gate"]) for order in steps.asked["change_policy"])
    assert asked == [("a", gate), ("c", gate)]


ONE = Preflight(ready=("a",), gate=GATE)


@pytest.mark.parametrize(
    ("preflight", "change", "waited"),
    [
        (ONE, WRITTEN, 300),
        (ONE, Change(verdict="settled"), NEXT_BATCH_SECONDS),
        (ONE, Change(verdict="later"), 300),
        (ONE, Change(verdict="later", stay_away_seconds=86_400), NEXT_BATCH_SECONDS),
        (Preflight(gate=GATE), WRITTEN, NEXT_BATCH_SECONDS),
        (Preflight(), WRITTEN, NEXT_BATCH_SECONDS),
        (Preflight(later=True), WRITTEN, 300),
        (Preflight(later=True, stay_away_seconds=324), WRITTEN, NEXT_BATCH_SECONDS),
    ],
)
async def test_how_long_it_waits_depends_on_what_the_service_said(
    engine: LocalHost, steps: Steps, clock: SkippingClock, preflight: Preflight, change: Change, waited: int
) -> None:
    """The poll interval; soon where nothing was written, whose place is others' now."""
    script(steps, monitor_jobs=[starting("a"), FINISHED], preflight_items=[preflight], change_policy=[change])
    assert await run(engine, clock) == timedelta(seconds=waited)


async def test_a_service_that_takes_no_writes_is_told_to_every_later_look(
    engine: LocalHost, steps: Steps, clock: SkippingClock
) -> None:
    """A day-long stay-away outlives generations; until when is the look's to heed."""
    script(
        steps,
        monitor_jobs=[starting("a"), IDLE, FINISHED],
        preflight_items=[Preflight(later=True, stay_away_seconds=86_400)],
    )
    began = clock.now()
    await run(engine, clock)
    until = [order.get("noWritesBefore") for order in steps.asked["monitor_jobs"]]
    assert until[0] is None
    assert [datetime.fromisoformat(str(text)) - began for text in until[1:]] == [timedelta(days=1)] * 2


async def test_it_looks_again_after_each_poll_interval(engine: LocalHost, steps: Steps, clock: SkippingClock) -> None:
    """Jobs of hours cost one look an interval, and nothing else."""
    script(steps, monitor_jobs=[*[IDLE] * 12, FINISHED])

    assert await run(engine, clock) == timedelta(hours=1)

    assert {name: len(asked) for name, asked in steps.asked.items()} == {"monitor_jobs": 13}


async def test_a_nudge_ends_the_wait(engine: LocalHost, steps: Steps, clock: SkippingClock) -> None:
    """What an operator changed is seen at once, not at the next poll."""
    script(steps, monitor_jobs=[IDLE, FINISHED])
    with clock.standing_still():
        await engine.start("migrate_vault", ORDER, "m1:v1")
        await engine.settled()
        await engine.raise_event("m1:v1", "nudge", None)
        status = await engine.wait("m1:v1")

    assert status.runtime_status == "Completed"
    assert len(steps.asked["monitor_jobs"]) == 2


@pytest.mark.parametrize("activity", ["ensure_policy", "monitor_jobs", "preflight_items", "change_policy"])
async def test_an_outage_costs_time_and_nothing_else(
    engine: LocalHost, steps: Steps, clock: SkippingClock, activity: str
) -> None:
    """Whichever step gives up, the controller waits, looks again and goes on."""
    script(
        steps,
        monitor_jobs=[starting("a"), starting("a"), FINISHED],
        preflight_items=[all_ready],
        change_policy=[WRITTEN],
    )
    steps.script[activity] = [RuntimeError("the ledger does not answer"), *(steps.script[activity][-2:] or [None])]

    assert await run(engine, clock) >= timedelta(seconds=OUTAGE_SECONDS)

    assert steps.asked["change_policy"]


async def test_a_generation_stays_small_however_many_start(
    engine: LocalHost, steps: Steps, clock: SkippingClock
) -> None:
    """A cycle that starts as much as it may leaves a few hundred events, and the next generation begins anew."""
    names = [f"vm;iaasvmcontainerv2;rg;vm-{n:04}" for n in range(STARTS_PER_CYCLE)]
    script(steps, monitor_jobs=[starting(*names), FINISHED], preflight_items=[all_ready], change_policy=[WRITTEN])
    with clock.standing_still():
        await engine.start("migrate_vault", ORDER, "m1:v1")
        await engine.settled()
        full = await engine.history("m1:v1")

    await engine.wait("m1:v1")

    # How many episodes the answers arrive in is the engine's affair; each has a beginning and an end of its own.
    framing = [event for event in full if event["EventType"] in (ORCHESTRATOR_STARTED, ORCHESTRATOR_COMPLETED)]
    assert 2 * STARTS_PER_CYCLE < len(full) - len(framing) < 2 * STARTS_PER_CYCLE + 20
    assert len(await engine.history("m1:v1")) < 10
