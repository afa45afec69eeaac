"""One look at a vault: its jobs, its items where a job ended; then settle what ended and say what starts."""

from collections.abc import Sequence

import msgspec

from clients import Clients
from clients.arm import Refused, Throttled, Unavailable
from migration.cycle import Observation, next_cycle, observed_since, silent, unexplained, unseen
from migration.model import ItemId, Job, OperationOutcome, VaultId
from migration.plan import tally
from migration.records import IN_FLIGHT, ITEM_TRANSITIONS, ItemRecord, ItemState, MigrationState
from migration.steps import CycleOrder, VaultOrder

AGAIN_AT_ONCE_SECONDS = 1
GOING_ON = (MigrationState.RUNNING, MigrationState.PAUSED)


async def monitor_jobs(clients: Clients, order: VaultOrder) -> CycleOrder:
    """Observe, decide (migration.cycle.next_cycle), and write the decision to the ledger.

    Costs one job-list read; a second one, and one list of the items, only where something in flight has gone quiet.
    A vault that can't be read now is asked again later. Raises Stale and AzureError of the ledger, for another try.
    """
    ledger = clients.ledger
    migration = await ledger.read_migration(order.migration_id)
    vault = await ledger.read_vault(order.migration_id, order.vault_key)
    records = await ledger.read_items(order.migration_id, order.vault_key)
    try:
        # A migration that was stopped needs no look at a vault that nothing of it is left in; it may be gone.
        left = migration.state in GOING_ON or any(record.state in IN_FLIGHT for record in records)
        seen = (
            await _observe(clients, VaultId.parse(vault.vault_id), records)
            if left
            else Observation(now=clients.clock(), jobs=())
        )
    except (Refused, Throttled, Unavailable) as trouble:
        wait = max(vault.poll_seconds, trouble.seconds if isinstance(trouble, Throttled) else 0)
        await ledger.write_vault(msgspec.structs.replace(vault, problem=str(trouble)))
        return _answer(records, start=(), wait_seconds=wait, finished=False, note=str(trouble)[:500])

    writable = order.no_writes_before is None or clients.clock() >= order.no_writes_before
    cycle = next_cycle(records, seen, migration.request.limits, migration.state, writable)
    await ledger.write_items(cycle.changed)
    counts, reasons = tally(cycle.records)
    await ledger.write_vault(
        msgspec.structs.replace(
            vault,
            counts=counts,
            reasons=reasons,
            problem="",
            halted=cycle.halted,
            finished=cycle.finished,
            checked_at=seen.now,
        )
    )
    ended = {record.item_name for record in cycle.records if record.state not in ITEM_TRANSITIONS}
    if cycle.finished or any(record.item_name in ended for record in cycle.changed):
        await ledger.release(order.vault_key, order.migration_id, ended)
    wait = AGAIN_AT_ONCE_SECONDS if cycle.more else vault.poll_seconds
    return _answer(cycle.records, start=cycle.start, wait_seconds=wait, finished=cycle.finished, note=cycle.halted)


async def _observe(clients: Clients, vault: VaultId, records: list[ItemRecord]) -> Observation:
    running = await clients.backup.running_jobs(vault)
    quiet = silent(records, running.jobs)
    since = observed_since(quiet)
    if since is None:
        return Observation(now=running.now, jobs=running.jobs)

    recent = await clients.backup.jobs_since(vault, since)
    jobs: dict[str, Job] = {job.id: job for job in (*running.jobs, *recent.jobs)}
    for job_id in unexplained(quiet, jobs.values()):
        jobs[job_id] = await _details(clients, vault, jobs[job_id])
    items = await clients.backup.list_items(vault)
    operations = {
        record.item_name: await _operation(clients, vault, record.operation_id)
        for record in unseen(quiet, jobs.values(), recent.now)
    }
    return Observation(
        now=recent.now,
        jobs=tuple(jobs.values()),
        items={ItemId.parse(item.id).name: item for item in items},
        operations=operations,
    )


async def _details(clients: Clients, vault: VaultId, job: Job) -> Job:
    """The job with its errors; without them where it can't be read: one job must not blind the vault."""
    try:
        return await clients.backup.get_job(vault, job.id)
    except (Refused, Throttled, Unavailable):
        return job


async def _operation(clients: Clients, vault: VaultId, operation_id: str) -> OperationOutcome:
    try:
        return await clients.backup.get_operation(vault, operation_id)
    except (Refused, Throttled, Unavailable):  # the service forgets old operations; neither must one of them
        return OperationOutcome(succeeded=None)


def _answer(
    records: Sequence[ItemRecord], start: tuple[str, ...], wait_seconds: int, finished: bool, note: str
) -> CycleOrder:
    return CycleOrder(
        start=start,
        wait_seconds=wait_seconds,
        finished=finished,
        in_flight=sum(record.state in IN_FLIGHT for record in records),
        waiting=sum(record.state is ItemState.PLANNED for record in records),
        note=note,
    )
