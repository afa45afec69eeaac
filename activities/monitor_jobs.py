"""One look at a vault: its jobs, its items where a job ended; then settle what ended and say what starts."""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from typing import NoReturn

import msgspec

from clients import Clients
from clients.arm import Refused, Throttled, Unavailable
from clients.tables import PAGE, Stale
from clients.telling import tell
from migration.cycle import (
    Cycle,
    Observation,
    Rest,
    Terms,
    comes_first,
    could_start,
    give_up,
    next_cycle,
    observed_since,
    silent,
    to_verify,
    unexplained,
    unseen,
    worth_a_look,
)
from migration.limits import QUIET_SECONDS, Share, idle_pace, pace
from migration.model import Job, OperationOutcome, ProtectedItem, VaultId
from migration.notices import HALTING
from migration.records import Control, ItemRecord, MigrationRecord, Shares, VaultRecord
from migration.steps import CycleAnswer, VaultOrder

log = logging.getLogger(__name__)

AGAIN_AT_ONCE_SECONDS = 1
DETAILS_PER_LOOK = 10  # of failed jobs; each is a read of its own
SHARE_TRIES = 20


class Overtaken(Exception):
    """Another delivery of the same look has come further: this one's decision is nobody's any more."""


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One delivery of this activity: the vault as the ledger has it, and the clients to ask and tell.

    `records` are the VMs in flight and those that have ended uncounted, and as many of those that wait as were read.
    """

    clients: Clients
    migration: MigrationRecord
    vault: VaultRecord
    records: Sequence[ItemRecord]
    stay_away_seconds: int

    @property
    def may_write(self) -> bool:
        """Whether the service takes writes now."""
        return self.stay_away_seconds <= 0

    @property
    def rest(self) -> Rest:
        """The vault's other VMs, by its counts."""
        ended = self.vault.ended
        return Rest(ended=ended, waiting=self.vault.vms - sum(ended.states.values()) - len(self.records))

    def told_of(self, waiting: Sequence[ItemRecord]) -> "Visit":
        """The visit with these VMs that wait."""
        known = {record.item_name for record in self.records}  # one may have gone back to wait meanwhile
        more = [record for record in waiting if record.item_name not in known]
        return replace(self, records=(*self.records, *more))

    def terms(self, shares: Shares, writable: bool) -> Terms:
        """What the migration allows this vault, next to the others."""
        migration = self.migration
        return Terms(
            limits=migration.limits,
            control=migration.control,
            others=shares.others(self.vault.vault_key),
            planned=migration.planned,
            halted=shares.halted,
            writable=writable,
            cancel_jobs=bool(migration.cancellation and migration.cancellation.cancel_jobs),
        )


async def monitor_jobs(clients: Clients, order: VaultOrder) -> CycleAnswer:
    """Observe, decide (migration.cycle.next_cycle), and write the decision to the ledger.

    Costs one job-list read; a second one, and reads of the items, only where something in flight has gone quiet; none
    at all where nothing is in flight and nothing may start. Of the ledger it reads the VMs in flight and those whose
    turn may have come, however many others the vault has. A vault that can't be read now is asked again later;
    one that has refused to be read for as long as a job may take is given up. Raises Stale and AzureError of the
    ledger, for another try.
    """
    ledger = clients.ledger
    away = (order.no_writes_before - clients.clock()).total_seconds() if order.no_writes_before else 0
    visit = Visit(
        clients=clients,
        migration=await ledger.read_migration(order.migration_id),
        vault=await ledger.read_vault(order.migration_id, order.vault_key),
        records=await ledger.open_items(order.migration_id, order.vault_key),
        stay_away_seconds=ceil(away),
    )
    shares = await ledger.read_shares(order.migration_id)
    if visit.migration.control is Control.STOP or shares.halted:
        visit = await _with_all_who_wait(visit)
    if not worth_a_look(visit.records, visit.terms(shares, visit.may_write), visit.rest):
        # Without a look at the jobs nothing may start, whatever the other vaults leave room for meanwhile.
        seen = Observation(now=clients.clock(), jobs=())
        cycle = await _decide(visit, shares, seen, writable=False)
        vault = await _carry_out(visit, cycle, seen.now)
        await _tell_of_a_halt(visit, vault)
        idle = idle_pace(visit.migration.limits.poll_seconds, vault.quiet_looks)
        return _answer(cycle, max(idle, min(visit.stay_away_seconds, QUIET_SECONDS)))
    try:
        seen = await _observe(visit)
    except Refused as refused:
        return await _refused(visit, refused)
    except (Throttled, Unavailable) as trouble:
        return await _later(visit, trouble, visit.vault.unreadable_since)
    visit = await _with_those_who_may_start(visit, seen.jobs)
    cycle = await _decide(visit, shares, seen, visit.may_write)
    vault = await _carry_out(visit, cycle, seen.now, problem=next(iter(seen.hidden.values()), ""))
    await _tell_of_a_halt(visit, vault)
    return _answer(cycle, *await _paces(visit, vault), note=vault.problem)


