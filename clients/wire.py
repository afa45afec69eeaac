"""Azure Backup's wire shapes as the core's values. `V1`/`V2`, odd times and empty strings end here.

Answers are read by wire name from the SDK's mapping models: VM items arrive with protectedItemType
"Microsoft.Compute/virtualMachines", for which the SDK (11.2.0) builds only its base class, without a VM's attributes.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from migration.model import (
    BackupPolicy,
    Disk,
    Job,
    JobError,
    OperationOutcome,
    PolicyContent,
    PolicyType,
    ProtectedItem,
    Retention,
    Schedule,
    Vault,
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
        last_backup_status=text(properties, "lastBackupStatus"),
        health=_unwell(properties),
        excluded_disks=_one_spelling(dict(excluded)) if (excluded := _excluded_disks(properties)) else "",
    )


def _unwell(properties: Json) -> tuple[str, ...]:
    """The titles of the health details, where the status says that somebody should act."""
    if not text(properties, "healthStatus").startswith("Action"):
        return ()
    return tuple(text(detail, "title") for detail in parts(properties, "healthDetails"))


def _excluded_disks(properties: Json) -> Json:
    return part(part(properties, "extendedProperties"), "diskExclusionProperties")


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
KEPT = ("retentionPolicy", "tieringPolicy", "instantRPDetails")
_UTC = re.compile(r"(?<=\d)(\.0+)?(\+00:00|Z)")


def protects_vms(wire: Json) -> bool:
    """Whether a policy of a vault is one for Azure VMs (policy_list_mixed.json has a SQL one)."""
    return text(part(wire, "properties"), "backupManagementType") == "AzureIaasVM"


def policy(wire: Json) -> BackupPolicy:
    """A policy for Azure VMs (policy_get_v1_daily_default.json, ps2025_policy_get_v2_weekly.json), as plain JSON."""
    properties = part(wire, "properties")
    retention = part(properties, "retentionPolicy")
    return BackupPolicy(
        id=wire["id"],
        name=wire["name"],
        retention=Retention(**{tier: _days(part(retention, schedule)) for tier, schedule in TIERS.items()}),
        content=PolicyContent(
            policy_type=_policy_type(properties),
            schedule=_schedule(part(properties, "schedulePolicy")),
            time_zone=text(properties, "timeZone"),
            instant_restore_days=int(properties.get("instantRpRetentionRangeInDays") or 2),  # 2: old ones leave it out
            kept=_one_spelling({name: properties[name] for name in KEPT if properties.get(name)}),
        ),
    )


def _days(schedule: Json) -> int | None:
    duration = part(schedule, "retentionDuration")
    return int(duration["count"]) * DAYS[duration["durationType"]] if duration else None


def _schedule(wire: Json) -> Schedule:
    """Standard policies have times and days flat, Enhanced ones in an object named after the frequency."""
    frequency = wire["scheduleRunFrequency"]
    hourly = part(wire, "hourlySchedule")
    if frequency == "Hourly":
        return Schedule(
            frequency="Hourly",
            run_times=(_one_time(hourly["scheduleWindowStartTime"]),),
            interval_hours=int(hourly["interval"]),
            window_hours=int(hourly["scheduleWindowDuration"]),
        )
    runs = part(wire, f"{frequency.lower()}Schedule") or wire
    return Schedule(
        frequency=frequency,
        run_times=tuple(map(_one_time, runs.get("scheduleRunTimes") or ())),
        run_days=tuple(runs.get("scheduleRunDays") or ()),
    )


def _one_spelling(value: object) -> str:
    """JSON text that is the same for what means the same: members sorted, nothing empty, UTC written as Z."""
    return _one_time(msgspec.json.encode(_without_nulls(value), order="deterministic").decode())


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        members = cast(Mapping[str, object], value).items()
        return {name: _without_nulls(member) for name, member in members if member is not None}
    if isinstance(value, list):
        return [_without_nulls(member) for member in cast(list[object], value)]
    return value


def _one_time(wire: str) -> str:
    return _UTC.sub("Z", wire)


def policy_body(policy: BackupPolicy) -> Json:
    """The body that makes an Enhanced policy of this content (policy_put_v2_hourly.json)."""
    content, schedule = policy.content, policy.content.schedule
    runs: dict[str, object] = {"scheduleRunTimes": list(schedule.run_times)}
    if schedule.frequency == "Hourly":
        runs = {
            "interval": schedule.interval_hours,
            "scheduleWindowStartTime": schedule.run_times[0],
            "scheduleWindowDuration": schedule.window_hours,
        }
    elif schedule.frequency == "Weekly":
        runs["scheduleRunDays"] = list(schedule.run_days)
    return {
        "properties": {
            **msgspec.json.decode(content.kept),
            "backupManagementType": "AzureIaasVM",
            "policyType": "V2",
            "schedulePolicy": {
                "schedulePolicyType": "SimpleSchedulePolicyV2",
                "scheduleRunFrequency": schedule.frequency,
                f"{schedule.frequency.lower()}Schedule": runs,
            },
            "instantRpRetentionRangeInDays": content.instant_restore_days,
            "timeZone": content.time_zone,
        }
    }


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
        # It stays on jobs that have ended; older versions of the API write it as 1 (job_get_actionsinfo_int.json).
        cancellable=any(action in ("Cancellable", 1) for action in properties.get("actionsInfo") or ()),
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


def vault(wire: Json) -> Vault:
    """A vault; what protects it from its owners is in its security settings (ps2025_vault_get.json)."""
    security = part(part(wire, "properties"), "securitySettings")
    return Vault(
        id=wire["id"],
        region=text(wire, "location"),
        tags=dict(part(wire, "tags")),
        immutable=text(part(security, "immutabilitySettings"), "state") in ("Unlocked", "Locked"),
        guarded=text(security, "multiUserAuthorization") == "Enabled",
    )


def members(wire: Json) -> int:
    """How many items a policy protects; only a policy read by its name tells the truth (policy_get_v1_daily_count2)."""
    return int(part(wire, "properties").get("protectedItemsCount") or 0)


def virtual_machine(wire: Json) -> VirtualMachine:
    """A VM; a managed disk carries managedDisk, an unmanaged one a vhd uri (compute_vm_get_datadisks.json)."""
    properties = part(wire, "properties")
    storage = part(properties, "storageProfile")
    disks = [part(storage, "osDisk"), *parts(storage, "dataDisks")]
    return VirtualMachine(
        id=wire["id"],
        managed_disks=all("managedDisk" in disk for disk in disks),
        disks=tuple(text(part(disk, "managedDisk"), "id") for disk in disks if "managedDisk" in disk),
        provisioning_state=text(properties, "provisioningState"),
        trusted_launch=text(part(properties, "securityProfile"), "securityType") == "TrustedLaunch",
        tags=dict(part(wire, "tags")),
    )


def disk(wire: Json) -> Disk:
    """A managed disk; more than one share makes it a shared disk."""
    properties = part(wire, "properties")
    return Disk(
        id=wire["id"],
        size_gb=int(properties.get("diskSizeGB") or 0),
        shared=int(properties.get("maxShares") or 1) > 1,
    )


def _time(wire: str) -> datetime:
    """A service time: seven fractional digits, sometimes without a zone, always UTC."""
    parsed = datetime.fromisoformat(wire)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
