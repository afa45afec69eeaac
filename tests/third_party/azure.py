"""What a client of another maker meets: the simulator as a program of its own, its request log, its clock.

Names of the estate are here as well. Which client, and how it is told where Azure is, is each test file's business.
"""

import asyncio
import ssl
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import aiohttp
import msgspec

from local_stack.processes import Child

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = ROOT / ".local" / "third-party"
"""Where `make third-party` installs the clients."""
ESTATE = Path(__file__).with_name("estate.toml")

SUBSCRIPTION = "7e570000-0000-4000-8000-000000000003"
GROUP, VAULT = "rg-one", "vault-one"
VAULT_PATH = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.RecoveryServices/vaults/{VAULT}"
_APPS = [f"app-{number:02}" for number in range(1, 9)]
SIXTIES = ["sixty-01", "sixty-02"]
VMS = [*_APPS, *SIXTIES, "enhanced-01", "doomed-01"]
"""The VMs of the vault, in the order of its items."""
PAGES = 3
"""How many pages the list of those items has."""

VAULTS = "Microsoft.RecoveryServices/vaults/read"
ITEMS = "Microsoft.RecoveryServices/vaults/backupProtectedItems/read"
ITEM = "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/read"
ITEM_WRITE = "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/write"
ITEM_OPERATION = (
    "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/operationsStatus/read"
)
OPERATION = "Microsoft.RecoveryServices/vaults/backupOperations/read"
POLICIES = "Microsoft.RecoveryServices/vaults/backupPolicies/read"
POLICY_WRITE = "Microsoft.RecoveryServices/vaults/backupPolicies/write"
GUARDS = "Microsoft.RecoveryServices/vaults/backupResourceGuardProxies/read"
JOBS = "Microsoft.RecoveryServices/vaults/backupJobs/read"
JOB_CANCEL = "Microsoft.RecoveryServices/vaults/backupJobs/cancel/action"

MIGRATION_HOURS = 2
"""Longer than the job of any VM here takes."""


def container(vm: str) -> str:
    return f"IaasVMContainer;iaasvmcontainerv2;rg-vms;{vm}"


def item(vm: str) -> str:
    return f"VM;iaasvmcontainerv2;rg-vms;{vm}"


def vm_id(vm: str) -> str:
    return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-vms/providers/Microsoft.Compute/virtualMachines/{vm}"


class Request(msgspec.Struct, frozen=True, rename={"number": "n"}):
    """An entry of the simulator's request log."""

    number: int
    method: str
    path: str
    action: str
    status: int

    @property
    def api_version(self) -> str:
        return parse_qs(urlsplit(self.path).query)["api-version"][0]


@dataclass
class Azure:
    """A running simulator, as its announcement describes it."""

    arm: str
    ca: Path
    identity: dict[str, str]
    """The two variables in which App Service tells a program of its managed identity."""
    _control: str
    _session: aiohttp.ClientSession
    _seen: int = 0

    async def requests(self) -> list[Request]:
        """What came since the last call, in order."""
        new = await self._log()
        self._seen = new[-1].number if new else self._seen
        return new

    async def actions(self) -> list[str]:
        """The ARM actions of `requests`."""
        return [request.action for request in await self.requests()]

    async def asked_for(self, action: str, by: asyncio.Task[Any], times: int = 1) -> None:
        """Return once so many requests of this action have come from `by` since the last call of `requests`.

        Fails the test where `by` ends first.
        """
        while True:
            ended = by.done()
            if [request.action for request in await self._log()].count(action) >= times:
                return
            assert not ended, f"{action} was not asked for: {by.result()}"
            await asyncio.sleep(0.05)

    async def advance(self, hours: float) -> None:
        """Move Azure's clock forward."""
        await self._ask("POST", "clock/advance", {"seconds": hours * 3600})

    async def item(self, vm: str) -> dict[str, Any]:
        """What Azure knows of a VM's protected item: policy, policyType V1 or V2, putsAccepted, jobs."""
        items = (await self._ask("GET", "state"))["items"]
        return next(state for id, state in items.items() if id.endswith(f"/{item(vm)}"))

    async def _log(self) -> list[Request]:
        entries = await self._ask("GET", f"requests?since={self._seen}")
        return msgspec.convert(entries["value"], list[Request])

    async def _ask(self, method: Literal["GET", "POST"], place: str, body: object = None) -> dict[str, Any]:
        async with self._session.request(method, f"{self._control}/{place}", json=body) as answer:
            answer.raise_for_status()
            return await answer.json()


@asynccontextmanager
async def running_azure(folder: Path) -> AsyncGenerator[Azure, None]:
    """The estate of estate.toml, in real time until `advance`; certificate, key and log are kept in the folder."""
    async with AsyncExitStack() as until:
        simulator = await Child.start(
            "simulator",
            [sys.executable, "-m", "simulator", "--scenario", str(ESTATE), "--tls-dir", str(folder)],
            {"PYTHONPATH": str(ROOT)},
            folder,
        )
        until.push_async_callback(simulator.stop)
        ready = await simulator.announcement()
        tls = ssl.create_default_context(cafile=ready["ca"])
        connector = aiohttp.TCPConnector(ssl=tls)
        session = await until.enter_async_context(aiohttp.ClientSession(connector=connector))
        identity = {"IDENTITY_ENDPOINT": ready["identityEndpoint"], "IDENTITY_HEADER": ready["identityHeader"]}
        yield Azure(ready["arm"], Path(ready["ca"]), identity, ready["control"], session)
