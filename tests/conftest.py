"""Fixtures of the whole suite. What is faked is the network: Azure by the simulator, storage by Azurite; never code."""

import os
import signal

os.environ["AZURE_FUNCTIONS_DURABLE_STRICT_TYPING"] = "1"  # as in production; the SDK reads it at import
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"  # everything is on this machine, whatever lies around it

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import aiohttp.connector
import pytest
from azure.core.credentials import AccessToken
from azure.core.credentials_async import AsyncTokenCredential
from hypothesis import settings

from clients import Clients
from clients.arm import ArmReader
from clients.backup import BackupClient
from clients.compute import ComputeClient
from clients.ledger import Ledger
from clients.notices import NoticeTopic
from clients.prices import PriceClient
from clients.vaults import VaultClient
from local_stack.azurite import start_azurite
from migration.events import EventTerms
from simulator import Clock, ManualClock, Scenario, Simulator

START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
SCOPE = "https://management.azure.com/.default"
PATIENCE_SECONDS = 600.0  # longer than a test may take: of waits that are over by themselves unless something hangs

# A shell starts what runs in the background deaf to Ctrl-C, and so would be every program that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Hypothesis' own profile for CI: the same examples each time, and none of them too slow on a busy machine.
settings.load_profile("ci")


class AnyToken(AsyncTokenCredential):
    """A credential that the simulator accepts; how managed identity gets one is tested by itself."""

    async def get_token(self, *scopes: str, **_: object) -> AccessToken:
        return AccessToken("any", 2**31)

    async def close(self) -> None:
        """Nothing is open."""

    async def __aexit__(self, *_: object) -> None:
        await self.close()


@pytest.fixture(scope="session")
async def azurite(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The connection string of a running storage emulator; one for all tests, which keep to their own tables."""
    folder: Path = tmp_path_factory.mktemp("azurite")
    async with AsyncExitStack() as until:
        yield await start_azurite(folder, until)


@pytest.fixture
async def ledger(azurite: str) -> AsyncIterator[Ledger]:
    """An empty ledger with tables of its own."""
    ledger = Ledger.connected(azurite, f"t{uuid.uuid4().hex}")
    try:
        await ledger.prepare()
        yield ledger
    finally:
        await ledger.close()


Simulate = Callable[[str | Scenario], Awaitable[Simulator]]


@pytest.fixture
def clock() -> Clock:
    """Azure's time, which stands still until the test moves it."""
    return ManualClock(START)


@pytest.fixture
async def simulate(clock: Clock) -> AsyncIterator[Simulate]:
    """Start a simulated Azure with a scenario, its clock in the test's hands, trusted by the app's clients."""
    async with AsyncExitStack() as until:

        async def start(scenario: str | Scenario) -> Simulator:
            simulator = await until.enter_async_context(Simulator(scenario, clock=clock))
            # aiohttp builds its default trust at import; the simulator's CA is born later.
            aiohttp.connector._SSL_CONTEXT_VERIFIED.load_verify_locations(simulator.ca_path)
            return simulator

        yield start


@pytest.fixture
def scenario() -> str | Scenario:
    """What there is in Azure: one vault of twenty ready VMs. A test that needs something else parametrizes it."""
    return "one-vault"


@pytest.fixture
async def simulator(simulate: Simulate, scenario: str | Scenario) -> Simulator:
    """Azure with the test's scenario, on the test's clock."""
    return await simulate(scenario)


@pytest.fixture
async def backup(simulator: Simulator) -> AsyncIterator[BackupClient]:
    """The app's Azure Backup client, facing the simulator."""
    client = BackupClient(simulator.url, SCOPE, AnyToken())
    yield client
    await client.close()


@pytest.fixture
def notices() -> NoticeTopic:
    """No topic; tests that listen bring their own."""
    return NoticeTopic("", AnyToken())


@pytest.fixture
async def clients(
    simulator: Simulator, ledger: Ledger, backup: BackupClient, notices: NoticeTopic
) -> AsyncIterator[Clients]:
    """All of the app's clients, facing the simulator and the emulator; the app's clock is the simulator's."""
    reader = ArmReader(simulator.url, SCOPE, AnyToken())
    prices = PriceClient("", simulator.clock.now)
    clock = simulator.clock.now
    yield Clients(
        backup=backup,
        vaults=VaultClient(reader),
        compute=ComputeClient(reader, clock),
        prices=prices,
        ledger=ledger,
        notices=notices,
        clock=clock,
        job_reads_per_hour=150,
        public_url="",
        event_terms=EventTerms(),
    )
    await prices.close()
    await reader.close()
