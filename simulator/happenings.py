"""What events (events.py) do to the estate."""

from datetime import datetime, timedelta

from simulator.estate import Estate
from simulator.events import (
    BackupStarted,
    Event,
    JobsEnd,
    MigrationWillEnd,
    PolicyChangedElsewhere,
    ProtectionStopped,
    VmDeleted,
    job_error,
)
from simulator.incidents import VM_NOT_FOUND
from simulator.jobs import end_job, start_backup
from simulator.resources import BackupPolicy, JobEnding, JobError, JobStatus, ProtectedItem, ProtectionState, Vault


def check(estate: Estate, event: Event) -> None:
    """Raises ValueError if there is no such VM, policy or error: what an event says is known before it happens."""
    vault, _ = find_item(estate, event.vm)
    match event:
        case PolicyChangedElsewhere():
            _policy(vault, event.policy)
        case MigrationWillEnd():
            event.migration.ending()
        case JobsEnd():
            _errors(event)
        case _:
            pass


def let_happen(estate: Estate, event: Event, now: datetime) -> None:
    """Raises ValueError as check() does."""
    vault, item = find_item(estate, event.vm)
    match event:
        case VmDeleted():
            estate.delete_vm(item.vm_id)
            item.healthy, item.health = False, (VM_NOT_FOUND,)
            _end_jobs(item, JobStatus.FAILED, now, (job_error(VM_NOT_FOUND.title),))
        case PolicyChangedElsewhere():
            item.policy = _policy(vault, event.policy)
        case ProtectionStopped():
            item.policy, item.state = None, ProtectionState.STOPPED
        case BackupStarted():
            start_backup(estate, vault, item, now, JobEnding(timedelta(minutes=event.minutes)))
        case MigrationWillEnd():
            item.ending = event.migration.ending()
        case JobsEnd():
            _end_jobs(item, JobStatus(event.status), now, _errors(event))


def _end_jobs(item: ProtectedItem, status: JobStatus, now: datetime, errors: tuple[JobError, ...]) -> None:
    for job in item.jobs:
        if job.running:
            end_job(job, status, now, errors=errors)


def _policy(vault: Vault, name: str) -> BackupPolicy:
    policy = vault.policy(name)
    if policy is None:
        raise ValueError(f"vault '{vault.name}' has no policy '{name}'")
    return policy


def _errors(event: JobsEnd) -> tuple[JobError, ...]:
    return (job_error(event.error),) if event.error else ()


def find_item(estate: Estate, wanted: str) -> tuple[Vault, ProtectedItem]:
    """By VM name, VM id or item id. Raises ValueError."""
    key = wanted.lower()
    for vault in estate.vaults():
        for item in vault.items.values():
            if key in (item.vm_name.lower(), item.vm_id.lower(), item.id.lower()):
                return vault, item
    raise ValueError(f"there is no protected item of a VM '{wanted}'")
