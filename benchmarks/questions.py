"""How long the API takes to answer, with few migrations in the ledger and with 100,000 VMs of many.

The app runs in the local host, over Azurite and a simulated Azure; one caller asks over HTTP, one question after the
other, of migrations of the past at random (module `past`). Every tenth of them runs, with VMs in flight; statuses of
those are a question of their own. They are rows without orchestrations, so the clock is the one that skips waits
(module `worker`): under it no timer function runs, and no watchdog takes them for stalled. A start is timed until its
answer, 202, and its plan is awaited before the next. Azurite answers in a few milliseconds, as Table Storage does from
within its region. But it searches a range of rows among all rows of a table, where Table Storage keeps each partition
apart, so that its answers take longer the more there are: the reads that a status makes are timed alone too, and a
status must not grow by more than they do.
"""

import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.measures import Goal, Measure, Report, at_most, percentile, tell, under
from benchmarks.past import fill, migration_id, runs
from benchmarks.stage import Azure, Fleet, start_azure
from clients.ledger import Ledger
from local_stack.azurite import start_azurite
from local_stack.processes import Child

MINUTES = 6
STATUSES = ("status", "status of one that runs")
READS = "{}: its reads of the ledger alone"
FLAT = "{}, growth from fewest to most migrations, times that of its reads"
GOALS: Mapping[str, Goal] = {
    **{f"{status}, 99 of 100 within": under(100) for status in STATUSES},
    **{FLAT.format(status): at_most(1.5) for status in STATUSES},
}

VAULTS = 5  # of each migration
TABLE_PREFIX = "questions"
WRITERS = 2  # migrations written at once
PLAN_LOOK_SECONDS = 0.1
Taken = dict[str, list[float]]
"""Milliseconds by question."""


