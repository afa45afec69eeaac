"""The Bicep of infra/, checked without Azure and without the compiler, which neither PyPI nor npm has.

What is shown: syntax (by three grammars: pycep-parser's, checkov's and the reader's own), names and types of every
property by Azure's published types, and the rules of bicep_rules.py. What is not: whether Azure accepts a value, a
region or a quota; functions of Bicep beyond those in kinds.py; the types of a version other than the checked one."""

import json
import re
from pathlib import Path

import pytest
from pycep import BicepParser

from tests.infra.bicep import (
    INFRA,
    BicepError,
    Binary,
    Call,
    Choice,
    Index,
    Loop,
    Member,
    Name,
    Text,
    Unary,
    Value,
    bicep_files,
    parse,
    read,
)
from tests.infra.bicep_rules import API_VERSIONS, RENAMED, RULES, Rule
from tests.infra.kinds import kind_of
from tests.infra.published_types import TRANSCRIBED, NoTypes, ask, published

ENTRIES = {"main.bicep", "event-subscription.bicep", "logic-app/main.bicep"}
"""The files that are deployed by name: by azd or az, by the postdeploy hook, and the sample."""

PYCEP = BicepParser()
TRANSCRIBED_TYPES = list(json.loads(TRANSCRIBED.read_text()))
MISSPELT_TYPE = "Microsoft.Storage/storageAcounts"

pytestmark = pytest.mark.timeout(900)  # the very first run asks azmcp: 5 seconds of work, on a busy machine many more

FILES = [pytest.param(path, id=str(path.relative_to(INFRA))) for path in bicep_files()]


@pytest.mark.parametrize("path", FILES)
def test_two_grammars_read_the_same_declarations(path: Path) -> None:
    """pycep-parser finds a file to be Bicep, and in it just what the reader of these tests finds."""
    theirs, ours = PYCEP.parse(file_path=path), read(path)
    for kind in ("parameters", "variables", "resources", "modules", "outputs"):
        assert sorted(theirs.get(kind, {})) == sorted(getattr(ours, kind)), kind
    assert theirs["globals"]["scope"]["value"] == ours.target_scope


def test_every_file_is_deployed_by_name_or_as_a_module() -> None:
    """No module lies around that nothing deploys."""
    called = {(path.parent / module.path).resolve() for path in bicep_files() for module in read(path).modules.values()}
    assert {INFRA / entry for entry in ENTRIES} | called == set(bicep_files())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_infra_keeps_the_rules(rule: Rule) -> None:
    """Every file of infra/ keeps every rule."""
    assert [f"{path.relative_to(INFRA)}: {it}" for path in bicep_files() for it in rule(read(path))] == []


def test_the_app_waits_for_its_roles() -> None:
    """The host that starts without them fails on its storage."""
    assert read(INFRA / "main.bicep").modules["app"].body["dependsOn"] == [Name("roles")]


def test_the_name_of_the_storage_account_is_one() -> None:
    """At most 24 lower-case letters and digits: what uniqueString gives are 13 of them."""
    assert read(INFRA / "main.bicep").variables["resourceToken"].value == Call(
        "toLower",
        (Call("uniqueString", (Member(Call("subscription", ()), "id"), Name("environmentName"), Name("location"))),),
    )
    name = read(INFRA / "modules" / "storage.bicep").resources["account"].body["name"]
    assert isinstance(name, Text)
    assert re.fullmatch(
        "[a-z0-9]{3,24}", "".join(13 * "a" if part == Name("resourceToken") else str(part) for part in name.parts)
    )


PART = "// Part.\n@description('Required. Size.')\nparam size int\noutput width int = size\n"
SUBSCRIPTION_PART = f"targetScope = 'subscription'\n{PART}"
ACCOUNT = "Microsoft.Storage/storageAccounts"


def an_account(body: str = "") -> str:
    """A storage account by the symbol `a`, with these members."""
    return f"resource a '{ACCOUNT}@2025-01-01' = {{ {body} }}"


def with_properties(properties: str) -> str:
    """A storage account by the symbol `a`, with these properties."""
    return an_account(f"properties: {{ {properties} }}")


