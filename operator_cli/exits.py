"""How the program ends. Scripts rely on these numbers, so this table, --help and the README say the same."""

from collections.abc import Mapping
from enum import IntEnum


class Exit(IntEnum):
    """An exit code."""

    DONE = 0
    INCOMPLETE = 1
    USAGE = 2
    NOT_FOUND = 3
    REFUSED = 4
    SERVER = 5
    STOPPED = 6
    NOT_CONFIRMED = 7
    INTERRUPTED = 130


MEANINGS: Mapping[Exit, str] = {
    Exit.DONE: "done; of a migration that was waited for: it is Completed and no VM was left behind",
    Exit.INCOMPLETE: "waited for: Completed, but VMs are blocked or did not come through",
    Exit.USAGE: "the command, its options or a file are not right",
    Exit.NOT_FOUND: "the server knows no such migration or VM",
    Exit.REFUSED: "the server refused: not valid, not now, not that plan, or not you",
    Exit.SERVER: "the server can't be reached, does not answer, is in trouble or is not ready",
    Exit.STOPPED: "waited for: it ended as Halted, Cancelled, Rejected or Failed",
    Exit.NOT_CONFIRMED: "you were asked and did not say yes; nothing was sent",
    Exit.INTERRUPTED: "interrupted; a migration that was watched goes on, and a question that was left sent nothing",
}
