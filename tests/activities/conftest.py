"""The activities' tests face a vault of their own making: a test names its `scenario`, or gets a vault with one VM."""

import pytest

from simulator import Scenario, Simulator
from tests.clients.simulated import a_scenario
from tests.conftest import Simulate


@pytest.fixture
def scenario() -> Scenario:
    """What there is in Azure; a test that needs more parametrizes it."""
    return a_scenario()


@pytest.fixture
async def simulator(simulate: Simulate, scenario: Scenario) -> Simulator:
    """Azure with that scenario, on the clock of the test."""
    return await simulate(scenario)
