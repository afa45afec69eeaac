"""Read a vault and write its part of the plan."""

import asyncio

import msgspec

from clients import Clients
from clients.arm import Refused, Throttled, Unavailable
from clients.tables import Unkeepable
from migration.model import VaultId
from migration.plan import VaultFacts, plan_vault, standing_targets
from migration.records import VaultRecord
from migration.remedies import retryable
from migration.request import MigrationRequest
from migration.steps import Survey, VaultOrder

DONE = Survey(done=True)
OUTAGE_SECONDS = 60


async def survey_vault(clients: Clients, order: VaultOrder) -> Survey:
    """Plan every VM of the vault, from lists alone, whatever their number.

    The vault, its items, policies and running jobs, the subscription's VMs and disks; and one call for each target
    policy that stands in the vault, whose members no list counts. A vault that may not be read is recorded with the
    problem; one that can't be read now is to be asked again. Raises Stale where the same survey runs twice at once.
    """
    migration = await clients.ledger.read_migration(order.migration_id)
    vault = await clients.ledger.read_vault(order.migration_id, order.vault_key)
    if vault.surveyed or migration.ended:
        return DONE
    try:
        facts = await _read_facts(clients, vault, migration.request)
    except Refused as refused:
        await clients.ledger.write_vault(msgspec.structs.replace(vault, surveyed=True, problem=str(refused)))
        return DONE
    except (Throttled, Unavailable) as trouble:
        await clients.ledger.write_vault(msgspec.structs.replace(vault, problem=str(trouble)))
        seconds = trouble.seconds if isinstance(trouble, Throttled) else OUTAGE_SECONDS
        return Survey(done=False, stay_away_seconds=seconds)
    plan = plan_vault(vault, facts, migration.request)
    try:
        await clients.ledger.write_plan(vault, plan.recorded(vault), plan.records)
    except Unkeepable as unkeepable:
        vault = await clients.ledger.read_vault(order.migration_id, order.vault_key)
        await clients.ledger.write_vault(msgspec.structs.replace(vault, surveyed=True, problem=str(unkeepable)))
    return DONE


async def _read_facts(clients: Clients, vault: VaultRecord, request: MigrationRequest) -> VaultFacts:
    vault_id = VaultId.parse(vault.vault_id)
    described = await clients.vaults.get_vault(vault_id)
    items = await clients.backup.list_items(vault_id)
    policies = await clients.backup.list_policies(vault_id)
    machines, disks = await asyncio.gather(  # the longest lists: those of the whole subscription
        clients.compute.list_virtual_machines(vault_id.subscription), clients.compute.list_disks(vault_id.subscription)
    )
    return VaultFacts(
        vault=described,
        items=items,
        policies=policies,
        running_jobs=(await clients.backup.running_jobs(vault_id)).jobs,
        machines=machines,
        disks=disks,
        among=await _retryable(clients, vault, request.retry_of) if request.retry_of else None,
        price=request.cost.price or await clients.prices.snapshot_price(described.region),
        members={
            name.lower(): found[1]
            for name in standing_targets(request.target, items, policies)
            if (found := await clients.backup.get_policy(vault_id, name))
        },
    )


async def _retryable(clients: Clients, vault: VaultRecord, migration_id: str) -> frozenset[str]:
    """The items of a vault that did not come through in an earlier migration and may be tried again."""
    records = await clients.ledger.read_items(migration_id, vault.vault_key)
    return frozenset(record.item_name for record in records if retryable(record))
