"""What callers ask beside one status: lists, filters, a VM's history, health; and how an answer's code alone tells."""

import base64
import csv
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from io import StringIO
from typing import Any

import aiohttp
import azure.durable_functions as df
import msgspec
import pytest

import function_app
from clients import Clients
from local_host.host import LocalHost
from simulator import Simulator
from simulator.events import JobErrorTable, Migration
from simulator.troubles import Trouble, TroubleKind
from tests.clients.simulated import a_scenario, a_vm_group
from tests.whole.callers import Json, a_body, act, ask, finish, items, status_of
from tests.whole.conftest import OneClock

BAD = Migration(ends="Failed", error=JobErrorTable(code=1, title="UserErrorFsFreezeFailed", text="=no"), minutes=5)
MIXED = a_scenario(a_vm_group("web-{n}", count=3), a_vm_group("db-1", migration=BAD), a_vm_group("old-1", classic=True))


# --- the list of migrations


async def test_the_latest_request_comes_first(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock
) -> None:
    """Page by page, each once, with its counts and its address."""
    for name in ("b", "c", "a"):
        await finish(http, host, a_body(simulator, id=name, mode="plan"))
        clock.advance(timedelta(hours=1))
    seen: list[Json] = []
    path = "/api/migrations?pageSize=2"
    while path:
        status, page = await ask(http, "GET", path)
        assert status == 200
        seen += page["migrations"]
        path = page["nextLink"].removeprefix(host.url)

    assert [one["id"] for one in seen] == ["a", "c", "b"]
    assert seen[0]["items"] == {"Planned": 20}
    assert seen[0]["link"] == f"{host.url}/api/migrations/a"


async def test_the_list_is_filtered(http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator) -> None:
    """By state, vault, subscription and time; what fits none is an empty list, not an error."""
    await finish(http, host, a_body(simulator, id="plan", mode="plan"))
    await finish(http, host, a_body(simulator, id="wrong", items={"include": ["nothing"]}))
    [vault] = [vault.id for vault in simulator.estate.vaults()]
    subscription = vault.split("/")[2]
    expected = {
        "state=Failed": ["wrong"],
        "state=Running": [],
        f"vault={vault.upper()}": ["wrong", "plan"],
        f"vault={vault}x": [],
        f"subscription={subscription.upper()}": ["wrong", "plan"],
        "subscription=99999999-2222-4333-8444-555555555555": [],
        "since=2026-11-02T07:00:00Z": ["wrong", "plan"],
        "since=2027-01-01T00:00:00Z": [],
        "until=2026-11-01T00:00:00Z": [],
    }
    for query, ids in expected.items():
        _, page = await ask(http, "GET", f"/api/migrations?{query}")
        assert (sorted(one["id"] for one in page["migrations"]), page["nextLink"]) == (sorted(ids), ""), query


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("state=Gone", "$.state"),
        ("vault=vault-1", "$.vault"),
        ("subscription=x' or 1 eq 1", "$.subscription"),
        ("since=yesterday", "$.since"),
        ("since=2026-11-02T07:00:00", "$.since"),
        ("pageSize=9999", "$.pageSize"),
        ("continuation=7b7d", "$.continuation"),
        ("top=5", "$.top"),
    ],
)
async def test_a_wrong_question_is_told_where(http: aiohttp.ClientSession, query: str, path: str) -> None:
    """400 that names the parameter."""
    status, problem = await ask(http, "GET", f"/api/migrations?{query}")
    assert (status, [error["path"] for error in problem["errors"]]) == (400, [path])


# --- the items of a migration


@pytest.mark.parametrize("scenario", [MIXED])
async def test_items_are_found_by_what_matters(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator
) -> None:
    """State, reason, finding, part of the name in any casing, and all of them together."""
    document = await finish(http, host, a_body(simulator))
    assert document["items"] == {"Blocked": 1, "Failed": 1, "Migrated": 3}
    expected = {
        "state=Migrated": ["web-1", "web-2", "web-3"],
        "reason=UserErrorFsFreezeFailed": ["db-1"],
        "finding=ClassicVm": ["old-1"],
        "text=WEB": ["web-1", "web-2", "web-3"],
        "text=web&state=Failed": [],
        "text='": [],
    }
    for query, names in expected.items():
        assert [item["vmName"] for item in await items(http, query=f"?{query}")] == names, query


