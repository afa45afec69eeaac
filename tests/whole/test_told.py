"""A whole migration as a listener on its topic sees it."""

import logging
from collections.abc import AsyncIterator

import aiohttp
import pytest

from clients import Clients
from clients.notices import NoticeTopic
from clients.telling import tell
from local_host.host import LocalHost
from migration.records import MigrationState
from simulator import Simulator
from simulator.events import JobErrorTable, Migration
from simulator.troubles import Trouble, TroubleKind
from tests.clients.canned import Canned
from tests.clients.simulated import JOB_READ, a_scenario, a_vm_group
from tests.clients.topic import LocalTopic
from tests.whole.callers import a_body, act, ask, finish, pass_time, status_of
from tests.whole.conftest import OneClock

BROKEN = Migration(ends="Failed", error=JobErrorTable(code=1, title="UserErrorFsFreezeFailed", text="no"), minutes=5)
LONG = Migration(minutes=400)
DOWN = Canned(status=503)


@pytest.fixture
async def topic() -> AsyncIterator[LocalTopic]:
    """A topic that takes everything until told otherwise."""
    async with LocalTopic() as topic:
        yield topic


@pytest.fixture
def notices(topic: LocalTopic) -> NoticeTopic:
    """The app's way to that topic."""
    return topic.notices


async def plan(http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator) -> None:
    """Ask for a migration that needs an approval, and let it come to its plan."""
    status, _ = await ask(http, "POST", "/api/migrations", a_body(simulator, approval="required"))
    assert status == 202
    await host.settled()


async def approve(http: aiohttp.ClientSession, plan_hash: str) -> None:
    """Say yes."""
    await act(http, "approve", {"planHash": plan_hash, "approver": "ada"})


async def test_the_wait_for_approval_and_the_end_are_told_once_each(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock, topic: LocalTopic
) -> None:
    """However often it is looked at meanwhile; and the first notice is enough to approve what was planned."""
    with clock.standing_still():
        await plan(http, host, simulator)
        for _ in range(3):
            await pass_time(host, clock, hours=1)
        [waiting] = topic.events
        await approve(http, waiting["data"]["planHash"])
    await host.wait("m1")

    document = await status_of(http)
    assert [(event["type"], event["data"]["items"]) for event in topic.events] == [
        ("BackupMigration.AwaitingApproval", {"Planned": 20}),
        ("BackupMigration.Ended", {"Migrated": 20}),
    ]
    assert {event["subject"] for event in topic.events} == {"m1"}
    assert (waiting["data"]["approvalDeadline"], topic.events[1]["data"]["state"]) == (
        document["approvalDeadline"],
        "Completed",
    )


async def test_a_topic_that_is_down_at_first_is_told_later(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock, topic: LocalTopic
) -> None:
    """The plan waits all the same, and the next look at it tells."""
    with clock.standing_still():
        topic.answer = DOWN
        await plan(http, host, simulator)
        waiting = await status_of(http)
        assert (waiting["state"], len(topic.requests)) == ("AwaitingApproval", 1)

        topic.answer = Canned()
        await pass_time(host, clock, hours=1)
        told = len(topic.requests)
        assert (told, set(topic.told)) == (2, {"m1/AwaitingApproval"})
        await pass_time(host, clock, hours=1)
        assert len(topic.requests) == told
        await approve(http, waiting["planHash"])
    await host.wait("m1")
    assert topic.told[told:] == ["m1/Completed"]


async def test_a_topic_that_stays_down_holds_up_nothing(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clients: Clients, topic: LocalTopic
) -> None:
    """The migration ends as it would; the end can still be told afterwards, by whoever looks after it."""
    topic.answer = DOWN
    document = await finish(http, host, a_body(simulator))
    assert (document["state"], document["items"]) == ("Completed", {"Migrated": 20})

    topic.answer = Canned()
    record = await clients.ledger.read_migration("m1")
    after = await tell(clients, record, await clients.ledger.read_vaults("m1"))
    assert (record.told, after.told) == ("", MigrationState.COMPLETED)
    assert topic.events[-1]["data"]["items"] == {"Migrated": 20}


