"""The live gate: is this VM still what the plan says, this very moment?"""

from datetime import timedelta

from clients import Clients
from clients.arm import Refused, Throttled, Unavailable
from migration.model import same_id
from migration.preflight import blocking, inspect_live
from migration.records import ItemState
from migration.steps import Gate, ItemOrder

SETTLED = Gate(verdict="settled")
OPEN_FOR = timedelta(minutes=2)  # a write that is later than this needs another look


async def preflight_item(clients: Clients, order: ItemOrder) -> Gate:
    """Read the item and compare it with its record; a VM that differs becomes Drifted.

    Running jobs are not asked for here: the cycle that chose this item has just seen the vault's list of them.
    """
    record = await clients.ledger.read_item(order.migration_id, order.vault_key, order.item_name)
    if record.state is not ItemState.PLANNED:
        return SETTLED
    try:
        item, now = await clients.backup.get_item(record.item_id)
    except Refused as refused:
        state, reason = (ItemState.DRIFTED, "ItemGone") if refused.status == 404 else (ItemState.REFUSED, refused.code)
        settled_at = clients.clock()
        await clients.ledger.write_item(record.to(state, reason=reason, message=refused.message, settled_at=settled_at))
        return SETTLED
    except Throttled as throttled:
        return Gate(verdict="later", stay_away_seconds=throttled.seconds)
    except Unavailable:
        return Gate(verdict="later")

    block = blocking(inspect_live(item))
    if block:
        drift = block.code, block.message
    elif same_id(item.policy_id, record.target_policy_id):
        drift = "AlreadyMoved", f"somebody has moved it to {_name(item.policy_id)} already"
    elif not same_id(item.policy_id, record.source_policy_id):
        drift = "PolicyChanged", f"planned with {_name(record.source_policy_id)}, now on {_name(item.policy_id)}"
    elif not same_id(item.vm_id, record.vm_id):
        drift = "VmChanged", f"planned for {record.vm_id}, now protects {item.vm_id}"
    else:
        return Gate(verdict="ready", checked_at=now, closes_at=clients.clock() + OPEN_FOR)
    reason, message = drift
    await clients.ledger.write_item(record.to(ItemState.DRIFTED, reason=reason, message=message, settled_at=now))
    return SETTLED


def _name(resource_id: str) -> str:
    return resource_id.rpartition("/")[2] or "no policy"
