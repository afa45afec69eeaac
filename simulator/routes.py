"""The one table of what the simulator answers: method, path, handler, and ARM's name for the action.

Paths match without case and with or without a trailing slash. The action is what a role assignment would have to allow,
what a throttle counts by, and what the request log says.
"""

from dataclasses import dataclass, field
from urllib.parse import unquote

from simulator.answers import arm, compute, items, jobs, policies, settings, vaults
from simulator.calls import Handler

_SUBSCRIPTION = "/subscriptions/{subscription}"
_GROUP = f"{_SUBSCRIPTION}/resourceGroups/{{group}}"
_VAULTS = "/providers/Microsoft.RecoveryServices/vaults"
_VAULT = f"{_GROUP}{_VAULTS}/{{vault}}"
_ITEM = f"{_VAULT}/backupFabrics/{{fabric}}/protectionContainers/{{container}}/protectedItems/{{item}}"
_COMPUTE = "/providers/Microsoft.Compute"

_GROUPS = "Microsoft.Resources/subscriptions/resourceGroups"
_RSV = "Microsoft.RecoveryServices/vaults"
_ITEMS = f"{_RSV}/backupFabrics/protectionContainers/protectedItems"
_VMS = "Microsoft.Compute/virtualMachines"
_DISKS = "Microsoft.Compute/disks"


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str
    handler: Handler
    action: str
    anonymous: bool = False
    """Answered without a token."""