async def test_a_plan_cancelled_while_it_waits_is_told(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock, topic: LocalTopic
) -> None:
    """An end that the API writes by itself is told by the orchestration that it wakes."""
    with clock.standing_still():
        await plan(http, host, simulator)
        status, _ = await ask(http, "POST", "/api/migrations/m1/cancel", {"by": "ada"})
        assert status == 200
        await host.wait("m1")
    assert topic.told == ["m1/AwaitingApproval", "m1/Cancelled"]
    assert topic.events[1]["data"]["problem"] == "cancelled by ada"


@pytest.mark.parametrize("scenario", [a_scenario(a_vm_group("bad-{n}", count=2, migration=BROKEN))])
async def test_a_halt_is_told_as_such(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, topic: LocalTopic
) -> None:
    """Whoever listens for halts only hears of it, with the reason and what is left."""
    await finish(http, host, a_body(simulator, limits={"ramp": [1], "stopAfterFailures": 1}))
    [event] = topic.events
    assert (event["type"], event["data"]["items"]) == ("BackupMigration.Halted", {"Cancelled": 1, "Failed": 1})
    assert event["data"]["problem"]


@pytest.mark.parametrize("down_minutes", [0, 30])
@pytest.mark.parametrize(
    "scenario",
    [a_scenario(a_vm_group("a-bad", migration=BROKEN), a_vm_group("b-long", migration=LONG), a_vm_group("c-left"))],
)
async def test_a_halt_is_told_hours_before_its_end(
    http: aiohttp.ClientSession,
    host: LocalHost,
    simulator: Simulator,
    clock: OneClock,
    topic: LocalTopic,
    caplog: pytest.LogCaptureFixture,
    down_minutes: int,
) -> None:
    """When failures let nothing more start, and when the last job has ended: once each, and a topic may be down."""
    with clock.standing_still(), caplog.at_level(logging.WARNING, "activities.monitor_jobs"):
        topic.answer = DOWN if down_minutes else Canned()
        limits = {"ramp": [], "maxConcurrent": 2, "stopAfterFailures": 1}
        await ask(http, "POST", "/api/migrations", a_body(simulator, limits=limits))
        await host.settled()
        await pass_time(host, clock, minutes=20 + down_minutes)
        topic.answer = Canned()
        for _ in range(3):
            await pass_time(host, clock, minutes=30)
        halting = topic.events[-1]
        assert set(topic.told) == {"m1/Halting"}
        assert (halting["type"], halting["data"]["state"]) == ("BackupMigration.Halting", "Running")
        assert halting["data"]["items"] == {"Cancelled": 1, "Failed": 1, "Migrating": 1}
        assert halting["data"]["problem"]
        assert len({event["time"] for event in topic.events}) == 1
        attempts = len(topic.events)
        assert (attempts > 1) == bool(down_minutes)
    await host.wait("m1")
    assert topic.told[attempts:] == ["m1/Halted"]
    [line] = [record.getMessage() for record in caplog.records if record.name == "activities.monitor_jobs"]
    assert line.startswith("migration m1 starts nothing more: ")


@pytest.mark.parametrize(
    "scenario",
    [a_scenario(a_vm_group("a-bad", migration=BROKEN), a_vm_group("b-long", migration=LONG), a_vm_group("c-left"))],
)
async def test_a_halt_outlives_its_vault(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock, topic: LocalTopic
) -> None:
    """A vault that is given up after it halted has halted: the migration does not end as Completed."""
    with clock.standing_still():
        limits = {"ramp": [], "maxConcurrent": 2, "stopAfterFailures": 1, "jobTimeoutHours": 2}
        await ask(http, "POST", "/api/migrations", a_body(simulator, limits=limits))
        await host.settled()
        await pass_time(host, clock, minutes=30)
        simulator.troubles.add(Trouble(kind=TroubleKind.NOT_AUTHORIZED, action=JOB_READ))
    await host.wait("m1")
    assert topic.told == ["m1/Halting", "m1/Halted"]
    assert (await status_of(http))["items"] == {"Cancelled": 1, "Failed": 1, "TimedOut": 1}