# --- who waits


async def _with_all_who_wait(visit: Visit) -> Visit:
    """Raises Stale where there are more or fewer than the vault's counts say."""
    told = visit.told_of([record async for record in _waiting(visit)])
    if told.rest.waiting:
        await _count_anew(visit)
    return told


async def _with_those_who_may_start(visit: Visit, jobs: Sequence[Job]) -> Visit:
    """The VMs that wait, from the first on, until as many of them are free as could start, and one more.

    Raises Stale where there are more or fewer than the vault's counts say.
    """
    if visit.migration.control is not Control.GO or not visit.may_write or visit.rest.waiting <= 0:
        return visit
    running = [job for job in jobs if job.running]
    wanted, busy = could_start(visit.records, running, visit.migration.limits), {job.container for job in running}
    if wanted <= 0:
        return visit
    found: list[ItemRecord] = []
    async with aclosing(_waiting(visit, page=wanted + 1)) as waiting:
        async for record in waiting:
            found.append(record)
            wanted -= comes_first(record, busy)
            if wanted < 0:
                return visit.told_of(found)
    told = visit.told_of(found)
    if told.rest.waiting:
        await _count_anew(visit)
    return told


def _waiting(visit: Visit, page: int = PAGE) -> AsyncGenerator[ItemRecord]:
    return visit.clients.ledger.waiting_items(visit.vault.migration_id, visit.vault.vault_key, page)


async def _make_sure_of_the_end(visit: Visit, cycle: Cycle) -> None:
    """Nobody waits whom the counts forgot: a vault that has finished is not looked at again. Raises Stale."""
    known = {record.item_name for record in cycle.records}
    async with aclosing(_waiting(visit)) as waiting:
        if cycle.waiting or any([record.item_name not in known async for record in waiting]):
            await _count_anew(visit)


async def _count_anew(visit: Visit) -> NoReturn:
    """Counts and rows are written together, so only a hand in the table can make them differ. Raises Stale."""
    ledger, vault = visit.clients.ledger, visit.vault
    rows = await ledger.read_items(vault.migration_id, vault.vault_key)
    counted = msgspec.structs.replace(vault, vms=len(rows), counts={}, reasons={}).counting(
        record for record in rows if not record.uncounted
    )
    log.error(
        "vault %s of %s was counted anew: %s, now %s", vault.vault_key, vault.migration_id, vault.ended, len(rows)
    )
    await ledger.write_vault(counted)
    raise Stale(f"vault {vault.vault_key} was counted anew")


# --- deciding


async def _decide(visit: Visit, shares: Shares, seen: Observation, writable: bool) -> Cycle:
    """The cycle, with what it starts counted among all vaults of the migration before anything is written.

    Vaults that decide at the same moment take turns: the later one decides again by what the former has left.
    Raises Stale where its turn does not come.
    """
    for turn in range(SHARE_TRIES):
        cycle = next_cycle(visit.records, seen, visit.terms(shares, writable), visit.rest)
        if cycle.finished:
            await _make_sure_of_the_end(visit, cycle)
        try:
            await _count(visit, shares, cycle)
        except Stale:
            await asyncio.sleep(random.uniform(0, 0.02 * (turn + 1)))
            shares = await visit.clients.ledger.read_shares(visit.migration.migration_id)
            continue
        return cycle
    raise Stale(f"shares of {visit.migration.migration_id}")


