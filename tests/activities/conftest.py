"""The activities' tests face a vault of their own making: a test names its `scenario`, or gets a vault with one VM."""

import pytest

from simulator import Scenario
from tests.clients.simulated import a_scenario


@pytest.fixture
def scenario() -> Scenario:
    """What there is in Azure; a test that needs more parametrizes it."""
    return a_scenario()
