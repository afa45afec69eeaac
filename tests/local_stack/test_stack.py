"""The programs as a user starts them: everything comes up, works, and goes away again."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import AsyncExitStack
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from local_stack.callers import Caller
from local_stack.demo import migrate
from local_stack.processes import Child
from local_stack.stack import Plan, start
from tests.conftest import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parent.parent.parent
FAST = 3000.0  # an hour of Azure in little more than a second


@pytest.mark.timeout(900)  # every program starts from nothing, and a slow machine must not look like a fault
async def test_a_whole_migration_of_the_demo_ends_as_its_scenario_says() -> None:
    """Real processes, real sockets, managed identity, TLS and tables; every VM as expected, and Azure agrees."""
    console = Console(file=StringIO(), width=100)
    async with AsyncExitStack() as until:
        stack = await start(Plan(scenario="demo", time_scale=FAST), until)
        caller = await until.enter_async_context(Caller(stack))
        as_expected = await migrate(caller, console)
    report = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue] - it is the StringIO above

    assert as_expected, report
    assert "UserErrorVmNotInDesirableState" in report
    assert "All 66 VMs ended as the scenario says, and Azure agrees." in report


async def program(*arguments: str) -> Process:
    """`python -m local_stack` with these arguments, started as a shell would."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "local_stack", *arguments, cwd=ROOT, stdout=PIPE, stderr=PIPE
    )


@pytest.mark.parametrize("arguments", [["--scenario", "nonsense"], ["--port", "BUSY"]])
async def test_what_cannot_start_is_told_in_one_sentence(arguments: list[str]) -> None:
    """Exit code 2, one line that names the trouble, no traceback."""
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = str(busy.getsockname()[1])
        process = await program("run", *[port if text == "BUSY" else text for text in arguments])
        out, err = await process.communicate()
    said = (out + err).decode().strip()

    assert process.returncode == 2, said
    assert "Traceback" not in said
    assert (port if "BUSY" in arguments else "nonsense") in said


def children_of(pid: int) -> set[int]:
    """The processes that a process has started and that are alive."""
    found: set[int] = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == pid and state != "Z":
            found.add(int(stat.parent.name))
    return found


async def ended(pid: int) -> None:
    """Return when a process is over."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, over.set)
    try:
        await over.wait()
    finally:
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with a killed parent")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_all_children_end_with_their_parent(ending: signal.Signals) -> None:
    """However the parent goes, nothing is left running."""
    process = await program("serve", "--scenario", "one-vault")
    assert process.stdout
    while b"Ctrl-C" not in (line := await process.stdout.readline()):
        assert line, (await process.communicate())[1].decode()
    children = children_of(process.pid)

    process.send_signal(ending)
    await process.communicate()

    assert len(children) == 3
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(*map(ended, children))


async def test_a_child_that_dies_early_is_quoted(tmp_path: Path) -> None:
    """What it said last is what the user reads, with its name."""
    child = await Child.start("gone", [sys.executable, "-c", "raise SystemExit('no luck')"], {}, tmp_path)
    with pytest.raises(Exception, match="gone: no luck"):
        await child.announcement()
