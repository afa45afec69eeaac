"""The Logic App as it is deployed, looked at from outside: every reference, request and limit in it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from migration.records import MigrationState
from tests.infra.bicep import read
from tests.infra.logic_app import (
    BICEP,
    CHANNELS,
    FOLDER,
    IDENTITY,
    WORKFLOWS,
    Json,
    actions_of,
    deployed,
    files,
    graphs_of,
    load,
)
from tests.infra.workflow_engine import DURATION
from triggers.http import ROUTES
from triggers.migrations import ENDED_AS
from triggers.route import Route

STATUSES = {"Succeeded", "Failed", "TimedOut", "Skipped"}
MOST_ROUNDS = 5000  # of a loop, in a Consumption workflow
LONGEST_RUN_DAYS = 90
SECRETS = re.compile(r"[?&](code|sig)=|x-functions-key|listKeys|password", re.IGNORECASE)

each = pytest.mark.parametrize(("variant", "channel"), [(v, c) for v in WORKFLOWS for c in CHANNELS])


def definition_of(variant: str, channel: str) -> Json:
    """The definition that is deployed."""
    return deployed(variant, channel)["definition"]


def requests(definition: Json) -> Iterator[tuple[str, Json, Json]]:
    """Every action that sends a request of its own: name, action, request."""
    for name, action in actions_of(definition).items():
        if action["type"] == "Http":
            yield name, action, action["inputs"]
        elif action["type"] == "HttpWebhook":
            yield name, action, action["inputs"]["subscribe"]


def calls_of_the_app(definition: Json) -> Iterator[tuple[str, Json, Route, str]]:
    """Every request to the app: the action's name, the request, the endpoint that answers it, and the query."""
    routes = {(route.method, f"/api/{route.path}"): route for route in ROUTES}
    for name, _, request in requests(definition):
        if not request["uri"].startswith("@{parameters('appUrl')}"):
            continue
        path, _, query = request["uri"].removeprefix("@{parameters('appUrl')}").partition("?")
        yield name, request, routes[request["method"], path.replace("@{body('Start')['id']}", "{id}")], query


@each
def test_it_is_a_workflow_of_the_current_schema(variant: str, channel: str) -> None:
    """The schema that Consumption workflows have, and one trigger."""
    definition = definition_of(variant, channel)
    assert definition["$schema"].endswith("/schemas/2016-06-01/workflowdefinition.json#")
    assert [trigger["type"] for trigger in definition["triggers"].values()] == ["Request"]


@each
def test_an_action_runs_after_its_siblings(variant: str, channel: str) -> None:
    """It may wait for actions of the same branch only, and for statuses that exist; each branch has a beginning."""
    for siblings in graphs_of(definition_of(variant, channel)):
        for action in siblings.values():
            assert action["runAfter"].keys() <= siblings.keys()
            assert all(set(statuses) <= STATUSES and statuses for statuses in action["runAfter"].values())
        assert not siblings or any(not action["runAfter"] for action in siblings.values())


@each
def test_an_expression_names_what_is_there(variant: str, channel: str) -> None:
    """Actions by name; parameters exactly those that are declared."""
    definition = definition_of(variant, channel)
    text = json.dumps(definition)
    assert set(re.findall(r"(?:body|outputs)\('([^']+)'\)", text)) <= actions_of(definition).keys()
    assert set(re.findall(r"parameters\('([^']+)'\)", text)) == definition["parameters"].keys()


@each
def test_a_state_is_one_that_a_migration_can_have(variant: str, channel: str) -> None:
    """The loops and conditions know every state they should, by the app's own names."""
    text = json.dumps(definition_of(variant, channel))
    lists = [set(re.findall(r"'(\w+)'", found)) for found in re.findall(r"createArray\(([^)]*)\)", text)]
    ended = [{str(state) for state in ENDED_AS}] if variant == "until" else []
    assert lists == [{"Planning"}, *ended]
    compared = set(re.findall(r"\['state'\]\", \"(\w+)\"\]", text))
    assert compared == {"Planning", "AwaitingApproval", "Completed"} <= set(MigrationState)


@each
def test_a_request_carries_the_identity_and_ends_in_time(variant: str, channel: str) -> None:
    """Each by the Logic App's own identity, with a declared audience, and none may hang for ever."""
    definition = definition_of(variant, channel)
    for name, _, request in requests(definition):
        audience = "audience" if request["uri"].startswith("@{parameters('appUrl')}") else "channelAudience"
        assert request["authentication"] == {
            "type": "ManagedServiceIdentity",
            "identity": IDENTITY,
            "audience": f"@parameters('{audience}')",
        }, name
    for name, action in actions_of(definition).items():
        if action["type"] in ("Http", "HttpWebhook", "Until", "ApiConnection", "ApiConnectionWebhook"):
            limit = DURATION.fullmatch(action["limit"]["timeout"])
            assert limit and int(limit[1] or 0) < LONGEST_RUN_DAYS, name
            assert action["limit"].get("count", 0) <= MOST_ROUNDS, name


@each
def test_every_request_is_one_that_the_app_answers(variant: str, channel: str) -> None:
    """Method, path, query and the fields of the body are in the app's own table of endpoints."""
    definition = definition_of(variant, channel)
    found: set[str] = set()
    for name, request, route, query in calls_of_the_app(definition):
        found.add(route.endpoint.__name__)
        if query:
            assert route.query
            msgspec.convert(dict(pair.split("=") for pair in query.split("&")), route.query, strict=False)
        body = request.get("body", {})
        if body == "@outputs('Word')":
            body = actions_of(definition)["Word"]["inputs"]
        if isinstance(body, dict) and body:
            assert route.body
            assert body.keys() <= {field.encode_name for field in msgspec.structs.fields(route.body)}, name
    assert found == {"start_migration", "get_migration", "get_plan", "approve_migration", "reject_migration"}


@each
def test_only_the_wait_for_the_end_polls(variant: str, channel: str) -> None:
    """Start, approve and reject are answered 202 as well: polled, they would wait for the approval, or for the end."""
    definition = definition_of(variant, channel)
    polling = [name for name, action, _ in requests(definition) if action.get("operationOptions") is None]
    assert [name for name in polling if name != "Ask"] == (["Follow"] if variant == "poll" else [])


def test_the_variants_differ_in_the_wait_for_the_end_only() -> None:
    """Whoever changes one is told of the other."""
    poll, until = load("workflow.json"), load("workflow-until.json")
    waits = [workflow["actions"]["Await_end"]["else"]["actions"].pop("Follow") for workflow in (poll, until)]
    assert waits[0] != waits[1]
    assert poll == until


@pytest.mark.parametrize("file", files(), ids=lambda file: str(file.relative_to(FOLDER)))
def test_no_file_holds_a_secret(file: Path) -> None:
    """No keys, no signatures, no calls that fetch them."""
    assert not SECRETS.search(file.read_text())


@each
def test_every_parameter_has_a_value(variant: str, channel: str) -> None:
    """What the workflow declares and the channel does not, the Bicep fills; nothing else is passed."""
    properties = deployed(variant, channel)
    own = properties["definition"]["parameters"].keys() - load(f"channels/{channel}.json")["parameters"].keys()
    assert own == properties["parameters"].keys() - {"channelUrl"}


def test_the_outputs_are_no_keys() -> None:
    """What the deployment gives back: names and ids."""
    assert sorted(read(BICEP).outputs) == [
        "AZURE_LOGIC_APP_CLIENT_ID",
        "AZURE_LOGIC_APP_NAME",
        "AZURE_LOGIC_APP_PRINCIPAL_ID",
    ]
