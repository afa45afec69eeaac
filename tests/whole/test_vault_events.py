"""Events in, plans out: one for a burst, none for our own writes, and a migration only where somebody said so."""

import dataclasses
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import azure.durable_functions as df
import azure.functions as func
import msgspec
import pytest
from azure.core.exceptions import AzureError, ServiceRequestError
from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables.aio import TableServiceClient

import function_app
from clients import Clients
from clients.ledger import Ledger
from local_host.client_binding import client_binding
from local_host.host import LocalHost
from migration.model import VaultId
from migration.records import MigrationRecord, MigrationState
from migration.steps import watch_of
from settings import Settings
from simulator import Scenario, Simulator
from simulator.events import JobErrorTable, Migration
from simulator.troubles import Trouble, TroubleKind
from tests.builders import SUBSCRIPTION, VAULT, item_id
from tests.clients.simulated import JOB_READ, a_scenario, a_vm_group
from tests.conftest import START
from tests.events import ITEM_WRITE, OWN, VAULT_WRITE, a_cloud_event, an_event, some_data
from tests.whole.callers import a_body, act, ask, pass_time, status_of, writes
from tests.whole.conftest import OneClock
from triggers.events import on_vault_event
from triggers.timers import watchdog

KEY = VaultId.parse(VAULT).key
WATCH = watch_of(KEY)
FIRST = f"event-{KEY}-20261102-0830"
DELAY = 30  # minutes, the setting's default


def tagged(**tags: str) -> Scenario:
    """The vault of four VMs with these tags, whose names are written with underscores here."""
    plain = a_scenario(a_vm_group("web-{n:02}", count=4))
    with_hyphens = {name.replace("_", "-"): value for name, value in tags.items()}
    return msgspec.structs.replace(plain, vaults=[msgspec.structs.replace(plain.vaults[0], tags=with_hyphens)])


def set_to(**changes: Any) -> Settings:
    """The app's settings with some of them changed."""
    return msgspec.structs.replace(function_app.settings, **changes)


@pytest.fixture
def scenario() -> Scenario:
    """One vault of four VMs, without tags."""
    return tagged()


@pytest.fixture
def settings() -> Settings:
    """The app's settings; a test that needs others parametrizes them."""
    return function_app.settings


@pytest.fixture
def twice() -> bool:
    """Whether every activity runs twice."""
    return False


@pytest.fixture
async def host(clients: Clients, clock: OneClock, settings: Settings, twice: bool) -> AsyncIterator[LocalHost]:
    """Every function of the app, with these settings."""
    app = df.DFApp()
    clients = dataclasses.replace(clients, event_terms=settings.event_terms)
    function_app.register(app, clients, settings)
    async with LocalHost(app, clock=clock, deliver_activities_twice=twice) as host:
        yield host


async def deliver(http: aiohttp.ClientSession, host: LocalHost, *events: dict[str, Any]) -> int:
    """Deliver a batch of events and let happen what comes of it at once; answers the status code."""
    async with http.post("/runtime/webhooks/eventgrid?functionName=on_vault_event", json=list(events)) as answer:
        await host.settled()
        return answer.status


async def migrations(clients: Clients) -> list[MigrationRecord]:
    """Every migration in the ledger, by id."""
    await clients.ledger.prepare()
    return await clients.ledger._migrations(MigrationState)


def item_event(name: str = "web-01", event_id: str = "item", **data: Any) -> dict[str, Any]:
    """Somebody wrote the protected item of a VM."""
    return an_event(item_id(name), some_data(ITEM_WRITE, **data), id=event_id)


