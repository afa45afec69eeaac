"""Backup policies over the wire: the three a vault is born with, counts, the echo, and the service's rules."""

from copy import deepcopy
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.recoveryservicesbackup.models import AzureIaaSVMProtectionPolicy, SimpleSchedulePolicyV2

from tests.simulator.estates import (
    GROUP,
    VAULT,
    VAULT_PATH,
    StartAzure,
    a_policy,
    a_scenario,
    a_vm,
    error_code,
    operation_id,
)

AT = "2026-05-04T08:00:00Z"


def a_tier(count: int, unit: str = "Days", **more: object) -> dict[str, object]:
    return {"retentionTimes": [AT], "retentionDuration": {"count": count, "durationType": unit}, **more}


WEEKLY_TIER = a_tier(12, "Weeks", daysOfTheWeek=["Sunday"])

STANDARD: dict[str, Any] = {
    "backupManagementType": "AzureIaasVM",
    "schedulePolicy": {
        "schedulePolicyType": "SimpleSchedulePolicy",
        "scheduleRunFrequency": "Daily",
        "scheduleRunTimes": [AT],
    },
    "retentionPolicy": {"retentionPolicyType": "LongTermRetentionPolicy", "dailySchedule": a_tier(30)},
    "instantRpRetentionRangeInDays": 2,
    "timeZone": "UTC",
}
ENHANCED: dict[str, Any] = {
    **STANDARD,
    "policyType": "V2",
    "schedulePolicy": {
        "schedulePolicyType": "SimpleSchedulePolicyV2",
        "scheduleRunFrequency": "Hourly",
        "hourlySchedule": {"interval": 4, "scheduleWindowStartTime": AT, "scheduleWindowDuration": 12},
    },
}
WEEKLY_SCHEDULE = {
    "schedulePolicyType": "SimpleSchedulePolicyV2",
    "scheduleRunFrequency": "Weekly",
    "weeklySchedule": {"scheduleRunDays": ["Sunday"], "scheduleRunTimes": [AT]},
}
LONG_TERM = "LongTermRetentionPolicy"


