"""Backup jobs over the wire: lists and their filters, tasks, cancelling, on-demand and scheduled backups."""

import re
from datetime import UTC, datetime

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.recoveryservicesbackup.models import AzureIaaSVMJob, OperationStatusJobExtendedInfo

from tests.simulator.estates import (
    FABRIC,
    GROUP,
    VAULT,
    VAULT_PATH,
    Azure,
    StartAzure,
    a_policy,
    a_scenario,
    a_vm,
    error_code,
    item_path,
    names,
    operation_id,
)


async def backup_now(azure: Azure, vm: str = "vm") -> str:
    """An on-demand backup: its job id, which the operation names at once (backup_now_opstatus.json)."""
    body = {"properties": {"objectType": "IaasVMBackupRequest", "recoveryPointExpiryTimeInUTC": "2026-06-04T00:00:00Z"}}
    answer = await azure.request("POST", f"{item_path(vm)}/backup", body)
    assert (answer.status_code, answer.headers["Retry-After"]) == (202, "60"), answer.text()
    done = await azure.operation(operation_id(answer))
    assert done.status == "Succeeded"
    assert isinstance(done.properties, OperationStatusJobExtendedInfo)
    return done.properties.job_id or ""


async def test_an_on_demand_backup_progresses_by_the_clock(start_azure: StartAzure) -> None:
    """Snapshot, then transfer, then Completed; the item shows the backup and its recovery point."""
    azure = await start_azure(a_scenario(a_vm(protection="IRPending")))
    job = f"{VAULT_PATH}/backupJobs/{await backup_now(azure)}"
    seen: list[list[str]] = []
    for minutes in (2, 20, 40):
        azure.advance(minutes=minutes)
        properties = (await azure.get(job))["properties"]
        seen.append([properties["status"], *(task["status"] for task in properties["extendedInfo"]["tasksList"])])

    assert seen == [
        ["InProgress", "InProgress", "NotStarted"],
        ["InProgress", "Completed", "InProgress"],
        ["Completed", "Completed", "Completed"],
    ]
    item = (await azure.item())["properties"]
    assert (item["protectionState"], item["lastBackupStatus"]) == ("Protected", "Completed")
    assert item["lastBackupTime"] == "2026-05-04T12:00:00Z"
    assert item["lastRecoveryPoint"] == "2026-05-04T12:00:03Z"


async def test_times_are_written_as_dotnet_writes_them(start_azure: StartAzure) -> None:
    """A fraction without trailing zeros, a Z, and durations in ISO 8601 (job_get_backup_completed.json)."""
    azure = await start_azure(a_scenario(a_vm("vm-{n}", count=12)))
    for n in range(1, 13):
        await azure.change_policy(f"vm-{n}")
    azure.advance(hours=2)

    for job in await azure.jobs():
        assert re.fullmatch(r"2026-05-04T1[23]:\d\d:\d\d(\.\d*[1-9])?Z", job["endTime"])
        assert re.fullmatch(r"PT(\d+H)?(\d+M)?(\d+(\.\d*[1-9])?S)?", job["duration"])


async def test_the_sdk_reads_a_job_with_its_tasks(start_azure: StartAzure) -> None:
    """job_details.get gives an AzureIaaSVMJob with a tasks list, even an empty one: the Azure CLI insists on it."""
    azure = await start_azure(a_scenario(a_vm()))

    job = await azure.sdk.job_details.get(VAULT, GROUP, await backup_now(azure))

    assert isinstance(job.properties, AzureIaaSVMJob)
    assert job.properties.extended_info is not None and job.properties.extended_info.tasks_list is not None
    assert [task.task_id for task in job.properties.extended_info.tasks_list] == [
        "Take Snapshot",
        "Transfer data to vault",
    ]


async def test_the_result_of_a_triggered_backup_is_204(start_azure: StartAzure) -> None:
    """operationResults of a trigger has nothing to show (net2016_backup_operationresults_204.json), at either level."""
    azure = await start_azure(a_scenario(a_vm()))
    operation = operation_id(await azure.request("POST", f"{item_path()}/backup", {}))

    below_item = await azure.request("GET", f"{item_path()}/operationResults/{operation}")
    below_vault = await azure.request("GET", f"{VAULT_PATH}/backupOperationResults/{operation}")

    assert [(answer.status_code, answer.headers["Retry-After"]) for answer in (below_item, below_vault)] == [
        (204, "60")
    ] * 2


@pytest.mark.parametrize(
    ("vm", "status"),
    [(a_vm(protection="ProtectionStopped"), 400), (a_vm(vm_exists=False), 404), (a_vm(running_backup_minutes=9), 409)],
    ids=["stopped", "deleted vm", "already running"],
)
async def test_a_backup_that_cannot_start_is_refused(start_azure: StartAzure, vm: str, status: int) -> None:
    """No job appears for it."""
    azure = await start_azure(a_scenario(vm))
    before = len(await azure.jobs())

    assert (await azure.request("POST", f"{item_path()}/backup", {})).status_code == status
    assert len(await azure.jobs()) == before


