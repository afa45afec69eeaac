"""The ledger: what happened to every migration, vault and VM, in Table Storage.

    table       partition       row                 holds
    migrations  "migration"     migration id        MigrationRecord
    migrations  "shares"        migration id        Shares
    migrations  "latest"        time, then id       nothing more: the order of the list, the latest request first
    migrations  "stalls"        migration|vault     Stall
    vaults      migration id    vault key           VaultRecord
    items       migration id    vault key|item      ItemRecord
    claims      vault key       item                the migration that may write this item, and no other
    plans       vault key       migration id        nothing more: which migrations have planned a vault
    vms         group of the VM name of the VM      the vault and the item that last showed it
    readers     subscription    migration|vault     until when this vault's jobs are being looked at
    events      vault key       hash of its id      EventRecord

Every change of a record names the ETag it read, so two writers never overwrite each other: the later one gets `Stale`.
"""

# azure-data-tables leaves its **kwargs untyped, which makes every method of it partially unknown:
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence, Set
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from azure.core import MatchConditions
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import TableEntity, TableTransactionError, UpdateMode
from azure.data.tables.aio import TableServiceClient

from clients.pages import next_page, row_after
from clients.rows import Row, from_row, to_row
from migration.events import EVENT_MIGRATIONS, EventRecord
from migration.model import Value, VmId
from migration.records import (
    MIGRATION_TRANSITIONS,
    ItemRecord,
    ItemState,
    MigrationRecord,
    MigrationState,
    Shares,
    VaultRecord,
)
from migration.stalls import Stall

TABLES = ("migrations", "vaults", "items", "claims", "plans", "vms", "readers", "events")
BATCH = 100  # the most that Table Storage takes in one transaction
PAGE = 1000  # the most that it returns in one page
MOST_SCANNED = 5000  # rows that one page of a filtered list looks at
MOST_READ = 300  # the same, where each is a read of its own
R = TypeVar("R", bound=Value)
T = TypeVar("T")


class Stale(Exception):
    """Somebody else changed the record since it was read: read it again and decide again."""


class Unkeepable(Exception):
    """The storage will never take this row: a name that can be no key, or too much text."""


class Missing(LookupError):
    """The ledger has no such record."""


class ItemFilter(Value, frozen=True):
    """Which items to list: `finding` is a rule's code, `text` part of a VM's name in any casing."""

    state: ItemState | None = None
    vault_key: str = ""
    reason: str = ""
    finding: str = ""
    text: str = ""

    def keeps(self, record: ItemRecord) -> bool:
        """Whether a record fits what no query of the table can ask for."""
        return (not self.finding or any(finding.code == self.finding for finding in record.findings)) and (
            self.text.lower() in record.vm_name.lower()
        )


class MigrationFilter(Value, frozen=True):
    """Which migrations to list: in a state, over a vault or a subscription (lower-case ids), asked for in a time."""

    state: MigrationState | None = None
    vault: str = ""
    subscription: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def keeps(self, record: MigrationRecord) -> bool:
        """Whether a record fits."""
        scope = f"/subscriptions/{self.subscription}/"
        vaults = [vault.lower() for vault in record.vaults]
        return (
            self.state in (None, record.state)
            and (not self.vault or self.vault in vaults)
            and (not self.subscription or any(vault.startswith(scope) for vault in vaults))
        )


class MigrationPage(Value, frozen=True):
    """Some migrations, and where the next page begins; empty after the last."""

    migrations: tuple[MigrationRecord, ...]
    continuation: str


class ItemPage(Value, frozen=True):
    """Some of a migration's items, and where the next page begins; empty after the last."""

    items: tuple[ItemRecord, ...]
    continuation: str


