"""Migrations from the request to the ledger's last row, and what they cost."""

import aiohttp

from clients import Clients
from clients.ledger import ItemFilter
from local_host.host import LocalHost
from migration.model import PolicyType, VaultId
from simulator import Simulator
from tests.whole.callers import a_body, ask, finish, items, writes
from tests.whole.conftest import OneClock

JOB_READ = "Microsoft.RecoveryServices/vaults/backupJobs/read"


async def test_a_vault_is_migrated(http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator) -> None:
    """Every ready VM moves by one write, and the ledger says so with its job."""
    document = await finish(http, host, a_body(simulator))

    assert (document["state"], document["items"]) == ("Completed", {"Migrated": 20})
    assert writes(simulator) == 20
    assert all(item["jobId"] and item["operationId"] and item["settledAt"] for item in await items(http))


async def test_a_plan_writes_nothing(http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator) -> None:
    """Plan mode reads lists only: Azure sees no write and no call per item."""
    document = await finish(http, host, a_body(simulator, mode="plan"))

    assert (document["state"], document["items"]) == ("Completed", {"Planned": 20})
    assert {request.method for request in simulator.log.requests} == {"GET"}
    assert simulator.log.counts() == {
        "Microsoft.RecoveryServices/vaults/read": 2,  # the scope, and the vault's own settings
        "Microsoft.RecoveryServices/vaults/backupProtectedItems/read": 1,
        "Microsoft.RecoveryServices/vaults/backupPolicies/read": 2,  # the list, and the target's members
        JOB_READ: 1,
        "Microsoft.Compute/virtualMachines/read": 1,
        "Microsoft.Compute/disks/read": 1,
    }


async def test_looking_after_jobs_costs_no_call_per_vm(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator
) -> None:
    """One gate and one write a VM; everything else is lists, however long the jobs run."""
    await finish(http, host, a_body(simulator, limits={"ramp": []}))

    calls = simulator.log.counts()
    assert calls[JOB_READ] <= 20
    assert sum(calls.values()) - 2 * 20 <= 30


async def test_nothing_starts_before_the_approval(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock
) -> None:
    """The plan waits; the approval of its hash starts it, and who approved is in the ledger."""
    with clock.standing_still():
        await ask(http, "POST", "/api/migrations", a_body(simulator, approval="required"))
        await host.settled()
        _, waiting = await ask(http, "GET", "/api/migrations/m1")
        assert (waiting["state"], writes(simulator)) == ("AwaitingApproval", 0)

        word = {"planHash": waiting["planHash"], "approver": "ada", "comment": "read it"}
        status, _ = await ask(http, "POST", "/api/migrations/m1/approve", word)
        assert status == 202
    await host.wait("m1")

    again, problem = await ask(http, "POST", "/api/migrations/m1/approve", word)
    _, document = await ask(http, "GET", "/api/migrations/m1")
    assert (document["state"], document["items"]) == ("Completed", {"Migrated": 20})
    assert (document["decision"]["approver"], document["decision"]["comment"]) == ("ada", "read it")
    assert (again, problem["detail"]) == (409, "ada has approved it")


async def test_only_the_plan_that_was_read_can_be_approved(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock
) -> None:
    """Another hash is refused, and the plan goes on waiting."""
    with clock.standing_still():
        await ask(http, "POST", "/api/migrations", a_body(simulator, approval="required"))
        await host.settled()
        word = {"planHash": "0" * 64, "approver": "ada"}
        status, problem = await ask(http, "POST", "/api/migrations/m1/approve", word)
        assert (status, problem["title"]) == (409, "This is not the plan")

        status, _ = await ask(http, "POST", "/api/migrations/m1/reject", {"approver": "ada"})
        assert status == 202
    await host.wait("m1")

    _, document = await ask(http, "GET", "/api/migrations/m1")
    assert (document["state"], writes(simulator)) == ("Rejected", 0)
    assert document["problem"] == "rejected by ada"


async def test_an_item_that_changed_since_the_plan_is_left_alone(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clients: Clients, clock: OneClock
) -> None:
    """Somebody moved a VM between plan and execution: it is Drifted, and not written by us."""
    with clock.standing_still():
        await ask(http, "POST", "/api/migrations", a_body(simulator, approval="required"))
        await host.settled()
        _, waiting = await ask(http, "GET", "/api/migrations/m1")
        first = (await items(http))[0]
        target = f"{waiting['vaults'][0]['vaultId']}/backupPolicies/EnhancedPolicy"
        await clients.backup.change_policy(first["itemId"], first["vmId"], target)
        await ask(http, "POST", "/api/migrations/m1/approve", {"planHash": waiting["planHash"], "approver": "ada"})
    await host.wait("m1")

    _, document = await ask(http, "GET", "/api/migrations/m1")
    assert document["items"] == {"Drifted": 1, "Migrated": 19}
    assert document["reasons"] == {"AlreadyMoved": 1}
    assert writes(simulator) == 20  # one of them was the test's own


