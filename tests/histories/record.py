"""``python -m tests.histories.record``: make every recording of the table anew, and say what changed.

Tells of each replaced recording whether migrations recorded like it could still be finished by the present code.
"""

import sys
import warnings
from pathlib import Path

from tests.histories.engine import recorded
from tests.histories.recordings import FOLDER, read, text_of
from tests.histories.replay import differences, present_orchestrations
from tests.histories.situations import SITUATIONS, Situation


def record(situation: Situation, folder: Path) -> str:
    """Write the recording of a situation; answers in a few lines what came of it, "" where it is as it was."""
    path = folder / f"{situation.name}.json"
    present = present_orchestrations()
    text = text_of(recorded(situation, present))
    if not path.exists():
        path.write_text(text)
        return f"{path.name}: new"
    if path.read_text() == text:
        return ""
    found = differences(read(path), present)
    path.write_text(text)
    return "\n".join([f"{path.name}: replaced", *found])


def main() -> None:
    """Record all of the table."""
    # The SDK's word for an event that came before its orchestration waited for it, which a nudge may.
    warnings.filterwarnings("ignore", "Potential duplicate Task completion")
    for situation in SITUATIONS:
        if told := record(situation, FOLDER):
            sys.stdout.write(f"{told}\n")


if __name__ == "__main__":
    main()
