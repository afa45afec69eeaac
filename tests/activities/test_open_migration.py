"""Opening a migration for events: what is written, what is taken, and what may be in the way."""

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from activities.follow_up import follow_up
from activities.open_migration import BUSY_SECONDS, NOTHING, open_migration
from clients import Clients
from clients.arm import Unavailable
from clients.tables import Missing
from clients.vaults import VaultClient
from migration.events import Approval, EventRecord, EventTerms, Mode, Touched, event_migration_id, record_of
from migration.limits import LimitChanges, Limits
from migration.records import MigrationRecord, MigrationState
from migration.steps import FollowOrder, FollowUp, MigrateOrder, Opening, OpenOrder
from simulator import Simulator
from simulator.troubles import Trouble, TroubleKind
from tests.builders import VAULT, a_migration, a_vault
from tests.clients.canned import Canned, CannedAzure
from tests.clients.simulated import VAULT_READ
from tests.conftest import START

TOUCHED = Touched(vault_id=VAULT, kind="vault", event_id="1", at=START)
ORDER = OpenOrder(vault_id=VAULT, migration_id="event-1")
KEY = record_of(TOUCHED, START).vault_key


async def noted(clients: Clients, event_id: str = "1") -> EventRecord:
    """An event of the vault in the ledger."""
    return await clients.ledger.note_event(record_of(msgspec.structs.replace(TOUCHED, event_id=event_id), START))


async def outcome(clients: Clients) -> str:
    """What came of it; empty where it is pending."""
    return (await noted(clients)).outcome


async def test_a_migration_is_opened_and_takes_the_events(clients: Clients) -> None:
    """In the ledger with its vault, ready to be surveyed, with the limits of the settings."""
    await noted(clients)
    terms = EventTerms(limits=LimitChanges(poll_seconds=60).applied_to(Limits()))

    opening = await open_migration(replace(clients, event_terms=terms), ORDER)

    assert opening == Opening(migration=MigrateOrder(migration_id="event-1", vault_keys=(KEY,), to_survey=(0,)))
    record = await clients.ledger.read_migration("event-1")
    assert (record.state, record.request.mode, record.vaults) == (MigrationState.PLANNING, "plan", (VAULT,))
    assert (record.requested_at, record.limits.poll_seconds) == (START, 60)
    assert [vault.vault_id for vault in await clients.ledger.read_vaults("event-1")] == [VAULT]
    assert await outcome(clients) == "event-1"


async def test_done_twice_it_opens_one_and_leaves_what_came_later(clients: Clients) -> None:
    """The second try answers as the first did; it may come so late that the items have been read in between."""
    await noted(clients)
    first = await open_migration(clients, ORDER)
    later = msgspec.structs.replace(TOUCHED, event_id="2")
    await clients.ledger.note_event(record_of(later, START + timedelta(seconds=1)))
    assert await open_migration(clients, ORDER) == first
    assert [event.outcome for event in await clients.ledger.pending_events(KEY)] == [""]


async def test_a_try_that_was_cut_short_is_completed(clients: Clients) -> None:
    """The migration is there, its vault is not, and the events are not taken."""
    await noted(clients)
    record = a_migration(migration_id="event-1")
    await clients.ledger.insert_migration(record)
    opening = await open_migration(clients, ORDER)
    assert opening.migration and opening.migration.vault_keys == (KEY,)
    assert len(await clients.ledger.read_vaults("event-1")) == 1
    assert await outcome(clients) == "event-1"


async def test_without_an_event_nothing_is_opened(simulator: Simulator, clients: Clients) -> None:
    """And nothing asked; unless it is the second look at an empty vault."""
    assert await open_migration(clients, ORDER) == NOTHING
    assert not simulator.log.requests
    assert (await open_migration(clients, msgspec.structs.replace(ORDER, again=True))).migration


@pytest.mark.parametrize("state", [MigrationState.RUNNING, MigrationState.PAUSED])
async def test_a_vault_that_is_being_migrated_is_left_alone(
    state: MigrationState, simulator: Simulator, clients: Clients
) -> None:
    """Whatever the casing of its id; the event waits."""
    await noted(clients)
    await clients.ledger.insert_migration(a_migration(state=state, vaults=(VAULT.upper(),)))
    assert await open_migration(clients, ORDER) == Opening(wait_seconds=BUSY_SECONDS)
    assert (await outcome(clients), len(simulator.log.requests)) == ("", 0)


@pytest.mark.parametrize(
    "other",
    [
        a_migration(state=MigrationState.AWAITING_APPROVAL),
        a_migration(state=MigrationState.COMPLETED),
        a_migration(state=MigrationState.RUNNING, vaults=(f"{VAULT}-2",)),
    ],
)
async def test_what_writes_nothing_here_is_in_nobodys_way(other: MigrationRecord, clients: Clients) -> None:
    """A plan that waits for a person may wait for weeks."""
    await noted(clients)
    await clients.ledger.insert_migration(other)
    assert (await open_migration(clients, ORDER)).migration


