"""The documented loop against this app: calls to Azure, hours, job reads, over one fleet.

The loop (module `documented_way`) and the app each migrate the same fleet, every time in a new simulated Azure: the
same jobs, of the same length; the same budget of job reads; requests of the same latency. Neither waits in real time:
both skip what they would sleep, so that the hours are those of Azure's own clock. Nothing is extrapolated. The app runs
with the limits that a request has by default, its canary steps included; the loop has none.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack, closing

from benchmarks.documented_way import Loop
from benchmarks.measures import Goal, Measure, Report, at_least, at_most, tell
from benchmarks.skipping import AzureTime
from benchmarks.stage import JOB_READS, PAGE_SIZE, USUAL_JOB_MINUTES, Azure, Fleet, Spent, migrate, short, start_azure

MINUTES = 1.2
VAULTS = 5
VMS_PER_VAULT = 40
THREADS = 8
APP = "this app"
SEQUENTIAL = "loop"

GOALS: Mapping[str, Goal] = {
    "ARM calls per VM": at_most(2.2),
    "times as fast as the loop": at_least(20),
}


async def measure(vaults: int = VAULTS, vms_per_vault: int = VMS_PER_VAULT, threads: int = THREADS) -> Report:
    """Each way once, one after the other. Raises RuntimeError where a VM is left behind."""
    fleet = Fleet(vaults=vaults, vms_per_vault=vms_per_vault)
    spent: dict[str, Spent] = {}
    for case, width, follow_job in (
        (SEQUENTIAL, 1, False),
        (f"{threads} threads", threads, False),
        (f"{threads} threads, by job", threads, True),
    ):
        tell(f"comparison: {case}")
        spent[case] = await loop(fleet, width, follow_job=follow_job)
    tell(f"comparison: {APP}")
    spent[APP] = (await migrate(fleet)).azure
    return Report(
        benchmark="comparison",
        conditions={
            "VMs": fleet.vms,
            "vaults": vaults,
            "items a page": PAGE_SIZE,
            "job reads that Azure allows an hour": fleet.job_reads_per_hour,
            "minutes of a job, about": USUAL_JOB_MINUTES,
        },
        measures=[measure for case, each in spent.items() for measure in _measures(case, each, spent, fleet.vms)],
    )


async def loop(fleet: Fleet, threads: int, *, follow_job: bool) -> Spent:
    """The documented way over a fleet of its own. Raises RuntimeError where a VM is left behind."""
    async with AsyncExitStack() as until:
        azure = await start_azure(fleet, until)
        time = until.enter_context(closing(AzureTime(azure.control, azure.ca)))
        way = Loop(
            arm=azure.arm,
            ca=azure.ca,
            vaults=await azure.vaults(),
            threads=threads,
            follow_job=follow_job,
            advance=time.advance,
        )
        since = await azure.now()
        await asyncio.to_thread(way.run)
        spent = await azure.spent(since)
        await _check(azure, fleet)
        return spent


async def _check(azure: Azure, fleet: Fleet) -> None:
    moved = await azure.vms_on("V2")
    if moved != fleet.vms:
        raise RuntimeError(f"the loop has moved {moved} of {fleet.vms} VMs")


def _measures(case: str, spent: Spent, all_ways: Mapping[str, Spent], vms: int) -> list[Measure]:
    goals: Mapping[str, Goal] = GOALS if case == APP else {}

    def one(name: str, value: float, unit: str = "") -> Measure:
        return Measure(name, value, unit, case, goals.get(name))

    kinds = sorted({action for way in all_ways.values() for action in way.calls})
    return [
        one("Azure's time", spent.hours, "h"),
        one("times as fast as the loop", all_ways[SEQUENTIAL].hours / spent.hours),
        one("ARM calls per VM", sum(spent.calls.values()) / vms),
        *[one(f"  {short(action)}", spent.calls.get(action, 0) / vms) for action in kinds],
        one("job reads an hour", spent.per_hour(JOB_READS)),
        one("requests throttled (429)", spent.throttled),
    ]
