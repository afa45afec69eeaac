"""Jobs, their tasks and errors, and long-running operations."""

from datetime import datetime, timedelta

from simulator.jobs import was_cancelled
from simulator.resources import (
    Job,
    JobError,
    JobStatus,
    Operation,
    OperationStatus,
)
from simulator.wire import NEVER_ENDED, JsonObject, duration_text, time_text

_NUMERIC_ACTIONS_UNTIL = "2023-01-31"


def job(of: Job, vault_id: str, api_version: str, now: datetime, *, extended: bool) -> JsonObject:
    """job_get_*.json; a list leaves extendedInfo out (job_list_all.json)."""
    properties: JsonObject = {"jobType": "AzureIaaSVMJob"}
    if of.cancellable:
        properties["actionsInfo"] = [1 if api_version <= _NUMERIC_ACTIONS_UNTIL else "Cancellable"]
    properties["containerName"] = of.item.container_name
    properties["duration"] = duration_text((of.ended or now) - of.started)
    if of.errors:
        properties["errorDetails"] = [_job_error(error) for error in of.errors]
    properties["virtualMachineVersion"] = "ClassicCompute" if of.item.classic else "Compute"
    if extended:
        information: JsonObject = {"tasksList": _tasks(of, now), "propertyBag": of.property_bag}
        if of.internal_property_bag:
            information["internalPropertyBag"] = of.internal_property_bag
        properties["extendedInfo"] = information
    properties |= {
        "entityFriendlyName": of.item.friendly_name,
        "backupManagementType": "AzureIaasVM",
        "operation": of.label,
        "status": of.status,
        "startTime": time_text(of.started),
    }
    if of.ended:
        properties["endTime"] = time_text(of.ended)
    properties["activityId"] = of.activity_id
    return {
        "id": f"{vault_id}/backupJobs/{of.id}",
        "name": of.id,
        "type": "Microsoft.RecoveryServices/vaults/backupJobs",
        "properties": properties,
    }


def _job_error(of: JobError) -> JsonObject:
    return {
        "errorCode": of.code,
        "errorTitle": of.title,
        "errorString": of.text,
        "recommendations": list(of.recommendations),
    }


def _tasks(of: Job, now: datetime) -> list[JsonObject]:
    """Each task takes its share of the planned duration; the one that runs when a job ends badly fails with it."""
    whole = of.ending.after or timedelta(days=1)
    until = of.ended or now
    tasks: list[JsonObject] = []
    starts = of.started
    for number, task in enumerate(of.tasks):
        last = number == len(of.tasks) - 1
        ends = starts + whole * task.share
        if until < starts:
            tasks.append(_task(task.name, None, None, timedelta(), "NotStarted"))
        elif of.ended is not None and (last or until < ends):
            tasks.append(_task(task.name, starts, of.ended, of.ended - starts, _last_task_status(of)))
        elif until < ends or last:
            tasks.append(_task(task.name, starts, None, until - starts, "InProgress"))
        else:
            tasks.append(_task(task.name, starts, ends, ends - starts, "Completed"))
        starts = ends
    return tasks


def _last_task_status(of: Job) -> str:
    if of.status is JobStatus.FAILED:
        return "Failed"
    return "Cancelled" if was_cancelled(of) else "Completed"


def _task(name: str, starts: datetime | None, ends: datetime | None, duration: timedelta, status: str) -> JsonObject:
    return {
        "taskId": name,
        "startTime": time_text(starts) if starts else NEVER_ENDED,
        "endTime": time_text(ends) if ends else NEVER_ENDED,
        "duration": duration_text(duration),
        "status": status,
        "taskType": "Normal",
    }


def operation(of: Operation) -> JsonObject:
    """item_set_policy_opstatus_inprogress.json, item_set_policy_opstatus_succeeded.json; Failed is the swagger's."""
    done = of.status is not OperationStatus.IN_PROGRESS
    status: JsonObject = {
        "id": of.id,
        "name": of.id,
        "status": of.status,
        "startTime": time_text(of.started),
        # Recorded: the end of a finished operation equals its start.
        "endTime": time_text(of.started) if done else NEVER_ENDED,
    }
    if of.error is not None:
        status["error"] = {"code": of.error.title, "message": of.error.text}
    if of.shows_job and of.job is not None:
        status["properties"] = {"objectType": "OperationStatusJobExtendedInfo", "jobId": of.job.id}
    return status
