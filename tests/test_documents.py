"""README and docs/ are true where a machine can tell: commands, calls, links, names, and what is made from tables.

What the README's own tables say of the app is in test_documentation.
"""

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from migration.records import ItemState, MigrationState
from migration.request import MigrationRequest
from operator_cli.program import COMMANDS
from tests.documents.commands import body_problem, commands, problem_of, split
from tests.documents.generated import PARTS, with_parts
from tests.documents.markdown import ROOT, Document, document, documents

DOCUMENTS = {document.path: document for document in documents()}
OPERATIONS = "docs/operations.md"

NOT_SOURCES = {"docs", "node_modules", "tests"}
AZURES = {
    "AzureEventGrid",
    "Deny",
    "appRoleAssignmentRequired",
    "ipSecurityRestrictions",
    "user_impersonation",
    "virtualNetworkSubnetId",
}
"""Names of Azure's own that the documents tell people to use, and that nothing here uses."""


# --- what is made from the code


@pytest.mark.parametrize("path", PARTS)
def test_the_generated_parts_are_what_the_code_says(path: str) -> None:
    """Rules, reasons, limits, states, tables, imports: a document that differs is written by the command."""
    text = (ROOT / path).read_text()
    assert set(re.findall(r"<!-- ([\w-]+):begin -->", text)) == set(PARTS[path])
    for name, make in PARTS[path].items():
        assert with_parts(text, {name: make}) == text, f"{name}: .venv/bin/python -m tests.documents"


def test_a_part_that_is_not_there_is_missed() -> None:
    """A mark that somebody broke would freeze what stands there for ever."""
    for text in ("", "<!-- a:begin -->\n", 2 * "<!-- a:begin -->\n<!-- a:end -->\n"):
        with pytest.raises(ValueError, match="one part a"):
            with_parts(text, {"a": str})


def test_every_state_says_what_to_do() -> None:
    """An operator who sees a state finds it in the first column of a table."""
    cells = " ".join(DOCUMENTS[OPERATIONS].first_cells)
    assert set(re.findall(r"`(\w+)`", cells)) >= {*MigrationState, *ItemState}


def test_the_permissions_are_those_of_the_roles() -> None:
    """The actions that the document explains are the actions that the deployment grants."""
    explained = re.findall(r"^\| `(Microsoft\.\S+)` \|", (ROOT / OPERATIONS).read_text(), re.MULTILINE)
    bicep = (ROOT / "infra/modules/backup-role.bicep").read_text()
    assert sorted(explained) == sorted(re.findall(r"'(Microsoft\.[\w./]+/(?:read|write|action))'", bicep))


# --- commands


COMMAND_LINES = [(path, " ".join(words), words) for path, one in DOCUMENTS.items() for words in commands(one)]


@pytest.mark.parametrize("words", [pytest.param(words, id=f"{path}: {line}") for path, line, words in COMMAND_LINES])
def test_every_command_is_taken_by_its_program(words: list[str]) -> None:
    """By the command line's own parser, the API's routes and types, the Makefile; and the files it names are there."""
    assert problem_of(words) == ""


def test_every_command_of_the_program_is_shown_to_operators() -> None:
    """In a shell block of operations.md, or in its text."""
    shown = {words[1] for words in commands(DOCUMENTS[OPERATIONS]) if words[0] == "backup-migrate"}
    assert shown == {row.name for row in COMMANDS}


WRONG = {
    "backup-migrate no-such": "No such command",
    "backup-migrate status": "Missing argument",
    "backup-migrate status 'not an id'": "an id has up to 60",
    "backup-migrate plan --valut v": "No such option",
    "backup-migrate plan --vault v": "not clear where",
    "backup-migrate plan --vault v --policy '?'": "regex",
    "backup-migrate limits m1 --ramp one": "not numbers",
    "backup-migrate limits m1 --max-concurrent 0": ">= 1",
    ".venv/bin/python -m operator_cli no-such": "No such command",
    "python -m no_such_module": "no module",
    "curl -X DELETE $URL/api/migrations/m1": "no route",
    "curl $URL/api/migrations/m1?wiat=false": "wiat",
    "curl $URL/api/health/live?x=1": "no query",
    "curl -d '{}' $URL/api/migrations/m1/approve": "planHash",
    'curl -d \'{"mode": "plan", "target": {}}\' $URL/api/migrations': "exactly one",
    "curl --no-such x $URL/api/migrations": "unrecognized",
    "make no-such": "no-such",
    "az deployment sub create --template-file infra/no-such.bicep": "infra/no-such.bicep",
    "pip install ./no-such": "./no-such",
    "./infra/no-such.sh --option": "./infra/no-such.sh",
}


@pytest.mark.parametrize("line", WRONG)
def test_a_command_that_is_wrong_is_told(line: str) -> None:
    """By what is wrong with it."""
    [words] = split(line)
    assert WRONG[line] in problem_of(words)


