"""Subscriptions and resource groups."""

from simulator.resources import Subscription
from simulator.wire import JsonObject


def subscription(of: Subscription) -> JsonObject:
    """GET /subscriptions; not recorded, ARM's documented shape."""
    return {
        "id": f"/subscriptions/{of.id}",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": of.id,
        "tenantId": of.tenant_id,
        "displayName": of.name,
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    }


def resource_group(within: Subscription, name: str, location: str) -> JsonObject:
    """Not recorded, ARM's documented shape."""
    return {
        "id": f"/subscriptions/{within.id}/resourceGroups/{name}",
        "name": name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": location,
        "properties": {"provisioningState": "Succeeded"},
    }
