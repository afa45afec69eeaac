"""An operator and the real app: from the plan to the export, through the API as it is."""

import csv
import json
from io import StringIO

import aiohttp
import pytest

from local_host.host import LocalHost
from simulator import Simulator
from simulator.events import JobErrorTable, Migration, MigrationWillEnd
from tests.clients.simulated import a_scenario, a_vm_group, meanwhile
from tests.operator_cli.conftest import run_at
from tests.whole.callers import writes
from tests.whole.conftest import OneClock

BROKEN = Migration(ends="Failed", error=JobErrorTable(code=1, title="UserErrorFsFreezeFailed", text="no"), minutes=5)


@pytest.mark.parametrize("scenario", [a_scenario(a_vm_group("ok-{n}", count=3), a_vm_group("bad-1", migration=BROKEN))])
async def test_a_migration_from_its_plan_to_its_retry(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock
) -> None:
    """Plan, refuse the wrong hash, approve, pause, resume, change limits, watch, look, export, retry."""

    async def run(line: str, code: int = 0) -> str:
        result = await run_at(host.url, *line.split())
        assert result.exit_code == code, result.output
        return result.stdout

    vaults = " ".join(f"--vault {vault.id}" for vault in simulator.estate.vaults())
    with clock.standing_still():
        await run(f"start --id m1 {vaults} --policy EnhancedPolicy --yes-irreversible --ramp= --poll-seconds 60")
        await host.settled()
        plan = json.loads(await run("plan m1 --json"))
        assert "approve its hash" in await run("status m1")
        await run(f"approve m1 --hash {'0' * 64}", code=4)
        assert writes(simulator) == 0

        await run(f"approve m1 --hash {plan['planHash']} --by ada")
        await run("limits m1 --max-concurrent 2 --by ada")
        assert "Paused" in await run("pause m1 --comment freeze")
        assert "Running" in await run("resume m1")
    await host.wait("m1")

    assert "Completed" in await run("watch m1", code=1)
    assert "Check the file systems in the guest" in await run("items m1 --state Failed")
    exported = await run("export m1")
    async with http.get("/api/migrations/m1/items", headers={"Accept": "text/csv"}) as response:
        assert await response.text() == exported
    rows = list(csv.DictReader(StringIO(exported)))
    assert sorted((row["vm"], row["state"]) for row in rows) == [
        ("bad-1", "Failed"),
        ("ok-1", "Migrated"),
        ("ok-2", "Migrated"),
        ("ok-3", "Migrated"),
    ]

    await run("pause m1", code=4)
    await run("status m9", code=3)
    meanwhile(simulator, MigrationWillEnd(vm="bad-1", migration=Migration()))
    await run("retry m1 --id m2 --approval none")
    await host.wait("m2")
    assert json.loads(await run("watch m2 --json"))["items"] == {"AlreadyEnhanced": 3, "Migrated": 1}


async def test_a_plan_alone_and_one_that_is_rejected(host: LocalHost, simulator: Simulator, clock: OneClock) -> None:
    """A plan is made, shown and compared; a no ends a migration, and nothing was written."""
    vaults = [part for vault in simulator.estate.vaults() for part in ("--vault", vault.id)]
    await run_at(host.url, "plan", "--no-wait", "--id", "p1", *vaults, "--clone")
    await host.wait("p1")
    shown = await run_at(host.url, "plan", "p1", "--against", "p1")
    assert (shown.exit_code, "Nothing differs" in shown.stdout) == (0, True)

    with clock.standing_still():
        await run_at(host.url, "start", "--id", "m1", *vaults, "--clone", "--yes-irreversible")
        await host.settled()
        rejected = await run_at(host.url, "reject", "m1", "--comment", "too dear")
        assert rejected.exit_code == 0
    await host.wait("m1")
    assert (await run_at(host.url, "watch", "m1")).exit_code == 6
    assert writes(simulator) == 0
