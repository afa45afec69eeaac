"""Make sure that the policies of a vault are what was planned, before VMs move from one to the other; make clones."""

from datetime import timedelta

import msgspec

from clients import Clients
from clients.arm import Refused, Throttled, Unavailable
from migration.model import BackupPolicy, VaultId, same_id
from migration.plan import by_name
from migration.policy import CloneOptions, enhanced_equal, fingerprint
from migration.records import Control, ItemState, MigrationRecord, PlannedTarget, VaultRecord
from migration.steps import Ensured, VaultOrder

OUTAGE_SECONDS = 60
REFUSED_SECONDS = 900  # a role that was taken away may come back


async def ensure_policy(clients: Clients, order: VaultOrder) -> Ensured:
    """Compare each source and target of the vault's plan with the policies that stand there; make the clones to come.

    Asked before each batch of writes: a policy edited meanwhile may keep more than the plan saw, or less than it
    promised. The VMs of a policy that is not what was planned do not move: they become Drifted, or Blocked where the
    service declined to make it. Makes nothing unless the migration is Running.

    Where Azure can't be asked now, nothing is to be written for so many seconds, and the vault's record says why; where
    it has refused for as long as a job may take, the waiting VMs are Refused. Raises Stale, for another try.
    """
    migration = await clients.ledger.read_migration(order.migration_id)
    vault = await clients.ledger.read_vault(order.migration_id, order.vault_key)
    vault_id = VaultId.parse(vault.vault_id)
    if migration.control is not Control.GO:
        return Ensured()
    options = migration.request.target.clone or CloneOptions()
    try:
        policies = by_name(await clients.backup.list_policies(vault_id))
        for name, planned in vault.sources.items():
            source = policies.get(name.lower())
            if source is None or fingerprint(source) != planned:
                message = f"{name} was changed since the plan was made"
                await _leave_alone(clients, vault, ItemState.DRIFTED, "SourceChanged", message, name)
        for target in vault.targets:
            trouble = await _ensure(clients, vault_id, target, policies, options)
            if trouble:
                await _leave_alone(clients, vault, *trouble, target.name)
    except (Throttled, Unavailable) as outage:
        await clients.ledger.write_vault(msgspec.structs.replace(vault, problem=str(outage)))
        return Ensured(stay_away_seconds=outage.seconds if isinstance(outage, Throttled) else OUTAGE_SECONDS)
    except Refused as refused:
        return await _wait_for_permission(clients, migration, vault, refused)
    if vault.policies_refused_since:
        await clients.ledger.write_vault(msgspec.structs.replace(vault, policies_refused_since=None))
    return Ensured()


async def _wait_for_permission(
    clients: Clients, migration: MigrationRecord, vault: VaultRecord, refused: Refused
) -> Ensured:
    now = clients.clock()
    since = vault.policies_refused_since or now
    if now - since > timedelta(hours=migration.limits.job_timeout_hours):
        await _leave_alone(clients, vault, ItemState.REFUSED, refused.code, refused.message)
        return Ensured()
    await clients.ledger.write_vault(msgspec.structs.replace(vault, problem=str(refused), policies_refused_since=since))
    return Ensured(stay_away_seconds=REFUSED_SECONDS)


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
        clone = enhanced_equal(source, options) if source else None
        if clone is None or fingerprint(clone) != target.fingerprint:
            return None  # its source was changed, and its VMs are settled for that
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
    clients: Clients, vault: VaultRecord, state: ItemState, reason: str, message: str, policy_name: str = ""
) -> None:
    """Settle the waiting VMs that would move from or to a policy; all of them where none is named."""
    policy_id = f"{vault.vault_id}/backupPolicies/{policy_name}"
    waiting = clients.ledger.waiting_items(vault.migration_id, vault.vault_key)
    await clients.ledger.write_items(
        [
            record.to(state, reason=reason, message=message, settled_at=clients.clock())
            async for record in waiting
            if not policy_name
            or same_id(record.source_policy_id, policy_id)
            or same_id(record.target_policy_id, policy_id)
        ]
    )
