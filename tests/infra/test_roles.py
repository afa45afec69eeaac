"""The roles of infra/, held against the calls that the app really makes: no action is missing, and none is idle."""

import dataclasses
import inspect
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, cast

import aiohttp
import azure.durable_functions as df
import pytest
from aiohttp import web

from clients import Clients
from clients.backup import BackupClient
from clients.compute import ComputeClient
from clients.vaults import VaultClient
from local_host.host import LocalHost
from simulator import Scenario, Simulator
from simulator.events import Migration
from simulator.requestlog import LoggedRequest
from simulator.routes import ROUTES
from simulator.scenario import Service
from simulator.troubles import Trouble, TroubleKind
from tests.builders import ENHANCED, SUBSCRIPTION, VAULT, item_id, vm_id
from tests.clients.canned import Canned, CannedAzure
from tests.clients.simulated import a_scenario, a_vm_group
from tests.conftest import START
from tests.infra.bicep import (
    INFRA,
    BicepFile,
    Binary,
    Call,
    Choice,
    Expression,
    Index,
    Loop,
    Member,
    Name,
    Resource,
    Value,
    bicep_files,
    parts_of,
    read,
)
from tests.whole.callers import Json, a_body, ask, finish
from tests.whole.conftest import OneClock, function_app

MODULES = INFRA / "modules"
ASSIGNMENT, DEFINITION = "Microsoft.Authorization/roleAssignments", "Microsoft.Authorization/roleDefinitions"

# --- what Azure asks for

OF_SUBSCRIPTION = "/subscriptions/{}/providers"
OF_VAULT = "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.RecoveryServices/vaults/{}"
OF_ITEM = OF_VAULT + "/backupFabrics/{}/protectionContainers/{}/protectedItems/{}"
RSV = "Microsoft.RecoveryServices/Vaults"

NO_ACTION = ""
ACTIONS = {
    # Answered to whoever has a token, with the subscriptions in which they have any role at all.
    "GET /subscriptions": NO_ACTION,
    f"GET {OF_SUBSCRIPTION}/Microsoft.RecoveryServices/vaults": f"{RSV}/read",
    f"GET {OF_SUBSCRIPTION}/Microsoft.Compute/virtualMachines": "Microsoft.Compute/virtualMachines/read",
    f"GET {OF_SUBSCRIPTION}/Microsoft.Compute/disks": "Microsoft.Compute/disks/read",
    f"GET {OF_VAULT}": f"{RSV}/read",
    f"GET {OF_VAULT}/backupProtectedItems": f"{RSV}/backupProtectedItems/read",
    f"GET {OF_ITEM}": f"{RSV}/backupFabrics/protectionContainers/protectedItems/read",
    f"PUT {OF_ITEM}": f"{RSV}/backupFabrics/protectionContainers/protectedItems/write",
    f"GET {OF_VAULT}/backupPolicies": f"{RSV}/backupPolicies/read",
    f"GET {OF_VAULT}/backupPolicies/{{}}": f"{RSV}/backupPolicies/read",
    f"PUT {OF_VAULT}/backupPolicies/{{}}": f"{RSV}/backupPolicies/write",
    f"GET {OF_VAULT}/backupJobs": f"{RSV}/backupJobs/read",
    f"GET {OF_VAULT}/backupJobs/{{}}": f"{RSV}/backupJobs/read",
    f"POST {OF_VAULT}/backupJobs/{{}}/cancel": f"{RSV}/backupJobs/cancel/action",
    f"GET {OF_VAULT}/backupOperations/{{}}": f"{RSV}/backupOperations/read",
}
"""The action that each call of the app needs, as Azure names them.

They are in "Azure permissions for Management and governance" and "... for Compute"
(learn.microsoft.com/azure/role-based-access-control/permissions/). The simulator has names of its own, which are not
asked here.
"""


def call_of(request: LoggedRequest) -> str:
    """The row of ACTIONS that a request is; fails where it is none."""
    asked = f"{request.method} {request.path.partition('?')[0]}"
    for call in ACTIONS:
        pattern = re.escape(call).replace(r"\{\}", "[^/]+")
        if re.fullmatch(pattern, asked, re.IGNORECASE):
            return call
    pytest.fail(f"no action is known for {asked}")


def needed(calls: Iterable[str]) -> set[str]:
    """The actions that these calls need."""
    return {ACTIONS[call] for call in calls} - {NO_ACTION}


def needed_in_the_subscription(calls: Iterable[str]) -> set[str]:
    """Those of them that a role in some resource groups would not give: of calls that are about the subscription."""
    return needed(call for call in calls if call.partition(" ")[2].startswith(OF_SUBSCRIPTION))


