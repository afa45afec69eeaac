"""Table Storage as the ledger uses it: its tables, one row or many at once, and what can go wrong.

Every change of a record names the ETag it read, so two writers never overwrite each other: the later one gets `Stale`.
"""

# azure-data-tables leaves its **kwargs untyped, which makes every method of it partially unknown:
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import TableEntity, TableTransactionError, UpdateMode
from azure.data.tables.aio import TableServiceClient

from clients.rows import Row, from_row, to_row
from migration.model import Value

TABLES = ("migrations", "items", "claims", "plans", "vms", "readers", "events")
BATCH = 100  # the most that Table Storage takes in one transaction
PAGE = 1000  # the most that it returns in one page
R = TypeVar("R", bound=Value)
T = TypeVar("T")


class Stale(Exception):
    """Somebody else changed the record since it was read: read it again and decide again."""


class Unkeepable(Exception):
    """The storage will never take this row: a name that can be no key, or too much text."""


class Missing(LookupError):
    """The ledger has no such record."""


class Tables:
    """The tables of one storage account. Raises AzureError where the account does not answer."""

    def __init__(self, service: TableServiceClient, prefix: str) -> None:
        self._service = service
        self._tables = {name: service.get_table_client(prefix + name) for name in TABLES}
        self._prepared = False

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

    # --- one table

    async def _transact_all(self, table: str, operations: Sequence[Any]) -> None:
        for chunk in chunks(operations):
            await self._transact(table, chunk)

    async def _insert(self, table: str, entity: Row) -> bool:
        try:
            await self._tables[table].create_entity(entity)
        except ResourceExistsError:
            return False
        return True

    async def _read(self, table: str, partition: str, row: str, kind: type[R]) -> R:
        try:
            return record_of(await self._tables[table].get_entity(partition, row), kind)
        except ResourceNotFoundError as error:
            raise Missing(f"no {row} in {table} of {partition}") from error

    async def _query(self, table: str, query: str, kind: type[R], page: int = PAGE) -> AsyncIterator[R]:
        async for entity in self._tables[table].query_entities(query, results_per_page=page):
            yield record_of(entity, kind)

    async def _replace(self, table: str, entity: Row, etag: str) -> str:
        try:
            written = await self._tables[table].update_entity(entity, mode=UpdateMode.REPLACE, **unless_changed(etag))
        except (ResourceModifiedError, ResourceNotFoundError) as error:
            raise Stale(f"{table} {entity['RowKey']}") from error
        return str(written["etag"])

    async def _transact(self, table: str, operations: Sequence[Any]) -> list[str]:
        """Do all of it or nothing; answers the new ETags."""
        try:
            done = await self._tables[table].submit_transaction(operations)
        except TableTransactionError as error:
            if error.status_code in (404, 409, 412):
                raise Stale(f"{table}: {error.message}") from error
            if error.status_code in (400, 413):
                raise Unkeepable(f"the ledger can't keep this in {table}: {error.message}") from error
            raise
        return [str(row.get("etag", "")) for row in done]


def unless_changed(etag: str) -> Row:
    """The condition that a row still has this ETag."""
    return {"etag": etag, "match_condition": MatchConditions.IfNotModified}


def chunks(records: Sequence[T], size: int = BATCH) -> Iterator[Sequence[T]]:
    """So many at a time; without a size, as many as one transaction takes."""
    return (records[start : start + size] for start in range(0, len(records), size))


def moment(time: datetime) -> str:
    """UTC to the second, as text that sorts as time does."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def keys(partition: str, row: str) -> Row:
    """The two keys of a row."""
    return {"PartitionKey": partition, "RowKey": row}


def entity_of(partition: str, row: str, record: Value) -> Row:
    """A record as a row under these keys."""
    return {**to_row(record), **keys(partition, row)}


def record_of(entity: TableEntity, kind: type[R]) -> R:
    """The record in a row, with its ETag."""
    return from_row(entity, str(entity.metadata["etag"]), kind)


def quoted(text: str) -> str:
    """A text for the inside of a query's quotes."""
    return text.replace("'", "''")
