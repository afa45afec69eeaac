"""Fixtures of the simulator's tests: a simulator in this process, on a clock that stands still."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from simulator import ManualClock, Scenario, Simulator
from tests.simulator.estates import START, Azure, StartAzure, a_client


@pytest.fixture
async def start_azure() -> AsyncIterator[StartAzure]:
    """Start simulators; they end with the test."""
    async with AsyncExitStack() as running:

        async def start(scenario: Scenario | str, *, seed: int = 1) -> Azure:
            clock = ManualClock(START)
            simulator = await running.enter_async_context(Simulator(scenario, clock=clock, seed=seed))
            first = simulator.scenario.subscriptions[0].id
            return Azure(simulator, clock, await running.enter_async_context(a_client(simulator, first)))

        yield start
