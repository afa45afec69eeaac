"""Strangers at the API: whatever its own description lets a fuzzer make up, the answers are those it documents."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import aiohttp
import pytest

from local_host.host import LocalHost
from simulator import Simulator
from tests.conftest import PATIENCE_SECONDS
from tests.whole.callers import a_body, finish

CHECKS = ",".join(
    (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "response_headers_conformance",
    )
)


@pytest.mark.timeout(900)
async def test_nothing_undocumented_is_answered(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, tmp_path: Path
) -> None:
    """Good and bad values for every parameter and body of every endpoint: no 5xx, no answer that is not described."""
    await finish(http, host, a_body(simulator, id="0", mode="plan"))

    fuzzer = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{host.url}/api/openapi.json"),
        *("--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--max-examples", "8", "--seed", "1"),
        *("--request-timeout", str(PATIENCE_SECONDS), "--suppress-health-check", "too_slow"),
        *("--no-color", "--no-shrink", "--continue-on-failure", "--warnings", "off", "--generation-database", "none"),
        cwd=tmp_path,  # where it leaves a cache
        stdout=PIPE,
        stderr=STDOUT,
    )
    said, _ = await fuzzer.communicate()

    assert fuzzer.returncode == 0, said.decode()
    assert {request.method for request in simulator.log.requests} == {"GET"}