async def _count(visit: Visit, shares: Shares, cycle: Cycle) -> None:
    """Count the cycle in the shares. Raises Stale; and where this delivery has been overtaken by another one."""
    key, ledger = visit.vault.vault_key, visit.clients.ledger
    counted = msgspec.structs.replace(
        shares, vaults={**shares.vaults, key: cycle.share}, halted=shares.halted or cycle.halted
    )
    unchanged = shares.vaults.get(key, Share()) == cycle.share and shares.halted == counted.halted
    if unchanged and not cycle.start:  # who starts VMs must know that the others have not moved meanwhile
        return
    if (await ledger.read_vault(visit.vault.migration_id, key)).etag != visit.vault.etag:
        raise Overtaken(key)
    await ledger.write_shares(counted)
    if counted.halted and not shares.halted:
        log.warning("migration %s starts nothing more: %s", visit.migration.migration_id, counted.halted)


async def _carry_out(visit: Visit, cycle: Cycle, now: datetime, problem: str = "") -> VaultRecord:
    """Write what was decided; answers the vault's record."""
    ledger, before = visit.clients.ledger, visit.vault
    quiet = not cycle.changed and not cycle.start
    vault = msgspec.structs.replace(
        before,
        counts=cycle.counts,
        reasons=cycle.ended.reasons,
        problem=problem or ("" if visit.may_write else before.problem),
        halted=cycle.halted,
        halted_at=(before.halted_at or now) if cycle.halted else None,
        finished=cycle.finished,
        checked_at=now,
        quiet_looks=before.quiet_looks + 1 if quiet else 0,
        unreadable_since=None,
    )
    await ledger.write_cycle(before, vault, cycle.changed)
    if cycle.finished:
        await ledger.release(vault.vault_key, vault.migration_id)
        await ledger.forget_reader(*_reader(visit))
    elif any(record.ended for record in cycle.changed):
        await ledger.release(vault.vault_key, vault.migration_id, await _ended_claims(visit, cycle))
    return vault


async def _ended_claims(visit: Visit, cycle: Cycle) -> set[str]:
    """Whom the migration still holds although they have ended: in this cycle, or in one that a crash cut short."""
    vault, ledger = visit.vault, visit.clients.ledger
    known = {record.item_name: record for record in cycle.records}
    held = await ledger.claims(vault.vault_key, vault.migration_id)
    strangers = [
        await ledger.read_item(vault.migration_id, vault.vault_key, name) for name in held if name not in known
    ]
    return {record.item_name for record in (*known.values(), *strangers) if record.ended}


async def _tell_of_a_halt(visit: Visit, vault: VaultRecord) -> None:
    """Tell of a halt while it goes on, at each look until the topic has taken it: somebody may mend the cause."""
    clients, migration = visit.clients, visit.migration
    if vault.halted and migration.told != HALTING and clients.notices.configured:
        await tell(clients, migration, await clients.ledger.read_vaults(migration.migration_id))


# --- a vault that can't be read


async def _refused(visit: Visit, refused: Refused) -> CycleAnswer:
    now = visit.clients.clock()
    vault = visit.vault
    if vault.unreadable_since is None:
        log.warning("vault %s of %s can't be read: %s", vault.vault_key, vault.migration_id, refused)
    since = vault.unreadable_since or now
    if now - since <= timedelta(hours=visit.migration.limits.job_timeout_hours):
        return await _later(visit, refused, since)
    visit = await _with_all_who_wait(visit)
    cycle = replace(give_up(visit.records, str(refused), now, visit.rest.ended), halted=vault.halted)
    await _count(visit, await visit.clients.ledger.read_shares(visit.migration.migration_id), cycle)
    await _carry_out(visit, cycle, now)
    return _answer(cycle, wait_seconds=0)


async def _later(
    visit: Visit, trouble: Refused | Throttled | Unavailable, unreadable_since: datetime | None
) -> CycleAnswer:
    """Nothing is known and nothing starts; the vault's record says why."""
    vault = msgspec.structs.replace(visit.vault, problem=str(trouble), unreadable_since=unreadable_since)
    await visit.clients.ledger.write_vault(vault)
    wait, soonest = await _paces(visit, vault)
    wait = max(wait, trouble.seconds if isinstance(trouble, Throttled) else 0)
    rest = visit.rest
    unchanged = Cycle(records=tuple(visit.records), changed=(), share=Share(), ended=rest.ended, waiting=rest.waiting)
    return _answer(unchanged, wait, soonest, note=str(trouble))