@pytest.mark.parametrize("scenario", [MIXED])
async def test_a_filtered_list_is_paged_through(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator
) -> None:
    """Each VM that fits comes once, and a continuation is good for its own list only."""
    await finish(http, host, a_body(simulator))
    _, first = await ask(http, "GET", "/api/migrations/m1/items?text=web&pageSize=2")
    _, second = await ask(http, "GET", first["nextLink"].removeprefix(host.url))
    assert [item["vmName"] for page in (first, second) for item in page["items"]] == ["web-1", "web-2", "web-3"]
    assert second["nextLink"] == ""

    foreign = first["nextLink"].removeprefix(host.url).replace("text=web", "text=db")
    status, problem = await ask(http, "GET", foreign)
    assert (status, problem["errors"][0]["path"]) == (400, "$.continuation")


@pytest.mark.parametrize("scenario", [MIXED])
async def test_the_outcome_is_a_spreadsheet(http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator) -> None:
    """All that fit, a line each, whatever the page size; nothing in it runs as a formula."""
    await finish(http, host, a_body(simulator))
    url = "/api/migrations/m1/items?pageSize=1&state=Failed"
    async with http.get(url, headers={"Accept": "TEXT/CSV, */*"}) as response:
        text = await response.text()
    [row] = csv.DictReader(StringIO(text))

    assert response.content_type == "text/csv"
    assert (row["vm"], row["state"], row["reason"]) == ("db-1", "Failed", "UserErrorFsFreezeFailed")
    assert row["message"] == "'=no"
    assert "fsck" in row["remedy"]


async def test_a_vault_that_is_not_in_the_migration_is_an_error(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator
) -> None:
    """A mistyped key must not look like a vault without VMs."""
    await finish(http, host, a_body(simulator, mode="plan"))
    status, problem = await ask(http, "GET", "/api/migrations/m1/items?vault=vault-9-00000000")
    assert (status, problem["errors"][0]["path"]) == (400, "$.vault")


# --- one VM


@pytest.mark.parametrize("scenario", [MIXED])
async def test_a_vm_has_a_history(http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator) -> None:
    """Every migration that planned it, the latest first, by its own id or its protected item's, in any casing."""
    await finish(http, host, a_body(simulator, id="plan", mode="plan"))
    await finish(http, host, a_body(simulator))
    [failed] = await items(http, query="?text=db-1")

    for resource_id in (failed["vmId"], failed["itemId"].upper()):
        status, history = await ask(http, "GET", f"/api/items{resource_id}")
        assert status == 200
        assert [(item["migrationId"], item["state"]) for item in history["items"]] == [
            ("m1", "Failed"),
            ("plan", "Planned"),
        ]


@pytest.mark.parametrize(
    ("resource_id", "expected"),
    [
        ("nonsense", 400),
        ("subscriptions/x/resourceGroups/y/providers/Microsoft.Compute/disks/z", 400),
        ("subscriptions/x/resourceGroups/y/providers/Microsoft.Compute/virtualMachines/a%23b", 400),
        ("subscriptions/x/resourceGroups/y/providers/Microsoft.Compute/virtualMachines/a%5Cb", 400),
        ("subscriptions/x/resourceGroups/y%07/providers/Microsoft.Compute/virtualMachines/z", 400),
        ("subscriptions/x/resourceGroups/y/providers/Microsoft.Compute/virtualMachines/z'", 404),
        ("subscriptions/x/resourceGroups/y/providers/Microsoft.Compute/virtualMachines/z", 404),
    ],
)
async def test_a_vm_that_nobody_knows(http: aiohttp.ClientSession, resource_id: str, expected: int) -> None:
    """What is no VM's id is a 400, a VM that no plan has seen a 404."""
    await ask(http, "GET", "/api/health/ready")  # makes the tables
    assert (await ask(http, "GET", f"/api/items/{resource_id}"))[0] == expected