async def test_an_event_leads_to_one_plan_after_the_delay(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock, clients: Clients
) -> None:
    """Not sooner; a plan only; under an id that tells why it is there."""
    with clock.standing_still():
        assert await deliver(http, host, an_event()) == 202
        await pass_time(host, clock, minutes=DELAY - 1)
        assert await migrations(clients) == []
        await pass_time(host, clock, minutes=1)
        assert (await host.wait(WATCH)).output == {"migrationId": FIRST}

    document = await status_of(http, FIRST)
    assert (document["state"], document["items"], writes(simulator)) == ("Completed", {"Planned": 4}, 0)
    assert document["request"]["target"] == {"policyName": "EnhancedPolicy", "policies": None, "clone": None}


@pytest.mark.parametrize("twice", [False, True])
async def test_a_burst_is_one_plan(
    http: aiohttp.ClientSession, host: LocalHost, clock: OneClock, clients: Clients
) -> None:
    """Ten events, of the vault and its items, in both schemas and any casing, at once and one by one, delivered twice;
    and whatever runs twice at that."""
    items = [item_event(f"web-{n:02}", f"item {n}") for n in range(1, 5)]
    cloud = a_cloud_event(VAULT.upper(), some_data(VAULT_WRITE.upper())) | {"id": "c1"}
    single = [an_event(id=f"vault {n}") for n in range(5)]
    with clock.standing_still():
        assert await deliver(http, host, *items, cloud) == 202
        for event in single:
            assert await deliver(http, host, event) == 202
            await pass_time(host, clock, minutes=5)
        assert await deliver(http, host, *items, *single) == 202
    await host.wait(WATCH)

    assert [migration.migration_id for migration in await migrations(clients)] == [FIRST]


async def test_an_event_that_is_delivered_again_leads_to_nothing(
    http: aiohttp.ClientSession, host: LocalHost, clock: OneClock, clients: Clients
) -> None:
    """Not even to a watch; an event that is new leads to a plan again."""
    await deliver(http, host, an_event())
    await host.wait(WATCH)
    before = await host.status(WATCH)

    with clock.standing_still():
        assert await deliver(http, host, an_event()) == 202
        await host.settled()
        assert await host.status(WATCH) == before

        assert await deliver(http, host, an_event(id="another")) == 202
    await host.wait(WATCH)
    assert len(await migrations(clients)) == 2


async def test_an_event_while_the_plan_is_made_leads_to_another(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock, clients: Clients
) -> None:
    """The survey had begun when it came; whether it saw what the event tells of, nobody knows."""
    simulator.troubles.add(Trouble(kind=TroubleKind.TOO_MANY_REQUESTS, action=JOB_READ, seconds=3600, times=1))
    with clock.standing_still():
        await deliver(http, host, an_event())
        await pass_time(host, clock, minutes=DELAY)
        assert [migration.state for migration in await migrations(clients)] == [MigrationState.PLANNING]
        await deliver(http, host, an_event(id="later"))
        await deliver(http, host, an_event(), an_event(id="later"))
    await host.wait(WATCH)

    assert [(one.migration_id, one.state) for one in await migrations(clients)] == [
        (FIRST, MigrationState.COMPLETED),
        (f"event-{KEY}-20261102-1000", MigrationState.COMPLETED),
    ]


MIGRATE = {"backup_migration": "migrate", "backup_migration_policy": "EnhancedPolicy"}


@pytest.mark.parametrize("scenario", [tagged(**MIGRATE)])
@pytest.mark.parametrize("settings", [set_to(event_mode="off", event_policy="Nowhere", event_approval="none")])
async def test_a_tag_migrates(http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator) -> None:
    """Over the settings, to the policy of the other tag; without asking, where that was configured."""
    await deliver(http, host, an_event())
    await host.wait(WATCH)

    document = await status_of(http, FIRST)
    assert (document["state"], document["items"], writes(simulator)) == ("Completed", {"Migrated": 4}, 4)
    assert document["request"]["acknowledgeIrreversible"]


