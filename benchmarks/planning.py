"""A plan of ten thousand VMs: calls to Azure and time, where each answer takes its time.

A migration in mode `plan` on a stage of its own (module `stage`): ten vaults of one subscription, lists in pages of
200, each answer delayed by what one of Azure Resource Manager takes. Nothing is skipped, because nothing waits. A call
is about a single item where its path names a protected item, a VM or a disk.
"""

from collections.abc import Mapping

from benchmarks.measures import Goal, Measure, Report, at_most, under
from benchmarks.stage import PAGE_SIZE, Fleet, migrate, short

MINUTES = 1.0
VAULTS = 10
VMS_PER_VAULT = 1_000
LATENCY_MS = 50

GOALS: Mapping[str, Goal] = {
    "time": under(30),
    "calls about a single item": at_most(0),
}


async def measure(vaults: int = VAULTS, vms_per_vault: int = VMS_PER_VAULT, latency_ms: float = LATENCY_MS) -> Report:
    """Plan once. Raises RuntimeError where a VM is not planned."""
    fleet = Fleet(vaults=vaults, vms_per_vault=vms_per_vault, latency_ms=latency_ms)
    planned = await migrate(fleet, mode="plan")
    calls = planned.azure.calls
    return Report(
        benchmark="planning",
        conditions={
            "VMs": fleet.vms,
            "vaults": vaults,
            "ms of latency": latency_ms,
            "items a page": PAGE_SIZE,
        },
        measures=[
            Measure("time", planned.wall_seconds, "s", goal=GOALS["time"]),
            Measure("CPU per VM", 1000 * planned.cpu_seconds / fleet.vms, "ms"),
            Measure("peak memory of the worker", planned.peak_mb, "MB"),
            Measure("ARM calls", sum(calls.values())),
            *[Measure(f"  {short(action)}", count) for action, count in sorted(calls.items())],
            Measure("calls about a single item", planned.azure.about_one, goal=GOALS["calls about a single item"]),
            Measure("ledger operations", sum(planned.storage.values())),
        ],
    )
