"""Recorded answers of Azure Backup, sent again through the real SDK: what the app reads in them.

The recordings lie beside the project and need not be there; a few answers written down here always are.
"""

from typing import Any

import pytest

from migration.model import ItemId, PolicyType, Retention
from tests.builders import VAULT, item_id, vm_id
from tests.clients.canned import Canned, CannedAzure, recorded
from tests.clients.simulated import VAULT_1
from tests.conftest import START

STANDARD, ENHANCED = PolicyType.STANDARD, PolicyType.ENHANCED


def cases(inline: dict[str, Any], expected: dict[str, Any]) -> Any:
    """Parametrize a test with bodies and what they must read as: the inline ones, and recordings by file name."""
    bodies = {name: exchange["response_body"] for name, exchange in recorded().items()}
    found = inline | {name: (bodies[name], value) for name, value in expected.items() if name in bodies}
    return pytest.mark.parametrize(("body", "expected"), list(found.values()), ids=list(found))


A_STOPPED_ITEM = {
    "id": item_id(),
    "name": "VM;iaasvmcontainerv2;rg-web;web-01",
    "properties": {
        "friendlyName": "web-01",
        "virtualMachineId": vm_id(),
        "protectionState": "ProtectionStopped",
        "lastBackupTime": "2001-01-01T00:00:00Z",
        "protectedItemType": "Microsoft.Compute/virtualMachines",
        "backupManagementType": "AzureIaasVM",
        "workloadType": "VM",
        "sourceResourceId": vm_id(),
        "policyId": "",
        "policyName": "",
    },
}


@cases(
    {"inline": ({"value": [A_STOPPED_ITEM]}, [("ProtectionStopped", "", STANDARD, False, False)])},
    {
        "cli2026_item_list_policyType_v2": [("IRPending", "clitest-csb-pol1000003", ENHANCED, False, False)],
        "cli2026_item_list_after_set_policy": [("IRPending", "clitest-csb-pol2000004", ENHANCED, False, False)],
        "item_list_ConfiguredRPGenerationFrequency": [("ProtectionStopped", "", STANDARD, False, False)],
        "item_list_action_required": [
            ("Protected", "dailypol567", STANDARD, False, False),
            ("Protected", "DefaultPolicy", STANDARD, False, False),
            ("ProtectionStopped", "", STANDARD, False, False),
            ("ProtectionStopped", "", STANDARD, False, False),
        ],
        "item_list_disk_exclusion": [("IRPending", "DefaultPolicy", STANDARD, False, False)],
        "item_list_protected_completed": [("Protected", "DefaultPolicy", STANDARD, False, False)],
        "item_list_protection_error_and_classic": [("ProtectionError", "Policy02", STANDARD, True, False)],
        "item_list_protection_stopped": [("ProtectionStopped", "", STANDARD, False, False)],
        "item_list_soft_deleted": [("ProtectionStopped", "", STANDARD, False, True)],
        "item_list_after_undelete": [("ProtectionStopped", "", STANDARD, False, False)],
        "ps2025_item_list_v1_policyType_empty_and_softdeleted": [
            ("Protected", "DefaultPolicy", STANDARD, False, False),
            ("ProtectionStopped", "", STANDARD, False, True),
        ],
    },
)
async def test_items_are_read_as_they_were_recorded(body: Any, expected: list[tuple[Any, ...]]) -> None:
    """State, policy, type, classic and soft-deleted, whichever api-version wrote them; the ids stay the service's."""
    async with CannedAzure(Canned(body=body)) as azure:
        items = await azure.backup.list_items(VAULT_1)
    assert [
        (
            item.protection_state,
            item.policy_id.rpartition("/")[2],
            item.policy_type,
            item.classic,
            item.soft_deleted,
        )
        for item in items
    ] == expected
    assert [item.id for item in items] == [wire["id"] for wire in body["value"]]
    assert all(ItemId.parse(item.id).job_container in item.id.lower() for item in items)
    assert all(item.vm_id.lower().startswith("/subscriptions/") and item.vm_name for item in items)


A_POLICY = {
    "id": f"{VAULT}/backupPolicies/weekly",
    "name": "weekly",
    "properties": {
        "backupManagementType": "AzureIaasVM",
        "policyType": "V2",
        "schedulePolicy": {
            "schedulePolicyType": "SimpleSchedulePolicyV2",
            "scheduleRunFrequency": "Weekly",
            "weeklySchedule": {"scheduleRunDays": ["Sunday"], "scheduleRunTimes": ["2025-10-27T13:00:00Z"]},
        },
        "retentionPolicy": {
            "retentionPolicyType": "LongTermRetentionPolicy",
            "weeklySchedule": {"retentionDuration": {"count": 104, "durationType": "Weeks"}},
        },
    },
}


