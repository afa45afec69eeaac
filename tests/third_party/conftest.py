"""Fixtures of the tests with other people's clients: one simulator per file of tests, and a home for its client.

Not part of `make test`: the clients are a gigabyte. `make third-party` installs them and runs these tests.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.third_party.azure import CLIENTS, Azure, running_azure


@pytest.fixture(scope="module")
async def azure(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Azure]:
    """The simulator as a program, its clock moved by the test."""
    if not CLIENTS.exists():
        pytest.fail("The clients are not installed: `make third-party` installs them.")
    async with running_azure(tmp_path_factory.mktemp("azure")) as azure:
        yield azure


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty home folder for the client under test."""
    return tmp_path_factory.mktemp("home")
