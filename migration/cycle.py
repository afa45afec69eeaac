"""One controller cycle of a vault: from what was observed to what is settled, what starts, and how long to wait.

The controller of a vault knows nothing between two cycles but the ledger. Each cycle it observes the vault's jobs
once, and `next_cycle` decides. Everything a crash can leave behind is met here as an ordinary observation: a record
found in `Starting` had its write cut short, and what the jobs and the item say decides whether it was taken.

A cycle decides about the VMs in flight and those whose turn may have come. The others of the vault, most of them, are
numbers to it (`Rest`), so that it costs no more in a vault of two thousand VMs than in one of twenty.

All times are the service's own clock (its Date header), so that neither a skewed nor a jumping local clock can make
a job look too old or too young.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from migration.limits import Limits, Share, exhausted, room, together
from migration.model import Job, JobError, OperationOutcome, PolicyType, ProtectedItem, same_id
from migration.records import FAILURES, IN_FLIGHT, Control, ItemRecord, ItemState, Tally

STARTS_PER_CYCLE = 50  # bounds a generation's history: two activities for each VM that starts
CLOCK_SLACK = timedelta(seconds=30)  # the service's machines need not agree to the second
UNANSWERED_GRACE = timedelta(minutes=15)  # after this, a write that nothing shows was never taken
UNSEEN_GRACE = timedelta(minutes=5)  # after this, a write without any job is judged without one
VERIFY_GRACE = timedelta(minutes=30)  # how long an item may lag behind its finished job
MAX_TRIES = 5
ENDED_WELL = ("Completed", "CompletedWithWarnings")  # of a job

HELD_ELSEWHERE = "HeldByAnotherMigration"
VAULT_UNREADABLE = "VaultUnreadable"
NOBODYS_FAILURE = frozenset({HELD_ELSEWHERE, VAULT_UNREADABLE})  # neither stops the VMs of other vaults


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What the migration allows this vault in this cycle.

    `others` is what its other vaults count for the limits, `planned` how many VMs it is to move in all, `halted` why
    too many failures stopped it before; `writable` whether the service takes writes, `cancel_jobs` whether the jobs of
    a stopped migration are to be cancelled.
    """

    limits: Limits
    control: Control = Control.GO
    others: Share = Share()
    planned: int = 0
    halted: str = ""
    writable: bool = True
    cancel_jobs: bool = False


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What a cycle saw: jobs of the vault, its items where a job ended, operations that never showed a job.

    `hidden` says why the service did not show some items, `unread` are the ids of failed jobs whose errors are still
    to be read.
    """

    now: datetime
    jobs: Sequence[Job]
    items: Mapping[str, ProtectedItem] = field(default_factory=dict[str, ProtectedItem])
    hidden: Mapping[str, str] = field(default_factory=dict[str, str])
    operations: Mapping[str, OperationOutcome] = field(default_factory=dict[str, OperationOutcome])
    unread: Set[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Rest:
    """The VMs of a vault that a cycle is not told of one by one: those that have ended, and how many wait."""

    ended: Tally = Tally()
    waiting: int = 0


NO_REST = Rest()
NONE_ENDED = Tally()


@dataclass(frozen=True, kw_only=True)
class Cycle:
    """A cycle's decision.

    `records` are the records it was told of as they are now, `changed` those to be written; `start` names the items
    whose turn it is, `more` whether another cycle should follow at once; `cancel` the jobs to cancel. `ended` and
    `waiting` count all VMs of the vault, `share` is what they count for the migration's limits, those that start now
    included.
    """

    records: tuple[ItemRecord, ...]
    changed: tuple[ItemRecord, ...]
    share: Share
    ended: Tally
    waiting: int
    start: tuple[str, ...] = ()
    more: bool = False
    cancel: tuple[str, ...] = ()
    finished: bool = False
    halted: str = ""

    @property
    def in_flight(self) -> int:
        """VMs whose write is on the way or whose job runs, without those that start now."""
        return sum(record.state in IN_FLIGHT for record in self.records)

    @property
    def counts(self) -> dict[str, int]:
        """All VMs of the vault by state; those that start now count as Starting."""
        states = Counter(self.ended.states)
        states.update(record.state.value for record in self.records if record.state in IN_FLIGHT)
        states[ItemState.PLANNED.value] += self.waiting - len(self.start)
        states[ItemState.STARTING.value] += len(self.start)
        return dict(sorted((+states).items()))


def worth_a_look(records: Sequence[ItemRecord], terms: Terms, rest: Rest = NO_REST) -> bool:
    """Whether the vault's jobs matter now: a VM is in flight, or could start.

    A vault that only waits, for its turn, for people or for the service, costs no read of its jobs; neither does one
    whose migration was stopped, and which may be gone.
    """
    here = share_of(records, rest.ended)
    may_start = terms.control is Control.GO and terms.writable
    return here.in_flight > 0 or (
        _waiting(records, rest) > 0 and may_start and room(terms.limits, here, terms.others) > 0
    )


def share_of(records: Iterable[ItemRecord], ended: Tally = NONE_ENDED) -> Share:
    """What these records count for the limits, and the VMs that have ended besides."""
    states = Counter(record.state.value for record in records if record.reason not in NOBODYS_FAILURE)
    states.update(ended.states)
    excused = sum(ended.reasons.get(reason, 0) for reason in NOBODYS_FAILURE)
    return Share(
        in_flight=sum(states[state] for state in IN_FLIGHT),
        migrated=states[ItemState.MIGRATED],
        failed=sum(states[state] for state in FAILURES) - excused,
    )


def could_start(records: Sequence[ItemRecord], running: Iterable[Job], limits: Limits) -> int:
    """How many VMs of the vault might start in this cycle, should all that has gone quiet have ended."""
    staying = sum(record.state in IN_FLIGHT for record in records) - len(silent(records, running))
    return min(STARTS_PER_CYCLE, limits.max_concurrent_per_vault - staying)


def comes_first(record: ItemRecord, busy: Set[str]) -> bool:
    """Whether a VM that waits may start in its turn: no job runs in its container, and Azure has not declined it."""
    return record.container not in busy and record.conflict_since is None


def _waiting(records: Iterable[ItemRecord], rest: Rest) -> int:
    return rest.waiting + sum(record.state is ItemState.PLANNED for record in records)


def silent(records: Iterable[ItemRecord], running: Iterable[Job]) -> list[ItemRecord]:
    """The records in flight that no running job of their own speaks for: it ended, or was never seen.

    A backup job that runs on the VM says nothing about what became of our write.
    """
    by_container = _by_container(running)
    return [
        record
        for record in records
        if record.state in IN_FLIGHT
        and not any(job.configures for job in _own_jobs(record, by_container[record.container]))
    ]


def unseen(records: Iterable[ItemRecord], jobs: Iterable[Job], now: datetime) -> list[ItemRecord]:
    """The records whose accepted write shows no job at all after a while: only the operation can tell."""
    by_container = _by_container(jobs)
    return [
        record
        for record in records
        if record.state is ItemState.MIGRATING
        and record.operation_id
        and now - _claimed_at(record) > UNSEEN_GRACE
        and not _own_jobs(record, by_container[record.container])
    ]


def to_verify(records: Iterable[ItemRecord], jobs: Iterable[Job]) -> list[ItemRecord]:
    """The quiet records that only the item can settle: their job ended well, or none was seen."""
    by_container = _by_container(jobs)
    return [record for record in records if _item_tells(_own_jobs(record, by_container[record.container]))]


def _item_tells(own: Sequence[Job]) -> bool:
    configured = _configured(own)
    return not _running(own) and (configured is None or configured.status in ENDED_WELL)


def unexplained(records: Iterable[ItemRecord], jobs: Iterable[Job]) -> list[str]:
    """The ids of ended jobs whose errors the list leaves out; only the job itself tells them."""
    by_container = _by_container(jobs)
    return [
        job.id
        for record in records
        if record.state in IN_FLIGHT
        for job in _own_jobs(record, by_container[record.container])
        if not job.running and job.status != "Completed" and not job.errors
    ]


def observed_since(records: Iterable[ItemRecord]) -> datetime | None:
    """From when on a job may belong to one of the records in flight."""
    starts = [_claimed_at(record) for record in records if record.state in IN_FLIGHT]
    return min(starts) - CLOCK_SLACK if starts else None


def next_cycle(records: Sequence[ItemRecord], seen: Observation, terms: Terms, rest: Rest = NO_REST) -> Cycle:
    """Decide a cycle.

    `records` are those in flight, those that have ended uncounted, and those that wait and come first; `rest` are all
    others of the vault. The decision never starts more than the limits allow, never starts a VM with a running job,
    starts nothing unless the migration runs and the service takes writes, and lets what is in flight come to its end
    whatever happens.
    """
    by_container = _by_container(seen.jobs)
    after = tuple(_advance(record, by_container[record.container], seen, terms.limits) for record in records)

    failed = together((share_of(after, rest.ended), terms.others)).failed
    too_many = terms.halted or exhausted(terms.limits, failed, terms.planned)
    stopped = terms.control is Control.STOP
    halted = too_many if not stopped and _left(after, rest) else ""
    if halted or stopped:
        after = tuple(_cancelled(record, halted or "the migration was stopped", seen) for record in after)
    after = tuple(_counted(record) for record in after)

    here = share_of(after, rest.ended)
    waiting = _waiting(after, rest)
    places = room(terms.limits, here, terms.others) if terms.control is Control.GO and terms.writable else 0
    planned = (record for record in after if record.state is ItemState.PLANNED)
    free = sorted((record for record in planned if not _running(by_container[record.container])), key=_turn)
    starting = min(places, len(free), STARTS_PER_CYCLE)
    return Cycle(
        records=after,
        changed=tuple(new for old, new in zip(records, after, strict=True) if new is not old),
        share=msgspec.structs.replace(here, in_flight=here.in_flight + starting),
        ended=rest.ended.plus(record for record in after if record.ended),
        waiting=waiting,
        start=tuple(record.item_name for record in free[:starting]),
        more=starting < min(places, len(free)) or (waiting > 0 and bool(halted or stopped)),
        cancel=_to_cancel(after, by_container) if stopped and terms.cancel_jobs else (),
        finished=not here.in_flight and waiting <= 0,
        halted=halted,
    )


def give_up(records: Sequence[ItemRecord], why: str, now: datetime, ended: Tally = NONE_ENDED) -> Cycle:
    """The last cycle of a vault that has not let itself be read for too long: what is not over, is over now.

    `records` are all that have not ended, or not been counted; `ended` the others.
    """
    after = tuple(
        _counted(
            record.to(_GIVEN_UP[record.state], reason=VAULT_UNREADABLE, message=why, settled_at=now)
            if record.state in _GIVEN_UP
            else record
        )
        for record in records
    )
    changed = tuple(new for old, new in zip(records, after, strict=True) if new is not old)
    return Cycle(
        records=after,
        changed=changed,
        share=share_of(after, ended),
        ended=ended.plus(after),
        waiting=0,
        finished=True,
    )


def _left(records: Iterable[ItemRecord], rest: Rest) -> bool:
    """Whether a VM has not moved and is left alone once too many have failed."""
    cancelled = ItemState.CANCELLED
    return (
        _waiting(records, rest) > 0
        or bool(rest.ended.states.get(cancelled))
        or any(record.state is cancelled for record in records)
    )


def _counted(record: ItemRecord) -> ItemRecord:
    """The record as it is written together with the vault's counts."""
    return msgspec.structs.replace(record, uncounted=False) if record.uncounted else record


