"""The command line in this process, against a server that answers what the test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from typer.testing import CliRunner, Result

from operator_cli.program import app
from tests.operator_cli.fake_api import FakeApi
from tests.whole.conftest import clock as clock
from tests.whole.conftest import host as host
from tests.whole.conftest import http as http

Run = Callable[..., Awaitable[Result]]

CLEAN: dict[str, str | None] = {
    "BACKUP_MIGRATE_KEY": None,
    "BACKUP_MIGRATE_TOKEN": None,
    "BACKUP_MIGRATE_BY": "ada",
    "COLUMNS": "160",
    "NO_PROXY": "*",
}
"""An environment in which nothing but the test's own words counts."""


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    """The server."""
    async with FakeApi() as api:
        yield api


async def run_at(url: str, *args: str, text: str = "", **environment: str) -> Result:
    """Run a command line against a server at that URL, in a thread: the server lives in this loop."""
    env = {**CLEAN, "BACKUP_MIGRATE_URL": url, **environment}
    return await asyncio.to_thread(CliRunner(env=env).invoke, app, list(args), input=text)


@pytest.fixture
def run(api: FakeApi) -> Run:
    """Run a command line against the server."""

    async def run(*args: str, text: str = "", **environment: str) -> Result:
        return await run_at(api.url, *args, text=text, **environment)

    return run
