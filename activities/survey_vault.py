"""Read a vault and write its part of the plan."""

import msgspec

from clients import Clients
from clients.arm import Refused, Throttled, Unavailable
from migration.model import VaultId
from migration.plan import VaultFacts, hash_vault_plan, plan_vault, tally, target_policy
from migration.records import VaultRecord
from migration.steps import Survey, VaultOrder

DONE = Survey(done=True)
OUTAGE_SECONDS = 60


async def survey_vault(clients: Clients, order: VaultOrder) -> Survey:
    """Plan every VM of the vault, from lists alone: items, policies, running jobs, and the subscription's VMs.

    A vault that may not be read is recorded with the problem; one that can't be read now is to be asked again.
    Raises Stale where the same survey runs twice at once.
    """
    migration = await clients.ledger.read_migration(order.migration_id)
    vault = await clients.ledger.read_vault(order.migration_id, order.vault_key)
    if vault.surveyed:
        return DONE
    try:
        facts = await _read_facts(clients, vault)
    except Refused as refused:
        await clients.ledger.write_vault(msgspec.structs.replace(vault, surveyed=True, problem=str(refused)))
        return DONE
    except Throttled as throttled:
        return Survey(done=False, stay_away_seconds=throttled.seconds)
    except Unavailable:
        return Survey(done=False, stay_away_seconds=OUTAGE_SECONDS)
    target_name = migration.request.target.policy_name
    target = target_policy(facts.policies, target_name)
    records = plan_vault(vault, facts, target_name)
    counts, reasons = tally(records)
    await clients.ledger.write_plan(order.migration_id, order.vault_key, records)
    await clients.ledger.write_vault(
        msgspec.structs.replace(
            vault,
            surveyed=True,
            target_fingerprint=target.fingerprint if target else "",
            plan_hash=hash_vault_plan(records, target),
            counts=counts,
            reasons=reasons,
        )
    )
    return DONE


async def _read_facts(clients: Clients, vault: VaultRecord) -> VaultFacts:
    vault_id = VaultId.parse(vault.vault_id)
    return VaultFacts(
        items=await clients.backup.list_items(vault_id),
        policies=await clients.backup.list_policies(vault_id),
        running_jobs=(await clients.backup.running_jobs(vault_id)).jobs,
        machines=await clients.compute.list_virtual_machines(vault_id.subscription),
    )
