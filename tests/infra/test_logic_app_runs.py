"""The Logic App's workflows, run end to end against the whole app; tests/infra/workflow_engine.py stands for Azure.

App Service's authentication stands before the app: it knows the Logic App by its token, and nobody without one.
"""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime, timedelta
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
from tests.clients.simulated import a_policy_table, a_scenario, a_vm_group
from tests.infra.logic_app import CHANNELS, IDENTITY, MAIL, WORKFLOWS, actions_of, deployed
from tests.infra.workflow_engine import Answer, Engine, Json, Reply, Run
from tests.whole.callers import a_body, writes
from tests.whole.conftest import OneClock

import function_app  # isort: skip - after tests.whole.conftest, which gives it the settings it reads at import

RUN = "08584000000000000000000000000CU00"
AUDIENCE, PEOPLE, PEOPLES_AUDIENCE = "api://app", "https://people.example/ask", "https://people.example"
TEAM = "backup-team@example.com"
LOGIC_APP = "99999999-0000-4000-8000-000000000001"
BROKEN = Migration(ends="Failed", error=JobErrorTable(code=1, title="UserErrorFsFreezeFailed", text="no"), minutes=5)
YES = {"approved": True, "approver": "ada", "comment": "go\r\nahead"}
NO_PLAN = "there is no plan after a day, so nobody was asked; it goes on"
NO = {"approved": False, "approver": "ada", "comment": "not this month"}
ANSWERS = {
    "endpoint": {"yes": YES, "no": NO},
    "outlook": {
        "yes": {"SelectedOption": "Approve", "UserEmailAddress": "ada"},
        "no": {"SelectedOption": "Reject", "UserEmailAddress": "ada"},
    },
}
"""What a channel posts to the callback URL when people answer."""
SOON = timedelta(minutes=31)  # two looks of the Logic App after another, and what they take

Act = Callable[[], Awaitable[None]]

