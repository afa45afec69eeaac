"""What running migrations have been through, the present code decides again; and the recordings are whole."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import orchestrations
from tests.histories.engine import recorded
from tests.histories.record import record
from tests.histories.recordings import FOLDER, read, text_of
from tests.histories.replay import BREAKS, differences, present_orchestrations
from tests.histories.situations import SITUATIONS, WAITING, Situation

RECORDINGS = sorted(FOLDER.glob("*.json"))
SOURCES = sorted(Path(orchestrations.__path__[0]).glob("*.py"))
RECORD = "python -m tests.histories.record (when to: tests/histories/__init__.py)"


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_the_present_code_replays_what_was_recorded(path: Path) -> None:
    """A migration that was upgraded while it ran goes on as it would have: same actions, same order, same inputs."""
    found = differences(read(path), present_orchestrations())
    if "@" in path.stem:  # kept of a version in use: its migrations must be finished, not told of in the same words
        found = [text for text in found if text.startswith(BREAKS)]
    assert not found, "\n\n".join(found)


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_the_recording_is_what_the_table_says(situation: Situation) -> None:
    """A row that was changed is recorded anew, and recording it again changes nothing."""
    path = FOLDER / f"{situation.name}.json"
    assert path.exists(), f"not recorded yet: {RECORD}"
    assert text_of(recorded(situation, present_orchestrations())) == path.read_text(), f"not as recorded: {RECORD}"


def test_every_recording_has_its_row() -> None:
    """A recording that no row makes is one that nobody renews; only those kept of a version in use need none."""
    names = [situation.name for situation in SITUATIONS]
    assert sorted(names) == [path.stem for path in RECORDINGS if "@" not in path.stem]


def test_the_recordings_pass_through_every_statement_of_the_orchestrations() -> None:
    """A path that no recording takes could be changed under a running migration without anybody noticing."""
    present = present_orchestrations()
    seen: set[tuple[str, int]] = set()
    sources = {str(path) for path in SOURCES}

    def note(frame: FrameType, _event: str, _argument: Any) -> Any:
        if frame.f_code.co_filename not in sources:
            return None
        seen.add((frame.f_code.co_filename, frame.f_lineno))
        return note

    before = sys.gettrace()
    sys.settrace(note)
    try:
        for path in RECORDINGS:
            differences(read(path), present)
    finally:
        sys.settrace(before)

    missed = [
        f"{path.name}:{statement.lineno}: {ast.unparse(statement)}"
        for path in SOURCES
        for statement in steps_of(path)
        if not any(
            (str(path), line) in seen
            for line in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
        )
    ]
    assert not missed, "no situation comes through here:\n" + "\n".join(missed)


def test_recording_anew_tells_what_it_replaces(tmp_path: Path) -> None:
    """Whoever replaces a recording hears what that means for migrations that were recorded like it."""
    situation = SITUATIONS[0]
    path = tmp_path / f"{situation.name}.json"

    assert record(situation, tmp_path) == f"{path.name}: new"
    assert record(situation, tmp_path) == ""
    path.write_text(path.read_text().replace('"advance_migration"', '"count"'))
    told = record(situation, tmp_path)

    assert told.startswith(f"{path.name}: replaced\n{BREAKS}")
    assert '"count"' in told
    assert record(situation, tmp_path) == ""


def test_what_the_engine_refuses_is_not_recorded() -> None:
    """A name that the app does not have is told at once, not written down as an instance that failed."""
    present = present_orchestrations()
    del present["migrate_vault"]
    several_vaults = next(situation for situation in SITUATIONS if situation.name == "migrate_several_vaults")
    with pytest.raises(RuntimeError, match="'migrate_vault' doesn't exist"):
        recorded(several_vaults, present)


def test_what_does_not_end_is_not_recorded() -> None:
    """A row whose answers never let the orchestration end is told, not run for ever."""
    with pytest.raises(RuntimeError, match="does not come to an end"):
        recorded(replace(SITUATIONS[0], answers={"advance_migration": [WAITING]}), present_orchestrations())


def steps_of(path: Path) -> Iterator[ast.stmt]:
    """Every statement in a function that has no others inside it, docstrings apart."""
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.stmt) and not hasattr(node, "body") and not is_text(node):
                    yield node


def is_text(statement: ast.stmt) -> bool:
    """Whether a statement is only a text, such as a docstring."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