# --- what the roles give


@dataclass(frozen=True, kw_only=True)
class Granted:
    """The actions of the two custom roles of a deployment."""

    subscription: set[str]
    operator: set[str]

    @property
    def all(self) -> set[str]:
        """Of both, which is what they give on a vault: what is assigned to the subscription counts there too."""
        return self.subscription | self.operator


DEFAULTS = {"allowPolicyCreation": True, "allowJobCancel": True, "grantVmWrite": False}
LEAST = dict.fromkeys(DEFAULTS, False)


def granted(options: Mapping[str, bool]) -> Granted:
    """What backup-role.bicep gives with these options."""
    file = read(MODULES / "backup-role.bicep")
    return Granted(
        subscription=set(actions_of(file, "subscriptionRole", options)),
        operator=set(actions_of(file, "operatorRole", options)),
    )


def gained_by(option: str) -> set[str]:
    """What one option adds to the roles without any."""
    return granted({**LEAST, option: True}).all - granted(LEAST).all


def actions_of(file: BicepFile, role: str, options: Mapping[str, bool]) -> list[str]:
    """The actions of a role definition, whose one permission has nothing but actions."""
    [permission] = file.resources[role].properties["permissions"]
    assert permission.keys() == {"actions", "notActions"} and permission["notActions"] == []
    return computed(file, permission["actions"], options)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "concat": lambda *lists: list(chain(*lists)),
    "contains": lambda texts, text: text in texts,
    "endsWith": str.endswith,
    "flatten": lambda lists: list(chain(*lists)),
    "indexOf": lambda texts, text: texts.index(text),
    "last": lambda texts: texts[-1],
    "length": len,
    "resourceGroup": lambda subscription, group: (subscription, group),
    "split": str.split,
    "subscription": lambda subscription: subscription,
    "substring": lambda text, start, length: text[start : start + length],
    "toLower": str.lower,
    "union": lambda *lists: list(dict.fromkeys(chain(*lists))),
}
"""What Bicep's functions do, as far as the roles are made with them."""


def computed(file: BicepFile, value: Value, given: Mapping[str, Any]) -> Any:
    """What a value of a file comes to, with these parameters, loop variables and modules."""
    match value:
        case Name(name):
            return given[name] if name in given else computed(file, file.variables[name].value, given)
        case Call(function, arguments):
            return FUNCTIONS[function](*(computed(file, argument, given) for argument in arguments))
        case Choice(condition, yes, no):
            return computed(file, yes if computed(file, condition, given) else no, given)
        case Binary("==", left, right):
            return computed(file, left, given) == computed(file, right, given)
        case Binary("-", left, right):
            return computed(file, left, given) - computed(file, right, given)
        case Index(of, place) | Member(of, place):
            return computed(file, of, given)[computed(file, place, given)]
        case Loop(item, None, over, body):
            return [computed(file, body, {**given, item: each}) for each in computed(file, over, given)]
        case list():
            return [computed(file, each, given) for each in cast(list[Value], value)]
        case Expression():
            pytest.fail(f"{file.path.name} computes {value}")
        case _:
            return value


# --- what the app does


def methods_of(client: type) -> set[str]:
    """What the app can ask of a client; `get_items` asks `get_item` by itself."""
    names = {name for name, _ in inspect.getmembers(client, inspect.isfunction) if not name.startswith("_")}
    return {f"{client.__name__}.{name}" for name in names - {"close", "get_item"}}


class Noted:
    """A client, unchanged, that notes which of its methods were asked for."""

    def __init__(self, client: object, noted: set[str]) -> None:
        self._client, self._noted = client, noted

    def __getattr__(self, name: str) -> Any:
        self._noted.add(f"{type(self._client).__name__}.{name}")
        return getattr(self._client, name)


@pytest.fixture
def noted() -> set[str]:
    """The methods of clients that were asked for."""
    return set()


@pytest.fixture
def clock() -> OneClock:
    """The time of everything in this test."""
    return OneClock(START)


@pytest.fixture
async def host(clients: Clients, clock: OneClock, noted: set[str]) -> AsyncIterator[LocalHost]:
    """Every function of the app, on clients that note what is asked of them."""
    clients = dataclasses.replace(
        clients,
        backup=cast(BackupClient, Noted(clients.backup, noted)),
        vaults=cast(VaultClient, Noted(clients.vaults, noted)),
        compute=cast(ComputeClient, Noted(clients.compute, noted)),
    )
    app = df.DFApp()
    function_app.register(app, clients, function_app.settings)
    async with LocalHost(app, clock=clock) as host:
        yield host


