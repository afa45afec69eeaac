"""The change of an item's policy: what is accepted, how it progresses, what is refused."""

from datetime import timedelta

import pytest
from azure.core.rest import AsyncHttpResponse
from azure.mgmt.recoveryservicesbackup.models import OperationStatusJobExtendedInfo

from tests.simulator.estates import (
    FABRIC,
    GROUP,
    START,
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

MIGRATION = timedelta(hours=2)  # longer than the job of a 128 GiB VM takes


async def test_a_change_is_accepted_with_two_urls_and_an_integer_retry_after(start_azure: StartAzure) -> None:
    """202, no body, two URLs below the item, Retry-After 60 (net2016_item_put_202_retry_after.json)."""
    azure = await start_azure(a_scenario(a_vm()))

    answer = await azure.put_policy_of()

    assert (answer.status_code, answer.content) == (202, b"")
    assert answer.headers["Retry-After"] == "60"
    for header, resource in (("Azure-AsyncOperation", "operationsStatus"), ("Location", "operationResults")):
        url = answer.headers[header]
        assert url.startswith(f"{azure.simulator.url}/subscriptions/")
        assert f"/protectedItems/VM;iaasvmcontainerv2;rg-vms;vm/{resource}/{operation_id(answer)}?api-version=" in url
        assert len(url) > 2000  # the real ones carry a certificate


async def test_the_operation_is_silent_until_the_job_has_ended(start_azure: StartAzure) -> None:
    """InProgress without properties, its end in year one; then Succeeded with the job id, its end as its start."""
    azure = await start_azure(a_scenario(a_vm()))
    operation = await azure.change_policy()

    for _ in range(2):
        running = await azure.get(f"{VAULT_PATH}/backupOperations/{operation}")
        assert running == {
            "id": operation,
            "name": operation,
            "status": "InProgress",
            "startTime": "2026-05-04T12:00:00Z",
            "endTime": "0001-01-01T00:00:00",
        }
        azure.advance(minutes=20)
    azure.advance(hours=2)
    done = await azure.operation(operation)

    assert done.status == "Succeeded"
    assert done.start_time == done.end_time == START
    assert isinstance(done.properties, OperationStatusJobExtendedInfo)
    job = await azure.sdk.job_details.get(VAULT, GROUP, done.properties.job_id or "")
    assert job.properties is not None
    assert (job.properties.operation, job.properties.status) == ("ConfigureBackup", "Completed")


async def test_the_operation_answers_below_the_item_as_well(start_azure: StartAzure) -> None:
    """The SDK polls operationsStatus below the item, the Azure CLI backupOperations: the same document."""
    azure = await start_azure(a_scenario(a_vm()))
    operation = await azure.change_policy()

    below_item = await azure.sdk.protected_item_operation_statuses.get(VAULT, GROUP, FABRIC, *names("vm"), operation)

    assert below_item == await azure.operation(operation)


async def test_the_result_is_the_item_once_the_job_has_ended(start_azure: StartAzure) -> None:
    """operationResults: 202 with {} and fresh URLs, then 200 with the item (net2016_operationresults_*.json)."""
    azure = await start_azure(a_scenario(a_vm()))
    operation = await azure.change_policy()
    path = f"{item_path()}/operationResults/{operation}"

    running = await azure.request("GET", path)
    azure.clock.advance(MIGRATION)
    done = await azure.request("GET", path)

    assert (running.status_code, running.json(), running.headers["Retry-After"]) == (202, {}, "60")
    assert operation_id(running) == operation
    assert done.status_code == 200
    assert done.json() == await azure.item()


async def test_the_sdk_poller_follows_a_change_to_its_end(start_azure: StartAzure) -> None:
    """begin_create_or_update polls the URL it was given and returns the item with the new policy."""
    azure = await start_azure(a_scenario(a_vm()))
    item = await azure.sdk.protected_items.get(VAULT, GROUP, FABRIC, *names("vm"))
    assert item.properties is not None
    item.properties.policy_id = f"{VAULT_PATH}/backupPolicies/EnhancedPolicy"

    poller = await azure.sdk.protected_items.begin_create_or_update(
        VAULT, GROUP, FABRIC, *names("vm"), item, polling_interval=0
    )
    azure.clock.advance(MIGRATION)
    changed = await poller.result()

    assert changed.properties is not None
    assert changed.properties.policy_name == "EnhancedPolicy"


async def test_the_job_of_a_migration_is_listed_at_once(start_azure: StartAzure) -> None:
    """While the operation is silent the list has the job: InProgress, named after the VM, without end and tasks."""
    azure = await start_azure(a_scenario(a_vm()))
    await azure.change_policy()

    (job,) = await azure.jobs("backupManagementType eq 'AzureIaasVM' and status eq 'InProgress'")

    assert (job["operation"], job["entityFriendlyName"]) == ("ConfigureBackup", "vm")
    assert job["containerName"] == "iaasvmcontainerv2;rg-vms;vm"
    assert job["startTime"] == "2026-05-04T12:00:00Z"
    assert not {"endTime", "extendedInfo", "errorDetails"} & job.keys()


async def test_the_item_shows_the_new_policy_only_when_the_job_ended_well(start_azure: StartAzure) -> None:
    """Until then it shows the old one; afterwards policyId, policyName and policyType say Enhanced."""
    azure = await start_azure(a_scenario(a_vm()))
    await azure.change_policy()

    assert await azure.policy_of() == "DefaultPolicy"
    azure.clock.advance(MIGRATION)
    properties = (await azure.item())["properties"]

    assert (properties["policyName"], properties["policyType"]) == ("EnhancedPolicy", "V2")
    assert properties["policyId"] == f"{VAULT_PATH}/backupPolicies/EnhancedPolicy"


async def test_a_scenario_can_show_the_new_policy_from_the_start(start_azure: StartAzure) -> None:
    """policy_visible = "at-start": which of the two the real service does is not recorded."""
    azure = await start_azure(a_scenario(a_vm(), before='service.policy_visible = "at-start"'))

    await azure.change_policy()

    assert await azure.policy_of() == "EnhancedPolicy"


async def test_a_policy_shown_from_the_start_is_taken_back_if_the_job_fails(start_azure: StartAzure) -> None:
    """What the item shows at the end is the truth in either case."""
    azure = await start_azure(
        a_scenario(a_vm(migration={"ends": "Failed", "minutes": 5}), before='service.policy_visible = "at-start"')
    )

    await azure.change_policy()
    azure.advance(minutes=6)

    assert await azure.policy_of() == "DefaultPolicy"


async def test_a_scenario_can_name_the_job_early(start_azure: StartAzure) -> None:
    """early_job_id: the running operation already carries the job id."""
    azure = await start_azure(a_scenario(a_vm(), before="service.early_job_id = true"))

    running = await azure.operation(await azure.change_policy())

    assert running.status == "InProgress"
    assert isinstance(running.properties, OperationStatusJobExtendedInfo)


async def test_a_larger_vm_takes_longer(start_azure: StartAzure) -> None:
    """Half an hour and an hour more per 300 GiB, give or take a tenth: 128 GiB about 56 minutes, 600 GiB about 150."""
    azure = await start_azure(a_scenario(a_vm("small"), a_vm("large", disk_gib=[128, 472])))
    await azure.change_policy("small")
    await azure.change_policy("large")

    azure.advance(minutes=62)
    assert [await azure.policy_of("small"), await azure.policy_of("large")] == ["EnhancedPolicy", "DefaultPolicy"]
    azure.advance(minutes=103)
    assert await azure.policy_of("large") == "EnhancedPolicy"


async def test_an_ordinary_change_takes_seconds_and_no_backup(start_azure: StartAzure) -> None:
    """Standard to Standard, and to the policy the item has already: a job of half a minute without tasks."""
    azure = await start_azure(a_scenario(a_policy("other"), a_vm()))

    for policy in ("other", "other"):
        operation = await azure.change_policy(policy=policy)
        azure.advance(seconds=40)
        done = await azure.operation(operation)
        assert isinstance(done.properties, OperationStatusJobExtendedInfo)
        job = await azure.get(f"{VAULT_PATH}/backupJobs/{done.properties.job_id}")
        assert job["properties"]["extendedInfo"] == {
            "tasksList": [],
            "propertyBag": {"VM Name": "vm", "Policy Name": "other"},
        }
    assert await azure.policy_of() == "other"


async def test_the_precautionary_backup_is_part_of_the_job(start_azure: StartAzure) -> None:
    """By default the migration's job has the two tasks of a backup, and the item shows the backup when it ended."""
    azure = await start_azure(a_scenario(a_vm()))
    operation = await azure.change_policy()
    azure.clock.advance(MIGRATION)
    done = await azure.operation(operation)
    assert isinstance(done.properties, OperationStatusJobExtendedInfo)

    job = await azure.get(f"{VAULT_PATH}/backupJobs/{done.properties.job_id}")

    tasks = job["properties"]["extendedInfo"]["tasksList"]
    assert [(task["taskId"], task["status"]) for task in tasks] == [
        ("Take Snapshot", "Completed"),
        ("Transfer data to vault", "Completed"),
    ]
    assert (await azure.item())["properties"]["lastBackupTime"] == "2026-05-04T12:00:00Z"


async def test_the_precautionary_backup_can_be_a_job_of_its_own(start_azure: StartAzure) -> None:
    """precautionary_backup = "separate": two jobs run, one of them a Backup that ends before the migration does."""
    azure = await start_azure(a_scenario(a_vm(), before='service.precautionary_backup = "separate"'))
    await azure.change_policy()

    assert {job["operation"] for job in await azure.jobs("status eq 'InProgress'")} == {"Backup", "ConfigureBackup"}
    azure.clock.advance(MIGRATION)
    assert [job["status"] for job in await azure.jobs()] == ["Completed", "Completed"]


async def test_the_operation_label_can_be_changed(start_azure: StartAzure) -> None:
    """operation_label: what a migration's job calls itself is not recorded, so monitors must not insist."""
    azure = await start_azure(a_scenario(a_vm(), before='service.operation_label = "ConfigureBackup (Migrate policy)"'))

    await azure.change_policy()

    assert (await azure.jobs())[0]["operation"] == "ConfigureBackup (Migrate policy)"


# How migrations end


async def test_a_failed_migration_leaves_the_policy_and_says_why(start_azure: StartAzure) -> None:
    """Job Failed, the error's name in errorTitle; operation Failed with the same name; the old policy stays."""
    azure = await start_azure(
        a_scenario(a_vm(migration={"ends": "Failed", "error": "UserErrorVmNotInDesirableState", "minutes": 9}))
    )
    operation = await azure.change_policy()

    azure.advance(minutes=10)
    done = await azure.operation(operation)
    (job,) = await azure.jobs()

    assert done.status == "Failed"
    assert done.error is not None and done.error.code == "UserErrorVmNotInDesirableState"
    assert job["status"] == "Failed"
    assert job["errorDetails"][0]["errorTitle"] == "UserErrorVmNotInDesirableState"
    assert isinstance(job["errorDetails"][0]["errorCode"], int)
    assert await azure.policy_of() == "DefaultPolicy"


async def test_a_migration_with_warnings_is_a_migration(start_azure: StartAzure) -> None:
    """CompletedWithWarnings: errorDetails are there, the operation succeeded, the item has the new policy."""
    azure = await start_azure(
        a_scenario(a_vm(migration={"ends": "CompletedWithWarnings", "error": "UserErrorFsFreezeFailed"}))
    )
    operation = await azure.change_policy()

    azure.clock.advance(MIGRATION)

    assert (await azure.operation(operation)).status == "Succeeded"
    assert (await azure.jobs())[0]["errorDetails"][0]["errorTitle"] == "UserErrorFsFreezeFailed"
    assert await azure.policy_of() == "EnhancedPolicy"


async def test_a_cancelled_migration_is_a_cancelled_operation(start_azure: StartAzure) -> None:
    """Cancelled for the job, Canceled for the operation; the old policy stays and the result is no item."""
    azure = await start_azure(
        a_scenario(a_vm(migration={"ends": "Cancelled", "error": "UserErrorJobSuccessfullyCancelled"}))
    )
    operation = await azure.change_policy()

    azure.clock.advance(MIGRATION)
    result = await azure.request("GET", f"{item_path()}/operationResults/{operation}")

    assert (await azure.operation(operation)).status == "Canceled"
    assert [job["status"] for job in await azure.jobs()] == ["Cancelled"]
    assert (result.status_code, error_code(result)) == (400, "UserErrorJobSuccessfullyCancelled")
    assert await azure.policy_of() == "DefaultPolicy"


async def test_a_job_can_run_for_ever(start_azure: StartAzure) -> None:
    """ends = "Never": a week later it is still InProgress and its duration has grown."""
    azure = await start_azure(a_scenario(a_vm(migration={"ends": "Never"})))
    operation = await azure.change_policy()

    azure.advance(days=7)

    assert (await azure.operation(operation)).status == "InProgress"
    assert [(job["status"], job["duration"]) for job in await azure.jobs()] == [("InProgress", "P7D")]


async def test_an_operation_can_fail_without_a_job(start_azure: StartAzure) -> None:
    """ends = "OperationFailed": the operation fails after a while, names no job, and the list stays empty."""
    azure = await start_azure(
        a_scenario(a_vm(migration={"ends": "OperationFailed", "error": "UserErrorRequestDisallowedByPolicy"}))
    )
    operation = await azure.change_policy()

    azure.advance(minutes=1)
    done = await azure.operation(operation)

    assert (done.status, done.properties) == ("Failed", None)
    assert done.error is not None and done.error.code == "UserErrorRequestDisallowedByPolicy"
    assert await azure.jobs() == []
    assert (await azure.put_policy_of()).status_code == 202  # another try is allowed


async def test_a_failure_may_carry_any_error_details(start_azure: StartAzure) -> None:
    """A scenario can spell an error out instead of naming one."""
    error = {"code": 400009, "title": "UserErrorX", "text": "It broke.", "recommendations": ["Mend it."]}
    azure = await start_azure(a_scenario(a_vm(migration={"ends": "Failed", "minutes": 5, "error": error})))
    await azure.change_policy()

    azure.advance(minutes=6)

    assert (await azure.jobs())[0]["errorDetails"] == [
        {"errorCode": 400009, "errorTitle": "UserErrorX", "errorString": "It broke.", "recommendations": ["Mend it."]}
    ]


@pytest.mark.parametrize("ends", ["Failed", "OperationFailed"])
async def test_a_failure_without_a_reason_has_one_all_the_same(start_azure: StartAzure, ends: str) -> None:
    """Nothing fails silently: BackUpOperationFailedV2 where the scenario names no error."""
    azure = await start_azure(a_scenario(a_vm(migration={"ends": ends, "minutes": 1})))
    operation = await azure.change_policy()

    azure.advance(minutes=2)
    done = await azure.operation(operation)

    assert done.error is not None and done.error.code == "BackUpOperationFailedV2"


# Refusals


INVALID = "BMSUserErrorInvalidConfigureProtectionRequest"
REFUSALS = {
    "enhanced to standard": (a_vm(policy="EnhancedPolicy"), "DefaultPolicy", 400, INVALID, "Enhanced policy"),
    "stopped": (a_vm(protection="ProtectionStopped"), "EnhancedPolicy", 400, INVALID, "is stopped"),
    "soft-deleted": (a_vm(protection="SoftDeleted"), "EnhancedPolicy", 400, INVALID, "soft deleted"),
    "unmanaged disks": (a_vm(disks="unmanaged"), "EnhancedPolicy", 400, INVALID, "unmanaged disks"),
    "deleted vm": (a_vm(vm_exists=False), "EnhancedPolicy", 404, "ResourceNotFound", "no longer exists"),
    "unknown policy": (a_vm(), "NoSuchPolicy", 400, INVALID, "no policy for virtual machines"),
    "workload policy": (a_vm(), "HourlyLogBackup", 400, INVALID, "no policy for virtual machines"),
    "running backup": (
        a_vm(running_backup_minutes=30),
        "EnhancedPolicy",
        409,
        "BMSUserErrorObjectLocked",
        "in progress",
    ),
}


@pytest.mark.parametrize("reason", REFUSALS)
async def test_a_change_is_refused(start_azure: StartAzure, reason: str) -> None:
    """Nothing starts and the item stays as it was."""
    vm, policy, status, code, message = REFUSALS[reason]
    azure = await start_azure(a_scenario(vm))
    before = await azure.item()

    answer = await azure.put_policy_of(policy=policy)

    assert (answer.status_code, error_code(answer)) == (status, code)
    assert message in answer.json()["error"]["message"]
    assert await azure.item() == before
    assert not [job for job in await azure.jobs() if job["operation"] == "ConfigureBackup"]


async def test_a_classic_vm_cannot_become_enhanced(start_azure: StartAzure) -> None:
    """The same refusal, at the classic item's own path."""
    azure = await start_azure(a_scenario(a_vm(classic=True)))
    body = {
        "properties": {
            "protectedItemType": "Microsoft.ClassicCompute/virtualMachines",
            "policyId": f"{VAULT_PATH}/backupPolicies/EnhancedPolicy",
        }
    }

    answer = await azure.request("PUT", item_path(kind="iaasvmcontainer"), body)

    assert (answer.status_code, error_code(answer)) == (400, "BMSUserErrorInvalidConfigureProtectionRequest")


async def test_a_second_change_meets_a_conflict_until_the_first_is_over(start_azure: StartAzure) -> None:
    """BMSUserErrorConflictingProtectionOperation while one runs, however both were written; accepted afterwards."""
    azure = await start_azure(a_scenario(a_vm()))
    await azure.change_policy()

    second = await azure.put_policy_of()
    azure.clock.advance(MIGRATION)
    third = await azure.put_policy_of()

    assert (second.status_code, error_code(second)) == (409, "BMSUserErrorConflictingProtectionOperation")
    assert third.status_code == 202
    state = await azure.control("GET", "state")
    (item,) = state["items"].values()
    assert (item["putsReceived"], item["putsAccepted"]) == (3, 2)


async def test_powershells_item_type_is_accepted(start_azure: StartAzure) -> None:
    """protectedItemType "AzureIaaSVMProtectedItem" is an alias (ps2025_item_suspend_put_mua_202_retry_after.json)."""
    azure = await start_azure(a_scenario(a_vm()))

    answer = await azure.put_policy_of(protectedItemType="AzureIaaSVMProtectedItem")

    assert answer.status_code == 202


@pytest.mark.parametrize("body", [{}, {"properties": "x"}, {"properties": {"protectedItemType": "VM"}}])
async def test_a_body_that_is_no_change_is_refused(start_azure: StartAzure, body: object) -> None:
    """400 and not a stack trace."""
    azure = await start_azure(a_scenario(a_vm()))

    assert (await azure.request("PUT", item_path(), body)).status_code == 400


# What a vault's owner forbids


async def weaken(azure: Azure, **properties: list[str | None]) -> AsyncHttpResponse:
    """To a policy that keeps less."""
    return await azure.put_policy_of("vm", "short", **properties)


async def test_a_resource_guard_protects_against_weakening_only(start_azure: StartAzure) -> None:
    """Less retention needs the guard's request; the same or more does not (item_set_policy_put_mua_*.json)."""
    azure = await start_azure(
        a_scenario(a_policy("short", retention={"daily": 7}), a_vm(), a_vm("other"), vault="resource_guard = true")
    )
    (proxy,) = [proxy async for proxy in azure.sdk.resource_guard_proxies.get(VAULT, GROUP)]
    assert proxy.properties is not None
    requests = {
        detail.vault_critical_operation: detail.default_resource_request
        for detail in proxy.properties.resource_guard_operation_details or []
    }
    action = "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/write"

    refused = await weaken(azure)
    approved = await weaken(azure, resourceGuardOperationRequests=[requests[action]])

    assert (refused.status_code, refused.json()["error"]["message"]) == (
        403,
        "ResourceGuard Operation requestid is either null or empty",
    )
    assert approved.status_code == 202
    assert (await azure.put_policy_of("other")).status_code == 202
    assert (await azure.get(VAULT_PATH))["properties"]["securitySettings"]["multiUserAuthorization"] == "Enabled"


async def test_an_immutable_vault_refuses_less_retention(start_azure: StartAzure) -> None:
    """UserErrorOperationDeniedOnImmutableItem; a change that keeps as much is accepted."""
    azure = await start_azure(a_scenario(a_policy("short", retention={"daily": 7}), a_vm(), vault="immutable = true"))

    refused = await weaken(azure)

    assert (refused.status_code, error_code(refused)) == (400, "UserErrorOperationDeniedOnImmutableItem")
    assert (await azure.put_policy_of()).status_code == 202


async def test_a_vault_without_a_guard_has_an_empty_list(start_azure: StartAzure) -> None:
    """200 with no values, because the Azure CLI breaks on a 404 (cli2026_resource_guard_proxies_empty.json)."""
    azure = await start_azure(a_scenario(a_vm()))

    assert await azure.get(f"{VAULT_PATH}/backupResourceGuardProxies") == {"value": []}