@pytest.mark.parametrize("settings", [set_to(event_mode="migrate")])
async def test_a_migration_of_events_waits_for_a_person(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock
) -> None:
    """Unless the settings say otherwise; approved, it runs, and the watch with it."""
    with clock.standing_still():
        await deliver(http, host, an_event())
        await pass_time(host, clock, minutes=DELAY)
        waiting = await status_of(http, FIRST)
        assert (waiting["state"], writes(simulator)) == ("AwaitingApproval", 0)
        word = {"planHash": waiting["planHash"], "approver": "ada"}
        assert (await ask(http, "POST", f"/api/migrations/{FIRST}/approve", word))[0] == 202
    await host.wait(WATCH)
    assert (await status_of(http, FIRST))["items"] == {"Migrated": 4}


@pytest.mark.parametrize(
    ("scenario", "settings"),
    [(tagged(backup_migration="off"), set_to(event_mode="migrate")), (tagged(), set_to(event_mode="off"))],
)
async def test_off_is_off(http: aiohttp.ClientSession, host: LocalHost, clients: Clients) -> None:
    """By tag or by setting: nothing is planned, and the event does not wait for anything."""
    await deliver(http, host, an_event())
    assert (await host.wait(WATCH)).output == {"migrationId": ""}
    assert await migrations(clients) == []
    assert await clients.ledger.pending_events(KEY) == []


async def test_a_vault_that_gets_items_later_is_planned_again(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock
) -> None:
    """A new vault is empty. The event of its first item wakes the watch, and the burst that follows is one plan."""
    [vault] = simulator.estate.vaults()
    items = dict(vault.items)
    vault.items.clear()
    with clock.standing_still():
        await deliver(http, host, an_event())
        await pass_time(host, clock, minutes=DELAY)
        assert (await status_of(http, FIRST))["items"] == {}
        await pass_time(host, clock, minutes=DELAY)

        vault.items.update(items)
        await deliver(http, host, *(item_event(f"web-{n:02}", f"item {n}") for n in range(1, 5)))
        await pass_time(host, clock, minutes=DELAY)
        second = await status_of(http, f"event-{KEY}-20261102-0930")
        assert (second["state"], second["items"]) == ("Completed", {"Planned": 4})
        assert (await host.wait(WATCH)).output == {"migrationId": second["id"]}


async def test_an_empty_vault_is_planned_once_more_without_an_event(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clients: Clients
) -> None:
    """Events of items may never come. A day later is tried once, not every day."""
    [vault] = simulator.estate.vaults()
    vault.items.clear()
    await deliver(http, host, an_event())
    await host.wait(WATCH)
    assert [one.migration_id for one in await migrations(clients)] == [FIRST, f"event-{KEY}-20261103-0900"]


@pytest.mark.parametrize("settings", [set_to(identity_client_id=OWN)])
async def test_nothing_is_planned_for_our_own_writes(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock, clients: Clients
) -> None:
    """By the identity in the event, and where the event names none, by the claim that the migration holds."""
    with clock.standing_still():
        await ask(http, "POST", "/api/migrations", a_body(simulator, limits={"ramp": [], "pollSeconds": 60}))
        await host.settled()
        assert writes(simulator) == 4
        by_claims = item_event("other", claims={"appid": OWN})
        by_holding = [item_event(f"web-{n:02}", f"item {n}", claims={}) for n in range(1, 5)]
        assert await deliver(http, host, by_claims, *by_holding) == 202
        await host.settled()
        assert await host.status(WATCH) is None
    assert [one.migration_id for one in await migrations(clients)] == ["m1"]


async def test_events_wait_while_a_migration_is_at_work(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock, clients: Clients
) -> None:
    """Somebody else's event is not lost: the vault is planned when the migration has ended."""
    with clock.standing_still():
        await ask(http, "POST", "/api/migrations", a_body(simulator, limits={"ramp": [1], "pollSeconds": 60}))
        await host.settled()
        await deliver(http, host, item_event("somebody-elses"))
        await act(http, "pause")
        for _ in range(10):
            await pass_time(host, clock, minutes=DELAY)
        assert [one.migration_id for one in await migrations(clients)] == ["m1"]
        await act(http, "resume")
    await host.wait(WATCH)
    planned = (await migrations(clients))[0]
    ended = await clients.ledger.read_migration("m1")
    assert planned.migration_id.startswith("event-")
    assert ended.ended_at and ended.ended_at <= planned.requested_at


