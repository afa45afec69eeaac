"""What is held for a while: who may write an item, and who looks at the jobs of a subscription."""

# azure-data-tables leaves its **kwargs untyped, which makes every method of it partially unknown:
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

from collections.abc import AsyncIterator, Set
from datetime import datetime

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableEntity, UpdateMode

from clients.tables import PAGE, Stale, Tables, chunks, keys, moment, quoted, unless_changed


class Claims(Tables):
    """Claims on items, and the readers of jobs."""

    # --- claims

    async def claim(self, vault_key: str, item_name: str, migration_id: str) -> str:
        """Claim an item for a migration; answers the migration that holds it, which may be another."""
        while not await self._insert("claims", {**keys(vault_key, item_name), "migrationId": migration_id}):
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
        taken = {**keys(vault_key, item_name), "migrationId": migration_id}
        try:
            await self._replace("claims", taken, str(claim.metadata["etag"]))
        except Stale:
            return await self.claim(vault_key, item_name, migration_id)  # somebody else was faster
        return migration_id

    async def release(self, vault_key: str, migration_id: str, item_names: Set[str] | None = None) -> None:
        """Give up what a migration holds of these items, or of the whole vault; the claims of others stay.

        Raises Stale, for another try.
        """
        operations = [
            ("delete", keys(vault_key, str(claim["RowKey"])), unless_changed(str(claim.metadata["etag"])))
            async for claim in self._held(vault_key, migration_id)
            if item_names is None or claim["RowKey"] in item_names
        ]
        for chunk in chunks(operations):
            await self._transact("claims", chunk)

    async def claims(self, vault_key: str, migration_id: str) -> list[str]:
        """The items of a vault that a migration holds."""
        return [str(claim["RowKey"]) async for claim in self._held(vault_key, migration_id)]

    async def _held(self, vault_key: str, migration_id: str) -> AsyncIterator[TableEntity]:
        query = f"PartitionKey eq '{quoted(vault_key)}' and migrationId eq '{quoted(migration_id)}'"
        async for claim in self._tables["claims"].query_entities(query, results_per_page=PAGE):
            yield claim

    async def holder(self, vault_key: str, item_name: str) -> str:
        """The migration that may write an item now; empty where none may."""
        try:
            return str((await self._tables["claims"].get_entity(vault_key, item_name))["migrationId"])
        except ResourceNotFoundError:
            return ""

    # --- readers

    async def readers(self, subscription: str, now: datetime) -> list[str]:
        """Who looks at jobs in a subscription now; what was not renewed in time counts no more."""
        query = f"PartitionKey eq '{quoted(subscription)}' and until gt '{quoted(moment(now))}'"
        entities = self._tables["readers"].query_entities(query, select=["RowKey"], results_per_page=PAGE)
        return [str(entity["RowKey"]) async for entity in entities]

    async def note_reader(self, subscription: str, reader: str, until: datetime) -> None:
        """Note that somebody looks at jobs in a subscription until then."""
        entity = {**keys(subscription, reader), "until": moment(until)}
        await self._tables["readers"].upsert_entity(entity, mode=UpdateMode.REPLACE)

    async def forget_reader(self, subscription: str, reader: str) -> None:
        """Note that somebody looks no more."""
        await self._tables["readers"].delete_entity(subscription, reader)
