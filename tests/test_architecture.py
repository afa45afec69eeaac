"""Who may import whom. The table is the documentation; the code is held to it."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "migration": ("msgspec",),
    "settings": ("migration", "msgspec"),
    "orchestrations": ("migration", "azure.durable_functions", "msgspec"),
    "clients": ("migration", "aiohttp", "azure.core", "azure.mgmt", "azure.data", "azure.eventgrid", "msgspec"),
    "activities": ("migration", "clients", "msgspec"),
    "triggers": (
        "migration",
        "clients",
        "settings",
        "azure.functions",
        "azure.durable_functions",
        "azure.core",
        "msgspec",
    ),
    "function_app": (
        "activities",
        "clients",
        "migration",
        "orchestrations",
        "settings",
        "triggers",
        "azure.functions",
        "azure.durable_functions",
        "azure.identity",
        "msgspec",
    ),
}
"""Beyond the standard library and itself. `migration` above all: pure, so that its rules can be trusted."""

APART = ("simulator", "local_host", "local_stack", "operator_cli")
"""Development tools. They know the app by its HTTP, its settings or its app object, so they can't share its bugs."""


def files_of(package: str) -> list[Path]:
    """The Python files of a package, or the module itself."""
    module = ROOT / f"{package}.py"
    return [module] if module.exists() else sorted((ROOT / package).rglob("*.py"))


def imports_of(file: Path) -> Iterator[str]:
    """Every module a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            yield str(node.module)


def within(module: str, allowed: tuple[str, ...]) -> bool:
    """Whether a module is one of the allowed ones or inside one."""
    return any(module == name or module.startswith(f"{name}.") for name in allowed)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_nobody_imports_more_than_the_table_allows(package: str) -> None:
    """Each package reaches for what its row names, the standard library and itself."""
    files = files_of(package)
    assert files
    for file in files:
        for module in imports_of(file):
            known = module.partition(".")[0] in sys.stdlib_module_names
            assert known or within(module, (*MAY_IMPORT[package], package)), f"{file.name} imports {module}"


@pytest.mark.parametrize("package", APART)
def test_the_tools_know_nothing_of_the_apps_inside(package: str) -> None:
    """A simulator that shared code with the app would share its mistakes."""
    files = files_of(package)
    assert files
    for file in files:
        for module in imports_of(file):
            assert not within(module, tuple(MAY_IMPORT)), f"{file.name} imports {module}"


def test_the_core_touches_neither_files_nor_network_nor_clock() -> None:
    """Pure means pure: none of the standard library's ways out either."""
    ways_out = ("asyncio", "io", "logging", "os", "pathlib", "random", "socket", "subprocess", "sys", "time", "urllib")
    for file in files_of("migration"):
        for module in imports_of(file):
            assert not within(module, ways_out), f"{file.name} imports {module}"


def test_only_the_composition_root_sees_the_environment() -> None:
    """os.environ is handed to Settings.from_env once, in function_app."""
    for package in MAY_IMPORT:
        for file in files_of(package):
            if "os.environ" in file.read_text():
                assert package == "function_app", f"{file} reads the environment"
