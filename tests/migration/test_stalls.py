"""When a vault's controller counts as stuck."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from migration.records import MigrationState
from migration.stalls import TROUBLED_FOR, Stall, stall_of
from tests.builders import NOW, VAULT_KEY, a_migration, a_vault, ago

POLL_SECONDS = 300
STUCK = Stall(migration_id="m1", vault_key=VAULT_KEY, moved_at=ago(minutes=11))
TOLD = Stall(migration_id="m1", vault_key=VAULT_KEY, moved_at=ago(minutes=11), told=True)
BEFORE = Stall(migration_id="m1", vault_key=VAULT_KEY, moved_at=ago(days=1), told=True, etag="e")
AGAIN = Stall(migration_id="m1", vault_key=VAULT_KEY, moved_at=ago(minutes=11), etag="e")


RUNNING = a_migration(state=MigrationState.RUNNING, requested_at=ago(days=1), started_at=NOW)


def stall(known: Stall | None, started_at: datetime = NOW, **vault: Any) -> Stall | None:
    """How the stall of a vault stands now."""
    migration = msgspec.structs.replace(RUNNING, started_at=started_at)
    return stall_of(a_vault(**vault), known, migration, POLL_SECONDS, NOW)


@pytest.mark.parametrize(
    ("vault", "known", "expected"),
    [
        ({"checked_at": ago(minutes=10)}, None, None),
        ({"checked_at": ago(minutes=11)}, None, STUCK),
        ({"checked_at": ago(minutes=11)}, STUCK, TOLD),
        ({"checked_at": ago(minutes=11)}, BEFORE, AGAIN),
        ({"checked_at": ago(minutes=9)}, STUCK, None),
        ({"checked_at": ago(minutes=11), "finished": True}, STUCK, None),
        ({"checked_at": ago(minutes=11), "problem": "throttled for 3600 s"}, None, None),
    ],
)
def test_a_vault_is_stuck_when_nothing_looked_at_it_for_two_intervals(
    vault: dict[str, Any], known: Stall | None, expected: Stall | None
) -> None:
    """First it is found, then told, and a stall that ended in between is a new one."""
    assert stall(known, **vault) == expected


def test_what_was_told_is_not_told_again() -> None:
    """The same object: nothing is to be written."""
    assert stall(TOLD, checked_at=ago(minutes=11)) is TOLD


def test_the_first_look_is_awaited_from_the_start() -> None:
    """A vault that nobody has looked at yet moves since VMs began to, however long the plan took before that."""
    assert stall(None, started_at=ago(minutes=10)) is None
    found = stall(None, started_at=ago(minutes=11))
    assert found and found.moved_at == ago(minutes=11)


def test_a_service_that_keeps_saying_no_is_no_excuse_for_ever() -> None:
    """A controller that asks again and again would have got an answer by then."""
    long_ago = NOW - TROUBLED_FOR - timedelta(seconds=1)
    assert stall(None, checked_at=long_ago, problem="throttled for 3600 s")
