"""What the watches over vaults and the watchdog remember: events, and controllers that have stalled."""

# azure-data-tables leaves its **kwargs untyped, which makes every method of it partially unknown:
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from azure.data.tables import UpdateMode

from clients.tables import (
    Stale,
    Tables,
    entity_of,
    keys,
    moment,
    quoted,
    unless_changed,
)
from migration.events import EventRecord
from migration.stalls import Stall


class Watches(Tables):
    """Events of vaults, and stalls of controllers."""

    # --- events

    async def note_event(self, record: EventRecord) -> EventRecord:
        """Remember an event; answers the record that stands, which is an earlier one where it was delivered before."""
        await self._insert("events", entity_of(record.vault_key, record.event_hash, record))
        return await self._read("events", record.vault_key, record.event_hash, EventRecord)

    async def pending_events(self, vault_key: str) -> list[EventRecord]:
        """The events of a vault that nothing has come of yet."""
        query = f"PartitionKey eq '{quoted(vault_key)}' and taken eq false"
        return [record async for record in self._query("events", query, EventRecord)]

    async def waiting_vaults(self, before: datetime) -> list[str]:
        """The ids of the vaults whose events have waited since before then, each once."""
        query = f"taken eq false and receivedAt lt '{moment(before)}'"
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
                    entity_of(record.vault_key, record.event_hash, record),
                    {"mode": UpdateMode.REPLACE, **unless_changed(record.etag)},
                )
                for record in taken
            ],
        )

    async def forget_events(self, before: datetime) -> None:
        """Forget the events of all vaults that were received before then and taken. Raises Stale."""
        query = f"taken eq true and receivedAt lt '{moment(before)}'"
        old: defaultdict[str, list[Any]] = defaultdict(list)
        async for record in self._query("events", query, EventRecord):
            row = keys(record.vault_key, record.event_hash)
            old[record.vault_key].append(("delete", row, unless_changed(record.etag)))
        for of_a_vault in old.values():
            await self._transact_all("events", of_a_vault)

    # --- stalls

    async def read_stalls(self) -> list[Stall]:
        """What the watchdog has found stuck."""
        return [stall async for stall in self._query("migrations", "PartitionKey eq 'stalls'", Stall)]

    async def write_stall(self, stall: Stall) -> None:
        """Write down that a vault is stuck. Raises Stale where another watchdog did."""
        entity = entity_of(*_stall_keys(stall), stall)
        if stall.etag:
            await self._replace("migrations", entity, stall.etag)
        elif not await self._insert("migrations", entity):
            raise Stale(f"stall of {stall.migration_id} in {stall.vault_key}")

    async def forget_stall(self, stall: Stall) -> None:
        """Note that a vault moves again, or needs to no more."""
        await self._tables["migrations"].delete_entity(*_stall_keys(stall))


def _stall_keys(stall: Stall) -> tuple[str, str]:
    return "stalls", f"{stall.migration_id}|{stall.vault_key}"
