"""What a migration came to, from its status document."""

from operator_cli.documents import Document
from operator_cli.exits import Exit

ENDED = frozenset({"Halted", "Completed", "Cancelled", "Rejected", "Failed"})
LEFT_BEHIND = frozenset({"Failed", "TimedOut", "Refused", "Drifted", "Cancelled", "Blocked"})


def has_ended(migration: Document) -> bool:
    """Whether nothing more will happen to the migration."""
    return migration.text("state") in ENDED or bool(migration.text("endedAt"))


def outcome_of(migration: Document) -> Exit:
    """The exit code for a migration that has ended."""
    if migration.text("state") != "Completed":
        return Exit.STOPPED
    left_behind = any(count for state, count in migration.counts("items").items() if state in LEFT_BEHIND)
    unread = any(vault.text("problem") for vault in migration.parts("vaults"))
    return Exit.INCOMPLETE if left_behind or unread else Exit.DONE