_GIVEN_UP: Mapping[ItemState, ItemState] = {
    ItemState.PLANNED: ItemState.REFUSED,
    ItemState.STARTING: ItemState.REFUSED,
    ItemState.MIGRATING: ItemState.TIMED_OUT,
}


def _turn(record: ItemRecord) -> tuple[bool, str]:
    """VMs by name; those that Azure declined for a while after all others, so that they hold up nobody's canary."""
    return record.conflict_since is not None, record.item_name


def _to_cancel(records: Iterable[ItemRecord], by_container: Mapping[str, Sequence[Job]]) -> tuple[str, ...]:
    """The running jobs that are surely the migration's own and may be cancelled; a backup may be the schedule's."""
    jobs = [
        job.id
        for record in records
        if record.state in IN_FLIGHT
        for job in _own_jobs(record, by_container[record.container])
        if job.configures and job.cancellable and job.status == "InProgress"
    ]
    return tuple(jobs[:STARTS_PER_CYCLE])


def _cancelled(record: ItemRecord, why: str, seen: Observation) -> ItemRecord:
    """What waits when nothing more starts, will not move; a row that says Planned for ever would promise it."""
    if record.state is not ItemState.PLANNED:
        return record
    return record.to(ItemState.CANCELLED, reason="Stopped", message=why, settled_at=seen.now)


