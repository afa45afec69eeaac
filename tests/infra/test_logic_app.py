"""The Logic App as it is deployed, looked at from outside: every reference, request and limit in it."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from migration.records import MigrationState
from migration.request import MigrationRequest
from tests.documents.commands import commands
from tests.documents.markdown import document
from tests.infra.bicep import ROOT, read
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
from tests.infra.workflow_engine import UNITS, seconds_of
from triggers.http import ROUTES
from triggers.migrations import ENDED_AS
from triggers.route import Route

STATUSES = {"Succeeded", "Failed", "TimedOut", "Skipped"}
MOST_ROUNDS = 5000  # of a loop, in a Consumption workflow
LONGEST_RUN = timedelta(days=90)  # and what is over it by then is cut off
LIMITED = {"Http", "HttpWebhook", "Until", "ApiConnection", "ApiConnectionWebhook"}
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
    ended = {str(state) for state in ENDED_AS}
    assert lists == [{"Planning"}, {"Planning", *ended}, {"AwaitingApproval"}, *([ended] if variant == "until" else [])]
    compared = set(re.findall(r"\['state'\]\", \"(\w+)\"\]", text))
    assert compared == {"AwaitingApproval", "Completed"} <= set(MigrationState)


@each
def test_a_request_carries_the_identity(variant: str, channel: str) -> None:
    """Each by the Logic App's own identity, with a declared audience."""
    definition = definition_of(variant, channel)
    for name, _, request in requests(definition):
        audience = "audience" if request["uri"].startswith("@{parameters('appUrl')}") else "channelAudience"
        assert request["authentication"] == {
            "type": "ManagedServiceIdentity",
            "identity": IDENTITY,
            "audience": f"@parameters('{audience}')",
        }, name


def longest(siblings: Json) -> float:
    """The seconds that actions of one branch may take at most, one after the other as they run after each other."""
    ends: dict[str, float] = {}

    def end_of(name: str) -> float:
        if name not in ends:
            action = siblings[name]
            ends[name] = max(map(end_of, action["runAfter"]), default=0.0) + most_seconds(action)
        return ends[name]

    return max(map(end_of, siblings), default=0.0)


def most_seconds(action: Json) -> float:
    """The seconds that one action may take at most; a loop's last round begins before its limit."""
    branches = [longest(action.get("actions", {})), longest(action.get("else", {}).get("actions", {}))]
    if action["type"] == "Wait":
        interval = action["inputs"]["interval"]
        return interval["count"] * UNITS[interval["unit"]]
    limit = seconds_of(action["limit"]["timeout"]) if action["type"] in LIMITED else 0.0
    return limit + max(branches)


@each
def test_a_run_ends_by_itself(variant: str, channel: str) -> None:
    """All limits on the longest way add up to less than Azure allows a run, so that its end is told."""
    assert timedelta(seconds=longest(definition_of(variant, channel)["actions"])) < LONGEST_RUN


@each
def test_a_loop_ends_by_its_time(variant: str, channel: str) -> None:
    """Its rounds, as many as Azure allows, last longer than its limit: the days that the README names are those."""
    for name, action in actions_of(definition_of(variant, channel)).items():
        if action["type"] == "Until":
            waits = sum(most_seconds(inner) for inner in action["actions"].values() if inner["type"] == "Wait")
            assert action["limit"]["count"] <= MOST_ROUNDS, name
            assert action["limit"]["count"] * waits >= seconds_of(action["limit"]["timeout"]), name


@each
def test_the_readme_names_the_limits(variant: str, channel: str) -> None:
    """The same days for every variant and channel; a decision is awaited for longer than any plan's deadline."""
    actions = actions_of(definition_of(variant, channel))
    days = {
        name: timedelta(seconds=seconds_of(actions[name]["limit"]["timeout"])).days
        for name in ("Plan", "Ask", "Decided", "Follow")
    }
    schema = msgspec.json.schema(MigrationRequest)["$defs"]["MigrationRequest"]["properties"]
    deadline = timedelta(hours=schema["approvalTimeoutHours"]["maximum"]).days
    assert deadline <= days["Ask"] <= days["Decided"]
    text = " ".join((FOLDER / "README.md").read_text().split())
    assert "after a day without a plan" in text and days["Plan"] == 1
    for said in ("within {Ask} days", "at most {Decided} days for a decision", "{Follow} days after the decision"):
        assert said.format_map(days) in text


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
    """What the workflow declares the Bicep fills, and what the channel declares its values; nothing else is passed."""
    properties = deployed(variant, channel)
    assert properties["definition"]["parameters"].keys() == properties["parameters"].keys()


@each
def test_it_is_switched_on(variant: str, channel: str) -> None:
    """A Logic App that is not Enabled takes no request."""
    assert deployed(variant, channel)["state"] == "Enabled"


def test_the_deployer_says_who_may_call_the_trigger() -> None:
    """What the parameter says, as it is; without it the property is not sent, since an empty one may lock out all."""
    only_here = {"triggers": {"allowedCallerIpAddresses": [{"addressRange": "192.0.2.0/24"}]}}
    assert deployed("poll", accessControl=only_here)["accessControl"] == only_here
    assert deployed("poll")["accessControl"] is None


def test_the_documented_role_is_one_that_an_identity_can_have() -> None:
    """Entra ID gives no token to an identity that only people's roles are there for; it is assigned by its name."""
    told = list(commands(document("deploy.md", (ROOT / "docs/deploy.md").read_text())))
    [made] = [words[words.index("--app-roles") + 1] for words in told if "--app-roles" in words]
    [role] = json.loads(made)
    assert (set(role["allowedMemberTypes"]), role["isEnabled"]) == ({"User", "Application"}, True)
    assert any(f"appRoles[?value=='{role['value']}'].id" in words for words in told)
    [body] = [words[words.index("--body") + 1] for words in told if words[:2] == ["az", "rest"]]
    assert json.loads(body).keys() == {"principalId", "resourceId", "appRoleId"}


def test_the_outputs_are_no_keys() -> None:
    """What the deployment gives back: names and ids."""
    assert sorted(read(BICEP).outputs) == [
        "AZURE_LOGIC_APP_CLIENT_ID",
        "AZURE_LOGIC_APP_NAME",
        "AZURE_LOGIC_APP_PRINCIPAL_ID",
    ]