# --- how a migration ended, by the code alone


@pytest.mark.parametrize("scenario", [MIXED])
async def test_a_poller_learns_the_end_from_the_code(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock
) -> None:
    """202 while it goes on; then 200, also with some VMs failed, 409 where people or failures stopped it, 500 else."""
    await finish(http, host, a_body(simulator, id="done", items={"include": ["web-1", "db-1"]}))
    await finish(http, host, a_body(simulator, id="halted", limits={"ramp": [1], "stopAfterFailures": 1}))
    await finish(http, host, a_body(simulator, id="failed", items={"include": ["nothing"]}))
    with clock.standing_still():
        await ask(http, "POST", "/api/migrations", a_body(simulator, id="waits", mode="migrate", approval="required"))
        await host.settled()
        codes = {
            name: (await ask(http, "GET", f"/api/migrations/{name}"))[0]
            for name in ("done", "halted", "failed", "waits")
        }
        await ask(http, "POST", "/api/migrations/waits/cancel")
    assert codes == {"done": 200, "halted": 409, "failed": 500, "waits": 202}
    assert (await ask(http, "GET", "/api/migrations/waits"))[0] == 409
    assert (await ask(http, "GET", "/api/migrations/failed?wait=false"))[0] == 200
    assert (await ask(http, "GET", "/api/migrations/failed?wait=maybe"))[0] == 400


async def test_the_status_says_how_far_it_is_and_what_to_do(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock
) -> None:
    """Numbers that add up, an end at the pace so far, and one sentence for the operator."""
    with clock.standing_still():
        await ask(http, "POST", "/api/migrations", a_body(simulator, approval="required"))
        await host.settled()
        waiting = await status_of(http)
        await act(http, "approve", {"planHash": waiting["planHash"], "approver": "ada"})
        await host.settled()
        begun = await status_of(http)
        for _ in range(3):
            clock.advance(timedelta(hours=1))
            await host.settled()
        later = await status_of(http)
    await host.wait("m1")
    ended = await status_of(http)

    assert "approve its hash or reject it" in waiting["nextAction"]
    assert (begun["progress"]["planned"], begun["progress"]["inFlight"], begun["progress"]["done"]) == (20, 1, 0)
    assert begun["progress"]["estimatedEnd"] is None
    counted = later["progress"]
    assert counted["done"] + counted["inFlight"] + counted["waiting"] == counted["planned"] == 20
    assert counted["vmsPerHour"] > 0
    assert counted["estimatedEnd"] > later["requestedAt"]
    assert (ended["progress"]["percent"], ended["nextAction"]) == (100, "Nothing.")


# --- health


async def test_health_names_what_fails(
    http: aiohttp.ClientSession, simulator: Simulator, clients: Clients, azurite: str, clock: OneClock
) -> None:
    """Alive whatever happens around; ready only when the ledger and Azure answer."""
    assert (await ask(http, "GET", "/api/health/live"))[0] == 200
    status, health = await ask(http, "GET", "/api/health/ready")
    assert (status, health["status"], [check["ok"] for check in health["checks"]]) == (200, "ok", [True, True])

    simulator.troubles.add(Trouble(kind=TroubleKind.NOT_AUTHORIZED))
    status, health = await ask(http, "GET", "/api/health/ready")
    assert (status, health["status"]) == (503, "failing")
    assert {check["name"]: check["ok"] for check in health["checks"]} == {"ledger": True, "azure": False}
    assert "AuthorizationFailed" in health["checks"][1]["detail"]
    assert (await ask(http, "GET", "/api/health/live"))[0] == 200


# --- who calls, and from where


async def test_links_lead_to_where_the_caller_came_from(http: aiohttp.ClientSession, simulator: Simulator) -> None:
    """A gateway says which host it stands for; nonsense in its header is not repeated."""
    forwarded = {"X-Forwarded-Host": "backup.example:8443", "X-Forwarded-Proto": "https"}
    async with http.post("/api/migrations", json=a_body(simulator, mode="plan"), headers=forwarded) as response:
        assert response.headers["Location"] == "https://backup.example:8443/api/migrations/m1"
    for nonsense in ("evil.example/x", 'a"b', "a b", "user@evil.example"):
        async with http.get("/api/migrations/m1", headers={"X-Forwarded-Host": nonsense}) as response:
            assert nonsense not in await response.text()