async def measure(
    migrations: Sequence[int] = (10, 1000), vms_per_migration: int = 100, questions: int = 300, starts: int = 50
) -> Report:
    """Ask so many `questions` of each kind each time the ledger has come to that many `migrations`."""
    taken = await _asked(migrations, vms_per_migration // VAULTS, questions, starts)
    measures = [measure for number, times in taken.items() for measure in _measures(_case(number), times)]
    fewest, most = migrations[0], migrations[-1]
    few, many = taken[fewest], taken[most]
    growth = {FLAT.format(what): _growth(few, many, what) / _growth(few, many, READS.format(what)) for what in STATUSES}
    return Report(
        benchmark="questions",
        conditions={
            "rows of items at most": most * vms_per_migration,
            "migrations that run": [len(_running(number)) for number in migrations],
            "VMs of a migration": vms_per_migration,
            "vaults of a migration": VAULTS,
            "questions": questions,
            "starts": starts,
        },
        measures=[
            *measures,
            *(Measure(name, ratio, case=_case(most), goal=GOALS[name]) for name, ratio in growth.items()),
        ],
    )


def _growth(few: Taken, many: Taken, what: str) -> float:
    """How many times as long it takes among many as among few, by the medians."""
    return statistics.median(many[what]) / statistics.median(few[what])


def _case(migrations: int) -> str:
    return f"{migrations:,} migrations"


def _measures(case: str, taken: Taken) -> list[Measure]:
    medians = [Measure(f"{what}, median", statistics.median(times), "ms", case) for what, times in taken.items()]
    worst = {f"{what}, 99 of 100 within": percentile(times, 0.99) for what, times in taken.items()}
    return [*medians, *(Measure(name, value, "ms", case, GOALS.get(name)) for name, value in worst.items())]


async def _asked(migrations: Sequence[int], vms_per_vault: int, questions: int, starts: int) -> dict[int, Taken]:
    """Every question's times, by how many migrations the ledger held."""
    taken: dict[int, Taken] = {}
    async with AsyncExitStack() as until:
        folder = Path(until.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
        storage = await start_azurite(folder, until)
        azure = await start_azure(Fleet(vaults=1, vms_per_vault=2), until)
        session = await until.enter_async_context(aiohttp.ClientSession(await _app(storage, azure, folder, until)))
        [vault] = await azure.vaults()
        for before, number in pairwise((0, *migrations)):
            tell(f"  writing migrations up to {number:,}")
            await _fill(storage, range(before, number), vms_per_vault)
            tell(f"  asking among {number:,}")
            dice = random.Random(number)
            asked = {
                "status": [migration_id(n) for n in dice.choices(range(number), k=questions)],
                "status of one that runs": [migration_id(n) for n in dice.choices(_running(number), k=questions)],
            }
            paths = [f"/api/migrations/{name}" for name in asked["status"]]
            await _timed(session, [f"{path}?wait=false" for path in paths[:10]])  # connections are made, modules loaded
            taken[number] = {
                **{
                    what: await _timed(session, [f"/api/migrations/{name}?wait=false" for name in names])
                    for what, names in asked.items()
                },
                **{READS.format(what): await _read(storage, names) for what, names in asked.items()},
                "items": await _timed(session, [f"{path}/items" for path in paths]),
                "items in a state": await _timed(session, [f"{path}/items?state=Failed" for path in paths]),
                "list of 50 migrations": await _timed(session, ["/api/migrations"] * (questions // 10)),
                "start": [await _start(session, vault, f"new-{number}-{n}") for n in range(starts)],
            }
    return taken


def _running(migrations: int) -> list[int]:
    return [number for number in range(migrations) if runs(number)]


async def _fill(storage: str, numbers: Iterable[int], vms_per_vault: int) -> None:
    ledger = Ledger.connected(storage, TABLE_PREFIX)
    left = iter(numbers)

    async def write() -> None:
        for number in left:
            await fill(ledger, number, VAULTS, vms_per_vault)

    try:
        await ledger.prepare()
        await asyncio.gather(*(write() for _ in range(WRITERS)))
    finally:
        await ledger.close()


async def _read(storage: str, names: Sequence[str]) -> list[float]:
    """Milliseconds of the two reads that a status makes, for each of these migrations, by nobody but the client."""
    ledger = Ledger.connected(storage, TABLE_PREFIX)
    taken: list[float] = []
    try:
        for name in names:
            began = time.perf_counter()
            await ledger.read_migration(name)
            await ledger.read_vaults(name)
            taken.append(1000 * (time.perf_counter() - began))
    finally:
        await ledger.close()
    return taken


async def _app(storage: str, azure: Azure, folder: Path, until: AsyncExitStack) -> str:
    """The app over that storage, until the exit stack is closed; answers its URL. Raises StackError."""
    environment = {
        "LEDGER_STORAGE": storage,
        "LEDGER_TABLE_PREFIX": TABLE_PREFIX,
        "ARM_BASE_URL": azure.arm,
        **azure.identity,
        "SSL_CERT_FILE": azure.ca,
        "RETAIL_PRICES_URL": "",
    }
    command = [sys.executable, "-m", "benchmarks.worker", azure.control, azure.ca]
    host = await Child.start("worker", command, environment, folder)
    until.push_async_callback(host.stop)
    return str((await host.announcement())["url"])


async def _timed(session: aiohttp.ClientSession, paths: list[str]) -> list[float]:
    """Milliseconds until each answer was read. Raises aiohttp.ClientResponseError for one that is none."""
    taken: list[float] = []
    for path in paths:
        began = time.perf_counter()
        async with session.get(path, raise_for_status=True) as response:
            await response.read()
        taken.append(1000 * (time.perf_counter() - began))
    return taken


async def _start(session: aiohttp.ClientSession, vault: str, name: str) -> float:
    """Milliseconds until a plan was accepted; returns when it is made."""
    body: dict[str, Any] = {"id": name, "mode": "plan", "vaults": [vault], "target": {"policyName": "EnhancedPolicy"}}
    began = time.perf_counter()
    async with session.post("/api/migrations", json=body, raise_for_status=True) as response:
        await response.read()
    taken = 1000 * (time.perf_counter() - began)
    while True:
        async with session.get(f"/api/migrations/{name}?wait=false", raise_for_status=True) as response:
            if (await response.json())["state"] != "Planning":
                return taken
        await asyncio.sleep(PLAN_LOOK_SECONDS)
