"""What happens by the clock: the audit, the purge, and the watchdog over everything that should go on."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import azure.durable_functions as df
import msgspec
import pytest

import function_app
from clients import Clients
from local_host.host import LocalHost
from migration.events import Touched, event_migration_id, record_of
from migration.model import VaultId
from migration.records import MigrationRecord, MigrationState
from migration.steps import WatchOrder, instance_of, watch_of
from settings import Settings
from simulator import Scenario, Simulator
from simulator.events import Migration
from simulator.scenario import SubscriptionTable
from simulator.troubles import Trouble, TroubleKind
from tests.builders import SUBSCRIPTION, VAULT, a_migration, a_request
from tests.clients.simulated import JOB_READ, VAULT_READ, a_scenario, a_vm_group
from tests.conftest import START
from tests.whole.callers import a_body, act, ask, pass_time, status_of, writes
from tests.whole.conftest import OneClock
from triggers import timers

KEY = VaultId.parse(VAULT).key
WATCH = watch_of(KEY)
CONTROLLER = instance_of("m1", KEY)
SCOPE = f"/subscriptions/{SUBSCRIPTION}"
AUDITED = "audit-20261102-11111111"
OTHER = "99999999-2222-4333-8444-555555555555"
AUDIT = {"audit_schedule": "0 0 5 * * *", "allowed_scopes": (SCOPE,)}


def in_two_subscriptions(scenario: Scenario) -> Scenario:
    """The same vault in another subscription, too."""
    [vault] = scenario.vaults
    there = msgspec.structs.replace(vault, subscription=OTHER)
    subscriptions = [*scenario.subscriptions, SubscriptionTable(id=OTHER, name="Other")]
    return msgspec.structs.replace(scenario, subscriptions=subscriptions, vaults=[vault, there])


@pytest.fixture
def scenario() -> object:
    """One vault of four VMs."""
    return a_scenario(a_vm_group("web-{n}", count=4))


class Ticks:
    """The timers, rung by hand."""

    def __init__(self, clients: Clients, host: LocalHost) -> None:
        self._clients = clients
        self._client = df.DurableOrchestrationClient(host.client_binding)
        self._host = host

    async def ring(self, tick: timers.Tick, **changes: Any) -> None:
        """Let one of them go off, with these settings changed."""
        settings: Settings = msgspec.structs.replace(function_app.settings, **changes)
        await tick(self._clients, settings, self._client)
        await self._host.settled()

    async def watchdog(self) -> None:
        """Let the watchdog make a round."""
        await self.ring(timers.watchdog)


@pytest.fixture
async def ticks(clients: Clients, host: LocalHost) -> AsyncIterator[Ticks]:
    """The app's timers, on the clients of this test."""
    yield Ticks(clients, host)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What an operator's alert would see."""
    records = [record for record in caplog.records if record.levelno >= logging.ERROR]
    return [record.getMessage() for record in records if record.name.startswith("triggers")]


async def migrations(clients: Clients) -> list[str]:
    """The ids of every migration in the ledger."""
    await clients.ledger.prepare()
    return [one.migration_id for one in await clients.ledger._migrations(MigrationState)]


async def test_every_timer_is_a_function_on_its_schedule(host: LocalHost) -> None:
    """Registered under its own name, with a literal schedule that needs no setting, and can be called."""
    registered = {one.name: one for one in host._functions.of_kind("timerTrigger")}
    schedules = {name: function.trigger["schedule"] for name, function in registered.items()}
    assert schedules == {
        "audit_vaults": "0 0 5 * * *",
        "purge_history": "0 30 2 * * *",
        "watchdog": "0 */5 * * * *",
    }
    for function in registered.values():
        await function.call(**{function.parameter: None, "client": host.client_binding})
    moved = timers.timers(msgspec.structs.replace(function_app.settings, audit_schedule="0 0 4 * * MON"))
    assert [timer.schedule for timer in moved if timer.tick is timers.audit_vaults] == ["0 0 4 * * MON"]


# --- audit


async def test_an_audit_plans_every_allowed_vault_once_a_day(
    host: LocalHost, ticks: Ticks, simulator: Simulator, http: aiohttp.ClientSession, clients: Clients, clock: OneClock
) -> None:
    """A second time on the same day it finds the first; the next day it plans again. Nothing is written to Azure."""
    with clock.standing_still():
        await ticks.ring(timers.audit_vaults, **AUDIT)
        await ticks.ring(timers.audit_vaults, **AUDIT)
        assert await migrations(clients) == [AUDITED]
        document = await status_of(http, AUDITED)
        assert (document["state"], document["mode"], document["items"]) == ("Completed", "plan", {"Planned": 4})

        await pass_time(host, clock, days=1)
        await ticks.ring(timers.audit_vaults, **AUDIT)
    assert await migrations(clients) == [AUDITED, "audit-20261103-11111111"]
    assert writes(simulator) == 0


