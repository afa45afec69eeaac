"""What a migration is measured on: a fleet in a simulated Azure, the app, and Table Storage; hours in no time.

    worker      the app in the local host, with a clock that skips every wait (module `worker`)
    simulator   Azure, on the worker's time; counts the requests to Azure Resource Manager
    azurite     Table Storage; its access log has a line for each request that the ledger sends

Each is a process of its own, so that CPU and memory of the worker are the app's and the local host's alone (as Linux
tells them). What is skipped are waits and nothing else: limits, poll intervals and the budget of job reads are those of
production, so that counts and simulated hours are those of a migration with jobs of that length. Only the timer
functions do not run, and nobody asks for the status meanwhile.
"""

import asyncio
import re
import ssl
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.measures import cpu_seconds, peak_mb
from local_stack.azurite import start_azurite
from local_stack.processes import Child, StackError

Json = dict[str, Any]

JOB_READS = "Microsoft.RecoveryServices/vaults/backupJobs/read"
PAGE_SIZE = 200  # of any list; Azure documents none for items, and the app reckons with the same (clients.backup)
USUAL_JOB_MINUTES = 56  # what the simulator takes for a disk of 128 GiB, give or take a tenth
LOOK_SECONDS = 0.5  # between two looks at whether a migration has ended
_END = {"migrate": "Migrated", "plan": "Planned"}
_SUBSCRIPTION = "f1ee7000-0000-4000-8000-000000000001"
_ONE = re.compile(r"/(protectedItems|virtualMachines|disks)/[^/]", re.IGNORECASE)
_STORAGE_REQUEST = re.compile(r'"(?P<method>\w+) /\w+/(?:backupmigration)?(?P<what>[\w$]+)')


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Vaults of one subscription with so many VMs each, all of them ready to migrate.

    A job takes `job_minutes`, by default about USUAL_JOB_MINUTES. `job_reads_per_hour` is Azure's budget for the
    subscription, the recorded one by default. `latency_ms` is added to each answer of Azure, in real time.
    """

    vaults: int
    vms_per_vault: int
    job_minutes: float | None = None
    job_reads_per_hour: int = 150
    latency_ms: float = 0

    @property
    def vms(self) -> int:
        return self.vaults * self.vms_per_vault

    @property
    def scenario(self) -> str:
        """The fleet as a scenario file of the simulator."""
        job = "" if self.job_minutes is None else f"migration = {{ minutes = {self.job_minutes} }}\n"
        vaults = "".join(
            f'[[vaults]]\nname = "vault-{n:03}"\nsubscription = "{_SUBSCRIPTION}"\nresource_group = "rg-{n:03}"\n'
            f'[[vaults.vms]]\nname = "vm-{n:03}-{{n:04}}"\ncount = {self.vms_per_vault}\nresource_group = "rg-{n:03}"\n'
            f"{job}"
            for n in range(1, self.vaults + 1)
        )
        return (
            f'title = "{self.vaults} vaults of {self.vms_per_vault} VMs"\n'
            f"[service]\npage_size = {PAGE_SIZE}\n"
            f'[limits.requests_per_hour]\n"{JOB_READS}" = {self.job_reads_per_hour}\n'
            f'[[subscriptions]]\nid = "{_SUBSCRIPTION}"\nname = "Fleet"\n{vaults}'
        )


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What something cost Azure's side: requests by ARM action, and Azure's own time.

    `throttled` and `about_one` are how many of them were answered with 429, and named a single VM, disk or item.
    """

    calls: Mapping[str, int]
    throttled: int
    about_one: int
    hours: float

    def per_hour(self, action: str) -> float:
        """How many requests of an action an hour of Azure's time had."""
        return self.calls.get(action, 0) / self.hours


def short(action: str) -> str:
    """An ARM action as a table shows it: `protectedItems/write`."""
    return "/".join(action.split("/")[-2:])


def names_one(path: str) -> bool:
    """Whether a request's path, whatever its query, names a single VM, disk or protected item, or something of it."""
    return _ONE.search(path.partition("?")[0]) is not None


class Azure:
    """A simulated Azure that runs, seen through its control API."""

    def __init__(self, ready: Json, session: aiohttp.ClientSession) -> None:
        """`ready` is the line that the simulator printed."""
        self.arm: str = ready["arm"]
        self.ca: str = ready["ca"]
        self.control: str = ready["control"]
        self.identity = {"IDENTITY_ENDPOINT": ready["identityEndpoint"], "IDENTITY_HEADER": ready["identityHeader"]}
        self._session = session
        self._tls = ssl.create_default_context(cafile=self.ca)

    async def vaults(self) -> list[str]:
        """The resource ids of its vaults."""
        return (await self._get("scenario"))["vaults"]

    async def now(self) -> datetime:
        """Its time."""
        return datetime.fromisoformat((await self._get("scenario"))["time"])

    async def vms_on(self, policy_type: str) -> int:
        """How many VMs have a policy of this type: "" is Standard, "V2" Enhanced."""
        items = (await self._get("state"))["items"].values()
        return sum(item["policyType"] == policy_type for item in items)

    async def spent(self, since: datetime) -> Spent:
        """What it was asked for up to now. Only the calls by action are counted among more than 100,000 requests."""
        requests = (await self._get("requests?since=0"))["value"]
        return Spent(
            calls=await self._get("requests/summary"),
            throttled=sum(request["status"] == 429 for request in requests),
            about_one=sum(names_one(request["path"]) for request in requests),
            hours=(await self.now() - since).total_seconds() / 3600,
        )

    async def _get(self, place: str) -> Json:
        async with self._session.get(f"{self.control}/{place}", ssl=self._tls) as response:
            response.raise_for_status()
            return await response.json()