async def test_jobs_are_listed_newest_first_and_filtered(start_azure: StartAzure) -> None:
    """status, operation and backupManagementType, alone and joined by and."""
    azure = await start_azure(a_scenario(a_policy("other"), a_vm("one"), a_vm("two")))
    await backup_now(azure, "one")
    azure.advance(minutes=90)
    await azure.change_policy("two", "other")

    assert [job["operation"] for job in await azure.jobs()] == ["ConfigureBackup", "Backup"]
    for wanted, found in (
        ("status eq 'InProgress'", ["ConfigureBackup"]),
        ("operation eq 'Backup'", ["Backup"]),
        ("operation eq 'Backup' and status eq 'InProgress'", []),
        ("backupManagementType eq 'AzureIaasVM' and status eq 'Completed'", ["Backup"]),
        ("backupManagementType eq 'AzureWorkload'", []),
    ):
        assert [job["operation"] for job in await azure.jobs(wanted)] == found, wanted


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("startTime eq '2026-05-04 12:00:00 PM'", ["two", "one"]),
        ("startTime eq '2026-05-04 12:00:01 PM'", ["two"]),
        ("endTime eq '2026-05-04 12:30:00 PM'", ["one"]),
        ("startTime eq '2026-05-04 12:00:00 AM' and endTime eq '2026-05-04 11:59:59 PM'", ["two", "one"]),
        ("startTime eq '2026-05-04 01:30:00 PM' and status eq 'InProgress'", ["two"]),
        ("endTime eq '2026-05-04 11:00:00 AM'", []),
    ],
)
async def test_times_in_a_job_filter_are_bounds_on_a_twelve_hour_clock(
    start_azure: StartAzure, wanted: str, found: list[str]
) -> None:
    """`eq` means not before and not after; either bound may stand alone (net2016_job_list_time_filter.json)."""
    azure = await start_azure(a_scenario(a_vm("one"), a_vm("two")))
    await backup_now(azure, "one")
    azure.advance(minutes=90)
    await backup_now(azure, "two")

    assert [job["entityFriendlyName"] for job in await azure.jobs(wanted)] == found


@pytest.mark.parametrize(
    "wanted", ["startTime eq '2026-05-04T12:00:00Z'", "status ne 'Failed'", "entityFriendlyName eq 'vm'"]
)
async def test_a_job_filter_in_another_grammar_is_refused(start_azure: StartAzure, wanted: str) -> None:
    """There is no filter by VM, and no time but the twelve-hour one."""
    azure = await start_azure(a_scenario(a_vm()))

    with pytest.raises(HttpResponseError) as refused:
        await azure.jobs(wanted)

    assert refused.value.status_code == 400


async def test_a_running_backup_of_the_scenario_ends_by_itself(start_azure: StartAzure) -> None:
    """running_backup_minutes: in the list from the start, over after that time."""
    azure = await start_azure(a_scenario(a_vm(running_backup_minutes=40)))

    assert [job["status"] for job in await azure.jobs()] == ["InProgress"]
    azure.advance(minutes=41)

    (job,) = await azure.jobs()
    assert (job["status"], job["duration"]) == ("Completed", "PT40M")


async def test_a_cancelled_backup_completes_with_a_warning(start_azure: StartAzure) -> None:
    """202, Cancelling, then CompletedWithWarnings with error 400158 (job_get_backup_completedwithwarnings.json)."""
    azure = await start_azure(a_scenario(a_vm(protection="IRPending")))
    job = await backup_now(azure)

    answer = await azure.request("POST", f"{VAULT_PATH}/backupJobs/{job}/cancel")
    result = await azure.request("GET", f"{VAULT_PATH}/backupJobs/{job}/operationResults/{operation_id(answer)}")
    assert [(each.status_code) for each in (answer, result)] == [202, 204]
    assert [each["status"] for each in await azure.jobs()] == ["Cancelling"]
    azure.advance(minutes=1)

    (cancelled,) = await azure.jobs()
    assert cancelled["status"] == "CompletedWithWarnings"
    assert cancelled["errorDetails"][0]["errorCode"] == 400158
    assert (await azure.item())["properties"]["protectionState"] == "IRPending"


async def test_the_sdk_cancels_a_job(start_azure: StartAzure) -> None:
    """job_cancellations.trigger accepts the 202."""
    azure = await start_azure(a_scenario(a_vm()))

    await azure.sdk.job_cancellations.trigger(VAULT, GROUP, await backup_now(azure))

    assert [job["status"] for job in await azure.jobs()] == ["Cancelling"]


