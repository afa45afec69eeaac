"""Jobs and long-running operations: how they start, progress by the clock, and end.

An operation is what a 202 points to; a job is what the portal lists. For a change of policy the operation stays
InProgress, silent about its job, until the job has ended; for a triggered backup it succeeds at once and names the job
(item_set_policy_opstatus_*.json, backup_now_opstatus.json).
"""

from datetime import datetime, timedelta

from simulator.estate import Estate
from simulator.incidents import CANCELLED, HEALTHY
from simulator.resources import (
    GOOD,
    Job,
    JobEnding,
    JobError,
    JobStatus,
    Operation,
    OperationStatus,
    PlannedTask,
    ProtectedItem,
    ProtectionState,
    Vault,
)

SNAPSHOT_TAKEN_AFTER = timedelta(seconds=3)
"""A recovery point is dated by its snapshot, seconds after the job began (item_list_protected_completed.json)."""
BACKUP_TASKS = (PlannedTask("Take Snapshot", 0.2), PlannedTask("Transfer data to vault", 0.8))


def start_job(estate: Estate, vault: Vault, job: Job) -> None:
    """The job is in the vault's list from this moment, and ends by itself unless its ending says never."""
    vault.jobs[job.id] = job
    job.item.jobs.append(job)

    def end(at: datetime) -> None:
        if job.status is JobStatus.IN_PROGRESS:
            end_job(job, job.ending.status, at, errors=job.ending.errors)

    if job.ending.after is not None:
        estate.agenda.at(job.started + job.ending.after, end)


def end_job(job: Job, status: JobStatus, at: datetime, *, errors: tuple[JobError, ...] = ()) -> None:
    job.status = status
    job.errors = errors
    job.ended = at
    if job.then is not None:
        job.then(job, at)


def cancel_job(estate: Estate, job: Job, now: datetime) -> None:
    """Cancelling for half a minute, then over.

    A cancelled backup is recorded as CompletedWithWarnings, 400158; that any other job ends as Cancelled is assumed.
    """
    status = JobStatus.WITH_WARNINGS if job.label == "Backup" else JobStatus.CANCELLED

    def end(at: datetime) -> None:
        if job.status is JobStatus.CANCELLING:
            end_job(job, status, at, errors=(CANCELLED,))

    job.status = JobStatus.CANCELLING
    estate.agenda.at(now + timedelta(seconds=30), end)


def was_cancelled(job: Job) -> bool:
    return CANCELLED in job.errors


def start_backup(estate: Estate, vault: Vault, item: ProtectedItem, started: datetime, ending: JobEnding) -> Job:
    """A Backup job; at a good end the item shows the backup and its recovery point."""
    terms = item.policy.terms if item.policy else None
    expiry = (started + timedelta(days=(terms and terms.daily_days) or 30)).date()

    def show_on_item(job: Job, at: datetime) -> None:
        item.last_backup = job.started
        item.last_backup_status = job.status
        if job.status in GOOD and not was_cancelled(job):
            item.last_recovery_point = job.started + SNAPSHOT_TAKEN_AFTER
            if item.state is ProtectionState.IR_PENDING:
                item.state = ProtectionState.PROTECTED
                item.health = (HEALTHY,)
            job.property_bag["Backup Size"] = f"{item.gib * 90} MB"

    job = Job(
        id=estate.new_id(),
        item=item,
        label="Backup",
        started=started,
        ending=ending,
        activity_id=estate.new_id(),
        tasks=BACKUP_TASKS,
        cancellable=True,
        property_bag={
            "VM Name": item.vm_name,
            "Recovery Point Expiry Time in UTC": f"{expiry.month}/{expiry.day}/{expiry.year} 12:00:00 AM",
        },
        internal_property_bag={"IsInstantRpJob": "True"},
        then=show_on_item,
    )
    start_job(estate, vault, job)
    return job


def start_operation(estate: Estate, vault: Vault, started: datetime, job: Job | None, *, shows_item: bool) -> Operation:
    operation = Operation(estate.new_id(), started, job, shows_item)
    vault.operations[operation.id] = operation
    return operation


def finish_operation(operation: Operation) -> None:
    operation.status = OperationStatus.SUCCEEDED