# --- one record in one cycle


def _advance(record: ItemRecord, jobs: Sequence[Job], seen: Observation, limits: Limits) -> ItemRecord:
    step = _STEPS.get(record.state)
    return step(record, jobs, seen, limits) if step else record


def _wait(record: ItemRecord, jobs: Sequence[Job], seen: Observation, limits: Limits) -> ItemRecord:
    """Planned: wait for a running backup job, but not for ever."""
    patience = timedelta(hours=limits.backup_job_wait_hours)
    stuck = next((job for job in _running(jobs) if seen.now - job.started_at > patience), None)
    if stuck is None:
        return record
    return record.to(
        ItemState.BLOCKED,
        reason="BackupJobRunning",
        message=f"a {stuck.operation} job has run since {stuck.started_at:%Y-%m-%d %H:%M} UTC",
        job_id=stuck.id,
        settled_at=seen.now,
    )


def _recover(record: ItemRecord, jobs: Sequence[Job], seen: Observation, limits: Limits) -> ItemRecord:
    """Starting: the write's answer is not known. Adopt what Azure shows; repeat only what it surely never took."""
    own = [job for job in _own_jobs(record, jobs) if job.configures]
    if own or _shows_target(record, seen):
        return record.to(ItemState.MIGRATING, written_at=_claimed_at(record))
    unread = record.item_name not in seen.items
    if unread or seen.now - _claimed_at(record) <= UNANSWERED_GRACE:
        return _refused(record, seen) if _too_late(record, seen, limits) else record
    if record.tries + 1 < MAX_TRIES:
        return record.to(ItemState.PLANNED, tries=record.tries + 1, claimed_at=None)
    return _refused(msgspec.structs.replace(record, tries=record.tries + 1), seen)


