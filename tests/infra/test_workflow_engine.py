"""The stand-in for Azure Logic Apps does what the documentation says, and refuses what it does not know."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.infra.workflow_engine import Answer, Engine, Json, Reply, Run, UnknownHere

PROOF = {"type": "ManagedServiceIdentity", "identity": "me", "audience": "you"}


class World:
    """Answers requests from a list, and counts the seconds that pass."""

    def __init__(self, *answers: Answer, reply: Reply | None = None) -> None:
        self.answers, self.reply = list(answers), reply
        self.sent: list[tuple[str, str, str | None]] = []
        self.connected: list[tuple[str, str, str, Json]] = []
        self.waits: list[float] = []

    async def run(self, actions: Json, token_on_polls: bool = True, **parameters: Json) -> Run:
        """Run a workflow of these actions."""
        engine = Engine(
            send=self._send,
            connect=self._connect,
            wait=self._wait,
            answer=self._answer,
            tokens=lambda identity, audience: f"{identity}-{audience}",
            token_on_polls=token_on_polls,
        )
        return await engine.run({"actions": actions}, parameters, {"name": "x"})

    async def _send(self, method: str, url: str, headers: Mapping[str, str], body: Json) -> Answer:
        self.sent.append((method, url, headers.get("Authorization")))
        return self.answers.pop(0)

    async def _connect(self, connection: str, method: str, path: str, body: Json) -> Answer:
        self.connected.append((connection, method, path, body))
        return self.answers.pop(0)

    async def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)

    async def _answer(self, callback: str) -> Reply | None:
        return self.reply


def a_get(**changes: Any) -> Json:
    """An HTTP action."""
    inputs = {"method": "GET", "uri": "https://a/1", "authentication": PROOF}
    return {"type": "Http", "runAfter": {}, "inputs": inputs, "limit": {"timeout": "PT1H"}, **changes}


def a_compose(inputs: Json, **run_after: Json) -> Json:
    """A Compose action."""
    return {"type": "Compose", "runAfter": run_after, "inputs": inputs}


def a_wait(minutes: int, **run_after: Json) -> Json:
    """A Wait action."""
    return {"type": "Wait", "runAfter": run_after, "inputs": {"interval": {"unit": "Minute", "count": minutes}}}


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


SUBSCRIBE = {"method": "POST", "uri": "https://a", "body": "@{listCallbackUrl()}", "authentication": PROOF}
OVER_CONNECTION = {"host": {"connection": {"name": "mail"}}, "path": "/p", "body": "@{listCallbackUrl()}"}
CALL = {**OVER_CONNECTION, "method": "post", "body": "b"}
WEBHOOKS = {"HttpWebhook": {"subscribe": SUBSCRIBE, "unsubscribe": {}}, "ApiConnectionWebhook": OVER_CONNECTION}


@pytest.mark.parametrize("kind", WEBHOOKS)
@pytest.mark.parametrize(
    ("reply", "status", "waits"),
    [((60, "yes"), "Succeeded", [60]), ((90000, "late"), "TimedOut", [86400]), (None, "TimedOut", [86400])],
)
async def test_a_webhook_waits_for_its_callback(
    kind: str, reply: Reply | None, status: str, waits: list[float]
) -> None:
    """Until its limit; what was posted is its body."""
    ask = {"type": kind, "runAfter": {}, "limit": {"timeout": "P1D"}, "inputs": WEBHOOKS[kind]}
    world = World(answered(200), reply=reply)
    outcome = (await world.run({"A": ask})).outcomes["A"]
    assert (outcome.status, world.waits) == (status, waits)
    assert outcome.outputs is None or outcome.body == "yes"


@pytest.mark.parametrize("kind", WEBHOOKS)
async def test_a_webhook_that_nobody_takes_fails_at_once(kind: str) -> None:
    """There is nothing to wait for."""
    ask = {"type": kind, "runAfter": {}, "limit": {"timeout": "P1D"}, "inputs": WEBHOOKS[kind]}
    world = World(answered(404), reply=(60, "yes"))
    assert ((await world.run({"A": ask})).outcomes["A"].status, world.waits) == ("Failed", [])


async def test_a_connection_is_called_as_its_action_says() -> None:
    """Which one, how and where; it is tried again like any request."""
    world = World(answered(503), answered(200, "sent"))
    call = {"type": "ApiConnection", "runAfter": {}, "inputs": CALL, "limit": {"timeout": "PT5M"}}
    run = await world.run({"A": call})
    assert (run.outcomes["A"].body, world.waits) == ("sent", [7.5])
    assert world.connected == 2 * [("mail", "post", "/p", "b")]


async def test_branches_wait_side_by_side() -> None:
    """Time passes for all of them at once, and what runs after two of them waits for the later one."""
    world = World()
    branches = {"A": a_wait(10), "B": a_wait(4), "C": a_wait(4, B=["Succeeded"])}
    run = await world.run({**branches, "D": a_wait(1, A=["Succeeded"], B=["Succeeded"], C=["Succeeded"])})
    assert (run.status, list(run.outcomes), world.waits) == ("Succeeded", list("BCAD"), [240, 240, 120, 60])


@pytest.mark.parametrize("status", ["Succeeded", "Failed"])
async def test_a_terminate_ends_every_branch(status: str) -> None:
    """A webhook that nobody has answered holds nothing up."""
    error = {"runError": {"code": "c", "message": "m"}} if status == "Failed" else {}
    ask = {"type": "HttpWebhook", "runAfter": {}, "limit": {"timeout": "P1D"}, "inputs": WEBHOOKS["HttpWebhook"]}
    end = {"type": "Terminate", "runAfter": {"W": ["Succeeded"]}, "inputs": {"runStatus": status, **error}}
    world = World(answered(200))
    run = await world.run({"A": ask, "W": a_wait(5), "E": end, "L": a_compose("late", A=["Succeeded", "TimedOut"])})
    assert (run.status, run.code, run.message) == (status, *(("c", "m") if error else ("", "")))
    assert (run.outcomes.keys(), world.waits) == ({"W"}, [300])


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
    loop = {"type": "Until", "runAfter": {}, "actions": {"W": a_wait(2), "A": a_get(runAfter={"W": ["Succeeded"]})}}
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
        ("@and(equals('a', 'a'), not(empty('a')))", True),
        ("@and(equals('a', 'a'), not(empty('')))", False),
        ("@createArray(true, false, null)", [True, False, None]),
        ("@string(triggerBody())", '{"name": "x"}'),
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
        {"type": "ApiConnection", "runAfter": {}, "inputs": {**CALL, "queries": {}}},
        a_compose("a", A=["Succeeded"]),
        {"type": "If", "runAfter": {}, "expression": {"or": []}, "actions": {}},
    ],
)
async def test_what_the_engine_does_not_know_stops_the_test(action: Json) -> None:
    """No silent skipping: a workflow that uses more needs an engine that knows more."""
    with pytest.raises(UnknownHere):
        await World().run({"A": action})