class Ledger:
    """The ledger's tables. Raises AzureError where the storage account does not answer."""

    def __init__(self, service: TableServiceClient, prefix: str) -> None:
        self._service = service
        self._tables = {name: service.get_table_client(prefix + name) for name in TABLES}
        self._prepared = False

    @staticmethod
    def at(uri: str, credential: AsyncTokenCredential, prefix: str) -> "Ledger":
        """The ledger in a storage account, reached with an identity."""
        return Ledger(TableServiceClient(uri, credential=credential, **_RETRIES), prefix)

    @staticmethod
    def connected(connection_string: str, prefix: str) -> "Ledger":
        """The ledger in a storage account, reached with a connection string."""
        return Ledger(TableServiceClient.from_connection_string(connection_string, **_RETRIES), prefix)

    async def prepare(self) -> None:
        """Create what tables are missing; costs nothing after the first time."""
        if self._prepared:
            return
        for table in self._tables.values():
            try:
                await table.create_table()
            except ResourceExistsError:
                continue
        self._prepared = True

    async def ping(self) -> None:
        """Read one row, or none. Raises AzureError where the storage account does not answer or does not let us."""
        await self.prepare()
        try:
            await self._tables["migrations"].get_entity("migration", "ping")
        except ResourceNotFoundError:
            return

    async def close(self) -> None:
        """Close the connections."""
        for table in self._tables.values():
            await table.close()
        await self._service.close()

    # --- migrations

    async def insert_migration(self, record: MigrationRecord) -> bool:
        """Write a new migration; False where its id is taken."""
        latest = _keys("latest", _latest(record.requested_at, record.migration_id))
        await self._tables["migrations"].upsert_entity({**latest, "migrationId": record.migration_id})
        return await self._insert("migrations", _entity("migration", record.migration_id, record))

    async def read_migration(self, migration_id: str) -> MigrationRecord:
        """The migration of that id. Raises Missing."""
        return await self._read("migrations", "migration", migration_id, MigrationRecord)

    async def page_migrations(self, which: MigrationFilter, size: int, continuation: str) -> MigrationPage:
        """A page of migrations, the latest request first. Raises NotOurs for a continuation not of this list.

        A page may hold less than `size`, even nothing, and yet have a next one: one call looks at so many at most.
        """
        await self.prepare()  # on a new deployment this may be the first that anybody asks
        after = row_after(continuation, which)
        query = "PartitionKey eq 'latest'" + (f" and RowKey gt '{_quoted(after)}'" if after else "")
        query += f" and RowKey ge '{_latest(which.until, '')}'" if which.until else ""
        query += f" and RowKey lt '{_latest(which.since, '~')}'" if which.since else ""
        found: list[MigrationRecord] = []
        seen = 0
        async for entity in self._tables["migrations"].query_entities(query, results_per_page=size + 1):
            if len(found) == size or seen == MOST_READ:
                return MigrationPage(migrations=tuple(found), continuation=next_page(which, after))
            after, seen = str(entity["RowKey"]), seen + 1
            try:
                record = await self.read_migration(str(entity["migrationId"]))
            except Missing:  # its insert was refused, or is still on its way
                continue
            if _latest(record.requested_at, record.migration_id) == after and which.keeps(record):
                found.append(record)
        return MigrationPage(migrations=tuple(found), continuation="")

    async def write_migration(self, record: MigrationRecord) -> MigrationRecord:
        """Replace a migration's record and return it with its new ETag. Raises Stale."""
        etag = await self._replace("migrations", _entity("migration", record.migration_id, record), record.etag)
        return msgspec.structs.replace(record, etag=etag)

    # --- shares

    async def read_shares(self, migration_id: str) -> Shares:
        """What the vaults of a migration count for its limits; empty before the first has started anything."""
        try:
            return await self._read("migrations", "shares", migration_id, Shares)
        except Missing:
            return Shares(migration_id=migration_id)

    async def write_shares(self, shares: Shares) -> None:
        """Replace the shares of a migration, or write its first. Raises Stale."""
        entity = _entity("shares", shares.migration_id, shares)
        if shares.etag:
            await self._replace("migrations", entity, shares.etag)
        elif not await self._insert("migrations", entity):
            raise Stale(f"shares of {shares.migration_id}")

    # --- vaults

    async def insert_vaults(self, records: Sequence[VaultRecord]) -> None:
        """Write the vaults of a new migration; those that an interrupted start wrote already stay as they are."""
        for chunk in _chunks(records):
            plans = [_keys(record.vault_key, record.migration_id) for record in chunk]
            await asyncio.gather(*(self._tables["plans"].upsert_entity(plan) for plan in plans))
        for chunk in _chunks(records):
            entities = [_entity(*_vault_keys(record), record) for record in chunk]
            try:
                await self._tables["vaults"].submit_transaction([("create", entity) for entity in entities])
            except TableTransactionError as error:
                if error.status_code != 409:
                    raise
                for entity in entities:
                    await self._insert("vaults", entity)

    async def read_vault(self, migration_id: str, vault_key: str) -> VaultRecord:
        """A vault of a migration. Raises Missing."""
        return await self._read("vaults", migration_id, vault_key, VaultRecord)

    async def read_vaults(self, migration_id: str) -> list[VaultRecord]:
        """All vaults of a migration, by key."""
        query = f"PartitionKey eq '{_quoted(migration_id)}'"
        return [record async for record in self._query("vaults", query, VaultRecord)]

    async def write_vault(self, record: VaultRecord) -> None:
        """Replace a vault's record. Raises Stale."""
        await self._replace("vaults", _entity(*_vault_keys(record), record), record.etag)

    # --- items

    async def read_item(self, migration_id: str, vault_key: str, item_name: str) -> ItemRecord:
        """One VM's record. Raises Missing."""
        return await self._read("items", migration_id, _item_row(vault_key, item_name), ItemRecord)

    async def read_items(self, migration_id: str, vault_key: str) -> list[ItemRecord]:
        """Every VM of a vault in a migration, by item name."""
        return [record async for record in self._query("items", _items_of(migration_id, vault_key), ItemRecord)]

    async def all_items(self, migration_id: str) -> AsyncIterator[ItemRecord]:
        """Every VM of a migration, by vault and item name, as they are read."""
        async for record in self._query("items", f"PartitionKey eq '{_quoted(migration_id)}'", ItemRecord):
            yield record

    async def page_items(self, migration_id: str, which: ItemFilter, size: int, continuation: str) -> ItemPage:
        """One page of a migration's VMs, by vault and item name. Raises NotOurs for a continuation not of this list.

        A page may hold less than `size`, even nothing, and yet have a next one: one call looks at so many at most.
        """
        listed = _ItemList(migration_id=migration_id, which=which)
        after = row_after(continuation, listed)
        query = (
            _items_of(migration_id, which.vault_key)
            if which.vault_key
            else f"PartitionKey eq '{_quoted(migration_id)}'"
        )
        query += f" and RowKey gt '{_quoted(after)}'" if after else ""
        query += f" and state eq '{which.state}'" if which.state else ""
        query += f" and reason eq '{_quoted(which.reason)}'" if which.reason else ""
        found: list[ItemRecord] = []
        seen = 0
        async for entity in self._tables["items"].query_entities(query, results_per_page=min(size + 1, PAGE)):
            if len(found) == size or seen == MOST_SCANNED:
                return ItemPage(items=tuple(found), continuation=next_page(listed, after))
            after, seen = str(entity["RowKey"]), seen + 1
            record = _record(entity, ItemRecord)
            if which.keeps(record):
                found.append(record)
        return ItemPage(items=tuple(found), continuation="")

    async def history(self, vault_key: str, item_name: str) -> list[ItemRecord]:
        """A VM's record in every migration that has planned its vault."""
        plans = self._tables["plans"].query_entities(f"PartitionKey eq '{_quoted(vault_key)}'", results_per_page=PAGE)
        found: list[ItemRecord] = []
        async for plan in plans:
            try:
                found.append(await self.read_item(str(plan["RowKey"]), vault_key, item_name))
            except Missing:  # the survey has not come to it yet, or it was not in the vault then
                continue
        return found

    async def write_item(self, record: ItemRecord) -> ItemRecord:
        """Replace one VM's record and return it with its new ETag. Raises Stale."""
        etag = await self._replace("items", _entity(*_item_keys(record), record), record.etag)
        return msgspec.structs.replace(record, etag=etag)

    async def write_items(self, records: Iterable[ItemRecord]) -> None:
        """Replace the records of many VMs of one migration. Raises Stale; then some may have been written."""
        for chunk in _chunks(list(records)):
            await self._transact(
                "items",
                [
                    (
                        "update",
                        _entity(*_item_keys(record), record),
                        {"mode": UpdateMode.REPLACE, **_unless_changed(record.etag)},
                    )
                    for record in chunk
                ],
            )

    async def write_plan(self, vault: VaultRecord, records: Sequence[ItemRecord]) -> None:
        """Make these the only records of a vault in a migration, whatever an interrupted survey left behind.

        `vault` is the record as the survey read it. Raises Stale where another survey has come further meanwhile: its
        rows may be in flight already. Checked between reading the rows and writing them, and by the ETag of each.
        """
        standing = {record.item_name: record for record in await self.read_items(vault.migration_id, vault.vault_key)}
        if (await self.read_vault(vault.migration_id, vault.vault_key)).etag != vault.etag:
            raise Stale(f"vault {vault.vault_key} was surveyed meanwhile")
        planned = {record.item_name for record in records}
        operations: list[Any] = [
            ("delete", _keys(*_item_keys(record)), _unless_changed(record.etag))
            for name, record in standing.items()
            if name not in planned
        ]
        for record in records:
            entity, old = _entity(*_item_keys(record), record), standing.get(record.item_name)
            # Replace, not merge: a shorter row must not keep columns of the one it stands for.
            replace = {"mode": UpdateMode.REPLACE, **_unless_changed(old.etag)} if old else {}
            operations.append(("update" if old else "create", entity, replace))
        for chunk in _chunks(operations):
            await self._transact("items", chunk)
        await self._note_vms(records)

    async def _note_vms(self, records: Iterable[ItemRecord]) -> None:
        """Note where each VM is protected; whoever asks for a VM by its own id finds its item by this."""
        places: defaultdict[str, dict[str, Row]] = defaultdict(dict)
        for record in records:
            try:
                vm = VmId.parse(record.vm_id)
            except ValueError:  # an item whose VM is gone may not say which it was
                continue
            found = {"vault": record.vault_key, "item": record.item_name}
            places[vm.place][vm.name.lower()] = {**_keys(vm.place, vm.name.lower()), **found}
        for vms in places.values():
            for chunk in _chunks(list(vms.values())):
                await self._transact("vms", [("upsert", vm, {"mode": UpdateMode.REPLACE}) for vm in chunk])

    async def item_of(self, vm: VmId) -> tuple[str, str]:
        """The key of the vault and the name of the item that last showed a VM. Raises Missing."""
        try:
            found = await self._tables["vms"].get_entity(vm.place, vm.name.lower())
        except ResourceNotFoundError as error:
            raise Missing(f"no vault was seen to protect {vm.name}") from error
        return str(found["vault"]), str(found["item"])

    # --- claims

    async def claim(self, vault_key: str, item_name: str, migration_id: str) -> str:
        """Claim an item for a migration; answers the migration that holds it, which may be another."""
        while not await self._insert("claims", {**_keys(vault_key, item_name), "migrationId": migration_id}):
            try:
                return str((await self._tables["claims"].get_entity(vault_key, item_name))["migrationId"])
            except ResourceNotFoundError:
                continue  # released in between
        return migration_id

    async def take_over(self, vault_key: str, item_name: str, holder: str, migration_id: str) -> str:
        """Take a claim from the migration that was seen to hold it; answers the migration that holds it then."""
        claims = self._tables["claims"]
        try:
            claim = await claims.get_entity(vault_key, item_name)
        except ResourceNotFoundError:
            return await self.claim(vault_key, item_name, migration_id)
        if claim["migrationId"] != holder:
            return str(claim["migrationId"])
        taken = {**_keys(vault_key, item_name), "migrationId": migration_id}
        try:
            await self._replace("claims", taken, str(claim.metadata["etag"]))
        except Stale:
            return await self.claim(vault_key, item_name, migration_id)  # somebody else was faster
        return migration_id

    async def release(self, vault_key: str, migration_id: str, item_names: Set[str]) -> None:
        """Give up what a migration holds of these items; the claims of others stay. Raises Stale, for another try."""
        operations = [
            ("delete", _keys(vault_key, str(claim["RowKey"])), _unless_changed(str(claim.metadata["etag"])))
            async for claim in self._held(vault_key, migration_id)
            if claim["RowKey"] in item_names
        ]
        for chunk in _chunks(operations):
            await self._transact("claims", chunk)

    async def claims(self, vault_key: str, migration_id: str) -> list[str]:
        """The items of a vault that a migration holds."""
        return [str(claim["RowKey"]) async for claim in self._held(vault_key, migration_id)]

    async def _held(self, vault_key: str, migration_id: str) -> AsyncIterator[TableEntity]:
        query = f"PartitionKey eq '{_quoted(vault_key)}' and migrationId eq '{_quoted(migration_id)}'"
        async for claim in self._tables["claims"].query_entities(query, results_per_page=PAGE):
            yield claim

    # --- readers

    async def readers(self, subscription: str, now: datetime) -> list[str]:
        """Who looks at jobs in a subscription now; what was not renewed in time counts no more."""
        query = f"PartitionKey eq '{_quoted(subscription)}' and until gt '{_quoted(_moment(now))}'"
        entities = self._tables["readers"].query_entities(query, select=["RowKey"], results_per_page=PAGE)
        return [str(entity["RowKey"]) async for entity in entities]

    async def note_reader(self, subscription: str, reader: str, until: datetime) -> None:
        """Note that somebody looks at jobs in a subscription until then."""
        entity = {**_keys(subscription, reader), "until": _moment(until)}
        await self._tables["readers"].upsert_entity(entity, mode=UpdateMode.REPLACE)

    async def forget_reader(self, subscription: str, reader: str) -> None:
        """Note that somebody looks no more."""
        await self._tables["readers"].delete_entity(subscription, reader)

    # --- events

    async def note_event(self, record: EventRecord) -> EventRecord:
        """Remember an event; answers the record that stands, which is an earlier one where it was delivered before."""
        await self._insert("events", _entity(record.vault_key, record.event_hash, record))
        return await self._read("events", record.vault_key, record.event_hash, EventRecord)

    async def pending_events(self, vault_key: str) -> list[EventRecord]:
        """The events of a vault that nothing has come of yet."""
        query = f"PartitionKey eq '{_quoted(vault_key)}' and taken eq false"
        return [record async for record in self._query("events", query, EventRecord)]

    async def waiting_vaults(self, before: datetime) -> list[str]:
        """The ids of the vaults whose events have waited since before then, each once."""
        query = f"taken eq false and receivedAt lt '{_moment(before)}'"
        found = {record.vault_key: record.vault_id async for record in self._query("events", query, EventRecord)}
        return [found[key] for key in sorted(found)]

    async def take_events(self, records: Sequence[EventRecord], outcome: str) -> None:
        """Note what came of these events of one vault; none of them will lead to anything again. Raises Stale."""
        taken = [msgspec.structs.replace(record, taken=True, outcome=outcome) for record in records]
        await self._transact_all(
            "events",
            [
                (
                    "update",
                    _entity(record.vault_key, record.event_hash, record),
                    {"mode": UpdateMode.REPLACE, **_unless_changed(record.etag)},
                )
                for record in taken
            ],
        )

    async def forget_events(self, before: datetime) -> None:
        """Forget the events of all vaults that were received before then and taken. Raises Stale."""
        query = f"taken eq true and receivedAt lt '{_moment(before)}'"
        old: defaultdict[str, list[Any]] = defaultdict(list)
        async for record in self._query("events", query, EventRecord):
            keys = _keys(record.vault_key, record.event_hash)
            old[record.vault_key].append(("delete", keys, _unless_changed(record.etag)))
        for of_a_vault in old.values():
            await self._transact_all("events", of_a_vault)

    async def last_event_migration(self, vault_key: str) -> MigrationRecord | None:
        """The latest migration in which events of a vault made VMs move; None where there was none."""
        # The ids sort by time, and '.' follows '-' in the character table.
        ids = f"{EVENT_MIGRATIONS}{_quoted(vault_key)}"
        query = f"PartitionKey eq 'migration' and RowKey ge '{ids}-' and RowKey lt '{ids}.'"
        led_to = [record async for record in self._query("migrations", query, MigrationRecord)]
        return next((record for record in reversed(led_to) if record.started_at), None)

    # --- what goes on

    async def unfinished_migrations(self) -> list[MigrationRecord]:
        """Every migration that has not ended, by id."""
        return await self._migrations(MIGRATION_TRANSITIONS)

    async def running_migrations(self) -> list[MigrationRecord]:
        """Every migration that is writing to vaults or may do so any moment, by id."""
        return await self._migrations((MigrationState.RUNNING, MigrationState.PAUSED))

    async def holder(self, vault_key: str, item_name: str) -> str:
        """The migration that may write an item now; empty where none may."""
        try:
            return str((await self._tables["claims"].get_entity(vault_key, item_name))["migrationId"])
        except ResourceNotFoundError:
            return ""

    async def read_stalls(self) -> list[Stall]:
        """What the watchdog has found stuck."""
        return [stall async for stall in self._query("migrations", "PartitionKey eq 'stalls'", Stall)]

    async def write_stall(self, stall: Stall) -> None:
        """Write down that a vault is stuck. Raises Stale where another watchdog did."""
        entity = _entity(*_stall_keys(stall), stall)
        if stall.etag:
            await self._replace("migrations", entity, stall.etag)
        elif not await self._insert("migrations", entity):
            raise Stale(f"stall of {stall.migration_id} in {stall.vault_key}")

    async def forget_stall(self, stall: Stall) -> None:
        """Note that a vault moves again, or needs to no more."""
        await self._tables["migrations"].delete_entity(*_stall_keys(stall))

    async def _migrations(self, states: Iterable[MigrationState]) -> list[MigrationRecord]:
        either = " or ".join(f"state eq '{state}'" for state in states)
        query = f"PartitionKey eq 'migration' and ({either})"
        return [record async for record in self._query("migrations", query, MigrationRecord)]

    # --- one table

    async def _transact_all(self, table: str, operations: Sequence[Any]) -> None:
        for chunk in _chunks(operations):
            await self._transact(table, chunk)

    async def _insert(self, table: str, entity: Row) -> bool:
        try:
            await self._tables[table].create_entity(entity)
        except ResourceExistsError:
            return False
        return True

    async def _read(self, table: str, partition: str, row: str, kind: type[R]) -> R:
        try:
            return _record(await self._tables[table].get_entity(partition, row), kind)
        except ResourceNotFoundError as error:
            raise Missing(f"no {row} in {table} of {partition}") from error

    async def _query(self, table: str, query: str, kind: type[R]) -> AsyncIterator[R]:
        async for entity in self._tables[table].query_entities(query, results_per_page=PAGE):
            yield _record(entity, kind)

    async def _replace(self, table: str, entity: Row, etag: str) -> str:
        try:
            written = await self._tables[table].update_entity(entity, mode=UpdateMode.REPLACE, **_unless_changed(etag))
        except (ResourceModifiedError, ResourceNotFoundError) as error:
            raise Stale(f"{table} {entity['RowKey']}") from error
        return str(written["etag"])

    async def _transact(self, table: str, operations: Sequence[Any]) -> None:
        try:
            await self._tables[table].submit_transaction(operations)
        except TableTransactionError as error:
            if error.status_code in (404, 409, 412):
                raise Stale(f"{table}: {error.message}") from error
            if error.status_code in (400, 413):
                raise Unkeepable(f"the ledger can't keep this in {table}: {error.message}") from error
            raise


