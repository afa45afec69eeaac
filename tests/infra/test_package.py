"""What is deployed: the app, all that it imports, and nothing else."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]

PACKAGES = ("activities", "clients", "migration", "orchestrations", "triggers")
MODULES = ("function_app.py", "settings.py")
DATA = ("clients/prices.json",)
FOR_THE_HOST = ("host.json", "requirements.txt")

LARGEST_PACKAGE = 1024 * 1024  # bytes before compression; what is larger has something in it that is not the app

LEFT_LYING = (
    ".azure/prod/.env",
    ".env",
    ".git/config",
    ".local/serve/state.json",
    ".venv/bin/python",
    ".vscode/settings.json",
    "__pycache__/function_app.cpython-312.pyc",
    "activities/__pycache__/change_policy.cpython-312.pyc",
    "backup_policy_migration.egg-info/PKG-INFO",
    "build/lib/settings.py",
    "local.settings.json",
    "node_modules/azurite/package.json",
)
"""What working with a clone leaves in it: secrets, environments and tools."""


def git(*arguments: str, at: Path, stdin: str = "") -> list[str]:
    """What git answers, a line each, untouched by the settings of whoever runs this, a hook of git's included."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    nobody = {**ours, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    answer = subprocess.run(
        ["git", "-c", "safe.directory=*", *arguments],  # whoever owns the clone
        cwd=at,
        env=nobody,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode in (0, 1), answer.stderr  # 1: check-ignore found nothing
    return answer.stdout.splitlines()


@pytest.fixture(scope="module")
def ignores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty repository whose .gitignore is .funcignore, so that git itself tells what the patterns mean."""
    folder = tmp_path_factory.mktemp("ignores")
    git("init", "--quiet", at=folder)
    (folder / ".gitignore").write_text((ROOT / ".funcignore").read_text())
    return folder


def deployed(paths: list[str], ignores: Path) -> set[str]:
    """Those of the paths that .funcignore lets through."""
    return set(paths) - set(git("check-ignore", "--stdin", "--no-index", at=ignores, stdin="\n".join(paths)))


@pytest.fixture(scope="module")
def package(ignores: Path) -> set[str]:
    """The files of this repository that are deployed."""
    return deployed(git("ls-files", "--cached", "--others", "--exclude-standard", at=ROOT), ignores)


def imported_by(file: Path) -> Iterator[str]:
    """Every module that a file imports; `from a import b` may mean a module a.b of ours."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)
            yield from (name for alias in node.names if files_of(name := f"{node.module}.{alias.name}"))


def files_of(module: str) -> list[Path]:
    """The file of a module of ours and of the packages it is in; none where it is not ours."""
    parts = module.split(".")
    packages = [ROOT.joinpath(*parts[:count], "__init__.py") for count in range(1, len(parts) + 1)]
    return [file for file in (*packages, ROOT.joinpath(*parts).with_suffix(".py")) if file.is_file()]


def origin_of(module: str) -> Path:
    """The file that an installed module comes from."""
    spec = find_spec(module)
    assert spec and spec.origin, module
    return Path(spec.origin).resolve()


def closure(start: Path) -> set[Path]:
    """A file of ours and all that it imports, directly or not."""
    found: set[Path] = set()
    waiting = [start]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += [imported for module in imported_by(file) for imported in files_of(module)]
    return found


def test_exactly_the_app_is_deployed(package: set[str]) -> None:
    """The packages and modules of the app, their data, and what the host reads."""
    of_packages = {file.relative_to(ROOT).as_posix() for folder in PACKAGES for file in (ROOT / folder).rglob("*.py")}
    assert package == of_packages | set(MODULES) | set(DATA) | set(FOR_THE_HOST)


def test_all_that_is_imported_is_deployed_and_nothing_else(package: set[str]) -> None:
    """Starting from function_app.py, the imports lead to every deployed module and to no other of ours."""
    imported = {file.relative_to(ROOT).as_posix() for file in closure(ROOT / "function_app.py")}
    assert imported == {path for path in package if path.endswith(".py")}


@pytest.mark.parametrize("path", DATA)
def test_deployed_data_is_read(path: str) -> None:
    """A file that is not code is named by the code next to it."""
    folder = (ROOT / path).parent
    assert any(f'"{Path(path).name}"' in file.read_text() for file in folder.glob("*.py"))


@pytest.mark.parametrize("path", LEFT_LYING)
def test_what_lies_around_is_not_deployed(path: str, ignores: Path) -> None:
    """Neither what git ignores nor a developer's secrets get into the package."""
    assert deployed([path], ignores) == set()


def test_the_package_is_small(package: set[str]) -> None:
    """A cold start unpacks it."""
    assert sum((ROOT / path).stat().st_size for path in package) < LARGEST_PACKAGE


def test_the_remote_build_installs_what_is_imported() -> None:
    """Each requirement is imported by deployed code, and each import beyond Python's own library is required."""
    lines = [line.partition("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    required = {Requirement(line).name for line in lines if line}
    owner = {Path(str(file.locate())).resolve(): name for name in required for file in distribution(name).files or ()}
    imported = {name for file in closure(ROOT / "function_app.py") for name in imported_by(file)}
    foreign = {
        name for name in imported if name.partition(".")[0] not in sys.stdlib_module_names and not files_of(name)
    }
    owners = {name: owner.get(origin_of(name)) for name in foreign}
    assert [name for name, by in owners.items() if by is None] == []
    assert set(owners.values()) == required
