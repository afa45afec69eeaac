"""What the service's answers look like, member by member: the table that simulator and recordings are both held to.

A path is a chain of member names; `[]` stands for every entry of a list. A shape says the type of each path and
whether it is always there. Maps with free keys (tags, propertyBag) are one path, and so is a resource's schedule.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

TEXT, INTEGER, TRUTH, LIST, MAP, NULL = "text", "integer", "truth", "list", "map", "null"


@dataclass(frozen=True)
class Member:
    """One path: its types, joined by `|`, and whether an answer may lack it."""

    types: str
    optional: bool = False


Shape = Mapping[str, Member]


def always(types: str, *paths: str) -> dict[str, Member]:
    return {path: Member(types) for path in paths}


def sometimes(types: str, *paths: str) -> dict[str, Member]:
    return {path: Member(types, optional=True) for path in paths}


def below(parent: str, shape: Shape, *, optional: bool = False) -> dict[str, Member]:
    """A shape inside another. Members of an optional parent are optional, too."""
    return {f"{parent}.{path}": Member(each.types, each.optional or optional) for path, each in shape.items()}


RESOURCE = always(TEXT, "id", "name", "type")

HEALTH_DETAIL = {**always(INTEGER, "code"), **always(TEXT, "title", "message"), **always(LIST, "recommendations")}

ITEM: Shape = {
    **RESOURCE,
    **below(
        "properties",
        {
            **always(TEXT, "friendlyName", "virtualMachineId", "protectionStatus", "protectionState", "healthStatus"),
            **always(TEXT, "lastBackupStatus", "lastBackupTime", "protectedItemDataId", "protectedItemType"),
            **always(TEXT, "backupManagementType", "workloadType", "containerName", "sourceResourceId"),
            **always(TEXT, "policyId", "policyName", "vaultId"),
            **always(TRUTH, "isArchiveEnabled"),
            **always(INTEGER, "softDeleteRetentionPeriod"),
            **sometimes(LIST, "healthDetails"),
            **below("healthDetails[]", HEALTH_DETAIL, optional=True),
            **sometimes(
                TEXT, "lastRecoveryPoint", "policyType", "deferredDeleteTimeInUTC", "deferredDeleteTimeRemaining"
            ),
            **sometimes(TRUTH, "isScheduledForDeferredDelete"),
            **sometimes(MAP, "extendedProperties"),
            **sometimes(INTEGER, "sourceSideScanning"),
            **sometimes(TEXT, "sourceLocation"),
            **sometimes(MAP, "sourceSideScanInfo"),
        },
    ),
}

RETENTION_TIER = {
    **sometimes(LIST, "retentionTimes"),
    **sometimes(LIST, "daysOfTheWeek", "monthsOfYear"),
    **sometimes(TEXT, "retentionScheduleFormatType"),
    **sometimes(MAP, "retentionScheduleWeekly", "retentionScheduleDaily"),
    **always(INTEGER, "retentionDuration.count"),
    **always(TEXT, "retentionDuration.durationType"),
}

VM_POLICY: Shape = {
    **RESOURCE,
    **below(
        "properties",
        {
            **always(TEXT, "backupManagementType", "timeZone"),
            **sometimes(TEXT, "policyType"),
            **always(MAP, "instantRPDetails"),
            **always(INTEGER, "instantRpRetentionRangeInDays", "protectedItemsCount"),
            **sometimes(MAP, "tieringPolicy"),
            **always(TEXT, "schedulePolicy.schedulePolicyType", "schedulePolicy.scheduleRunFrequency"),
            **sometimes(LIST, "schedulePolicy.scheduleRunTimes", "schedulePolicy.scheduleRunDays"),
            **sometimes(INTEGER, "schedulePolicy.scheduleWeeklyFrequency"),
            **sometimes(LIST, "schedulePolicy.dailySchedule.scheduleRunTimes"),
            **sometimes(LIST, "schedulePolicy.weeklySchedule.scheduleRunTimes"),
            **sometimes(LIST, "schedulePolicy.weeklySchedule.scheduleRunDays"),
            **sometimes(INTEGER, "schedulePolicy.hourlySchedule.interval"),
            **sometimes(INTEGER, "schedulePolicy.hourlySchedule.scheduleWindowDuration"),
            **sometimes(TEXT, "schedulePolicy.hourlySchedule.scheduleWindowStartTime"),
            **always(TEXT, "retentionPolicy.retentionPolicyType"),
            **below("retentionPolicy.dailySchedule", RETENTION_TIER, optional=True),
            **below("retentionPolicy.weeklySchedule", RETENTION_TIER, optional=True),
            **below("retentionPolicy.monthlySchedule", RETENTION_TIER, optional=True),
            **below("retentionPolicy.yearlySchedule", RETENTION_TIER, optional=True),
        },
    ),
}

WORKLOAD_POLICY: Shape = {
    **RESOURCE,
    **below(
        "properties",
        {
            **always(TEXT, "backupManagementType", "workLoadType", "settings.timeZone"),
            **always(TRUTH, "settings.issqlcompression", "settings.isCompression"),
            **always(LIST, "subProtectionPolicy"),
            **always(TEXT, "subProtectionPolicy[].policyType"),
            **always(MAP, "subProtectionPolicy[].schedulePolicy", "subProtectionPolicy[].retentionPolicy"),
            **always(INTEGER, "protectedItemsCount"),
        },
    ),
}

JOB_ERROR = {
    **always(INTEGER, "errorCode"),
    **always(TEXT, "errorTitle", "errorString"),
    **always(LIST, "recommendations"),
}

LISTED_JOB: Shape = {
    **RESOURCE,
    **below(
        "properties",
        {
            **always(TEXT, "jobType", "containerName", "duration", "virtualMachineVersion", "entityFriendlyName"),
            **always(TEXT, "backupManagementType", "operation", "status", "startTime", "activityId"),
            **sometimes(TEXT, "endTime"),
            **sometimes(LIST, "actionsInfo", "errorDetails"),
            **below("errorDetails[]", JOB_ERROR, optional=True),
        },
    ),
}

TASK = {**always(TEXT, "taskId", "duration", "status"), **sometimes(TEXT, "startTime", "endTime", "taskType")}

JOB: Shape = {
    **LISTED_JOB,
    **below(
        "properties.extendedInfo",
        {
            **always(LIST, "tasksList"),
            **below("tasksList[]", TASK, optional=True),
            **always(MAP, "propertyBag"),
            **sometimes(MAP, "internalPropertyBag"),
        },
    ),
}

OPERATION: Shape = {
    **always(TEXT, "id", "name", "status", "startTime", "endTime"),
    **sometimes(TEXT, "properties.objectType", "properties.jobId", "error.code", "error.message"),
}

VAULT: Shape = {
    **RESOURCE,
    **always(TEXT, "location", "etag"),
    **always(MAP, "sku"),
    **sometimes(MAP, "tags"),
    **below(
        "properties",
        {
            **always(TEXT, "provisioningState", "privateEndpointStateForBackup", "privateEndpointStateForSiteRecovery"),
            **always(TEXT, "secureScore", "bcdrSecurityLevel", "publicNetworkAccess"),
            **always(MAP, "restoreSettings"),
            **sometimes(MAP, "monitoringSettings", "redundancySettings"),
            **sometimes(TEXT, "backupStorageVersion", "securitySettings.multiUserAuthorization"),
            **sometimes(f"{MAP}|{NULL}", "securitySettings.immutabilitySettings"),
            **sometimes(INTEGER, "securitySettings.softDeleteSettings.softDeleteRetentionPeriodInDays"),
            **sometimes(TEXT, "securitySettings.softDeleteSettings.softDeleteState"),
            **sometimes(TEXT, "securitySettings.softDeleteSettings.enhancedSecurityState"),
        },
    ),
}

GUARD_PROXY: Shape = {
    **RESOURCE,
    **always(TEXT, "properties.resourceGuardResourceId", "properties.lastUpdatedTime"),
    **always(LIST, "properties.resourceGuardOperationDetails"),
    **always(TEXT, "properties.resourceGuardOperationDetails[].vaultCriticalOperation"),
    **always(TEXT, "properties.resourceGuardOperationDetails[].defaultResourceRequest"),
}

VAULT_CONFIG: Shape = {
    **RESOURCE,
    **always(TEXT, "properties.enhancedSecurityState", "properties.softDeleteFeatureState"),
    **always(INTEGER, "properties.softDeleteRetentionPeriodInDays"),
    **always(TRUTH, "properties.isSoftDeleteFeatureStateEditable"),
}

VM_DISK = {
    **always(TEXT, "name", "createOption", "caching", "deleteOption"),
    **sometimes(MAP, "managedDisk", "vhd"),
    **always(INTEGER, "diskSizeGB"),
}

VIRTUAL_MACHINE: Shape = {
    **RESOURCE,
    **always(TEXT, "location"),
    **always(MAP, "tags"),
    **below(
        "properties",
        {
            **always(TEXT, "provisioningState", "vmId", "timeCreated"),
            **always(MAP, "hardwareProfile", "osProfile", "networkProfile", "storageProfile.imageReference"),
            **sometimes(MAP, "securityProfile"),
            **below("storageProfile.osDisk", {**VM_DISK, **always(TEXT, "osType")}),
            **always(LIST, "storageProfile.dataDisks"),
            **below(
                "storageProfile.dataDisks[]", {**VM_DISK, **always(INTEGER, "lun"), **always(TRUTH, "toBeDetached")}
            ),
        },
    ),
}

SHORT_ERROR: Shape = always(TEXT, "error.code", "error.message")
LONG_ERROR: Shape = {**SHORT_ERROR, **always(NULL, "error.target", "error.details", "error.innerError")}
LEGACY_ERROR: Shape = {
    **always(TEXT, "ErrorCode", "Message.Language", "Message.Value"),
    **always(LIST, "Values"),
    **sometimes(TEXT, "Values[].Key", "Values[].Value"),
}


def differences(body: object, shape: Shape, *, tolerated: Mapping[str, str] | None = None) -> list[str]:
    """What a body has and the shape has not, what it lacks, what is of another type.

    Tolerated paths, and what is below them, are passed over.
    """
    passed_over = tolerated or {}
    found: list[str] = []
    seen: set[str] = set()
    for path, kind in _walk(body, "", shape):
        seen.add(path)
        if any(path == each or path.startswith((f"{each}.", f"{each}[]")) for each in passed_over):
            continue
        if path not in shape:
            found.append(f"unknown {path} ({kind})")
        elif kind not in shape[path].types.split("|"):
            found.append(f"{path} is {kind}, not {shape[path].types}")
    for path, member in shape.items():
        if not member.optional and path not in seen and path not in passed_over and not _in_empty_list(path, body):
            found.append(f"missing {path}")
    return found


def _walk(value: object, path: str, shape: Shape) -> Iterator[tuple[str, str]]:
    """Every path of a body with its type; what the shape knows as a map is not entered."""
    is_map = path in shape and MAP in shape[path].types.split("|")
    if isinstance(value, dict) and (is_map or (path and not value)):
        yield path, MAP
    elif isinstance(value, dict):
        for name, member in cast(dict[str, object], value).items():
            yield from _walk(member, f"{path}.{name}" if path else name, shape)
    elif isinstance(value, list):
        yield path, LIST
        for entry in cast(list[object], value):
            if isinstance(entry, dict):
                yield from _walk(cast(object, entry), f"{path}[]", shape)
    elif isinstance(value, bool):
        yield path, TRUTH
    elif value is None:
        yield path, NULL
    else:
        yield path, INTEGER if isinstance(value, int) else TEXT


def _in_empty_list(path: str, body: Any) -> bool:
    """Whether the path goes through a list without entries, where nothing can be missing."""
    if "[]" not in path:
        return False
    place = body
    for name in path.partition("[]")[0].split("."):
        place = place.get(name) if isinstance(place, dict) else None
    return not place
