"""The `az` commands of the documents and hooks, held against the help of the Azure CLI. Nothing is sent."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documents.commands import commands, split
from tests.documents.markdown import documents
from tests.third_party.azure import CLIENTS, ROOT
from tests.third_party.programs import run

HOOKS = sorted((ROOT / "infra" / "hooks").glob("*.sh"))
AZ_LINE = re.compile(r"^ *(?:while ! )?(az (?:.*\\\n)*.*)$", re.MULTILINE)


def az_commands() -> Iterator[list[str]]:
    """Every az command that a person is told to run, or that a hook runs, as its words."""
    lines = [line for hook in HOOKS for line in AZ_LINE.findall(hook.read_text())]
    for found in (*map(commands, documents()), *map(split, lines)):
        yield from (words for words in found if words[0] == "az" and len(words) > 1)


def parts(words: list[str]) -> tuple[str, frozenset[str]]:
    """A command's own words, and the names of its options."""
    first = next((place for place, word in enumerate(words) if word.startswith("-")), len(words))
    return " ".join(words[:first]), frozenset(word for word in words if re.fullmatch(r"--?[a-z][a-z-]*", word))


COMMANDS = sorted({parts(words) for words in az_commands()}, key=lambda command: (command[0], sorted(command[1])))


async def problem_of(command: str, options: frozenset[str], home: Path) -> str:
    """What is wrong with a command by its help: unknown, unknown options, or a required one that is not there."""
    ended = await run([*command.split(), "--help"], {"AZURE_CORE_COLLECT_TELEMETRY": "no"}, home)
    if ended.code:
        return f"there is no {command}"
    unknown = options - set(ended.out.split())
    if unknown:
        return f"{command} has no {', '.join(sorted(unknown))}"
    required = [names.split() for names in re.findall(r"^ +((?:-\S+ +)+)\[Required\]", ended.out, re.MULTILINE)]
    missing = [names[0] for names in required if not options & set(names)]
    return f"{command} needs {', '.join(missing)}" if missing else ""


@pytest.fixture(autouse=True)
def installed() -> None:
    """Say what is missing, where the Azure CLI is."""
    if not CLIENTS.exists():
        pytest.fail("The clients are not installed: `make third-party` installs them.")


@pytest.mark.parametrize(("command", "options"), COMMANDS, ids=lambda part: part if isinstance(part, str) else "")
async def test_az_takes_the_command(command: str, options: frozenset[str], home: Path) -> None:
    """The command is one, its options are its own, and none that it needs is left out."""
    assert await problem_of(command, options, home) == ""


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("az functionapp key set", "there is no az functionapp key set"),
        ("az group delete --nam rg", "az group delete has no --nam"),
        ("az group delete --yes", "az group delete needs --name"),
    ],
)
async def test_a_command_that_is_wrong_is_told(line: str, problem: str, home: Path) -> None:
    """A misspelt command or option, and one that is forgotten."""
    [words] = split(line)
    assert await problem_of(*parts(words), home) == problem
