"""Backup jobs: list, get, cancel."""

from simulator import errors, views
from simulator.answers.items import accepted, find_operation
from simulator.calls import Answer, Call, page
from simulator.filters import JobFilter
from simulator.jobs import cancel_job, start_operation
from simulator.resources import Job, JobStatus, OperationStatus, Vault
from simulator.wire import JsonObject


def list_jobs(call: Call) -> Answer:
    """The newest first, without tasks and property bags."""
    vault = call.vault
    wanted = JobFilter.parse(call.query.get("$filter", ""))
    found = filter(wanted, reversed(list(vault.jobs.values())))

    def view(job: Job) -> JsonObject:
        return views.job(job, vault.id, call.api_version, call.now, extended=False)

    return page(call, found, view, path=f"{vault.id}/backupJobs")


def get_job(call: Call) -> Answer:
    vault, job = _job(call)
    return Answer(body=views.job(job, vault.id, call.api_version, call.now, extended=True))


def cancel(call: Call) -> Answer:
    """202 empty, with the two URLs below the job (job_cancel_202.json)."""
    vault, job = _job(call)
    if not job.cancellable or job.status is not JobStatus.IN_PROGRESS:
        raise errors.job_not_cancellable()
    cancel_job(call.estate, job, call.now)
    operation = start_operation(call.estate, vault, call.now, job, shows_item=False)
    operation.status, operation.shows_job = OperationStatus.SUCCEEDED, True
    return accepted(call, f"{vault.id}/backupJobs/{job.id}", operation)


def cancel_result(call: Call) -> Answer:
    """204 (net2016_job_cancel_operationresults_204.json)."""
    find_operation(call)
    return Answer(204)


def _job(call: Call) -> tuple[Vault, Job]:
    """Raises ServiceError 404."""
    vault = call.vault
    job = vault.jobs.get(call.parameters["job"].lower())
    if job is None:
        raise errors.job_not_found()
    return vault, job
