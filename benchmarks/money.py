"""What 1,000 VMs whose jobs take four hours cost on a Flex Consumption plan, next to one poller for each VM.

Counted, in a migration on the local stack with the default limits: executions of each function, the ledger's requests
to Table Storage, hours. Modelled, because no local engine shows it: what Azure bills for that. The plan bills the
memory of each instance "while it is actively executing functions", and 1,000 ms at least ("Flex Consumption plan
hosting" and "Estimating consumption-based costs", Microsoft Learn). Whether executions that follow each other at once
share that second is not said there, so it is computed both ways:

    shared   a second for each activity, with the turns of the orchestration around it; no two activities share one
    alone    a second for each execution, each turn of an orchestration included

The goal is for the first; the second can't be exceeded. That writes which run side by side share their second, as in
the documents' own example, is reckoned with in neither.

An execution is taken to last no longer than that second: nearly all ask Azure once or twice, and surveys, which read
whole lists, are one a vault. Durable's own requests are counted by what they are for: a message is put, got and
deleted; a turn reads its history, adds to it and updates its instance. An instance is taken to be up all the time,
polling and renewing its leases, which Durable's third version keeps as rows of a table.

The poller is the usual one: a durable function for each VM that asks for its job every ten minutes, with five other
activities, under the same limits for as long. It is computed, not run, and its ledger is free.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.measures import Condition, Measure, Report, tell, under
from benchmarks.results import ROOT
from benchmarks.stage import Fleet, Migrated, migrate

MINUTES = 1
GOALS = {"cost of 1,000 VMs": under(0.25)}

DURABLE = json.loads((ROOT / "host.json").read_text())["extensions"]["durableTask"]
JOB_MINUTES = 240
MEMORY_GB = 2
BILLED_SECONDS = 1.0  # the least that is billed, and more than an execution takes

POLLER_SECONDS = 600
POLLER_ACTIVITIES = 5

QUEUES: int = DURABLE["storageProvider"]["partitionCount"] + 1  # a control queue each, and one of activities
LEASES: int = DURABLE["storageProvider"]["partitionCount"] + 1  # a row each that says who owns it, read in one query
EACH_SECONDS = 10  # how often a queue that stays empty is polled (host.json), and a lease renewed
REQUESTS_PER_MESSAGE = 3
REQUESTS_PER_TURN = 3
WATCHDOGS_PER_DAY = 288
DAY_SECONDS = 86_400


@dataclass(frozen=True, kw_only=True)
class Prices:
    """In USD, without the free grants: pay as you go, East US, as of `day`."""

    day: str = "2026-07-24"
    gb_second: float = 0.000026
    million_executions: float = 0.40
    ten_thousand_table_requests: float = 0.00036
    ten_thousand_queue_requests: float = 0.004


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What is billed: executions, the seconds an instance was active, requests to tables and to queues."""

    executions: float
    seconds: float
    table_requests: float = 0
    queue_requests: float = 0

    def cost(self, prices: Prices) -> dict[str, float]:
        """In USD, by what it is for."""
        return {
            "executions": self.executions * prices.million_executions / 1e6,
            "active time": self.seconds * MEMORY_GB * prices.gb_second,
            "storage": (
                self.table_requests * prices.ten_thousand_table_requests
                + self.queue_requests * prices.ten_thousand_queue_requests
            )
            / 1e4,
        }