ROUTES = (
    Route("GET", "/metadata/endpoints", arm.cloud_metadata, "Microsoft.Resources/metadata/read", anonymous=True),
    Route("GET", "/tenants", arm.list_tenants, "Microsoft.Resources/tenants/read"),
    Route("GET", "/subscriptions", arm.list_subscriptions, "Microsoft.Resources/subscriptions/read"),
    Route("GET", _SUBSCRIPTION, arm.get_subscription, "Microsoft.Resources/subscriptions/read"),
    Route("GET", f"{_SUBSCRIPTION}/resourceGroups", arm.list_groups, f"{_GROUPS}/read"),
    Route("GET", _GROUP, arm.get_group, f"{_GROUPS}/read"),
    Route("GET", f"{_SUBSCRIPTION}{_VAULTS}", vaults.list_vaults, f"{_RSV}/read"),
    Route("GET", f"{_GROUP}{_VAULTS}", vaults.list_vaults, f"{_RSV}/read"),
    Route("GET", _VAULT, vaults.get_vault, f"{_RSV}/read"),
    Route(
        "GET",
        f"{_VAULT}/backupResourceGuardProxies",
        vaults.list_guard_proxies,
        f"{_RSV}/backupResourceGuardProxies/read",
    ),
    Route("GET", f"{_VAULT}/backupconfig/vaultconfig", settings.get_config, f"{_RSV}/backupconfig/read"),
    Route(
        "GET",
        f"{_VAULT}/backupstorageconfig/vaultstorageconfig",
        settings.get_storage_config,
        f"{_RSV}/backupstorageconfig/read",
    ),
    Route("GET", f"{_VAULT}/backupUsageSummaries", settings.list_usage, f"{_RSV}/backupUsageSummaries/read"),
    Route("GET", f"{_VAULT}/backupProtectedItems", items.list_items, f"{_RSV}/backupProtectedItems/read"),
    Route("GET", _ITEM, items.get_item, f"{_ITEMS}/read"),
    Route("PUT", _ITEM, items.put_item, f"{_ITEMS}/write"),
    Route("POST", f"{_ITEM}/backup", items.backup_now, f"{_ITEMS}/backup/action"),
    Route(
        "GET",
        f"{_ITEM}/operationsStatus/{{operation}}",
        items.item_operation_status,
        f"{_ITEMS}/operationsStatus/read",
    ),
    Route(
        "GET",
        f"{_ITEM}/operationResults/{{operation}}",
        items.item_operation_result,
        f"{_ITEMS}/operationResults/read",
    ),
    Route(
        "GET",
        f"{_VAULT}/backupOperations/{{operation}}",
        items.operation_status,
        f"{_RSV}/backupOperations/read",
    ),
    Route(
        "GET",
        f"{_VAULT}/backupOperationResults/{{operation}}",
        items.operation_result,
        f"{_RSV}/backupOperationResults/read",
    ),
    Route("GET", f"{_VAULT}/backupPolicies", policies.list_policies, f"{_RSV}/backupPolicies/read"),
    Route("GET", f"{_VAULT}/backupPolicies/{{policy}}", policies.get_policy, f"{_RSV}/backupPolicies/read"),
    Route("PUT", f"{_VAULT}/backupPolicies/{{policy}}", policies.put_policy, f"{_RSV}/backupPolicies/write"),
    Route("DELETE", f"{_VAULT}/backupPolicies/{{policy}}", policies.delete_policy, f"{_RSV}/backupPolicies/delete"),
    Route(
        "GET",
        f"{_VAULT}/backupPolicies/{{policy}}/operations/{{operation}}",
        items.operation_status,
        f"{_RSV}/backupPolicies/operations/read",
    ),
    Route(
        "GET",
        f"{_VAULT}/backupPolicies/{{policy}}/operationResults/{{operation}}",
        policies.put_result,
        f"{_RSV}/backupPolicies/operationResults/read",
    ),
    Route("GET", f"{_VAULT}/backupJobs", jobs.list_jobs, f"{_RSV}/backupJobs/read"),
    Route("GET", f"{_VAULT}/backupJobs/{{job}}", jobs.get_job, f"{_RSV}/backupJobs/read"),
    Route("POST", f"{_VAULT}/backupJobs/{{job}}/cancel", jobs.cancel, f"{_RSV}/backupJobs/cancel/action"),
    Route(
        "GET",
        f"{_VAULT}/backupJobs/{{job}}/operationsStatus/{{operation}}",
        items.operation_status,
        f"{_RSV}/backupJobs/operationsStatus/read",
    ),
    Route(
        "GET",
        f"{_VAULT}/backupJobs/{{job}}/operationResults/{{operation}}",
        jobs.cancel_result,
        f"{_RSV}/backupJobs/operationResults/read",
    ),
    Route("GET", f"{_SUBSCRIPTION}{_COMPUTE}/virtualMachines", compute.list_vms, f"{_VMS}/read"),
    Route("GET", f"{_GROUP}{_COMPUTE}/virtualMachines", compute.list_vms, f"{_VMS}/read"),
    Route("GET", f"{_GROUP}{_COMPUTE}/virtualMachines/{{vm}}", compute.get_vm, f"{_VMS}/read"),
    Route("GET", f"{_SUBSCRIPTION}{_COMPUTE}/disks", compute.list_disks, f"{_DISKS}/read"),
    Route("GET", f"{_GROUP}{_COMPUTE}/disks", compute.list_disks, f"{_DISKS}/read"),
    Route("GET", f"{_GROUP}{_COMPUTE}/disks/{{disk}}", compute.get_disk, f"{_DISKS}/read"),
)


@dataclass(slots=True)
class _Node:
    """One path segment in the tree of routes."""

    literal: dict[str, "_Node"] = field(default_factory=dict[str, "_Node"])
    parameter: "tuple[str, _Node] | None" = None
    by_method: dict[str, Route] = field(default_factory=dict[str, Route])


def _grow(routes: tuple[Route, ...]) -> _Node:
    root = _Node()
    for route in routes:
        node = root
        for segment in route.path.strip("/").split("/"):
            if segment.startswith("{"):
                if node.parameter is None:
                    node.parameter = (segment[1:-1], _Node())
                node = node.parameter[1]
            else:
                node = node.literal.setdefault(segment.lower(), _Node())
        node.by_method[route.method] = route
    return root


_ROOT = _grow(ROUTES)


def match(method: str, raw_path: str) -> tuple[Route, dict[str, str]] | None:
    """The route for a path as it came over the wire, and its decoded parameters; None if there is none."""
    node = _ROOT
    parameters: dict[str, str] = {}
    for segment in raw_path.strip("/").split("/"):
        text = unquote(segment)
        following = node.literal.get(text.lower())
        if following is None:
            if node.parameter is None:
                return None
            name, following = node.parameter
            parameters[name] = text
        node = following
    route = node.by_method.get(method)
    return (route, parameters) if route else None