pytestmark = pytest.mark.parametrize("variant", WORKFLOWS)
each_channel = pytest.mark.parametrize("channel", CHANNELS)


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

    `reply` is what a person answers, asked once, after a while; None: nobody does. `meanwhile` is what somebody does
    when the question has come. `channel_status` is what the channel says to asking people, `report_status` to telling.
    `pages` are the looks at the app, by number, that a gateway answers with a page.
    """

    def __init__(self, http: aiohttp.ClientSession, host: LocalHost, clock: OneClock) -> None:
        self.http, self.host, self.clock = http, host, clock
        self.reply: Json = None
        self.after = timedelta(minutes=5)
        self.meanwhile: Act | None = None
        self.channel_status = self.report_status = 202
        self.looks, self.pages = 0, range(0)
        self.questions: list[Json] = []
        self.reports: list[Json] = []
        self.reported_at = clock.now()

    async def run(
        self,
        variant: str,
        body: Json,
        channel: str = "endpoint",
        token_on_polls: bool = True,
        change: Callable[[Json], None] | None = None,
        **parameters: Json,
    ) -> Run:
        """Run the Logic App, deployed with these parameters, which is sent that body; `change` its actions before."""
        engine = Engine(
            send=self._send,
            connect=self._connect,
            wait=self._wait,
            answer=self._answer,
            tokens=lambda identity, audience: f"{identity} for {audience}",
            token_on_polls=token_on_polls,
            run_name=RUN,
        )
        properties = deployed(variant, channel, appUrl=self.host.url, audience=AUDIENCE, **parameters)
        if change:
            change(actions_of(properties["definition"]))
        values = {name: parameter["value"] for name, parameter in properties["parameters"].items()}
        with self.clock.standing_still():
            return await engine.run(properties["definition"], values, body)

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
            return (
                self._told(body["report"]) if "report" in body else self._asked(body["question"], body["callbackUrl"])
            )
        if token != f"Bearer {IDENTITY} for {AUDIENCE}":
            return Answer(401, {}, None)
        self.looks += method == "GET"
        if method == "GET" and self.looks in self.pages:
            return Answer(503, {}, "<html>Service Unavailable</html>")
        return await self.call(method, url, LOGIC_APP, body)

    async def _connect(self, connection: str, method: str, path: str, body: Json) -> Answer:
        """Office 365 Outlook: an approval mail, and a plain one."""
        assert connection == MAIL
        if (method, path) == ("post", "/approvalmail/$subscriptions"):
            message = body["Message"]
            assert (message["To"], message["Options"]) == (TEAM, "Approve, Reject")
            return self._asked(json.loads(message["Body"]), body["NotificationUrl"])
        assert (method, path, body["To"]) == ("post", "/v2/Mail", TEAM)
        return self._told(json.loads(body["Body"].removeprefix("<p>").removesuffix("</p>")))

    def _asked(self, question: Json, callback: str) -> Answer:
        self.questions.append({"callbackUrl": callback, "question": question})
        return Answer(self.channel_status, {}, None)

    def _told(self, report: Json) -> Answer:
        self.reports.append(report)
        self.reported_at = self.clock.now()
        return Answer(self.report_status, {}, None)

    async def _wait(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))
        await self.host.settled()

    async def _answer(self, callback: str) -> Reply | None:
        assert callback == self.questions[-1]["callbackUrl"]
        if self.meanwhile:
            await self.meanwhile()
        return None if self.reply is None else (self.after.total_seconds(), self.reply)


@pytest.fixture
async def outside(host: LocalHost, clock: OneClock) -> AsyncIterator[Outside]:
    """Everything around the Logic App."""
    async with aiohttp.ClientSession() as http:
        yield Outside(http, host, clock)


def asked_for(simulator: Simulator, **changes: Any) -> Json:
    """What the Logic App is sent: a request to the app, without an id."""
    quick = {"approvalTimeoutHours": 1, "limits": {"ramp": [], "pollSeconds": 60}}
    body = a_body(simulator, **{"approval": "required", **quick, **changes})
    return {name: value for name, value in body.items() if name != "id"}


@each_channel
async def test_a_plan_is_approved_carried_out_and_reported(
    channel: str, variant: str, outside: Outside, simulator: Simulator
) -> None:
    """Nothing is written before the yes; what was shown is what is approved; the run ends as the migration does."""
    written_before: list[int] = []

    async def look() -> None:
        written_before.append(writes(simulator))

    outside.reply, outside.meanwhile = ANSWERS[channel]["yes"], look
    run = await outside.run(variant, asked_for(simulator), channel)

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


@each_channel
async def test_no_caller_gets_past_the_approval(
    channel: str, variant: str, outside: Outside, simulator: Simulator
) -> None:
    """Whoever has the trigger's URL can ask for none: people are asked all the same, and their no is a no."""
    outside.reply = ANSWERS[channel]["no"]
    run = await outside.run(variant, asked_for(simulator, approval="none"), channel)
    assert (run.code, len(outside.questions), writes(simulator)) == ("Rejected", 1, 0)


@pytest.mark.parametrize(
    "scenario",
    [
        a_scenario(
            a_vm_group("web-{n}", count=2, policy="Long", migration=Migration(minutes=5)),
            policies=[a_policy_table("Long", retention={"daily": 3650})],
        )
    ],
)
@pytest.mark.parametrize(
    ("reason", "accepted", "verdict"),
    [("", True, "Blocked"), ("CHG-4711", True, "Planned"), ("CHG-4711", None, "Blocked")],
)
async def test_only_the_deployer_lets_callers_accept_loss_of_retention(
    reason: str, accepted: bool | None, verdict: str, variant: str, outside: Outside, simulator: Simulator
) -> None:
    """By a reason, which people read before they approve; and a caller must still ask for it."""
    outside.reply = NO
    body = {**asked_for(simulator), **({} if accepted is None else {"acceptRetentionLoss": accepted})}
    await outside.run(variant, body, retentionLossReason=reason)
    plan = await outside.call("GET", f"{outside.host.url}/api/migrations/{RUN}/plan", LOGIC_APP)
    assert [found["verdict"] for found in plan.body["verdicts"]] == [verdict]
    assert [asked["question"]["retentionLoss"] for asked in outside.questions] == [reason] * (verdict == "Planned")


@pytest.mark.parametrize(
    ("channel", "comment"), [("endpoint", "ada: go\nahead"), ("outlook", "ada: answered by mail: Approve")]
)
async def test_who_approved_is_in_the_ledger(
    channel: str, comment: str, variant: str, outside: Outside, simulator: Simulator
) -> None:
    """To the app the approver is the Logic App, whose token it saw; the person is named in the comment."""
    outside.reply = ANSWERS[channel]["yes"]
    await outside.run(variant, asked_for(simulator), channel)
    decision = (await outside.status())["decision"]
    assert (decision["approver"], decision["comment"]) == (LOGIC_APP, comment)


