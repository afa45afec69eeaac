"""The commands in a document, and what is wrong with each, as far as that shows without running it."""

import argparse
import inspect
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from importlib.util import find_spec
from typing import Any, NoReturn
from urllib.parse import parse_qsl, urlsplit

import msgspec
import typer
from typer._click.exceptions import UsageError

from migration.limits import LimitChanges
from migration.request import MigrationRequest, problems_of
from operator_cli.program import COMMANDS, app
from operator_cli.trouble import Trouble
from tests.builders import SUBSCRIPTION, VAULT, vm_id
from tests.documents.markdown import ROOT, Document
from triggers.http import ROUTES
from triggers.route import Route

SHELLS = ("sh", "bash", "shell", "console")
MAKEFILE = (ROOT / "Makefile").read_text()
PROGRAM: Any = typer.main.get_command(app)

VARIABLES: Mapping[str, str] = {"SUBSCRIPTION": SUBSCRIPTION, "VAULT": VAULT, "VM": vm_id(), "HASH": 64 * "0"}
"""What a variable of the shell stands for in the examples; one that is not here stands for a word."""

FILES = re.compile(r"@?(?:\./)?([\w.-]+(?:/[\w.-]+)*\.(?:bicep|bicepparam|json|sh|ps1|yaml|toml|kql|md|txt))")


def commands(document: Document) -> Iterator[list[str]]:
    """Every command in a document, as its words: those of its shell blocks, and those in code font in its text."""
    for block in document.blocks:
        if block.language in SHELLS:
            yield from split(block.text)
    for code in document.code:
        if " " in code and code.split()[0] in CHECKS:
            yield from split(code)


