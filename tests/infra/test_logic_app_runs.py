"""The Logic App's workflows, run end to end against the whole app; tests/infra/workflow_engine.py stands for Azure.

App Service's authentication stands before the app: it knows the Logic App by its token, and nobody without one.
"""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import aiohttp
import azure.durable_functions as df
import msgspec
import pytest

from clients import Clients
from local_host.host import LocalHost
from simulator import Simulator
from simulator.events import JobErrorTable, Migration
from simulator.troubles import Trouble, TroubleKind
from tests.clients.simulated import a_scenario, a_vm_group
from tests.infra.logic_app import IDENTITY, WORKFLOWS, deployed
from tests.infra.workflow_engine import Answer, Engine, Json, Run
from tests.whole.callers import a_body, writes
from tests.whole.conftest import OneClock

import function_app  # isort: skip - after tests.whole.conftest, which gives it the settings it reads at import

RUN = "08584000000000000000000000000CU00"
AUDIENCE, PEOPLE, PEOPLES_AUDIENCE = "api://app", "https://people.example/ask", "https://people.example"
LOGIC_APP = "99999999-0000-4000-8000-000000000001"
BROKEN = Migration(ends="Failed", error=JobErrorTable(code=1, title="UserErrorFsFreezeFailed", text="no"), minutes=5)
YES = {"approved": True, "approver": "ada", "comment": "go\r\nahead"}
NO_PLAN = "there is no plan after a day, so nobody was asked; it goes on"
NO = {"approved": False, "approver": "ada", "comment": "not this month"}

pytestmark = pytest.mark.parametrize("variant", WORKFLOWS)


@pytest.fixture
def scenario() -> Any:
    """Two VMs whose backups move within minutes."""
    return a_scenario(a_vm_group("web-{n}", count=2, migration=Migration(minutes=5)))


@pytest.fixture
def clock() -> OneClock:
    """The time of Azure, of the durable timers and of the Logic App."""
    return OneClock()


@pytest.fixture
async def host(clients: Clients, clock: OneClock) -> AsyncIterator[LocalHost]:
    """The app with EASY_AUTH, as the sample needs it."""
    app = df.DFApp()
    function_app.register(app, clients, msgspec.structs.replace(function_app.settings, easy_auth=True))
    async with LocalHost(app, clock=clock) as host:
        yield host


class Outside:
    """What a run meets: the app behind its authentication, people who are asked, and time.

    `reply` is what a person answers, asked once; None: nobody does. `channel_status` is what the endpoint that asks
    them says to being asked.
    """

    def __init__(self, http: aiohttp.ClientSession, host: LocalHost, clock: OneClock) -> None:
        self.http, self.host, self.clock = http, host, clock
        self.reply: Json = None
        self.meanwhile: Callable[[], Awaitable[None]] | None = None
        self.channel_status = 202
        self.questions: list[Json] = []
        self.reports: list[Json] = []

    async def run(self, variant: str, body: Json, token_on_polls: bool = True, looks: int | None = None) -> Run:
        """Run the Logic App, which is sent that body; `looks` for a plan make it give up sooner than it would."""
        engine = Engine(
            send=self._send,
            wait=self._wait,
            answer=self._answer,
            tokens=lambda identity, audience: f"{identity} for {audience}",
            token_on_polls=token_on_polls,
            run_name=RUN,
        )
        parameters = {
            "appUrl": self.host.url,
            "audience": AUDIENCE,
            "channelUrl": PEOPLE,
            "channelAudience": PEOPLES_AUDIENCE,
        }
        definition = deployed(variant)["definition"]
        if looks is not None:
            definition["actions"]["Plan"]["limit"]["count"] = looks
        with self.clock.standing_still():
            return await engine.run(definition, parameters, body)

    async def status(self, migration: str = RUN) -> Json:
        """Where the migration stands."""
        return (await self.call("GET", f"{self.host.url}/api/migrations/{migration}?wait=false", LOGIC_APP)).body

    async def call(self, method: str, url: str, application: str, body: Json = None) -> Answer:
        """The app's answer to a caller whom its authentication let through."""
        principal = {"claims": [{"typ": "appid", "val": application}]}
        proof = {"x-ms-client-principal": base64.b64encode(json.dumps(principal).encode()).decode()}
        async with self.http.request(method, url, json=body, headers=proof) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, headers, await response.json(content_type=None))

    async def _send(self, method: str, url: str, headers: Mapping[str, str], body: Json) -> Answer:
        token = headers.get("Authorization")
        if url == PEOPLE:
            assert (method, token) == ("POST", f"Bearer {IDENTITY} for {PEOPLES_AUDIENCE}")
            if "report" in body:
                self.reports.append(body["report"])
                return Answer(202, {}, None)
            self.questions.append(body)
            return Answer(self.channel_status, {}, None)
        if token != f"Bearer {IDENTITY} for {AUDIENCE}":
            return Answer(401, {}, None)
        return await self.call(method, url, LOGIC_APP, body)

    async def _wait(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))
        await self.host.settled()

    async def _answer(self, callback: str, seconds: float) -> Json:
        assert callback == self.questions[-1]["callbackUrl"]
        if self.meanwhile:
            await self.meanwhile()
        if self.reply is None:
            await self._wait(seconds)
        return self.reply


