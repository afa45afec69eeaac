"""One migration, larger and larger: CPU, memory, executions, storage and calls per VM.

Every size is a migration of its own on a stage of its own (module `stage`), in one subscription, over few vaults and
over many. The limits are those of a request that says nothing, the canary steps 1, 5 and 25 included, but for two: a
hundred VMs at once in a vault, the most there may be, and as many in all as there are. CPU and memory are those of the
worker, which is the app with the local host and its task hub.
"""

from collections.abc import Mapping, Sequence

from benchmarks.measures import Goal, Measure, Report, at_most, tell, under
from benchmarks.stage import PAGE_SIZE, USUAL_JOB_MINUTES, Fleet, Migrated, migrate, short

MINUTES = 10.0
SIZES = (100, 1_000, 10_000)
VAULTS = (5, 20)
LIMITS = {"maxConcurrent": 10_000, "maxConcurrentPerVault": 100}

# They are to hold at the largest size, the first against the size before it: what a migration costs whatever its size,
# a small one has to bear with few VMs.
GOALS: Mapping[str, Goal] = {
    "CPU per VM, times that of the size before": at_most(1.2),
    "function executions per VM": at_most(2.5),
    "ledger operations per VM": at_most(8),
    "ARM calls per VM": at_most(2.2),
    "peak memory of the worker": under(300),
}


async def measure(sizes: Sequence[int] = SIZES, vaults: Sequence[int] = VAULTS) -> Report:
    """Each size over each number of vaults, one after the other. Raises RuntimeError where a VM is left behind."""
    measures: list[Measure] = []
    for count in vaults:
        before: float | None = None
        for size in sizes:
            tell(f"scale: {size} VMs in {count} vaults")
            fleet = Fleet(vaults=count, vms_per_vault=size // count)
            migrated = await migrate(fleet, limits=LIMITS)
            measures += _measures(fleet, migrated, before, goals=GOALS if size == max(sizes) else {})
            before = migrated.cpu_seconds / fleet.vms
    return Report(
        benchmark="scale",
        conditions={
            "VMs": list(sizes),
            "vaults": list(vaults),
            "items a page": PAGE_SIZE,
            "VMs at once in a vault": LIMITS["maxConcurrentPerVault"],
            "minutes of a job, about": USUAL_JOB_MINUTES,
        },
        measures=measures,
    )


def _measures(fleet: Fleet, migrated: Migrated, cpu_before: float | None, goals: Mapping[str, Goal]) -> list[Measure]:
    vms = fleet.vms
    case = f"{vms:,} VMs, {fleet.vaults} vaults"

    def one(name: str, value: float, unit: str = "") -> Measure:
        return Measure(name, value, unit, case, goals.get(name))

    cpu = migrated.cpu_seconds / vms
    calls, storage, activities = migrated.azure.calls, migrated.storage, migrated.activities
    activity_executions = sum(activities.values())
    growth = [] if cpu_before is None else [one("CPU per VM, times that of the size before", cpu / cpu_before)]
    return [
        one("wall time, the waits skipped", migrated.wall_seconds, "s"),
        one("Azure's time", migrated.azure.hours, "h"),
        one("CPU per VM", 1000 * cpu, "ms"),
        *growth,
        one("peak memory of the worker", migrated.peak_mb, "MB"),
        one("longest history of a generation", max(migrated.longest_histories.values()), "events"),
        one("function executions per VM", (activity_executions + migrated.turns) / vms),
        one("activity executions per VM", activity_executions / vms),
        *[one(f"  {name}", count / vms) for name, count in sorted(activities.items())],
        one("orchestrator executions per VM", migrated.turns / vms),
        one("ledger operations per VM", sum(storage.values()) / vms),
        *[one(f"  {kind}", count / vms) for kind, count in sorted(storage.items())],
        one("ARM calls per VM", sum(calls.values()) / vms),
        *[one(f"  {short(action)}", count / vms) for action, count in sorted(calls.items())],
        one("requests throttled (429)", migrated.azure.throttled),
    ]
