"""Migrations from the request to the ledger's last row, and what they cost."""

import aiohttp

from clients import Clients
from clients.ledger import ItemFilter
from local_host.host import LocalHost
from migration.model import VaultId
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
    assert len(simulator.log.requests) == 4


async def test_looking_after_jobs_costs_no_call_per_vm(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator
) -> None:
    """One gate and one write a VM; everything else is lists, however long the jobs run."""
    await finish(http, host, a_body(simulator))

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

    _, document = await ask(http, "GET", "/api/migrations/m1")
    assert (document["state"], document["items"]) == ("Completed", {"Migrated": 20})


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
    assert document["reasons"] == {"PolicyChanged": 1}
    assert writes(simulator) == 20  # one of them was the test's own


async def test_a_vault_that_does_not_exist_fails_the_migration_by_name(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator
) -> None:
    """A mistyped vault is told; nothing of the other vaults moves."""
    body = a_body(simulator)
    body["vaults"].append(body["vaults"][0] + "x")
    document = await finish(http, host, body)

    assert (document["state"], writes(simulator)) == ("Failed", 0)
    assert f"{body['vaults'][1]}: ResourceNotFound" in document["problem"]


async def test_no_claim_is_left_behind(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clients: Clients
) -> None:
    """After the end another migration may hold every VM."""
    document = await finish(http, host, a_body(simulator))
    [vault] = document["vaults"]

    assert vault["key"] == VaultId.parse(vault["vaultId"]).key
    assert await clients.ledger.claims(vault["key"], "m1") == []


async def test_two_migrations_over_one_vault_write_each_vm_once(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator
) -> None:
    """What one holds the other leaves alone, and says who has it or that it has moved."""
    for name in ("m1", "m2"):
        status, _ = await ask(http, "POST", "/api/migrations", a_body(simulator, id=name))
        assert status == 202
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