def _refused(record: ItemRecord, seen: Observation) -> ItemRecord:
    message = "Azure Backup gave no usable answer to the change of the policy, and shows no trace of it"
    return record.to(ItemState.REFUSED, reason="NoAnswer", message=message, settled_at=seen.now)


def _follow(record: ItemRecord, jobs: Sequence[Job], seen: Observation, limits: Limits) -> ItemRecord:
    """Migrating: settle the record when its jobs have ended and the item shows the target."""
    own = _own_jobs(record, jobs)
    running = _running(own)
    ended = [job for job in own if not job.running]
    configured = _configured(own)
    operation = seen.operations.get(record.item_name)
    if running and configured:
        return record  # ours is over; what else runs on the VM is waited for, and judges nothing
    if running:
        return _give_up_late(record, running[0], seen, limits)
    if configured and configured.id in seen.unread and not _too_late(record, seen, limits):
        return record
    if configured:
        return _settle(record, configured, ended, seen, limits)
    if operation and operation.succeeded is False:
        error = operation.error or JobError(title="OperationFailed", message="the operation failed without a job")
        return _failed(record, error, seen)
    if _shows_target(record, seen) and seen.now - _claimed_at(record) > UNSEEN_GRACE:
        return record.to(
            ItemState.MIGRATED,
            job_id=operation.job_id if operation else "",
            warnings=("the item shows the target, but its job was never seen",),
            settled_at=seen.now,
        )
    return _give_up_late(record, None, seen, limits)


