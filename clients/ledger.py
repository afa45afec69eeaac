"""The ledger: what happened to every migration, vault and VM, in Table Storage.

    table       partition       row                 holds
    migrations  "migration"     migration id        MigrationRecord
    migrations  "shares"        migration id        Shares
    migrations  "latest"        time, then id       nothing more: the order of the list, the latest request first
    migrations  "stalls"        migration|vault     Stall
    items       migration id    !vault key          VaultRecord
    items       migration id    vault key|item      ItemRecord
    claims      vault key       item                the migration that may write this item, and no other
    plans       vault key       migration id        nothing more: which migrations have planned a vault
    vms         group of the VM name of the VM      the vault and the item that last showed it
    readers     subscription    migration|vault     until when this vault's jobs are being looked at
    events      vault key       hash of its id      EventRecord

Every change of a record names the ETag it read, so two writers never overwrite each other: the later one gets `Stale`.
A vault shares its table and partition with its VMs, because a VM that comes to its end and the count of it in the
vault's record are written in one transaction.
"""

# azure-data-tables leaves its **kwargs untyped, which makes every method of it partially unknown:
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableTransactionError, UpdateMode
from azure.data.tables.aio import TableServiceClient

from clients.claims import Claims
from clients.pages import next_page, row_after
from clients.rows import Row
from clients.tables import (
    BATCH,
    PAGE,
    Missing,
    Stale,
    chunks,
    entity_of,
    keys,
    quoted,
    record_of,
    unless_changed,
)
from clients.watches import Watches
from migration.events import EVENT_MIGRATIONS
from migration.model import Value, VmId
from migration.records import (
    IN_FLIGHT,
    MIGRATION_TRANSITIONS,
    ItemRecord,
    ItemState,
    MigrationRecord,
    MigrationState,
    Shares,
    VaultRecord,
)

MOST_SCANNED = 5000  # rows that one page of a filtered list looks at
MOST_READ = 300  # the same, where each is a read of its own
BESIDE_THE_VAULT = BATCH - 1  # rows that go into a transaction with their vault's


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


