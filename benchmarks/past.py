"""A ledger with a past: migrations that have ended, with as many VMs as a benchmark wants, all made up."""

from datetime import UTC, datetime, timedelta

from clients.ledger import Ledger
from migration.model import VaultId
from migration.records import ItemRecord, ItemState, MigrationRecord, MigrationState, VaultRecord
from migration.request import MigrationRequest, Target

SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def migration_id(number: int) -> str:
    """The id of a migration of the past."""
    return f"past-{number:05}"


async def fill(ledger: Ledger, number: int, vaults: int, vms_per_vault: int) -> None:
    """Write one migration, of so many vaults with so many VMs each, as the app leaves it behind."""
    ids = [
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-backup/providers/Microsoft.RecoveryServices/vaults/vault-{n:03}"
        for n in range(vaults)
    ]
    requested = FIRST + timedelta(hours=number)
    record = MigrationRecord(
        migration_id=migration_id(number),
        state=MigrationState.COMPLETED,
        request=MigrationRequest(
            id=migration_id(number),
            mode="migrate",
            vaults=tuple(ids),
            target=Target(policy_name="EnhancedPolicy"),
            acknowledge_irreversible=True,
        ),
        vaults=tuple(ids),
        requested_at=requested,
        started_at=requested,
        ended_at=requested + timedelta(hours=1),
        planned=vaults * vms_per_vault,
    )
    await ledger.insert_migration(record)
    records = [
        VaultRecord(
            migration_id=record.migration_id,
            vault_key=VaultId.parse(vault).key,
            vault_id=vault,
            surveyed=True,
            finished=True,
            counts={ItemState.MIGRATED.value: vms_per_vault},
            reasons={},
            checked_at=record.ended_at,
        )
        for vault in ids
    ]
    await ledger.insert_vaults(records)
    for vault in await ledger.read_vaults(record.migration_id):
        await ledger.write_plan(vault, vault, [_item(vault, n, requested) for n in range(vms_per_vault)])


def _item(vault: VaultRecord, number: int, written: datetime) -> ItemRecord:
    name = f"vm-{number:05}"
    container = f"iaasvmcontainerv2;rg-{vault.vault_key};{name}"
    return ItemRecord(
        migration_id=vault.migration_id,
        vault_key=vault.vault_key,
        item_name=f"vm;{container}",
        item_id=(
            f"{vault.vault_id}/backupFabrics/Azure/protectionContainers/IaasVMContainer;{container}"
            f"/protectedItems/VM;{container}"
        ),
        container=container,
        vm_id=(
            f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-{vault.vault_key}"
            f"/providers/Microsoft.Compute/virtualMachines/{name}"
        ),
        vm_name=name,
        source_policy_id=f"{vault.vault_id}/backupPolicies/DefaultPolicy",
        target_policy_id=f"{vault.vault_id}/backupPolicies/EnhancedPolicy",
        state=ItemState.MIGRATED,
        job_id=f"00000000-0000-4000-8000-{number:012}",
        claimed_at=written,
        written_at=written,
        settled_at=written + timedelta(minutes=50),
    )