async def test_a_vault_that_is_gone_is_done_with(clients: Clients) -> None:
    """Nobody looks again for what was deleted."""
    gone = f"{VAULT}-gone"
    event = record_of(msgspec.structs.replace(TOUCHED, vault_id=gone), START)
    await clients.ledger.note_event(event)
    assert await open_migration(clients, OpenOrder(vault_id=gone, migration_id="event-1")) == NOTHING
    assert await clients.ledger.pending_events(event.vault_key) == []


async def test_a_vault_that_may_not_be_read_is_worth_another_look(simulator: Simulator, clients: Clients) -> None:
    """The role may be on its way; the event has had its turn."""
    simulator.troubles.add(Trouble(kind=TroubleKind.NOT_AUTHORIZED, action=VAULT_READ))
    await noted(clients)
    assert await open_migration(clients, ORDER) == Opening(look_again=True)
    assert await outcome(clients) == "AuthorizationFailed"


async def test_a_throttled_vault_is_asked_for_later(simulator: Simulator, clients: Clients) -> None:
    """As much later as the service wants; the event waits."""
    simulator.troubles.add(Trouble(kind=TroubleKind.TOO_MANY_REQUESTS, action=VAULT_READ, seconds=324))
    await noted(clients)
    assert await open_migration(clients, ORDER) == Opening(wait_seconds=324)
    assert await outcome(clients) == ""


async def test_an_outage_is_raised_and_the_event_waits(clients: Clients) -> None:
    """Another try may cure it, and the orchestration makes one."""
    await noted(clients)
    async with CannedAzure(Canned(status=503, headers={"Retry-After": "1"})) as down:
        with pytest.raises(Unavailable):
            await open_migration(replace(clients, vaults=VaultClient(down.arm)), ORDER)
    assert await outcome(clients) == ""
    with pytest.raises(Missing):
        await clients.ledger.read_migration("event-1")


async def test_off_takes_the_events_and_says_why(clients: Clients) -> None:
    """No plan comes of them, and none waits for one."""
    await noted(clients)
    assert await open_migration(replace(clients, event_terms=EventTerms(mode="off")), ORDER) == NOTHING
    assert await outcome(clients) == "events are off"


@pytest.mark.parametrize(
    ("counts", "mode", "approval", "expected"),
    [
        ({"Migrated": 3, "Failed": 1}, "migrate", "none", "required"),
        ({"TimedOut": 1}, "migrate", "none", "required"),
        ({"Refused": 1}, "migrate", "none", "required"),
        ({"Migrated": 3, "Blocked": 1, "Drifted": 1}, "migrate", "none", "none"),
        ({}, "migrate", "none", "none"),
        ({}, "migrate", "required", "required"),
        ({"Failed": 1}, "plan", "none", "none"),
    ],
)
async def test_after_failures_a_person_is_asked(
    counts: dict[str, int], mode: Mode, approval: Approval, expected: Approval, clients: Clients
) -> None:
    """Whatever the settings say, since the event may be that of the write that failed; a plan writes nothing."""
    earlier = event_migration_id(KEY, START - timedelta(days=1))
    ended = a_migration(migration_id=earlier, state=MigrationState.COMPLETED, started_at=START)
    await clients.ledger.insert_migration(ended)
    await clients.ledger.insert_vaults([a_vault(migration_id=earlier, vault_key=KEY, counts=counts)])
    await noted(clients)
    terms = EventTerms(mode=mode, approval=approval)
    assert (await open_migration(replace(clients, event_terms=terms), ORDER)).migration
    assert (await clients.ledger.read_migration("event-1")).request.approval == expected


# --- what follows


@pytest.mark.parametrize(
    ("vault", "look_again"),
    [
        ({"counts": {"Planned": 1}}, False),
        ({"counts": {"AlreadyEnhanced": 3}}, False),
        ({"counts": {}}, True),
        ({"counts": {}, "problem": "AuthorizationFailed"}, True),
    ],
)
async def test_a_plan_without_an_item_is_worth_another_look(
    vault: dict[str, object], look_again: bool, clients: Clients
) -> None:
    """So is one that failed; one with items is not, whatever became of them."""
    await clients.ledger.insert_vaults([a_vault(surveyed=True, **vault)])
    answer = await follow_up(clients, FollowOrder(vault_id=VAULT, migration_id="m1"))
    assert answer == FollowUp(touched=False, look_again=look_again)


async def test_events_that_wait_are_seen(clients: Clients) -> None:
    """What something has come of waits no more."""
    await clients.ledger.take_events([await noted(clients)], "m0")
    assert not (await follow_up(clients, FollowOrder(vault_id=VAULT, migration_id=""))).touched
    await noted(clients, "2")
    assert (await follow_up(clients, FollowOrder(vault_id=VAULT, migration_id=""))).touched
