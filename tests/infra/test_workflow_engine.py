"""The stand-in for Azure Logic Apps does what the documentation says, and refuses what it does not know."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.infra.workflow_engine import Answer, Engine, Json, Run, UnknownHere

PROOF = {"type": "ManagedServiceIdentity", "identity": "me", "audience": "you"}


class World:
    """Answers requests from a list, and counts the seconds that pass."""

    def __init__(self, *answers: Answer, reply: Json = None) -> None:
        self.answers, self.reply = list(answers), reply
        self.sent: list[tuple[str, str, str | None]] = []
        self.waits: list[float] = []

    async def run(self, actions: Json, token_on_polls: bool = True, **parameters: Json) -> Run:
        """Run a workflow of these actions."""
        engine = Engine(
            send=self._send,
            wait=self._wait,
            answer=self._answer,
            tokens=lambda identity, audience: f"{identity}-{audience}",
            token_on_polls=token_on_polls,
        )
        return await engine.run({"actions": actions}, parameters, {"name": "x"})

    async def _send(self, method: str, url: str, headers: Mapping[str, str], body: Json) -> Answer:
        self.sent.append((method, url, headers.get("Authorization")))
        return self.answers.pop(0)

    async def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)

    async def _answer(self, callback: str, seconds: float) -> Json:
        return self.reply


def a_get(**changes: Any) -> Json:
    """An HTTP action."""
    inputs = {"method": "GET", "uri": "https://a/1", "authentication": PROOF}
    return {"type": "Http", "runAfter": {}, "inputs": inputs, "limit": {"timeout": "PT1H"}, **changes}


def a_compose(inputs: Json, **run_after: Json) -> Json:
    """A Compose action."""
    return {"type": "Compose", "runAfter": run_after, "inputs": inputs}


def answered(status: int, body: Json = None, **headers: str) -> Answer:
    """What a request gets; headers with _ for -."""
    return Answer(status, {name.replace("_", "-"): text for name, text in headers.items()}, body)


GOES_ON = answered(202, location="https://a/2", retry_after="60")


async def test_a_202_is_followed_to_its_end() -> None:
    """GET after GET of the Location, with the action's token, as far apart as Retry-After says."""
    world = World(GOES_ON, answered(202, location="https://a/3"), answered(200, {"state": "done"}))
    run = await world.run({"A": a_get(), "B": a_compose("@body('A')['state']", A=["Succeeded"])})
    assert (run.status, run.outcomes["B"].outputs, world.waits) == ("Succeeded", "done", [60, 20])
    assert world.sent == [("GET", f"https://a/{n}", "Bearer me-you") for n in (1, 2, 3)]


async def test_an_engine_may_leave_the_token_at_home() -> None:
    """The poll then has none; the first request has it."""
    world = World(GOES_ON, answered(401))
    run = await world.run({"A": a_get()}, token_on_polls=False)
    assert (run.status, [token for _, _, token in world.sent]) == ("Failed", ["Bearer me-you", None])


async def test_a_202_is_left_alone_on_request() -> None:
    """DisableAsyncPattern: the answer is the outcome."""
    world = World(GOES_ON)
    run = await world.run({"A": a_get(operationOptions="DisableAsyncPattern")})
    assert (run.outcomes["A"].outputs["statusCode"], world.waits) == (202, [])


async def test_polling_ends_with_its_time() -> None:
    """The limit is the whole action's, and its status says so."""
    run = await World(*[GOES_ON] * 9).run({"A": a_get(limit={"timeout": "PT5M"})})
    assert (run.status, run.outcomes["A"].status) == ("Failed", "TimedOut")


async def test_what_may_pass_is_tried_five_times() -> None:
    """The default retry policy, for 408, 429 and 5xx; other refusals fail at once."""
    passing, lasting = World(*[answered(503)] * 5), World(answered(409))
    assert (await passing.run({"A": a_get()})).status == (await lasting.run({"A": a_get()})).status == "Failed"
    assert (len(passing.sent), len(lasting.sent)) == (5, 1)


@pytest.mark.parametrize(("reply", "status"), [({"approved": True}, "Succeeded"), (None, "TimedOut")])
async def test_a_webhook_waits_for_its_callback(reply: Json, status: str) -> None:
    """Until its limit; what was posted is its body."""
    subscribe = {"method": "POST", "uri": "https://a", "body": "@{listCallbackUrl()}", "authentication": PROOF}
    ask = {"type": "HttpWebhook", "runAfter": {}, "limit": {"timeout": "P1D"}}
    run = await World(answered(200), reply=reply).run(
        {"A": {**ask, "inputs": {"subscribe": subscribe, "unsubscribe": {}}}}
    )
    assert run.outcomes["A"].status == status
    assert run.outcomes["A"].outputs == (reply and {"statusCode": 200, "body": reply})


