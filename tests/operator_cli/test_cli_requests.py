"""What options and files become, and what is refused before anything is sent."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.operator_cli.answers import VAULT, a_plan, a_status
from tests.operator_cli.conftest import Run
from tests.operator_cli.fake_api import NO_WAIT, FakeApi, Reply

SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"

HERE = ["--vault", VAULT, "--policy", "Gold"]

WISHES: dict[str, tuple[list[str], dict[str, Any]]] = {
    "a policy in two vaults": (
        ["--vault", VAULT, "--vault", f"{VAULT}2", "--policy", "Gold"],
        {"vaults": [VAULT, f"{VAULT}2"], "target": {"policyName": "Gold"}},
    ),
    "clones in a subscription": (
        ["--subscription", SUBSCRIPTION, "--clone"],
        {"subscriptions": [{"id": SUBSCRIPTION}], "target": {"clone": {}}},
    ),
    "a map, and some VMs": (
        ["--vault", VAULT, "--map", "Gold=GoldE", "--map", "Tin=TinE", "--include", "web-*", "--exclude", "web-9"],
        {
            "vaults": [VAULT],
            "target": {"policies": {"Gold": "GoldE", "Tin": "TinE"}},
            "items": {"include": ["web-*"], "exclude": ["web-9"]},
        },
    ),
    "limits and consent": (
        [*HERE, "--ramp", "1, 5", "--stop-after-failures", "2", "--accept-retention-loss"],
        {
            "vaults": [VAULT],
            "target": {"policyName": "Gold"},
            "limits": {"ramp": [1, 5], "stopAfterFailures": 2},
            "acceptRetentionLoss": True,
        },
    ),
}


@pytest.mark.parametrize("case", WISHES)
async def test_options_become_the_request(case: str, api: FakeApi, run: Run) -> None:
    """What was not said is left out, so that the server's defaults count."""
    options, request = WISHES[case]
    api.on("POST /migrations", Reply(status=202, body=a_status("Planning")))

    result = await run("start", "--id", "m1", "--yes-irreversible", "--approval", "none", *options)

    assert result.exit_code == 0
    assert api.bodies() == [
        {"id": "m1", "mode": "migrate", "acknowledgeIrreversible": True, "approval": "none", **request}
    ]


async def test_a_migration_without_an_id_gets_one(api: FakeApi, run: Run) -> None:
    """An id of the caller's makes it safe to ask again; each command line has its own."""
    api.on("POST /migrations", Reply(status=202, body=a_status("Planning")))
    for _ in range(2):
        await run("start", "--yes-irreversible", "--vault", VAULT, "--policy", "Gold")
    one, other = (body["id"] for body in api.bodies())
    assert one and other and one != other


@pytest.mark.parametrize("way", ["file", "stdin"])
async def test_a_request_may_come_from_a_file(way: str, api: FakeApi, run: Run, tmp_path: Path) -> None:
    """It is sent as it is, with the mode of the command, and the id and the limits of the options on top."""
    request = {"vaults": [VAULT], "target": {"clone": {"suffix": "-e"}}, "limits": {"pollSeconds": 60}, "id": "file"}
    file = tmp_path / "request.json"
    file.write_text(json.dumps(request))
    api.on("POST /migrations", Reply(status=202, body=a_status("Planning")))

    name, text = (str(file), "") if way == "file" else ("-", json.dumps(request))
    result = await run("plan", "--no-wait", "--file", name, "--id", "m1", "--max-concurrent", "3", text=text)

    assert result.exit_code == 0
    limits = {"pollSeconds": 60, "maxConcurrent": 3}
    assert api.bodies() == [{**request, "mode": "plan", "id": "m1", "limits": limits}]


async def test_an_acknowledgement_in_the_file_is_one(api: FakeApi, run: Run) -> None:
    """Who wrote it into the request is not asked again."""
    request = {"vaults": [VAULT], "target": {"clone": {}}, "acknowledgeIrreversible": True, "id": "m1"}
    api.on("POST /migrations", Reply(status=202, body=a_status("Planning")))
    result = await run("start", "--file", "-", text=json.dumps(request))
    assert result.exit_code == 0
    assert api.bodies() == [{**request, "mode": "migrate"}]