async def test_an_audit_that_finds_other_vaults_keeps_the_days_first(
    ticks: Ticks, simulator: Simulator, http: aiohttp.ClientSession, clients: Clients
) -> None:
    """A setting changed at noon counts from tomorrow."""
    await ticks.ring(timers.audit_vaults, **AUDIT)
    await ticks.ring(timers.audit_vaults, **AUDIT, event_policy="Gold")
    assert await migrations(clients) == [AUDITED]
    assert (await status_of(http, AUDITED))["request"]["target"]["policyName"] == "EnhancedPolicy"


async def test_an_audit_is_off_until_it_is_wanted(ticks: Ticks, simulator: Simulator, clients: Clients) -> None:
    """Without a schedule of its own the timer does nothing at all."""
    await ticks.ring(timers.audit_vaults, allowed_scopes=(SCOPE,))
    assert await migrations(clients) == []
    assert not simulator.log.requests


@pytest.mark.parametrize("kind", [TroubleKind.NOT_AUTHORIZED, TroubleKind.TOO_MANY_REQUESTS])
async def test_a_subscription_that_can_t_be_read_keeps_no_other_from_its_audit(
    ticks: Ticks, simulator: Simulator, clients: Clients, kind: TroubleKind, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether it was declined or put off, it is told, and the others are planned."""
    scopes = (f"/subscriptions/{OTHER}", VAULT)
    simulator.troubles.add(Trouble(kind=kind, action=VAULT_READ, path=f"*{OTHER}*"))
    await ticks.ring(timers.audit_vaults, audit_schedule="0 0 5 * * *", allowed_scopes=scopes)
    assert await migrations(clients) == [AUDITED]
    assert "99999999-2222-4333-8444-555555555555 is not audited" in caplog.text


@pytest.mark.parametrize("scenario", [in_two_subscriptions(a_scenario())])
@pytest.mark.parametrize("kind", [TroubleKind.NOT_AUTHORIZED, TroubleKind.TOO_MANY_REQUESTS])
async def test_a_plan_that_can_t_be_started_keeps_no_other_from_it(
    ticks: Ticks, simulator: Simulator, clients: Clients, kind: TroubleKind, caplog: pytest.LogCaptureFixture
) -> None:
    """Its subscription was listed, and is away, or asks for time, when its migration is to begin a moment later."""
    scopes = (SCOPE, f"/subscriptions/{OTHER}")
    simulator.troubles.add(Trouble(kind=kind, action=VAULT_READ, path=f"*{SUBSCRIPTION}*", skip=1))
    await ticks.ring(timers.audit_vaults, audit_schedule="0 0 5 * * *", allowed_scopes=scopes)
    assert await migrations(clients) == ["audit-20261102-99999999"]
    assert f"{AUDITED} was not started" in caplog.text


async def test_an_audit_of_vaults_that_are_not_allowed_is_none(
    ticks: Ticks, simulator: Simulator, clients: Clients
) -> None:
    """The subscription is listed for another vault of it; what the list has besides is not planned."""
    await ticks.ring(timers.audit_vaults, audit_schedule="0 0 5 * * *", allowed_scopes=(f"{VAULT}x",))
    assert await migrations(clients) == []
    assert simulator.log.counts() == {VAULT_READ: 1}


# --- purge


async def test_a_purge_forgets_what_ended_long_ago_and_nothing_else(
    host: LocalHost, ticks: Ticks, simulator: Simulator, http: aiohttp.ClientSession, clients: Clients, clock: OneClock
) -> None:
    """What runs stays, however old; so does what ended lately; and the ledger keeps all of it."""
    with clock.standing_still():
        for name, mode in (("old", "plan"), ("waiting", "migrate")):
            body = a_body(simulator, id=name, mode=mode, approval="required", approvalTimeoutHours=720)
            assert (await ask(http, "POST", "/api/migrations", body))[0] == 202
        await pass_time(host, clock, days=6)
        assert (await ask(http, "POST", "/api/migrations", a_body(simulator, id="older", mode="plan")))[0] == 202
        await pass_time(host, clock, days=20)
        assert (await ask(http, "POST", "/api/migrations", a_body(simulator, id="young", mode="plan")))[0] == 202
        await pass_time(host, clock, days=3)

        await ticks.ring(timers.purge_history, purge_after_days=20)
        assert {name: bool(await host.status(name)) for name in ("old", "older", "waiting", "young")} == {
            "old": False,
            "older": False,
            "waiting": True,
            "young": True,
        }
        assert (await status_of(http, "waiting"))["state"] == "AwaitingApproval"
        assert (await status_of(http, "old"))["items"] == {"Planned": 4}
        await act_on(http, "waiting", "cancel")


async def test_a_purge_goes_slice_by_slice_and_goes_on_the_next_night(
    host: LocalHost, ticks: Ticks, clock: OneClock
) -> None:
    """One night takes so many slices and no more; none is wasted on hours in which nothing began."""
    nights = timers.SLICES + 5
    with clock.standing_still():
        for number in range(nights):
            await host.start("migrate_vaults", {"migrationId": "m1", "vaultKeys": []}, f"old-{number:02}")
            await pass_time(host, clock, hours=13)
        await pass_time(host, clock, days=31)
        await ticks.ring(timers.purge_history)
        left = [number for number in range(nights) if await host.status(f"old-{number:02}")]
        assert left == list(range(timers.SLICES, nights))
        await ticks.ring(timers.purge_history)
        assert not [number for number in range(nights) if await host.status(f"old-{number:02}")]


async def test_a_purge_forgets_old_events_of_vaults_that_nobody_watches(ticks: Ticks, clients: Clients) -> None:
    """Those that something has come of, when no delivery can come any more; one that waits is never forgotten."""
    ledger, old = clients.ledger, START - 2 * timers.REMEMBERED
    touched = [Touched(vault_id=VAULT, kind="vault", event_id=name, at=old) for name in ("old", "young", "waiting")]
    records = [record_of(one, START if one.event_id == "young" else old) for one in touched]
    noted = [await ledger.note_event(record) for record in records]
    await ledger.take_events(noted[:2], "m0")
    await ticks.ring(timers.purge_history)
    assert [one.event_hash for one in await ledger.pending_events(KEY)] == [records[2].event_hash]
    assert (await ledger.note_event(records[1])).taken
    assert not (await ledger.note_event(records[0])).taken


# --- watchdog


async def begin(http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, **changes: Any) -> None:
    """Start a migration of the vault, one VM after the other."""
    limits = {"ramp": [], "maxConcurrentPerVault": 1, "pollSeconds": 300}
    status, document = await ask(http, "POST", "/api/migrations", a_body(simulator, **{"limits": limits, **changes}))
    assert status == 202, document
    await host.settled()


async def act_on(http: aiohttp.ClientSession, migration: str, what: str) -> None:
    """Do something to a migration that ends it."""
    assert (await ask(http, "POST", f"/api/migrations/{migration}/{what}"))[0] in (200, 202)


async def test_a_controller_that_oversleeps_is_nudged(
    http: aiohttp.ClientSession,
    host: LocalHost,
    simulator: Simulator,
    clock: OneClock,
    clients: Clients,
    ticks: Ticks,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One that sleeps for an hour while the migration looks every minute now looks at the watchdog's round."""
    with clock.standing_still():
        await begin(http, host, simulator, limits={"ramp": [], "maxConcurrentPerVault": 1, "pollSeconds": 3600})
        await pass_time(host, clock, minutes=20)
        migration = await clients.ledger.read_migration("m1")
        faster = msgspec.structs.replace(migration.limits, poll_seconds=60)
        await clients.ledger.write_migration(msgspec.structs.replace(migration, limits=faster))
        looked = simulator.log.counts()[JOB_READ]
        await ticks.watchdog()
        assert simulator.log.counts()[JOB_READ] == looked + 1
        await pass_time(host, clock, minutes=1)
        await ticks.watchdog()
        assert await clients.ledger.read_stalls() == []
    assert told(caplog) == []
    await act(http, "cancel")
    await host.wait("m1")


async def test_what_a_nudge_does_not_wake_is_told_once(
    http: aiohttp.ClientSession,
    host: LocalHost,
    simulator: Simulator,
    clock: OneClock,
    clients: Clients,
    ticks: Ticks,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With migration and vault, at the round after the nudge and never again; until it has moved in between."""
    with clock.standing_still():
        await begin(http, host, simulator)
        await host.suspend(CONTROLLER)
        await ticks.watchdog()
        assert await clients.ledger.read_stalls() == []
        await pass_time(host, clock, minutes=11)
        await ticks.watchdog()
        assert told(caplog) == []
        for _ in range(4):
            await pass_time(host, clock, minutes=5)
            await ticks.watchdog()
        [text] = told(caplog)
        assert "m1" in text and KEY in text

        await host.resume(CONTROLLER)
        await host.settled()
        await ticks.watchdog()
        assert await clients.ledger.read_stalls() == []
        await host.suspend(CONTROLLER)
        for _ in range(4):
            await pass_time(host, clock, minutes=11)
            await ticks.watchdog()
        assert len(told(caplog)) == 2

        await host.resume(CONTROLLER)
    await host.wait("m1")
    await ticks.watchdog()
    assert await clients.ledger.read_stalls() == []
    assert (await status_of(http))["items"] == {"Migrated": 4}


async def test_a_service_that_asks_for_time_gets_it(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock, ticks: Ticks
) -> None:
    """A controller that was throttled for an hour is not nudged into asking before that."""
    with clock.standing_still():
        await begin(http, host, simulator)
        simulator.troubles.add(Trouble(kind=TroubleKind.TOO_MANY_REQUESTS, action=JOB_READ, seconds=3600, times=1))
        await pass_time(host, clock, minutes=5)
        looked = simulator.log.counts()[JOB_READ]
        for _ in range(10):
            await pass_time(host, clock, minutes=5)
            await ticks.watchdog()
        assert simulator.log.counts()[JOB_READ] == looked
    await host.wait("m1")


SLOW = a_scenario(a_vm_group("slow", migration=Migration(minutes=600)))


@pytest.mark.parametrize("scenario", [SLOW])
async def test_a_controller_that_looks_less_often_by_itself_is_not_stuck(
    http: aiohttp.ClientSession,
    host: LocalHost,
    simulator: Simulator,
    clock: OneClock,
    clients: Clients,
    ticks: Ticks,
) -> None:
    """Jobs take hours, and after quiet looks it waits four times as long as was asked for: that is its interval."""
    with clock.standing_still():
        await begin(http, host, simulator)
        for _ in range(24):
            await pass_time(host, clock, minutes=5)
            await ticks.watchdog()
            assert await clients.ledger.read_stalls() == []
        assert simulator.log.counts()[JOB_READ] < 12
    await host.wait("m1")


async def test_a_controller_that_waits_for_people_is_not_stuck(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock, clients: Clients, ticks: Ticks
) -> None:
    """In a migration that is paused it looks at the ledger alone, in the end less often than it would at jobs."""
    with clock.standing_still():
        await begin(http, host, simulator, limits={"ramp": [1], "pollSeconds": 60})
        await act(http, "pause")
        for _ in range(180):
            await pass_time(host, clock, minutes=1)
        for _ in range(60):
            await pass_time(host, clock, minutes=1)
            await ticks.watchdog()
            assert await clients.ledger.read_stalls() == []
        await act(http, "cancel")
    await host.wait("m1")


async def test_an_orchestration_that_ended_before_its_migration_is_started_again(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock, ticks: Ticks
) -> None:
    """Not in its first minutes, when whoever opened it is starting it; then it goes on from the ledger."""
    with clock.standing_still():
        await begin(http, host, simulator, approval="required")
        await host.terminate("m1")
        await host.settled()
        await ticks.watchdog()
        assert await runtime_status(host, "m1") == "Terminated"
        await pass_time(host, clock, minutes=11)
        await ticks.watchdog()
        assert await runtime_status(host, "m1") == "Running"
        waiting = await status_of(http)
        await act(http, "approve", {"planHash": waiting["planHash"], "approver": "ada"})
    assert (await host.wait("m1")).output == {"state": "Completed"}


async def test_the_migration_of_a_watch_is_left_to_it(
    host: LocalHost, clock: OneClock, clients: Clients, ticks: Ticks
) -> None:
    """Two orchestrations of one id would be one too many: while it opens it, between two tries."""
    name = event_migration_id(KEY, START)
    record: MigrationRecord = a_migration(migration_id=name, request=a_request(mode="plan"))
    watch = WatchOrder(
        vault_id=VAULT, vault_key=KEY, delay_seconds=60, recheck_seconds=60, wait_seconds=3600, opens=name
    )
    with clock.standing_still():
        await clients.ledger.insert_migration(msgspec.structs.replace(record, requested_at=START))
        await host.start("watch_vault", msgspec.to_builtins(watch), WATCH)
        await host.settled()
        await pass_time(host, clock, minutes=11)
        await ticks.watchdog()
        assert await host.status(name) is None
        await pass_time(host, clock, minutes=50)
        assert (await host.wait(name)).output == {"state": "Completed"}


async def test_an_event_that_nobody_watches_for_is_found(
    host: LocalHost, clock: OneClock, clients: Clients, ticks: Ticks
) -> None:
    """It came in the moment between a watch's last question and its end; it is late, not lost."""
    touched = Touched(vault_id=VAULT, kind="vault", event_id="1", at=START)
    with clock.standing_still():
        await clients.ledger.note_event(record_of(touched, START))
        await ticks.watchdog()
        assert await host.status(WATCH) is None
        await pass_time(host, clock, minutes=36)
        await ticks.watchdog()
        assert await runtime_status(host, WATCH) == "Running"
    assert (await host.wait(WATCH)).output == {"migrationId": f"event-{KEY}-20261102-0906"}


async def runtime_status(host: LocalHost, instance_id: str) -> str:
    """How an instance is."""
    status = await host.status(instance_id)
    assert status
    return status.runtime_status
