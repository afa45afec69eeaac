"""What the tests of the simulator start from: a running one with a real SDK client, and scenarios of a few words."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import quote

from azure.core.credentials import AccessToken
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.mgmt.recoveryservicesbackup.aio import RecoveryServicesBackupClient
from azure.mgmt.recoveryservicesbackup.models import OperationStatus

from simulator import ManualClock, Scenario, Simulator, read_scenario

START = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)  # a Monday
SUBSCRIPTION = "7e570000-0000-4000-8000-000000000001"
GROUP = "rg-test"
VAULT = "vault-test"
VAULT_PATH = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.RecoveryServices/vaults/{VAULT}"
FABRIC = "Azure"
API_VERSION = "2025-02-01"


def a_scenario(*tables: str, vault: str = "", before: str = "") -> Scenario:
    """One vault; `tables` are its vms and policies, `vault` more keys of it, `before` keys of the top level."""
    return read_scenario(
        f"""
        title = "test"
        {before}
        [[subscriptions]]
        id = "{SUBSCRIPTION}"
        name = "Test"
        [[vaults]]
        name = "{VAULT}"
        subscription = "{SUBSCRIPTION}"
        resource_group = "{GROUP}"
        {vault}
        """
        + "\n".join(tables),
        source="test",
        name="test",
    )


def a_vm(name: str = "vm", **keys: object) -> str:
    """A [[vaults.vms]] table; keys are TOML values as Python ones."""
    lines = [f"{key} = {_toml(value)}" for key, value in {"name": name, "resource_group": "rg-vms", **keys}.items()]
    return "\n".join(["[[vaults.vms]]", *lines])


def a_policy(name: str, **keys: object) -> str:
    """A [[vaults.policies]] table, Standard and daily for 30 days unless told otherwise."""
    defaults: dict[str, object] = {"type": "Standard", "schedule": "Daily", "retention": {"daily": 30}}
    lines = [f"{key} = {_toml(value)}" for key, value in {"name": name, **defaults, **keys}.items()]
    return "\n".join(["[[vaults.policies]]", *lines])


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        members = cast(dict[str, object], value)
        return "{ " + ", ".join(f'"{key}" = {_toml(member)}' for key, member in members.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(member) for member in cast(list[object], value)) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


class AnyToken:
    """A credential of no effort: the simulator accepts any bearer token."""

    async def get_token(self, *_scopes: str, **_options: object) -> AccessToken:
        return AccessToken("test", int((datetime(2100, 1, 1, tzinfo=UTC)).timestamp()))

    async def close(self) -> None: ...

    async def __aenter__(self) -> "AnyToken":
        return self

    async def __aexit__(self, *_: object) -> None: ...


def a_client(simulator: Simulator, subscription: str = SUBSCRIPTION) -> RecoveryServicesBackupClient:
    """The SDK's client, without its retries: the tests want to see each answer."""
    return RecoveryServicesBackupClient(
        cast(Any, AnyToken()),
        subscription,
        base_url=simulator.url,
        connection_verify=str(simulator.ca_path),
        retry_total=0,
    )


@dataclass
class Azure:
    """A running simulator, the SDK's client for it, and plain requests."""

    simulator: Simulator
    clock: ManualClock
    sdk: RecoveryServicesBackupClient

    async def request(
        self, method: str, path: str, body: object = None, *, api_version: str | None = API_VERSION, query: str = ""
    ) -> AsyncHttpResponse:
        """Through the SDK's pipeline, but with the path, the query and the answer as they are."""
        version = f"api-version={api_version}" if api_version else ""
        joined = "&".join(part for part in (version, query) if part)
        request = HttpRequest(method, f"{path}?{joined}", json=body)
        return await self.sdk.send_request(request)

    async def get(self, path: str, *, api_version: str | None = API_VERSION, query: str = "") -> Any:
        """The body of a 200."""
        answer = await self.request("GET", path, api_version=api_version, query=query)
        assert answer.status_code == 200, answer.text()
        return answer.json()

    async def control(self, method: str, place: str, body: object = None) -> Any:
        """The control API; None for an answer without a body."""
        answer = await self.sdk.send_request(HttpRequest(method, f"/_simulator/{place}", json=body))
        assert answer.status_code < 300, answer.text()
        return answer.json() if answer.content else None

    def advance(self, **duration: float) -> None:
        self.clock.advance(timedelta(**duration))

    async def item(self, vm: str = "vm") -> dict[str, Any]:
        """The protected item of a VM, as it comes over the wire."""
        return await self.get(item_path(vm))

    async def policy_of(self, vm: str = "vm") -> str:
        return (await self.item(vm))["properties"]["policyName"]

    async def put_policy_of(
        self, vm: str = "vm", policy: str = "EnhancedPolicy", **properties: object
    ) -> AsyncHttpResponse:
        """The change of policy as the Azure CLI sends it (item_set_policy_put.json)."""
        body = {
            "properties": {
                "protectedItemType": "Microsoft.Compute/virtualMachines",
                "policyId": f"{VAULT_PATH}/backupPolicies/{policy}",
                "sourceResourceId": vm_path(vm),
                **properties,
            }
        }
        return await self.request("PUT", item_path(vm), body)

    async def change_policy(self, vm: str = "vm", policy: str = "EnhancedPolicy") -> str:
        """A change that is accepted: its operation id."""
        answer = await self.put_policy_of(vm, policy)
        assert answer.status_code == 202, answer.text()
        return operation_id(answer)

    async def operation(self, operation: str) -> OperationStatus:
        return await self.sdk.backup_operation_statuses.get(VAULT, GROUP, operation)

    async def jobs(self, wanted: str | None = None) -> list[dict[str, Any]]:
        """Properties of the jobs in the list, newest first."""
        return [dict(job.properties or {}) async for job in self.sdk.backup_jobs.list(VAULT, GROUP, filter=wanted)]


StartAzure = Callable[..., Awaitable[Azure]]
"""The fixture `start_azure`: start a simulator over a scenario."""


def names(vm: str, group: str = "rg-vms", *, kind: str = "iaasvmcontainerv2") -> tuple[str, str]:
    """Container and item name, as the service builds them."""
    return f"IaasVMContainer;{kind};{group.lower()};{vm.lower()}", f"VM;{kind};{group.lower()};{vm.lower()}"


def item_path(vm: str = "vm", *, kind: str = "iaasvmcontainerv2") -> str:
    container, item = names(vm, kind=kind)
    return f"{VAULT_PATH}/backupFabrics/{FABRIC}/protectionContainers/{quote(container)}/protectedItems/{quote(item)}"


def vm_path(vm: str = "vm", group: str = "rg-vms") -> str:
    return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines/{vm}"


def operation_id(answer: AsyncHttpResponse) -> str:
    return answer.headers["Azure-AsyncOperation"].partition("?")[0].rpartition("/")[2]


def error_code(answer: AsyncHttpResponse) -> str:
    return answer.json()["error"]["code"]
