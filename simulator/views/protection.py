"""Protected items and backup policies."""

from datetime import datetime, timedelta

from simulator.resources import (
    SOFT_DELETE_DAYS,
    BackupPolicy,
    HealthDetail,
    PolicyType,
    ProtectedItem,
)
from simulator.wire import NEVER_BACKED_UP, JsonObject, time_text, timespan_text

_POLICY_TYPE_SINCE = "2025-02-01"
_SOURCE_SCAN_INFO_SINCE = "2026-01-01"
_SOURCE_SIDE_SCANNING = ("2024-04-01", "2024-12-31")


def item(of: ProtectedItem, vault_id: str, api_version: str, now: datetime) -> JsonObject:
    """item_get.json, item_list_*.json; members by api-version from ps2025_item_list_* and cli2026_item_list_*."""
    properties: JsonObject = {
        "friendlyName": of.friendly_name,
        "virtualMachineId": _oddly_cased(of.vm_id) if of.odd_casing else of.vm_id,
        "protectionStatus": "Healthy" if of.healthy else "Unhealthy",
        "protectionState": of.state,
        "healthStatus": "Passed" if of.healthy else "ActionRequired",
    }
    if of.health:
        properties["healthDetails"] = [_health_detail(detail) for detail in of.health]
    properties["lastBackupStatus"] = of.last_backup_status
    properties["lastBackupTime"] = time_text(of.last_backup) if of.last_backup else NEVER_BACKED_UP
    properties["protectedItemDataId"] = of.data_id
    if of.disk_exclusion is not None:
        properties["extendedProperties"] = {"diskExclusionProperties": of.disk_exclusion}
    if _SOURCE_SIDE_SCANNING[0] <= api_version <= _SOURCE_SIDE_SCANNING[1]:
        properties["sourceSideScanning"] = 0
    if api_version >= _POLICY_TYPE_SINCE:
        properties["policyType"] = "V2" if _is_enhanced(of) else ""
    policy_id = of.policy.id if of.policy else ""
    provider = "Microsoft.ClassicCompute" if of.classic else "Microsoft.Compute"
    properties |= {
        "protectedItemType": f"{provider}/virtualMachines",
        "backupManagementType": "AzureIaasVM",
        "workloadType": "VM",
        "containerName": of.container_name,
        "sourceResourceId": of.vm_id,
        "policyId": _oddly_cased(policy_id) if of.odd_casing else policy_id,
        "policyName": of.policy.name if of.policy else "",
    }
    if of.last_recovery_point:
        properties["lastRecoveryPoint"] = time_text(of.last_recovery_point)
    properties["vaultId"] = f"https://management.azure.com{vault_id}"
    if of.soft_deleted:
        remaining = of.soft_deleted + timedelta(days=SOFT_DELETE_DAYS) - now
        properties["deferredDeleteTimeInUTC"] = time_text(of.soft_deleted)
        properties["isScheduledForDeferredDelete"] = True
        properties["deferredDeleteTimeRemaining"] = timespan_text(max(remaining, timedelta()))
    properties["isArchiveEnabled"] = False
    properties["softDeleteRetentionPeriod"] = SOFT_DELETE_DAYS if of.soft_deleted else 0
    if api_version >= _SOURCE_SCAN_INFO_SINCE:
        properties["sourceLocation"] = of.location
        properties["sourceSideScanInfo"] = {
            "sourceSideScanStatus": "NotConfigured",
            "sourceSideScanSummary": "Unknown",
        }
    return {
        "id": of.id,
        "name": of.name,
        "type": "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems",
        "properties": properties,
    }


def _is_enhanced(of: ProtectedItem) -> bool:
    terms = of.policy.terms if of.policy else None
    return terms is not None and terms.policy_type is PolicyType.ENHANCED


def _oddly_cased(resource_id: str) -> str:
    """An id as the service gives some of them out (item_list_protection_error_and_classic.json)."""
    return resource_id.replace("/subscriptions/", "/Subscriptions/").replace("/resourceGroups/", "/resourcegroups/")


def _health_detail(of: HealthDetail) -> JsonObject:
    return {
        "code": of.code,
        "title": of.title,
        "message": of.message,
        "recommendations": list(of.recommendations),
    }


def policy(of: BackupPolicy, protected_items: int) -> JsonObject:
    """policy_get_*.json. In a list the service always says 0 protected items (policy_list_mixed.json)."""
    return {
        "id": of.id,
        "name": of.name,
        "type": "Microsoft.RecoveryServices/vaults/backupPolicies",
        "properties": {**of.properties, "protectedItemsCount": protected_items},
    }
