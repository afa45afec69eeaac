"""The two programs: how they start, what they say when they can't, how they stop, and what a crash leaves."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from durabletask.internal.orchestrator_service_pb2_grpc import TaskHubSidecarServiceStub

from local_host.actions import DurableNames
from local_host.backend.server import connect
from local_host.instances import Instances
from tests.conftest import PATIENCE_SECONDS

NO_NAMES = DurableNames((), ())

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
GATED_APP = HERE / "gated_app"

HOST = "local_host"
BACKEND = "local_host.backend"
WALKS = 10
STEPS = 3


@asynccontextmanager
async def program(module: str, *arguments: str, **environ: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    """The program, started; killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        cwd=REPOSITORY,
        env={**os.environ, **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def ready_line(process: asyncio.subprocess.Process) -> dict[str, str]:
    """The JSON a program prints when it is ready."""
    assert process.stdout
    async with asyncio.timeout(PATIENCE_SECONDS):
        line = await process.stdout.readline()
    assert line, (await process.communicate())[1].decode()
    return json.loads(line)


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str]:
    """Exit code and stderr of a program that ends."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        _, stderr = await process.communicate()
    return process.returncode, stderr.decode()


class Gate:
    """Where the activities of the gated app ask for leave. Counts who asks; holds back whom it is told to."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.open = asyncio.Event()
        self._held: set[str] = set()
        self._changed = asyncio.Condition()

    def hold(self, steps: Sequence[str]) -> None:
        self._held.update(steps)

    async def wait_until_asked(self, steps: Sequence[str]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS), self._changed:
            await self._changed.wait_for(lambda: all(self.asked[step] for step in steps))

    async def ask(self, request: web.Request) -> web.Response:
        step = await request.json()
        async with self._changed:
            self.asked[step] += 1
            self._changed.notify_all()
        if step in self._held:
            await self.open.wait()
        return web.Response(text=f"passed {step}")


@pytest.fixture
async def gate() -> AsyncIterator[tuple[Gate, str]]:
    """A gate and the URL it is asked at."""
    gate = Gate()
    application = web.Application()
    application.router.add_post("/", gate.ask)
    runner = web.AppRunner(application, handler_cancellation=True)
    await runner.setup()
    listening = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listening).start()
    yield gate, f"http://127.0.0.1:{listening.getsockname()[1]}/"
    gate.open.set()
    await runner.cleanup()


async def start_walks(url: str, instance_id: str) -> None:
    path = f"/runtime/webhooks/durabletask/orchestrators/walk_together/{instance_id}"
    async with aiohttp.ClientSession(url) as session, session.post(path) as answer:
        assert answer.status == 202


def all_passed(instance_id: str) -> list[list[str]]:
    return [[f"passed {instance_id}-{walk}/{step}" for step in range(STEPS)] for walk in range(WALKS)]


async def test_resumes_after_its_worker_was_killed(gate: tuple[Gate, str]):
    """With the backend in its own process, a killed host leaves nothing stuck: a new one finishes everything.

    Four walks are in the middle of an activity when the host is killed; those activities, and they alone, run twice.
    """
    watched, gate_url = gate
    held = [f"crash-{walk}/1" for walk in range(4)]
    last_steps = [f"crash-{walk}/{STEPS - 1}" for walk in range(4, WALKS)]
    watched.hold(held)
    async with program(BACKEND) as backend:
        address = (await ready_line(backend))["address"]
        arguments = ("--app", str(GATED_APP), "--backend", address)
        async with program(HOST, *arguments, GATE_URL=gate_url) as first:
            await start_walks((await ready_line(first))["url"], "crash")
            await watched.wait_until_asked([*held, *last_steps])
            first.kill()
            await first.wait()
        watched.open.set()
        async with program(HOST, *arguments, GATE_URL=gate_url):
            with connect(address) as channel:
                instances = Instances(TaskHubSidecarServiceStub(channel), NO_NAMES)
                status = await instances.wait("crash", PATIENCE_SECONDS)
    assert status is not None and status.output == all_passed("crash")
    assert all(watched.asked[step] == 2 for step in held)
    # A last step may have been answered by the gate and not yet reported when the host was killed.
    assert {step for step, times in watched.asked.items() if times > 1} <= {*held, *last_steps}


async def test_serves_an_app_until_it_is_told_to_stop(gate: tuple[Gate, str]):
    """The host prints its URL when ready, runs orchestrations, and ends with 0 on SIGTERM even in mid-activity."""
    watched, gate_url = gate
    first_steps = [f"served-{walk}/0" for walk in range(WALKS)]
    watched.hold(first_steps)
    async with program(HOST, "--app", str(GATED_APP), GATE_URL=gate_url) as host:
        await start_walks((await ready_line(host))["url"], "served")
        await watched.wait_until_asked(first_steps)
        host.send_signal(signal.SIGTERM)
        assert await ended(host) == (0, "")


@pytest.mark.parametrize("stop_signal", [signal.SIGTERM, signal.SIGINT])
async def test_backend_stops_when_told_to(stop_signal: signal.Signals):
    """The backend ends with 0 on either signal."""
    async with program(BACKEND) as backend:
        await ready_line(backend)
        backend.send_signal(stop_signal)
        assert await ended(backend) == (0, "")


async def test_host_ends_when_its_backend_is_gone():
    """Without its backend a host can do nothing more: it says so and ends with 1."""
    async with program(BACKEND) as backend:
        address = (await ready_line(backend))["address"]
        async with program(HOST, "--app", str(GATED_APP), "--backend", address) as host:
            await ready_line(host)
            backend.kill()
            code, stderr = await ended(host)
    assert (code, stderr.splitlines()[-1]) == (1, "The backend went away, and with it all orchestrations.")


@pytest.fixture
def taken_port() -> Iterator[str]:
    """A port something else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield str(listening.getsockname()[1])


async def test_backend_says_that_its_port_is_taken():
    """A port another backend listens on is one sentence and exit code 2."""
    async with program(BACKEND) as first:
        taken = (await ready_line(first))["address"].rpartition(":")[2]
        async with program(BACKEND, "--port", taken) as second:
            code, stderr = await ended(second)
    assert (code, stderr.splitlines()[-1]) == (2, f"Port {taken} is taken: choose another with --port.")


async def test_host_says_that_its_port_is_taken(taken_port: str):
    """A taken port is one sentence and exit code 2."""
    async with program(HOST, "--app", str(GATED_APP), "--port", taken_port) as host:
        assert await ended(host) == (2, f"Port {taken_port} can't be listened on: Address already in use.\n")


async def test_host_says_that_no_backend_answers(taken_port: str):
    """A backend that does not answer is one sentence and exit code 2."""
    async with program(HOST, "--app", str(GATED_APP), "--backend", "127.0.0.1:1") as host:
        assert await ended(host) == (2, "No backend answers at 127.0.0.1:1.\n")


@pytest.mark.parametrize(("level", "lines"), [("warning", 1), ("debug", None)])
async def test_host_says_why_an_app_is_not_loaded(tmp_path: Path, level: str, lines: int | None):
    """A failed import is one sentence and exit code 2; the traceback comes with --log-level debug only."""
    (tmp_path / "function_app.py").write_text("raise ValueError('VAULTS is missing')")
    async with program(HOST, "--app", str(tmp_path), "--log-level", level) as host:
        code, stderr = await ended(host)
    assert (code, stderr.splitlines()[-1]) == (2, "The app can't be imported: ValueError: VAULTS is missing")
    assert ("Traceback" in stderr) is (level == "debug")
    assert lines is None or len(stderr.splitlines()) == lines