async def test_a_key_of_the_caller_makes_it_one_migration(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator
) -> None:
    """Idempotency-Key stands for the id; what can't be one, or contradicts the body, is told."""
    key = {"Idempotency-Key": "9f0c2b1e-1111-4222-8333-444444444444"}
    body = a_body(simulator, mode="plan", id=None)
    for _ in range(2):
        async with http.post("/api/migrations", json=body, headers=key) as response:
            assert (response.status, (await response.json())["id"]) == (202, key["Idempotency-Key"])
    async with http.post("/api/migrations", json={**body, "approval": "required"}, headers=key) as response:
        assert response.status == 409
    for wrong, sent in ((key, {**body, "id": "other"}), ({"Idempotency-Key": "a b"}, body)):
        async with http.post("/api/migrations", json=sent, headers=wrong) as response:
            assert response.status == 400
            assert (await response.json())["errors"][0]["path"] == "Idempotency-Key"
    _, page = await ask(http, "GET", "/api/migrations")
    assert len(page["migrations"]) == 1


@pytest.mark.parametrize("name", ["event-vault-1-20261103-0800", "audit-20261103"])
async def test_the_ids_of_the_apps_own_migrations_are_reserved(
    name: str, http: aiohttp.ClientSession, simulator: Simulator
) -> None:
    """Whoever takes one would take the place of what an event or the audit begins."""
    status, problem = await ask(http, "POST", "/api/migrations", a_body(simulator, id=name, mode="plan"))
    assert (status, [error["path"] for error in problem["errors"]]) == (400, ["$.id"])


async def test_a_request_that_no_row_could_keep_is_refused(http: aiohttp.ClientSession, simulator: Simulator) -> None:
    """Table Storage takes a megabyte a row, which the emulator does not enforce."""
    body = a_body(simulator, items={"include": ["x" * 1000] * 260})
    status, problem = await ask(http, "POST", "/api/migrations", body)
    assert (status, problem["title"]) == (413, "The request is too large")
    assert (await ask(http, "GET", "/api/migrations/m1"))[0] == 404


@asynccontextmanager
async def an_app(clients: Clients, clock: OneClock, **settings: Any) -> AsyncGenerator[aiohttp.ClientSession]:
    """A caller of an app with these settings."""
    app = df.DFApp()
    function_app.register(app, clients, msgspec.structs.replace(function_app.settings, **settings))
    async with LocalHost(app, clock=clock) as host, aiohttp.ClientSession(host.url) as session:
        yield session


@pytest.fixture
async def signed_in(clients: Clients, clock: OneClock) -> AsyncIterator[aiohttp.ClientSession]:
    """A caller of an app behind App Service's authentication."""
    async with an_app(clients, clock, easy_auth=True) as session:
        yield session


def principal(**claims: str) -> dict[str, str]:
    """The header that the platform sets."""
    document: dict[str, Any] = {"auth_typ": "aad", "claims": [{"typ": typ, "val": val} for typ, val in claims.items()]}
    return {"x-ms-client-principal": base64.b64encode(msgspec.json.encode(document)).decode()}


async def test_who_is_signed_in_asks_and_approves(
    signed_in: aiohttp.ClientSession, simulator: Simulator, clock: OneClock
) -> None:
    """The name that the platform vouches for is recorded, whatever the body says."""
    ada, bob = principal(preferred_username="ada@example.com"), principal(appid="app-1")
    body = a_body(simulator, approval="required")
    with clock.standing_still():  # or the days for an approval would be over before it is given
        async with signed_in.post("/api/migrations", json=body, headers=bob) as response:
            assert (await response.json())["requester"] == "app-1"
        document: Json = {"state": "Planning"}
        while document["state"] == "Planning":
            async with signed_in.get("/api/migrations/m1", headers=ada) as response:
                document = await response.json()
        word = {"planHash": document["planHash"], "approver": "eve"}
        async with signed_in.post("/api/migrations/m1/approve", json=word, headers=ada) as response:
            assert (await response.json())["decision"]["approver"] == "ada@example.com"