@pytest.mark.parametrize("settings", [set_to(event_mode="migrate", event_approval="none")])
async def test_a_migration_that_dies_under_its_watch_is_started_again(
    http: aiohttp.ClientSession, host: LocalHost, clock: OneClock, clients: Clients, settings: Settings
) -> None:
    """By the watchdog, as soon as the watch has left it: to its next plan, which would wait for its end for ever."""
    with clock.standing_still():
        await deliver(http, host, an_event())
        await pass_time(host, clock, minutes=DELAY)
        assert (await status_of(http, FIRST))["state"] == "Running"
        await deliver(http, host, an_event(id="later"))
        await host.terminate(FIRST)
        await host.settled()
        await pass_time(host, clock, minutes=1)
        await pass_time(host, clock, minutes=DELAY)
        watch = await host.status(WATCH)
        assert watch and watch.runtime_status == "Running"
        await watchdog(clients, settings, df.DurableOrchestrationClient(host.client_binding))
        await host.settled()
    assert (await host.wait(FIRST)).output == {"state": "Completed"}
    last = (await host.wait(WATCH)).output["migrationId"]
    assert [(one.migration_id, one.state) for one in await migrations(clients)] == [
        (FIRST, MigrationState.COMPLETED),
        (last, MigrationState.COMPLETED),
    ]


BROKEN = Migration(ends="Failed", error=JobErrorTable(code=1, title="UserErrorFsFreezeFailed", text="no"), minutes=5)
FAILING = a_scenario(a_vm_group("web-01", migration=BROKEN))


@pytest.mark.parametrize("scenario", [FAILING])
@pytest.mark.parametrize("settings", [set_to(event_mode="migrate", event_approval="none")])
async def test_a_vm_that_fails_is_not_tried_for_ever(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock
) -> None:
    """The event of the write that failed leads to a migration that waits for a person, however often it comes."""
    await deliver(http, host, item_event("web-01", "1"))
    await host.wait(WATCH)
    assert (await status_of(http, FIRST))["items"] == {"Failed": 1}
    for number in range(2, 4):
        with clock.standing_still():
            await deliver(http, host, item_event("web-01", str(number), claims={}))
            await pass_time(host, clock, minutes=DELAY)
            watch = await host.status(WATCH)
            assert watch
            waiting = await status_of(http, watch.custom_status["runs"])
            assert (waiting["state"], writes(simulator)) == ("AwaitingApproval", 1)
            assert (await ask(http, "POST", f"/api/migrations/{waiting['id']}/cancel"))[0] == 200
        await host.wait(WATCH)