async def test_a_vault_that_does_not_exist_starts_nothing(http: aiohttp.ClientSession, simulator: Simulator) -> None:
    """A mistyped vault is told at its place in the request, before anything is written anywhere."""
    body = a_body(simulator)
    body["vaults"].append(body["vaults"][0] + "x")
    status, problem = await ask(http, "POST", "/api/migrations", body)

    assert (status, [error["path"] for error in problem["errors"]]) == (400, ["$.vaults[1]"])
    assert (await ask(http, "GET", "/api/migrations/m1"))[0] == 404


async def test_a_canary_moves_alone(http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator) -> None:
    """A selection of one VM moves that one; the others are in the plan as Excluded, and untouched."""
    name = min(item.friendly_name for vault in simulator.estate.vaults() for item in vault.items.values())
    document = await finish(http, host, a_body(simulator, items={"include": [name]}))

    assert document["items"] == {"Excluded": 19, "Migrated": 1}
    assert writes(simulator) == 1


async def test_a_pattern_without_a_vm_fails_the_plan(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator
) -> None:
    """Nothing is approved, nothing runs, and the pattern is named."""
    document = await finish(http, host, a_body(simulator, items={"include": ["nothing-*"]}))

    assert (document["state"], writes(simulator)) == ("Failed", 0)
    assert document["problem"] == "$.items.include[0]: nothing-* is nowhere in these vaults"


async def test_clones_are_made_only_when_the_migration_runs(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clients: Clients
) -> None:
    """Planning makes no policy; running makes one equal Enhanced policy and moves every VM to it; twice is once."""
    vault = VaultId.parse(next(iter(simulator.estate.vaults())).id)
    await finish(http, host, a_body(simulator, id="plan", mode="plan", target={"clone": {}}))
    assert await clients.backup.get_policy(vault, "DefaultPolicy-enhanced") is None

    document = await finish(http, host, a_body(simulator, target={"clone": {}}))
    made = await clients.backup.get_policy(vault, "DefaultPolicy-enhanced")
    source = await clients.backup.get_policy(vault, "DefaultPolicy")

    assert made and source
    assert (made[0].policy_type, made[0].retention) == (PolicyType.ENHANCED, source[0].retention)
    assert (made[1], source[1]) == (20, 0)
    assert document["items"] == {"Migrated": 20}
    assert {item["targetPolicy"] for item in await items(http)} == {"DefaultPolicy-enhanced"}
    assert writes(simulator) == 21


async def test_no_claim_is_left_behind(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clients: Clients
) -> None:
    """After the end another migration may hold every VM."""
    document = await finish(http, host, a_body(simulator))
    [vault] = document["vaults"]

    assert vault["key"] == VaultId.parse(vault["vaultId"]).key
    assert await clients.ledger.claims(vault["key"], "m1") == []


async def test_two_migrations_over_one_vault_write_each_vm_once(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock
) -> None:
    """What one holds the other leaves alone, and says who has it or that it has moved."""
    with clock.standing_still():  # or the first could move VMs before the second has planned them
        for name in ("m1", "m2"):
            status, _ = await ask(http, "POST", "/api/migrations", a_body(simulator, id=name))
            assert status == 202
        await host.settled()
    for name in ("m1", "m2"):
        await host.wait(name)

    outcomes = {name: {item["name"]: item for item in await items(http, name)} for name in ("m1", "m2")}
    assert writes(simulator) == 20
    for name in outcomes["m1"]:
        states = sorted(outcomes[migration][name]["state"] for migration in ("m1", "m2"))
        assert states in (["Drifted", "Migrated"], ["Migrated", "Refused"]), states


async def test_the_ledger_keeps_every_vm_of_the_vault(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clients: Clients
) -> None:
    """What the API pages through is what the ledger holds."""
    await finish(http, host, a_body(simulator, mode="plan"))

    seen: list[str] = []
    path = "/api/migrations/m1/items?pageSize=7&state=Planned"
    while path:
        _, page = await ask(http, "GET", path)
        seen += [item["name"] for item in page["items"]]
        path = page["nextLink"].removeprefix(host.url)
    whole = await clients.ledger.page_items("m1", ItemFilter(), 1000, "")

    assert len(seen) == 20
    assert seen == [item.item_name for item in whole.items]
