"""Watching: what is said when, for how long a server may be in trouble, and what the exit code tells of the end."""

import asyncio
import json
from typing import Any

import pytest

from operator_cli.api import Api
from operator_cli.connection import connection_of
from operator_cli.exits import Exit
from operator_cli.screen import Screen
from operator_cli.watching import PATIENCE, unseen, watch
from tests.operator_cli.answers import VAULT, a_status, a_vault
from tests.operator_cli.conftest import Run
from tests.operator_cli.fake_api import NO_WAIT, FakeApi, Reply, problem


def going(**changes: Any) -> Reply:
    """A look at a migration that goes on, after which the next one may come at once."""
    return Reply(status=202, body=a_status(**changes), headers=NO_WAIT)


DONE = a_status("Completed", items={"Migrated": 3}, vaults=[a_vault(items={"Migrated": 3}, finished=True)])


async def test_without_a_terminal_what_changes_is_a_line(api: FakeApi, run: Run) -> None:
    """Each state and each vault's counts once, what the operator would do, and the report at the end."""
    moving = [a_vault(items={"Migrating": 2, "Planned": 1})]
    api.on("GET /migrations/m1", going(state="AwaitingApproval"), going(), going(), going(vaults=moving), DONE)

    result = await run("watch", "m1")

    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert lines[:7] == [
        "m1: AwaitingApproval",
        "Read the plan and decide: backup-migrate approve m1, or reject m1",
        "vault-1-0a1b2c3d: 3 Planned",
        "m1: Running",
        "Follow it: backup-migrate watch m1",
        "vault-1-0a1b2c3d: 2 Migrating  1 Planned",
        "m1: Completed",
    ]
    assert "m1 is Completed (migrate, asked for 2026-11-02T08:00:00Z)" in lines


async def test_with_json_each_change_is_a_document_in_a_line(api: FakeApi, run: Run) -> None:
    """A look that found nothing new adds nothing."""
    api.on("GET /migrations/m1", going(), going(), DONE)
    result = await run("watch", "m1", "--json")
    assert [json.loads(line) for line in result.stdout.splitlines()] == [a_status(), DONE]


ENDS: dict[str, tuple[dict[str, Any], Exit]] = {
    "all moved": ({"state": "Completed", "items": {"Migrated": 3, "AlreadyEnhanced": 1, "Excluded": 1}}, Exit.DONE),
    "one failed": ({"state": "Completed", "items": {"Migrated": 2, "Failed": 1}}, Exit.INCOMPLETE),
    "one is blocked": ({"state": "Completed", "items": {"Migrated": 2, "Blocked": 1}}, Exit.INCOMPLETE),
    "a vault was not read": ({"state": "Completed", "vaults": [a_vault(problem="no role")]}, Exit.INCOMPLETE),
    "halted": ({"state": "Halted"}, Exit.STOPPED),
    "cancelled": ({"state": "Cancelled"}, Exit.STOPPED),
    "rejected": ({"state": "Rejected"}, Exit.STOPPED),
    "failed": ({"state": "Failed"}, Exit.STOPPED),
    "an end of tomorrow's": ({"state": "Abandoned", "endedAt": "2026-11-02T09:00:00Z"}, Exit.STOPPED),
}


@pytest.mark.parametrize("case", ENDS)
@pytest.mark.parametrize("code", [200, 409, 500])
async def test_the_exit_code_tells_how_it_ended(case: str, code: int, api: FakeApi, run: Run) -> None:
    """By the document, whatever HTTP code it comes under."""
    changes, expected = ENDS[case]
    api.on("GET /migrations/m1", Reply(status=code, body=a_status(**changes)))
    assert (await run("watch", "m1")).exit_code == expected


@pytest.mark.parametrize(
    ("words", "post"),
    [
        (["start", "--id", "m1", "--yes-irreversible", "--vault", VAULT, "--clone"], "POST /migrations"),
        (["approve", "m1", "--hash", "ab" * 32], "POST /migrations/m1/approve"),
        (["retry", "m0"], "POST /migrations/m0/retry"),
    ],
)
@pytest.mark.parametrize("option", ["--watch", "--wait"])
async def test_who_sets_it_going_may_stay_to_the_end(
    words: list[str], post: str, option: str, api: FakeApi, run: Run
) -> None:
    """The exit code is the migration's; with --wait only its end is shown."""
    api.on(post, Reply(status=202, body=a_status()))
    api.on("GET /migrations/m1", going(), a_status("Halted", problem="5 VMs failed"))
    result = await run(*words, option)
    assert (result.exit_code, "5 VMs failed" in result.stdout) == (6, True)
    assert ("m1: Running" in result.stdout) == (option == "--watch")


async def test_a_server_in_trouble_is_asked_again(api: FakeApi, run: Run) -> None:
    """A watch of many hours survives a restart of the app, and says once that it waits."""
    away = Reply(status=503, body={"title": "The ledger does not answer"}, headers=NO_WAIT)
    api.on("GET /migrations/m1", going(), away, away, DONE)
    result = await run("watch", "m1")
    assert (result.exit_code, len(api.calls)) == (0, 4)
    assert result.stderr == "The ledger does not answer; trying again\n"


async def test_a_server_that_stays_in_trouble_is_given_up(api: FakeApi, run: Run) -> None:
    """After as many looks in a row as its patience has."""
    api.on("GET /migrations/m1", Reply(status=503, body={"title": "Away"}, headers=NO_WAIT))
    result = await run("watch", "m1")
    assert (result.exit_code, len(api.calls)) == (5, PATIENCE)


async def test_what_is_not_there_is_not_waited_for(api: FakeApi, run: Run) -> None:
    """A 404 is an answer, not an outage."""
    result = await run("watch", "m1")
    assert (result.exit_code, len(api.calls)) == (3, 1)


async def test_the_server_says_when_to_look_again(api: FakeApi) -> None:
    """Retry-After in seconds, within bounds, and a pause of our own where it says nothing."""
    waits = [{"Retry-After": "7"}, {}, {"Retry-After": "Mon, 02 Nov 2026 08:00:00 GMT"}, {"Retry-After": "99999"}]
    looks = [Reply(status=202, body=a_status(), headers=headers) for headers in waits]
    api.on("GET /migrations/m1", *looks, problem(503, "Away"), DONE)
    waited: list[float] = []

    client = Api(connection_of(api.url, "", ""))
    await asyncio.to_thread(watch, client, "m1", Screen(as_json=True), unseen(), waited.append)
    client.close()

    assert waited == [7, 10, 10, 600, 10]