def _settle(record: ItemRecord, job: Job, ended: Sequence[Job], seen: Observation, limits: Limits) -> ItemRecord:
    """The migration's job has ended: what became of the VM?"""
    if job.status not in ENDED_WELL:
        fallback = JobError(title=f"Job{job.status}", message=f"the job ended as {job.status}")
        return _failed(record, job.errors[0] if job.errors else fallback, seen, job)
    item = seen.items.get(record.item_name)
    if item and _shows_target(record, seen):
        warnings = _warnings(record, job, ended, item)
        return record.to(ItemState.MIGRATED, job_id=job.id, warnings=warnings, settled_at=seen.now)
    hidden = seen.hidden.get(record.item_name)
    patience = timedelta(hours=limits.job_timeout_hours) if hidden else VERIFY_GRACE
    if seen.now - (job.ended_at or job.started_at) <= patience:
        return record
    shown = item.policy_id.rpartition("/")[2] or "no policy" if item else "no such item"
    told = f"the item can't be read: {hidden}" if hidden else f"the item shows {shown}"
    error = JobError(title="NotVerified", message=f"the job ended as {job.status}, but {told}")
    return _failed(record, error, seen, job)


def _warnings(record: ItemRecord, job: Job, ended: Sequence[Job], item: ProtectedItem) -> tuple[str, ...]:
    """What an operator should know of a migration that went through.

    The job's own warnings, an extra backup that failed, a selective-disk setting that is not what it was.
    """
    troubled = [
        other for other in ended if other.status != "Completed" and (other.id == job.id or not other.configures)
    ]
    told = [
        f"{error.title}: {error.message}"
        for other in troubled
        for error in (other.errors or (JobError(title=other.operation, message=f"ended as {other.status}"),))
    ]
    if item.excluded_disks != record.excluded_disks:
        told.append(f"selective disk backup was {record.excluded_disks or 'off'}, is {item.excluded_disks or 'off'}")
    return tuple(told)


def _failed(record: ItemRecord, error: JobError, seen: Observation, job: Job | None = None) -> ItemRecord:
    advice = " ".join(error.recommendations)
    return record.to(
        ItemState.FAILED,
        reason=error.title,
        message=f"{error.message} {advice}".strip(),
        job_id=job.id if job else record.job_id,
        settled_at=seen.now,
    )


def _give_up_late(record: ItemRecord, job: Job | None, seen: Observation, limits: Limits) -> ItemRecord:
    if not _too_late(record, seen, limits):
        return record
    return record.to(
        ItemState.TIMED_OUT,
        reason="JobTimeout" if job else "NoJob",
        message=f"not over after {limits.job_timeout_hours} hours; look at the job in the vault",
        job_id=job.id if job else record.job_id,
        settled_at=seen.now,
    )


def _too_late(record: ItemRecord, seen: Observation, limits: Limits) -> bool:
    return seen.now - _claimed_at(record) > timedelta(hours=limits.job_timeout_hours)


_STEPS: Mapping[ItemState, Callable[[ItemRecord, Sequence[Job], Observation, Limits], ItemRecord]] = {
    ItemState.PLANNED: _wait,
    ItemState.STARTING: _recover,
    ItemState.MIGRATING: _follow,
}


# --- jobs


def _by_container(jobs: Iterable[Job]) -> defaultdict[str, list[Job]]:
    grouped: defaultdict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        grouped[job.container].append(job)
    return grouped


def _running(jobs: Iterable[Job]) -> list[Job]:
    return [job for job in jobs if job.running]


def _configured(own: Iterable[Job]) -> Job | None:
    """The migration job that ended last, of a VM's own jobs."""
    ended = (job for job in own if job.configures and not job.running)
    return max(ended, key=lambda job: (job.started_at, job.id), default=None)


def _own_jobs(record: ItemRecord, jobs: Iterable[Job]) -> list[Job]:
    """The jobs of this VM that may come from our write: the claim was stamped by the service just before it."""
    since = _claimed_at(record) - CLOCK_SLACK
    return [job for job in jobs if job.started_at >= since]


def _shows_target(record: ItemRecord, seen: Observation) -> bool:
    item = seen.items.get(record.item_name)
    return (
        item is not None
        and same_id(item.policy_id, record.target_policy_id)
        and item.policy_type is PolicyType.ENHANCED
    )


def _claimed_at(record: ItemRecord) -> datetime:
    if record.claimed_at is None:
        raise ValueError(f"{record.item_name} is {record.state} and was never claimed")
    return record.claimed_at
