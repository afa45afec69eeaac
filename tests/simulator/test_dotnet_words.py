"""What the .NET SDK sends that other clients do not: its casing, its extra members, its way of finding a job.

The bodies are as Azure.ResourceManager.RecoveryServicesBackup sent them from Microsoft's Azure MCP Server 3.0.0, at the
api-versions it uses; tests/third_party runs that program itself.
"""

import pytest

from tests.simulator.estates import (
    SUBSCRIPTION,
    VAULT_PATH,
    Azure,
    StartAzure,
    a_scenario,
    a_vm,
    item_path,
    operation_id,
    vm_path,
)

BACKUP_VERSION, VAULTS_VERSION = "2025-02-01", "2026-05-01"
CAPITAL = ("/subscriptions/", "/Subscriptions/")


async def change_policy(azure: Azure, *, policy_id: str) -> str:
    """A change of policy in .NET's words: a capital in the path, the vault's location beside the properties."""
    body = {
        "location": "westeurope",
        "properties": {
            "protectedItemType": "Microsoft.Compute/virtualMachines",
            "sourceResourceId": vm_path("vm"),
            "policyId": policy_id,
        },
    }
    answer = await azure.request("PUT", item_path().replace(*CAPITAL), body, api_version=BACKUP_VERSION)
    assert answer.status_code == 202, answer.text()
    return operation_id(answer)


@pytest.mark.parametrize(
    ("path", "api_version"),
    [
        (VAULT_PATH, VAULTS_VERSION),
        (f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.RecoveryServices/vaults", VAULTS_VERSION),
        (f"{VAULT_PATH}/backupProtectedItems", BACKUP_VERSION),
        (f"{VAULT_PATH}/backupPolicies", BACKUP_VERSION),
        (item_path(), BACKUP_VERSION),
    ],
)
async def test_subscriptions_with_a_capital_are_the_same(start_azure: StartAzure, path: str, api_version: str) -> None:
    """Paths compare without case, and the answer is the same to the letter: its ids are Azure's, not the caller's."""
    azure = await start_azure(a_scenario(a_vm()))

    plain = await azure.get(path, api_version=api_version)
    capital = await azure.get(path.replace(*CAPITAL), api_version=api_version)

    assert capital == plain
    assert "/Subscriptions/" not in str(capital)


async def test_a_change_with_a_location_and_a_policy_id_in_another_case_is_accepted(start_azure: StartAzure) -> None:
    """The location says nothing about an item and is ignored; the policy is found whatever the case of its id."""
    azure = await start_azure(a_scenario(a_vm()))

    await change_policy(azure, policy_id=f"{VAULT_PATH}/backupPolicies/enhancedpolicy".replace(*CAPITAL))
    azure.advance(hours=2)
    item = await azure.item()

    assert "location" not in item
    assert item["properties"]["policyId"] == f"{VAULT_PATH}/backupPolicies/EnhancedPolicy"
    assert item["properties"]["policyType"] == "V2"


async def test_the_job_of_a_change_is_found_by_listing_jobs(start_azure: StartAzure) -> None:
    """Right after the 202, without a filter: ConfigureBackup of this VM, InProgress; later read by its id."""
    azure = await start_azure(a_scenario(a_vm()))
    jobs = f"{VAULT_PATH}/backupJobs".replace(*CAPITAL)

    await change_policy(azure, policy_id=f"{VAULT_PATH}/backupPolicies/EnhancedPolicy")
    (listed,) = (await azure.get(jobs, api_version=BACKUP_VERSION))["value"]
    azure.advance(hours=2)
    ended = await azure.get(f"{jobs}/{listed['name']}", api_version=BACKUP_VERSION)

    properties = listed["properties"]
    assert (properties["operation"], properties["status"]) == ("ConfigureBackup", "InProgress")
    assert properties["entityFriendlyName"] == "vm"
    assert ended["properties"]["status"] == "Completed"


async def test_the_operation_answers_below_a_path_with_a_capital(start_azure: StartAzure) -> None:
    """Its long-running-operation poller goes on from the item's path."""
    azure = await start_azure(a_scenario(a_vm()))
    operation = await change_policy(azure, policy_id=f"{VAULT_PATH}/backupPolicies/EnhancedPolicy")

    status = await azure.get(
        f"{item_path()}/operationsStatus/{operation}".replace(*CAPITAL), api_version=BACKUP_VERSION
    )

    assert (status["name"], status["status"]) == (operation, "InProgress")


AT = "2026-11-23T16:30:00.0000000Z"
DAYS = {"scheduleRunTimes": [AT]}
SUNDAYS = {"scheduleRunDays": ["Sunday"], "scheduleRunTimes": [AT]}
STANDARD, ENHANCED = "SimpleSchedulePolicy", "SimpleSchedulePolicyV2"
KEPT_DAILY = {"dailySchedule": {"retentionTimes": [AT], "retentionDuration": {"count": 30, "durationType": "Days"}}}
KEPT_WEEKLY = {
    "weeklySchedule": {
        "daysOfTheWeek": ["Sunday"],
        "retentionTimes": [AT],
        "retentionDuration": {"count": 12, "durationType": "Weeks"},
    }
}


@pytest.mark.parametrize(
    ("policy_type", "schedule", "retention", "instant_days"),
    [
        ("V1", {"schedulePolicyType": STANDARD, "scheduleRunFrequency": "Daily", **DAYS}, KEPT_DAILY, 2),
        ("V1", {"schedulePolicyType": STANDARD, "scheduleRunFrequency": "Weekly", **SUNDAYS}, KEPT_WEEKLY, 5),
        (
            "V2",
            {"schedulePolicyType": ENHANCED, "scheduleRunFrequency": "Daily", "dailySchedule": DAYS},
            KEPT_DAILY,
            7,
        ),
        (
            "V2",
            {"schedulePolicyType": ENHANCED, "scheduleRunFrequency": "Weekly", "weeklySchedule": SUNDAYS},
            KEPT_WEEKLY,
            7,
        ),
    ],
)
async def test_a_policy_may_leave_the_days_of_instant_restore_to_azure(
    start_azure: StartAzure,
    policy_type: str,
    schedule: dict[str, object],
    retention: dict[str, object],
    instant_days: int,
) -> None:
    """2 days for Standard, but 5 where it is weekly, for which no other number is allowed; 7 for Enhanced."""
    azure = await start_azure(a_scenario(a_vm()))
    body = {
        "location": "westeurope",
        "properties": {
            "backupManagementType": "AzureIaasVM",
            "schedulePolicy": schedule,
            "retentionPolicy": {"retentionPolicyType": "LongTermRetentionPolicy", **retention},
            "timeZone": "UTC",
            "policyType": policy_type,
        },
    }

    written = await azure.request("PUT", f"{VAULT_PATH}/backupPolicies/net", body, api_version=BACKUP_VERSION)

    assert written.status_code == 200, written.text()
    assert written.json()["properties"]["instantRpRetentionRangeInDays"] == instant_days