class OneOutage(AioHttpTransport):
    """A way to a storage account that does not answer one transaction, after so many that it did."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self._spared = after
        self.struck = False

    async def send(self, request: Any, **config: Any) -> Any:
        if request.url.endswith("$batch") and not self.struck:
            self.struck = self._spared == 0
            self._spared -= 1
            if self.struck:
                raise ServiceRequestError("no answer")
        return await super().send(request, **config)


async def test_an_outage_while_events_are_taken_makes_no_second_plan(
    azurite: str, clients: Clients, settings: Settings, clock: OneClock
) -> None:
    """The migration and its vault are in the ledger then; a minute later they are found, under the same id."""
    way = OneOutage(after=1)
    service = TableServiceClient.from_connection_string(azurite, transport=way, retry_total=0)
    trips = dataclasses.replace(clients, ledger=Ledger(service, "oneoutage"))
    app = df.DFApp()
    function_app.register(app, trips, settings)
    try:
        async with LocalHost(app, clock=clock) as host, aiohttp.ClientSession(host.url) as http:
            await deliver(http, host, an_event())
            assert (await host.wait(WATCH)).output == {"migrationId": FIRST}
        assert way.struck
        assert [one.migration_id for one in await migrations(trips)] == [FIRST]
        assert await trips.ledger.pending_events(KEY) == []
    finally:
        await trips.ledger.close()


OTHER = "/subscriptions/99999999-2222-4333-8444-555555555555"


@pytest.mark.parametrize(
    ("settings", "watched"),
    [
        (set_to(allowed_scopes=(OTHER,)), False),
        (set_to(allowed_scopes=(f"{VAULT}x",)), False),
        (set_to(allowed_scopes=(VAULT.upper(),)), True),
        (set_to(allowed_scopes=(OTHER, f"/subscriptions/{SUBSCRIPTION}")), True),
    ],
)
async def test_only_allowed_vaults_are_watched(
    http: aiohttp.ClientSession, host: LocalHost, watched: bool, clock: OneClock
) -> None:
    """An event of any other is acknowledged and forgotten."""
    with clock.standing_still():
        assert await deliver(http, host, an_event()) == 202
        assert bool(await host.status(WATCH)) is watched


async def test_what_can_t_be_read_is_acknowledged_and_logged_without_its_words(
    http: aiohttp.ClientSession, host: LocalHost, caplog: pytest.LogCaptureFixture, clock: OneClock
) -> None:
    """It would read no better when delivered again; and it may hold anything."""
    bad = [
        an_event(f"{VAULT}?sig=secret"),
        an_event(data=some_data(claims="secret"), id=""),
        an_event(data="secret"),
        a_cloud_event("secret"),
        {"id": "secret"},
    ]
    with clock.standing_still():
        for event in bad:
            assert await deliver(http, host, event) == 202
        assert await host.status(WATCH) is None
    told = [record.getMessage() for record in caplog.records if record.name == "triggers.events"]
    assert len(told) == len(bad)
    assert not any("secret" in text for text in told)


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An address that refuses connections for as long as the test runs."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


AS_HANDED_OVER = func.EventGridEvent(
    id="1",
    topic=f"/subscriptions/{SUBSCRIPTION}",
    subject=VAULT,
    event_type="Microsoft.Resources.ResourceWriteSuccess",
    event_time=START,
    data=some_data(),
    data_version="2",
)


async def test_a_hub_that_does_not_answer_is_asked_again_by_event_grid(
    host: LocalHost, nowhere: str, clients: Clients, settings: Settings
) -> None:
    """The function fails, although the event is noted; delivered again, the noted event still leads to its plan."""
    away = df.DurableOrchestrationClient(client_binding(nowhere, "hub"))
    with pytest.raises(aiohttp.ClientConnectionError):
        await on_vault_event(clients, settings, AS_HANDED_OVER, away)
    assert len(await clients.ledger.pending_events(KEY)) == 1

    present = df.DurableOrchestrationClient(host.client_binding)
    await on_vault_event(clients, settings, AS_HANDED_OVER, present)
    assert (await host.wait(WATCH)).output == {"migrationId": FIRST}


async def test_a_ledger_that_does_not_answer_is_asked_again_by_event_grid(
    host: LocalHost, nowhere: str, clients: Clients, settings: Settings
) -> None:
    """The function fails, and nothing is watched for an event that nobody remembers."""
    account = f"AccountName=a;AccountKey=a2V5;TableEndpoint={nowhere}/a"
    away = Ledger(TableServiceClient.from_connection_string(account, retry_total=0), "t")
    client = df.DurableOrchestrationClient(host.client_binding)
    try:
        with pytest.raises(AzureError):
            await on_vault_event(dataclasses.replace(clients, ledger=away), settings, AS_HANDED_OVER, client)
    finally:
        await away.close()
    assert await host.status(WATCH) is None
