"""What infra/ promises of its Bicep beyond syntax and types: each rule is a function from a file to its complaints.

The Bicep compiler would refuse most of what they find; it can't be had from PyPI or npm. test_bicep.py shows each rule
at work."""

import graphlib
import re
from collections.abc import Callable, Iterator

from tests.infra.bicep import (
    BicepFile,
    Call,
    Choice,
    Loop,
    Member,
    Method,
    Module,
    Name,
    Resource,
    Value,
    direct_parts,
    parse,
    parts_of,
)
from tests.infra.kinds import FUNCTIONS, kind_of, module_file, output_of

Rule = Callable[[BicepFile], Iterator[str]]

API_VERSIONS = {
    "Microsoft.Authorization/roleAssignments": "2022-04-01",
    "Microsoft.Authorization/roleDefinitions": "2022-04-01",
    "Microsoft.DataProtection/resourceGuards": "2025-07-01",
    "Microsoft.DurableTask/schedulers": "2025-11-01",
    "Microsoft.DurableTask/schedulers/taskHubs": "2025-11-01",
    "Microsoft.EventGrid/systemTopics": "2025-02-15",
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": "2025-02-15",
    "Microsoft.EventGrid/topics": "2025-02-15",
    "Microsoft.Insights/actionGroups": "2023-01-01",
    "Microsoft.Insights/components": "2020-02-02",
    "Microsoft.Insights/metricAlerts": "2018-03-01",
    "Microsoft.Insights/scheduledQueryRules": "2023-12-01",
    "Microsoft.Insights/workbooks": "2023-06-01",
    "Microsoft.Logic/workflows": "2019-05-01",
    "Microsoft.ManagedIdentity/userAssignedIdentities": "2024-11-30",
    "Microsoft.OperationalInsights/workspaces": "2025-02-01",
    "Microsoft.RecoveryServices/vaults": "2025-02-01",
    "Microsoft.Resources/resourceGroups": "2025-04-01",
    "Microsoft.Storage/storageAccounts": "2025-01-01",
    "Microsoft.Storage/storageAccounts/blobServices": "2025-01-01",
    "Microsoft.Storage/storageAccounts/blobServices/containers": "2025-01-01",
    "Microsoft.Web/serverfarms": "2024-11-01",
    "Microsoft.Web/sites": "2024-11-01",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": "2024-11-01",
    "Microsoft.Web/sites/config": "2024-11-01",
}
"""The one API version that each type is asked for; the version whose names and types are checked, where that is known
(test_bicep.py holds the two together)."""

PROMISES: tuple[tuple[str, tuple[str, ...], Value], ...] = (
    ("Microsoft.Storage/storageAccounts", ("allowSharedKeyAccess",), False),
    ("Microsoft.Storage/storageAccounts", ("allowBlobPublicAccess",), False),
    ("Microsoft.Storage/storageAccounts", ("supportsHttpsTrafficOnly",), True),
    ("Microsoft.Storage/storageAccounts", ("minimumTlsVersion",), "TLS1_2"),
    ("Microsoft.Storage/storageAccounts/blobServices/containers", ("publicAccess",), "None"),
    ("Microsoft.Web/sites", ("httpsOnly",), True),
    ("Microsoft.Web/sites", ("siteConfig", "minTlsVersion"), "1.2"),
    ("Microsoft.Web/sites/basicPublishingCredentialsPolicies", ("allow",), False),
    ("Microsoft.Insights/components", ("DisableLocalAuth",), True),
    ("Microsoft.OperationalInsights/workspaces", ("features", "disableLocalAuth"), True),
    ("Microsoft.EventGrid/topics", ("disableLocalAuth",), True),
    ("Microsoft.EventGrid/topics", ("minimumTlsVersionAllowed",), "1.2"),
    ("Microsoft.Authorization/roleAssignments", ("principalType",), "ServicePrincipal"),
    ("Microsoft.Insights/actionGroups", ("enabled",), True),
    ("Microsoft.Insights/metricAlerts", ("enabled",), True),
    ("Microsoft.Insights/scheduledQueryRules", ("enabled",), True),
)
"""Type, property and value: what every resource of the type has, as the documents say."""