async def test_an_action_runs_only_after_what_it_names() -> None:
    """A failure skips what waits for success, and a failure that is waited for is no failure of the whole."""
    actions = {"A": a_get(), "B": a_compose("b", A=["Succeeded"]), "C": a_compose("c", A=["Failed"])}
    run = await World(answered(404)).run({**actions, "D": a_compose("d", B=["Skipped"], C=["Succeeded"])})
    assert {name: outcome.status for name, outcome in run.outcomes.items()} == {
        "A": "Failed",
        "B": "Skipped",
        "C": "Succeeded",
        "D": "Succeeded",
    }
    assert run.status == "Succeeded"


async def test_a_skipped_end_is_judged_by_what_went_before() -> None:
    """Where nothing waited for the failure, the run has failed."""
    run = await World(answered(404)).run({"A": a_get(), "B": a_compose("b", A=["Succeeded"])})
    assert run.status == "Failed"


async def test_a_loop_looks_after_each_round_and_ends_at_its_limit() -> None:
    """Its status is that of the last round, whether its condition came true or not."""
    wait = {"type": "Wait", "runAfter": {}, "inputs": {"interval": {"unit": "Minute", "count": 2}}}
    loop = {"type": "Until", "runAfter": {}, "actions": {"W": wait, "A": a_get(runAfter={"W": ["Succeeded"]})}}
    until_done = {**loop, "expression": "@equals(body('A'), 'done')", "limit": {"count": 3, "timeout": "P1D"}}
    ended = World(answered(404), answered(200, "done"))
    endless = World(*[answered(404)] * 3)
    assert ((await ended.run({"L": until_done})).status, ended.waits) == ("Succeeded", [120, 120])
    assert ((await endless.run({"L": until_done})).status, len(endless.waits)) == ("Failed", 3)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("@triggerBody()['name']", "x"),
        ("@triggerBody()?['other']", None),
        ("@triggerBody()?['other']?['more']", None),
        ("a @{triggerBody()['name']} b @{parameters('p')}", 'a x b {"q": "it\'s"}'),
        ("@parameters('p')?['q']", "it's"),
        ("@coalesce(triggerBody()?['other'], 'it''s')", "it's"),
        ("@take(concat('ab', 'cd'), 3)", "abc"),
        ("@replace('a\rb', decodeUriComponent('%0D'), '')", "ab"),
        ("@not(contains(createArray('', 'Planning'), 'Running'))", True),
        ("@if(equals(triggerBody()['name'], 'x'), 'yes', 'no')", "yes"),
        ("@if(equals(triggerBody()['name'], 'y'), 'yes', 'no')", "no"),
        ("@setProperty(triggerBody(), 'id', 'm1')", {"name": "x", "id": "m1"}),
        ("@toUpper('a')", UnknownHere),
        ("@body('Nobody')", UnknownHere),
        ("@concat('a'", UnknownHere),
        ("@concat('a') b", UnknownHere),
        ("@@concat('a')", UnknownHere),
    ],
)
async def test_expressions_are_evaluated_or_refused(expression: str, value: Any) -> None:
    """Functions, members, texts with expressions in them; what the engine has not learnt is no guess."""
    workflow = {"A": a_compose(expression)}
    if value is UnknownHere:
        with pytest.raises(UnknownHere):
            await World().run(workflow)
    else:
        assert (await World().run(workflow, p={"q": "it's"})).outcomes["A"].outputs == value


@pytest.mark.parametrize(
    "expression", ["@triggerBody()['other']", "@triggerBody()?['other']['more']", "@take(workflow(), 1)"]
)
async def test_what_azure_could_not_evaluate_fails_the_action(expression: str) -> None:
    """As an invalid template does there."""
    run = await World().run({"A": a_compose(expression)})
    assert (run.status, run.outcomes["A"].status) == ("Failed", "Failed")
    assert run.outcomes["A"].error


@pytest.mark.parametrize(
    "action",
    [
        {"type": "Foreach", "runAfter": {}},
        {"type": "Compose", "runAfter": {}, "inputs": "a", "trackedProperties": {}},
        a_get(inputs={"method": "GET", "uri": "https://a", "queries": {}, "authentication": PROOF}),
        a_get(inputs={"method": "GET", "uri": "https://a", "authentication": {"type": "Basic"}}),
        {"type": "If", "runAfter": {}, "expression": {"or": []}, "actions": {}},
    ],
)
async def test_what_the_engine_does_not_know_stops_the_test(action: Json) -> None:
    """No silent skipping: a workflow that uses more needs an engine that knows more."""
    with pytest.raises(UnknownHere):
        await World().run({"A": action})
