"""How a migration comes into being: the ledger first, then the orchestration. Safe to do twice."""

import secrets
from collections import Counter
from datetime import datetime

import msgspec
from azure.durable_functions import DurableOrchestrationClient

from clients import Clients
from migration.cycle import pace
from migration.model import VaultId
from migration.records import MigrationRecord, MigrationState, VaultRecord
from migration.request import MigrationRequest
from migration.steps import MigrateOrder
from settings import Settings


class Taken(Exception):
    """The id belongs to a migration that was asked for differently."""


class NotStarted(Exception):
    """The ledger has the migration, but Durable did not take its orchestration: ask again with the same id."""


async def start(
    clients: Clients, settings: Settings, client: DurableOrchestrationClient, request: MigrationRequest
) -> MigrationRecord:
    """Write the migration and its vaults to the ledger and start `migrate`; answers the record.

    The same request under the same id finds the migration that is there, and starts it if an earlier call came to
    nothing half-way. Raises Taken where the id stands for another request, NotStarted where it is half-way now.
    """
    now = clients.clock()
    request = msgspec.structs.replace(request, id=request.id or _new_id(now))
    record = MigrationRecord(
        migration_id=str(request.id), state=MigrationState.PLANNING, request=request, requested_at=now
    )
    await clients.ledger.prepare()
    if not await clients.ledger.insert_migration(record):
        known = await clients.ledger.read_migration(record.migration_id)
        if known.request != request:
            raise Taken(f"migration {record.migration_id} exists and was asked for differently")
        record = known
    if not record.ended and not await client.get_status(record.migration_id):
        vaults = _vaults(record, settings)
        await clients.ledger.insert_vaults(vaults)
        order = MigrateOrder(migration_id=record.migration_id, vault_keys=tuple(vault.vault_key for vault in vaults))
        try:
            await client.start_new("migrate", record.migration_id, msgspec.to_builtins(order))
        except Exception as error:  # the SDK raises bare Exception for whatever its hub answers
            raise NotStarted(record.migration_id) from error
    return record


def _new_id(now: datetime) -> str:
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def _vaults(record: MigrationRecord, settings: Settings) -> list[VaultRecord]:
    ids = [VaultId.parse(vault) for vault in record.request.vaults]
    neighbours = Counter(vault.subscription.lower() for vault in ids)
    return [
        VaultRecord(
            migration_id=record.migration_id,
            vault_key=vault.key,
            vault_id=str(vault),
            poll_seconds=pace(
                record.request.limits.poll_seconds,
                neighbours[vault.subscription.lower()],
                settings.job_reads_per_hour,
            ),
        )
        for vault in ids
    ]