@pytest.fixture
def scenario() -> Scenario:
    """A vault with a VM for each way a migration ends that takes calls of its own, and two to clone and cancel for."""
    return a_scenario(
        a_vm_group("well"),
        a_vm_group("errorless", migration=Migration(ends="Cancelled")),  # the job has to be asked for its errors
        a_vm_group("jobless", migration=Migration(ends="OperationFailed")),  # and here the operation
        a_vm_group("to-clone"),
        a_vm_group("to-cancel"),
        service=Service(migration_cancellable=True),
    )


class Tour:
    """What the app can do, a part at a time, while Azure refuses whatever the roles do not give."""

    def __init__(self, simulator: Simulator, http: aiohttp.ClientSession, host: LocalHost, clock: OneClock) -> None:
        self._simulator, self._http, self._host, self._clock = simulator, http, host, clock

    def with_roles(self, options: Mapping[str, bool]) -> None:
        """From now on the app has the roles that these options make, and nothing else."""
        allowed = {action.lower() for action in granted(options).all}
        self._simulator.troubles.clear()
        for route in ROUTES:
            if route.action.lower() not in allowed and route.path != "/subscriptions":
                path = re.sub(r"\{\w+\}", "*", route.path)
                self._simulator.troubles.add(Trouble(kind=TroubleKind.NOT_AUTHORIZED, action=route.action, path=path))

    async def plain(self) -> Json:
        """Ask for readiness, and migrate to a policy that is there; answers the migration."""
        assert (await ask(self._http, "GET", "/api/health/ready"))[0] == 200
        return await self._migrate("plain", ["well", "errorless", "jobless"])

    async def cloning(self) -> Json:
        """Migrate to a policy that has to be made; answers the migration."""
        return await self._migrate("cloning", ["to-clone"], target={"clone": {}})

    async def cancelling(self) -> Json:
        """Begin a migration and cancel it with its jobs; answers the migration."""
        with self._clock.standing_still():
            await ask(self._http, "POST", "/api/migrations", self._body("cancelling", ["to-cancel"]))
            await self._host.settled()
            await ask(self._http, "POST", "/api/migrations/cancelling/cancel", {"cancelJobs": True})
        await self._host.wait("cancelling")
        return (await ask(self._http, "GET", "/api/migrations/cancelling?wait=false"))[1]

    async def _migrate(self, name: str, vms: list[str], **changes: Any) -> Json:
        return await finish(self._http, self._host, self._body(name, vms, **changes))

    def _body(self, name: str, vms: list[str], **changes: Any) -> Json:
        return a_body(self._simulator, id=name, items={"include": vms}, limits={"ramp": []}, **changes)

    def calls(self) -> set[str]:
        """What Azure was asked so far, as rows of ACTIONS."""
        return {call_of(request) for request in self._simulator.log.requests}

    def refused(self) -> set[str]:
        """What of it Azure refused for want of a role."""
        return {call_of(request) for request in self._simulator.log.requests if request.status == 403}


@pytest.fixture
async def tour(simulator: Simulator, host: LocalHost, clock: OneClock) -> AsyncIterator[Tour]:
    """The app and an Azure that lets it do what the roles give."""
    async with aiohttp.ClientSession(host.url) as http:
        yield Tour(simulator, http, host, clock)


def came_to(migration: Json) -> dict[str, int]:
    """What became of the VMs that a migration was about."""
    return {state: count for state, count in migration["items"].items() if state not in ("Excluded", "AlreadyEnhanced")}


# --- the custom roles


async def test_the_roles_have_exactly_the_actions_of_the_app_s_calls(tour: Tour, noted: set[str]) -> None:
    """With them alone everything goes through; each action is needed, and where it is given it is needed."""
    tour.with_roles(DEFAULTS)
    assert came_to(await tour.plain()) == {"Migrated": 1, "Failed": 2}
    assert came_to(await tour.cloning()) == {"Migrated": 1}
    assert came_to(await tour.cancelling()) == {"Failed": 1}
    assert tour.refused() == set()

    assert noted == {method for client in (BackupClient, VaultClient, ComputeClient) for method in methods_of(client)}
    calls = tour.calls()
    assert calls == ACTIONS.keys()
    roles = granted(DEFAULTS)
    assert roles.subscription == needed_in_the_subscription(calls)
    assert roles.operator == needed(calls) - roles.subscription


