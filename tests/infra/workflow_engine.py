"""As much of Azure Logic Apps as the sample in infra/logic-app uses, for its tests; anything else raises UnknownHere.

After the documentation: an HTTP action answered 202 polls the Location until the answer is another one, waits as
Retry-After says, and fails on 4xx and 5xx; 408, 429 and 5xx are repeated four times first. A loop looks at its
condition after each round, and ends as its last round did, also at its limit. An action runs where each action it runs
after has ended as it says, and is Skipped otherwise; actions that do not run after each other run side by side. A
branch has failed where its last action has, or, where that was skipped, the action before it. A Terminate ends the run
at once, whatever other branches still wait for. Where the documentation leaves doubt the engine is strict: an
expression may only name actions that have run.

Nothing here takes time: who makes an Engine brings what waits, what sends, and what a person answers.
"""

import asyncio
import heapq
import json
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NoReturn
from urllib.parse import unquote

Json = Any

KEYS = {
    "type",
    "runAfter",
    "inputs",
    "limit",
    "operationOptions",
    "runtimeConfiguration",
    "actions",
    "expression",
    "else",
}
HTTP_KEYS = {"method", "uri", "body", "authentication"}
CONNECTION_KEYS = {"host", "method", "path", "body"}
POLL_SECONDS = 20  # where an answer 202 has no Retry-After
REPEATED_AFTER = (7.5, 15, 30, 45)
UNITS = {"Second": 1, "Minute": 60, "Hour": 3600}
DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")


class UnknownHere(Exception):
    """The workflow uses what this engine does not know; it may be right all the same."""


class TemplateError(Exception):
    """An expression that Logic Apps could not evaluate either, such as a property of null."""


@dataclass(frozen=True)
class Answer:
    """What came back of a request. The names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: Json


Send = Callable[[str, str, Mapping[str, str], Json], Awaitable[Answer]]
"""Method, URL, headers and JSON body, None for none."""
Connect = Callable[[str, str, str, Json], Awaitable[Answer]]
"""A connection's resource id, then method, path and body of a call over it."""
Reply = tuple[float, Json]
"""After how many seconds somebody posts to a callback URL, and what."""


@dataclass(frozen=True)
class Outcome:
    """How an action ended, and what it gave: `outputs` as the function of that name returns them."""

    status: str
    outputs: Json = None
    error: str = ""

    @property
    def body(self) -> Json:
        """What body('...') is."""
        return self.outputs["body"]


@dataclass
class Run:
    """A run that has ended: its status, why it was terminated, and every action that had its turn."""

    status: str = "Running"
    code: str = ""
    message: str = ""
    outcomes: dict[str, Outcome] = field(default_factory=dict[str, Outcome])


class _Terminated(Exception):
    """A Terminate action ends the run, from wherever it is."""


class _Time:
    """The time of branches that run side by side: it passes while all of them wait, to whoever's turn is next."""

    def __init__(self, wait: Callable[[float], Awaitable[None]]) -> None:
        self.now = 0.0
        self._wait = wait
        self._running = 1
        self._order = count()
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []

    async def sleep(self, seconds: float) -> None:
        """Return when that many seconds have passed."""
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (self.now + seconds, next(self._order), turn))
        await self._rest()
        await turn

    async def together(self, branches: list[Coroutine[Any, Any, None]]) -> None:
        """Run branches to their ends. Raises an ExceptionGroup of what one of two or more raises; the others stop."""
        if len(branches) < 2:
            for branch in branches:
                await branch
            return
        left = len(branches)
        self._running += left - 1

        async def run(branch: Coroutine[Any, Any, None]) -> None:
            nonlocal left
            await branch
            left -= 1
            if left:  # the last one leaves its turn to whoever waits for all of them
                await self._rest()

        async with asyncio.TaskGroup() as group:
            for branch in branches:
                group.create_task(run(branch))

    async def _rest(self) -> None:
        self._running -= 1
        if not self._running:
            moment, _, turn = heapq.heappop(self._waiting)
            self._running = 1
            await self._wait(moment - self.now)
            self.now = moment
            turn.set_result(None)


