"""Where a round is played: the whole app in this process, or in a worker process that may be killed.

Both stages have a real Azurite and, in this process, the simulated Azure and the task hub on one clock, which jumps to
the next durable timer while nothing runs. So the truth is at hand, and no gate or claim ages while a worker starts.
"""

import asyncio
import os
import random
import signal
import sys
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import aiohttp
import aiohttp.connector
import azure.durable_functions as df
from durabletask.internal.orchestrator_service_pb2_grpc import TaskHubSidecarServiceStub

from clients import Clients
from clients.arm import ArmReader
from clients.backup import BackupClient
from clients.compute import ComputeClient
from clients.ledger import Ledger
from clients.notices import NoticeTopic
from clients.prices import PriceClient
from clients.vaults import VaultClient
from local_host.actions import DurableNames
from local_host.backend.hub import TaskHub
from local_host.backend.in_process import InProcessChannel
from local_host.backend.server import serve
from local_host.clock import SystemClock
from local_host.host import LocalHost
from local_host.instances import Instances
from local_stack import azurite
from local_stack.processes import Child, free_port
from local_stack.stack import ROOT
from migration.events import EventTerms
from tests.conftest import SCOPE, START, AnyToken
from tests.faults.azure import WatchedSimulator, an_estate
from tests.whole.conftest import OneClock, function_app

A_YEAR = timedelta(days=365)
KILLED = -signal.SIGKILL
Json = dict[str, Any]


ENDS_WITH_PARENT = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); os.execvp(sys.argv[1], sys.argv[1:])"


async def start_child(name: str, command: list[str], environment: Mapping[str, str], folder: Path) -> Child:
    """Like Child.start, but without code of ours between fork and exec, where gRPC's threads would crash it.

    On Linux the child ends with this process all the same: it asks for that itself, then becomes the program.
    """
    before = [sys.executable, "-ISc", ENDS_WITH_PARENT] if sys.platform == "linux" else []
    log = folder / f"{name}.log"
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *before,
            *command,
            env={**os.environ, **environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )
    return Child(name, process, log)


class Storage:
    """An Azurite that keeps its tables in a folder, and may be stopped and started again on the same port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._child: Child | None = None
        self.connection_string = (
            f"DefaultEndpointsProtocol=http;AccountName={azurite._ACCOUNT};AccountKey={azurite._KEY};"
            f"TableEndpoint=http://127.0.0.1:{self._port}/{azurite._ACCOUNT};"
        )

    async def start(self) -> None:
        """Start it, and wait until it listens."""
        program = [azurite._node(), str(azurite._BIN / "azurite-table"), "--tablePort", str(self._port)]
        options = ["--location", str(self._folder), "--silent", "--disableTelemetry", "--skipApiVersionCheck"]
        self._child = await start_child("azurite", [*program, *options], {}, self._folder)
        await self._child.listening(self._port)

    async def stop(self) -> None:
        """Stop it in good order, which is SIGINT: what it acknowledged is on the disk, as the real service has it."""
        if self._child and self._child.process.returncode is None:
            self._child.process.send_signal(signal.SIGINT)
            await self._child.process.communicate()


class Stage(ABC):
    """The running app with its Azure and its ledger."""

    simulator: WatchedSimulator
    clock: OneClock
    ledger: Ledger
    instances: Instances
    problems: list[str]
    """What went wrong on the stage itself."""

    @abstractmethod
    async def post(self, path: str, body: Json) -> tuple[int, Json]:
        """The answer of the app. Raises aiohttp.ClientError where it died meanwhile."""

    @abstractmethod
    async def ready(self) -> None:
        """Return when the app can be asked."""

    async def ended(self, migration_id: str, seconds: float) -> bool:
        """Whether a migration's orchestration ends within that time."""
        try:
            return await self.instances.wait(migration_id, seconds) is not None
        except TimeoutError:
            return False


class InProcess(Stage):
    """The app in this process; its own idea of the time may be wrong by `skew`."""

    def __init__(self, host: LocalHost, http: aiohttp.ClientSession, clock: OneClock) -> None:
        self._http, self.clock = http, clock
        self.instances = host._instances
        self.problems = []
        self.skew = timedelta()

    async def post(self, path: str, body: Json) -> tuple[int, Json]:
        async with self._http.post(path, json=body) as response:
            return response.status, await response.json(content_type=None)

    async def ready(self) -> None:
        """It always can."""


