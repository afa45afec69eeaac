"""One look at a vault: its jobs, its items where a job ended; then settle what ended and say what starts."""

import asyncio
import random
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from clients import Clients
from clients.arm import Refused, Throttled, Unavailable
from clients.ledger import Stale
from migration.cycle import (
    Cycle,
    Observation,
    Terms,
    give_up,
    next_cycle,
    observed_since,
    silent,
    unexplained,
    unseen,
    worth_a_look,
)
from migration.limits import idle_pace, pace
from migration.model import ItemId, Job, OperationOutcome, VaultId
from migration.plan import tally
from migration.records import IN_FLIGHT, ITEM_TRANSITIONS, ItemRecord, ItemState, MigrationRecord, Shares, VaultRecord
from migration.steps import CycleOrder, VaultOrder

AGAIN_AT_ONCE_SECONDS = 1
DETAILS_PER_LOOK = 10  # of failed jobs; each is a read of its own
SHARE_TRIES = 20


async def monitor_jobs(clients: Clients, order: VaultOrder) -> CycleOrder:
    """Observe, decide (migration.cycle.next_cycle), and write the decision to the ledger.

    Costs one job-list read; a second one, and one list of the items, only where something in flight has gone quiet;
    none at all where nothing is in flight and nothing may start. A vault that can't be read now is asked again later;
    one that has refused to be read for as long as a job may take is given up. Raises Stale and AzureError of the
    ledger, for another try.
    """
    ledger = clients.ledger
    migration = await ledger.read_migration(order.migration_id)
    vault = await ledger.read_vault(order.migration_id, order.vault_key)
    records = await ledger.read_items(order.migration_id, order.vault_key)
    shares = await ledger.read_shares(order.migration_id)
    writable = order.no_writes_before is None or clients.clock() >= order.no_writes_before
    looks = worth_a_look(records, _terms(migration, vault, shares, writable))
    try:
        seen = (
            await _observe(clients, VaultId.parse(vault.vault_id), records)
            if looks
            else Observation(now=clients.clock(), jobs=())
        )
    except (Throttled, Unavailable) as trouble:
        return await _later(clients, migration, vault, records, trouble)
    except Refused as refused:
        patience = timedelta(hours=migration.limits.job_timeout_hours)
        if vault.unreadable_since is None or clients.clock() - vault.unreadable_since <= patience:
            since = vault.unreadable_since or clients.clock()
            vault = msgspec.structs.replace(vault, unreadable_since=since)
            return await _later(clients, migration, vault, records, refused)
        cycle = give_up(records, str(refused), clients.clock())
        await _count(clients, shares, vault.vault_key, cycle)
        return await _carry_out(clients, migration, vault, cycle, clients.clock(), looked=False)

    # Without a look at the jobs nothing may start, whatever the other vaults have left room for meanwhile.
    cycle = await _decide(clients, migration, vault, records, seen, writable and looks)
    return await _carry_out(clients, migration, vault, cycle, seen.now, looks)


def _terms(migration: MigrationRecord, vault: VaultRecord, shares: Shares, writable: bool) -> Terms:
    return Terms(
        limits=migration.limits,
        control=migration.control,
        others=shares.others(vault.vault_key),
        planned=migration.planned,
        writable=writable,
        cancel_jobs=bool(migration.cancellation and migration.cancellation.cancel_jobs),
    )


# --- deciding


async def _decide(
    clients: Clients,
    migration: MigrationRecord,
    vault: VaultRecord,
    records: Sequence[ItemRecord],
    seen: Observation,
    writable: bool,
) -> Cycle:
    """The cycle, with what it starts counted among all vaults of the migration before anything is written.

    Vaults that decide at the same moment take turns: the later one decides again by what the former has left.
    Raises Stale where its turn does not come.
    """
    for turn in range(SHARE_TRIES):
        shares = await clients.ledger.read_shares(migration.migration_id)
        cycle = next_cycle(records, seen, _terms(migration, vault, shares, writable))
        try:
            await _count(clients, shares, vault.vault_key, cycle)
        except Stale:
            await asyncio.sleep(random.uniform(0, 0.02 * (turn + 1)))
            continue
        return cycle
    raise Stale(f"shares of {migration.migration_id}")


