"""`python -m local_stack run` does a whole migration and reports; `serve` keeps the same stack up for you."""

import argparse
import asyncio
import signal
import sys
from contextlib import AsyncExitStack
from typing import get_args

from rich.console import Console

from local_stack.callers import Caller
from local_stack.demo import migrate
from local_stack.processes import StackError
from local_stack.stack import HostKind, Plan, Stack, start

RUN_TIME_SCALE = 600.0  # an hour in six seconds
FASTEST = 100_000
console = Console()


async def run(plan: Plan) -> int:
    """The demonstration: 0 where every VM ended as the scenario says."""
    async with AsyncExitStack() as until:
        with console.status("Starting Azurite, the simulated Azure and the function app"):
            stack = await start(plan, until)
        caller = await until.enter_async_context(Caller(stack))
        return 0 if await migrate(caller, console) else 1


async def serve(plan: Plan) -> int:
    """The stack, until Ctrl-C."""
    async with AsyncExitStack() as until:
        with console.status("Starting Azurite, the simulated Azure and the function app"):
            stack = await start(plan, until)
        caller = await until.enter_async_context(Caller(stack))
        _explain(stack, (await caller.simulator("scenario"))["vaults"][0])
        await asyncio.Event().wait()
    return 0


def _explain(stack: Stack, vault: str) -> None:
    body = f'{{"id": "first", "mode": "plan", "vaults": ["{vault}"], "target": {{"policyName": "EnhancedPolicy"}}}}'
    for line in (
        "",
        f"The app          {stack.url}/api",
        f"  curl -i {stack.url}/api/migrations -d '{body}'",
        f"  curl -i {stack.url}/api/migrations/first",
        f"  curl -i {stack.url}/api/migrations/first/plan",
        f"  curl -i {stack.url}/api/migrations/first/items",
        f"Simulated Azure  {stack.arm}  (CA {stack.ca})",
        f"  curl --cacert {stack.ca} -H 'Authorization: Bearer any' '{stack.arm}{vault}?api-version=2025-02-01'",
        f"Its controls     {stack.control}",
        f"  curl --cacert {stack.ca} {stack.control}/requests/summary",
        f"Logs             {stack.logs}",
        "",
        "Ctrl-C ends it all.",
    ):
        console.print(line, highlight=False, soft_wrap=True)


def _pace(text: str) -> float:
    pace = float(text)
    if not 0 < pace <= FASTEST:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most {FASTEST}")
    return pace


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError("must be 0 (any free one) to 65535")
    return port


def _plan() -> tuple[str, Plan]:
    parser = argparse.ArgumentParser(prog="python -m local_stack", description=__doc__)
    parser.add_argument("command", choices=["run", "serve"])
    parser.add_argument("--scenario", default="demo", help="the simulator's scenario (default: demo)")
    parser.add_argument("--time-scale", type=_pace, default=RUN_TIME_SCALE, help="how fast the simulated hours pass")
    parser.add_argument("--host", choices=get_args(HostKind), default="local", help="func needs Core Tools")
    parser.add_argument("--port", type=_port, default=0, help="port of the app (default: any free one)")
    options = parser.parse_args()
    plan = Plan(scenario=options.scenario, time_scale=options.time_scale, host=options.host, port=options.port)
    return options.command, plan


def main() -> int:
    """Run the command; one sentence for what the user has to know, and never a child left behind."""
    command, plan = _plan()
    # SIGTERM ends it like Ctrl-C: through the exit stack, which stops every child.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return asyncio.run(run(plan) if command == "run" else serve(plan))
    except StackError as error:
        console.print(f"[red]{error}[/]", highlight=False)
        return 2
    except KeyboardInterrupt:
        return 130 if command == "run" else 0


if __name__ == "__main__":
    sys.exit(main())