async def start_azure(fleet: Fleet, until: AsyncExitStack) -> Azure:
    """A simulated Azure with that fleet, until the exit stack is closed. Raises StackError."""
    folder = Path(until.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
    scenario = folder / "fleet.toml"
    scenario.write_text(fleet.scenario)
    command = ["simulator", "--scenario", str(scenario), "--latency-ms", str(fleet.latency_ms)]
    simulator = await _start(command, {}, folder, until)
    ready = await simulator.announcement()
    return Azure(ready, await until.enter_async_context(aiohttp.ClientSession()))


@dataclass(frozen=True, kw_only=True)
class Migrated:
    """A migration that has ended, and what it cost.

    `wall_seconds` are those of this machine, without the waits; `cpu_seconds` and `peak_mb` the worker's;
    `storage` counts the ledger's requests to Table Storage by method and table (`POST $batch` is a transaction);
    `executions` and `longest_histories` (in events) are the local host's counts by function, `activities` those of the
    executions that were of activities.
    """

    document: Json
    azure: Spent
    wall_seconds: float
    cpu_seconds: float
    peak_mb: float
    storage: Mapping[str, int]
    executions: Mapping[str, int]
    activities: Mapping[str, int]
    longest_histories: Mapping[str, int]

    @property
    def turns(self) -> int:
        """How many of the executions were of orchestrations."""
        return sum(self.executions[name] for name in self.longest_histories)


class App:
    """The app that runs against a simulated Azure."""

    def __init__(self, azure: Azure, worker: Child, url: str, storage: Counter[str]) -> None:
        self._azure, self._worker, self._storage = azure, worker, storage
        self._url = url
        self._session = aiohttp.ClientSession(url)

    async def close(self) -> None:
        await self._session.close()

    async def migrate(self, **request: Any) -> Migrated:
        """Ask for a migration of all vaults, without approval, and wait until it has ended.

        `request` is what the request says besides, or otherwise. Raises StackError where the app is gone, RuntimeError
        where it refuses.
        """
        body = {
            "mode": "migrate",
            "vaults": await self._azure.vaults(),
            "target": {"policyName": "EnhancedPolicy"},
            "acknowledgeIrreversible": True,
            "approval": "none",
            **request,
        }
        pid = self._worker.process.pid
        since, began, cpu_before = await self._azure.now(), time.perf_counter(), cpu_seconds(pid)
        accepted = await self._ask("POST", "/api/migrations", body)
        instance = f"/runtime/webhooks/durabletask/instances/{accepted['id']}"
        while (await self._ask("GET", instance))["runtimeStatus"] in ("Pending", "Running"):
            await asyncio.sleep(LOOK_SECONDS)
        wall, cpu, peak = time.perf_counter() - began, cpu_seconds(pid) - cpu_before, peak_mb(pid)
        storage = dict(self._storage.most_common())
        ran = await self._ask("GET", "/admin/host/executions")
        functions: list[Json] = await self._ask("GET", "/admin/functions")
        activities = {one["name"] for one in functions if one["config"]["bindings"][0]["type"] == "activityTrigger"}
        return Migrated(
            azure=await self._azure.spent(since),
            document=await self._ask("GET", f"/api/migrations/{accepted['id']}?wait=false"),
            wall_seconds=wall,
            cpu_seconds=cpu,
            peak_mb=peak,
            storage=storage,
            executions=ran["executions"],
            activities={name: count for name, count in ran["executions"].items() if name in activities},
            longest_histories=ran["longestHistories"],
        )

    async def _ask(self, method: str, path: str, body: Json | None = None) -> Any:
        try:
            async with self._session.request(method, path, json=body) as response:
                document = await response.json(content_type=None)
        except aiohttp.ClientError as error:
            raise StackError(f"the app does not answer ({error}); see {self._worker.log}") from error
        if response.status >= 400:
            raise RuntimeError(f"{method} {path} answered {response.status}: {document}")
        return document


async def start_app(azure: Azure, until: AsyncExitStack) -> App:
    """The app, with an empty ledger, until the exit stack is closed. Raises StackError."""
    folder = Path(until.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
    storage: Counter[str] = Counter()

    def count(line: str) -> None:
        if request := _STORAGE_REQUEST.search(line):
            storage[f"{request['method']} {request['what']}"] += 1

    environment = {
        "LEDGER_STORAGE": await start_azurite(folder, until, on_request=count),
        "ARM_BASE_URL": azure.arm,
        **azure.identity,
        "SSL_CERT_FILE": azure.ca,
        "RETAIL_PRICES_URL": "",
        "AZURE_FUNCTIONS_DURABLE_STRICT_TYPING": "1",
    }
    worker = await _start(["benchmarks.worker", azure.control, azure.ca], environment, folder, until)
    app = App(azure, worker, (await worker.announcement())["url"], storage)
    until.push_async_callback(app.close)
    return app


async def migrate(fleet: Fleet, mode: str = "migrate", **request: Any) -> Migrated:
    """Migrate or plan a fleet on a stage of its own, gone afterwards. Raises RuntimeError where a VM is left behind."""
    async with AsyncExitStack() as until:
        azure = await start_azure(fleet, until)
        app = await start_app(azure, until)
        migrated = await app.migrate(mode=mode, **request)
        if migrated.document["items"] != {_END[mode]: fleet.vms}:
            raise RuntimeError(f"{migrated.document['state']}: {migrated.document['items']}")
        return migrated


async def _start(arguments: list[str], environment: dict[str, str], folder: Path, until: AsyncExitStack) -> Child:
    module = arguments[0]
    child = await Child.start(module, [sys.executable, "-m", *arguments], environment, folder)
    until.push_async_callback(child.stop)
    return child
