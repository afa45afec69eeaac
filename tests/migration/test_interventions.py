"""What people may do to a migration, and when."""

import pytest

from migration.interventions import KEPT, NotNow, cancel, change_limits, pause, resume
from migration.limits import LimitChanges
from migration.records import Control, MigrationRecord, MigrationState
from tests.builders import NOW, a_migration

STATE = MigrationState
RUNNING, PAUSED = a_migration(state=STATE.RUNNING), a_migration(state=STATE.PAUSED)
STOPPED = cancel(RUNNING, "ada", "", NOW, cancel_jobs=False)
ENDED = [STATE.COMPLETED, STATE.HALTED, STATE.CANCELLED, STATE.REJECTED, STATE.FAILED]


def latest(record: MigrationRecord) -> tuple[str, str, str]:
    """Who did what, and why."""
    last = record.interventions[-1]
    return last.by, last.what, last.comment


def test_a_pause_holds_and_a_resume_goes_on() -> None:
    """State and word are in the record; the vaults read what it means for them."""
    paused = pause(RUNNING, "ada", "lunch", NOW)
    resumed = resume(paused, "bob", "", NOW)
    assert (paused.state, paused.control, latest(paused)) == (STATE.PAUSED, Control.HOLD, ("ada", "pause", "lunch"))
    assert (resumed.state, resumed.control, latest(resumed)) == (STATE.RUNNING, Control.GO, ("bob", "resume", ""))
    assert len(resumed.interventions) == 2


def test_doing_it_twice_is_doing_it_once() -> None:
    """A repeated call changes nothing, so that a caller may repeat it."""
    assert pause(PAUSED, "ada", "", NOW) is PAUSED
    assert resume(RUNNING, "ada", "", NOW) is RUNNING
    assert cancel(STOPPED, "bob", "", NOW, cancel_jobs=False) is STOPPED


def test_a_cancelled_migration_runs_on_until_nothing_is_in_flight() -> None:
    """Its vaults stop; it is over when they are."""
    assert (STOPPED.state, STOPPED.control, latest(STOPPED)) == (STATE.RUNNING, Control.STOP, ("ada", "cancel", ""))
    assert cancel(PAUSED, "ada", "", NOW, cancel_jobs=False).control is Control.STOP
    for change in (pause, resume):
        with pytest.raises(NotNow, match="ada has cancelled"):
            change(STOPPED, "bob", "", NOW)


def test_jobs_may_still_be_cancelled_afterwards_but_never_spared() -> None:
    """A second cancel adds the jobs; a third can't take that back."""
    harder = cancel(STOPPED, "bob", "", NOW, cancel_jobs=True)
    assert harder.cancellation
    assert harder.cancellation.cancel_jobs
    assert cancel(harder, "eve", "", NOW, cancel_jobs=False) is harder


@pytest.mark.parametrize("state", [STATE.PLANNING, STATE.AWAITING_APPROVAL])
def test_before_it_runs_it_is_cancelled_at_once(state: MigrationState) -> None:
    """Nothing is in flight that could have to be waited for."""
    cancelled = cancel(a_migration(state=state), "ada", "", NOW, cancel_jobs=False)
    assert (cancelled.state, cancelled.problem, cancelled.ended_at) == (STATE.CANCELLED, "cancelled by ada", NOW)


@pytest.mark.parametrize("state", [STATE.PLANNING, STATE.AWAITING_APPROVAL, *ENDED])
def test_only_what_runs_can_be_paused(state: MigrationState) -> None:
    """The refusal names the state."""
    for change in (pause, resume):
        with pytest.raises(NotNow, match=state):
            change(a_migration(state=state), "ada", "", NOW)


@pytest.mark.parametrize("state", ENDED)
def test_what_has_ended_stays_as_it_is(state: MigrationState) -> None:
    """Neither cancelled nor limited any more."""
    with pytest.raises(NotNow, match=state):
        cancel(a_migration(state=state), "ada", "", NOW, cancel_jobs=True)
    with pytest.raises(NotNow, match=state):
        change_limits(a_migration(state=state), LimitChanges(), "ada", "", NOW)


def test_new_limits_are_in_force_and_noted() -> None:
    """What was changed is in the list of interventions, what is in force in the record."""
    changes = LimitChanges(max_concurrent=3)
    record = change_limits(PAUSED, changes, "ada", "slower", NOW)
    assert (record.limits.max_concurrent, record.limits.poll_seconds) == (3, PAUSED.limits.poll_seconds)
    assert record.interventions[-1].limits == changes
    assert record.state is STATE.PAUSED


def test_the_list_of_interventions_does_not_grow_for_ever() -> None:
    """The row has a size; the latest ones are kept."""
    record = RUNNING
    for n in range(KEPT + 3):
        record = change_limits(record, LimitChanges(poll_seconds=n + 1), f"n{n}", "", NOW)
    assert [one.by for one in record.interventions] == [f"n{n}" for n in range(3, KEPT + 3)]