def changed(policy: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """A copy of the policy with one member set, by a dotted path; None removes it."""
    copy = deepcopy(policy)
    *parents, last = path.split(".")
    place = copy
    for parent in parents:
        place = place[parent]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return copy


async def test_a_vault_is_born_with_three_policies(start_azure: StartAzure) -> None:
    """HourlyLogBackup for workloads, DefaultPolicy Standard and EnhancedPolicy V2; both VM ones keep 30 days."""
    azure = await start_azure(a_scenario(a_vm()))

    policies = (await azure.get(f"{VAULT_PATH}/backupPolicies"))["value"]

    by_name = {policy["name"]: policy["properties"] for policy in policies}
    assert list(by_name) == ["HourlyLogBackup", "DefaultPolicy", "EnhancedPolicy"]
    assert "policyType" not in by_name["DefaultPolicy"]
    assert by_name["EnhancedPolicy"]["policyType"] == "V2"
    for name in ("DefaultPolicy", "EnhancedPolicy"):
        daily = by_name[name]["retentionPolicy"]["dailySchedule"]
        assert daily["retentionDuration"] == {"count": 30, "durationType": "Days"}


async def test_only_a_get_by_name_counts_the_protected_items(start_azure: StartAzure) -> None:
    """A list says 0 for every policy, whatever it protects."""
    azure = await start_azure(a_scenario(a_vm("vm-{n}", count=3)))

    listed = [policy async for policy in azure.sdk.backup_policies.list(VAULT, GROUP)]
    fetched = await azure.sdk.protection_policies.get(VAULT, GROUP, "defaultpolicy")

    assert {policy.properties.protected_items_count for policy in listed if policy.properties} == {0}
    assert fetched.properties is not None
    assert (fetched.name, fetched.properties.protected_items_count) == ("DefaultPolicy", 3)


async def test_the_list_can_be_filtered_by_management_type(start_azure: StartAzure) -> None:
    """backupManagementType eq 'AzureIaasVM' leaves the workload policy out."""
    azure = await start_azure(a_scenario(a_vm()))

    found = azure.sdk.backup_policies.list(VAULT, GROUP, filter="backupManagementType eq 'AzureIaasVM'")

    assert [policy.name async for policy in found] == ["DefaultPolicy", "EnhancedPolicy"]


async def test_a_missing_policy_is_404_with_an_empty_object(start_azure: StartAzure) -> None:
    """No error object at all (ps2025_policy_get_404_empty_body.json)."""
    azure = await start_azure(a_scenario(a_vm()))

    answer = await azure.request("GET", f"{VAULT_PATH}/backupPolicies/nothing")

    assert (answer.status_code, answer.json()) == (404, {})


async def test_the_sdk_creates_an_enhanced_policy_and_reads_it_back(start_azure: StartAzure) -> None:
    """200 with the whole policy, of the SDK's V2 classes, the same as a later GET."""
    azure = await start_azure(a_scenario(a_vm()))

    made = await azure.sdk.protection_policies.create_or_update(VAULT, GROUP, "hourly", {"properties": ENHANCED})  # type: ignore[arg-type] - the SDK takes JSON as well

    assert made is not None and isinstance(made.properties, AzureIaaSVMProtectionPolicy)
    assert isinstance(made.properties.schedule_policy, SimpleSchedulePolicyV2)
    assert made == await azure.sdk.protection_policies.get(VAULT, GROUP, "hourly")
    assert made.id == f"{VAULT_PATH}/backupPolicies/hourly"


async def test_the_echo_fills_in_and_cleans_up(start_azure: StartAzure) -> None:
    """`.000` goes, an offset stays, nulls and unknown members go, defaults appear (policy_put_v2_hourly.json)."""
    azure = await start_azure(a_scenario(a_vm()))
    sent = changed(STANDARD, "schedulePolicy.scheduleRunTimes", ["2026-05-04T08:00:00.000Z"])
    sent |= {"instantRPDetails": {"azureBackupRGNamePrefix": None}, "protectedItemsCount": 7, "color": "red"}
    sent["retentionPolicy"]["dailySchedule"]["retentionTimes"] = ["2026-05-04T08:00:00+00:00"]

    answer = await azure.request("PUT", f"{VAULT_PATH}/backupPolicies/echo", {"properties": sent})

    properties = answer.json()["properties"]
    assert properties["schedulePolicy"]["scheduleRunTimes"] == [AT]
    assert properties["schedulePolicy"]["scheduleWeeklyFrequency"] == 0
    assert properties["retentionPolicy"]["dailySchedule"]["retentionTimes"] == ["2026-05-04T08:00:00+00:00"]
    assert (properties["instantRPDetails"], properties["protectedItemsCount"]) == ({}, 0)
    assert "color" not in properties


async def test_an_enhanced_policy_keeps_snapshots_for_seven_days_unless_told(start_azure: StartAzure) -> None:
    """instantRpRetentionRangeInDays defaults to 7 for V2 and 2 for V1."""
    azure = await start_azure(a_scenario(a_vm()))

    for name, body, days in (("v1", STANDARD, 2), ("v2", ENHANCED, 7)):
        sent = changed(body, "instantRpRetentionRangeInDays", None)
        answer = await azure.request("PUT", f"{VAULT_PATH}/backupPolicies/{name}", {"properties": sent})
        assert answer.json()["properties"]["instantRpRetentionRangeInDays"] == days


ACCEPTED = {
    "standard": STANDARD,
    "standard said aloud": changed(STANDARD, "policyType", "V1"),
    "enhanced": ENHANCED,
    "enhanced daily": changed(
        ENHANCED,
        "schedulePolicy",
        {
            "schedulePolicyType": "SimpleSchedulePolicyV2",
            "scheduleRunFrequency": "Daily",
            "dailySchedule": {"scheduleRunTimes": [AT]},
        },
    ),
    "enhanced weekly": changed(
        changed(changed(ENHANCED, "schedulePolicy", WEEKLY_SCHEDULE), "instantRpRetentionRangeInDays", 20),
        "retentionPolicy",
        {"retentionPolicyType": LONG_TERM, "weeklySchedule": WEEKLY_TIER},
    ),
    "12-hourly with 29 snapshots": changed(
        changed(ENHANCED, "schedulePolicy.hourlySchedule.interval", 12), "instantRpRetentionRangeInDays", 29
    ),
    # cli2026_policy_get_v2_hourly_target.json: a window need not be a multiple of the interval
    "8-hourly in 12 hours": changed(ENHANCED, "schedulePolicy.hourlySchedule.interval", 8),
    "long retention": changed(ENHANCED, "retentionPolicy.dailySchedule", a_tier(9999)),
}


@pytest.mark.parametrize("which", ACCEPTED)
async def test_a_policy_is_accepted(start_azure: StartAzure, which: str) -> None:
    """Within every limit."""
    azure = await start_azure(a_scenario(a_vm()))

    answer = await azure.request("PUT", f"{VAULT_PATH}/backupPolicies/new", {"properties": ACCEPTED[which]})

    assert answer.status_code == 200, answer.text()


INPUT = "BMSUserErrorInvalidPolicyInput"
INSTANT = "BMSUserErrorInstantRPRetentionExceedsVaultedRetention"
RETENTION = "BMSUserErrorPolicyRetentionInvalid"
REFUSED = {
    "nothing": ({}, INPUT),
    "unknown type": (changed(ENHANCED, "policyType", "V3"), INPUT),
    "V2 schedule without V2": (changed(ENHANCED, "policyType", None), INPUT),
    "V1 schedule with V2": (changed(STANDARD, "policyType", "V2"), INPUT),
    "hourly Standard": (changed(STANDARD, "schedulePolicy.scheduleRunFrequency", "Hourly"), INPUT),
    "quarter past": (changed(STANDARD, "schedulePolicy.scheduleRunTimes", ["2026-05-04T08:15:00Z"]), INPUT),
    "no time at all": (changed(STANDARD, "schedulePolicy.scheduleRunTimes", []), INPUT),
    "not a time": (changed(STANDARD, "schedulePolicy.scheduleRunTimes", ["eight"]), INPUT),
    "five-hourly": (changed(ENHANCED, "schedulePolicy.hourlySchedule.interval", 5), INPUT),
    "window of five hours": (changed(ENHANCED, "schedulePolicy.hourlySchedule.scheduleWindowDuration", 5), INPUT),
    "window of two hours": (changed(ENHANCED, "schedulePolicy.hourlySchedule.scheduleWindowDuration", 2), INPUT),
    "retention at another time": (
        changed(STANDARD, "retentionPolicy.dailySchedule.retentionTimes", ["2026-05-04T09:00:00Z"]),
        INPUT,
    ),
    "daily kept in weeks": (changed(STANDARD, "retentionPolicy.dailySchedule", a_tier(4, "Weeks")), INPUT),
    "weekly with a daily tier": (changed(ENHANCED, "schedulePolicy", WEEKLY_SCHEDULE), INPUT),
    "six snapshot days on Standard": (changed(STANDARD, "instantRpRetentionRangeInDays", 6), INPUT),
    "18 snapshot days four-hourly": (changed(ENHANCED, "instantRpRetentionRangeInDays", 18), INPUT),
    "10,000 days": (changed(STANDARD, "retentionPolicy.dailySchedule", a_tier(10_000)), RETENTION),
    "snapshots as long as the vault": (
        changed(changed(ENHANCED, "retentionPolicy.dailySchedule", a_tier(7)), "instantRpRetentionRangeInDays", 7),
        INSTANT,
    ),
}


@pytest.mark.parametrize("which", REFUSED)
async def test_a_policy_is_refused(start_azure: StartAzure, which: str) -> None:
    """400 with the service's code, and no such policy afterwards."""
    body, code = REFUSED[which]
    azure = await start_azure(a_scenario(a_vm()))

    answer = await azure.request("PUT", f"{VAULT_PATH}/backupPolicies/new", {"properties": body})

    assert (answer.status_code, error_code(answer)) == (400, code)
    assert (await azure.request("GET", f"{VAULT_PATH}/backupPolicies/new")).status_code == 404


async def test_a_policy_cannot_change_its_type(start_azure: StartAzure) -> None:
    """A Standard policy stays Standard; make another one instead."""
    azure = await start_azure(a_scenario(a_vm()))

    answer = await azure.request("PUT", f"{VAULT_PATH}/backupPolicies/DefaultPolicy", {"properties": ENHANCED})

    assert (answer.status_code, error_code(answer)) == (400, INPUT)


async def test_changing_a_policy_with_items_may_take_time(start_azure: StartAzure) -> None:
    """policy_put_takes_time: 202, `operations` and `operationResults` below the policy; without items still 200."""
    azure = await start_azure(a_scenario(a_policy("unused"), a_vm(), before="service.policy_put_takes_time = true"))
    path = f"{VAULT_PATH}/backupPolicies/DefaultPolicy"

    answer = await azure.request("PUT", path, {"properties": STANDARD})
    operation = operation_id(answer)
    running = await azure.request("GET", f"{path}/operationResults/{operation}")
    azure.advance(minutes=1)
    status = await azure.get(f"{path}/operations/{operation}")
    done = await azure.request("GET", f"{path}/operationResults/{operation}")
    unused = await azure.request("PUT", f"{VAULT_PATH}/backupPolicies/unused", {"properties": STANDARD})

    assert (answer.status_code, answer.headers["Retry-After"], running.status_code) == (202, "60", 202)
    assert (status["status"], done.status_code, done.json()["name"]) == ("Succeeded", 200, "DefaultPolicy")
    assert unused.status_code == 200


async def test_a_policy_in_use_cannot_be_deleted(start_azure: StartAzure) -> None:
    """BMSUserErrorPolicyObjectInUse; an unused one goes with 200, one that is not there with 204."""
    azure = await start_azure(a_scenario(a_policy("unused"), a_vm()))

    with pytest.raises(HttpResponseError) as in_use:
        await azure.sdk.protection_policies.begin_delete(VAULT, GROUP, "DefaultPolicy")
    statuses = [(await azure.request("DELETE", f"{VAULT_PATH}/backupPolicies/unused")).status_code for _ in range(2)]

    assert in_use.value.error is not None and in_use.value.error.code == "BMSUserErrorPolicyObjectInUse"
    assert statuses == [200, 204]


async def test_a_vault_takes_fifty_policy_writes_a_day(start_azure: StartAzure) -> None:
    """The fifty-first is refused until the first is a day old."""
    azure = await start_azure(a_scenario(a_vm()))
    path = f"{VAULT_PATH}/backupPolicies/again"

    for _ in range(50):
        assert (await azure.request("PUT", path, {"properties": STANDARD})).status_code == 200
    refused = await azure.request("PUT", path, {"properties": STANDARD})
    azure.advance(hours=24)
    later = await azure.request("PUT", path, {"properties": STANDARD})

    assert (refused.status_code, error_code(refused)) == (400, "CloudDosAbsoluteLimitReached")
    assert later.status_code == 200