async def measure(vaults: int = 5, vms_per_vault: int = 200, prices: Prices | None = None) -> Report:
    """Migrate such a fleet, its hours skipped, and compute what Azure would bill."""
    prices = prices or Prices()
    fleet = Fleet(vaults=vaults, vms_per_vault=vms_per_vault, job_minutes=JOB_MINUTES)
    tell(f"  migrating {fleet.vms} VMs in {vaults} vaults")
    migrated = await migrate(fleet)
    usages = {
        **{f"app, {bound}": usage for bound, usage in _of_the_app(migrated).items()},
        **{f"poller, {bound}": usage for bound, usage in of_the_poller(fleet.vms, migrated.azure.hours).items()},
    }
    rows = [measure for case, usage in usages.items() for measure in _rows(case, usage, fleet.vms, prices)]
    parts = [
        Measure(f"  {name}", 1000 * count / fleet.vms, "", "app, alone")
        for name, count in sorted(migrated.executions.items(), key=lambda each: -each[1])
    ]
    standing = _of_a_day().cost(prices)
    return Report(
        benchmark="money",
        conditions=_conditions(fleet, migrated, prices),
        measures=[*rows, *parts, Measure("each day, migrating or not", sum(standing.values()), "USD", "app, alone")],
    )


def _of_the_app(migrated: Migrated) -> dict[str, Usage]:
    return _bounds(
        activities=sum(migrated.activities.values()),
        turns=migrated.turns,
        ledger=sum(migrated.storage.values()),
        hours=migrated.azure.hours,
    )


def of_the_poller(vms: int, hours: float) -> dict[str, Usage]:
    """Each activity is followed by a turn, each poll by a timer and another turn; the start is a turn as well."""
    polls = vms * JOB_MINUTES * 60 / POLLER_SECONDS
    activities = polls + POLLER_ACTIVITIES * vms
    return _bounds(activities=activities, turns=activities + polls + vms, ledger=0, hours=hours)


def _bounds(*, activities: float, turns: float, ledger: float, hours: float) -> dict[str, Usage]:
    """The usage where the turns around an activity share its second, and where every execution has its own."""
    rounds = hours * 3600 / EACH_SECONDS
    messages = 2 * activities + turns  # to an activity and back; a turn may have been woken by a message besides
    seconds = {"shared": activities * BILLED_SECONDS, "alone": (activities + turns) * BILLED_SECONDS}
    return {
        bound: Usage(
            executions=activities + turns,
            seconds=billed,
            table_requests=ledger + REQUESTS_PER_TURN * turns + rounds * LEASES,
            queue_requests=REQUESTS_PER_MESSAGE * messages + rounds * QUEUES,
        )
        for bound, billed in seconds.items()
    }


def _of_a_day() -> Usage:
    """What the app costs a day, migrating or not: the watchdog, and the platform that looks into the queues."""
    return Usage(
        executions=WATCHDOGS_PER_DAY,
        seconds=WATCHDOGS_PER_DAY * BILLED_SECONDS,
        table_requests=WATCHDOGS_PER_DAY * 2,
        queue_requests=QUEUES * DAY_SECONDS / EACH_SECONDS,
    )


def _rows(case: str, usage: Usage, vms: int, prices: Prices) -> list[Measure]:
    scale = 1000 / vms
    costs: Mapping[str, float] = usage.cost(prices)
    total = "cost of 1,000 VMs"
    return [
        Measure(total, scale * sum(costs.values()), "USD", case, GOALS[total] if case == "app, shared" else None),
        *[Measure(f"  for {what}", scale * cost, "USD", case) for what, cost in costs.items()],
        Measure("active time", scale * usage.seconds * MEMORY_GB, "GB-s", case),
        Measure("requests to tables", scale * usage.table_requests, "", case),
        Measure("requests to queues", scale * usage.queue_requests, "", case),
        Measure("executions", scale * usage.executions, "", case),
    ]


def _conditions(fleet: Fleet, migrated: Migrated, prices: Prices) -> dict[str, Condition]:
    return {
        "VMs": fleet.vms,
        "vaults": fleet.vaults,
        "minutes a job takes": JOB_MINUTES,
        "hours of the migration": round(migrated.azure.hours, 1),
        "GB of an instance": MEMORY_GB,
        "prices of": prices.day,
        "USD a GB-s": prices.gb_second,
        "USD a million executions": prices.million_executions,
        "USD 10,000 table requests": prices.ten_thousand_table_requests,
        "USD 10,000 queue requests": prices.ten_thousand_queue_requests,
        "seconds between a poller's polls": POLLER_SECONDS,
    }
