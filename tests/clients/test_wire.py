"""The words of the wire, one at a time: which text becomes which value of the core."""

from datetime import UTC, datetime
from typing import Any

import pytest

from clients import wire
from migration.model import JobError, OperationOutcome, PolicyType, Retention
from migration.policy import fingerprint
from tests.builders import ENHANCED, STANDARD, item_id, vm_id


def an_item_body(**properties: Any) -> dict[str, Any]:
    """A protected item as the service lists it (item_get.json)."""
    plain = {
        "friendlyName": "web-01",
        "virtualMachineId": vm_id(),
        "protectionState": "Protected",
        "protectedItemType": "Microsoft.Compute/virtualMachines",
        "sourceResourceId": vm_id(),
        "policyId": STANDARD,
    }
    return {"id": item_id(), "properties": {**plain, **properties}}


@pytest.mark.parametrize(
    ("properties", "field", "value"),
    [
        ({}, "policy_type", PolicyType.STANDARD),
        ({"policyType": None}, "policy_type", PolicyType.STANDARD),
        ({"policyType": ""}, "policy_type", PolicyType.STANDARD),
        ({"policyType": "V1"}, "policy_type", PolicyType.STANDARD),
        ({"policyType": "V2"}, "policy_type", PolicyType.ENHANCED),
        ({"policyId": ENHANCED}, "policy_id", ENHANCED),
        ({"policyId": ""}, "policy_id", ""),
        ({"policyId": None}, "policy_id", ""),
        ({}, "classic", False),
        ({"protectedItemType": "Microsoft.ClassicCompute/virtualMachines"}, "classic", True),
        ({}, "soft_deleted", False),
        ({"isScheduledForDeferredDelete": False}, "soft_deleted", False),
        ({"isScheduledForDeferredDelete": True}, "soft_deleted", True),
        ({"protectionState": "ProtectionStopped"}, "protection_state", "ProtectionStopped"),
        ({"virtualMachineId": ""}, "vm_id", vm_id()),
        ({"friendlyName": None}, "vm_name", "web-01"),
    ],
)
def test_each_word_of_an_item_has_one_meaning(properties: dict[str, Any], field: str, value: object) -> None:
    """Absent, null and empty are the same to the service; V2 is Enhanced and all else Standard."""
    assert getattr(wire.protected_item(an_item_body(**properties)), field) == value


def a_policy_body(**properties: Any) -> dict[str, Any]:
    """A Standard policy that keeps daily recovery points for 30 days (policy_get_v1_daily_default.json)."""
    plain = {
        "backupManagementType": "AzureIaasVM",
        "schedulePolicy": {"scheduleRunFrequency": "Daily", "scheduleRunTimes": ["2026-11-02T16:30:00Z"]},
        "retentionPolicy": {"dailySchedule": kept(30, "Days")},
        "instantRpRetentionRangeInDays": 5,
        "timeZone": "UTC",
        "protectedItemsCount": 0,
    }
    return {"id": STANDARD, "name": "DefaultPolicy", "properties": {**plain, **properties}}


def kept(count: int, unit: str) -> dict[str, Any]:
    """A tier's retention."""
    return {"retentionDuration": {"count": count, "durationType": unit}}


@pytest.mark.parametrize(
    ("tiers", "retention"),
    [
        ({"dailySchedule": kept(30, "Days")}, Retention(daily=30)),
        ({"weeklySchedule": kept(12, "Weeks")}, Retention(weekly=84)),
        (
            {
                "dailySchedule": kept(7, "Days"),
                "weeklySchedule": kept(4, "Weeks"),
                "monthlySchedule": kept(60, "Months"),
                "yearlySchedule": kept(10, "Years"),
            },
            Retention(daily=7, weekly=28, monthly=1800, yearly=3650),
        ),
        ({"dailySchedule": kept(30, "Days"), "weeklySchedule": None}, Retention(daily=30)),
    ],
)
def test_retention_is_read_in_days_for_each_tier(tiers: dict[str, Any], retention: Retention) -> None:
    """Weeks, months of 30 and years of 365 days; a tier the policy lacks stays None, the daily one too."""
    assert wire.policy(a_policy_body(retentionPolicy=tiers)).retention == retention


@pytest.mark.parametrize(
    ("properties", "days"),
    [({}, 5), ({"instantRpRetentionRangeInDays": None}, 2), ({"instantRpRetentionRangeInDays": 30}, 30)],
)
def test_a_policy_that_names_no_instant_restore_keeps_snapshots_for_two_days(
    properties: dict[str, Any], days: int
) -> None:
    """Two days is Azure Backup's default, which old policies leave out."""
    assert wire.policy(a_policy_body(**properties)).content.instant_restore_days == days


