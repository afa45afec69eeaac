"""The package stands by itself, and what README and --help say of it is true."""

import ast
import re
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from operator_cli import __version__
from operator_cli.exits import MEANINGS, Exit
from operator_cli.program import COMMANDS
from tests.operator_cli.conftest import run_at

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "operator_cli"
PROJECT = tomllib.loads((FOLDER / "pyproject.toml").read_text())
SECTION = (ROOT / "README.md").read_text().partition("## The command line\n")[2].partition("\n## ")[0]


def test_it_imports_nothing_that_is_not_installed_with_it() -> None:
    """Operators have no clone of the app: the standard library, the declared dependencies and itself."""
    declared = {re.split(r"[<>=~]", one)[0] for one in PROJECT["project"]["dependencies"]}
    files = sorted(FOLDER.glob("*.py"))
    assert files
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            for name in (name.partition(".")[0] for name in names):
                assert name in {*sys.stdlib_module_names, *declared, "operator_cli"}, f"{file.name} imports {name}"


def test_the_installed_script_is_the_program() -> None:
    """`backup-migrate` leads to a function that is there."""
    module, _, name = PROJECT["project"]["scripts"]["backup-migrate"].partition(":")
    assert callable(getattr(import_module(module), name))


def test_it_is_not_deployed_with_the_app() -> None:
    """The function app has no use for it."""
    assert "operator_cli/" in (ROOT / ".funcignore").read_text().splitlines()


def test_the_readme_lists_every_exit_code() -> None:
    """Number and meaning, in the order of the table in the code."""
    rows = re.findall(r"^\| (\d+) \| (.+?) \|$", SECTION, re.MULTILINE)
    assert rows == [(str(code.value), meaning) for code, meaning in MEANINGS.items()]
    assert set(MEANINGS) == set(Exit)


def test_the_readme_names_every_command() -> None:
    """And none that is not there."""
    assert set(re.findall(r"backup-migrate (\w+)", SECTION)) == {row.name for row in COMMANDS}


@pytest.mark.parametrize("words", [[], *([row.name] for row in COMMANDS)])
async def test_every_command_has_help(words: list[str]) -> None:
    """Without a server: what it does, and for the program itself the exit codes."""
    result = await run_at("", *words, "--help")
    text = " ".join(result.stdout.split())
    assert result.exit_code == 0
    assert all(meaning in text for meaning in MEANINGS.values()) == (not words)
    assert "--json" in text and "--url" in text


async def test_the_version_is_the_packages() -> None:
    """What the packaging reads is what the program says."""
    assert (await run_at("", "--version")).stdout.strip() == __version__
