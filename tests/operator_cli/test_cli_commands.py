"""Which command makes which call, and what of the answer comes out."""

import json
from typing import Any

import pytest

from tests.operator_cli.answers import HASH, a_plan, a_status, an_item
from tests.operator_cli.conftest import Run
from tests.operator_cli.fake_api import FakeApi, Reply

VM = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/web-1"
LIST = {"migrations": [a_status()], "nextLink": ""}
ITEMS = {"items": [an_item()], "nextLink": ""}
HEALTH = {"status": "ok", "checks": [{"name": "ledger", "ok": True, "detail": ""}]}

READS: dict[str, tuple[str, str, dict[str, str], Any]] = {
    "list": ("list", "/migrations", {"pageSize": "50"}, LIST),
    "list with filters": (
        "list --state Running --vault v --subscription s --since 2026-11-01 --until 2026-11-02 --limit 5",
        "/migrations",
        {
            "state": "Running",
            "vault": "v",
            "subscription": "s",
            "since": "2026-11-01",
            "until": "2026-11-02",
            "pageSize": "5",
        },
        LIST,
    ),
    "status": ("status m1", "/migrations/m1", {"wait": "false"}, a_status()),
    "items": (
        "items m1 --state Failed --vault vault-1-0a --reason R --finding F --text web --limit 7",
        "/migrations/m1/items",
        {"state": "Failed", "vault": "vault-1-0a", "reason": "R", "finding": "F", "text": "web", "pageSize": "7"},
        ITEMS,
    ),
    "the plan of a migration": ("plan m1 --against m0", "/migrations/m1/plan", {"against": "m0"}, a_plan()),
    "limits in force": ("limits m1", "/migrations/m1", {"wait": "false"}, a_status()),
    "history": (f"history {VM}", f"/items{VM}", {}, {"items": [an_item(migrationId="m1")]}),
    "health": ("health", "/health/ready", {}, HEALTH),
}


@pytest.mark.parametrize("case", READS)
async def test_a_question_is_one_call_and_json_is_its_answer(case: str, api: FakeApi, run: Run) -> None:
    """The path and the query are the API's; with --json the document comes out as it came in, and nothing else."""
    line, path, query, document = READS[case]
    api.on(f"GET {path}", document)

    result = await run(*line.split(), "--json")

    assert (result.exit_code, result.stderr) == (0, "")
    assert [(call.method, call.path, call.query) for call in api.calls] == [("GET", path, query)]
    assert json.loads(result.stdout) == document


ACTS: dict[str, tuple[str, str, Any]] = {
    "approve": (
        f"approve m1 --hash {HASH} --comment fine",
        "approve",
        {"planHash": HASH, "approver": "ada", "comment": "fine"},
    ),
    "reject": ("reject m1 --by bob", "reject", {"approver": "bob", "comment": ""}),
    "pause": ("pause m1 --comment freeze", "pause", {"by": "ada", "comment": "freeze"}),
    "resume": ("resume m1", "resume", {"by": "ada"}),
    "cancel": ("cancel m1", "cancel", {"by": "ada"}),
    "cancel with its jobs": ("cancel m1 --cancel-jobs", "cancel", {"by": "ada", "cancelJobs": True}),
    "limits": (
        "limits m1 --max-concurrent 5 --ramp 1,2",
        "limits",
        {"by": "ada", "limits": {"maxConcurrent": 5, "ramp": [1, 2]}},
    ),
    "no ramp": ("limits m1 --ramp=", "limits", {"by": "ada", "limits": {"ramp": []}}),
    "retry": (
        "retry m1 --id m2 --mode plan --approval none --poll-seconds 60",
        "retry",
        {"id": "m2", "mode": "plan", "approval": "none", "limits": {"pollSeconds": 60}},
    ),
}


@pytest.mark.parametrize("case", ACTS)
async def test_a_word_is_one_post(case: str, api: FakeApi, run: Run) -> None:
    """The body is the API's; the answer is the status document."""
    line, what, body = ACTS[case]
    api.on(f"POST /migrations/m1/{what}", Reply(status=202, body=a_status()))

    result = await run(*line.split(), "--json")

    assert (result.exit_code, json.loads(result.stdout)) == (0, a_status())
    assert [(call.method, call.path, call.body) for call in api.calls] == [("POST", f"/migrations/m1/{what}", body)]


async def test_a_list_is_taken_page_by_page_up_to_its_limit(api: FakeApi, run: Run) -> None:
    """The continuation of one page asks for the next, for no more than is still wanted."""
    first = {
        "items": [an_item("a"), an_item("b")],
        "nextLink": "https://elsewhere.example/x?continuation=c1&pageSize=9",
    }
    second = {"items": [an_item("c")], "nextLink": "https://elsewhere.example/x?continuation=c2"}
    api.on("GET /migrations/m1/items", first, second)

    result = await run("items", "m1", "--limit", "3", "--json")

    assert [item["vmName"] for item in json.loads(result.stdout)["items"]] == ["a", "b", "c"]
    assert [call.query for call in api.calls] == [{"pageSize": "3"}, {"pageSize": "1", "continuation": "c1"}]


async def test_a_retry_gets_an_id_so_that_it_can_be_asked_for_again(api: FakeApi, run: Run) -> None:
    """Two retries without an id are two migrations with ids of their own."""
    api.on("POST /migrations/m1/retry", Reply(status=202, body=a_status(id="m2")))
    await run("retry", "m1")
    await run("retry", "m1")
    one, other = (body["id"] for body in api.bodies())
    assert one and other and one != other


async def test_what_has_ended_badly_is_still_an_answer(api: FakeApi, run: Run) -> None:
    """A status document under 409 or 500 is the answer to the question, not an error."""
    for code, state in ((409, "Halted"), (500, "Failed")):
        api.on("GET /migrations/m1", Reply(status=code, body=a_status(state)))
        result = await run("status", "m1", "--json")
        assert (result.exit_code, json.loads(result.stdout)["state"]) == (0, state)


async def test_a_server_that_is_not_ready_says_why(api: FakeApi, run: Run) -> None:
    """The checks are shown, and the exit code says that the server is in trouble."""
    checks = [{"name": "ledger", "ok": True, "detail": ""}, {"name": "azure", "ok": False, "detail": "no token"}]
    api.on("GET /health/ready", Reply(status=503, body={"status": "failing", "checks": checks}))
    result = await run("health")
    assert result.exit_code == 5
    assert "azure" in result.stdout and "no token" in result.stdout