NAMES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("Microsoft.Insights/actionGroups", ("properties", "groupShortName"), r".{1,12}"),
    (
        "Microsoft.Storage/storageAccounts/blobServices/containers",
        ("name",),
        r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*",
    ),
)
"""Type, member and pattern: names that Azure refuses only when it is asked for them.

From https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules."""

REFUSED_BY_FLEX = {
    "alwaysOn",
    "containerSize",
    "ftpsState",
    "functionAppScaleLimit",
    "functionsRuntimeScaleMonitoringEnabled",
    "isReserved",
    "isXenon",
    "javaVersion",
    "linuxFxVersion",
    "netFrameworkVersion",
    "powerShellVersion",
    "preWarmedInstanceCount",
    "reserved",
    "use32BitWorkerProcess",
    "windowsFxVersion",
    "FUNCTIONS_EXTENSION_VERSION",
    "FUNCTIONS_MAX_HTTP_CONCURRENCY",
    "FUNCTIONS_WORKER_DYNAMIC_CONCURRENCY_ENABLED",
    "FUNCTIONS_WORKER_PROCESS_COUNT",
    "FUNCTIONS_WORKER_RUNTIME",
    "FUNCTIONS_WORKER_RUNTIME_VERSION",
    "SCM_DO_BUILD_DURING_DEPLOYMENT",
    "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING",
    "WEBSITE_CONTENTSHARE",
    "WEBSITE_NODE_DEFAULT_VERSION",
    "WEBSITE_RUN_FROM_PACKAGE",
}
"""Properties and settings of a function app that its published type has and Flex Consumption does not take.

The properties end a deployment with error 51021, in some regions today and in all of them one day; the settings do
nothing, or break the publishing. From "Flex Consumption plan deprecations"
(learn.microsoft.com/azure/azure-functions/functions-app-settings), from the lists in such errors
(microsoft/azure-pipelines-tasks#21032, Azure/terraform-azurerm-avm-res-web-site#360), and docs/host.md."""

RENAMED = {
    # The outputs of main.bicep are variables of azd's environment.
    "main.AZURE_RESOURCE_GROUP": "group.name",
    "main.AZURE_FUNCTION_APP_NAME": "app.outputs.name",
    "main.AZURE_FUNCTION_APP_ID": "app.outputs.id",
    "main.AZURE_FUNCTION_APP_URL": "'https://${app.outputs.hostName}'",
    "main.AZURE_IDENTITY_PRINCIPAL_ID": "identity.outputs.principalId",
    "main.AZURE_STORAGE_ACCOUNT_ID": "storage.outputs.id",
    "main.AZURE_DURABLE_TASK_SCHEDULER_NAME": "useDurableTaskScheduler ? scheduler!.outputs.name : ''",
    "main.AZURE_SYSTEM_TOPIC_NAME": "vaultEvents ? events!.outputs.topicName : ''",
    "main.AZURE_SYSTEM_TOPIC_RESOURCE_GROUP": "topicResourceGroup",
    "main.AZURE_DEAD_LETTER_STORAGE_ID": (
        "vaultEvents ? (empty(events!.outputs.topicPrincipalId) ? '' : storage.outputs.id) : ''"
    ),
    "main.AZURE_DEAD_LETTER_CONTAINER_NAME": "storage.outputs.deadLetterContainerName",
    "main.AZURE_LOGIC_APP_CLIENT_ID": "identity.properties.clientId",
    "main.AZURE_LOGIC_APP_PRINCIPAL_ID": "identity.properties.principalId",
    "main.AZURE_LOGIC_APP_NAME": "logicApp.name",
    # Who takes a thing names it by its use, who makes it by what it is.
    "main.roles.storageAccountName": "storage.outputs.name",
    "main.roles.deadLetterPrincipalId": "vaultEvents ? events!.outputs.topicPrincipalId : ''",
    "main.roles.noticeTopicName": "noticeTopic ? notices!.outputs.name : ''",
    "main.app.storageAccountName": "storage.outputs.name",
    "main.app.noticeTopicEndpoint": "noticeTopic ? notices!.outputs.endpoint : ''",
    "main.alerts.systemTopicId": "vaultEvents ? events!.outputs.topicId : ''",
    "main.workbook.systemTopicId": "vaultEvents ? events!.outputs.topicId : ''",
    "main.workbook.appUrl": "'https://${app.outputs.hostName}'",
    # One list says where the roles are and what the app accepts; one client id switches the authentication on.
    "main.app.allowedScopes": "backupScopes",
    "main.app.easyAuth": "!empty(entraClientId)",
    # What is taken apart for each round of a loop: test_roles.py computes it.
    "backup-access.roles.wholeSubscription": "contains(wholeSubscriptionIds, id)",
    "backup-access.narrowAssignments.roleDefinitionId": (
        "roles[indexOf(subscriptionIds, split(id, '/')[2])].outputs.operatorRoleId"
    ),
    "backup-access.narrowAssignments.vaultName": "(length(split(id, '/')) == 9) ? last(split(id, '/')) : ''",
    "backup-access.guardAssignments.resourceGuardName": "last(split(id, '/'))",
    # Azure's own names for what a module gives.
    "app.hostName": "app.properties.defaultHostName",
    "events.topicName": "isNew ? topic.name : existingSystemTopicName",
    "events.topicId": "isNew ? topic.id : existingTopic.id",
    "events.topicPrincipalId": "isNew ? topic!.identity.principalId : (existingTopic.?identity.?principalId ?? '')",
    "roles.resourceGuardRoleId": "roleIds['Backup MUA Operator']",
    "storage.blobEndpoint": "account.properties.primaryEndpoints.blob",
    "storage.queueEndpoint": "account.properties.primaryEndpoints.queue",
    "storage.tableEndpoint": "account.properties.primaryEndpoints.table",
    "storage.packageContainerName": "package.name",
    "storage.deadLetterContainerName": "deadLetters.name",
}
"""Parameters of module calls (file.module.parameter) and outputs (file.output) that are not given what has their own
name, and what they are given instead."""

