"""Events, stalls and what goes on, on a real table engine."""

from datetime import timedelta

import msgspec
import pytest

from clients.ledger import Ledger
from clients.tables import BATCH, Stale
from migration.events import EventRecord, event_migration_id
from migration.model import VaultId
from migration.records import MIGRATION_TRANSITIONS, MigrationState
from migration.stalls import Stall
from tests.builders import NOW, VAULT, a_migration, ago

KEY = VaultId.parse(VAULT).key


def an_event(number: int = 0, **changes: object) -> EventRecord:
    """An event of the vault that nothing has come of yet."""
    plain = EventRecord(
        vault_key=KEY, event_hash=f"{number:032}", vault_id=VAULT, kind="item", at=ago(minutes=1), received_at=NOW
    )
    return msgspec.structs.replace(plain, **changes)


def plain(record: EventRecord) -> EventRecord:
    """A record without its ETag."""
    return msgspec.structs.replace(record, etag="")


async def test_an_event_is_noted_once(ledger: Ledger) -> None:
    """Noted again, the first note stands, and what came of it."""
    first = await ledger.note_event(an_event())
    again = await ledger.note_event(an_event(received_at=NOW + timedelta(hours=1)))
    assert plain(first) == an_event() and first.etag
    assert again == first

    await ledger.take_events([first], "m1")
    taken = await ledger.note_event(an_event())
    assert (taken.taken, taken.outcome, taken.received_at) == (True, "m1", NOW)


async def test_events_are_pending_until_they_are_taken(ledger: Ledger) -> None:
    """However many there are; those of another vault are another's."""
    for number in range(BATCH + 1):
        await ledger.note_event(an_event(number))
    await ledger.note_event(an_event(vault_key="other"))
    pending = await ledger.pending_events(KEY)
    assert len(pending) == BATCH + 1

    await ledger.take_events(pending, "m1")
    assert await ledger.pending_events(KEY) == []
    assert len(await ledger.pending_events("other")) == 1


async def test_an_event_that_was_taken_meanwhile_is_not_taken_again(ledger: Ledger) -> None:
    """The later one reads again."""
    event = await ledger.note_event(an_event())
    await ledger.take_events([event], "m1")
    with pytest.raises(Stale):
        await ledger.take_events([event], "m2")


async def test_vaults_wait_by_their_oldest_event(ledger: Ledger) -> None:
    """Each once; what is taken, or too new, does not count."""
    other = VAULT.replace("vault-1", "vault-2")
    await ledger.note_event(an_event(1, received_at=ago(hours=2)))
    await ledger.note_event(an_event(2, received_at=ago(hours=2)))
    await ledger.note_event(an_event(3, received_at=NOW, vault_key="a", vault_id=other))
    await ledger.take_events([await ledger.note_event(an_event(4, received_at=ago(hours=2), vault_key="b"))], "m1")

    assert await ledger.waiting_vaults(ago(hours=1)) == [VAULT]
    assert await ledger.waiting_vaults(NOW + timedelta(seconds=1)) == [other, VAULT]


async def test_only_old_events_that_were_taken_are_forgotten(ledger: Ledger) -> None:
    """A pending one is never too old; those of every vault are."""
    old, new = an_event(1, received_at=ago(days=4)), an_event(2, received_at=ago(days=2))
    elsewhere = an_event(4, received_at=ago(days=4), vault_key="other")
    await ledger.take_events([await ledger.note_event(old), await ledger.note_event(new)], "m1")
    await ledger.take_events([await ledger.note_event(elsewhere)], "m2")
    await ledger.note_event(an_event(3, received_at=ago(days=4)))

    await ledger.forget_events(ago(days=3))

    assert not (await ledger.note_event(old)).taken  # it is a new one now
    assert not (await ledger.note_event(elsewhere)).taken
    assert (await ledger.note_event(new)).taken
    assert [event.event_hash for event in await ledger.pending_events(KEY)] == [old.event_hash, f"{3:032}"]


async def test_the_last_migration_of_events_that_moved_vms_is_found(ledger: Ledger) -> None:
    """By the time in its id; those that only planned, other vaults' and a person's are none."""
    assert await ledger.last_event_migration(KEY) is None
    first, last = (event_migration_id(KEY, ago(days=days)) for days in (40, 2))
    for name in (last, first, event_migration_id(f"{KEY}1", NOW), event_migration_id("x", NOW), "m1", "zz"):
        await ledger.insert_migration(a_migration(migration_id=name, started_at=NOW))
    await ledger.insert_migration(a_migration(migration_id=event_migration_id(KEY, NOW)))
    found = await ledger.last_event_migration(KEY)
    assert found and found.migration_id == last


async def test_what_goes_on_is_found_by_state(ledger: Ledger) -> None:
    """Every state that may change counts as unfinished; only those that write count as running."""
    for state in MigrationState:
        await ledger.insert_migration(a_migration(migration_id=state.value, state=state))
    unfinished = {record.state for record in await ledger.unfinished_migrations()}
    assert unfinished == set(MIGRATION_TRANSITIONS)
    assert [record.migration_id for record in await ledger.running_migrations()] == ["Paused", "Running"]


async def test_who_holds_an_item_is_known(ledger: Ledger) -> None:
    """And that nobody does."""
    assert await ledger.holder(KEY, "vm;a") == ""
    await ledger.claim(KEY, "vm;a", "m1")
    assert await ledger.holder(KEY, "vm;a") == "m1"


async def test_a_stall_is_written_by_one_watchdog_at_a_time(ledger: Ledger) -> None:
    """The later one is told; forgotten, it is gone, and forgetting it again does no harm."""
    stall = Stall(migration_id="m1", vault_key=KEY, moved_at=NOW)
    await ledger.write_stall(stall)
    with pytest.raises(Stale):
        await ledger.write_stall(stall)
    [read] = await ledger.read_stalls()
    assert msgspec.structs.replace(read, etag="") == stall

    await ledger.write_stall(msgspec.structs.replace(read, told=True))
    with pytest.raises(Stale):
        await ledger.write_stall(msgspec.structs.replace(read, told=True))
    [told] = await ledger.read_stalls()
    assert told.told

    await ledger.forget_stall(told)
    await ledger.forget_stall(told)
    assert await ledger.read_stalls() == []
