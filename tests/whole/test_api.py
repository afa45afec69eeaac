"""The HTTP API: what it answers to callers who are right, and to those who are not."""

import logging
from typing import Any

import aiohttp
import pytest

from local_host.host import LocalHost
from simulator import Simulator
from tests.whole.callers import a_body, ask, finish, writes
from tests.whole.conftest import OneClock, function_app


async def test_a_start_is_accepted_and_says_where_to_look(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock
) -> None:
    """202 with an absolute Location without keys, and Retry-After, as polling clients expect."""
    with clock.standing_still():
        async with http.post("/api/migrations", json=a_body(simulator)) as response:
            document = await response.json()
        async with http.get(response.headers["Location"]) as running:
            assert running.status == 202
            assert int(running.headers["Retry-After"]) > 0

    assert response.status == 202
    assert response.headers["Location"] == f"{host.url}/api/migrations/m1" == document["links"]["self"]
    assert int(response.headers["Retry-After"]) > 0


async def test_without_an_id_a_migration_gets_one(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator
) -> None:
    """The id tells when the migration was asked for."""
    document = await finish(http, host, a_body(simulator, id=None, mode="plan"))
    assert document["id"].startswith("20261102-080000-")


async def test_the_same_request_twice_is_one_migration(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator
) -> None:
    """A caller who lost the answer may ask again; another request under the same id is refused."""
    first = await finish(http, host, a_body(simulator))
    again_status, again = await ask(http, "POST", "/api/migrations", a_body(simulator))
    other_status, other = await ask(http, "POST", "/api/migrations", a_body(simulator, mode="plan"))

    assert (again_status, again["requestedAt"]) == (202, first["requestedAt"])
    assert (other_status, other["title"]) == (409, "This id is taken")
    assert writes(simulator) == 20


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown mode": ({"mode": "go"}, "$.mode"),
    "no vaults": ({"vaults": []}, "$.vaults"),
    "a vault that is none": ({"vaults": ["vault-1"]}, "$.vaults[0]"),
    "a path for a policy": ({"target": {"policyName": "../DefaultPolicy"}}, "$.target.policyName"),
    "two targets": ({"target": {"policyName": "EnhancedPolicy", "clone": {}}}, "$.target"),
    "a clone with odd hours": (
        {"target": {"clone": {"hourly": {"intervalHours": 5, "windowHours": 12}}}},
        "$.target.clone.hourly.intervalHours",
    ),
    "a subscription that is none": ({"subscriptions": [{"id": "prod"}]}, "$.subscriptions[0].id"),
    "control characters in a pattern": ({"items": {"include": ["web\u0000"]}}, "$.items.include[0]"),
    "a limit out of range": ({"limits": {"pollSeconds": 0}}, "$.limits.pollSeconds"),
    "a number as text": ({"limits": {"pollSeconds": "60"}}, "$.limits.pollSeconds"),
    "an id with a slash": ({"id": "a/b"}, "$.id"),
    "an id with a newline": ({"id": "a\n"}, "$.id"),
    "a field that does not exist": ({"dryRun": True}, "$.dryRun"),
    "no acknowledgement": ({"acknowledgeIrreversible": False}, "$.acknowledgeIrreversible"),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_bad_request_is_told_where_it_is_wrong(
    http: aiohttp.ClientSession, simulator: Simulator, case: str
) -> None:
    """400 with a problem document that names the field, and nothing is started."""
    changes, path = BAD[case]
    async with http.post("/api/migrations", json=a_body(simulator, **changes)) as response:
        problem = await response.json()
        assert (response.status, response.content_type) == (400, "application/problem+json")
    status, _ = await ask(http, "GET", "/api/migrations/m1")

    assert [error["path"] for error in problem["errors"]] == [path]
    assert problem["errors"][0]["message"]
    assert (status, len(simulator.log.requests)) == (404, 0)


async def test_everything_wrong_is_told_at_once(http: aiohttp.ClientSession) -> None:
    """A caller mends a request in one go: each field is named, whichever the others are."""
    body = {"mode": "go", "vaults": [1], "limits": {"pollSeconds": 0}, "target": {"policies": {"a b": "X"}}, "dry": 1}
    status, problem = await ask(http, "POST", "/api/migrations", body)
    assert status == 400
    assert sorted(error["path"] for error in problem["errors"]) == [
        "$.dry",
        "$.limits.pollSeconds",
        "$.mode",
        "$.target.policies",
        "$.vaults[0]",
    ]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"mode": "plan"}'])
async def test_what_is_no_request_at_all_is_refused(http: aiohttp.ClientSession, body: bytes) -> None:
    """Whatever the bytes, the answer is a problem document."""
    async with http.post("/api/migrations", data=body) as response:
        problem = await response.json()
    assert (response.status, problem["status"]) == (400, 400)
    assert problem["errors"][0]["message"]


async def test_a_body_of_megabytes_is_refused(http: aiohttp.ClientSession) -> None:
    """The limit is one megabyte."""
    async with http.post("/api/migrations", data=b" " * 1_000_001) as response:
        assert response.status == 413


@pytest.mark.parametrize(
    "path", ["/api/migrations/none", "/api/migrations/none/items", "/api/migrations/a'b", "/api/migrations/a%23b"]
)
async def test_what_does_not_exist_is_not_found(http: aiohttp.ClientSession, path: str) -> None:
    """404 with a problem document, also for ids that can't be any."""
    status, problem = await ask(http, "GET", path)
    assert (status, problem["title"]) == (404, "There is no such migration")


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("state=Gone", "$.state"),
        ("pageSize=0", "$.pageSize"),
        ("pageSize=many", "$.pageSize"),
        ("vault=x' or RowKey ne '", "$.vault"),
        ("continuation=zz", "$.continuation"),
        ("continuation=00", "$.continuation"),
        ("filter=x", "$.filter"),
    ],
)
async def test_a_bad_query_is_told_where_it_is_wrong(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, query: str, path: str
) -> None:
    """400 that names the parameter; nothing of it reaches the table's own query."""
    await finish(http, host, a_body(simulator, mode="plan"))
    status, problem = await ask(http, "GET", f"/api/migrations/m1/items?{query}")
    assert status == 400
    assert [error["path"] for error in problem["errors"]] == [path]


async def test_there_is_nothing_to_approve_in_a_plan(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator
) -> None:
    """Approving or rejecting what is over changes nothing and says so."""
    document = await finish(http, host, a_body(simulator, mode="plan"))
    word = {"planHash": document["planHash"], "approver": "ada"}
    for verb in ("approve", "reject"):
        body = word if verb == "approve" else {"approver": "ada"}
        status, problem = await ask(http, "POST", f"/api/migrations/m1/{verb}", body)
        assert (status, problem["detail"]) == (409, "the migration is Completed")


def test_the_log_tells_of_migrations_not_of_requests() -> None:
    """The Functions worker logs all from INFO on; azure-core would add two lines for each request, paid for by size."""
    assert function_app.settings
    assert not logging.getLogger("azure.core.pipeline.policies.http_logging_policy").isEnabledFor(logging.INFO)
    assert logging.getLogger("triggers.timers").getEffectiveLevel() <= logging.WARNING