@asynccontextmanager
async def in_process(
    storage: str, size: tuple[int, int], dice: random.Random, twice: bool
) -> AsyncGenerator[InProcess]:
    """The app over that storage and an Azure of `size` (vaults, VMs each); `twice`: each activity runs twice."""
    clock = OneClock(START)
    async with AsyncExitStack() as until:
        simulator = await until.enter_async_context(
            WatchedSimulator(an_estate(*size, dice), clock=cast(Any, clock), seed=dice.randrange(2**32))
        )
        # aiohttp builds its default trust at import; the simulator's CA is born later.
        aiohttp.connector._SSL_CONTEXT_VERIFIED.load_verify_locations(simulator.ca_path)
        ledger = Ledger.connected(storage, _table_prefix())
        arm = simulator.url, SCOPE, AnyToken()
        reader = ArmReader(*arm)
        until.push_async_callback(reader.close)

        def app_time():
            return clock.now() + stage.skew

        clients = Clients(
            backup=BackupClient(*arm),
            vaults=VaultClient(reader),
            compute=ComputeClient(reader, app_time),
            prices=PriceClient("", app_time),
            ledger=ledger,
            clock=app_time,
            notices=NoticeTopic("", AnyToken()),
            public_url="",
            event_terms=EventTerms(),
            job_reads_per_hour=150,
        )
        until.push_async_callback(clients.close)
        app = df.DFApp()
        function_app.register(app, clients, function_app.settings)
        host = await until.enter_async_context(LocalHost(app, clock=clock, deliver_activities_twice=twice))
        http = await until.enter_async_context(aiohttp.ClientSession(host.url))
        stage = InProcess(host, http, clock)
        stage.simulator, stage.ledger = simulator, ledger
        yield stage


class Processes(Stage):
    """The app in a worker process that may be killed at any time, and that tells the real time."""

    def __init__(self, folder: Path, environment: dict[str, str], backend: str, clock: OneClock) -> None:
        self._folder, self._environment, self._backend, self.clock = folder, environment, backend, clock
        self.problems = []
        self.worker: Child | None = None
        self._url = ""
        self._listening = asyncio.Event()

    async def post(self, path: str, body: Json) -> tuple[int, Json]:
        async with aiohttp.ClientSession(self._url) as http, http.post(path, json=body) as response:
            return response.status, await response.json(content_type=None)

    async def ready(self) -> None:
        """Return when a worker listens."""
        await self._listening.wait()

    @property
    def listening(self) -> bool:
        """Whether a worker is at work."""
        return self._listening.is_set()

    def kill(self) -> None:
        """Kill the worker, if one is at work."""
        if self.worker and self.listening:
            self._listening.clear()
            self.worker.process.kill()

    async def keep_a_worker(self) -> None:
        """Start a worker, and another whenever it was killed."""
        command = [sys.executable, "-m", "local_host", "--app", str(ROOT), "--backend", self._backend]
        while True:
            self.worker = await start_child("worker", command, self._environment, self._folder)
            self._url = str((await self.worker.announcement())["url"])
            self._listening.set()
            await self.worker.process.communicate()
            self._listening.clear()
            if self.worker.process.returncode != KILLED:
                said = self.worker.log.read_text()[-3000:]
                self.problems.append(f"the worker ended by itself, {self.worker.process.returncode}: {said}")


@asynccontextmanager
async def processes(
    storage: str, size: tuple[int, int], dice: random.Random, folder: Path
) -> AsyncGenerator[Processes]:
    """The app's worker over that storage and an Azure of `size` (vaults, VMs each); logs go to the folder."""
    # Behind the real time: where Azure asked to stay away until some moment, the worker finds that it has passed.
    clock = OneClock(SystemClock().now() - A_YEAR)
    async with AsyncExitStack() as until:
        simulator = await until.enter_async_context(
            WatchedSimulator(an_estate(*size, dice), clock=cast(Any, clock), seed=dice.randrange(2**32))
        )
        hub = TaskHub(clock)
        until.push_async_callback(asyncio.to_thread, hub.stop)
        server, address = serve(hub, 0)
        until.callback(server.stop, None)
        prefix = _table_prefix()
        environment = {
            "LEDGER_STORAGE": storage,
            "LEDGER_TABLE_PREFIX": prefix,
            "ARM_BASE_URL": simulator.url,
            "IDENTITY_ENDPOINT": simulator.identity_endpoint,
            "IDENTITY_HEADER": simulator.identity_header,
            "SSL_CERT_FILE": str(simulator.ca_path),
            "RETAIL_PRICES_URL": "",
            "AZURE_FUNCTIONS_DURABLE_STRICT_TYPING": "1",
            "PYTHONFAULTHANDLER": "1",
        }
        stage = Processes(folder, environment, address, clock)
        stage.simulator = simulator
        stage.instances = Instances(TaskHubSidecarServiceStub(InProcessChannel(hub)), DurableNames((), ()))
        stage.ledger = Ledger.connected(storage, prefix)
        until.push_async_callback(stage.ledger.close)
        keeper = asyncio.create_task(stage.keep_a_worker())
        until.push_async_callback(_end, keeper, stage)
        yield stage


async def _end(keeper: asyncio.Task[None], stage: Processes) -> None:
    keeper.cancel()
    with suppress(asyncio.CancelledError):
        await keeper
    if stage.worker:
        await stage.worker.stop()


def _table_prefix() -> str:
    return f"t{uuid.uuid4().hex}"
