"""At a terminal: the program asks before what can't be undone, shows progress, and lets itself be interrupted."""

import signal

import pytest

from tests.operator_cli.answers import HASH, VAULT, a_plan, a_status
from tests.operator_cli.fake_api import NO_WAIT, FakeApi, Reply
from tests.operator_cli.terminals import terminal

START = ("start", "--id", "m1", "--vault", VAULT, "--clone")
SOON = {"Retry-After": "1"}  # a signal that comes just before a sleep is seen after it


@pytest.mark.parametrize(("answer", "code", "sent"), [("y", 0, 1), ("n", 7, 0), ("", 7, 0)])
async def test_who_starts_is_asked_whether_it_may_never_be_undone(
    answer: str, code: int, sent: int, api: FakeApi
) -> None:
    """Only a yes sends the request, and with the acknowledgement."""
    api.on("POST /migrations", Reply(status=202, body=a_status("Planning")))
    async with terminal(api.url, *START) as at:
        await at.until("can't move back")
        at.type(f"{answer}\n")
        assert await at.end() == code
    assert [body["acknowledgeIrreversible"] for body in api.bodies()] == [True] * sent


@pytest.mark.parametrize(("answer", "code", "sent"), [("y", 0, [HASH]), ("n", 7, [])])
async def test_a_plan_is_shown_before_it_is_approved(answer: str, code: int, sent: list[str], api: FakeApi) -> None:
    """Verdicts, findings with their remedies, and the cost are on the screen before the question; its hash is sent."""
    api.on("GET /migrations/m1/plan", a_plan())
    api.on("POST /migrations/m1/approve", Reply(status=202, body=a_status()))
    async with terminal(api.url, "approve", "m1") as at:
        await at.until("moves 2 VMs for good?")
        for shown in (
            "Blocked",
            "UnmanagedDisks",
            "Convert to managed disks.",
            "+12.50 to +40.00 USD",
            "made from Gold",
            HASH,
        ):
            assert shown in at.shown
        at.type(f"{answer}\n")
        assert await at.end() == code
    assert [body["planHash"] for body in api.bodies()] == sent


@pytest.mark.parametrize("question", [START, ("approve", "m1")])
async def test_who_leaves_at_a_question_sends_nothing(question: tuple[str, ...], api: FakeApi) -> None:
    """Ctrl-D, like Ctrl-C, is no answer: 130, as shells say it of an interrupt."""
    api.on("GET /migrations/m1/plan", a_plan())
    async with terminal(api.url, *question) as at:
        await at.until("[y/N]")
        at.type("\x04")
        assert await at.end() == 130
    assert (api.bodies(), "Traceback" in at.shown) == ([], False)


async def test_progress_is_a_picture_until_the_end(api: FakeApi) -> None:
    """A line and a bar for each vault while it goes on, the report when it has ended."""
    api.on(
        "GET /migrations/m1",
        Reply(status=202, body=a_status(), headers=NO_WAIT),
        a_status("Completed", items={"Migrated": 3}, reasons={"Late": 1}),
    )
    async with terminal(api.url, "watch", "m1") as at:
        assert await at.end() == 0
    assert "Ctrl-C stops watching only." in at.shown
    assert "vault-1-0a1b2c3d" in at.shown and "━" in at.shown
    assert "Late" in at.shown.partition("Completed")[2]


async def test_ctrl_c_stops_the_watching_and_not_the_migration(api: FakeApi) -> None:
    """Nothing is sent, and the operator is told that it goes on and how to stop it."""
    api.on("GET /migrations/m1", Reply(status=202, body=a_status(), headers=SOON))
    async with terminal(api.url, "watch", "m1") as at:
        await at.until("Ctrl-C stops watching only.")
        at.process.send_signal(signal.SIGINT)
        assert await at.end() == 130
    assert "migration m1 goes on" in at.shown
    assert "backup-migrate cancel m1" in at.shown
    assert ({call.method for call in api.calls}, "Traceback" in at.shown) == ({"GET"}, False)