class Engine:
    """Runs definitions. `run_name` is what workflow()['run']['name'] gives."""

    def __init__(
        self,
        *,
        send: Send,
        connect: Connect,
        wait: Callable[[float], Awaitable[None]],
        answer: Callable[[str], Awaitable[Reply | None]],
        tokens: Callable[[str, str], str],
        token_on_polls: bool = True,
        run_name: str = "08584000000000000000000000000CU00",
    ) -> None:
        """
        Args:
            wait: lets seconds pass.
            answer: what is posted to that callback URL, and when; None where nothing ever is.
            tokens: a token, for an identity's resource id and an audience.
            token_on_polls: whether a poll carries the action's token, as the product's team says it does.
        """
        self._send, self._connect, self._wait, self._answer, self._tokens = send, connect, wait, answer, tokens
        self._token_on_polls = token_on_polls
        self._run_name = run_name

    async def run(self, definition: Json, parameters: Mapping[str, Json], body: Json) -> Run:
        """Run a definition from its Request trigger, which was sent that body."""
        self._run = run = Run()
        self._time = _Time(self._wait)
        self._parameters, self._trigger_body = parameters, body
        try:
            run.status = await self._graph(definition["actions"])
        except* _Terminated:
            pass
        return run

    # --- actions

    async def _graph(self, actions: Json) -> str:
        """Run actions in the order that runAfter gives; answers the status of the whole."""
        waiting, unfinished = dict(actions), set(actions)

        async def branch(name: str, action: Json) -> None:
            self._run.outcomes[name] = await self._turn(name, action)
            unfinished.remove(name)
            await go_on()

        async def go_on() -> None:
            ready = [name for name, action in waiting.items() if not action["runAfter"].keys() & unfinished]
            await self._time.together([branch(name, waiting.pop(name)) for name in ready])

        await go_on()
        if waiting:
            raise UnknownHere(f"a circle among {list(waiting)}")
        last = set(actions) - {before for action in actions.values() for before in action["runAfter"]}
        return "Failed" if any(self._has_failed(name, actions) for name in last) else "Succeeded"

    def _has_failed(self, name: str, actions: Json) -> bool:
        status, before = self._run.outcomes[name].status, actions[name]["runAfter"]
        if status == "Skipped":
            return any(self._has_failed(earlier, actions) for earlier in before)
        return status != "Succeeded"

    async def _turn(self, name: str, action: Json) -> Outcome:
        if not action.keys() <= KEYS:
            raise UnknownHere(f"{name}: {action.keys() - KEYS}")
        statuses = self._run.outcomes
        if not all(statuses[before].status in wanted for before, wanted in action["runAfter"].items()):
            return Outcome("Skipped")
        perform = {
            "Http": self._http,
            "HttpWebhook": self._webhook,
            "ApiConnection": self._connection,
            "ApiConnectionWebhook": self._connection_webhook,
            "Compose": self._compose,
            "Wait": self._pause,
            "If": self._if,
            "Until": self._until,
            "Terminate": self._terminate,
        }.get(action["type"])
        if perform is None:
            raise UnknownHere(f"{name} is of type {action['type']}")
        try:
            return await perform(action)
        except TemplateError as error:
            return Outcome("Failed", error=str(error))

    async def _compose(self, action: Json) -> Outcome:
        return Outcome("Succeeded", self._value(action["inputs"]))

    async def _pause(self, action: Json) -> Outcome:
        interval = action["inputs"]["interval"]
        await self._time.sleep(interval["count"] * UNITS[interval["unit"]])
        return Outcome("Succeeded")

    async def _terminate(self, action: Json) -> Outcome:
        inputs = self._value(action["inputs"])
        error = inputs["runError"] if inputs["runStatus"] == "Failed" else {"code": "", "message": ""}
        self._run.status, self._run.code, self._run.message = inputs["runStatus"], error["code"], error["message"]
        raise _Terminated

    async def _if(self, action: Json) -> Outcome:
        branch = action if self._holds(action["expression"]) else action["else"]
        return Outcome(await self._graph(branch["actions"]))

    def _holds(self, condition: Json) -> bool:
        [(operator, operands)] = condition.items()
        if operator == "and":
            return all(self._holds(operand) for operand in operands)
        if operator == "equals":
            left, right = self._value(operands)
            return _equals(left, right)
        raise UnknownHere(f"the condition {operator}")

    async def _until(self, action: Json) -> Outcome:
        end = self._time.now + seconds_of(action["limit"]["timeout"])
        status = "Succeeded"
        for _ in range(action["limit"]["count"]):
            status = await self._graph(action["actions"])
            if self._value(action["expression"]) is True or self._time.now >= end:
                break
        return Outcome(status)

    async def _http(self, action: Json) -> Outcome:
        end = self._time.now + seconds_of(action["limit"]["timeout"])
        inputs = self._value(action["inputs"])
        answer = await self._exchange(inputs)
        while answer.status == 202 and "DisableAsyncPattern" not in action.get("operationOptions", ""):
            await self._time.sleep(float(answer.headers.get("retry-after", POLL_SECONDS)))
            if self._time.now > end:
                return Outcome("TimedOut")
            poll = {"method": "GET", "uri": answer.headers["location"], "authentication": inputs["authentication"]}
            answer = await self._exchange(poll, with_token=self._token_on_polls)
        return _outcome_of(answer)

    async def _webhook(self, action: Json) -> Outcome:
        callback = self._callback()
        inputs = self._value(action["inputs"], callback)
        if inputs["unsubscribe"]:
            raise UnknownHere("a webhook that unsubscribes")
        return await self._replied(await self._exchange(inputs["subscribe"]), callback, action)

    async def _connection(self, action: Json) -> Outcome:
        inputs = self._value(action["inputs"])
        return _outcome_of(await self._exchange_over_connection(inputs, inputs["method"]))

    async def _connection_webhook(self, action: Json) -> Outcome:
        callback = self._callback()
        inputs = self._value(action["inputs"], callback)
        return await self._replied(await self._exchange_over_connection(inputs, "post"), callback, action)

    def _callback(self) -> str:
        return f"https://callbacks.example/{len(self._run.outcomes)}?sig=secret"

    async def _replied(self, subscribed: Answer, callback: str, action: Json) -> Outcome:
        """The outcome of an action that waits for what is posted to its callback URL, after it has subscribed."""
        if subscribed.status >= 400:
            return _outcome_of(subscribed)
        limit = seconds_of(action["limit"]["timeout"])
        after, body = await self._answer(callback) or (float("inf"), None)
        await self._time.sleep(min(after, limit))
        return _outcome_of(Answer(200, {}, body)) if after <= limit else Outcome("TimedOut")

    async def _exchange_over_connection(self, inputs: Json, method: str) -> Answer:
        """A call of a managed connector; by which connection, its inputs say."""
        if not inputs.keys() <= CONNECTION_KEYS:
            raise UnknownHere(f"an action over a connection with {inputs.keys() - CONNECTION_KEYS}")
        connection = inputs["host"]["connection"]["name"]
        return await self._repeated(lambda: self._connect(connection, method, inputs["path"], inputs.get("body")))

    async def _exchange(self, inputs: Json, with_token: bool = True) -> Answer:
        """A request with its token."""
        if not inputs.keys() <= HTTP_KEYS:
            raise UnknownHere(f"an HTTP action with {inputs.keys() - HTTP_KEYS}")
        proof = inputs["authentication"]
        if proof["type"] != "ManagedServiceIdentity":
            raise UnknownHere(f"authentication by {proof['type']}")
        token = self._tokens(proof["identity"], proof["audience"])
        headers = {"Authorization": f"Bearer {token}"} if with_token else {}
        return await self._repeated(lambda: self._send(inputs["method"], inputs["uri"], headers, inputs.get("body")))

    async def _repeated(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer, asked for again as the default retry policy says."""
        answer = await ask()
        for seconds in REPEATED_AFTER:
            if answer.status not in (408, 429) and answer.status < 500:
                break
            await self._time.sleep(seconds)
            answer = await ask()
        return answer

    # --- expressions

    def _value(self, value: Json, callback: str = "") -> Json:
        """A part of the definition with every expression in it evaluated."""
        if isinstance(value, dict):
            return {key: self._value(item, callback) for key, item in value.items()}
        if isinstance(value, list):
            return [self._value(item, callback) for item in value]
        if not isinstance(value, str) or "@" not in value:
            return value
        if "@@" in value:
            raise UnknownHere(f"an escaped @ in {value}")
        functions = {**self._functions(), "listCallbackUrl": lambda: callback or _refuse("no callback here")}
        if value.startswith("@") and not value.startswith("@{"):
            return _Expression(value, 1, functions).whole()
        return "".join(_interpolated(value, functions))

    def _functions(self) -> dict[str, Callable[..., Json]]:
        return {
            **PURE,
            "parameters": lambda name: self._parameters[name],
            "triggerBody": lambda: self._trigger_body,
            "workflow": lambda: {"run": {"name": self._run_name}},
            "outputs": lambda name: self._outcome(name).outputs,
            "body": lambda name: self._outcome(name).body,
            "actions": self._action,
        }

    def _outcome(self, name: str) -> Outcome:
        outcome = self._run.outcomes.get(name)
        if outcome is None or outcome.outputs is None:
            raise UnknownHere(f"what is left of {name}, which has given nothing")
        return outcome

    def _action(self, name: str) -> Json:
        """The whole of an action that had its turn; one that was skipped has no outputs."""
        outcome = self._run.outcomes[name]
        return {"status": outcome.status, **({} if outcome.outputs is None else {"outputs": outcome.outputs})}


def _outcome_of(answer: Answer) -> Outcome:
    outputs = {"statusCode": answer.status, "headers": dict(answer.headers), "body": answer.body}
    return Outcome("Succeeded" if answer.status < 400 else "Failed", outputs)


def _equals(left: Json, right: Json) -> bool:
    return type(left) is type(right) and left == right


def _take(what: str, count: int) -> str:
    return _text(what)[:count]


def _text(what: Json) -> str:
    if not isinstance(what, str):
        raise TemplateError(f"{what!r} is no text")
    return what


PURE: dict[str, Callable[..., Json]] = {
    "and": lambda *values: all(value is True for value in values),
    "coalesce": lambda *values: next((value for value in values if value is not None), None),
    "concat": lambda *values: "".join(map(_text, values)),
    "contains": lambda items, item: item in items,
    "createArray": lambda *items: list(items),
    "decodeUriComponent": lambda text: unquote(_text(text)),
    "empty": lambda value: not value,
    "equals": _equals,
    "if": lambda condition, yes, no: yes if condition is True else no,
    "not": lambda value: not value,
    "replace": lambda text, old, new: _text(text).replace(old, new),
    "setProperty": lambda value, name, item: {**value, name: item},
    "string": lambda value: value if isinstance(value, str) else json.dumps(value),
    "take": _take,
}
"""The functions of the Workflow Definition Language that need nothing of the run."""
LITERALS = {"true": True, "false": False, "null": None}


def _interpolated(text: str, functions: dict[str, Callable[..., Json]]) -> Iterator[str]:
    """The parts of a text with @{expressions} in it, each as text."""
    at = 0
    while (start := text.find("@{", at)) >= 0:
        yield text[at:start]
        expression = _Expression(text, start + 2, functions)
        value = expression.until("}")
        yield value if isinstance(value, str) else "" if value is None else json.dumps(value)
        at = expression.at
    yield text[at:]


class _Expression:
    """Reads and evaluates one expression, from a place in a text on."""

    TOKEN = re.compile(r"\s*(?:'((?:[^']|'')*)'|(\d+)|([A-Za-z]\w*)|(\?\[|[()\[\],}]))")

    def __init__(self, text: str, at: int, functions: dict[str, Callable[..., Json]]) -> None:
        self._text, self.at, self._functions = text, at, functions

    def whole(self) -> Json:
        """The value of an expression that goes on to the text's end."""
        value = self._read()
        if self.at != len(self._text):
            _refuse(f"{self._text!r} after character {self.at}")
        return value

    def until(self, end: str) -> Json:
        """The value of an expression that this character ends; stops after it."""
        value = self._read()
        self._expect(end)
        return value

    def _read(self) -> Json:
        value = self._term()
        while (bracket := self._peek()) in ("[", "?["):
            self._expect(bracket)
            key = self._read()
            self._expect("]")
            value = self._member(value, key, optional=bracket == "?[")
        return value

    def _term(self) -> Json:
        token = self._next()
        if token[1] is not None:
            return token[1].replace("''", "'")
        if token[2] is not None:
            return int(token[2])
        if token[3] in LITERALS:
            return LITERALS[token[3]]
        function = self._functions.get(token[3] or "")
        if function is None:
            _refuse(f"{token[0].strip()!r} in {self._text!r}")
        return function(*self._arguments())

    def _arguments(self) -> Iterator[Json]:
        self._expect("(")
        if self._peek() != ")":
            yield self._read()
            while self._peek() == ",":
                self._expect(",")
                yield self._read()
        self._expect(")")

    def _member(self, value: Json, key: Json, optional: bool) -> Json:
        if optional and (value is None or isinstance(value, dict) and key not in value):
            return None
        if not isinstance(value, dict) or key not in value:
            raise TemplateError(f"there is no {key!r} in {value!r}: {self._text!r}")
        return value[key]

    def _peek(self) -> str | None:
        token = self.TOKEN.match(self._text, self.at)
        return token[4] if token else None

    def _next(self) -> re.Match[str]:
        token = self.TOKEN.match(self._text, self.at)
        if token is None:
            _refuse(f"{self._text!r} from character {self.at} on")
        self.at = token.end()
        return token

    def _expect(self, what: str) -> None:
        if self._next()[4] != what:
            _refuse(f"{self._text!r}: no {what} before character {self.at}")


def seconds_of(duration: str) -> float:
    """An ISO 8601 duration in seconds. Raises UnknownHere for one with months or years."""
    found = DURATION.fullmatch(duration)
    if not found:
        _refuse(f"the duration {duration}")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _refuse(what: str) -> NoReturn:
    raise UnknownHere(what)
