"""What people are shown: groups, remedies and the next step; and nothing that a server's text does to a terminal."""

import csv
import json
from collections.abc import AsyncIterator
from datetime import timedelta, timezone
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from migration.records import ItemState
from tests.builders import NOW, a_record
from tests.clients.every_field import FINDING
from tests.operator_cli.answers import HASH, a_plan, a_status, a_vault, an_item
from tests.operator_cli.conftest import Run
from tests.operator_cli.fake_api import FakeApi, Reply, problem
from triggers.documents import ItemStatus, item_status
from triggers.items import COLUMNS
from triggers.tables import as_csv

FULL = a_status(
    "Halted",
    items={"Failed": 2, "Migrated": 1},
    reasons={"UserErrorFsFreezeFailed": 2},
    vaults=[a_vault(items={"Failed": 2, "Migrated": 1}, halted="2 VMs failed; the limit is 2")],
    requester="bob",
    problem="2 VMs failed; the limit is 2",
    progress={"planned": 3, "done": 3, "inFlight": 0, "waiting": 0, "percent": 100.0, "vmsPerHour": 1.5},
    nextAction="Look at the failures, then retry.",
)
FAILED = an_item(
    "web-2",
    "Failed",
    reason="UserErrorFsFreezeFailed",
    message="freeze failed",
    remedy="Check the file systems, then retry.",
    warnings=["late"],
)
BLOCKED = an_item(
    "web-3",
    "Blocked",
    reason="UnmanagedDisks",
    findings=[{"code": "UnmanagedDisks", "severity": "blocks", "message": "m", "remedy": "Convert the disks."}],
)
DIFFERENCE = {"itemId": "i", "vmName": "web-1", "kind": "changed", "aspect": "verdict", "before": "A", "after": "B"}

SHOWN: dict[str, tuple[str, str, Any, list[str]]] = {
    "status": (
        "status m1",
        "/migrations/m1",
        FULL,
        [
            "m1 is Halted (migrate, asked for 2026-11-02T08:00:00Z by bob)",
            "2 VMs failed; the limit is 2",
            "3 of 3 VMs done (100 %), 0 in flight, 0 waiting, 1.5 VMs an hour",
            "UserErrorFsFreezeFailed",
            "Look at the failures, then retry.",
        ],
    ),
    "status of an older server": (
        "status m1",
        "/migrations/m1",
        a_status("Completed", items={"Failed": 1}),
        ["backup-migrate items m1", "backup-migrate retry m1"],
    ),
    "a plan to be approved": (
        "status m1",
        "/migrations/m1",
        a_status("AwaitingApproval", approvalDeadline="2026-11-09T08:00:00Z"),
        [HASH, "2026-11-09T08:00:00Z", "backup-migrate approve m1"],
    ),
    "a cancelled one that goes on": (
        "status m1",
        "/migrations/m1",
        a_status(cancellation={"by": "ada", "cancelJobs": False, "at": "2026-11-02T09:00:00Z"}),
        ["It is being cancelled"],
    ),
    "a plan": (
        "plan m1",
        "/migrations/m1/plan",
        a_plan(overBudget="above the budget of 10 USD", differences=[DIFFERENCE]),
        [
            "Convert to managed disks.",
            "Gold-enhanced (to be made from Gold)",
            "+12.50 to +40.00 USD a month",
            "Daily change of 2 to 7 %",
            "above the budget of 10 USD",
            "verdict",
            HASH,
        ],
    ),
    "a plan like the other": (
        "plan m1 --against m0",
        "/migrations/m1/plan",
        a_plan(differences=[]),
        ["Nothing differs from the other plan."],
    ),
    "items": (
        "items m1 --limit 2",
        "/migrations/m1/items",
        {"items": [FAILED, BLOCKED], "nextLink": "?continuation=c"},
        [
            "Check the file systems, then retry.",
            "Convert the disks.",
            "freeze failed; late",
            "There are more: raise --limit.",
        ],
    ),
    "list": (
        "list",
        "/migrations",
        {"migrations": [{**FULL, "vaults": 2}], "nextLink": ""},
        ["Halted", "bob", "2 Failed"],
    ),
    "history": (
        "history /vm",
        "/items/vm",
        {"items": [{**FAILED, "migrationId": "m7"}]},
        ["m7", "Gold to Gold-enhanced", "2026-11-02T08:10:00Z"],
    ),
    "limits": ("limits m1", "/migrations/m1", a_status(), ["maxConcurrent", "1, 5"]),
}


@pytest.mark.parametrize("case", SHOWN)
async def test_people_are_shown_what_they_need(case: str, api: FakeApi, run: Run) -> None:
    """Groups with their remedies, money with its sign, and what to do next."""
    line, path, document, words = SHOWN[case]
    api.on(f"GET {path}", document)
    result = await run(*line.split())
    assert (result.exit_code, result.stderr) == (0, "")
    text = " ".join(result.stdout.split())
    for word in words:
        assert word in text


# --- the words of others

UNPRINTABLE = "\x1b[31mred\x1b]0;title\x07 \u202egnp.exe \x9b2J \r\n"
HOSTILE = f"{UNPRINTABLE}\ud800"


def made_hostile(value: Any) -> Any:
    """The same document with every text in it written by an enemy."""
    if isinstance(value, dict):
        return {name: made_hostile(part) for name, part in value.items()}
    if isinstance(value, list):
        return [made_hostile(part) for part in value]
    return HOSTILE if isinstance(value, str) else value


def harmless(text: str) -> bool:
    """Whether a terminal shows this text and does nothing else with it."""
    return all(c.isprintable() or c == "\n" for c in text)