def split(script: str) -> Iterator[list[str]]:
    """The commands of a script, substitutions included; redirections and assignments are left out."""
    script = re.sub(r"(?m)(^|\s)#.*$", "", script.replace("\\\n", " "))
    for inner in re.findall(r"\$\(([^()]*)\)", script):
        yield from split(inner)
    lexer = shlex.shlex(re.sub(r"\$\([^()]*\)", "WORD", script), posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
    words: list[str] = []
    redirects = False
    for word in [*lexer, "\n"]:
        if redirects or word.startswith((">", "<")):
            redirects = not redirects
        elif set(word) <= set("();|&\n"):
            if words:
                yield words
            words = []
        elif words or not re.fullmatch(r"\w+=.*", word, re.DOTALL):
            words.append(word)


def problem_of(words: list[str]) -> str:
    """What is wrong with a command; empty where nothing is, or where nobody here knows its program."""
    if words[0].startswith("./"):
        return _names_files(words)
    check = CHECKS.get(words[0])
    return check([_filled_in(word) for word in words[1:]]) if check else ""


def _filled_in(word: str) -> str:
    return re.sub(r"\$\{?(\w+)\}?", lambda variable: VARIABLES.get(variable[1], "word"), word)


# --- each program


def _backup_migrate(words: list[str]) -> str:
    """Parsed by the program's own parser; what its options stand for is made, and nothing is sent."""
    try:
        with PROGRAM.make_context("backup-migrate", list(words)) as context:
            name, command, rest = PROGRAM.resolve_command(context, [*context._protected_args, *context.args])
            with command.make_context(name, rest, parent=context) as inner:
                return _asks_for(name, inner.params)
    except typer.Exit:
        return ""  # --help, --version
    except UsageError as error:
        return error.format_message()
    except Trouble as error:
        return str(error)


def _asks_for(name: str, options: Mapping[str, Any]) -> str:
    [row] = [row for row in COMMANDS if row.name == name]
    made = {
        what: make(**{option: options[option] for option in inspect.signature(make).parameters})
        for what, make in row.parts.items()
    }
    try:
        msgspec.convert(made.get("limits", {}), LimitChanges)
        if "wish" in made and not (options.get("file") or options.get("of")):
            msgspec.convert({"mode": "plan", **made["wish"].request()}, MigrationRequest)
    except msgspec.ValidationError as error:
        return str(error)
    return ""


class _Words(argparse.ArgumentParser):
    """A parser that leaves the process alone. Raises ValueError for words that it does not take."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


CURL = _Words(add_help=False, allow_abbrev=False)
CURL.add_argument("-X", "--request")
CURL.add_argument("-d", "--data", "--data-raw", "--data-binary", "--json", dest="body")
for pair in (("-H", "--header"), ("-o", "--output"), ("-u", "--user"), ("-w", "--write-out")):
    CURL.add_argument(*pair, action="append")
CURL.add_argument("--cacert")
for pair in (("-s", "--silent"), ("-S", "--show-error"), ("-f", "--fail"), ("-i", "--include"), ("-L", "--location")):
    CURL.add_argument(*pair, action="store_true")
CURL.add_argument("url")


def _curl(words: list[str]) -> str:
    """A call of the API is one of its routes, with a query and a body that the route takes; others are not judged."""
    try:
        call = CURL.parse_args(words)
    except ValueError as error:
        return str(error)
    url = urlsplit(call.url)
    path = url.path.partition("/api/")[2]
    if not path:
        return ""
    method = call.request or ("POST" if call.body is not None else "GET")
    route = next((route for route in ROUTES if route.method == method and _pattern(route).fullmatch(path)), None)
    if route is None:
        return f"{method} /api/{path} is no route"
    return _query_problem(route, url.query) or _body_problem(route, call.body)


def _pattern(route: Route) -> re.Pattern[str]:
    literal = re.escape(route.path).replace(r"\{", "{").replace(r"\}", "}").replace(r"\*", "*")
    return re.compile(re.sub(r"{\w+}", "[^/]+", re.sub(r"{\*\w+}", ".+", literal)))


def _query_problem(route: Route, query: str) -> str:
    sent = dict(parse_qsl(query))
    if not sent:
        return ""
    if route.query is None:
        return f"/api/{route.path} takes no query"
    try:
        msgspec.convert(sent, route.query, strict=False)
    except msgspec.ValidationError as error:
        return str(error)
    return ""


def _body_problem(route: Route, body: str | None) -> str:
    if body is None or body.startswith("@"):
        return ""
    return body_problem(body, route.body) if route.body else f"/api/{route.path} takes no body"


def body_problem(body: str, kind: type[Any]) -> str:
    """What is wrong with a body of the API as a value of that kind; empty where nothing is."""
    try:
        value = msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        return str(error)
    return "; ".join(problem.message for problem in problems_of(value)) if kind is MigrationRequest else ""


def _make(words: list[str]) -> str:
    targets = [target.replace("%", "*") for target in re.findall(r"^([\w%-]+):", MAKEFILE, re.MULTILINE)]
    unknown = [word for word in words if "=" not in word and not any(fnmatchcase(word, name) for name in targets)]
    return f"the Makefile has no {', '.join(unknown)}" if unknown else ""


def _python(words: list[str]) -> str:
    module = words[words.index("-m") + 1] if "-m" in words[:-1] else ""
    if module == "operator_cli":
        return _backup_migrate(words[words.index("-m") + 2 :])
    return f"there is no module {module}" if module and find_spec(module) is None else ""


def _names_files(words: list[str]) -> str:
    """The files and folders of this repository that a program is given, or that it is, are there."""
    named = [found[1] for word in words if (found := FILES.fullmatch(word.rpartition("=")[2]))]
    named += [word for word in words if word.startswith("./")]
    missing = [name for name in named if not (ROOT / name).exists()]
    return f"there is no {', '.join(missing)}" if missing else ""


CHECKS: Mapping[str, Callable[[list[str]], str]] = {
    "backup-migrate": _backup_migrate,
    "curl": _curl,
    "make": _make,
    "python": _python,
    ".venv/bin/python": _python,
    "az": _names_files,
    "azd": _names_files,
    "func": _names_files,
    "pip": _names_files,
    "sh": _names_files,
    "pwsh": _names_files,
}
"""By program, what is asked of its words."""
