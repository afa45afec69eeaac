"""What a migration begins with, whoever asked for it: its record, those of its vaults, its orchestration's input."""

from collections.abc import Iterable
from datetime import datetime

from migration.limits import Limits
from migration.model import VaultId
from migration.records import MigrationRecord, MigrationState, VaultRecord
from migration.request import MigrationRequest
from migration.steps import MigrateOrder


def opened(
    request: MigrationRequest, vaults: Iterable[str], limits: Limits, now: datetime, requester: str = ""
) -> MigrationRecord:
    """The record of a new migration of these vaults; `limits` are those that the request does not name."""
    return MigrationRecord(
        migration_id=str(request.id),
        state=MigrationState.PLANNING,
        request=request,
        vaults=tuple(vaults),
        requested_at=now,
        requester=requester,
        limits=request.limits.applied_to(limits),
    )


def vaults_of(record: MigrationRecord) -> list[VaultRecord]:
    """The records of its vaults, as a new migration has them."""
    ids = [VaultId.parse(vault) for vault in record.vaults]
    return [VaultRecord(migration_id=record.migration_id, vault_key=vault.key, vault_id=str(vault)) for vault in ids]


def order_of(record: MigrationRecord) -> MigrateOrder:
    """The input of its orchestration, wherever the migration stands."""
    keys = tuple(vault.vault_key for vault in vaults_of(record))
    to_survey = range(len(keys)) if record.state is MigrationState.PLANNING else ()
    return MigrateOrder(migration_id=record.migration_id, vault_keys=keys, to_survey=tuple(to_survey))
