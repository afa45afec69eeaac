"""What runs, in which order, and the settings that lead each part to the next."""

import shutil
import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from local_stack.azurite import SERVICES, start_azurite
from local_stack.processes import Child, StackError, free_port

ROOT = Path(__file__).resolve().parent.parent
HostKind = Literal["local", "func"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to start: the simulator's scenario and pace, and the host with its port (0: any free one)."""

    scenario: str
    time_scale: float
    host: HostKind = "local"
    port: int = 0


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Where the running parts are; `host_pid` is the process that runs the app."""

    url: str
    host_pid: int
    arm: str
    control: str
    ca: Path
    logs: Path


async def start(plan: Plan, until: AsyncExitStack) -> Stack:
    """Start everything; it ends, last first, when `until` is closed. Raises StackError."""
    folder = Path(until.enter_context(tempfile.TemporaryDirectory(prefix="local-stack-")))
    storage = await start_azurite(folder, until, SERVICES if plan.host == "func" else ("Table",))
    simulator = await _child(
        "simulator",
        [*_python("simulator"), "--scenario", plan.scenario, "--time-scale", str(plan.time_scale)],
        {},
        folder,
        until,
    )
    azure = await simulator.announcement()
    environment = {
        "LEDGER_STORAGE": storage,
        "ARM_BASE_URL": azure["arm"],
        "IDENTITY_ENDPOINT": azure["identityEndpoint"],
        "IDENTITY_HEADER": azure["identityHeader"],
        "SSL_CERT_FILE": azure["ca"],
        "RETAIL_PRICES_URL": "",
        # An hour of the simulator's job-read budget passes time_scale times as fast.
        "JOB_READS_PER_HOUR": str(int(150 * max(plan.time_scale, 1))),
        "AZURE_FUNCTIONS_DURABLE_STRICT_TYPING": "1",
        "DURABLE_TASK_HUB": "LocalHub",
    }
    url, host = await _HOSTS[plan.host](plan, environment, folder, until)
    return Stack(
        url=url,
        host_pid=host.process.pid,
        arm=azure["arm"],
        control=azure["control"],
        ca=Path(azure["ca"]),
        logs=folder,
    )


def _python(module: str) -> list[str]:
    return [sys.executable, "-m", module]


async def _child(
    name: str, command: list[str], environment: dict[str, str], folder: Path, until: AsyncExitStack
) -> Child:
    child = await Child.start(name, command, environment, folder)
    until.push_async_callback(child.stop)
    return child


async def _local_host(
    plan: Plan, environment: dict[str, str], folder: Path, until: AsyncExitStack
) -> tuple[str, Child]:
    command = [*_python("local_host"), "--app", str(ROOT), "--port", str(plan.port)]
    child = await _child("local_host", command, environment, folder, until)
    return str((await child.announcement())["url"]), child


async def _func(plan: Plan, environment: dict[str, str], folder: Path, until: AsyncExitStack) -> tuple[str, Child]:
    program = shutil.which("func")
    if program is None:
        raise StackError("HOST=func needs Azure Functions Core Tools 4, and there is no program 'func'")
    port = plan.port or free_port()
    environment = {
        **environment,
        "AzureWebJobsStorage": environment["LEDGER_STORAGE"],
        "FUNCTIONS_WORKER_RUNTIME": "python",
    }
    child = await _child("func", [program, "start", "--port", str(port)], environment, folder, until)
    await child.listening(port)
    return f"http://127.0.0.1:{port}", child


_HOSTS = {"local": _local_host, "func": _func}