class Ledger(Claims, Watches):
    """Migrations, their vaults and their VMs. Raises AzureError where the storage account does not answer."""

    @staticmethod
    def at(uri: str, credential: AsyncTokenCredential, prefix: str) -> "Ledger":
        """The ledger in a storage account, reached with an identity."""
        return Ledger(TableServiceClient(uri, credential=credential, **_RETRIES), prefix)

    @staticmethod
    def connected(connection_string: str, prefix: str) -> "Ledger":
        """The ledger in a storage account, reached with a connection string."""
        return Ledger(TableServiceClient.from_connection_string(connection_string, **_RETRIES), prefix)

    # --- migrations

    async def insert_migration(self, record: MigrationRecord) -> bool:
        """Write a new migration; False where its id is taken."""
        latest = keys("latest", _latest(record.requested_at, record.migration_id))
        await self._tables["migrations"].upsert_entity({**latest, "migrationId": record.migration_id})
        return await self._insert("migrations", entity_of("migration", record.migration_id, record))

    async def read_migration(self, migration_id: str) -> MigrationRecord:
        """The migration of that id. Raises Missing."""
        return await self._read("migrations", "migration", migration_id, MigrationRecord)

    async def page_migrations(self, which: MigrationFilter, size: int, continuation: str) -> MigrationPage:
        """A page of migrations, the latest request first. Raises NotOurs for a continuation not of this list.

        A page may hold less than `size`, even nothing, and yet have a next one: one call looks at so many at most.
        """
        await self.prepare()  # on a new deployment this may be the first that anybody asks
        after = row_after(continuation, which)
        query = "PartitionKey eq 'latest'" + (f" and RowKey gt '{quoted(after)}'" if after else "")
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
        etag = await self._replace("migrations", entity_of("migration", record.migration_id, record), record.etag)
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
        entity = entity_of("shares", shares.migration_id, shares)
        if shares.etag:
            await self._replace("migrations", entity, shares.etag)
        elif not await self._insert("migrations", entity):
            raise Stale(f"shares of {shares.migration_id}")

    # --- vaults

    async def insert_vaults(self, records: Sequence[VaultRecord]) -> None:
        """Write the vaults of a new migration; those that an interrupted start wrote already stay as they are."""
        for chunk in chunks(records):
            plans = [keys(record.vault_key, record.migration_id) for record in chunk]
            await asyncio.gather(*(self._tables["plans"].upsert_entity(plan) for plan in plans))
        for chunk in chunks(records):
            entities = [entity_of(*_vault_keys(record), record) for record in chunk]
            try:
                await self._tables["items"].submit_transaction([("create", entity) for entity in entities])
            except TableTransactionError as error:
                if error.status_code != 409:
                    raise
                for entity in entities:
                    await self._insert("items", entity)

    async def read_vault(self, migration_id: str, vault_key: str) -> VaultRecord:
        """A vault of a migration. Raises Missing."""
        return await self._read("items", migration_id, _vault_row(vault_key), VaultRecord)

    async def read_vaults(self, migration_id: str) -> list[VaultRecord]:
        """All vaults of a migration, by key."""
        query = f"PartitionKey eq '{quoted(migration_id)}' and RowKey lt '{_FIRST_ITEM}'"
        return [record async for record in self._query("items", query, VaultRecord)]

    async def write_vault(self, record: VaultRecord) -> None:
        """Replace a vault's record. Raises Stale."""
        await self._replace("items", entity_of(*_vault_keys(record), record), record.etag)

    async def write_cycle(self, before: VaultRecord, after: VaultRecord, records: Sequence[ItemRecord]) -> None:
        """Replace a vault's record and those of some of its VMs. Raises Stale; then some may have been written.

        `before` is the vault's record as it was read, `after` counts all that have ended among the VMs. Each
        transaction counts what it settles, so that rows and counts agree whatever interrupts this.
        """
        *first, last = list(chunks(records, BESIDE_THE_VAULT)) or [()]
        for chunk in first:
            before = await self._with_vault(before.counting(chunk), [_update(record) for record in chunk])
        await self._with_vault(msgspec.structs.replace(after, etag=before.etag), [_update(record) for record in last])

    async def _with_vault(self, vault: VaultRecord, operations: Sequence[Any]) -> VaultRecord:
        """Write the vault's record and some of its rows, or nothing; answers the record with its new ETag."""
        etag, *_ = await self._transact("items", [_update(vault), *operations])
        return msgspec.structs.replace(vault, etag=etag)

    # --- items

    async def read_item(self, migration_id: str, vault_key: str, item_name: str) -> ItemRecord:
        """One VM's record. Raises Missing."""
        return await self._read("items", migration_id, _item_row(vault_key, item_name), ItemRecord)

    async def read_items(self, migration_id: str, vault_key: str) -> list[ItemRecord]:
        """Every VM of a vault in a migration, by item name."""
        return [record async for record in self._query("items", _items_of(migration_id, vault_key), ItemRecord)]

    async def open_items(self, migration_id: str, vault_key: str) -> list[ItemRecord]:
        """The VMs of a vault that are in flight, or have come to their end uncounted; by item name."""
        query = f"{_items_of(migration_id, vault_key)} and ({_OPEN})"
        return [record async for record in self._query("items", query, ItemRecord)]

    async def waiting_items(self, migration_id: str, vault_key: str, page: int = PAGE) -> AsyncGenerator[ItemRecord]:
        """The VMs of a vault that wait, by item name, read a page at a time."""
        query = f"{_items_of(migration_id, vault_key)} and state eq '{ItemState.PLANNED}'"
        async for record in self._query("items", query, ItemRecord, page):
            yield record

    async def waiting_among(self, migration_id: str, vault_key: str, names: Sequence[str]) -> list[ItemRecord]:
        """Those of these VMs that wait, by item name."""
        rows = sorted(_item_row(vault_key, name) for name in names)
        query = (
            f"PartitionKey eq '{quoted(migration_id)}' and state eq '{ItemState.PLANNED}'"
            f" and RowKey ge '{quoted(rows[0])}' and RowKey le '{quoted(rows[-1])}'"
        )
        wanted = set(names)
        return [record async for record in self._query("items", query, ItemRecord) if record.item_name in wanted]

    async def all_items(self, migration_id: str) -> AsyncIterator[ItemRecord]:
        """Every VM of a migration, by vault and item name, as they are read."""
        async for record in self._query("items", _all_items_of(migration_id), ItemRecord):
            yield record

    async def page_items(self, migration_id: str, which: ItemFilter, size: int, continuation: str) -> ItemPage:
        """One page of a migration's VMs, by vault and item name. Raises NotOurs for a continuation not of this list.

        A page may hold less than `size`, even nothing, and yet have a next one: one call looks at so many at most.
        """
        listed = _ItemList(migration_id=migration_id, which=which)
        after = row_after(continuation, listed)
        query = _items_of(migration_id, which.vault_key) if which.vault_key else _all_items_of(migration_id)
        query += f" and RowKey gt '{quoted(after)}'" if after else ""
        query += f" and state eq '{which.state}'" if which.state else ""
        query += f" and reason eq '{quoted(which.reason)}'" if which.reason else ""
        found: list[ItemRecord] = []
        seen = 0
        async for entity in self._tables["items"].query_entities(query, results_per_page=min(size + 1, PAGE)):
            if len(found) == size or seen == MOST_SCANNED:
                return ItemPage(items=tuple(found), continuation=next_page(listed, after))
            after, seen = str(entity["RowKey"]), seen + 1
            record = record_of(entity, ItemRecord)
            if which.keeps(record):
                found.append(record)
        return ItemPage(items=tuple(found), continuation="")

    async def history(self, vault_key: str, item_name: str) -> list[ItemRecord]:
        """A VM's record in every migration that has planned its vault."""
        plans = self._tables["plans"].query_entities(f"PartitionKey eq '{quoted(vault_key)}'", results_per_page=PAGE)
        found: list[ItemRecord] = []
        async for plan in plans:
            try:
                found.append(await self.read_item(str(plan["RowKey"]), vault_key, item_name))
            except Missing:  # the survey has not come to it yet, or it was not in the vault then
                continue
        return found

    async def write_item(self, record: ItemRecord) -> ItemRecord:
        """Replace one VM's record and return it with its new ETag. Raises Stale."""
        etag = await self._replace("items", entity_of(*_item_keys(record), record), record.etag)
        return msgspec.structs.replace(record, etag=etag)

    async def write_items(self, records: Sequence[ItemRecord]) -> None:
        """Replace the records of many VMs of one migration. Raises Stale; then some may have been written."""
        await self._transact_all("items", [_update(record) for record in records])

    async def write_plan(self, before: VaultRecord, after: VaultRecord, records: Sequence[ItemRecord]) -> None:
        """Make these the only records of a vault in a migration, whatever an interrupted survey left behind.

        `before` is the vault's record as the survey read it, `after` the one that counts them. Raises Stale where
        another survey has written anything meanwhile: its rows may be in flight already. Every transaction changes the
        vault's record too, so that of two surveys one gets no further than its first.
        """
        standing = {record.item_name: record for record in await self.read_items(before.migration_id, before.vault_key)}
        planned = {record.item_name for record in records}
        operations: list[Any] = [
            ("delete", keys(*_item_keys(record)), unless_changed(record.etag))
            for name, record in standing.items()
            if name not in planned
        ]
        for record in records:
            old = standing.get(record.item_name)
            # Replace, not merge: a shorter row must not keep columns of the one it stands for.
            operations.append(
                _update(msgspec.structs.replace(record, etag=old.etag))
                if old
                else ("create", entity_of(*_item_keys(record), record))
            )
        *first, last = list(chunks(operations, BESIDE_THE_VAULT)) or [()]
        for chunk in first:
            before = await self._with_vault(before, chunk)
        await self._note_vms(records)
        await self._with_vault(msgspec.structs.replace(after, etag=before.etag), last)

    async def _note_vms(self, records: Iterable[ItemRecord]) -> None:
        """Note where each VM is protected; whoever asks for a VM by its own id finds its item by this."""
        places: defaultdict[str, dict[str, Row]] = defaultdict(dict)
        for record in records:
            try:
                vm = VmId.parse(record.vm_id)
            except ValueError:  # an item whose VM is gone may not say which it was
                continue
            found = {"vault": record.vault_key, "item": record.item_name}
            places[vm.place][vm.name.lower()] = {**keys(vm.place, vm.name.lower()), **found}
        for vms in places.values():
            for chunk in chunks(list(vms.values())):
                await self._transact("vms", [("upsert", vm, {"mode": UpdateMode.REPLACE}) for vm in chunk])

    async def item_of(self, vm: VmId) -> tuple[str, str]:
        """The key of the vault and the name of the item that last showed a VM. Raises Missing."""
        try:
            found = await self._tables["vms"].get_entity(vm.place, vm.name.lower())
        except ResourceNotFoundError as error:
            raise Missing(f"no vault was seen to protect {vm.name}") from error
        return str(found["vault"]), str(found["item"])

    async def last_event_migration(self, vault_key: str) -> MigrationRecord | None:
        """The latest migration in which events of a vault made VMs move; None where there was none."""
        # The ids sort by time, and '.' follows '-' in the character table.
        ids = f"{EVENT_MIGRATIONS}{quoted(vault_key)}"
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

    async def _migrations(self, states: Iterable[MigrationState]) -> list[MigrationRecord]:
        either = " or ".join(f"state eq '{state}'" for state in states)
        query = f"PartitionKey eq 'migration' and ({either})"
        return [record async for record in self._query("migrations", query, MigrationRecord)]


