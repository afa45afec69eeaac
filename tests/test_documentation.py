"""The documentation is true: what README, docstrings and examples name exists, and what exists is named."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from migration.limits import Limits
from migration.records import ItemState
from migration.request import MigrationRequest, problems_of
from settings import SETTINGS, Settings
from tests.whole.conftest import function_app
from triggers.http import ROUTES

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading."""
    section = README.partition(f"## {heading}\n")[2]
    lines = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert lines, heading
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[0].splitlines()[2:]]


def kind(trigger: str) -> str:
    """A trigger's name as bindings spell it."""
    return trigger.replace(" ", "").lower()


def test_every_command_is_one() -> None:
    """Each `make` target that the README names is in the Makefile, and each target is named."""
    named = set(re.findall(r"make (\w+)", README))
    targets = set(re.findall(r"^(\w+):", MAKEFILE, re.MULTILINE)) - {"clean", "check", "install"}
    assert named == targets


def test_the_settings_table_is_the_table_in_the_code() -> None:
    """Name, default and meaning of every setting, in the code's order."""
    shown = [tuple(row) for row in rows("Settings")]
    assert shown == [
        (f"`{setting.name}`", f"`{setting.default}`" if setting.default else "", setting.meaning)
        for setting in SETTINGS
    ]


def test_the_api_table_names_every_route() -> None:
    """The README's calls are the app's routes, in their order."""
    assert [row[0] for row in rows("The API")] == [f"`{route.method} /api/{route.path}`" for route in ROUTES]


def test_the_functions_table_and_the_docstring_name_every_function() -> None:
    """What is registered is what README and function_app's docstring list, by trigger."""
    functions: dict[str, str] = {}
    app = function_app.df.DFApp()
    function_app.register(app, function_app.clients, function_app.settings)
    for function in app.get_functions():
        trigger: Any = function.get_trigger()
        functions[str(function.get_function_name())] = trigger.type.removesuffix("Trigger").lower()
    readme = {name: kind(row[1]) for row in rows("The functions") for name in re.findall(r"`(\w+)`", row[0])}
    docstring = {
        name: kind(trigger)
        for name, trigger in re.findall(
            r"^ *(\w+) +(HTTP|Event Grid|timer|orchestration|activity)", str(function_app.__doc__), re.M
        )
    }
    assert readme == docstring == functions


def test_every_state_of_a_vm_is_explained() -> None:
    """Nothing in an answer is left to be guessed."""
    explained = set(re.findall(r"^\| (`.+?) \|", README.partition("| State of a VM")[2], re.M))
    names = {name for cell in explained for name in re.findall(r"`(\w+)`", cell)}
    assert names >= {state.value for state in ItemState}


def test_the_example_request_is_valid_and_shows_the_defaults() -> None:
    """What the README says may be sent may be sent, and its optional part is what the code assumes."""
    [example] = re.findall(r"```json\n(.+?)```", README, re.DOTALL)
    request = msgspec.json.decode(example, type=MigrationRequest)
    assert problems_of(request) == []
    body = json.loads(example)
    least = {name: body[name] for name in ("id", "mode", "vaults", "target", "acknowledgeIrreversible")}
    optional = msgspec.convert(least, MigrationRequest)
    assert msgspec.structs.replace(optional, limits=request.limits) == request
    assert request.limits.applied_to(Limits()) == Limits()
    assert set(body["limits"]) == set(msgspec.to_builtins(Limits()))


def test_the_example_settings_start_the_app() -> None:
    """local.settings.example.json holds settings the app accepts."""
    values = json.loads((ROOT / "local.settings.example.json").read_text())["Values"]
    assert Settings.from_env(values)
    assert values["AZURE_FUNCTIONS_DURABLE_STRICT_TYPING"] == "1"


@pytest.mark.parametrize("folder", re.findall(r"^\| `(\w+)/` \|", README, re.M))
def test_every_folder_named_is_there(folder: str) -> None:
    """The README's map matches the ground."""
    assert (ROOT / folder).is_dir()
