"""What a migration costs the app: calls to Azure, CPU and memory per VM, as the number of VMs grows.

    python -m benchmarks.migration [100 500 ...]

Each size is one migration of 5 vaults on the local stack, its simulated hours passing 600 times as fast. CPU and
memory are those of the process that runs the app and the local host together (Linux only).
"""

import asyncio
import os
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from local_stack.callers import Caller
from local_stack.stack import Plan, start

VAULTS = 5
SIZES = (100, 500)
TIME_SCALE = 600.0
POLL_SECONDS = 2  # twenty simulated minutes
CONCURRENT = 50


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One migration. `calls` counts requests to Azure Resource Manager by action."""

    vms: int
    wall_seconds: float
    cpu_seconds: float
    peak_mib: float
    calls: dict[str, int]


async def measure(vms: int) -> Measured:
    """Migrate that many VMs, without approval, and count. Raises RuntimeError where not all of them end Migrated."""
    async with AsyncExitStack() as until:
        plan = Plan(scenario=f"fleet:{VAULTS}x{vms // VAULTS}", time_scale=TIME_SCALE)
        stack = await start(plan, until)
        caller = await until.enter_async_context(Caller(stack))
        scenario = await caller.simulator("scenario")
        cpu_before, began = _cpu_seconds(stack.host_pid), time.perf_counter()
        body = {
            "mode": "migrate",
            "vaults": scenario["vaults"],
            "target": {"policyName": "EnhancedPolicy"},
            "acknowledgeIrreversible": True,
            "approval": "none",
            "limits": {
                "pollSeconds": POLL_SECONDS,
                "maxConcurrentPerVault": CONCURRENT,
                "stopAfterFailures": CONCURRENT,  # full speed from the first batch on
            },
        }
        migration = await caller.post("/api/migrations", body)
        while migration["state"] in ("Planning", "Running"):
            await asyncio.sleep(0.5)
            migration = await caller.get(migration["links"]["self"])
        if migration["items"] != {"Migrated": vms}:
            raise RuntimeError(f"{migration['state']}: {migration['items']} {migration['problem']}")
        return Measured(
            vms=vms,
            wall_seconds=time.perf_counter() - began,
            cpu_seconds=_cpu_seconds(stack.host_pid) - cpu_before,
            peak_mib=_peak_mib(stack.host_pid),
            calls=await caller.simulator("requests/summary"),
        )


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def show(results: list[Measured]) -> None:
    """A table, a column a size."""
    table = Table(title=f"A migration of {VAULTS} vaults", title_justify="left")
    table.add_column("")
    for result in results:
        table.add_column(f"{result.vms} VMs", justify="right")
    table.add_row("ARM calls per VM", *[f"{sum(result.calls.values()) / result.vms:.2f}" for result in results])
    for action in sorted({action for result in results for action in result.calls}):
        cells = [f"{result.calls.get(action, 0) / result.vms:.2f}" for result in results]
        table.add_row(f"  {'/'.join(action.split('/')[-2:])}", *cells)
    table.add_row("CPU per VM", *[f"{1000 * result.cpu_seconds / result.vms:.1f} ms" for result in results])
    table.add_row("peak memory", *[f"{result.peak_mib:.0f} MiB" for result in results])
    table.add_row("wall time", *[f"{result.wall_seconds:.0f} s" for result in results])
    Console().print(table)


async def main() -> None:
    """Measure each size after the other."""
    sizes = [int(text) for text in sys.argv[1:]] or SIZES
    show([await measure(vms) for vms in sizes])


if __name__ == "__main__":
    asyncio.run(main())
