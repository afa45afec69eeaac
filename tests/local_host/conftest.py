"""The host most tests of the local host share: the scenario app under a clock that skips waits."""

import os

# Read by azure.functions when it encodes payloads; without it the SDK warns, and here warnings are errors.
os.environ["AZURE_FUNCTIONS_DURABLE_STRICT_TYPING"] = "1"

from collections.abc import AsyncIterator

import aiohttp
import azure.durable_functions as df
import pytest
from host_scenarios import Scenarios

from local_host.clock import SkippingClock
from local_host.host import LocalHost


@pytest.fixture(scope="package")
def clock() -> SkippingClock:
    return SkippingClock()


@pytest.fixture(scope="package")
def scenarios() -> Scenarios:
    return Scenarios()


@pytest.fixture(scope="package")
async def host(scenarios: Scenarios, clock: SkippingClock) -> AsyncIterator[LocalHost]:
    async with LocalHost(scenarios.app(), clock=clock) as running:
        yield running


@pytest.fixture(scope="package")
async def client(host: LocalHost) -> df.DurableOrchestrationClient:
    """The SDK's own client, talking to the shared host."""
    return df.DurableOrchestrationClient(host.client_binding)


@pytest.fixture(scope="package")
async def http(host: LocalHost) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP session whose URLs start at the shared host."""
    async with aiohttp.ClientSession(host.url) as session:
        yield session