# --- waiting


async def _paces(visit: Visit, vault: VaultRecord) -> tuple[int, int]:
    """Seconds to the next look, and the fewest to any, by who else looks at the subscription now, in any migration."""
    if vault.finished:
        return 0, 0
    clients = visit.clients
    subscription, reader = _reader(visit)
    now = clients.clock()
    readers = len({*await clients.ledger.readers(subscription, now), reader})
    wait = pace(visit.migration.limits.poll_seconds, readers, clients.job_reads_per_hour, vault.quiet_looks)
    await clients.ledger.note_reader(subscription, reader, until=now + timedelta(seconds=2 * wait))
    return wait, pace(1, readers, clients.job_reads_per_hour)


def _reader(visit: Visit) -> tuple[str, str]:
    vault = visit.vault
    return VaultId.parse(vault.vault_id).subscription.lower(), f"{vault.migration_id}|{vault.vault_key}"


def _answer(cycle: Cycle, wait_seconds: int, soonest_seconds: int = 0, note: str = "") -> CycleAnswer:
    """What the orchestration does next."""
    return CycleAnswer(
        start=cycle.start,
        cancel=cycle.cancel,
        wait_seconds=0 if cycle.finished else AGAIN_AT_ONCE_SECONDS if cycle.more else wait_seconds,
        soonest_seconds=soonest_seconds,
        finished=cycle.finished,
        in_flight=cycle.in_flight,
        waiting=cycle.waiting,
        note=note[:500] or cycle.halted,
    )


# --- observing


async def _observe(visit: Visit) -> Observation:
    clients, vault, records = visit.clients, VaultId.parse(visit.vault.vault_id), visit.records
    running = await clients.backup.running_jobs(vault)
    quiet = silent(records, running.jobs)
    since = observed_since(quiet)
    if since is None:
        return Observation(now=running.now, jobs=running.jobs)

    recent = await clients.backup.jobs_since(vault, since)
    jobs: dict[str, Job] = {job.id: job for job in (*running.jobs, *recent.jobs)}
    dark = unexplained(quiet, jobs.values())
    unread = set(dark)
    for job_id in dark[:DETAILS_PER_LOOK]:
        explained = await _details(clients, vault, jobs[job_id])
        if explained:
            jobs[job_id] = explained
            unread.remove(job_id)
    items, hidden = await _items(visit, to_verify(quiet, jobs.values()))
    operations = {
        record.item_name: await _operation(clients, vault, record.operation_id)
        for record in unseen(quiet, jobs.values(), recent.now)
    }
    return Observation(
        now=recent.now,
        jobs=tuple(jobs.values()),
        items=items,
        hidden=hidden,
        operations=operations,
        unread=unread,
    )


async def _items(visit: Visit, records: Sequence[ItemRecord]) -> tuple[dict[str, ProtectedItem], dict[str, str]]:
    """What the service shows of these VMs now, and why it does not show some. Raises Throttled and Unavailable."""
    ids = [record.item_id for record in records]
    seen = await visit.clients.backup.get_items(VaultId.parse(visit.vault.vault_id), ids, visit.vault.vms)
    by_name = {record.item_name: seen.items[record.item_id] for record in records}
    hidden = {name: str(item) for name, item in by_name.items() if isinstance(item, Refused) and item.status != 404}
    return {name: item for name, item in by_name.items() if isinstance(item, ProtectedItem)}, hidden


async def _details(clients: Clients, vault: VaultId, job: Job) -> Job | None:
    """The job with its errors; without them where it may not be read; None where it can't be now."""
    try:
        return await clients.backup.get_job(vault, job.id)
    except Refused:
        return job
    except (Throttled, Unavailable):
        return None


async def _operation(clients: Clients, vault: VaultId, operation_id: str) -> OperationOutcome:
    try:
        return await clients.backup.get_operation(vault, operation_id)
    except (Refused, Throttled, Unavailable):  # the service forgets old operations; neither must one of them
        return OperationOutcome(succeeded=None)