@pytest.mark.parametrize(
    ("channel", "comment"), [("endpoint", "ada: not this month"), ("outlook", "ada: answered by mail: Reject")]
)
async def test_a_plan_is_rejected(
    channel: str, comment: str, variant: str, outside: Outside, simulator: Simulator
) -> None:
    """A no ends the migration: nothing is written, the report says so, and the run has failed."""
    outside.reply = ANSWERS[channel]["no"]
    run = await outside.run(variant, asked_for(simulator), channel)
    status = await outside.status()
    assert (run.status, run.code, run.message) == ("Failed", "Rejected", f"Rejected: rejected by {LOGIC_APP}")
    assert (status["decision"]["comment"], writes(simulator)) == (comment, 0)
    assert [report["state"] for report in outside.reports] == ["Rejected"]


@pytest.mark.parametrize(
    ("channel", "odd"),
    [
        ("endpoint", {}),
        ("endpoint", {"approved": "true"}),
        ("endpoint", {"approved": None, "approver": None}),
        ("outlook", {}),
        ("outlook", {"SelectedOption": "Decline"}),
        ("outlook", {"SelectedOption": None, "UserEmailAddress": None}),
    ],
)
async def test_an_answer_that_is_no_yes_is_a_no(
    channel: str, odd: Json, variant: str, outside: Outside, simulator: Simulator
) -> None:
    """Only the boolean true approves, or the option Approve of a mail."""
    outside.reply = odd
    run = await outside.run(variant, asked_for(simulator), channel)
    assert (run.code, (await outside.status())["decision"]["comment"][:10]) == ("Rejected", "somebody: ")


async def ended_at(outside: Outside) -> datetime:
    """When the migration ended, by the app."""
    return datetime.fromisoformat((await outside.status())["endedAt"])


@each_channel
async def test_silence_is_a_no(channel: str, variant: str, outside: Outside, simulator: Simulator) -> None:
    """The app's own deadline passes, and the run soon reports what the app says, though the question is still open."""
    run = await outside.run(variant, asked_for(simulator), channel)
    assert (run.code, (await outside.status())["problem"]) == ("Rejected", "nobody decided on the plan in time")
    assert [report["state"] for report in outside.reports] == ["Rejected"]
    assert outside.reported_at - await ended_at(outside) < SOON
    assert (writes(simulator), "Ask" in run.outcomes) == (0, False)


async def test_an_answer_after_the_deadline_changes_nothing(
    variant: str, outside: Outside, simulator: Simulator, clock: OneClock
) -> None:
    """A yes that comes before the Logic App has looked again is refused by the app, and the run ends as it would."""

    async def take_time() -> None:
        clock.advance(timedelta(minutes=2))  # so that the hour is over between two looks

    outside.reply, outside.after, outside.meanwhile = YES, timedelta(minutes=59), take_time
    run = await outside.run(variant, asked_for(simulator))
    assert (run.outcomes["Approve"].status, run.code, writes(simulator)) == ("Failed", "Rejected", 0)
    assert [report["state"] for report in outside.reports] == ["Rejected"]


@each_channel
async def test_where_nobody_can_be_asked_the_plan_is_rejected(
    channel: str, variant: str, outside: Outside, simulator: Simulator
) -> None:
    """A migration that nobody knows of must not lie about until its deadline."""
    outside.channel_status = 404
    run = await outside.run(variant, asked_for(simulator), channel)
    decision = (await outside.status())["decision"]
    assert (run.code, decision["comment"]) == ("Rejected", "no answer could be had, or none that could be read")


def bob(outside: Outside, what: str) -> Act:
    """Somebody who decides in another way than by the Logic App."""

    async def decide() -> None:
        body = {"planHash": outside.questions[-1]["question"]["planHash"]} if what == "approve" else {}
        answer = await outside.call("POST", f"{outside.host.url}/api/migrations/{RUN}/{what}", "bob", body)
        assert answer.status == 202

    return decide


@pytest.mark.parametrize(("reply", "step"), [(YES, "Approve"), (NO, "Reject"), (None, "")])
async def test_a_plan_that_somebody_else_approved_is_followed(
    reply: Json, step: str, variant: str, outside: Outside, simulator: Simulator
) -> None:
    """Whatever people answer then is refused by the app, and the run ends as the migration does, answered or not."""
    outside.reply, outside.meanwhile = reply, bob(outside, "approve")
    run = await outside.run(variant, asked_for(simulator))
    status = await outside.status()
    assert (status["decision"]["approver"], status["items"]) == ("bob", {"Migrated": 2})
    assert (run.status, [report["state"] for report in outside.reports]) == ("Succeeded", ["Completed"])
    assert not step or run.outcomes[step].status == "Failed"