def test_a_script_is_split_into_its_commands() -> None:
    """Comments, assignments, pipes, redirections, substitutions and lines that go on."""
    script = """
        export A=1  # a comment
        B=2 az one \\
          --to "$A" | jq . > out.json
        KEY=$(az two --name x) && curl -d '{"a":
          1}' "$URL"; make run
    """
    assert list(split(script)) == [
        ["az", "two", "--name", "x"],
        ["export", "A=1"],
        ["az", "one", "--to", "$A"],
        ["jq", "."],
        ["curl", "-d", '{"a":\n          1}', "$URL"],
        ["make", "run"],
    ]


# --- JSON


BLOCKS = [(path, block) for path, one in DOCUMENTS.items() for block in one.blocks if block.language.startswith("json")]


@pytest.mark.parametrize("text", [pytest.param(block.text, id=f"{path}:{block.line}") for path, block in BLOCKS])
def test_every_block_of_json_is_json(text: str) -> None:
    """And one that looks like a request is a request that the API takes."""
    found = json.loads(re.sub(r"(?m)^\s*//.*$", "", text))
    if {"mode", "target"} <= set(found):
        assert body_problem(text, MigrationRequest) == ""


# --- links


LINKS = [(path, link) for path, one in DOCUMENTS.items() for link in one.links]


@pytest.mark.parametrize("path, link", [pytest.param(*one, id=f"{one[0]}: {one[1]}") for one in LINKS])
def test_every_link_leads_somewhere(path: str, link: str) -> None:
    """To a file or folder of the repository and, in a document, to a heading; other sites are not asked."""
    assert leads_to(path, link)


def leads_to(path: str, link: str) -> bool:
    """Whether a link in a document of that path leads to something; other sites always do."""
    if re.match(r"(https|mailto):", link):
        return True
    target, _, anchor = link.partition("#")
    file = ((ROOT / path).parent / target).resolve() if target else ROOT / path
    if not file.exists():
        return False
    return not anchor or anchor in anchors_of(file)


@cache
def anchors_of(file: Path) -> frozenset[str]:
    """The headings of a document."""
    return document(file.name, file.read_text()).anchors


def test_a_link_that_leads_nowhere_is_told() -> None:
    """A missing file, a missing heading, a site without encryption; and GitHub's names of headings are known."""
    for link in ("no-such.md", "#no-such", "operations.md#no-such", "http://example.com"):
        assert not leads_to(OPERATIONS, link)
    text = "# What can't be `undone`\n\n## Again\n\n## Again\n"
    assert document("x.md", text).anchors == {"what-cant-be-undone", "again", "again-1"}


# --- names


def words_of(paths: Iterable[Path]) -> set[str]:
    """Every word in these files that a name may be, also as the wire spells it."""
    words = {word for path in paths for word in re.findall(r"[A-Za-z_]\w*", path.read_text())}
    return words | {re.sub(r"_([a-z])", lambda letter: letter[1].upper(), word) for word in words}


def sources() -> Iterable[Path]:
    """The files that make or configure the app and its tools, no documents among them."""
    tops = [path for path in ROOT.iterdir() if not path.name.startswith(".") and path.name not in NOT_SOURCES]
    files = [file for top in tops for file in ([top] if top.is_file() else top.rglob("*"))]
    wanted = {".py", ".bicep", ".json", ".kql", ".sh", ".ps1", ".toml", ".yaml", ".txt", ""}
    return [file for file in files if file.is_file() and file.suffix in wanted and "__pycache__" not in file.parts]


def is_name(code: str) -> bool:
    """Whether something in code font is a name that the code must know: not a plain word, which may be anything."""
    return bool(re.fullmatch(r"[A-Za-z_]\w*", code)) and (not code.islower() or "_" in code)


def test_every_name_is_one() -> None:
    """States, findings, settings, fields, functions: what is in code font as a name is somewhere in the code."""
    known = words_of(sources()) | AZURES
    unknown = {
        f"{path}: {code}" for path, one in DOCUMENTS.items() for code in one.code if is_name(code) and code not in known
    }
    assert unknown == set()


def test_every_path_is_one() -> None:
    """A path in code font that begins with one of the repository's folders is there."""
    tops = {path.name for path in ROOT.iterdir()}
    missing = [
        f"{path}: {code}"
        for path, one in DOCUMENTS.items()
        for code in one.code
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)*/?", code) and code.split("/")[0] in tops and not (ROOT / code).exists()
    ]
    assert missing == []


def test_a_name_that_is_not_there_is_told() -> None:
    """A setting that was dropped, a state that was renamed; a plain word is left alone."""
    one: Document = document("x.md", "`NO_SUCH_SETTING`, `Halfway`, `noSuchField`, `plan`, `a b`")
    assert [code for code in one.code if is_name(code)] == ["NO_SUCH_SETTING", "Halfway", "noSuchField"]
    assert not words_of(sources()) & {"NO_SUCH_SETTING", "Halfway", "noSuchField"}
