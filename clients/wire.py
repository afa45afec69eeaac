"""Azure Backup's wire shapes as the core's values. `V1`/`V2`, odd times and empty strings end here.

Answers are read by wire name from the SDK's mapping models: VM items arrive with protectedItemType
"Microsoft.Compute/virtualMachines", for which the SDK (11.2.0) builds only its base class, without a VM's attributes.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from migration.model import (
    BackupPolicy,
    Job,
    JobError,
    OperationOutcome,
    PolicyType,
    ProtectedItem,
    Retention,
    VirtualMachine,
)

Json = Mapping[str, Any]  # a wire object, or one of the SDK's mapping models; it does not leave clients/


def part(wire: Json, name: str) -> Json:
    """A nested object; empty where it is absent or null."""
    return cast(Json, wire.get(name) or {})


def parts(wire: Json, name: str) -> list[Json]:
    """A nested list of objects; empty where it is absent or null."""
    return cast(list[Json], wire.get(name) or [])


def text(wire: Json, name: str) -> str:
    """A text; empty where it is absent or null, which for the service is often the same."""
    return str(wire.get(name) or "")


def protected_item(wire: Json) -> ProtectedItem:
    """A VM's protected item (item_get.json, ps2025_item_list_v1_policyType_empty_and_softdeleted.json)."""
    properties = part(wire, "properties")
    vm_id = text(properties, "virtualMachineId") or text(properties, "sourceResourceId")
    return ProtectedItem(
        id=wire["id"],
        vm_id=vm_id,
        vm_name=text(properties, "friendlyName") or vm_id.rpartition("/")[2],
        policy_id=text(properties, "policyId"),
        policy_type=_policy_type(properties),
        protection_state=text(properties, "protectionState"),
        classic="classiccompute" in text(properties, "protectedItemType").lower(),
        soft_deleted=bool(properties.get("isScheduledForDeferredDelete")),
    )


def _policy_type(properties: Json) -> PolicyType:
    """V2 is Enhanced. Standard is "V1", the empty string or nothing at all, depending on api-version and resource."""
    return PolicyType.ENHANCED if text(properties, "policyType").upper() == "V2" else PolicyType.STANDARD


TIERS = {
    "daily": "dailySchedule",
    "weekly": "weeklySchedule",
    "monthly": "monthlySchedule",
    "yearly": "yearlySchedule",
}
DAYS = {"Days": 1, "Weeks": 7, "Months": 30, "Years": 365}


def protects_vms(wire: Json) -> bool:
    """Whether a policy of a vault is one for Azure VMs (policy_list_mixed.json has a SQL one)."""
    return text(part(wire, "properties"), "backupManagementType") == "AzureIaasVM"


def policy(wire: Json) -> BackupPolicy:
    """A policy for Azure VMs (policy_get_v1_daily_default.json, ps2025_policy_get_v2_weekly.json)."""
    properties = part(wire, "properties")
    retention = part(properties, "retentionPolicy")
    return BackupPolicy(
        id=wire["id"],
        name=wire["name"],
        policy_type=_policy_type(properties),
        retention=Retention(**{tier: _days(part(retention, schedule)) for tier, schedule in TIERS.items()}),
        instant_restore_days=int(properties.get("instantRpRetentionRangeInDays") or 2),  # 2: old policies leave it out
        fingerprint=_fingerprint(properties),
    )


def _days(schedule: Json) -> int | None:
    duration = part(schedule, "retentionDuration")
    return int(duration["count"]) * DAYS[duration["durationType"]] if duration else None


def _fingerprint(properties: Json) -> str:
    """A hash of a policy's content: without the count of its items, and with one spelling of UTC times."""
    content = {name: value for name, value in properties.items() if name != "protectedItemsCount"}
    canonical = msgspec.json.encode(content, order="deterministic").decode()
    return hashlib.sha256(re.sub(r'(\.0+)?(\+00:00|Z)"', 'Z"', canonical).encode()).hexdigest()


def job(wire: Json) -> Job:
    """A backup job, from the list or by itself (job_list_all.json, job_get_restore_failed.json)."""
    properties = part(wire, "properties")
    return Job(
        id=wire["name"],
        operation=text(properties, "operation"),
        status=text(properties, "status"),
        container=text(properties, "containerName").lower(),
        started_at=_time(properties["startTime"]),
        ended_at=_time(properties["endTime"]) if properties.get("endTime") else None,
        errors=tuple(map(_job_error, parts(properties, "errorDetails"))),
    )


def _job_error(wire: Json) -> JobError:
    return JobError(
        title=text(wire, "errorTitle") or text(wire, "errorCode") or "JobFailed",
        message=text(wire, "errorString"),
        recommendations=tuple(wire.get("recommendations") or ()),
    )


def operation(wire: Json) -> OperationOutcome:
    """An operation's status: InProgress, Succeeded with its job, Failed with an error (item_set_policy_opstatus_*)."""
    status = text(wire, "status")
    error = part(wire, "error")
    return OperationOutcome(
        succeeded=None if status == "InProgress" else status == "Succeeded",
        job_id=text(part(wire, "properties"), "jobId"),
        error=JobError(title=text(error, "code"), message=text(error, "message")) if error else None,
    )


def virtual_machine(wire: Json) -> VirtualMachine:
    """A VM; a managed disk carries managedDisk, an unmanaged one a vhd uri (compute_vm_get_datadisks.json)."""
    storage = part(part(wire, "properties"), "storageProfile")
    disks = [part(storage, "osDisk"), *parts(storage, "dataDisks")]
    return VirtualMachine(id=wire["id"], managed_disks=all("managedDisk" in disk for disk in disks))


def _time(wire: str) -> datetime:
    """A service time: seven fractional digits, sometimes without a zone, always UTC."""
    parsed = datetime.fromisoformat(wire)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