WRONG: dict[str, tuple[list[str], str, str]] = {
    "no acknowledgement": (["start", *HERE], "", "--yes-irreversible"),
    "nearly an acknowledgement": (
        ["start", "--file", "-"],
        '{"acknowledgeIrreversible": "yes"}',
        "--yes-irreversible",
    ),
    "no target": (["plan", "--vault", VAULT], "", "--policy, --clone and --map"),
    "two targets": (["plan", *HERE, "--clone"], "", "--policy, --clone and --map"),
    "no vault": (["plan", "--clone"], "", "--vault"),
    "half a map": (["plan", "--vault", VAULT, "--map", "Gold"], "", "Gold=GoldEnhanced"),
    "a policy mapped twice": (["plan", "--vault", VAULT, "--map", "A=B", "--map", "A=C"], "", "twice"),
    "a ramp of words": (["plan", *HERE, "--ramp", "one"], "", "1,5,25"),
    "a file and options": (["plan", "--file", "-", *HERE], "{}", "not both"),
    "no such file": (["plan", "--file", "none.json"], "", "none.json can't be read"),
    "a file that is no JSON": (["plan", "--file", "-"], "{", "is not JSON"),
    "a file with a list": (["plan", "--file", "-"], "[]", "no JSON object"),
    "a file nested without end": (["plan", "--file", "-"], "[" * 100_000, "is not JSON"),
    "limits that are none": (["plan", "--file", "-", "--poll-seconds", "9"], '{"limits": 5}', "no JSON object"),
    "a plan that is to migrate": (["start", "--yes-irreversible", "--file", "-"], '{"mode": "plan"}', "mode"),
    "a plan to show and to make": (["plan", "m1", *HERE], "", "an ID, or"),
    "approval without a word": (["approve", "m1"], "", "--hash"),
    "an id that is none": (["status", "../m1"], "", "letters, digits"),
    "a resource id that is none": (["history", "/a/../b"], "", "no resource id"),
    "an option that is none": (["status", "m1", "--force"], "", "--force"),
    "a limit that is no number": (["limits", "m1", "--poll-seconds", "x"], "", "--poll-seconds"),
}


@pytest.mark.parametrize("case", WRONG)
async def test_a_command_that_is_not_right_sends_nothing(case: str, api: FakeApi, run: Run) -> None:
    """Exit code 2, and words that say how it would be right."""
    args, text, hint = WRONG[case]
    result = await run(*args, text=text)
    assert (result.exit_code, api.calls, result.stdout) == (2, [], "")
    assert hint in " ".join(result.stderr.replace("│", " ").split())


async def test_a_plan_is_waited_for_and_shown(api: FakeApi, run: Run) -> None:
    """What an operator wants of plan is the plan; that a VM is blocked is in the exit code."""
    done = a_status("Completed", mode="plan", items={"Planned": 2, "Blocked": 1})
    api.on("POST /migrations", Reply(status=202, body=a_status("Planning", mode="plan")))
    api.on("GET /migrations/m1", Reply(status=202, body=a_status("Planning"), headers=NO_WAIT), Reply(body=done))
    api.on("GET /migrations/m1/plan", a_plan())

    result = await run("plan", *HERE, "--json")

    assert (result.exit_code, json.loads(result.stdout)) == (1, a_plan())
    assert (api.bodies()[0]["mode"], "acknowledgeIrreversible" in api.bodies()[0]) == ("plan", False)


async def test_a_plan_that_can_t_be_made_says_why(api: FakeApi, run: Run) -> None:
    """No plan is asked for where there is none; the migration's problem is shown."""
    api.on("POST /migrations", Reply(status=202, body=a_status("Planning", mode="plan")))
    api.on("GET /migrations/m1", Reply(status=500, body=a_status("Failed", problem="no vault could be read")))
    result = await run("plan", *HERE)
    assert (result.exit_code, "no vault could be read" in result.stdout) == (6, True)
    assert [call.path for call in api.calls] == ["/migrations", "/migrations/m1"]
