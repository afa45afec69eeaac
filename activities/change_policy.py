"""The one write: point a protected item at its Enhanced policy. Once per VM, whatever happens around it."""

from datetime import datetime

import msgspec

from clients import Clients
from clients.arm import Refused, Throttled, Unavailable
from clients.backup import Accepted
from migration.cycle import HELD_ELSEWHERE, MAX_UNANSWERED
from migration.records import ItemRecord, ItemState
from migration.steps import Change, ItemOrder

CONFLICT = "BMSUserErrorConflictingProtectionOperation"
WRITTEN, SETTLED, LATER = Change(verdict="written"), Change(verdict="settled"), Change(verdict="later")


async def change_policy(clients: Clients, order: ItemOrder) -> Change:
    """Claim the item, write, record the answer.

    The claim and the state Starting are in the ledger before the write leaves, the operation's id right after it. A
    second delivery finds Starting or later and does nothing: whether the first one's write was taken is for the next
    cycle to see (migration.cycle). An answer that leaves this open (5xx, timeout, conflict) leaves the record in
    Starting.
    """
    ledger = clients.ledger
    record = await ledger.read_item(order.migration_id, order.vault_key, order.item_name)
    if record.state is not ItemState.PLANNED:
        return SETTLED
    holder = await ledger.claim(order.vault_key, order.item_name, order.migration_id)
    if holder != order.migration_id:
        message = f"migration {holder} is at work on this VM"
        await ledger.write_item(record.to(ItemState.REFUSED, reason=HELD_ELSEWHERE, message=message))
        return SETTLED
    record = await ledger.write_item(record.to(ItemState.STARTING, claimed_at=datetime.fromisoformat(order.checked_at)))

    match await clients.backup.change_policy(record.item_id, record.vm_id, record.target_policy_id):
        case Accepted(operation_id=operation_id, at=at):
            await ledger.write_item(record.to(ItemState.MIGRATING, operation_id=operation_id, written_at=at))
            return WRITTEN
        case Throttled(seconds=seconds):
            await ledger.write_item(record.to(ItemState.PLANNED, claimed_at=None))
            return Change(verdict="later", stay_away_seconds=seconds)
        case Refused(code=code) if code == CONFLICT:
            return WRITTEN  # perhaps by an earlier try of ours; the next cycles see whose it is
        case Refused(status=409) if record.unanswered + 1 < MAX_UNANSWERED:
            # Another job took the VM since this cycle's look at the jobs: wait for it like for any other. A conflict
            # that does not pass is a refusal in the end.
            await ledger.write_item(record.to(ItemState.PLANNED, claimed_at=None, unanswered=record.unanswered + 1))
            return LATER
        case Refused() as refused:
            await ledger.write_item(_refused(record, refused))
            await ledger.release(order.vault_key, [order.item_name])
            return SETTLED
        case Unavailable():
            return WRITTEN


def _refused(record: ItemRecord, refused: Refused) -> ItemRecord:
    return msgspec.structs.replace(
        record.to(ItemState.REFUSED), reason=refused.code, message=refused.message, settled_at=record.claimed_at
    )