ROLES_ROOM = "roles.bicep"
"""The one file that names roles by their ids."""

NOT_SECRET = {
    "insightsConnectionString": "an address: the component takes telemetry from identities only (DisableLocalAuth)",
    "ConnectionString": "the component's own property, which insightsConnectionString is taken from",
}
"""Names that sound like secrets, and why these are none."""

_SECRET_NAME = re.compile(
    r"(password|secret|sas|token|connectionstrings?|credentials?|\w(key\d?|keys))$", re.IGNORECASE
)
_HARMLESS_NAME = re.compile(r"resourceToken$")
_SECRET_TEXT = re.compile(r"(AccountKey|SharedAccessKey|Password|SharedAccessSignature|sig)=", re.IGNORECASE)
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_STARTS = {True: "Required. ", False: "Optional. "}
_KNOWN_AT_START = ("id", "name", "type", "apiVersion")


def opening_comment(file: BicepFile) -> Iterator[str]:
    """A file opens with a comment on what lives in it, before or after its targetScope."""
    text = re.sub(r"^targetScope = '\w+'\n+", "", file.path.read_text())
    if not text.startswith("// "):
        yield "no comment at the top says what lives here"


def described_parameters(file: BicepFile) -> Iterator[str]:
    """A parameter says whether it is required, and what it is, in a sentence."""
    for parameter in file.parameters.values():
        if not parameter.description.startswith(_STARTS[parameter.required]) or not parameter.description.endswith("."):
            yield f"{parameter.name} is not described as '{_STARTS[parameter.required]}...'"


def defined_names(file: BicepFile) -> Iterator[str]:
    """Every name means something; the default of a parameter can mean other parameters only."""
    symbols = {*file.parameters, *file.variables, *file.resources, *file.modules}
    for owner, value in file.values():
        known = set(file.parameters) if owner in file.parameters else symbols
        for name in _free_names(value, frozenset()):
            if name not in known:
                yield f"{owner} names {name}, which is not declared"


def used_declarations(file: BicepFile) -> Iterator[str]:
    """Parameters, variables and existing resources are there because something names them."""
    named = {part.name for _, value in file.values() for part in parts_of(value) if isinstance(part, Name)}
    existing = [resource.symbol for resource in file.resources.values() if resource.existing]
    for name in (*file.parameters, *file.variables, *existing):
        if name not in named:
            yield f"{name} is not used"