_RETRIES: dict[str, Any] = {"retry_total": 4, "retry_connect": 2, "retry_read": 2, "retry_status": 2}


def _unless_changed(etag: str) -> Row:
    return {"etag": etag, "match_condition": MatchConditions.IfNotModified}


def _chunks(records: Sequence[T]) -> Iterator[Sequence[T]]:
    return (records[start : start + BATCH] for start in range(0, len(records), BATCH))


def _moment(time: datetime) -> str:
    """UTC to the second, as text that sorts as time does."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _keys(partition: str, row: str) -> Row:
    return {"PartitionKey": partition, "RowKey": row}


def _entity(partition: str, row: str, record: Value) -> Row:
    return {**to_row(record), **_keys(partition, row)}


def _record(entity: TableEntity, kind: type[R]) -> R:
    return from_row(entity, str(entity.metadata["etag"]), kind)


def _vault_keys(record: VaultRecord) -> tuple[str, str]:
    return record.migration_id, record.vault_key


def _item_keys(record: ItemRecord) -> tuple[str, str]:
    return record.migration_id, _item_row(record.vault_key, record.item_name)


def _stall_keys(stall: Stall) -> tuple[str, str]:
    return "stalls", f"{stall.migration_id}|{stall.vault_key}"


def _item_row(vault_key: str, item_name: str) -> str:
    return f"{vault_key}|{item_name}"


def _items_of(migration_id: str, vault_key: str) -> str:
    # '}' follows '|' in the character table: the range holds every row of this vault and of no other.
    return (
        f"PartitionKey eq '{_quoted(migration_id)}'"
        f" and RowKey ge '{_quoted(vault_key)}|' and RowKey lt '{_quoted(vault_key)}}}'"
    )


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def _latest(time: datetime, migration_id: str) -> str:
    """A row key that sorts the latest first."""
    left = _LAST_MILLISECOND - max(0, int(time.timestamp() * 1000))
    return f"{left:014d}-{migration_id}"


_LAST_MILLISECOND = 99_999_999_999_999


class _ItemList(Value, frozen=True):
    """Which list of items a page belongs to."""

    migration_id: str
    which: ItemFilter