@pytest.fixture
async def outside(host: LocalHost, clock: OneClock) -> AsyncIterator[Outside]:
    """Everything around the Logic App."""
    async with aiohttp.ClientSession() as http:
        yield Outside(http, host, clock)


def asked_for(simulator: Simulator, **changes: Any) -> Json:
    """What the Logic App is sent: a request to the app, without an id."""
    quick = {"approvalTimeoutHours": 1, "limits": {"ramp": [], "pollSeconds": 60}}
    body = a_body(simulator, approval="required", **{**quick, **changes})
    return {name: value for name, value in body.items() if name != "id"}


async def test_a_plan_is_approved_carried_out_and_reported(
    variant: str, outside: Outside, simulator: Simulator
) -> None:
    """Nothing is written before the yes; what was shown is what is approved; the run ends as the migration does."""
    written_before: list[int] = []

    async def look() -> None:
        written_before.append(writes(simulator))

    outside.reply, outside.meanwhile = YES, look
    run = await outside.run(variant, asked_for(simulator))

    status = await outside.status()
    [asked] = outside.questions
    [report] = outside.reports
    assert (run.status, run.code) == ("Succeeded", "")
    assert (status["state"], status["items"], status["requester"]) == ("Completed", {"Migrated": 2}, LOGIC_APP)
    assert status["decision"]["planHash"] == asked["question"]["planHash"]
    assert (asked["question"]["migration"], asked["question"]["verdicts"][0]["vms"]) == (RUN, 2)
    assert asked["question"]["monthlyChange"]["currency"] == "USD"
    assert (written_before, writes(simulator)) == ([0], 2)
    assert (report["migration"], report["state"], report["items"]) == (RUN, "Completed", {"Migrated": 2})
    assert report["status"] == f"{outside.host.url}/api/migrations/{RUN}"


async def test_who_approved_is_in_the_ledger(variant: str, outside: Outside, simulator: Simulator) -> None:
    """To the app the approver is the Logic App, whose token it saw; the person is named in the comment."""
    outside.reply = YES
    await outside.run(variant, asked_for(simulator))
    decision = (await outside.status())["decision"]
    assert (decision["approver"], decision["comment"]) == (LOGIC_APP, "ada: go\nahead")


async def test_a_plan_is_rejected(variant: str, outside: Outside, simulator: Simulator) -> None:
    """A no ends the migration: nothing is written, the report says so, and the run has failed."""
    outside.reply = NO
    run = await outside.run(variant, asked_for(simulator))
    status = await outside.status()
    assert (run.status, run.code, run.message) == ("Failed", "Rejected", f"Rejected: rejected by {LOGIC_APP}")
    assert (status["decision"]["comment"], writes(simulator)) == ("ada: not this month", 0)
    assert [report["state"] for report in outside.reports] == ["Rejected"]


@pytest.mark.parametrize("odd", [{}, {"approved": "true"}, {"approved": None, "approver": None}])
async def test_an_answer_that_is_no_yes_is_a_no(
    odd: Json, variant: str, outside: Outside, simulator: Simulator
) -> None:
    """Only the boolean true approves."""
    outside.reply = odd
    run = await outside.run(variant, asked_for(simulator))
    assert (run.code, (await outside.status())["decision"]["comment"]) == ("Rejected", "somebody: ")


async def test_silence_is_a_no(variant: str, outside: Outside, simulator: Simulator) -> None:
    """The app's own deadline passes first, and the run reports what the app says."""
    run = await outside.run(variant, asked_for(simulator, approvalTimeoutHours=48))
    assert (run.code, (await outside.status())["problem"]) == ("Rejected", "nobody decided on the plan in time")
    assert [report["state"] for report in outside.reports] == ["Rejected"]
    assert writes(simulator) == 0