async def test_an_option_is_for_the_calls_it_is_named_after(tour: Tour) -> None:
    """Without any option a migration to a policy that is there goes through; what is opted out costs just itself."""
    tour.with_roles(LEAST)
    assert came_to(await tour.plain()) == {"Migrated": 1, "Failed": 2}
    assert granted(LEAST).all == needed(tour.calls())

    assert came_to(await tour.cloning()) == {"Blocked": 1}
    assert needed(tour.refused()) == gained_by("allowPolicyCreation")

    assert came_to(await tour.cancelling()) == {"Migrated": 1}  # its job is followed to the end that it has by itself
    assert needed(tour.refused()) == gained_by("allowPolicyCreation") | gained_by("allowJobCancel")


async def test_the_right_to_write_vms_is_for_the_one_resource_that_a_write_names() -> None:
    """The change of an item's policy names nothing outside of the vault but the VM, and no call writes that."""
    async with ListeningAzure(Canned(status=202, body=None)) as azure:
        await azure.backup.change_policy(item_id(), vm_id(), ENHANCED)
    [body] = azure.bodies
    linked = {text for text in parts_of(body) if isinstance(text, str) and text.startswith("/subscriptions/")}
    assert {text for text in linked if not text.startswith(VAULT)} == {vm_id()}
    assert gained_by("grantVmWrite") == {"Microsoft.Compute/virtualMachines/write"}
    assert not gained_by("grantVmWrite") & set(ACTIONS.values())


class ListeningAzure(CannedAzure):
    """Keeps what it is sent."""

    def __init__(self, *answers: Canned) -> None:
        super().__init__(*answers)
        self.bodies: list[Json] = []

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.bodies.append(await request.json())
        return await super()._answer(request)


def test_the_lists_are_for_the_subscription_and_the_rest_for_what_was_chosen_of_it() -> None:
    """backup-role.bicep assigns the one always, and the other where the whole subscription was chosen."""
    file = read(MODULES / "backup-role.bicep")
    assert {
        resource.properties["roleDefinitionId"]: resource.condition
        for resource in file.resources.values()
        if resource.type == ASSIGNMENT
    } == {
        Member(Name("subscriptionRole"), "id"): None,
        Member(Name("operatorRole"), "id"): Name("wholeSubscription"),
    }
    assert file.outputs["operatorRoleId"].value == Member(Name("operatorRole"), "id")
    assert file.target_scope == "subscription"


def test_scopes_of_every_kind_get_their_roles() -> None:
    """Each subscription once, in any spelling, with a slash at its end or without; groups and vaults with the role
    that their own subscription has."""
    whole, part = SUBSCRIPTION, SUBSCRIPTION.replace("1", "a")
    group = f"/subscriptions/{part}/resourceGroups/rg-backup"
    vault = f"{group}/providers/Microsoft.RecoveryServices/vaults/vault-2"
    file = read(MODULES / "backup-access.bicep")
    given = {
        "backupScopes": [f"/subscriptions/{whole}/", group, f"{group.upper()}/", vault, f"{VAULT}/"],
        "roles": [{"outputs": {"operatorRoleId": f"role in {name}"}} for name in (whole, part)],
    }
    assert list(rounds(file, "roles", given, "wholeSubscription")) == [(whole, True), (part, False)]
    assert list(rounds(file, "narrowAssignments", given, "roleDefinitionId", "vaultName")) == [
        ((part, "rg-backup"), f"role in {part}", ""),
        ((part, "rg-backup"), f"role in {part}", "vault-2"),
        ((whole, "rg-backup"), f"role in {whole}", "vault-1"),
    ]


def test_a_guard_is_operated_where_it_is() -> None:
    """The assignment is deployed to the resource group of the guard, whichever subscription that is in."""
    file = read(MODULES / "backup-access.bicep")
    guard = (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-guards/providers/Microsoft.DataProtection/resourceGuards/g-1"
    )
    for given in (guard, f"{guard}/"):
        assert list(rounds(file, "guardAssignments", {"resourceGuardIds": [given]}, "resourceGuardName")) == [
            ((SUBSCRIPTION, "rg-guards"), "g-1")
        ]


def rounds(file: BicepFile, module: str, given: Mapping[str, Any], *params: str) -> Iterator[tuple[Any, ...]]:
    """Where each round of a loop over modules is deployed, and what these parameters of it come to."""
    called = file.modules[module]
    assert called.loop
    for each in computed(file, called.loop.over, given):
        now = {**given, called.loop.item: each}
        yield (
            computed(file, called.body["scope"], now),
            *(computed(file, called.params[param], now) for param in params),
        )


# --- all assignments