@pytest.mark.parametrize("header", ["", "nonsense", "e30=", "bnVsbA=="])
async def test_nobody_comes_past_the_authentication(signed_in: aiohttp.ClientSession, header: str) -> None:
    """Without a principal that says who, every answer is 401 but liveness and the API's description."""
    headers = {"x-ms-client-principal": header} if header else {}
    for path, expected in (("/api/migrations", 401), ("/api/health/ready", 401), ("/api/health/live", 200)):
        async with signed_in.get(path, headers=headers) as response:
            assert response.status == expected


async def test_with_function_keys_nobody_is_believed(http: aiohttp.ClientSession, simulator: Simulator) -> None:
    """Anybody may send the header where no platform stands before the app."""
    headers = principal(preferred_username="ada@example.com")
    async with http.post("/api/migrations", json=a_body(simulator, mode="plan"), headers=headers) as response:
        assert (await response.json())["requester"] == ""


# --- what the app may touch, and what a URL may carry


@pytest.mark.parametrize("scenario", ["fleet:2x1"])
async def test_nothing_beyond_the_allow_list_is_touched(
    clients: Clients, simulator: Simulator, clock: OneClock
) -> None:
    """A vault outside of it is like one that is not there, by name and in its subscription."""
    allowed, other = sorted(vault.id for vault in simulator.estate.vaults())
    subscription = allowed.split("/")[2]
    async with an_app(clients, clock, allowed_scopes=(allowed,)) as http:
        status, problem = await ask(http, "POST", "/api/migrations", a_body(simulator, mode="plan"))
        assert (status, [error["path"] for error in problem["errors"]]) == (400, ["$.vaults[1]"])
        body = a_body(simulator, mode="plan", vaults=[], subscriptions=[{"id": subscription}])
        _, document = await ask(http, "POST", "/api/migrations", body)
    assert [vault["vaultId"] for vault in document["vaults"]] == [allowed]
    assert other not in str(document)


async def test_a_key_in_the_url_is_the_hosts_and_goes_no_further(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator
) -> None:
    """Portals hand out URLs with ?code=; it is neither a wrong question nor in any answer."""
    await finish(http, host, a_body(simulator, mode="plan"))
    for path in (
        "/api/migrations?",
        "/api/migrations/m1?",
        "/api/migrations/m1/plan?",
        "/api/migrations/m1/items?pageSize=5&",
    ):
        async with http.get(f"{path}code=sEcReT") as response:
            assert response.status == 200, path
            assert "sEcReT" not in await response.text()


@pytest.mark.parametrize("host_header", ["[bad", "a b", "<script>"])
async def test_a_host_that_is_none_is_refused(
    http: aiohttp.ClientSession, host: LocalHost, host_header: str, simulator: Simulator
) -> None:
    """It would come back in every link."""
    await finish(http, host, a_body(simulator, mode="plan"))
    async with http.get("/api/migrations/m1", headers={"Host": host_header}) as response:
        assert response.status == 400
        assert host_header not in await response.text()


async def test_nothing_that_a_caller_sent_is_logged(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither keys nor texts, of requests that were right and of those that were not; a log has more readers."""
    caplog.set_level("INFO")
    secret, key = "hunter2", {"x-functions-key": "k3y-hunter2"}
    body = a_body(simulator, items={"exclude": [secret]}, mode="plan")
    await http.post("/api/migrations", json=body, headers=key)
    await http.post("/api/migrations", json={**body, "id": "m2", secret: secret}, headers=key)
    await http.post(f"/api/migrations/m1/pause?code={secret}", json={"by": secret, "comment": secret})
    await http.post("/api/migrations/m1/cancel", data=f"{{{secret}")
    await http.get(f"/api/migrations/m1/items?text={secret}&continuation={secret}")
    await host.settled()
    assert secret not in caplog.text