def known_functions(file: BicepFile) -> Iterator[str]:
    """Functions exist, take as many arguments and, for resourceGroup(), have an answer where they are called."""
    for owner, value in file.values():
        for call in _calls(value):
            fewest, most, _ = FUNCTIONS.get(call.function, (0, -1, None))
            if call.function not in FUNCTIONS:
                yield f"{owner} calls {call.function}, which is no function"
            elif len(call.arguments) < fewest or (most is not None and len(call.arguments) > most):
                yield f"{owner} calls {call.function} with {len(call.arguments)} arguments"
            if call == Call("resourceGroup", ()) and file.target_scope != "resourceGroup":
                yield f"{owner} calls resourceGroup() where there is none"


def fitting_kinds(file: BicepFile) -> Iterator[str]:
    """Defaults, outputs and conditions are of the declared type."""
    given = [(it.name, it.type, it.default) for it in file.parameters.values() if not it.required]
    given += [(it.name, it.type, it.value) for it in file.outputs.values()]
    conditioned = (*file.resources.values(), *file.modules.values())
    given += [(f"the condition of {it.symbol}", "bool", it.condition) for it in conditioned if it.condition is not None]
    for name, declared, value in given:
        if kind_of(value, file) not in (declared, None):
            yield f"{name} is declared {declared}, its value is {kind_of(value, file)}"


def no_circles(file: BicepFile) -> Iterator[str]:
    """Nothing needs itself."""
    symbols = {*file.variables, *file.resources, *file.modules}
    needs = {
        owner: set(_free_names(value, frozenset())) & symbols for owner, value in file.values() if owner in symbols
    }
    try:
        graphlib.TopologicalSorter(needs).prepare()
    except graphlib.CycleError as error:
        yield f"each needs the next: {', '.join(error.args[1])}"


def known_at_start(file: BicepFile) -> Iterator[str]:
    """Names, scopes, conditions and what loops go over can't wait for a resource or module to be deployed."""
    for declared in (*file.resources.values(), *file.modules.values()):
        places = {name: declared.body.get(name) for name in ("name", "scope")}
        places |= {"condition": declared.condition, "loop": declared.loop.over if declared.loop else None}
        for place, value in places.items():
            if any(_comes_later(part, file) for part in _expanded(value, file)):
                yield f"the {place} of {declared.symbol} is known only after a deployment"


def loops_differ(file: BicepFile) -> Iterator[str]:
    """Each round of a loop deploys something of its own: another name, or to another scope."""
    for declared in (*file.resources.values(), *file.modules.values()):
        if declared.loop:
            places = [declared.body.get(name) for name in ("name", "scope")]
            if not set(_free_names(places, frozenset())) & {declared.loop.item, declared.loop.index}:
                yield f"every round of {declared.symbol} has the same name and scope"


def parents(file: BicepFile) -> Iterator[str]:
    """A child resource names a parent, whose type its own type goes on from."""
    for resource in file.resources.values():
        above = resource.type.rpartition("/")[0]
        if "/" not in above:
            continue
        parent = resource.body.get("parent")
        if not isinstance(parent, Name) or parent.name not in file.resources:
            yield f"{resource.symbol} names no parent"
        elif file.resources[parent.name].type != above:
            yield f"{resource.symbol} is a child of {above}, not of {file.resources[parent.name].type}"


def module_calls(file: BicepFile) -> Iterator[str]:
    """A module exists and is given what it asks for: all that is required, nothing else, each of its type."""
    for module in file.modules.values():
        callee = module_file(file, module)
        if callee is None:
            yield f"{module.symbol} is {module.path}, which is not there"
            continue
        for name, value in module.params.items():
            if name not in callee.parameters:
                yield f"{module.symbol} does not take {name}"
            elif kind_of(value, file) not in (callee.parameters[name].type, None):
                yield f"{module.symbol}.{name} is {callee.parameters[name].type}, not {kind_of(value, file)}"
        for parameter in callee.parameters.values():
            if parameter.required and parameter.name not in module.params:
                yield f"{module.symbol} needs {parameter.name}"


