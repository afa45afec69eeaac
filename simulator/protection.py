"""Changing the policy of a protected item: who is refused, what starts, and what the item shows afterwards.

The refusals are a table in the order they are checked. A change from Standard to Enhanced is a job of hours, grows with
the disks and takes a precautionary backup; every other change takes seconds. The order, and the codes of refusals that
no recording shows, are assumed (errors.py says which).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from simulator import errors
from simulator.errors import ServiceError
from simulator.estate import Estate
from simulator.jobs import BACKUP_TASKS, SNAPSHOT_TAKEN_AFTER, start_backup, start_job, start_operation
from simulator.resources import (
    GOOD,
    BackupPolicy,
    Job,
    JobEnding,
    JobStatus,
    Operation,
    OperationStatus,
    PolicyType,
    ProtectedItem,
    ProtectionState,
    Storage,
    Terms,
    Vault,
)
from simulator.scenario import PolicyVisible, PrecautionaryBackup


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """A PUT on a protected item, read: the item, the policy it asks for, and the Resource Guard requests it brings."""

    estate: Estate
    vault: Vault
    item: ProtectedItem
    target: BackupPolicy
    terms: Terms
    guard_requests: tuple[str, ...]

    @property
    def current(self) -> Terms | None:
        return self.item.policy.terms if self.item.policy else None

    @property
    def migrates(self) -> bool:
        """Standard to Enhanced."""
        return self._types() == (PolicyType.STANDARD, PolicyType.ENHANCED)

    @property
    def reverts(self) -> bool:
        return self._types() == (PolicyType.ENHANCED, PolicyType.STANDARD)

    @property
    def weakens(self) -> bool:
        """What a Resource Guard protects: shorter retention on any tier or a shorter instant restore."""
        current = self.current
        return current is not None and (
            self.terms.keeps_less_than(current) or self.terms.instant_days < current.instant_days
        )

    def _types(self) -> tuple[PolicyType | None, PolicyType]:
        return (self.current.policy_type if self.current else None), self.terms.policy_type


def _vm_is_gone(change: PolicyChange) -> bool:
    return change.estate.vm(change.item.vm_id) is None


def _has_unmanaged_disks(change: PolicyChange) -> bool:
    vm = change.estate.vm(change.item.vm_id)
    return change.migrates and vm is not None and vm.storage is Storage.UNMANAGED


def _another_job_runs(change: PolicyChange) -> bool:
    return change.migrates and any(job.running for job in change.item.jobs)


def _guard_is_missing(change: PolicyChange) -> bool:
    guard = change.vault.resource_guard
    wanted = f"{guard}/updateProtectedItemRequests/".lower()
    approved = any(request.lower().startswith(wanted) for request in change.guard_requests)
    return guard is not None and change.weakens and not approved


def _shortens_immutable(change: PolicyChange) -> bool:
    return change.vault.immutable and change.current is not None and change.terms.keeps_less_than(change.current)


_invalid = errors.invalid_protection_request

REFUSALS: tuple[tuple[Callable[[PolicyChange], bool], Callable[[], ServiceError]], ...] = (
    (lambda change: change.item.soft_deleted is not None, lambda: _invalid("The item is in soft deleted state.")),
    (
        lambda change: change.item.state is ProtectionState.STOPPED,
        lambda: _invalid("Protection of the item is stopped."),
    ),
    (_vm_is_gone, errors.vm_no_longer_exists),
    (lambda change: change.item.operation is not None, errors.conflicting_protection_operation),
    (
        lambda change: change.reverts,
        lambda: _invalid("A backup item of an Enhanced policy cannot be moved to a Standard policy."),
    ),
    (
        lambda change: change.migrates and change.item.classic,
        lambda: _invalid("Enhanced policy is not supported for classic virtual machines."),
    ),
    (
        _has_unmanaged_disks,
        lambda: _invalid("Enhanced policy is not supported for virtual machines with unmanaged disks."),
    ),
    (_another_job_runs, errors.object_locked),
    (_guard_is_missing, errors.guard_request_missing),
    (_shortens_immutable, errors.immutable_item),
)


def change_policy(change: PolicyChange, now: datetime) -> Operation:
    """Accept the change and start what it takes. Raises ServiceError for a refusal."""
    for applies, refusal in REFUSALS:
        if applies(change):
            raise refusal()
    change.item.puts_accepted += 1
    if change.migrates:
        return _migrate(change, now)
    after = change.estate.jitter(timedelta(seconds=change.estate.service.policy_change_seconds))
    return _configure(change, now, JobEnding(after), label="ConfigureBackup")


def _migrate(change: PolicyChange, now: datetime) -> Operation:
    service, ending = change.estate.service, change.item.ending
    if ending.without_job:
        return _fail_without_job(change, now)
    if ending.minutes is not None:
        after = timedelta(minutes=ending.minutes)
    else:
        size_dependent = timedelta(hours=change.item.gib / service.migration_gib_per_hour)
        after = change.estate.jitter(timedelta(minutes=service.migration_base_minutes) + size_dependent)
    if service.precautionary_backup is PrecautionaryBackup.SEPARATE:
        start_backup(change.estate, change.vault, change.item, now, JobEnding(after * 0.9))
    job_ending = JobEnding(None if ending.never else after, ending.status, ending.errors)
    return _configure(change, now, job_ending, label=service.operation_label)


def _configure(change: PolicyChange, now: datetime, ending: JobEnding, *, label: str) -> Operation:
    estate, item = change.estate, change.item
    inside = change.migrates and estate.service.precautionary_backup is PrecautionaryBackup.INSIDE
    before = item.policy
    if estate.service.policy_visible is PolicyVisible.AT_START:
        item.policy = change.target

    def settle(job: Job, _: datetime) -> None:
        item.operation = None
        operation.status = _OPERATION_AFTER[job.status]
        operation.shows_job = True
        operation.error = job.errors[0] if job.errors and job.status not in GOOD else None
        item.policy = change.target if job.status in GOOD else before
        if job.status in GOOD and inside:
            item.last_backup, item.last_backup_status = job.started, JobStatus.COMPLETED
            item.last_recovery_point = job.started + SNAPSHOT_TAKEN_AFTER

    job = Job(
        id=estate.new_id(),
        item=item,
        label=label,
        started=now,
        ending=ending,
        activity_id=estate.new_id(),
        tasks=BACKUP_TASKS if inside else (),
        cancellable=change.migrates and estate.service.migration_cancellable,
        property_bag={"VM Name": item.vm_name, "Policy Name": change.target.name},
        then=settle,
    )
    start_job(estate, change.vault, job)
    operation = start_operation(estate, change.vault, now, job, shows_item=True)
    operation.shows_job = change.migrates and estate.service.early_job_id
    item.operation = operation
    return operation


_OPERATION_AFTER = {
    JobStatus.COMPLETED: OperationStatus.SUCCEEDED,
    JobStatus.WITH_WARNINGS: OperationStatus.SUCCEEDED,
    JobStatus.FAILED: OperationStatus.FAILED,
    JobStatus.CANCELLED: OperationStatus.CANCELED,
}
"""What the operation comes to by what its job came to."""


def _fail_without_job(change: PolicyChange, now: datetime) -> Operation:
    item, (error, *_) = change.item, change.item.ending.errors
    operation = start_operation(change.estate, change.vault, now, None, shows_item=True)
    item.operation = operation

    def fail(_: datetime) -> None:
        item.operation = None
        operation.status = OperationStatus.FAILED
        operation.error = error

    change.estate.agenda.at(now + timedelta(seconds=change.estate.service.policy_change_seconds), fail)
    return operation