BUILT_IN = {
    "Backup MUA Operator": "f54b6d04-23c6-443e-b462-9c16ab7b4a52",
    "Durable Task Data Contributor": "0ad04412-c4d5-4796-b79c-f76d14c8d402",
    "EventGrid Data Sender": "d5a91429-5739-47e2-a06b-3470a27159e7",
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Queue Data Contributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "Storage Table Data Contributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
}
"""Azure's own, from learn.microsoft.com/azure/role-based-access-control/built-in-roles."""


def test_the_ids_of_built_in_roles_are_azure_s() -> None:
    """A digit that got lost would be noticed by nobody before the deployment."""
    assert read(MODULES / "roles.bicep").variables["roleIds"].value == BUILT_IN


def test_a_second_deployment_changes_no_assignment() -> None:
    """Names come from scope, principal and role, so the same assignment is the same one; no principal is looked up."""
    for file, resource in authorizations(ASSIGNMENT):
        properties = resource.properties
        scope, principal, role = resource.body["name"].arguments
        assert scope == Member(resource.body.get("scope", Call(file.target_scope, ())), "id"), file.path.name
        assert principal == properties["principalId"], file.path.name
        assert role in parts_of(properties["roleDefinitionId"]), file.path.name
        assert properties["principalType"] == "ServicePrincipal", file.path.name


def test_every_built_in_role_is_given_and_for_one_resource() -> None:
    """No role in the map of names is idle; and none is for a resource group or a subscription."""
    file = read(MODULES / "roles.bicep")
    text = file.path.read_text(encoding="utf-8")
    for role in file.variables["roleIds"].value:
        assert text.count(f"'{role}'") > 1, role
    for symbol, resource in file.resources.items():
        if resource.type == ASSIGNMENT:
            assert file.resources[resource.body["scope"].name].existing, symbol


GIVEN_TO = {
    "storageAccess": ("storage", "principalId", "role"),
    "deadLetterAccess": ("deadLetters", "deadLetterPrincipalId", "Storage Blob Data Contributor"),
    "telemetryAccess": ("insights", "principalId", "Monitoring Metrics Publisher"),
    "noticeAccess": ("noticeTopic", "principalId", "EventGrid Data Sender"),
    "schedulerAccess": ("scheduler", "principalId", "Durable Task Data Contributor"),
}
"""Each assignment of roles.bicep: on what, to whom, and which role; `role` goes over those of the storage account."""


def test_each_built_in_role_is_given_to_whom_needs_it() -> None:
    """The app's identity has what its host needs; the dead letters are written by the topic's, and by nobody else's."""
    file = read(MODULES / "roles.bicep")
    found = {
        symbol: (resource.body["scope"].name, resource.properties["principalId"].name, role_of(resource))
        for symbol, resource in file.resources.items()
        if resource.type == ASSIGNMENT
    }
    assert found == GIVEN_TO
    assert computed(file, Name("storageRoles"), {}) == [
        "Storage Blob Data Owner",
        "Storage Queue Data Contributor",
        "Storage Table Data Contributor",
    ]


def role_of(assignment: Resource) -> str:
    """The name of the role that an assignment of roles.bicep is about, or of the variable that goes over several."""
    [index] = [part.index for part in parts_of(assignment.properties["roleDefinitionId"]) if isinstance(part, Index)]
    return index.name if isinstance(index, Name) else index


def test_two_deployments_do_not_share_a_custom_role() -> None:
    """Its id and its name, which is one of the whole tenant's, say which deployment it belongs to, and where."""
    for _, resource in authorizations(DEFINITION):
        for named in (resource.body["name"], resource.properties["roleName"]):
            of_subscription = {part.name for part in parts_of(named) if isinstance(part, Member)}
            assert Name("resourceToken") in parts_of(named)
            assert of_subscription & {"id", "subscriptionId"}


def test_no_custom_role_has_more_than_named_actions() -> None:
    """No wildcard, and nothing that could be assigned outside of its subscription."""
    roles = list(authorizations(DEFINITION))
    assert {file.path.name for file, _ in roles} == {"backup-role.bicep"}
    for _, resource in roles:
        assert resource.properties["assignableScopes"] == [Member(Call("subscription", ()), "id")]
    assert not [action for action in granted(dict.fromkeys(DEFAULTS, True)).all if "*" in action]


def authorizations(kind: str) -> Iterator[tuple[BicepFile, Resource]]:
    """The role assignments, or definitions, of infra/, each with its file."""
    for file in map(read, bicep_files()):
        yield from ((file, resource) for resource in file.resources.values() if resource.type == kind)