BROKEN: list[tuple[str, str, str]] = [
    ("opening_comment", "param size int", "no comment at the top"),
    ("described_parameters", "@description('Optional. Size.')\nparam size int", "size is not described"),
    ("described_parameters", "param size int = 1", "size is not described"),
    ("described_parameters", "@description('Required. Size')\nparam size int", "size is not described"),
    ("defined_names", "output size int = sice", "output size names sice"),
    ("defined_names", "output all string = 'a ${sice} b'", "names sice"),
    ("defined_names", "var all = { '${sice}': 1 }", "names sice"),
    ("defined_names", "var all = [for item in []: item]\nvar one = item", "one names item"),
    ("defined_names", "var one = 1\nparam size int = one", "size names one"),
    ("used_declarations", "param size int", "size is not used"),
    ("used_declarations", "var size = 1", "size is not used"),
    ("used_declarations", f"resource old '{ACCOUNT}@2025-01-01' existing = {{ name: 'a' }}", "old is not used"),
    ("known_functions", "var one = uniqString('a')", "uniqString, which is no function"),
    ("known_functions", "var one = newGuid()", "newGuid, which is no function"),
    ("known_functions", "var one = replace('a', 'b')", "replace with 2 arguments"),
    ("known_functions", "targetScope = 'subscription'\nvar one = resourceGroup().id", "where there is none"),
    ("fitting_kinds", "param size int = 'big'", "size is declared int, its value is string"),
    ("fitting_kinds", "var one = { two: [] }\noutput size object = one.two", "is declared object, its value is array"),
    ("fitting_kinds", "output size string = length('abc')", "its value is int"),
    (
        "fitting_kinds",
        "param size int\nmodule part 'part.bicep' = if (size) {}",
        "the condition of part is declared bool",
    ),
    ("no_circles", "var one = two\nvar two = one", "each needs the next"),
    (
        "known_at_start",
        "module a 'part.bicep' = {}\nmodule b 'part.bicep' = { name: 'b-${a.outputs.width}' }",
        "name of b",
    ),
    (
        "known_at_start",
        an_account() + "\nvar far = a.properties.isHnsEnabled\nmodule b 'part.bicep' = if (far) {}",
        "the condition of b is known only after",
    ),
    (
        "loops_differ",
        "module a 'part.bicep' = [for i in [1, 2]: { name: 'a', params: { size: i } }]",
        "every round of a",
    ),
    ("parents", f"resource a '{ACCOUNT}/blobServices@2025-01-01' = {{ name: 'default' }}", "a names no parent"),
    (
        "parents",
        an_account() + f"\nresource b '{ACCOUNT}/blobServices/containers@2025-01-01' = {{ parent: a }}",
        "b is a child of Microsoft.Storage/storageAccounts/blobServices, not of",
    ),
    ("module_calls", "module part 'prat.bicep' = {}", "prat.bicep, which is not there"),
    ("module_calls", "module part 'part.bicep' = {}", "part needs size"),
    ("module_calls", "module part 'part.bicep' = { params: { size: 1, colour: 'red' } }", "part does not take colour"),
    ("module_calls", "module part 'part.bicep' = { params: { size: '1' } }", "part.size is int, not string"),
    (
        "module_calls",
        "param s string\nmodule part 'part.bicep' = { params: { size: s } }",
        "part.size is int, not string",
    ),
    (
        "module_calls",
        "module a 'part.bicep' = {}\nmodule b 'text.bicep' = { params: { text: a.outputs.width } }",
        "b.text is string, not int",
    ),
    (
        "handed_on_by_name",
        "param size int\nparam depth int\nmodule part 'part.bicep' = { params: { size: depth } }",
        "part.size is given something of another name",
    ),
    (
        "handed_on_by_name",
        "param size int\nmodule part 'part.bicep' = { params: { size: -size } }",
        "part.size is given something of another name",
    ),
    (
        "handed_on_by_name",
        "param on bool\nmodule a 'part.bicep' = if (on) {}\noutput width int = !on ? a!.outputs.width : ''",
        "width is given something of another name",
    ),
    ("handed_on_by_name", "output AZURE_RESOURCE_GROUP string = 'a'", "something else than group.name"),
    ("module_scopes", "targetScope = 'subscription'\nmodule part 'part.bicep' = { name: 'a' }", "to a subscription"),
    ("module_scopes", "module part 'wide.bicep' = { name: 'a' }", "its targetScope is subscription"),
    (
        "module_scopes",
        "module a 'part.bicep' = { name: 'a' }\nmodule b 'part.bicep' = { name: 'a' }",
        "no name of its own",
    ),
    ("module_outputs", "module part 'part.bicep' = {}\noutput one int = part.outputs.with", "takes with from part"),
    (
        "module_outputs",
        "module p 'part.bicep' = [for i in [1]: {}]\noutput one int = p[0].outputs.with",
        "takes with from p",
    ),
    ("loaded_files", "var text = loadTextContent('txet.kql')", "txet.kql, which is not there"),
    ("api_versions", f"resource a '{ACCOUNT}@2019-06-01' = {{}}", "the table's version is 2025-01-01"),
    ("api_versions", "resource a 'Microsoft.Other/things@2019-06-01' = {}", "not in the table"),
    (
        "one_resource_a_name",
        an_account("name: 'a'") + f"\nresource b '{ACCOUNT}@2025-01-01' = {{ name: 'a' }}",
        "b has the name of another resource",
    ),
    (
        "allowed_names",
        f"resource a '{ACCOUNT}/blobServices/containers@2025-01-01' = {{ name: 'a--b' }}",
        "a.name is a--b, which Azure refuses",
    ),
    (
        "allowed_names",
        "resource a 'Microsoft.Insights/actionGroups@2023-01-01' = { properties: { groupShortName: 'thirteen-long' } }",
        "a.properties.groupShortName is thirteen-long, which Azure refuses",
    ),
    (
        "taken_by_flex",
        "resource a 'Microsoft.Web/sites@2024-11-01' = { properties: { siteConfig: { FtpsState: 'Disabled' } } }",
        "a has FtpsState, which Flex Consumption does not take",
    ),
    (
        "taken_by_flex",
        "var more = { FUNCTIONS_WORKER_RUNTIME: 'python' }\n"
        "resource a 'Microsoft.Web/sites/config@2024-11-01' = { properties: union({}, more) }",
        "a has FUNCTIONS_WORKER_RUNTIME, which",
    ),
    ("kept_promises", an_account(), "a.allowSharedKeyAccess is None, not False"),
    (
        "kept_promises",
        "resource a 'Microsoft.Web/sites@2024-11-01' = { properties: { siteConfig: { minTlsVersion: '1.0' } } }",
        "a.siteConfig.minTlsVersion is 1.0, not 1.2",
    ),
    ("no_secrets", "param adminPassword string", "adminPassword is taken without @secure()"),
    ("no_secrets", "output accountKey string = 'a'", "accountKey is given out"),
    (
        "no_secrets",
        an_account() + "\nvar all = a.listKeys().keys[0].value",
        "all calls listKeys",
    ),
    ("no_secrets", f"var all = listKeys('{ACCOUNT}', '2025-01-01')", "all calls listKeys"),
    ("no_secrets", "param a object\nvar one = a.properties.primaryKey", "one reads primaryKey"),
    ("no_secrets", "param a string\nvar one = 'AccountName=x;AccountKey=${a}'", "one has a key in a text"),
    ("roles_by_name", "var owner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'", "owner has the id b7e6dc6d"),
]
"""A rule, a file that breaks it, and a part of what it says."""


