"""Numbers that add up, an end that can be believed, and one true sentence for the operator."""

from typing import Any

import pytest

from migration.progress import next_action, progress
from migration.records import Cancellation, Decision, MigrationRecord, MigrationState, VaultRecord
from tests.builders import NOW, a_migration, a_request, a_vault, ago

STATE = MigrationState
YES = Decision(approved=True, plan_hash="p", approver="ada", comment="", decided_at=NOW)
STOP = Cancellation(by="ada", cancel_jobs=False, at=NOW)


def moving(state: MigrationState = STATE.RUNNING, **changes: Any) -> MigrationRecord:
    """A migration of ten VMs that began two hours ago."""
    return a_migration(**{"state": state, "planned": 10, "started_at": ago(hours=2), **changes})


def vaults(*counts: dict[str, int], **changes: Any) -> list[VaultRecord]:
    """A vault for each of these counts."""
    return [a_vault(counts=one, **changes) for one in counts]


def test_the_numbers_add_up_over_all_vaults() -> None:
    """What is planned is done, in flight or waiting; the pace counts jobs that ended, not VMs that drifted."""
    now = progress(
        moving(), vaults({"Migrated": 3, "Migrating": 1, "Planned": 2}, {"Failed": 1, "Drifted": 1, "Starting": 2}), NOW
    )
    assert (now.planned, now.done, now.in_flight, now.waiting, now.percent) == (10, 5, 3, 2, 50)
    assert now.vms_per_hour == 2.0
    assert now.estimated_end == ago(hours=-2.5)


QUIET: dict[str, tuple[MigrationRecord, list[VaultRecord]]] = {
    "nothing has ended yet": (moving(), vaults({"Migrating": 3, "Planned": 7})),
    "it was cancelled": (moving(cancellation=STOP), vaults({"Migrated": 3, "Migrating": 1, "Cancelled": 6})),
    "it is being halted": (moving(), vaults({"Failed": 5, "Migrating": 1, "Cancelled": 4}, halted="5 VMs failed")),
    "it has ended": (moving(STATE.COMPLETED, ended_at=NOW), vaults({"Migrated": 10})),
    "it has not begun": (a_migration(state=STATE.AWAITING_APPROVAL, planned=10), vaults({"Planned": 10})),
}


@pytest.mark.parametrize("case", QUIET)
def test_an_end_is_estimated_only_where_the_pace_tells_of_it(case: str) -> None:
    """No number is better than a wrong one."""
    now = progress(*QUIET[case], NOW)
    assert (now.vms_per_hour, now.estimated_end) == (None, None)


@pytest.mark.parametrize("state", [STATE.REJECTED, STATE.CANCELLED, STATE.FAILED])
def test_what_never_began_has_done_nothing(state: MigrationState) -> None:
    """And nothing of it waits, although its plan is kept."""
    ended = a_migration(state=state, planned=10, ended_at=NOW)
    now = progress(ended, vaults({"Planned": 10}), NOW)
    assert (now.planned, now.done, now.waiting, now.percent) == (10, 0, 0, 0)


ACTIONS: dict[str, tuple[MigrationRecord, list[VaultRecord], str]] = {
    "planning": (a_migration(), [], "Wait: the vaults are being read."),
    "to be approved": (
        a_migration(state=STATE.AWAITING_APPROVAL, approval_deadline=NOW),
        [],
        "approve its hash or reject it, before 2026-11-02 08:00 UTC.",
    ),
    "just approved": (a_migration(state=STATE.AWAITING_APPROVAL, decision=YES), [], "decision is being carried out"),
    "running": (moving(), vaults({"Migrating": 1}), "Nothing: VMs are moving."),
    "running, one vault in trouble": (moving(), vaults({}, problem="403"), "Look at the 1 vaults"),
    "paused": (moving(STATE.PAUSED), vaults({"Migrating": 2}), "Resume it when VMs may start again; 2 in flight"),
    "cancelled, jobs run": (moving(cancellation=STOP), vaults({"Migrating": 2}), "Wait: 2 VMs in flight"),
    "halting": (moving(), vaults({"Migrating": 2}, halted="5"), "Too many VMs failed. Wait: 2 VMs in flight"),
    "halted": (moving(STATE.HALTED), vaults({"Failed": 5}, halted="5"), "mend that, then retry"),
    "all moved": (moving(STATE.COMPLETED), vaults({"Migrated": 10}), "Nothing."),
    "some did not": (moving(STATE.COMPLETED), vaults({"Migrated": 9, "Drifted": 1}), "then retry them"),
    "one was blocked on the way": (moving(STATE.COMPLETED), vaults({"Migrated": 9, "Blocked": 1}), "did not come"),
    "a plan": (
        a_migration(state=STATE.COMPLETED, planned=3, request=a_request(mode="plan")),
        vaults({"Planned": 3}),
        "start a migration with mode 'migrate'",
    ),
    "a plan of nothing": (a_migration(state=STATE.COMPLETED, request=a_request(mode="plan")), [], "Nothing."),
    "rejected": (a_migration(state=STATE.REJECTED), [], "a plan to agree on"),
    "failed": (a_migration(state=STATE.FAILED), [], "Read the problem"),
    "cancelled": (a_migration(state=STATE.CANCELLED), [], "Start a new migration"),
}


@pytest.mark.parametrize("case", ACTIONS)
def test_the_next_action_is_what_an_operator_would_do(case: str) -> None:
    """In every state, and in what a state alone does not tell."""
    record, theirs, expected = ACTIONS[case]
    assert expected in next_action(record, theirs)


def test_every_state_has_its_next_action() -> None:
    """None is left to be guessed."""
    assert {record.state for record, _, _ in ACTIONS.values()} == set(MigrationState)