@each_channel
async def test_a_plan_that_somebody_else_rejected_is_reported_soon(
    channel: str, variant: str, outside: Outside, simulator: Simulator
) -> None:
    """Nobody has to answer the mail for that."""
    outside.meanwhile = bob(outside, "reject")
    run = await outside.run(variant, asked_for(simulator, approvalTimeoutHours=720), channel)
    assert (run.code, run.message) == ("Rejected", "Rejected: rejected by bob")
    assert outside.reported_at - await ended_at(outside) < SOON


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

    def give_up(actions: Json) -> None:
        actions["Plan"]["limit"]["count"] = 3

    run = await outside.run(variant, asked_for(simulator), change=give_up)
    [report] = outside.reports
    assert (run.status, run.code, "Follow" in run.outcomes) == ("Failed", "Planning", False)
    assert run.message == f"Planning: {report['problem']}" == "Planning: " + NO_PLAN
    assert (report["state"], outside.questions) == ("Planning", [])


@pytest.mark.parametrize(("loop", "look"), [("Plan", "Look"), ("Decided", "Look_whether_decided")])
async def test_a_loop_that_fails_at_last_is_no_end(
    loop: str, look: str, variant: str, outside: Outside, simulator: Simulator
) -> None:
    """The app does not answer its last look, and does afterwards: the run goes on, and tells how it ended."""

    def fail(actions: Json) -> None:
        actions[loop]["limit"]["count"] = 1
        actions[look]["inputs"]["uri"] += "/no-such"

    outside.reply, outside.after = YES, timedelta(minutes=9)  # so that the migration runs when the look has failed
    run = await outside.run(variant, asked_for(simulator), change=fail)
    assert (run.outcomes[loop].status, run.status) == ("Failed", "Succeeded")
    assert [report["state"] for report in outside.reports] == ["Completed"]


@pytest.mark.parametrize("scenario", [a_scenario(a_vm_group("web-{n}", count=2, migration=Migration(minutes=400)))])
async def test_a_page_instead_of_an_answer_does_not_end_a_loop(
    variant: str, outside: Outside, simulator: Simulator
) -> None:
    """A gateway's 503 is text, of which no property can be selected: the loop looks again."""
    simulator.troubles.add(Trouble(kind=TroubleKind.TOO_MANY_REQUESTS, path="*/backupPolicies", seconds=7200, times=1))
    outside.reply, outside.pages = YES, range(3, 8)  # one look, and its repeats
    run = await outside.run(variant, asked_for(simulator))
    assert (run.status, [report["state"] for report in outside.reports]) == ("Succeeded", ["Completed"])


async def test_a_report_that_nobody_takes_fails_the_run(variant: str, outside: Outside, simulator: Simulator) -> None:
    """The run ends all the same, though the question is still open."""
    outside.report_status, outside.meanwhile = 500, bob(outside, "approve")
    run = await outside.run(variant, asked_for(simulator))
    assert (run.status, run.code, "Ask" in run.outcomes) == ("Failed", "Untold", False)


async def test_a_wrong_request_fails_the_run_at_once(variant: str, outside: Outside, simulator: Simulator) -> None:
    """The app's problem document is in the run's history; nobody is asked or told."""
    run = await outside.run(variant, {**asked_for(simulator), "mode": "go"})
    assert (run.status, run.code, run.outcomes["Start"].body["errors"][0]["path"]) == ("Failed", "", "$.mode")
    assert (outside.questions, outside.reports) == ([], [])


async def test_polls_without_a_token_are_what_the_loop_is_for(
    variant: str, outside: Outside, simulator: Simulator
) -> None:
    """An engine that polls without the action's token is turned away; the variant with loops never polls."""
    outside.reply = YES
    run = await outside.run(variant, asked_for(simulator), token_on_polls=False)
    expected = {"poll": ("Failed", "Failed", "Running"), "until": ("Succeeded", "Succeeded", "Completed")}
    assert (run.outcomes["Follow"].status, run.status, outside.reports[0]["state"]) == expected[variant]
