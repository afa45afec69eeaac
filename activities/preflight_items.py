"""The live gate: are these VMs still what the plan says, this very moment?"""

from datetime import datetime, timedelta

from clients import Clients
from clients.arm import Refused, Throttled, Unavailable
from migration.model import ProtectedItem, VaultId, same_id
from migration.preflight import blocking, inspect_live
from migration.records import ItemRecord, ItemState
from migration.steps import Gate, ItemsOrder, Preflight

OPEN_FOR = timedelta(minutes=2)  # a write that comes later needs another look
Drift = tuple[ItemState, str, str]  # what becomes of a VM that is not what was planned: state, reason, message


async def preflight_items(clients: Clients, order: ItemsOrder) -> Preflight:
    """Look at the items and compare each with its record; a VM that differs becomes Drifted.

    One look for all whose turn it is: a read each would be as many calls to Azure as the writes themselves. Running
    jobs are not asked for here: the cycle that chose these items has just seen the vault's list of them. Raises Stale,
    for another try.
    """
    vault = await clients.ledger.read_vault(order.migration_id, order.vault_key)
    records = await clients.ledger.waiting_among(order.migration_id, order.vault_key, order.item_names)
    if not records:
        return Preflight()
    closes_at = clients.clock() + OPEN_FOR  # from before the look, however long it takes
    try:
        seen = await clients.backup.get_items(
            VaultId.parse(vault.vault_id), [record.item_id for record in records], vault.vms
        )
    except Throttled as throttled:
        return Preflight(later=True, stay_away_seconds=throttled.seconds)
    except Unavailable:
        return Preflight(later=True)

    drifts = {record.item_name: _drift(record, seen.items[record.item_id]) for record in records}
    now = seen.now or clients.clock()
    await clients.ledger.write_items(
        [_settled(record, drift, now) for record in records if (drift := drifts[record.item_name])]
    )
    return Preflight(
        ready=tuple(name for name, drift in drifts.items() if not drift),
        gate=Gate(checked_at=now, closes_at=closes_at),
    )


def _settled(record: ItemRecord, drift: Drift, now: datetime) -> ItemRecord:
    state, reason, message = drift
    return record.to(state, reason=reason, message=message, settled_at=now)


def _drift(record: ItemRecord, item: ProtectedItem | Refused) -> Drift | None:
    if isinstance(item, Refused):
        gone = item.status == 404
        return ItemState.DRIFTED if gone else ItemState.REFUSED, "ItemGone" if gone else item.code, item.message
    block = blocking(inspect_live(item))
    if block:
        return ItemState.DRIFTED, block.code, block.message
    if same_id(item.policy_id, record.target_policy_id):
        return ItemState.DRIFTED, "AlreadyMoved", f"somebody has moved it to {_name(item.policy_id)} already"
    if not same_id(item.policy_id, record.source_policy_id):
        message = f"planned with {_name(record.source_policy_id)}, now on {_name(item.policy_id)}"
        return ItemState.DRIFTED, "PolicyChanged", message
    if not same_id(item.vm_id, record.vm_id):
        return ItemState.DRIFTED, "VmChanged", f"planned for {record.vm_id}, now protects {item.vm_id}"
    return None


def _name(resource_id: str) -> str:
    return resource_id.rpartition("/")[2] or "no policy"
