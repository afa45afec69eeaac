"""The ledger on a real table engine (Azurite): nothing lost, nothing overwritten, nothing of somebody else."""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from azure.core.exceptions import ResourceNotFoundError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clients.ledger import ItemFilter, Ledger, MigrationFilter
from clients.pages import Bookmark, NotOurs, next_page, row_after
from clients.tables import BATCH, Missing, Stale, Unkeepable
from migration.limits import Share
from migration.model import VaultId
from migration.records import ItemRecord, ItemState, MigrationRecord, MigrationState, Shares, Tally, VaultRecord
from tests.builders import NOW, VAULT, VAULT_KEY, a_migration, a_record, a_request, a_vault
from tests.clients.every_field import FINDING, RECORDS
from tests.ledgers import write_plan

MANY = BATCH + 1  # more than one transaction


def records(count: int, **changes: Any) -> list[ItemRecord]:
    """That many VMs of a vault."""
    return [a_record(f"vm-{n:04}", **changes) for n in range(count)]


def plain(record: Any) -> Any:
    """A record without its ETag."""
    return msgspec.structs.replace(record, etag="")


async def planned(ledger: Ledger, plan: Sequence[ItemRecord], vault_key: str = VAULT_KEY) -> list[ItemRecord]:
    """Write a plan and read it back, ETags and all."""
    await write_plan(ledger, "m1", vault_key, plan)
    return await ledger.read_items("m1", vault_key)


# --- any record


@pytest.mark.parametrize("name", RECORDS)
async def test_every_record_reads_as_it_was_written(name: str, ledger: Ledger) -> None:
    """At its defaults or with every field set, a record comes back from the table as it went in."""
    record = RECORDS[name]
    match record:
        case ItemRecord():
            [read] = await planned(ledger, [record])
        case VaultRecord():
            await ledger.insert_vaults([record])
            read = await ledger.read_vault("m1", VAULT_KEY)
        case MigrationRecord():
            await ledger.insert_migration(record)
            read = await ledger.read_migration("m1")
        case Shares():
            await ledger.write_shares(msgspec.structs.replace(record, etag=""))
            read = await ledger.read_shares("m1")
    assert plain(read) == plain(record)
    assert read.etag


