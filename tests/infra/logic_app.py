"""The Logic App of infra/logic-app as its Bicep puts it together: the workflow's definition, and its parameters."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.infra.bicep import INFRA, BicepFile, Call, Choice, Member, Name, Text, Value, read

FOLDER = INFRA / "logic-app"
BICEP = FOLDER / "main.bicep"
WORKFLOWS = {"poll": False, "until": True}
"""The two variants, by what the parameter untilLoops is for them."""
IDENTITY = "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/rg/identities/id-logic-app"
MAIL = "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/rg/connections/office365"
CHANNELS: dict[str, Any] = {
    "endpoint": {
        "channelUrl": {"value": "https://people.example/ask"},
        "channelAudience": {"value": "https://people.example"},
    },
    "outlook": {
        "people": {"value": "backup-team@example.com"},
        "$connections": {"value": {"office365": {"connectionId": MAIL}}},
    },
}
"""The channels, each with the channelValues of a deployment."""

Json = Any


def load(path: str) -> Json:
    """A JSON file of the folder."""
    return json.loads((FOLDER / path).read_text())


def deployed(variant: str, channel: str = "endpoint", **parameters: Json) -> Json:
    """The properties that a deployment with these parameters gives the Logic App."""
    file = read(BICEP)
    given = {
        **{name: parameter.default for name, parameter in file.parameters.items()},
        "appUrl": "https://app.example",
        "audience": "api://app",
        "channel": {} if channel == "endpoint" else load(f"channels/{channel}.json"),
        "channelValues": CHANNELS[channel],
        "untilLoops": WORKFLOWS[variant],
        "identity": {"id": IDENTITY},
        **parameters,
    }
    return _computed(file.resources["logicApp"].properties, file, given)


def _computed(value: Value, file: BicepFile, given: Mapping[str, Json]) -> Json:
    """What Bicep would compute. Raises KeyError or ValueError for what it computes with and this does not know."""

    def compute(part: Value) -> Json:
        return _computed(part, file, given)

    match value:
        case dict():
            return {compute(key): compute(item) for key, item in value.items()}
        case list():
            return [compute(item) for item in value]
        case Name(name):
            return given[name] if name in given else compute(file.variables[name].value)
        case Text(parts):
            return "".join(map(compute, parts))
        case Member(of, name):
            return compute(of)[name]
        case Choice(condition, yes, no):
            return compute(yes if compute(condition) else no)
        case Call(function, arguments):
            return FUNCTIONS[function](*map(compute, arguments))
        case str() | int() | None:
            return value
        case _:
            raise ValueError(f"{value} is not understood")


def _union(first: Json, second: Json) -> Json:
    """As Bicep merges objects: deeply, the second one wins."""
    if not (isinstance(first, dict) and isinstance(second, dict)):
        return second
    return {**first, **{key: _union(first.get(key), item) for key, item in second.items()}}


FUNCTIONS: dict[str, Callable[..., Json]] = {
    "empty": lambda value: not value,
    "json": json.loads,
    "loadJsonContent": load,
    "replace": str.replace,
    "string": json.dumps,
    "union": _union,
}


def actions_of(definition: Json) -> dict[str, Json]:
    """Every action, however deep, by name."""
    found: dict[str, Json] = {}
    for siblings in graphs_of(definition):
        assert not found.keys() & siblings.keys(), "an action's name must be unique in the workflow"
        found |= siblings
    return found


def graphs_of(scope: Json) -> list[dict[str, Json]]:
    """The sets of actions that may run after each other: the workflow's, and those inside of its actions."""
    own = scope.get("actions", {})
    inner = [graph for action in own.values() for graph in graphs_of(action)]
    other = graphs_of(scope["else"]) if "else" in scope else []
    return [own, *inner, *other]


def files() -> list[Path]:
    """Every file of the sample."""
    return sorted(path for path in FOLDER.rglob("*") if path.is_file())