async def test_where_nobody_can_be_asked_the_plan_is_rejected(
    variant: str, outside: Outside, simulator: Simulator
) -> None:
    """A migration that nobody knows of must not lie about until its deadline."""
    outside.channel_status = 404
    run = await outside.run(variant, asked_for(simulator))
    decision = (await outside.status())["decision"]
    assert (run.code, decision["comment"]) == ("Rejected", "nobody could be asked, or nobody answered")


async def test_a_plan_that_somebody_else_approved_is_followed(
    variant: str, outside: Outside, simulator: Simulator
) -> None:
    """The Logic App's own approval is refused, and what matters is what the app says in the end."""

    async def approve() -> None:
        plan_hash = outside.questions[-1]["question"]["planHash"]
        url = f"{outside.host.url}/api/migrations/{RUN}/approve"
        answer = await outside.call("POST", url, "bob", {"planHash": plan_hash})
        assert answer.status == 202

    outside.reply, outside.meanwhile = YES, approve
    run = await outside.run(variant, asked_for(simulator))
    status = await outside.status()
    assert (run.outcomes["Approve"].status, status["decision"]["approver"]) == ("Failed", "bob")
    assert (run.status, status["items"]) == ("Succeeded", {"Migrated": 2})


@pytest.mark.parametrize("scenario", [a_scenario(a_vm_group("bad-{n}", count=2, migration=BROKEN))])
async def test_a_halt_is_reported_and_fails_the_run(variant: str, outside: Outside, simulator: Simulator) -> None:
    """The report says what is left and what to do next."""
    outside.reply = YES
    body = asked_for(simulator)
    run = await outside.run(variant, {**body, "limits": {"ramp": [1], "pollSeconds": 60, "stopAfterFailures": 1}})
    [report] = outside.reports
    assert (run.status, run.code, report["state"]) == ("Failed", "Halted", "Halted")
    assert report["items"] == {"Cancelled": 1, "Failed": 1}
    assert report["problem"] in run.message
    assert report["nextAction"]


async def test_a_plan_only_needs_nobody(variant: str, outside: Outside, simulator: Simulator) -> None:
    """It is reported when it is there; the caller's own id is kept."""
    run = await outside.run(variant, {**asked_for(simulator), "id": "wave-1", "mode": "plan"})
    assert (run.status, outside.questions) == ("Succeeded", [])
    assert [(report["migration"], report["items"]) for report in outside.reports] == [("wave-1", {"Planned": 2})]


async def test_a_plan_that_does_not_come_fails_the_run(variant: str, outside: Outside, simulator: Simulator) -> None:
    """A vault throttles for longer than the Logic App waits: it does not wait on for what nobody would be asked of."""
    simulator.troubles.add(Trouble(kind=TroubleKind.TOO_MANY_REQUESTS, path="*/backupPolicies", seconds=86400))
    run = await outside.run(variant, asked_for(simulator), looks=3)
    [report] = outside.reports
    assert (run.status, run.code, "Follow" in run.outcomes) == ("Failed", "Planning", False)
    assert run.message == f"Planning: {report['problem']}" == "Planning: " + NO_PLAN
    assert (report["state"], outside.questions) == ("Planning", [])


async def test_a_wrong_request_fails_the_run_at_once(variant: str, outside: Outside, simulator: Simulator) -> None:
    """The app's problem document is in the run's history; nobody is asked or told."""
    run = await outside.run(variant, {**asked_for(simulator), "mode": "go"})
    assert (run.status, run.outcomes["Start"].body["errors"][0]["path"]) == ("Failed", "$.mode")
    assert (outside.questions, outside.reports) == ([], [])


async def test_polls_without_a_token_are_what_the_loop_is_for(
    variant: str, outside: Outside, simulator: Simulator
) -> None:
    """An engine that polls without the action's token is turned away; the variant with loops never polls."""
    outside.reply = YES
    run = await outside.run(variant, asked_for(simulator), token_on_polls=False)
    expected = {"poll": ("Failed", "Failed", "Running"), "until": ("Succeeded", "Succeeded", "Completed")}
    assert (run.outcomes["Follow"].status, run.status, outside.reports[0]["state"]) == expected[variant]
