"""The one write: point a protected item at its Enhanced policy. Once per VM, whatever happens around it."""

from datetime import timedelta

from clients import Clients
from clients.arm import Refused, Throttled, Unavailable
from clients.backup import Accepted
from clients.tables import Missing
from migration.cycle import HELD_ELSEWHERE
from migration.limits import Limits
from migration.records import IN_FLIGHT, Control, ItemRecord, ItemState
from migration.steps import Change, ItemOrder

CONFLICT = "BMSUserErrorConflictingProtectionOperation"
WRITTEN, SETTLED, LATER = Change(verdict="written"), Change(verdict="settled"), Change(verdict="later")


async def change_policy(clients: Clients, order: ItemOrder) -> Change:
    """Claim the item, write, record the answer.

    The claim and the state Starting are in the ledger before the write leaves, the operation's id right after it. A
    second delivery finds Starting or later and does nothing: whether the first one's write was taken is for the next
    cycle to see (migration.cycle). An answer that leaves this open (5xx, timeout, conflict) leaves the record in
    Starting. A write whose gate has closed, or whose migration has stopped, does not leave at all.
    """
    ledger = clients.ledger
    record = await ledger.read_item(order.migration_id, order.vault_key, order.item_name)
    if record.state is not ItemState.PLANNED:
        return SETTLED
    gate, migration = order.gate, await ledger.read_migration(order.migration_id)
    if clients.clock() > gate.closes_at:
        return LATER
    if migration.control is not Control.GO:
        return LATER
    holder = await _claim(clients, order)
    if holder != order.migration_id:
        message = f"migration {holder} is at work on this VM"
        held = record.to(ItemState.REFUSED, reason=HELD_ELSEWHERE, message=message, settled_at=gate.checked_at)
        await ledger.write_item(held)
        return SETTLED
    record = await ledger.write_item(record.to(ItemState.STARTING, claimed_at=gate.checked_at))

    match await clients.backup.change_policy(record.item_id, record.vm_id, record.target_policy_id):
        case Accepted(operation_id=operation_id, at=at):
            await ledger.write_item(record.to(ItemState.MIGRATING, operation_id=operation_id, written_at=at))
            return WRITTEN
        case Throttled(seconds=seconds):
            await ledger.write_item(record.to(ItemState.PLANNED, claimed_at=None))
            return Change(verdict="later", stay_away_seconds=seconds)
        case Refused(code=code) if code == CONFLICT and record.tries:
            return WRITTEN  # perhaps by that earlier try of ours; the next cycles see whose it is
        case Refused(status=409) if not _waited_enough(record, migration.limits):
            # Another job took the VM since this cycle's look at the jobs: wait for it like for any other. A conflict
            # that does not pass is a refusal in the end.
            since = record.conflict_since or record.claimed_at
            await ledger.write_item(record.to(ItemState.PLANNED, claimed_at=None, conflict_since=since))
            return LATER
        case Refused() as refused:
            await ledger.write_item(_refused(record, refused))
            await ledger.release(order.vault_key, order.migration_id, {order.item_name})
            return SETTLED
        case Unavailable():
            return WRITTEN


def _waited_enough(record: ItemRecord, limits: Limits) -> bool:
    patience = timedelta(hours=limits.backup_job_wait_hours)
    return bool(record.conflict_since and record.claimed_at and record.claimed_at - record.conflict_since > patience)


async def _claim(clients: Clients, order: ItemOrder) -> str:
    """Claim the item; answers who holds it now. A claim that a dead migration left behind is taken over."""
    holder = await clients.ledger.claim(order.vault_key, order.item_name, order.migration_id)
    if holder != order.migration_id and await _is_over(clients, order, holder):
        return await clients.ledger.take_over(order.vault_key, order.item_name, holder, order.migration_id)
    return holder


async def _is_over(clients: Clients, order: ItemOrder, holder: str) -> bool:
    """Whether a migration has ended and left nothing of this VM in flight."""
    try:
        migration = await clients.ledger.read_migration(holder)
        record = await clients.ledger.read_item(holder, order.vault_key, order.item_name)
    except Missing:
        return True
    return migration.ended and record.state not in IN_FLIGHT


def _refused(record: ItemRecord, refused: Refused) -> ItemRecord:
    return record.to(ItemState.REFUSED, reason=refused.code, message=refused.message, settled_at=record.claimed_at)
