"""Make sure that every target is what was planned, before the first VM of a vault moves to it; make the clones."""

import msgspec

from clients import Clients
from clients.arm import ArmError, Refused
from migration.model import BackupPolicy, VaultId, same_id
from migration.plan import by_name
from migration.policy import CloneOptions, enhanced_equal, fingerprint
from migration.records import ItemState, MigrationState, PlannedTarget
from migration.steps import VaultOrder


async def ensure_policy(clients: Clients, order: VaultOrder) -> None:
    """Compare each target of the vault's plan with the policy that stands there; make it where it is a clone to come.

    The VMs of a target that is not what was planned do not move: they become Drifted, or Blocked where the service
    declined to make it. Makes nothing unless the migration is Running. Raises ArmError and Stale, for another try; the
    vault's record then says what the trouble is.
    """
    migration = await clients.ledger.read_migration(order.migration_id)
    vault = await clients.ledger.read_vault(order.migration_id, order.vault_key)
    vault_id = VaultId.parse(vault.vault_id)
    if migration.state is not MigrationState.RUNNING:
        return
    options = migration.request.target.clone or CloneOptions()
    try:
        policies = by_name(await clients.backup.list_policies(vault_id))
        for target in vault.targets:
            trouble = await _ensure(clients, vault_id, target, policies, options)
            if trouble:
                await _leave_alone(clients, order, f"{vault.vault_id}/backupPolicies/{target.name}", *trouble)
    except ArmError as outage:
        await clients.ledger.write_vault(msgspec.structs.replace(vault, problem=str(outage)))
        raise


async def _ensure(
    clients: Clients,
    vault: VaultId,
    target: PlannedTarget,
    policies: dict[str, BackupPolicy],
    options: CloneOptions,
) -> tuple[ItemState, str, str] | None:
    """Make sure of one target; answers what becomes of its VMs where that can't be: state, reason, message."""
    standing = policies.get(target.name.lower())
    if standing is None and target.made_from:
        source = policies.get(target.made_from.lower())
        if source is None or fingerprint(clone := enhanced_equal(source, options)) != target.fingerprint:
            message = f"{target.made_from} was changed since the plan was made, and with it its Enhanced equal"
            return ItemState.DRIFTED, "SourceChanged", message
        try:
            standing = await clients.backup.make_policy(vault, clone)
        except Refused as refused:
            return ItemState.BLOCKED, refused.code, refused.message
    if standing is None:
        return ItemState.DRIFTED, "TargetChanged", f"{target.name} was deleted since the plan was made"
    if fingerprint(standing) != target.fingerprint:
        return ItemState.DRIFTED, "TargetChanged", f"{target.name} is not the policy that was planned"
    return None


async def _leave_alone(
    clients: Clients, order: VaultOrder, target_id: str, state: ItemState, reason: str, message: str
) -> None:
    records = await clients.ledger.read_items(order.migration_id, order.vault_key)
    await clients.ledger.write_items(
        record.to(state, reason=reason, message=message)
        for record in records
        if record.state is ItemState.PLANNED and same_id(record.target_policy_id, target_id)
    )