def handed_on_by_name(file: BicepFile) -> Iterator[str]:
    """A module's parameter, and an output, is given what has its own name; RENAMED says what else there is.

    Two values of one type that changed places would break no other rule."""
    given = {
        f"{module.symbol}.{name}": value for module in file.modules.values() for name, value in module.params.items()
    }
    given |= {output.name: output.value for output in file.outputs.values()}
    for place, value in given.items():
        renamed = RENAMED.get(f"{file.path.stem}.{place}")
        if renamed is None and place.rpartition(".")[2] not in _names_of(value, file):
            yield f"{place} is given something of another name"
        if renamed is not None and value != parse(f"var value = {renamed}").variables["value"].value:
            yield f"{place} is given something else than {renamed}"


def module_scopes(file: BicepFile) -> Iterator[str]:
    """A module is deployed to what its targetScope says, and under a name that no other module has there."""
    taken: list[tuple[Value, Value]] = []
    for module in file.modules.values():
        callee = module_file(file, module)
        scope = _scope_of(module, file)
        if callee and scope != callee.target_scope:
            yield f"{module.symbol} is deployed to a {scope}, its targetScope is {callee.target_scope}"
        place = (module.body.get("name"), module.body.get("scope"))
        if place in taken or place[0] is None:
            yield f"{module.symbol} has no name of its own"
        taken.append(place)


def module_outputs(file: BicepFile) -> Iterator[str]:
    """What is taken from a module is an output of it."""
    for owner, value in file.values():
        for part in parts_of(value):
            named = output_of(part, file)
            callee = module_file(file, named[0]) if named else None
            if named and callee and named[1] not in callee.outputs:
                yield f"{owner} takes {named[1]} from {named[0].symbol}, which does not give it"


def loaded_files(file: BicepFile) -> Iterator[str]:
    """Files that are loaded into the template are there."""
    for owner, value in file.values():
        for call in _calls(value):
            if call.function.startswith("load"):
                path = call.arguments[0] if call.arguments else None
                if not isinstance(path, str) or not (file.path.parent / path).is_file():
                    yield f"{owner} loads {path}, which is not there"


def api_versions(file: BicepFile) -> Iterator[str]:
    """A type is asked for by its version in the table."""
    for resource in file.resources.values():
        if API_VERSIONS.get(resource.type) != resource.api_version:
            wanted = API_VERSIONS.get(resource.type, "not in the table")
            yield f"{resource.type}@{resource.api_version}: the table's version is {wanted}"


def one_resource_a_name(file: BicepFile) -> Iterator[str]:
    """No two resources of a type have the same name in the same place: the second would overwrite the first."""
    taken: list[Value] = []
    for resource in file.resources.values():
        place = (resource.type, *(resource.body.get(name) for name in ("name", "parent", "scope")))
        if place in taken and not resource.existing:
            yield f"{resource.symbol} has the name of another resource"
        taken.append(place)


def allowed_names(file: BicepFile) -> Iterator[str]:
    """Names that are known here have the form that Azure asks of them."""
    for resource in file.resources.values():
        for kind, path, pattern in NAMES:
            name = _member(resource.body, path, file)
            if resource.type == kind and isinstance(name, str) and not re.fullmatch(pattern, name):
                yield f"{resource.symbol}.{'.'.join(path)} is {name}, which Azure refuses"


def taken_by_flex(file: BicepFile) -> Iterator[str]:
    """A function app has no property and no setting that Flex Consumption refuses."""
    refused = {name.lower() for name in REFUSED_BY_FLEX}
    for resource in file.resources.values():
        if resource.type in ("Microsoft.Web/sites", "Microsoft.Web/sites/config"):
            names = {key for part in _expanded(resource.properties, file) if isinstance(part, dict) for key in part}
            for name in sorted(str(name) for name in names if str(name).lower() in refused):
                yield f"{resource.symbol} has {name}, which Flex Consumption does not take"


def kept_promises(file: BicepFile) -> Iterator[str]:
    """What the documents say of every resource of a type is so."""
    for resource in file.resources.values():
        for kind, path, promised in PROMISES:
            value = _member(resource.properties, path, file)
            if resource.type == kind and not resource.existing and value != promised:
                yield f"{resource.symbol}.{'.'.join(path)} is {value}, not {promised}"