@pytest.mark.parametrize(("name", "text", "complaint"), BROKEN)
def test_a_rule_finds_what_breaks_it(name: str, text: str, complaint: str, tmp_path: Path) -> None:
    """Each rule has something to say of a file that breaks it."""
    (tmp_path / "part.bicep").write_text(PART)
    (tmp_path / "wide.bicep").write_text(SUBSCRIPTION_PART)
    (tmp_path / "text.bicep").write_text("param text string")
    main = tmp_path / "main.bicep"
    main.write_text(text)
    rule = next(rule for rule in RULES if rule.__name__ == name)
    assert complaint in "\n".join(rule(read(main)))


def test_no_other_name_is_left_over() -> None:
    """What is allowed to be given under another name is given in a module call or an output that is there."""
    given = {
        f"{file.path.stem}.{place}"
        for file in map(read, bicep_files())
        for place in (
            *(f"{module.symbol}.{name}" for module in file.modules.values() for name in module.params),
            *file.outputs,
        )
    }
    assert RENAMED.keys() <= given


def test_every_rule_is_shown_to_find_something() -> None:
    """No rule is without a file that breaks it."""
    assert {name for name, _, _ in BROKEN} == {rule.__name__ for rule in RULES}


# Azure's published types


@pytest.fixture(scope="module", autouse=True)
def asked() -> None:
    """Have one azmcp asked for all types that the tests below need, where the answers are not there yet."""
    ask([*API_VERSIONS, *TRANSCRIBED_TYPES, MISSPELT_TYPE])