@pytest.mark.parametrize("option", [[], ["--json"]])
@pytest.mark.parametrize("case", [case for case in SHOWN if case != "limits"])  # which has no texts
async def test_no_text_of_the_server_acts_on_the_terminal(case: str, option: list[str], api: FakeApi, run: Run) -> None:
    """Escape sequences, direction marks and lone surrogates come out spelled, in people's tables as in JSON."""
    line, path, document, _ = SHOWN[case]
    hostile = made_hostile({**document, "monthlyChange": None, "progress": None})
    api.on(f"GET {path}", {**hostile, "reasons": {HOSTILE: 1}, "nextLink": ""})

    result = await run(*line.split(), *option)

    assert (result.exit_code, harmless(result.stdout)) == (0, True)
    assert "[31mred" in result.stdout


async def test_markup_is_text(api: FakeApi, run: Run) -> None:
    """A name that looks like this program's own markup is a name."""
    api.on("GET /migrations/m1/items", {"items": [an_item("[bold]b[/bold] :smile:")]})
    assert "[bold]b[/bold] :smile:" in (await run("items", "m1")).stdout


@pytest.mark.parametrize("option", [[], ["--json"]])
async def test_no_problem_of_the_server_acts_on_the_terminal(option: list[str], api: FakeApi, run: Run) -> None:
    """Titles, details and errors are somebody else's words too."""
    document = {"title": HOSTILE, "status": 409, "detail": HOSTILE, "errors": [{"path": HOSTILE, "message": HOSTILE}]}
    api.on("POST /migrations/m1/pause", Reply(status=409, body=document))
    result = await run("pause", "m1", *option)
    assert (result.exit_code, harmless(result.stderr), result.stderr.count("[31mred")) == (4, True, 4)


# --- export


async def test_an_export_has_every_vm_of_every_page(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """A line each under the names of the columns; formulas and control characters do nothing in a spreadsheet."""
    odd = an_item("=1+1", "Blocked", reason="-0.5", message="a\x1b[31m,\nb", remedy="-Convert.", warnings=["one", "2"])
    first = {"items": [an_item("web-1"), odd], "nextLink": "?continuation=c1"}
    api.on("GET /migrations/m1/items", first, {"items": [an_item("web-2")], "nextLink": ""})
    file = tmp_path / "items.csv"

    result = await run("export", "m1", "--output", str(file))

    lines = file.read_text().splitlines()
    assert (result.exit_code, result.stdout, len(lines)) == (0, "", 4)
    assert lines[0].startswith("vault,vm,state,reason,message,remedy,retryable,warnings,")
    assert lines[2].startswith(
        "vault-1-0a1b2c3d,'=1+1,Blocked,-0.5,\"a\\x1b[31m,\\nb\",'-Convert.,no,one; 2,,Gold,Gold-enhanced"
    )
    assert [call.query for call in api.calls] == [{"pageSize": "1000"}, {"pageSize": "1000", "continuation": "c1"}]


async def test_an_export_is_what_the_server_sends_as_csv(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """Byte for byte, whatever is in the VMs: every field set and none, formulas, numbers, and what does not print."""
    found = tuple(replace(FINDING, code=code) for code in ("SharedDisk", "CostIncrease"))
    full = a_record(
        state=ItemState.FAILED,
        reason="UserErrorFsFreezeFailed",
        message='=HYPERLINK("https://example.com"),\r\nline two',
        warnings=("-1.5", "@SUM(A1)", "two"),
        findings=found,
        operation_id="-2.5",
        job_id="+3",
        written_at=NOW.replace(microsecond=123456),
        settled_at=NOW.astimezone(timezone(timedelta(hours=1))),
    )
    records = [full, a_record("web-02"), a_record(UNPRINTABLE, source_policy_id="", target_policy_id="", vm_id="")]
    documents = [item_status(record) for record in records]

    async def listed() -> AsyncIterator[ItemStatus]:
        for document in documents:
            yield document

    sent = (await as_csv(COLUMNS, listed())).get_body()
    api.on("GET /migrations/m1/items", {"items": json.loads(msgspec.json.encode(documents)), "nextLink": ""})
    file = tmp_path / "items.csv"

    assert (await run("export", "m1", "--output", str(file))).exit_code == 0

    assert file.read_bytes() == sent
    [first, *_] = csv.DictReader(StringIO(sent.decode()))
    assert [name for name, cell in first.items() if not cell] == []
    assert sent.count(b"\n") == 1 + len(records)


@pytest.mark.parametrize("option", [["--format", "json"], ["--json"]])
async def test_an_export_may_be_json(option: list[str], api: FakeApi, run: Run) -> None:
    """An array of the documents as they came."""
    api.on("GET /migrations/m1/items", {"items": [FAILED], "nextLink": "?continuation=c"}, {"items": [BLOCKED]})
    assert json.loads((await run("export", "m1", *option)).stdout) == [FAILED, BLOCKED]


async def test_an_export_that_breaks_off_leaves_no_file(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """Half a list is not taken for a whole one, and an older file stays as it was."""
    file = tmp_path / "items.csv"
    file.write_text("before")
    api.on("GET /migrations/m1/items", {"items": [FAILED], "nextLink": "?continuation=c"}, problem(503, "Away"))
    result = await run("export", "m1", "--output", str(file))
    assert result.exit_code == 5
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("items.csv", "before")]


async def test_a_file_that_can_t_be_written_is_a_sentence(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """Before anything is asked of the server."""
    result = await run("export", "m1", "--output", str(tmp_path / "none" / "items.csv"))
    assert (result.exit_code, "can't be written" in result.stderr, api.calls) == (2, True, [])