def no_secrets(file: BicepFile) -> Iterator[str]:
    """No key is read, taken as a plain parameter, written or given out."""
    for parameter in file.parameters.values():
        if _sounds_secret(parameter.name) and not parameter.secure:
            yield f"{parameter.name} is taken without @secure()"
    for output in file.outputs.values():
        if _sounds_secret(output.name):
            yield f"{output.name} is given out"
    for owner, value in file.values():
        for part in parts_of(value):
            if isinstance(part, Method) or (isinstance(part, Call) and part.function.startswith("list")):
                yield f"{owner} calls {part.function}"
            elif isinstance(part, Member) and _sounds_secret(part.name):
                yield f"{owner} reads {part.name}"
            elif isinstance(part, str) and _SECRET_TEXT.search(part):
                yield f"{owner} has a key in a text"


def roles_by_name(file: BicepFile) -> Iterator[str]:
    """Ids stand in the room of the roles only, where they have names."""
    if file.path.name != ROLES_ROOM:
        for owner, value in file.values():
            for part in parts_of(value):
                if isinstance(part, str) and _GUID.search(part):
                    yield f"{owner} has the id {part}"


RULES: tuple[Rule, ...] = (
    opening_comment,
    described_parameters,
    defined_names,
    used_declarations,
    known_functions,
    fitting_kinds,
    no_circles,
    known_at_start,
    loops_differ,
    parents,
    module_calls,
    handed_on_by_name,
    module_scopes,
    module_outputs,
    loaded_files,
    api_versions,
    one_resource_a_name,
    allowed_names,
    taken_by_flex,
    kept_promises,
    no_secrets,
    roles_by_name,
)


def _free_names(value: Value, bound: frozenset[str | None]) -> Iterator[str]:
    """The names in a value that no loop around them gives a meaning to."""
    if isinstance(value, Name):
        if value.name not in bound:
            yield value.name
    elif isinstance(value, Loop):
        yield from _free_names(value.over, bound)
        yield from _free_names(value.body, bound | {value.item, value.index})
    else:
        for part in direct_parts(value):
            yield from _free_names(part, bound)


def _names_of(value: Value, file: BicepFile) -> set[str]:
    """What a value is called where it comes from, also with its owner's name in front: `clientId`, `identityClientId`.

    What a module gives that is not always there counts where its condition is asked, with an empty text for else."""
    match value:
        case Choice(condition, yes, "") if (named := output_of(yes, file)) and named[0].condition == condition:
            return _names_of(yes, file)
        case Name(name):
            return {name}
        case Member(Member(Name(owner), "outputs" | "properties") | Name(owner), name):
            return {name, owner + name[0].upper() + name[1:]}
        case _:
            return set()


def _member(body: Value, path: tuple[str, ...], file: BicepFile) -> Value:
    """The member of an object at the end of a path, with variables looked up; None where it ends before."""
    for name in path:
        body = file.resolved(body.get(name)) if isinstance(body, dict) else None
    return body


def _calls(value: Value) -> Iterator[Call]:
    return (part for part in parts_of(value) if isinstance(part, Call))


def _expanded(value: Value, file: BicepFile) -> Iterator[Value]:
    """The parts of a value and of the variables that it names, and so on."""
    for part in parts_of(value):
        yield part
        if isinstance(part, Name) and part.name in file.variables:
            yield from _expanded(file.variables[part.name].value, file)


def _comes_later(part: Value, file: BicepFile) -> bool:
    """Whether a part is an answer of Azure's: an output of a module, or a property of a resource."""
    if output_of(part, file):
        return True
    of_resource = isinstance(part, Member) and isinstance(part.of, Name) and part.of.name in file.resources
    return of_resource and part.name not in _KNOWN_AT_START


def _scope_of(module: Module, file: BicepFile) -> str:
    """The kind of scope that a module is deployed to."""
    scope = module.body.get("scope")
    if scope is None:
        return file.target_scope
    if isinstance(scope, Call):
        return scope.function
    resource: Resource | None = file.resources.get(scope.name) if isinstance(scope, Name) else None
    return (
        "resourceGroup"
        if resource and resource.type == "Microsoft.Resources/resourceGroups"
        else "thing that is no scope"
    )


def _sounds_secret(name: str) -> bool:
    return bool(_SECRET_NAME.search(name)) and not _HARMLESS_NAME.search(name) and name not in NOT_SECRET
