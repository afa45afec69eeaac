"""Move a migration to its next state, as its vaults, its approval and the hour say, and tell the world of it."""

import logging

import msgspec

from clients import Clients
from clients.telling import tell
from migration.lifecycle import advance, fail
from migration.records import MigrationRecord, MigrationState, counts_of
from migration.steps import AdvanceOrder, Standing

log = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS = 900  # a lost nudge delays an approval by this much at most


async def advance_migration(clients: Clients, order: AdvanceOrder) -> Standing:
    """Read, decide (migration.lifecycle), write, tell. Raises Stale where somebody decided meanwhile: ask again."""
    record = await clients.ledger.read_migration(order.migration_id)
    vaults = await clients.ledger.read_vaults(order.migration_id)
    now = clients.clock()
    after = fail(record, order.problem, now) if order.problem else advance(record, vaults, now)
    if after is not record:
        await clients.ledger.write_migration(after)
        counts = msgspec.json.encode(counts_of(vaults), order="sorted").decode()
        log.info("migration %s is now %s with VMs %s", after.migration_id, after.state, counts)
    told = (await tell(clients, after, vaults)).told == after.state or not clients.notices.configured
    return Standing(state=after.state, wait_seconds=_wait(after, clients), told=told or not after.ended)


def _wait(record: MigrationRecord, clients: Clients) -> int:
    if record.state is not MigrationState.AWAITING_APPROVAL or record.approval_deadline is None:
        return 0
    left = (record.approval_deadline - clients.clock()).total_seconds()
    return max(1, min(LONGEST_WAIT_SECONDS, int(left) + 1))