texts = st.text(max_size=40) | st.sampled_from(
    ["'", "' or 1 eq 1", '"', "\\", "a\r\n\r\nb", "🦄\u2028ß", "--batch_1", "%3B"]
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(reason=texts, message=texts, warnings=st.lists(texts, max_size=2).map(tuple))
async def test_any_text_reads_as_it_was_written(
    reason: str, message: str, warnings: tuple[str, ...], ledger: Ledger
) -> None:
    """Quotes, newlines and astral characters pass the table, alone and in a batch. One ledger serves all examples."""
    migration_id = uuid.uuid4().hex
    record = a_record(migration_id=migration_id, reason=reason, message=message, warnings=warnings)
    await write_plan(ledger, migration_id, VAULT_KEY, [record])
    [read] = await ledger.read_items(migration_id, VAULT_KEY)
    assert plain(read) == record
    turned = await ledger.write_item(msgspec.structs.replace(read, reason=message, message=reason))
    assert await ledger.read_item(migration_id, VAULT_KEY, record.item_name) == turned


async def test_a_request_of_500_vaults_is_kept_whole(ledger: Ledger) -> None:
    """The longest request is continued over columns and comes back complete."""
    vaults = tuple(f"/subscriptions/{'1' * 8}/resourceGroups/{'g' * 90}/vaults/{n:03}" for n in range(500))
    await ledger.insert_migration(a_migration(request=a_request(vaults=vaults)))
    assert (await ledger.read_migration("m1")).request.vaults == vaults


async def test_tables_are_prepared_once_and_again(ledger: Ledger) -> None:
    """Preparing tables that exist is no error: every instance of the app does it."""
    await ledger.insert_migration(a_migration())
    await ledger.prepare()
    assert await ledger.read_migration("m1")


async def test_what_is_not_there_is_missing(ledger: Ledger) -> None:
    """A migration, a vault or an item that nobody wrote is Missing; lists of it are empty."""
    with pytest.raises(Missing):
        await ledger.read_migration("m1")
    with pytest.raises(Missing):
        await ledger.read_vault("m1", VAULT_KEY)
    with pytest.raises(Missing):
        await ledger.read_item("m1", VAULT_KEY, "vm;x")
    assert await ledger.read_vaults("m1") == []
    assert await ledger.read_items("m1", VAULT_KEY) == []
    assert await ledger.claims(VAULT_KEY, "m1") == []


async def test_a_list_of_a_table_that_was_never_created_is_an_error(azurite: str) -> None:
    """An app that was not prepared must not look like one without migrations."""
    ledger = Ledger.connected(azurite, "neverprepared")
    with pytest.raises(ResourceNotFoundError):
        await ledger.read_vaults("m1")
    await ledger.close()


# --- migrations and vaults


async def test_a_migration_is_inserted_once(ledger: Ledger) -> None:
    """The second one with an id is turned away and changes nothing."""
    assert await ledger.insert_migration(a_migration()) is True
    assert await ledger.insert_migration(a_migration(state=MigrationState.CANCELLED)) is False
    assert (await ledger.read_migration("m1")).state is MigrationState.PLANNING


async def test_two_writers_of_a_migration_do_not_overwrite_each_other(ledger: Ledger) -> None:
    """The later one gets Stale, and the earlier one's word stands."""
    await ledger.insert_migration(a_migration())
    first, second = await ledger.read_migration("m1"), await ledger.read_migration("m1")
    await ledger.write_migration(first.to(MigrationState.CANCELLED, ended_at=NOW))
    with pytest.raises(Stale):
        await ledger.write_migration(second.to(MigrationState.COMPLETED, ended_at=NOW))
    assert (await ledger.read_migration("m1")).state is MigrationState.CANCELLED


async def test_a_field_that_went_back_to_its_default_is_gone(ledger: Ledger) -> None:
    """A write replaces the row: columns that the record no longer fills do not linger."""
    await ledger.insert_vaults([a_vault(problem="unreachable", counts={"Planned": 1})])
    vault = await ledger.read_vault("m1", VAULT_KEY)
    await ledger.write_vault(msgspec.structs.replace(vault, problem="", counts={}))
    assert plain(await ledger.read_vault("m1", VAULT_KEY)) == a_vault()


def vaults(count: int) -> list[Any]:
    """That many vaults of a migration."""
    return [a_vault(vault_key=f"vault-{n:03}", vault_id=f"{VAULT}-{n:03}") for n in range(count)]


async def test_the_vaults_of_a_migration_are_listed_by_key(ledger: Ledger) -> None:
    """More than a batch of them, in order, and none of another migration."""
    await ledger.insert_vaults(list(reversed(vaults(MANY))))
    await ledger.insert_vaults([a_vault(migration_id="m10")])
    assert [plain(vault) for vault in await ledger.read_vaults("m1")] == vaults(MANY)


async def test_an_interrupted_insert_of_vaults_is_completed(ledger: Ledger) -> None:
    """What the first try wrote stays as it is, its changes included; what it missed is added."""
    await ledger.insert_vaults(vaults(2))
    surveyed = msgspec.structs.replace(await ledger.read_vault("m1", "vault-001"), surveyed=True)
    await ledger.write_vault(surveyed)

    await ledger.insert_vaults(vaults(MANY))

    read = await ledger.read_vaults("m1")
    assert [vault.vault_key for vault in read] == [vault.vault_key for vault in vaults(MANY)]
    assert [vault.vault_key for vault in read if vault.surveyed] == ["vault-001"]


async def test_two_writers_of_a_vault_do_not_overwrite_each_other(ledger: Ledger) -> None:
    """The later one gets Stale."""
    await ledger.insert_vaults([a_vault()])
    first, second = await ledger.read_vault("m1", VAULT_KEY), await ledger.read_vault("m1", VAULT_KEY)
    await ledger.write_vault(msgspec.structs.replace(first, problem="first"))
    with pytest.raises(Stale):
        await ledger.write_vault(msgspec.structs.replace(second, problem="second"))
    assert (await ledger.read_vault("m1", VAULT_KEY)).problem == "first"


# --- items


async def test_a_plan_of_many_batches_is_kept_in_order(ledger: Ledger) -> None:
    """Transactions take 100 rows; a plan takes as many as it needs, read back by item name."""
    plan = records(2 * BATCH + 1)
    read = await planned(ledger, list(reversed(plan)))
    assert [plain(record) for record in read] == plan


async def test_a_new_plan_replaces_what_an_interrupted_survey_left(ledger: Ledger) -> None:
    """VMs that are no longer in the vault go, even more than a batch of them; other vaults' plans stay."""
    await planned(ledger, records(2 * MANY))
    neighbour = a_record("web-01", vault_key="vault-2")
    await planned(ledger, [neighbour], "vault-2")

    again = records(1, reason="again")
    assert [plain(record) for record in await planned(ledger, again)] == again
    assert [plain(record) for record in await ledger.read_items("m1", "vault-2")] == [neighbour]


async def test_a_second_survey_leaves_nothing_of_the_first(ledger: Ledger) -> None:
    """A row is replaced whole: reason, findings and continued texts of the earlier verdict do not shine through."""
    await planned(ledger, [a_record(reason="VmNotFound", message="x" * 40_000, findings=(FINDING,))])
    [again] = await planned(ledger, [a_record(message="short")])
    assert plain(again) == a_record(message="short")


async def test_an_empty_plan_leaves_nothing(ledger: Ledger) -> None:
    """A vault without VMs has no rows."""
    await planned(ledger, records(3))
    assert await planned(ledger, []) == []


KEYS = ["vault-1", "vault-1-", "vault-1-2", "vault-10", "vault-", "vault-1a", "vault-1~"]


async def test_items_of_a_vault_are_never_those_of_another(ledger: Ledger) -> None:
    """Whatever the keys share as a beginning, each vault's list holds its own VM alone."""
    for key in KEYS:
        await write_plan(ledger, "m1", key, [a_record(vault_key=key, message=key)])
    await write_plan(ledger, "m2", KEYS[0], [a_record(migration_id="m2", vault_key=KEYS[0], message="m2")])
    for key in KEYS:
        assert [record.message for record in await ledger.read_items("m1", key)] == [key]
        page = await ledger.page_items("m1", ItemFilter(vault_key=key), 10, "")
        assert [record.message for record in page.items] == [key]


async def test_a_written_item_can_be_written_again(ledger: Ledger) -> None:
    """Writing answers with the new ETag, so that a step may write twice without reading."""
    [record] = await planned(ledger, [a_record()])
    starting = await ledger.write_item(record.to(ItemState.STARTING, claimed_at=NOW))
    await ledger.write_item(starting.to(ItemState.MIGRATING, operation_id="operation-1"))
    assert (await ledger.read_item("m1", VAULT_KEY, record.item_name)).operation_id == "operation-1"


async def test_the_later_writer_of_an_item_is_stale(ledger: Ledger) -> None:
    """A record that changed since it was read is not written; the earlier change stands."""
    [record] = await planned(ledger, [a_record()])
    await ledger.write_item(record.to(ItemState.STARTING, claimed_at=NOW))
    with pytest.raises(Stale):
        await ledger.write_item(record.to(ItemState.CANCELLED))
    assert (await ledger.read_item("m1", VAULT_KEY, record.item_name)).state is ItemState.STARTING


async def test_an_item_that_was_deleted_meanwhile_is_stale(ledger: Ledger) -> None:
    """A row that is gone is not brought back by a late writer, alone or in a batch."""
    [record] = await planned(ledger, [a_record()])
    await planned(ledger, [])
    with pytest.raises(Stale):
        await ledger.write_item(record.to(ItemState.CANCELLED))
    with pytest.raises(Stale):
        await ledger.write_items([record.to(ItemState.CANCELLED)])
    assert await ledger.read_items("m1", VAULT_KEY) == []


async def test_many_items_are_written_together(ledger: Ledger) -> None:
    """More than one transaction's worth arrives whole; no items at all are no request."""
    read = await planned(ledger, records(2 * BATCH + 1))
    await ledger.write_items([record.to(ItemState.CANCELLED) for record in read])
    assert {record.state for record in await ledger.read_items("m1", VAULT_KEY)} == {ItemState.CANCELLED}
    await ledger.write_items([])


async def test_a_stale_record_in_a_batch_spoils_only_its_own_transaction(ledger: Ledger) -> None:
    """One record that somebody changed makes the batch Stale; nothing of its transaction is written or lost."""
    read = await planned(ledger, records(3))
    await ledger.write_item(read[1].to(ItemState.STARTING, claimed_at=NOW))
    with pytest.raises(Stale):
        await ledger.write_items([record.to(ItemState.CANCELLED) for record in read])
    states = [record.state for record in await ledger.read_items("m1", VAULT_KEY)]
    assert states == [ItemState.PLANNED, ItemState.STARTING, ItemState.PLANNED]


# --- a cycle


async def in_the_ledger(ledger: Ledger) -> tuple[VaultRecord, Tally]:
    """The vault's record, and what its rows come to that it may have counted."""
    rows = await ledger.read_items("m1", VAULT_KEY)
    counted = [record for record in rows if record.ended and not record.uncounted]
    return await ledger.read_vault("m1", VAULT_KEY), Tally().plus(counted)


async def test_a_cycle_writes_its_vms_and_their_count_together(ledger: Ledger) -> None:
    """However many transactions that takes; the vault's record is in the end what the cycle says."""
    read = await planned(ledger, records(2 * BATCH + 1))
    before = await ledger.read_vault("m1", VAULT_KEY)
    cancelled = [msgspec.structs.replace(record.to(ItemState.CANCELLED), uncounted=False) for record in read]
    after = msgspec.structs.replace(before, counts={"Cancelled": len(read)}, finished=True)

    await ledger.write_cycle(before, after, cancelled)

    vault, ended = await in_the_ledger(ledger)
    assert plain(vault) == plain(after)
    assert vault.ended == ended


async def test_a_cycle_that_is_cut_short_has_counted_what_it_wrote(ledger: Ledger) -> None:
    """A row that somebody changed spoils its transaction; those before it stand, and the counts agree with the rows."""
    read = await planned(ledger, records(2 * BATCH))
    before = await ledger.read_vault("m1", VAULT_KEY)
    cancelled = [msgspec.structs.replace(record.to(ItemState.CANCELLED), uncounted=False) for record in read]
    await ledger.write_item(read[BATCH].to(ItemState.STARTING))

    with pytest.raises(Stale):
        await ledger.write_cycle(before, msgspec.structs.replace(before, finished=True), cancelled)

    vault, ended = await in_the_ledger(ledger)
    assert (vault.finished, vault.ended) == (False, ended)
    assert ended.states == {"Cancelled": BATCH - 1}


async def test_a_cycle_of_a_vault_that_somebody_wrote_writes_nothing(ledger: Ledger) -> None:
    """The vault's record is the fence: of two deliveries of one look the later one is Stale, rows and all."""
    [record] = await planned(ledger, records(1))
    before = await ledger.read_vault("m1", VAULT_KEY)
    await ledger.write_vault(msgspec.structs.replace(before, quiet_looks=1))
    with pytest.raises(Stale):
        await ledger.write_cycle(before, before, [record.to(ItemState.CANCELLED)])
    assert await ledger.read_items("m1", VAULT_KEY) == [record]


async def test_a_vault_tells_who_is_open_and_who_waits(ledger: Ledger) -> None:
    """Open is what flies and what ended uncounted, but not who waits or is counted; and nobody of another vault."""
    read = {record.vm_name: record for record in await planned(ledger, [a_record(state, state) for state in ItemState])}
    await ledger.write_item(read["Planned"].to(ItemState.DRIFTED))
    await planned(ledger, records(3, vault_key=f"{VAULT_KEY}-2"), vault_key=f"{VAULT_KEY}-2")

    assert {record.vm_name for record in await ledger.open_items("m1", VAULT_KEY)} == {
        "Planned",
        "Starting",
        "Migrating",
    }
    assert [record async for record in ledger.waiting_items("m1", VAULT_KEY)] == []
    waiting = [record.vm_name async for record in ledger.waiting_items("m1", f"{VAULT_KEY}-2", page=1)]
    assert waiting == ["vm-0000", "vm-0001", "vm-0002"]


async def test_the_vaults_are_not_among_the_vms(ledger: Ledger) -> None:
    """They share a table, and no list of the one shows the other."""
    await planned(ledger, records(2))
    assert [vault.vault_key for vault in await ledger.read_vaults("m1")] == [VAULT_KEY]
    assert [record.vm_name async for record in ledger.all_items("m1")] == ["vm-0000", "vm-0001"]


# --- pages


async def pages(ledger: Ledger, which: ItemFilter, size: int) -> list[list[str]]:
    """The VM names of every page."""
    found: list[list[str]] = []
    continuation = ""
    while True:
        page = await ledger.page_items("m1", which, size, continuation)
        found.append([record.vm_name for record in page.items])
        continuation = page.continuation
        if not continuation:
            return found


async def test_a_large_migration_is_paged_through(ledger: Ledger) -> None:
    """1,200 VMs of two vaults: every page full but the last, each VM once, in order, with any filter."""
    await write_plan(ledger, "m1", "vault-1", records(900, vault_key="vault-1"))
    blocked = records(300, vault_key="vault-2", state=ItemState.BLOCKED)
    await write_plan(ledger, "m1", "vault-2", blocked)
    first = [record.vm_name for record in records(900)]
    second = [record.vm_name for record in blocked]

    everything = await pages(ledger, ItemFilter(), 500)
    assert [len(page) for page in everything] == [500, 500, 200]
    assert sum(everything, []) == first + second
    # More rows than the engine returns at once: a whole vault is read to its end.
    assert len(await ledger.read_items("m1", "vault-1")) == 900
    assert sum(await pages(ledger, ItemFilter(vault_key="vault-2"), 200), []) == second
    assert sum(await pages(ledger, ItemFilter(state=ItemState.BLOCKED), 200), []) == second
    assert sum(await pages(ledger, ItemFilter(state=ItemState.PLANNED, vault_key="vault-2"), 200), []) == []


async def test_a_vault_larger_than_a_page_is_read_whole(ledger: Ledger) -> None:
    """Table Storage returns 1,000 rows at once; a vault may hold more."""
    plan = records(1200)
    await write_plan(ledger, "m1", VAULT_KEY, plan)
    assert [record.item_name for record in await ledger.read_items("m1", VAULT_KEY)] == [
        record.item_name for record in plan
    ]


async def test_a_page_that_ends_with_the_list_needs_no_other(ledger: Ledger) -> None:
    """An exactly full last page may be followed by an empty one, and by nothing after that."""
    await planned(ledger, records(4))
    found = await pages(ledger, ItemFilter(), 2)
    assert found[:2] == [["vm-0000", "vm-0001"], ["vm-0002", "vm-0003"]]
    assert found[2:] in ([], [[]])


MALFORMED = {
    "not hexadecimal": "next",
    "half a byte": "7b7",
    "not JSON": b"{".hex(),
    "not an object": b"[]".hex(),
    "not texts": b'{"PartitionKey":1,"RowKey":2}'.hex(),
    "not these keys": b'{"PartitionKey":"m1"}'.hex(),
    "not UTF-8": "ff",
    "of another list": msgspec.json.encode(Bookmark(of="0" * 16, after="a")).hex(),
    "deeply nested": (b"[" * 3000).hex(),
    "not ASCII": "７ｂ７ｄ",
}


@pytest.mark.parametrize("case", MALFORMED)
async def test_a_malformed_continuation_is_refused(case: str, ledger: Ledger) -> None:
    """Continuations come back from callers: whatever is not ours is a ValueError, which they get as theirs."""
    with pytest.raises(NotOurs):
        await ledger.page_items("m1", ItemFilter(), 10, MALFORMED[case])


def test_a_forged_row_is_no_row() -> None:
    """What can be no key of a table is not asked for, however well the text is made otherwise."""
    listed = ItemFilter()
    for row in ("a/b", "a#b", "a\\b", "a\x07", ""):
        with pytest.raises(NotOurs):
            row_after(next_page(listed, row), listed)
    assert row_after(next_page(listed, "v|vm;x"), listed) == "v|vm;x"


async def test_a_new_deployment_has_no_migrations(azurite: str) -> None:
    """The list may be the first that anybody asks: no table is there yet."""
    fresh = Ledger.connected(azurite, f"t{uuid.uuid4().hex}")
    page = await fresh.page_migrations(MigrationFilter(), 10, "")
    await fresh.close()
    assert (page.migrations, page.continuation) == ((), "")


async def test_what_no_row_can_keep_is_told_as_such(ledger: Ledger) -> None:
    """Another try changes nothing: it must not look like an outage."""
    with pytest.raises(Unkeepable):
        await planned(ledger, [a_record(item_name="vm;a\x1b[31m")])


# --- claims


ITEM = a_record().item_name


async def test_a_claim_is_for_one_migration(ledger: Ledger) -> None:
    """The first migration holds the item, however often it asks; another one is told who does."""
    assert await ledger.claim(VAULT_KEY, ITEM, "m1") == "m1"
    assert await ledger.claim(VAULT_KEY, ITEM, "m1") == "m1"
    assert await ledger.claim(VAULT_KEY, ITEM, "m2") == "m1"
    assert await ledger.claims(VAULT_KEY, "m1") == [ITEM]
    assert await ledger.claims(VAULT_KEY, "m2") == []


async def test_a_released_item_can_be_claimed_by_another(ledger: Ledger) -> None:
    """Releasing twice, or what nobody holds, is no trouble."""
    await ledger.claim(VAULT_KEY, ITEM, "m1")
    await ledger.release(VAULT_KEY, "m1", {ITEM})
    await ledger.release(VAULT_KEY, "m1", {ITEM, "vm;never-claimed"})
    await ledger.release(VAULT_KEY, "m1", set())
    assert await ledger.claim(VAULT_KEY, ITEM, "m2") == "m2"


async def test_many_claims_are_released_although_some_are_gone(ledger: Ledger) -> None:
    """One claim that is gone does not keep the others of its batch."""
    names = [record.item_name for record in records(MANY)]
    for name in names[1:]:
        await ledger.claim(VAULT_KEY, name, "m1")
    assert await ledger.claims(VAULT_KEY, "m1") == names[1:]
    await ledger.release(VAULT_KEY, "m1", set(names))
    assert await ledger.claims(VAULT_KEY, "m1") == []


async def test_claims_of_other_vaults_are_others(ledger: Ledger) -> None:
    """The same item name in two vaults is two items."""
    other = VaultId.parse(f"{VAULT}-2").key
    await ledger.claim(VAULT_KEY, ITEM, "m1")
    assert await ledger.claim(other, ITEM, "m2") == "m2"
    await ledger.release(other, "m2", {ITEM})
    assert await ledger.claims(VAULT_KEY, "m1") == [ITEM]


async def test_nobody_releases_the_claim_of_another(ledger: Ledger) -> None:
    """A late second delivery must not free a VM that another migration has claimed meanwhile."""
    await ledger.claim(VAULT_KEY, ITEM, "m2")
    await ledger.release(VAULT_KEY, "m1", {ITEM})
    assert await ledger.claims(VAULT_KEY, "m2") == [ITEM]


async def test_a_claim_is_taken_over_only_from_whom_it_was_seen_with(ledger: Ledger) -> None:
    """Who takes over names whom; where the claim has moved on, whoever has it now keeps it."""
    await ledger.claim(VAULT_KEY, ITEM, "m1")
    assert await ledger.take_over(VAULT_KEY, ITEM, "m1", "m2") == "m2"
    assert await ledger.take_over(VAULT_KEY, ITEM, "m1", "m3") == "m2"
    assert await ledger.take_over(VAULT_KEY, "vm;never-claimed", "m1", "m3") == "m3"


async def test_shares_are_written_by_who_read_them_last(ledger: Ledger) -> None:
    """The first and every later writer: whoever comes second has to look again."""
    empty = await ledger.read_shares("m1")
    await ledger.write_shares(msgspec.structs.replace(empty, vaults={"a": Share(in_flight=1)}))
    with pytest.raises(Stale):
        await ledger.write_shares(msgspec.structs.replace(empty, vaults={"b": Share(in_flight=1)}))

    read = await ledger.read_shares("m1")
    await ledger.write_shares(msgspec.structs.replace(read, vaults={**read.vaults, "b": Share(failed=1)}))
    with pytest.raises(Stale):
        await ledger.write_shares(read)

    assert (await ledger.read_shares("m1")).others("a") == Share(failed=1)
    assert (await ledger.read_shares("m2")).vaults == {}


async def test_a_reader_counts_until_then(ledger: Ledger) -> None:
    """Renewed, expired or forgotten, each by itself."""
    await ledger.note_reader("s", "m1|a", until=NOW + timedelta(minutes=1))
    await ledger.note_reader("s", "m1|b", until=NOW + timedelta(minutes=1))
    await ledger.note_reader("s", "m1|b", until=NOW + timedelta(minutes=9))
    assert sorted(await ledger.readers("s", NOW)) == ["m1|a", "m1|b"]
    assert await ledger.readers("s", NOW + timedelta(minutes=5)) == ["m1|b"]
    await ledger.forget_reader("s", "m1|b")
    await ledger.forget_reader("s", "m1|b")
    assert await ledger.readers("s", NOW) == ["m1|a"]


async def test_a_late_survey_does_not_touch_rows_that_have_moved_on(ledger: Ledger) -> None:
    """Two surveys of a vault: the one that comes too late is Stale before it writes a row."""
    await ledger.insert_vaults([a_vault()])
    early = late = await ledger.read_vault("m1", VAULT_KEY)
    await ledger.write_plan(early, msgspec.structs.replace(early, surveyed=True), records(2))
    started = (await ledger.read_items("m1", VAULT_KEY))[0].to(ItemState.STARTING, claimed_at=NOW)
    await ledger.write_item(started)

    with pytest.raises(Stale):
        await ledger.write_plan(late, late, records(2))

    assert [record.state for record in await ledger.read_items("m1", VAULT_KEY)] == [
        ItemState.STARTING,
        ItemState.PLANNED,
    ]


async def test_of_two_surveys_at_once_one_gets_no_further(ledger: Ledger) -> None:
    """Rows and counts are one survey's, never the rows of the one and the counts of the other."""
    await ledger.insert_vaults([a_vault()])
    before = await ledger.read_vault("m1", VAULT_KEY)
    plans = [records(BATCH + 50), records(BATCH + 20)]
    written = await asyncio.gather(
        *(ledger.write_plan(before, msgspec.structs.replace(before, vms=len(plan)), plan) for plan in plans),
        return_exceptions=True,
    )
    assert sorted(isinstance(one, Stale) for one in written) == [False, True]
    assert (await ledger.read_vault("m1", VAULT_KEY)).vms == len(await ledger.read_items("m1", VAULT_KEY))