@pytest.mark.parametrize(
    "same",
    [
        {"protectedItemsCount": 17},
        {
            "schedulePolicy": {
                "scheduleRunTimes": ["2026-11-02T16:30:00.000+00:00"],
                "scheduleRunFrequency": "Daily",
            }
        },
    ],
)
def test_the_fingerprint_ignores_what_changes_nothing(same: dict[str, Any]) -> None:
    """The count of items, the order of members and the spelling of a UTC time say nothing about a protected VM."""
    assert fingerprint(wire.policy(a_policy_body(**same))) == fingerprint(wire.policy(a_policy_body()))


@pytest.mark.parametrize(
    "edited",
    [
        {"retentionPolicy": {"dailySchedule": kept(31, "Days")}},
        {"instantRpRetentionRangeInDays": 2},
        {"timeZone": "Romance Standard Time"},
        {"policyType": "V2"},
        {"schedulePolicy": {"scheduleRunFrequency": "Daily", "scheduleRunTimes": ["2026-11-02T17:30:00Z"]}},
    ],
)
def test_the_fingerprint_changes_with_every_edit(edited: dict[str, Any]) -> None:
    """Whatever a policy's owner may edit makes another fingerprint."""
    assert fingerprint(wire.policy(a_policy_body(**edited))) != fingerprint(wire.policy(a_policy_body()))


def a_job_body(**properties: Any) -> dict[str, Any]:
    """A job as the service lists it (job_list_all.json)."""
    plain = {
        "containerName": "iaasvmcontainerv2;RG-Web;Web-01",
        "operation": "ConfigureBackup",
        "status": "InProgress",
        "startTime": "2026-11-02T07:30:00.0568645Z",
    }
    return {"name": "job-1", "properties": {**plain, **properties}}


def test_a_job_is_read_with_its_times_and_its_container_in_lower_case() -> None:
    """Seven fractional digits are a UTC time; a job that runs has no end; containers are compared in lower case."""
    job = wire.job(a_job_body())
    assert (job.id, job.operation, job.status, job.running) == ("job-1", "ConfigureBackup", "InProgress", True)
    assert job.container == "iaasvmcontainerv2;rg-web;web-01"
    assert (job.started_at, job.ended_at) == (datetime(2026, 11, 2, 7, 30, 0, 56864, tzinfo=UTC), None)


def test_a_time_without_a_zone_is_utc() -> None:
    """The service leaves the Z out at times (item_set_policy_opstatus_inprogress.json)."""
    assert wire.job(a_job_body(endTime="2026-11-02T07:59:30")).ended_at == datetime(2026, 11, 2, 7, 59, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("details", "errors"),
    [
        (None, ()),
        ([], ()),
        (
            [{"errorCode": 400227, "errorTitle": "UserErrorX", "errorString": "No.", "recommendations": ["Do Y."]}],
            (JobError(title="UserErrorX", message="No.", recommendations=("Do Y.",)),),
        ),
        ([{"errorCode": 400227, "errorString": "No."}], (JobError(title="400227", message="No."),)),
        ([{"recommendations": None}], (JobError(title="JobFailed", message=""),)),
    ],
)
def test_the_errors_of_a_job_are_named_by_their_title(details: Any, errors: tuple[JobError, ...]) -> None:
    """The error's name is in errorTitle, the code is a number (job_get_restore_failed.json); either may be missing."""
    assert wire.job(a_job_body(errorDetails=details)).errors == errors


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ({"status": "InProgress", "endTime": "0001-01-01T00:00:00"}, OperationOutcome(succeeded=None)),
        (
            {"status": "Succeeded", "properties": {"jobId": "job-1"}},
            OperationOutcome(succeeded=True, job_id="job-1"),
        ),
        ({"status": "Succeeded", "properties": None}, OperationOutcome(succeeded=True)),
        ({"status": "Canceled"}, OperationOutcome(succeeded=False)),
        (
            {"status": "Failed", "error": {"code": "UserErrorX", "message": "No."}},
            OperationOutcome(succeeded=False, error=JobError(title="UserErrorX", message="No.")),
        ),
    ],
)
def test_an_operation_says_nothing_before_it_has_ended(body: dict[str, Any], outcome: OperationOutcome) -> None:
    """InProgress is neither success nor failure; everything but Succeeded is a failure, with its error if any."""
    assert wire.operation(body) == outcome


MANAGED, UNMANAGED = {"managedDisk": {"id": "disk"}}, {"vhd": {"uri": "https://account.blob.example/disk.vhd"}}


@pytest.mark.parametrize(
    ("os_disk", "data_disks", "managed"),
    [
        (MANAGED, [], True),
        (MANAGED, [MANAGED, MANAGED], True),
        (UNMANAGED, [], False),
        (MANAGED, [MANAGED, UNMANAGED], False),
        (MANAGED, None, True),
    ],
)
def test_one_page_blob_makes_a_vm_unmanaged(os_disk: Any, data_disks: Any, managed: bool) -> None:
    """Every disk counts, the system's and each data disk."""
    body = {"id": vm_id(), "properties": {"storageProfile": {"osDisk": os_disk, "dataDisks": data_disks}}}
    assert wire.virtual_machine(body).managed_disks is managed