@cases(
    {"inline": (A_POLICY, ("weekly", ENHANCED, Retention(weekly=728), 2))},
    {
        "policy_get_v1_daily_default": ("DefaultPolicy", STANDARD, Retention(daily=30), 2),
        "policy_get_v1_daily_count2": ("clitest-item000003", STANDARD, Retention(daily=30), 2),
        "policy_get_v2_hourly_default_EnhancedPolicy": ("EnhancedPolicy", ENHANCED, Retention(daily=30), 2),
        "cli2026_policy_get_v2_hourly_target": ("clitest-csb-pol2000004", ENHANCED, Retention(daily=30), 2),
        "ps2025_policy_get_v1_count2": ("DefaultPolicy", STANDARD, Retention(daily=30), 2),
        "ps2025_policy_get_v2_daily": (
            "newPolicy",
            ENHANCED,
            Retention(daily=180, weekly=728, monthly=1800, yearly=3650),
            7,
        ),
        "ps2025_policy_get_v2_weekly": (
            "psTestEnhancedPolicy",
            ENHANCED,
            Retention(weekly=728, monthly=1800, yearly=3650),
            7,
        ),
    },
)
async def test_policies_are_read_as_they_were_recorded(body: Any, expected: tuple[Any, ...]) -> None:
    """Name, type, retention in days a tier and instant restore; the same from a list."""
    async with CannedAzure(Canned(body=body), Canned(body={"value": [body]})) as azure:
        found = await azure.backup.get_policy(VAULT_1, expected[0])
        listed = await azure.backup.list_policies(VAULT_1)
    assert found
    policy = found[0]
    assert (policy.name, policy.policy_type, policy.retention, policy.content.instant_restore_days) == expected
    assert listed == [policy]


@cases(
    {
        "inline": (
            {"value": [{"id": "x", "name": "x", "properties": {"backupManagementType": "AzureWorkload"}}, A_POLICY]},
            {"weekly": ENHANCED},
        )
    },
    {
        "policy_list_mixed": {
            "clitest-item000003": STANDARD,
            "DefaultPolicy": STANDARD,
            "clitest-item000004": STANDARD,
            "EnhancedPolicy": ENHANCED,
        }
    },
)
async def test_a_mixed_list_of_policies_is_sifted(body: Any, expected: dict[str, PolicyType]) -> None:
    """A SQL policy in the list is left out, however the service took the filter."""
    async with CannedAzure(Canned(body=body)) as azure:
        policies = await azure.backup.list_policies(VAULT_1)
    assert {policy.name: policy.policy_type for policy in policies} == expected


A_JOB = {
    "id": f"{VAULT}/backupJobs/job-1",
    "name": "job-1",
    "properties": {
        "jobType": "AzureIaaSVMJob",
        "containerName": "iaasvmcontainerv2;rg-web;web-01",
        "duration": "-PT5.8S",
        "entityFriendlyName": "web-01",
        "backupManagementType": "AzureIaasVM",
        "operation": "Backup",
        "status": "Failed",
        "startTime": "2026-11-02T07:00:00.1234567Z",
        "endTime": "2026-11-02T07:30:00Z",
        "errorDetails": [{"errorCode": 1, "errorTitle": "UserErrorX", "errorString": "No.", "recommendations": []}],
    },
}


@cases(
    {"inline": (A_JOB, ("Backup", "Failed", ["UserErrorX"]))},
    {
        "item_set_policy_job": ("ConfigureBackup", "Completed", []),
        "cli2026_item_set_policy_job": ("ConfigureBackup", "Completed", []),
        "item_stop_protection_job": ("DisableBackup", "Completed", []),
        "job_get_actionsinfo_int": ("Restore", "Completed", []),
        "job_get_backup_completedwithwarnings": (
            "Backup",
            "CompletedWithWarnings",
            ["UserErrorJobSuccessfullyCancelled"],
        ),
        "job_get_backup_inprogress_snapshot": ("Backup", "InProgress", []),
        "job_get_backup_inprogress_transfer": ("Backup", "InProgress", []),
        "job_get_negative_duration": ("Restore", "InProgress", []),
        "job_get_restore_failed": ("Restore", "Failed", ["RestoreOperationFailed"]),
        "net2016_job_get": ("ConfigureBackup", "Completed", []),
    },
)
async def test_jobs_are_read_as_they_were_recorded(body: Any, expected: tuple[Any, ...]) -> None:
    """Operation, status and errors by name; a job that runs has no end, one that ended has one after its start."""
    async with CannedAzure(Canned(body=body), Canned(body={"value": [body]})) as azure:
        job = await azure.backup.get_job(VAULT_1, body["name"])
        listed = await azure.backup.running_jobs(VAULT_1)
    assert (job.operation, job.status, [error.title for error in job.errors]) == expected
    assert job.running is (job.ended_at is None)
    assert job.ended_at is None or job.ended_at > job.started_at
    assert (listed.now, listed.jobs) == (START, (job,))


@cases(
    {"inline": ({"id": "o", "name": "o", "status": "Canceled"}, (False, ""))},
    {
        "item_set_policy_opstatus_inprogress": (None, ""),
        "item_set_policy_opstatus_succeeded": (True, "9e0920a4-4494-4fdc-9ab1-a90e212e9e18"),
        "cli2026_item_set_policy_opstatus_inprogress": (None, ""),
        "cli2026_item_set_policy_opstatus_succeeded": (True, "8c526034-6105-4560-a085-80cb9e9f9d7e"),
        "backup_now_opstatus": (True, "10f819e4-ba6e-478d-8d21-48595abc467c"),
    },
)
async def test_operations_are_read_as_they_were_recorded(body: Any, expected: tuple[bool | None, str]) -> None:
    """InProgress says nothing; Succeeded names the job."""
    async with CannedAzure(Canned(body=body)) as azure:
        outcome = await azure.backup.get_operation(VAULT_1, body["name"])
    assert (outcome.succeeded, outcome.job_id) == expected