async def _count(clients: Clients, shares: Shares, vault_key: str, cycle: Cycle) -> None:
    if shares.vaults.get(vault_key) != cycle.share:
        vaults = {**shares.vaults, vault_key: cycle.share}
        await clients.ledger.write_shares(msgspec.structs.replace(shares, vaults=vaults))


async def _carry_out(
    clients: Clients, migration: MigrationRecord, vault: VaultRecord, cycle: Cycle, now: datetime, looked: bool
) -> CycleOrder:
    """Write what was decided; answers what the orchestration does next."""
    ledger = clients.ledger
    await ledger.write_items(cycle.changed)
    counts, reasons = tally(cycle.records, frozenset(cycle.start))
    quiet = not cycle.changed and not cycle.start
    vault = msgspec.structs.replace(
        vault,
        counts=counts,
        reasons=reasons,
        problem="",
        halted=cycle.halted,
        finished=cycle.finished,
        checked_at=now,
        quiet_looks=vault.quiet_looks + 1 if quiet else 0,
        unreadable_since=None if looked else vault.unreadable_since,
    )
    await ledger.write_vault(vault)
    ended = {record.item_name for record in cycle.records if record.state not in ITEM_TRANSITIONS}
    if cycle.finished or any(record.item_name in ended for record in cycle.changed):
        await ledger.release(vault.vault_key, migration.migration_id, ended)
    if cycle.finished:
        await ledger.forget_reader(*_reader(migration, vault))
    if looked and not cycle.finished:
        wait = await _wait(clients, migration, vault)
    else:
        wait = idle_pace(migration.limits.poll_seconds, vault.quiet_looks)
    return _answer(
        cycle.records,
        start=cycle.start,
        cancel=cycle.cancel,
        wait_seconds=AGAIN_AT_ONCE_SECONDS if cycle.more else wait,
        finished=cycle.finished,
        note=cycle.halted,
    )


# --- waiting


async def _later(
    clients: Clients,
    migration: MigrationRecord,
    vault: VaultRecord,
    records: Sequence[ItemRecord],
    trouble: Refused | Throttled | Unavailable,
) -> CycleOrder:
    """Nothing is known and nothing starts; the vault's record says why."""
    await clients.ledger.write_vault(msgspec.structs.replace(vault, problem=str(trouble)))
    wait = await _wait(clients, migration, vault)
    return _answer(
        records,
        start=(),
        wait_seconds=max(wait, trouble.seconds if isinstance(trouble, Throttled) else 0),
        finished=False,
        note=str(trouble)[:500],
    )


async def _wait(clients: Clients, migration: MigrationRecord, vault: VaultRecord) -> int:
    """Seconds to the next look, by who else looks at vaults of the subscription now, in any migration."""
    subscription, reader = _reader(migration, vault)
    now = clients.clock()
    readers = {*await clients.ledger.readers(subscription, now), reader}
    wait = pace(migration.limits.poll_seconds, len(readers), clients.job_reads_per_hour, vault.quiet_looks)
    await clients.ledger.note_reader(subscription, reader, until=now + timedelta(seconds=2 * wait))
    return wait


def _reader(migration: MigrationRecord, vault: VaultRecord) -> tuple[str, str]:
    return VaultId.parse(vault.vault_id).subscription.lower(), f"{migration.migration_id}|{vault.vault_key}"


# --- observing


async def _observe(clients: Clients, vault: VaultId, records: Sequence[ItemRecord]) -> Observation:
    running = await clients.backup.running_jobs(vault)
    quiet = silent(records, running.jobs)
    since = observed_since(quiet)
    if since is None:
        return Observation(now=running.now, jobs=running.jobs)

    recent = await clients.backup.jobs_since(vault, since)
    jobs: dict[str, Job] = {job.id: job for job in (*running.jobs, *recent.jobs)}
    dark = unexplained(quiet, jobs.values())
    for job_id in dark[:DETAILS_PER_LOOK]:
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
        unread=frozenset(dark[DETAILS_PER_LOOK:]),
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
    records: Sequence[ItemRecord],
    start: tuple[str, ...],
    wait_seconds: int,
    finished: bool,
    note: str,
    cancel: tuple[str, ...] = (),
) -> CycleOrder:
    return CycleOrder(
        start=start,
        cancel=cancel,
        wait_seconds=wait_seconds,
        finished=finished,
        in_flight=sum(record.state in IN_FLIGHT for record in records),
        waiting=sum(record.state is ItemState.PLANNED for record in records),
        note=note,
    )