def test_infra_is_as_azure_publishes_its_types() -> None:
    """Every resource has the members, types and closed values of its type, all that is required, tags, and a scope."""
    files = [read(path) for path in bicep_files()]
    types = published(resource.type for file in files for resource in file.resources.values())
    complaints = [
        f"{file.path.relative_to(INFRA)}: {complaint}"
        for file in files
        for resource in file.resources.values()
        for complaint in types[resource.type].complaints(resource, file)
    ]
    assert complaints == []


def test_the_versions_asked_for_are_the_versions_checked() -> None:
    """The table of API versions names, of each type, the version whose published types the resources are held to."""
    assert {name: kind.api_version for name, kind in published(API_VERSIONS).items()} == API_VERSIONS


def test_only_types_that_azmcp_does_not_serve_are_transcribed() -> None:
    """A type is taken over by hand only for want of azmcp's own answer; where it has one, the transcription goes."""
    assert ask(TRANSCRIBED_TYPES) == dict.fromkeys(TRANSCRIBED_TYPES)


WRONG: list[tuple[str, str]] = [
    (with_properties("allowSharedKeyAcces: false"), "allowSharedKeyAccess does"),
    (an_account("Properties: {}"), "a.Properties does not exist; properties does"),
    (
        "var all = { colour: 1 }\n" + an_account("properties: all"),
        "a.properties.colour does not exist",
    ),
    (an_account("name: 'a'"), "a.sku is required"),
    (an_account("name: 'a'"), "a has no tags"),
    ("targetScope = 'subscription'\n" + an_account(), "a can't be deployed to a subscription"),
    ("resource a 'Microsoft.Resources/resourceGroups@2025-04-01' = {}", "a can't be deployed to a resourceGroup"),
    (
        with_properties("creationTime: 'now'"),
        "a.properties.creationTime is read-only",
    ),
    (with_properties("isHnsEnabled: 'true'"), "a.properties.isHnsEnabled is bool"),
    ("param p string\n" + with_properties("isHnsEnabled: p"), "isHnsEnabled is bool"),
    (an_account("tags: { a: 1 }"), "a.tags.a is string"),
    (an_account("sku: 'Standard_LRS'"), "a.sku is Sku"),
    (
        with_properties("networkAcls: { defaultAction: 'No' }"),
        "one of Allow | Deny",
    ),
    (with_properties("networkAcls: { ipRules: {} }"), "ipRules is an array"),
    (
        with_properties("networkAcls: { ipRules: [for i in ['x']: { vaule: i }] }"),
        "a.properties.networkAcls.ipRules[].vaule does not exist; value does",
    ),
    (
        "param p bool\n" + an_account("properties: p ? {} : { kind: 'a' }"),
        "a.properties.kind does not exist",
    ),
    ("resource a 'Microsoft.Web/sites/config@2024-11-01' = { name: 'appsetings' }", "a.name is one of appsettings,"),
    (
        "resource a 'Microsoft.Web/sites/config@2024-11-01' = { name: 'appsettings', properties: union({}, { B: 2 }) }",
        "a.properties.B is string, not 2",
    ),
    (
        "resource a 'Microsoft.Insights/actionGroups@2023-01-01' = { properties: { enabled: true } }",
        "groupShortName is required",
    ),
]
"""A resource, and a part of what its type says of it."""


@pytest.mark.parametrize(("text", "complaint"), WRONG)
def test_a_type_finds_what_is_not_like_it(text: str, complaint: str) -> None:
    """Names with their case, types, closed values and required members are checked, however deep and however given."""
    file = parse(text)
    resource = file.resources["a"]
    assert complaint in "\n".join(published([resource.type])[resource.type].complaints(resource, file))


def test_a_type_that_nobody_publishes_is_refused() -> None:
    """A misspelt type does not pass unchecked."""
    with pytest.raises(NoTypes, match=MISSPELT_TYPE):
        published([MISSPELT_TYPE])


# The reader


