"""One migration from request to end, watched in the terminal and held to what the scenario expects of every VM."""

import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import groupby

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from local_stack.callers import Caller, Json

LOOK_SECONDS = 0.5
COLOURS = {
    "Migrated": "green",
    "Migrating": "cyan",
    "Starting": "cyan",
    "Planned": "white",
    "AlreadyEnhanced": "green",
    "Blocked": "yellow",
    "Drifted": "yellow",
    "Refused": "red",
    "Failed": "red",
    "TimedOut": "red",
}
RUNNING = ("Planning", "AwaitingApproval", "Running", "Paused")


async def migrate(caller: Caller, console: Console) -> bool:
    """Plan, approve, migrate, report. Answers whether every VM ended as the scenario says and Azure agrees."""
    scenario = await caller.simulator("scenario")
    console.print(f"[bold]{scenario['title']}[/] (scenario {scenario['scenario']})")
    migration = await caller.post(
        "/api/migrations",
        {
            "mode": "migrate",
            "vaults": scenario["vaults"],
            "target": {"policyName": "EnhancedPolicy"},
            "acknowledgeIrreversible": True,
            "limits": {"pollSeconds": 1, "ramp": [1, 5], "maxConcurrentPerVault": 10},
        },
    )
    migration = await _until(caller, migration, lambda state: state != "Planning")
    if migration["state"] == "AwaitingApproval":
        console.print(_table([item async for item in caller.items(migration)], "The plan"))
        cost = (await caller.get(migration["links"]["plan"]))["monthlyChange"]
        low, high = float(cost["low"]), float(cost["high"])
        console.print(f"Snapshots will cost {low:+,.0f} to {high:+,.0f} {cost['currency']} a month.")
        console.print(f"Approving plan {migration['planHash'][:12]}, as an operator would after reading it.\n")
        approval = {"planHash": migration["planHash"], "approver": "make run"}
        migration = await caller.post(f"/api/migrations/{migration['id']}/approve", approval)
        migration = await _watch(caller, migration, console)
    items = [item async for item in caller.items(migration)]
    console.print(_table(items, f"The outcome: {migration['state']}"))
    if migration["problem"]:
        console.print(f"[red]{migration['problem']}[/]")
    surprises = _surprises(items, scenario["expectations"], (await caller.simulator("state"))["items"])
    await _account(caller, items, console)
    for surprise in surprises:
        console.print(f"[red]unexpected:[/] {surprise}")
    if not surprises:
        console.print(f"[green]All {len(items)} VMs ended as the scenario says, and Azure agrees.[/]")
    return not surprises


async def _until(caller: Caller, migration: Json, reached: Callable[[str], bool]) -> Json:
    while not reached(migration["state"]):
        await asyncio.sleep(LOOK_SECONDS)
        migration = await caller.get(f"{migration['links']['self']}?wait=false")
    return migration


async def _watch(caller: Caller, migration: Json, console: Console) -> Json:
    """Show every vault's progress until the migration has ended."""
    with Live(_progress(migration), console=console, transient=True) as live:
        while migration["state"] in RUNNING:
            await asyncio.sleep(LOOK_SECONDS)
            migration = await caller.get(f"{migration['links']['self']}?wait=false")
            live.update(_progress(migration))
    return migration


def _progress(migration: Json) -> Group:
    lines = Table.grid(padding=(0, 2))
    for vault in migration["vaults"]:
        counts = vault["items"]
        total = sum(counts.values())
        left = sum(counts.get(state, 0) for state in ("Planned", "Starting", "Migrating"))
        lines.add_row(_name(vault), ProgressBar(total=total, completed=total - left, width=30), _states(counts))
    return Group(Text(f"{migration['state']}: {sum(migration['items'].values())} VMs"), lines)


def _name(vault: Json) -> str:
    return vault["vaultId"].rpartition("/")[2]


def _states(counts: dict[str, int]) -> Text:
    text = Text()
    for state, count in counts.items():
        text.append(f"{count} {state}  ", style=COLOURS.get(state, ""))
    return text


def _table(items: list[Json], title: str) -> Table:
    """How many VMs of each vault are in which state, and why."""
    table = Table(title=title, title_justify="left")
    table.add_column("Vault")
    table.add_column("State")
    table.add_column("Reason")
    table.add_column("VMs", justify="right")
    groups = Counter((item["itemId"].split("/")[8], item["state"], _reason(item)) for item in items)
    for vault, rows in groupby(sorted(groups.items()), key=lambda group: group[0][0]):
        for n, ((_, state, reason), count) in enumerate(rows):
            table.add_row("" if n else vault, Text(state, style=COLOURS.get(state, "")), reason, str(count))
        table.add_section()
    table.add_row("all", "", "", str(len(items)))
    return table


def _reason(item: Json) -> str:
    if item["warnings"]:
        return "with a warning"
    return "" if item["reason"] == item["state"] else item["reason"]


def _surprises(items: list[Json], expected: dict[str, Json], truth: dict[str, Json]) -> list[str]:
    """What ended otherwise than the scenario says, or is not so in Azure."""
    expected = {item_id.lower(): value for item_id, value in expected.items()}
    truth = {item_id.lower(): value for item_id, value in truth.items()}
    found = {item["itemId"].lower(): item for item in items}
    surprises = [f"{item_id} is missing" for item_id in expected.keys() - found.keys()]
    for item_id, item in found.items():
        wanted, azure = expected[item_id], truth[item_id]
        if item["state"] != wanted["state"] or (wanted["finding"] and item["reason"] != wanted["finding"]):
            surprises.append(f"{item['vmName']} is {item['state']} {item['reason']}, not {wanted}")
        if (item["state"] == "Migrated") and (azure["policyType"], azure["putsReceived"]) != ("V2", 1):
            surprises.append(f"{item['vmName']}: {azure['putsReceived']} writes, policy type {azure['policyType']}")
        if item["state"] in ("Blocked", "AlreadyEnhanced") and azure["putsReceived"]:
            surprises.append(f"{item['vmName']} is {item['state']} and was written all the same")
    return sorted(surprises)


async def _account(caller: Caller, items: list[Json], console: Console) -> None:
    """What the migration cost in calls to Azure Resource Manager."""
    calls: dict[str, int] = await caller.simulator("requests/summary")
    moved = sum(bool(item["writtenAt"]) for item in items)
    table = Table(title="Calls to Azure Resource Manager", title_justify="left")
    table.add_column("Action")
    table.add_column("Calls", justify="right")
    for action, count in sorted(calls.items(), key=lambda call: -call[1]):
        table.add_row("/".join(action.split("/")[-2:]), str(count))
    table.add_section()
    table.add_row(f"all, for {moved} VMs written and {len(items)} planned", str(sum(calls.values())))
    console.print(table)
