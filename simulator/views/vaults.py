"""Vaults, their settings and their Resource Guard."""

from datetime import datetime

from simulator.resources import (
    SOFT_DELETE_DAYS,
    Vault,
)
from simulator.wire import JsonObject, time_text

_CRITICAL_OPERATIONS = {
    "backupFabrics/protectionContainers/protectedItems/delete": "deleteProtectedItemRequests",
    "backupFabrics/protectionContainers/protectedItems/write": "updateProtectedItemRequests",
    "backupPolicies/write": "updateProtectionPolicyRequests",
    "backupResourceGuardProxies/delete": "deleteResourceGuardProxyRequests",
    "backupSecurityPIN/action": "getBackupSecurityPINRequests",
    "backupconfig/write": "disableSoftDeleteRequests",
    "backupFabrics/protectionContainers/protectedItems/write#stopProtectionWithRetainData": (
        "stopProtectionWithRetainDataRequests"
    ),
    "write#reduceImmutabilityState": "reduceImmutabilityStateRequests",
}


def vault(of: Vault) -> JsonObject:
    """vault_get.json, ps2025_vault_get.json."""
    etag = time_text(of.created).replace(":", "%3A")
    optional: JsonObject = {"tags": of.tags} if of.tags else {}
    return {
        "location": of.location,
        "name": of.name,
        "etag": f"W/\"datetime'{etag}'\"",
        **optional,
        "properties": {
            "provisioningState": "Succeeded",
            "privateEndpointStateForBackup": "None",
            "privateEndpointStateForSiteRecovery": "None",
            "monitoringSettings": {
                "azureMonitorAlertSettings": {
                    "alertsForAllJobFailures": "Enabled",
                    "alertsForAllReplicationIssues": "Enabled",
                    "alertsForAllFailoverIssues": "Enabled",
                },
                "classicAlertSettings": {
                    "alertsForCriticalOperations": "Enabled",
                    "emailNotificationsForSiteRecovery": "Enabled",
                },
            },
            "backupStorageVersion": "V1",
            "securitySettings": {
                "immutabilitySettings": {"state": "Locked" if of.immutable else "Disabled"},
                "softDeleteSettings": {
                    "softDeleteRetentionPeriodInDays": SOFT_DELETE_DAYS,
                    "softDeleteState": "Enabled",
                    "enhancedSecurityState": "Enabled",
                },
                "multiUserAuthorization": "Enabled" if of.resource_guard else "Disabled",
            },
            "redundancySettings": {
                "standardTierStorageRedundancy": "GeoRedundant",
                "crossRegionRestore": "Disabled",
            },
            "secureScore": "None",
            "bcdrSecurityLevel": "Poor",
            "publicNetworkAccess": "Enabled",
            "restoreSettings": {"crossSubscriptionRestoreSettings": {"crossSubscriptionRestoreState": "Enabled"}},
        },
        "id": of.id,
        "type": "Microsoft.RecoveryServices/vaults",
        "sku": {"name": "Standard"},
    }


def vault_config(of: Vault) -> JsonObject:
    """vault_backupconfig_get.json."""
    return {
        "id": f"{of.id}/backupconfig/vaultconfig",
        "name": "vaultconfig",
        "type": "Microsoft.RecoveryServices/vaults/backupconfig",
        "properties": {
            "enhancedSecurityState": "Enabled",
            "softDeleteFeatureState": "Enabled",
            "softDeleteRetentionPeriodInDays": SOFT_DELETE_DAYS,
            "isSoftDeleteFeatureStateEditable": True,
        },
    }


def vault_storage_config(of: Vault) -> JsonObject:
    """Not recorded; the swagger's BackupResourceConfig."""
    return {
        "id": f"{of.id}/backupstorageconfig/vaultstorageconfig",
        "name": "vaultstorageconfig",
        "type": "Microsoft.RecoveryServices/vaults/backupstorageconfig",
        "properties": {
            "storageModelType": "GeoRedundant",
            "storageType": "GeoRedundant",
            "storageTypeState": "Locked" if of.items else "Unlocked",
            "crossRegionRestoreFlag": False,
        },
    }


def usage(of: Vault) -> JsonObject:
    """Not recorded; the swagger's BackupManagementUsage. A vault takes 1,000 VMs by the documentation."""
    return {
        "unit": "Count",
        "currentValue": len(of.items),
        "limit": 1000,
        "name": {"value": "AzureIaasVM", "localizedValue": "Azure Virtual Machine"},
    }


def guard_proxy(vault_id: str, guard: str, updated: datetime) -> JsonObject:
    """resource_guard_proxies_list.json."""
    return {
        "id": f"{vault_id}/backupResourceGuardProxies/VaultProxy",
        "name": "VaultProxy",
        "type": "Microsoft.RecoveryServices/vaults/backupResourceGuardProxies",
        "properties": {
            "resourceGuardResourceId": guard,
            "resourceGuardOperationDetails": [
                {
                    "vaultCriticalOperation": f"Microsoft.RecoveryServices/vaults/{operation_name}",
                    "defaultResourceRequest": f"{guard}/{requests}/default",
                }
                for operation_name, requests in _CRITICAL_OPERATIONS.items()
            ],
            "lastUpdatedTime": time_text(updated),
        },
    }