EXPRESSIONS: list[tuple[str, Value]] = [
    ("'it\\'s \\${no} \\u{41}\\n'", "it's ${no} A\n"),
    ("'a ${b ? 'c' : 'd${e}'} f'", Text(("a ", Choice(Name("b"), "c", Text(("d", Name("e")))), " f"))),
    ("'${a}'", Text((Name("a"),))),
    ("'''\nline ${a}\n'''", "line ${a}\n"),
    ("[1, -2\n  true // three\n]", [1, Unary("-", 2), True]),
    ("{ a: 1, 'b c': null\n d: {} }", {"a": 1, "b c": None, "d": {}}),
    (
        "a || b && !c == d + 2 * 3",
        Binary(
            "||",
            Name("a"),
            Binary(
                "&&",
                Name("b"),
                Binary("==", Unary("!", Name("c")), Binary("+", Name("d"), Binary("*", 2, 3))),
            ),
        ),
    ),
    ("a ?? b ? c : d", Choice(Binary("??", Name("a"), Name("b")), Name("c"), Name("d"))),
    ("a.b!.?c[0].d", Member(Index(Member(Member(Name("a"), "b"), "c"), 0), "d")),
    ("az.resourceGroup('a',\n 'b').id", Member(Call("resourceGroup", ("a", "b")), "id")),
    ("(a - b) - c", Binary("-", Binary("-", Name("a"), Name("b")), Name("c"))),
    ("[for (a, i) in b: a]", Loop("a", "i", Name("b"), Name("a"))),
]
"""An expression and what the reader makes of it."""


@pytest.mark.parametrize(("text", "value"), EXPRESSIONS)
def test_the_reader_keeps_bicep_s_precedence(text: str, value: Value) -> None:
    """Values come out plain, expressions as trees, texts with the expressions in them."""
    assert parse(f"var v = {text}").variables["v"].value == value


KINDS: list[tuple[str, str | None]] = [
    ("'a'", "string"),
    ("p", "int"),
    ("p > 1", "bool"),
    ("[for i in [1]: i]", "array"),
    ("one.two", "object"),
    ("union(one, {})", "object"),
    ("p > 1 ? null : 'a'", "string"),
    ("p > 1 ? 1 : 'a'", None),
    ("json('1')", None),
    ("a.id", "string"),
    ("part.outputs.anything", None),
]
"""An expression and its kind, as far as the text tells."""


@pytest.mark.parametrize(("text", "kind"), KINDS)
def test_kinds_are_told_as_far_as_the_text_tells(text: str, kind: str | None) -> None:
    """The kind of an expression is right or not known, never guessed."""
    file = parse(
        f"param p int\nvar one = {{ two: {{}} }}\n{an_account()}\nmodule part 'nowhere.bicep' = {{}}\nvar v = {text}"
    )
    assert kind_of(file.variables["v"].value, file) == kind


REFUSED: list[tuple[str, str]] = [
    ("param size integer", "only string, int, bool, object and array"),
    ("param sizes int[]", "only string, int, bool, object and array"),
    ("type size = int", "type declares nothing"),
    ("var one = 1 var two = 2", "must end with its line"),
    ("var one = 1\nparam one int", "one is declared twice"),
    ("var one = { a: 1, a: 2 }", "a is given twice"),
    ("var one = { a: 1 b: 2 }", "a comma, a new line or } is missing"),
    ("var one = [...two]", "a name or value is missing"),
    ("var one = map(two, it => it)", ") is missing"),
    ("var one = [for i in two: if (i > 1) i]", "no `for ... : if`"),
    ("var one = a\n  ? 1 : 2", "a name or value is missing"),
    ("var one = 'a", "the string does not end"),
    ("var one = '\\q'", "the string does not end"),
    ("resource a 'Microsoft.Web/sites' = {}", "is no type with an API version"),
    ("resource a 'Microsoft.Web/sites@2024-11-01' = b", "is an object, or a loop of objects"),
    ("resource a 'Microsoft.Web/sites@2024-11-01' = { resource b 'config' = {} }", "no nested resources"),
    ("targetScope = 'galaxy'", "galaxy is no scope"),
]
"""What the subset has no room for, and a part of what the reader says of it."""


@pytest.mark.parametrize(("text", "why"), REFUSED)
def test_the_reader_refuses_what_it_would_not_understand(text: str, why: str) -> None:
    """What is outside of the subset is an error with its place, never skipped."""
    with pytest.raises(BicepError, match=r"sample\.bicep:\d: ") as refusal:
        parse(text)
    assert why in str(refusal.value)