_RETRIES: dict[str, Any] = {"retry_total": 4, "retry_connect": 2, "retry_read": 2, "retry_status": 2}


_FIRST_ITEM = "0"  # a vault's name begins with a letter, its own row with '!', which sorts before
_OPEN = " or ".join(["uncounted eq true", *(f"state eq '{state}'" for state in sorted(IN_FLIGHT))])


def _update(record: VaultRecord | ItemRecord) -> Any:
    where = _vault_keys(record) if isinstance(record, VaultRecord) else _item_keys(record)
    return "update", entity_of(*where, record), {"mode": UpdateMode.REPLACE, **unless_changed(record.etag)}


def _vault_keys(record: VaultRecord) -> tuple[str, str]:
    return record.migration_id, _vault_row(record.vault_key)


def _vault_row(vault_key: str) -> str:
    return f"!{vault_key}"


def _item_keys(record: ItemRecord) -> tuple[str, str]:
    return record.migration_id, _item_row(record.vault_key, record.item_name)


def _item_row(vault_key: str, item_name: str) -> str:
    return f"{vault_key}|{item_name}"


def _all_items_of(migration_id: str) -> str:
    return f"PartitionKey eq '{quoted(migration_id)}' and RowKey ge '{_FIRST_ITEM}'"


def _items_of(migration_id: str, vault_key: str) -> str:
    # '}' follows '|' in the character table: the range holds every row of this vault and of no other.
    return (
        f"PartitionKey eq '{quoted(migration_id)}'"
        f" and RowKey ge '{quoted(vault_key)}|' and RowKey lt '{quoted(vault_key)}}}'"
    )


def _latest(time: datetime, migration_id: str) -> str:
    """A row key that sorts the latest first."""
    left = _LAST_MILLISECOND - max(0, int(time.timestamp() * 1000))
    return f"{left:014d}-{migration_id}"


_LAST_MILLISECOND = 99_999_999_999_999


class _ItemList(Value, frozen=True):
    """Which list of items a page belongs to."""

    migration_id: str
    which: ItemFilter
