"""The whole app in this process: HTTP in, rows out, hours of Azure's time in no time."""

import os
from collections.abc import AsyncIterator

os.environ.setdefault("LEDGER_STORAGE", "UseDevelopmentStorage=true")  # function_app reads its settings at import

import aiohttp
import azure.durable_functions as df
import pytest

import function_app
from clients import Clients
from local_host.clock import SkippingClock
from local_host.host import LocalHost
from tests.conftest import START


class OneClock(SkippingClock):
    """One time for the durable timers and for Azure: while nothing runs, both jump to the next timer."""

    scale = 1.0


@pytest.fixture
def clock() -> OneClock:
    """The time of everything in this test."""
    return OneClock(START)


@pytest.fixture
async def host(clients: Clients, clock: OneClock) -> AsyncIterator[LocalHost]:
    """Every function of the app, on clients that face the simulator and the emulator."""
    app = df.DFApp()
    function_app.register(app, clients, function_app.settings)
    async with LocalHost(app, clock=clock) as host:
        yield host


@pytest.fixture
async def http(host: LocalHost) -> AsyncIterator[aiohttp.ClientSession]:
    """A caller of the app."""
    async with aiohttp.ClientSession(host.url) as session:
        yield session