async def test_only_a_running_backup_can_be_cancelled(start_azure: StartAzure) -> None:
    """A change of policy says no actionsInfo and refuses; so does a finished backup, whose actionsInfo stays."""
    azure = await start_azure(a_scenario(a_vm("one"), a_vm("two", running_backup_minutes=5)))
    await azure.change_policy("one")
    azure.advance(minutes=6)
    jobs = {job["entityFriendlyName"]: job async for job in _with_ids(azure)}

    assert jobs["two"]["status"] == "Completed"
    assert (jobs["two"]["actionsInfo"], "actionsInfo" in jobs["one"]) == (["Cancellable"], False)
    for job in jobs.values():
        answer = await azure.request("POST", f"{job['id']}/cancel")
        assert (answer.status_code, error_code(answer)) == (400, "BMSUserErrorJobNotCancellable")


async def _with_ids(azure: Azure):
    async for job in azure.sdk.backup_jobs.list(VAULT, GROUP):
        yield {"id": job.id, **dict(job.properties or {})}


async def test_actions_are_numbers_in_old_api_versions(start_azure: StartAzure) -> None:
    """actionsInfo [1] through 2023-01-01, ["Cancellable"] afterwards (job_get_actionsinfo_int.json)."""
    azure = await start_azure(a_scenario(a_vm(running_backup_minutes=5)))

    for api_version, actions in (("2023-01-01", [1]), ("2023-02-01", ["Cancellable"])):
        (job,) = (await azure.get(f"{VAULT_PATH}/backupJobs", api_version=api_version))["value"]
        assert job["properties"]["actionsInfo"] == actions


async def test_an_unknown_job_and_operation_are_404(start_azure: StartAzure) -> None:
    """For each of the places that name one."""
    azure = await start_azure(a_scenario(a_vm()))
    nothing = "00000000-0000-0000-0000-000000000000"

    for path in (
        f"{VAULT_PATH}/backupJobs/{nothing}",
        f"{VAULT_PATH}/backupOperations/{nothing}",
        f"{VAULT_PATH}/backupOperationResults/{nothing}",
        f"{item_path()}/operationsStatus/{nothing}",
        f"{item_path()}/operationResults/{nothing}",
    ):
        assert (await azure.request("GET", path)).status_code == 404, path


# Scheduled backups


WEEKLY = {"schedule": "Weekly", "days": ["Sunday", "Wednesday"], "retention": {"weekly": 4}, "instant_days": 5}
HOURLY = {"type": "Enhanced", "schedule": "Hourly", "at": "08:00", "interval_hours": 4, "window_hours": 12}


@pytest.mark.parametrize(
    ("policy", "runs"),
    [
        (a_policy("p", at="16:30"), ["05-04T16:30", "05-05T16:30", "05-06T16:30"]),
        (a_policy("p", at="02:00", **WEEKLY), ["05-06T02:00", "05-10T02:00", "05-13T02:00"]),
        (a_policy("p", **HOURLY), ["05-04T16:00", "05-04T20:00", "05-05T08:00"]),
    ],
    ids=["daily", "weekly", "hourly"],
)
async def test_backups_start_by_themselves_on_the_policys_schedule(
    start_azure: StartAzure, policy: str, runs: list[str]
) -> None:
    """From Monday noon: daily at its time, weekly on its days, hourly every interval within the window."""
    azure = await start_azure(a_scenario(policy, a_vm(policy="p"), before="service.scheduled_backups = true"))

    azure.advance(days=10)
    started = [job["startTime"] for job in reversed(await azure.jobs())]

    assert started[:3] == [f"2026-{run}:00Z" for run in runs]


async def test_a_scheduled_backup_makes_way_for_a_job_that_runs(start_azure: StartAzure) -> None:
    """A VM whose migration runs is not backed up at the same time; a stopped or deleted one never."""
    azure = await start_azure(
        a_scenario(
            a_policy("p", at="12:30"),
            a_vm("busy", policy="p"),
            a_vm("free", policy="p"),
            a_vm("gone", policy="p", vm_exists=False),
            a_vm("stopped", policy="p", protection="ProtectionStopped"),
            before="service.scheduled_backups = true",
        )
    )
    await azure.change_policy("busy")

    azure.advance(minutes=31)

    assert [job["entityFriendlyName"] for job in await azure.jobs("operation eq 'Backup'")] == ["free"]


async def test_without_the_setting_nothing_starts_by_itself(start_azure: StartAzure) -> None:
    """scheduled_backups is off unless a scenario asks for it: a migration's outcome must not depend on the hour."""
    azure = await start_azure(a_scenario(a_vm()))

    azure.advance(days=3)

    assert await azure.jobs() == []


async def test_what_was_due_happened_at_its_own_moment(start_azure: StartAzure) -> None:
    """A long step of the clock does not blur the times of what happened within it."""
    azure = await start_azure(a_scenario(a_vm(running_backup_minutes=40)))

    azure.advance(days=30)
    job = await azure.sdk.job_details.get(
        VAULT, GROUP, [job.name or "" async for job in azure.sdk.backup_jobs.list(VAULT, GROUP)][0]
    )

    assert job.properties is not None
    assert job.properties.end_time == datetime(2026, 5, 4, 12, 40, tzinfo=UTC)
    assert (await azure.sdk.protected_items.get(VAULT, GROUP, FABRIC, *names("vm"))).name == names("vm")[1]
