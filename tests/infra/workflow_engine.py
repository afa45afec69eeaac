"""As much of Azure Logic Apps as the sample in infra/logic-app uses, for its tests; anything else raises UnknownHere.

After the documentation: an HTTP action answered 202 polls the Location until the answer is another one, waits as
Retry-After says, and fails on 4xx and 5xx; 408, 429 and 5xx are repeated four times first. A loop looks at its
condition after each round, and ends as its last round did, also at its limit. An action runs where each action it runs
after has ended as it says, and is Skipped otherwise. A branch has failed where its last action has, or, where that was
skipped, the action before it. Where the documentation leaves doubt the engine is strict: an expression may only name
actions that have run.

Nothing here takes time: who makes an Engine brings what waits, what sends, and what a person answers.
"""

import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
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


class Engine:
    """Runs definitions. `run_name` is what workflow()['run']['name'] gives."""

    def __init__(
        self,
        *,
        send: Send,
        wait: Callable[[float], Awaitable[None]],
        answer: Callable[[str, float], Awaitable[Json]],
        tokens: Callable[[str, str], str],
        token_on_polls: bool = True,
        run_name: str = "08584000000000000000000000000CU00",
    ) -> None:
        """
        Args:
            wait: lets seconds pass.
            answer: what is posted to that callback URL within that many seconds; None where nothing is.
            tokens: a token, for an identity's resource id and an audience.
            token_on_polls: whether a poll carries the action's token, as the product's team says it does.
        """
        self._send, self._wait, self._answer, self._tokens = send, wait, answer, tokens
        self._token_on_polls = token_on_polls
        self._run_name = run_name

    async def run(self, definition: Json, parameters: Mapping[str, Json], body: Json) -> Run:
        """Run a definition from its Request trigger, which was sent that body."""
        self._run = run = Run()
        self._waited = 0.0
        self._parameters, self._trigger_body = parameters, body
        with suppress(_Terminated):
            run.status = await self._graph(definition["actions"])
        return run

    # --- actions

    async def _graph(self, actions: Json) -> str:
        """Run actions in the order that runAfter gives; answers the status of the whole."""
        left = dict(actions)
        while left:
            ready = [name for name in left if not any(before in left for before in left[name]["runAfter"])]
            if not ready:
                raise UnknownHere(f"a circle among {list(left)}")
            action = left.pop(ready[0])
            self._run.outcomes[ready[0]] = await self._turn(ready[0], action)
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
        await self._pass(interval["count"] * UNITS[interval["unit"]])
        return Outcome("Succeeded")

    async def _terminate(self, action: Json) -> Outcome:
        inputs = self._value(action["inputs"])
        self._run.status = inputs["runStatus"]
        self._run.code, self._run.message = inputs["runError"]["code"], inputs["runError"]["message"]
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
        end = self._waited + _seconds(action["limit"]["timeout"])
        status = "Succeeded"
        for _ in range(action["limit"]["count"]):
            status = await self._graph(action["actions"])
            if self._value(action["expression"]) is True or self._waited >= end:
                break
        return Outcome(status)

    async def _http(self, action: Json) -> Outcome:
        end = self._waited + _seconds(action["limit"]["timeout"])
        inputs = self._value(action["inputs"])
        answer = await self._exchange(inputs)
        while answer.status == 202 and "DisableAsyncPattern" not in action.get("operationOptions", ""):
            await self._pass(float(answer.headers.get("retry-after", POLL_SECONDS)))
            if self._waited > end:
                return Outcome("TimedOut")
            poll = {"method": "GET", "uri": answer.headers["location"], "authentication": inputs["authentication"]}
            answer = await self._exchange(poll, with_token=self._token_on_polls)
        outputs = {"statusCode": answer.status, "headers": dict(answer.headers), "body": answer.body}
        return Outcome("Succeeded" if answer.status < 400 else "Failed", outputs)

    async def _webhook(self, action: Json) -> Outcome:
        callback = f"https://callbacks.example/{len(self._run.outcomes)}?sig=secret"
        inputs = self._value(action["inputs"], callback)
        if inputs["unsubscribe"]:
            raise UnknownHere("a webhook that unsubscribes")
        subscribed = await self._exchange(inputs["subscribe"])
        if subscribed.status >= 400:
            return Outcome("Failed", {"statusCode": subscribed.status, "body": subscribed.body})
        body = await self._answer(callback, _seconds(action["limit"]["timeout"]))
        return Outcome("TimedOut") if body is None else Outcome("Succeeded", {"statusCode": 200, "body": body})

    async def _exchange(self, inputs: Json, with_token: bool = True) -> Answer:
        """A request with its token, repeated as the default retry policy says."""
        if not inputs.keys() <= HTTP_KEYS:
            raise UnknownHere(f"an HTTP action with {inputs.keys() - HTTP_KEYS}")
        proof = inputs["authentication"]
        if proof["type"] != "ManagedServiceIdentity":
            raise UnknownHere(f"authentication by {proof['type']}")
        token = self._tokens(proof["identity"], proof["audience"])
        headers = {"Authorization": f"Bearer {token}"} if with_token else {}
        request = inputs["method"], inputs["uri"], headers, inputs.get("body")
        answer = await self._send(*request)
        for seconds in REPEATED_AFTER:
            if answer.status not in (408, 429) and answer.status < 500:
                break
            await self._pass(seconds)
            answer = await self._send(*request)
        return answer

    async def _pass(self, seconds: float) -> None:
        self._waited += seconds
        await self._wait(seconds)

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
        }

    def _outcome(self, name: str) -> Outcome:
        outcome = self._run.outcomes.get(name)
        if outcome is None or outcome.outputs is None:
            raise UnknownHere(f"what is left of {name}, which has given nothing")
        return outcome


def _equals(left: Json, right: Json) -> bool:
    return type(left) is type(right) and left == right


def _take(what: str, count: int) -> str:
    return _text(what)[:count]


def _text(what: Json) -> str:
    if not isinstance(what, str):
        raise TemplateError(f"{what!r} is no text")
    return what


PURE: dict[str, Callable[..., Json]] = {
    "coalesce": lambda *values: next((value for value in values if value is not None), None),
    "concat": lambda *values: "".join(map(_text, values)),
    "contains": lambda items, item: item in items,
    "createArray": lambda *items: list(items),
    "decodeUriComponent": lambda text: unquote(_text(text)),
    "equals": _equals,
    "if": lambda condition, yes, no: yes if condition is True else no,
    "not": lambda value: not value,
    "replace": lambda text, old, new: _text(text).replace(old, new),
    "setProperty": lambda value, name, item: {**value, name: item},
    "take": _take,
}
"""The functions of the Workflow Definition Language that need nothing of the run."""


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
        if optional and (value is None or key not in value):
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


def _seconds(duration: str) -> float:
    """An ISO 8601 duration in seconds."""
    found = DURATION.fullmatch(duration)
    if not found:
        _refuse(f"the duration {duration}")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _refuse(what: str) -> NoReturn:
    raise UnknownHere(what)
