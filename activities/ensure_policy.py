"""Make sure that the target is still what was planned, before the first VM of a vault moves to it."""

import msgspec

from clients import Clients
from clients.arm import ArmError
from migration.model import PolicyType, VaultId
from migration.records import ItemState
from migration.steps import VaultOrder


async def ensure_policy(clients: Clients, order: VaultOrder) -> None:
    """Compare the vault's target policy with the one in the plan.

    Where it was deleted or edited since, nothing of this vault moves: its planned VMs become Drifted. Raises ArmError
    and Stale, for another try; the vault's record then says what the trouble is.
    """
    migration = await clients.ledger.read_migration(order.migration_id)
    vault = await clients.ledger.read_vault(order.migration_id, order.vault_key)
    name = migration.request.target.policy_name
    try:
        target = await clients.backup.get_policy(VaultId.parse(vault.vault_id), name)
    except ArmError as trouble:
        await clients.ledger.write_vault(msgspec.structs.replace(vault, problem=str(trouble)))
        raise
    if target and target.policy_type is PolicyType.ENHANCED and target.fingerprint == vault.target_fingerprint:
        return
    message = f"{name} was changed since the plan was made" if target else f"{name} was deleted since the plan was made"
    records = await clients.ledger.read_items(order.migration_id, order.vault_key)
    await clients.ledger.write_items(
        record.to(ItemState.DRIFTED, reason="TargetChanged", message=message)
        for record in records
        if record.state is ItemState.PLANNED
    )
    await clients.ledger.write_vault(msgspec.structs.replace(vault, problem=message))
