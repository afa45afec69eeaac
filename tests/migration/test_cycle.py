"""The controller's decision, case by case and as properties that hold for any vault."""

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from itertools import accumulate, pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration.cycle import (
    MAX_TRIES,
    STARTS_PER_CYCLE,
    VAULT_UNREADABLE,
    Cycle,
    Observation,
    Rest,
    Terms,
    could_start,
    give_up,
    next_cycle,
    observed_since,
    share_of,
    silent,
    to_verify,
    unexplained,
    unseen,
    worth_a_look,
)
from migration.limits import Limits, Share, together
from migration.model import Job, JobError, OperationOutcome, PolicyType, ProtectedItem
from migration.records import IN_FLIGHT, ITEM_TRANSITIONS, Control, ItemRecord, ItemState, Tally
from tests.builders import ENHANCED, NOW, a_job, a_record, ago, an_item

MIGRATED_ITEM = an_item(policy_id=ENHANCED.upper(), policy_type=PolicyType.ENHANCED)
DONE = a_job(status="Completed", ended_at=ago(minutes=1))


def decide(
    records: list[ItemRecord],
    jobs: list[Job] | None = None,
    item: ProtectedItem | None = None,
    operation: OperationOutcome | None = None,
    limits: Limits | None = None,
    unread: frozenset[str] = frozenset(),
    **terms: Any,
) -> Cycle:
    """One cycle, without canaries unless the limits say so; `item` and `operation` belong to the first record."""
    name = records[0].item_name
    seen = Observation(
        now=NOW,
        jobs=jobs or [],
        items={name: item} if item else {},
        operations={name: operation} if operation else {},
        unread=unread,
    )
    return next_cycle(records, seen, Terms(limits=limits or at_full_speed(), **terms))


def at_full_speed(**limits: Any) -> Limits:
    """Limits without canaries."""
    return msgspec.structs.replace(Limits(ramp=()), **limits)


def settled(cycle: Cycle) -> tuple[ItemState, str]:
    """The state and the reason of the only changed record."""
    [record] = cycle.changed
    return record.state, record.reason


# --- what is in flight


FAILED = a_job(status="Failed", errors=(JobError(title="UserErrorX", message="no", recommendations=("Try Y.",)),))
FOLLOWED: dict[str, tuple[dict[str, Any], tuple[ItemState, str] | None]] = {
    "its job runs": ({"jobs": [a_job()]}, None),
    "its job runs and is being cancelled": ({"jobs": [a_job(status="Cancelling")]}, None),
    "its job ended, an extra backup job runs on": ({"jobs": [DONE, a_job(operation="Backup", id="b")]}, None),
    "its job ended, a backup job runs past the limit": (
        {"jobs": [DONE, a_job(operation="Backup", id="b")], "claimed": timedelta(hours=25)},
        None,
    ),
    "its job ended well and the item shows the target": (
        {"jobs": [DONE], "item": MIGRATED_ITEM},
        (ItemState.MIGRATED, ""),
    ),
    "its job ended well under the portal's label": (
        {"jobs": [msgspec.structs.replace(DONE, operation="Configure backup (Migrate policy)")], "item": MIGRATED_ITEM},
        (ItemState.MIGRATED, ""),
    ),
    "its job ended well a moment ago, the item lags": ({"jobs": [DONE], "item": an_item()}, None),
    "its job ended well long ago, the item shows the source": (
        {"jobs": [a_job(status="Completed", ended_at=ago(hours=1), started_at=ago(minutes=30))], "item": an_item()},
        (ItemState.FAILED, "NotVerified"),
    ),
    "its job ended well long ago, the item is on the target but not V2": (
        {
            "jobs": [a_job(status="Completed", ended_at=ago(hours=1))],
            "item": an_item(policy_id=ENHANCED, policy_type=PolicyType.STANDARD),
        },
        (ItemState.FAILED, "NotVerified"),
    ),
    "its job failed": ({"jobs": [FAILED]}, (ItemState.FAILED, "UserErrorX")),
    "its job was cancelled": ({"jobs": [a_job(status="Cancelled")]}, (ItemState.FAILED, "JobCancelled")),
    "an older job failed, its own runs": (
        {"jobs": [a_job(id="old", status="Failed", started_at=ago(minutes=29)), a_job(started_at=ago(minutes=28))]},
        None,
    ),
    "a job from before the write failed": ({"jobs": [a_job(status="Failed", started_at=ago(hours=2))]}, None),
    "the operation failed without a job": (
        {"operation": OperationOutcome(succeeded=False, error=JobError(title="Bms", message="no"))},
        (ItemState.FAILED, "Bms"),
    ),
    "no job was ever seen, the item shows the target": ({"item": MIGRATED_ITEM}, (ItemState.MIGRATED, "")),
    "no job was ever seen, the item shows the source": ({"item": an_item()}, None),
    "its job runs past the limit": (
        {"jobs": [a_job()], "claimed": timedelta(hours=25)},
        (ItemState.TIMED_OUT, "JobTimeout"),
    ),
    "no job, no answer, past the limit": ({"claimed": timedelta(hours=25)}, (ItemState.TIMED_OUT, "NoJob")),
}


@pytest.mark.parametrize("case", FOLLOWED)
def test_a_vm_in_flight_is_settled_by_its_job_and_its_item_together(case: str) -> None:
    """Migrated needs a job that ended well and an item that shows the target as Enhanced; anything else says why."""
    given_, expected = FOLLOWED[case]
    arguments = dict(given_)
    claimed_at = NOW - arguments.pop("claimed", timedelta(minutes=30))

    cycle = decide([a_record(state=ItemState.MIGRATING, claimed_at=claimed_at)], **arguments)

    assert (settled(cycle) if cycle.changed else None) == expected


def test_a_failed_job_tells_what_to_do() -> None:
    """The job's message and recommendations end up in the ledger, and its id."""
    [record] = decide([a_record(state=ItemState.MIGRATING)], [FAILED]).changed
    assert (record.message, record.job_id, record.settled_at) == ("no Try Y.", FAILED.id, NOW)


def test_warnings_ride_on_migrated() -> None:
    """A job that completed with warnings, or a failed extra backup, does not undo the migration but is told."""
    warned = msgspec.structs.replace(
        DONE, status="CompletedWithWarnings", errors=(JobError(title="UserErrorSlow", message="slow"),)
    )
    extra = a_job(id="b", operation="Backup", status="Failed", errors=(JobError(title="Snap", message="no"),))

    [record] = decide([a_record(state=ItemState.MIGRATING)], [warned, extra], item=MIGRATED_ITEM).changed

    assert record.state is ItemState.MIGRATED
    assert record.warnings == ("UserErrorSlow: slow", "Snap: no")


# --- what was cut short


RECOVERED: dict[str, tuple[dict[str, Any], timedelta, ItemState | None]] = {
    "a job of ours runs": ({"jobs": [a_job()]}, timedelta(minutes=31), ItemState.MIGRATING),
    "a job of ours ended": ({"jobs": [DONE]}, timedelta(minutes=31), ItemState.MIGRATING),
    "the item shows the target": ({"item": MIGRATED_ITEM}, timedelta(minutes=31), ItemState.MIGRATING),
    "only a backup job runs": ({"jobs": [a_job(operation="Backup")]}, timedelta(minutes=5), None),
    "a backup job runs, the item was not read": (
        {"jobs": [a_job(operation="Backup")]},
        timedelta(minutes=16),
        None,
    ),
    "the item could not be read for long": ({}, timedelta(hours=25), ItemState.REFUSED),
    "a job from before the claim runs": ({"jobs": [a_job()]}, timedelta(minutes=5), None),
    "nothing shows it yet": ({"item": an_item()}, timedelta(minutes=5), None),
    "nothing showed it for long": ({"item": an_item()}, timedelta(minutes=16), ItemState.PLANNED),
}


@pytest.mark.parametrize("case", RECOVERED)
def test_a_write_without_an_answer_is_adopted_or_surely_never_happened(case: str) -> None:
    """A record found in Starting is adopted when Azure shows the write, and repeated only after a long silence."""
    arguments, age, expected = RECOVERED[case]

    cycle = decide([a_record(state=ItemState.STARTING, claimed_at=NOW - age)], **arguments)

    assert (cycle.changed[0].state if cycle.changed else None) == expected


def test_a_service_that_never_answers_is_not_asked_for_ever() -> None:
    """After as many writes without answer or trace as there may be the VM is Refused, and says so."""
    record = a_record(state=ItemState.STARTING, claimed_at=ago(minutes=16), tries=MAX_TRIES - 1)
    assert settled(decide([record], item=an_item())) == (ItemState.REFUSED, "NoAnswer")


# --- what starts


def names(cycle: Cycle) -> list[str]:
    """The VMs that start, by the last part of their item name."""
    return [name.rpartition(";")[2] for name in cycle.start]


def test_no_more_start_than_the_limit_leaves_room_for() -> None:
    """What is in flight counts, whether its write was answered or not."""
    records = [
        a_record("a", ItemState.MIGRATING),
        a_record("b", ItemState.STARTING),
        *(a_record(name) for name in "cdef"),
    ]
    running = [a_job("a"), a_job("b")]
    assert names(decide(records, running, limits=at_full_speed(max_concurrent_per_vault=4))) == ["c", "d"]
    assert names(decide(records, running, limits=at_full_speed(max_concurrent_per_vault=1))) == []


def test_a_vm_with_a_running_job_waits_its_turn() -> None:
    """Azure Backup refuses a VM with a running job, so others go first."""
    cycle = decide([a_record("a"), a_record("b")], [a_job("a", operation="Backup")])
    assert names(cycle) == ["b"]
    assert not cycle.changed


def test_a_vm_whose_backup_job_never_ends_is_blocked() -> None:
    """Waiting ends after the limit in the request; the job's age counts, not ours."""
    stuck = a_job("a", operation="Backup", started_at=ago(hours=13))
    assert settled(decide([a_record("a")], [stuck])) == (ItemState.BLOCKED, "BackupJobRunning")


def test_a_cycle_starts_a_bounded_number_and_says_that_more_could() -> None:
    """A generation's history stays small; the next cycle comes at once."""
    records = [a_record(f"vm-{n:03}") for n in range(STARTS_PER_CYCLE + 5)]
    cycle = decide(records, limits=at_full_speed(max_concurrent_per_vault=100, stop_after_failures=100))
    assert len(cycle.start) == STARTS_PER_CYCLE
    assert cycle.more


@pytest.mark.parametrize("control", [Control.HOLD, Control.STOP])
def test_nothing_starts_unless_the_migration_runs(control: Control) -> None:
    """A pause holds what waits; a stopped migration lets the vault finish once nothing is in flight."""
    cycle = decide([a_record("a")], control=control)
    paused = control is Control.HOLD
    assert cycle.start == ()
    assert cycle.finished is not paused
    assert [record.state for record in cycle.changed] == ([] if paused else [ItemState.CANCELLED])


def test_too_many_failures_stop_new_starts_but_not_what_runs() -> None:
    """At the limit nothing more starts; the vault is finished only when its last job has ended."""
    failed = [a_record(f"f{n}", ItemState.FAILED) for n in range(2)]
    flying, waiting = a_record("g", ItemState.MIGRATING), a_record("h")
    limits = at_full_speed(stop_after_failures=2)

    while_flying = decide([flying, waiting, *failed], [a_job("g")], limits=limits)
    left = [record for record in while_flying.records if record.vm_name != "g"]
    afterwards = decide(left, limits=limits)

    assert (while_flying.start, while_flying.finished) == ((), False)
    assert settled(while_flying) == (ItemState.CANCELLED, "Stopped")
    assert (afterwards.start, afterwards.finished) == ((), True)
    assert afterwards.halted == "2 VMs failed; the limit is 2"


def test_while_the_service_takes_no_writes_jobs_are_still_followed() -> None:
    """A throttled write is no reason to look away, only not to start."""
    seen = Observation(now=NOW, jobs=[DONE], items={a_record().item_name: MIGRATED_ITEM})
    records = [a_record(state=ItemState.MIGRATING), a_record("b")]
    cycle = next_cycle(records, seen, Terms(limits=Limits(), writable=False))
    assert (settled(cycle), cycle.start, cycle.finished) == ((ItemState.MIGRATED, ""), (), False)


def test_a_selective_disk_setting_that_changed_is_a_warning() -> None:
    """The change of policy should leave it alone; where it did not, somebody has to know."""
    record = a_record(state=ItemState.MIGRATING, excluded_disks='{"diskLunList":[1]}')
    [after] = decide([record], [DONE], item=MIGRATED_ITEM).changed
    assert after.warnings == ('selective disk backup was {"diskLunList":[1]}, is off',)


def test_a_canary_moves_alone_until_it_has_come_through() -> None:
    """The steps of the ramp are counted over all vaults of the migration."""
    waiting = [a_record(f"vm-{n}") for n in range(8)]
    limits = Limits(ramp=(1, 3))

    assert len(decide(waiting, limits=limits).start) == 1
    assert len(decide(waiting, limits=limits, others=Share(in_flight=1)).start) == 0
    assert len(decide(waiting, limits=limits, others=Share(migrated=1)).start) == 3
    assert len(decide([*waiting, a_record("c", ItemState.MIGRATED)], limits=limits).start) == 3
    assert len(decide(waiting, limits=limits, others=Share(migrated=4)).start) == 8


def test_what_starts_is_counted_in_the_share_of_the_vault() -> None:
    """Other vaults must see it before it is in flight."""
    records = [a_record("a", ItemState.MIGRATING), a_record("b"), a_record("c", ItemState.FAILED)]
    assert decide(records, [a_job("a")]).share == Share(in_flight=2, failed=1)


def test_a_vm_that_azure_declined_for_a_while_starts_after_the_others() -> None:
    """It must not be the canary that everybody waits for."""
    records = [a_record("a", conflict_since=ago(hours=1)), a_record("b"), a_record("c")]
    assert names(decide(records, limits=at_full_speed(max_concurrent=2))) == ["b", "c"]


def test_failures_of_other_vaults_stop_this_one() -> None:
    """The limit is the migration's: five vaults must not fail five VMs each."""
    cycle = decide([a_record("a")], limits=at_full_speed(stop_after_failures=3), others=Share(failed=3))
    assert settled(cycle) == (ItemState.CANCELLED, "Stopped")
    assert cycle.halted == "3 VMs failed; the limit is 3"


def test_what_people_stopped_is_not_halted_too() -> None:
    """Cancelled jobs are failures, but nobody has to be told that too many of them failed."""
    records = [a_record("a"), *(a_record(f"f{n}", ItemState.FAILED) for n in range(9))]
    cycle = decide(records, control=Control.STOP)
    assert (cycle.halted, cycle.finished) == ("", True)


def test_a_vault_that_lost_its_role_stops_no_other() -> None:
    """What was given up there is nobody's failure here."""
    given_up = [a_record(f"x{n}", ItemState.REFUSED, reason=VAULT_UNREADABLE) for n in range(9)]
    assert share_of(given_up) == Share()


def test_nothing_is_halted_where_nothing_is_left() -> None:
    """A vault that has moved all its VMs ends well, whatever happened elsewhere."""
    assert decide([a_record("a", ItemState.MIGRATED)], others=Share(failed=9)).halted == ""


STOPPED: dict[str, tuple[dict[str, Any], bool, tuple[str, ...]]] = {
    "its migration job, cancellable": ({"cancellable": True}, True, ("job-a",)),
    "its migration job, not cancellable": ({}, True, ()),
    "its migration job, and the operator lets jobs be": ({"cancellable": True}, False, ()),
    "a backup job": ({"cancellable": True, "operation": "Backup"}, True, ()),
    "a migration job that is being cancelled": ({"cancellable": True, "status": "Cancelling"}, True, ()),
    "a job from before the write": ({"cancellable": True, "started_at": ago(hours=9)}, True, ()),
}


@pytest.mark.parametrize("case", STOPPED)
def test_a_stopped_migration_cancels_its_own_jobs_where_wished(case: str) -> None:
    """Only jobs that are surely its own, and that Azure lets be cancelled."""
    job, wished, expected = STOPPED[case]
    record = a_record("a", ItemState.MIGRATING)
    assert decide([record], [a_job("a", **job)], control=Control.STOP, cancel_jobs=wished).cancel == expected
    assert decide([record], [a_job("a", **job)], control=Control.GO, cancel_jobs=wished).cancel == ()


def test_a_failed_job_is_not_settled_before_its_errors_are_read() -> None:
    """A cycle reads a bounded number of jobs; the others keep their place until the next."""
    record, job = a_record("a", ItemState.MIGRATING), a_job("a", status="Failed")
    assert not decide([record], [job], unread=frozenset({job.id})).changed
    assert settled(decide([record], [job])) == (ItemState.FAILED, "JobFailed")


def test_a_vault_that_can_t_be_read_is_given_up_whole() -> None:
    """What is over stays as it is; what waits was never written, what is in flight is nobody knows where."""
    before = [a_record(state.lower(), state) for state in ItemState]
    cycle = give_up(before, "AuthorizationFailed (403): no", NOW)
    assert {record.vm_name: (record.state, record.reason) for record in cycle.changed} == {
        "planned": (ItemState.REFUSED, "VaultUnreadable"),
        "starting": (ItemState.REFUSED, "VaultUnreadable"),
        "migrating": (ItemState.TIMED_OUT, "VaultUnreadable"),
    }
    assert (cycle.finished, cycle.share.in_flight) == (True, 0)


LOOKS: dict[str, tuple[list[ItemRecord], dict[str, Any], bool]] = {
    "a VM may start": ([a_record()], {}, True),
    "nothing is left": ([a_record(state=ItemState.MIGRATED)], {}, False),
    "a VM waits in a pause": ([a_record()], {"control": Control.HOLD}, False),
    "a VM waits for the service": ([a_record()], {"writable": False}, False),
    "a VM waits for another vault's canary": ([a_record()], {"limits": Limits(), "others": Share(in_flight=1)}, False),
    "a VM is in flight in a pause": ([a_record(state=ItemState.MIGRATING)], {"control": Control.HOLD}, True),
    "a VM is in flight after a stop": ([a_record(state=ItemState.STARTING)], {"control": Control.STOP}, True),
}


@pytest.mark.parametrize("case", LOOKS)
def test_jobs_are_read_only_where_they_matter(case: str) -> None:
    """A vault that only waits costs nothing of the budget of job reads."""
    records, terms, expected = LOOKS[case]
    assert worth_a_look(records, replace(Terms(limits=at_full_speed()), **terms)) is expected


def test_a_vm_held_by_another_migration_is_no_failure() -> None:
    """Two migrations over one vault must not halt each other."""
    held = a_record("a", ItemState.REFUSED, reason="HeldByAnotherMigration")
    assert names(decide([held, a_record("b")], limits=at_full_speed(stop_after_failures=1))) == ["b"]


# --- the rest of the vault


ENDED = Tally(states={"Migrated": 3, "Failed": 2, "Refused": 1}, reasons={"UserErrorX": 2, "HeldByAnotherMigration": 1})


def test_the_rest_of_the_vault_counts_for_the_limits() -> None:
    """Who ended earlier and who waits further on is known by number only, and counts like those named."""
    records = [a_record("a", ItemState.MIGRATING), a_record("b"), a_record("c", ItemState.DRIFTED, uncounted=True)]
    seen = Observation(now=NOW, jobs=[a_job("a")])
    cycle = next_cycle(records, seen, Terms(limits=at_full_speed()), Rest(ended=ENDED, waiting=4))

    assert cycle.share == Share(in_flight=2, migrated=3, failed=2)
    assert cycle.ended.states == {**ENDED.states, "Drifted": 1}
    assert cycle.counts == {**ENDED.states, "Drifted": 1, "Migrating": 1, "Planned": 4, "Starting": 1}
    assert (cycle.waiting, cycle.finished) == (5, False)


def test_what_ended_uncounted_is_written_as_counted() -> None:
    """An activity has settled it; the cycle counts it once."""
    [record] = decide([a_record(state=ItemState.DRIFTED, uncounted=True)]).changed
    assert (record.state, record.uncounted) == (ItemState.DRIFTED, False)


def test_a_halted_vault_goes_on_at_once_until_nobody_waits() -> None:
    """Those further on in the queue are cancelled by the next cycle, which is told of them."""
    terms = Terms(limits=at_full_speed(stop_after_failures=2))
    cycle = next_cycle([a_record()], Observation(now=NOW, jobs=()), terms, Rest(ended=ENDED, waiting=1))
    assert settled(cycle) == (ItemState.CANCELLED, "Stopped")
    assert (cycle.more, cycle.finished, cycle.waiting) == (True, False, 1)


@pytest.mark.parametrize(("in_flight", "quiet", "expected"), [(0, 0, 7), (5, 0, 2), (5, 3, 5), (7, 0, 0)])
def test_no_more_are_read_than_could_start(in_flight: int, quiet: int, expected: int) -> None:
    """Room is what the vault's limit leaves, should all that has gone quiet have ended."""
    flying = [a_record(f"vm-{n}", ItemState.MIGRATING) for n in range(in_flight)]
    running = [a_job(record.vm_name) for record in flying[quiet:]]
    assert could_start(flying, running, at_full_speed(max_concurrent_per_vault=7)) == expected


def test_a_queue_of_any_length_starts_a_bounded_number() -> None:
    """No cycle is told of more than it may start."""
    assert could_start([], [], at_full_speed(max_concurrent_per_vault=100)) == STARTS_PER_CYCLE


# --- what has to be looked at


VERIFIED: dict[str, tuple[list[Job], bool]] = {
    "its job ended well": ([DONE], True),
    "its job failed": ([FAILED], False),
    "its job failed, and a later one ended well": ([FAILED, a_job(id="b", status="Completed", started_at=NOW)], True),
    "a backup runs after its job": ([DONE, a_job(operation="Backup", id="b")], False),
    "no job was ever seen": ([], True),
}


@pytest.mark.parametrize("case", VERIFIED)
def test_an_item_is_read_only_where_it_can_settle_the_vm(case: str) -> None:
    """A failed job needs no item to say so, and while a job runs nothing is settled."""
    jobs, expected = VERIFIED[case]
    record = a_record(state=ItemState.MIGRATING)
    assert to_verify([record], jobs) == ([record] if expected else [])


def test_only_quiet_records_cost_a_second_look() -> None:
    """While a job runs for every VM in flight, one list says it all."""
    busy, quiet = a_record("a", ItemState.MIGRATING), a_record("b", ItemState.MIGRATING)
    assert silent([busy, quiet, a_record("c")], [a_job("a"), a_job("b", operation="Backup")]) == [quiet]
    assert observed_since([]) is None
    assert observed_since([quiet]) == ago(minutes=30, seconds=30)


def test_an_operation_is_asked_for_only_when_no_job_shows() -> None:
    """A write that made a job is followed by the job; one that made none for a while by its operation."""
    record = a_record("a", ItemState.MIGRATING)
    assert unseen([record], [a_job("a", status="Completed")], NOW) == []
    assert unseen([record], [], NOW) == [record]
    assert unseen([a_record("a", ItemState.MIGRATING, claimed_at=ago(minutes=1))], [], NOW) == []


def test_a_failed_job_without_errors_is_asked_for_its_details() -> None:
    """The job list may leave the errors out; only the job itself has them then."""
    record = a_record("a", ItemState.MIGRATING)
    silent_failure = a_job("a", status="Failed")
    assert unexplained([record], [silent_failure, a_job("b", status="Failed")]) == [silent_failure.id]
    assert unexplained([record], [a_job("a", status="Completed")]) == []


# --- properties

WIRE_STATES = ["InProgress", "Completed", "CompletedWithWarnings", "Failed", "Cancelled", "Cancelling"]


@st.composite
def vaults(draw: st.DrawFn) -> tuple[list[ItemRecord], Observation, Terms]:
    """Any records of a vault with any jobs and items around them."""
    states = draw(st.lists(st.sampled_from(list(ItemState)), min_size=1, max_size=30))
    records = [a_record(f"vm-{n:02}", state) for n, state in enumerate(states)]
    jobs: list[Job] = []
    items: dict[str, ProtectedItem] = {}
    for n, record in enumerate(records):
        for m in range(draw(st.integers(0, 2))):
            jobs.append(
                a_job(
                    record.vm_name,
                    id=f"{n}-{m}",
                    operation=draw(st.sampled_from(["Backup", "ConfigureBackup"])),
                    status=draw(st.sampled_from(WIRE_STATES)),
                    started_at=ago(minutes=draw(st.integers(0, 2000))),
                )
            )
        if draw(st.booleans()):
            items[record.item_name] = draw(st.sampled_from([MIGRATED_ITEM, an_item()]))
    limits = Limits(
        max_concurrent=draw(st.integers(1, 10)),
        max_concurrent_per_vault=draw(st.integers(1, 10)),
        ramp=tuple(draw(st.lists(st.integers(1, 5), max_size=3))),
        stop_after_failures=draw(st.integers(1, 10)),
    )
    others = Share(in_flight=draw(st.integers(0, 4)), migrated=draw(st.integers(0, 10)), failed=draw(st.integers(0, 4)))
    terms = Terms(
        limits=limits, others=others, control=draw(st.sampled_from(Control)), planned=40, writable=draw(st.booleans())
    )
    return records, Observation(now=NOW, jobs=jobs, items=items), terms


@given(vaults())
def test_the_limits_hold_and_nothing_busy_starts(vault: tuple[list[ItemRecord], Observation, Terms]) -> None:
    """Whatever a cycle meets, the limits hold, only planned and idle VMs start, and states move as declared."""
    records, seen, terms = vault
    cycle = next_cycle(records, seen, terms)
    now = {record.item_name: record for record in cycle.records}
    in_flight = sum(record.state in IN_FLIGHT for record in cycle.records)
    busy = {job.container for job in seen.jobs if job.running}

    if cycle.start:
        assert terms.control is Control.GO
        assert terms.writable
        assert cycle.share.in_flight == in_flight + len(cycle.start)
        assert cycle.share.in_flight <= terms.limits.max_concurrent_per_vault
        assert_within(terms.limits, together((cycle.share, terms.others)))
    assert all(now[name].state is ItemState.PLANNED and now[name].container not in busy for name in cycle.start)
    assert not (cycle.finished and (in_flight or cycle.start))
    for record in records:
        after = now[record.item_name].state
        steps = ITEM_TRANSITIONS.get(record.state, frozenset())
        if ItemState.PLANNED in steps:  # back in the queue, and on from there in the same cycle
            steps |= ITEM_TRANSITIONS[ItemState.PLANNED]
        assert after is record.state or after in steps


def assert_within(limits: Limits, whole: Share) -> None:
    """The migration as a whole keeps to its limits: VMs in flight, the ramp, failures."""
    steps = list(accumulate(limits.ramp))
    assert whole.in_flight <= limits.max_concurrent
    assert whole.failed < limits.stop_after_failures
    assert whole.migrated >= sum(limits.ramp) or any(
        step > whole.migrated >= before and whole.in_flight + whole.migrated <= step
        for before, step in pairwise([0, *steps])
    )


@given(vaults(), st.randoms(use_true_random=False))
def test_the_decision_does_not_depend_on_order(vault: tuple[list[ItemRecord], Observation, Terms], random: Any) -> None:
    """Lists come in whatever order the service and the table like."""
    records, seen, terms = vault
    first = next_cycle(records, seen, terms)
    shuffled, jobs = records[:], list(seen.jobs)
    random.shuffle(shuffled)
    random.shuffle(jobs)
    second = next_cycle(shuffled, replace(seen, jobs=jobs), terms)

    assert first.start == second.start
    assert {record.item_name: record.state for record in first.changed} == {
        record.item_name: record.state for record in second.changed
    }


@given(
    endings=st.lists(st.tuples(st.booleans(), st.sampled_from("abc")), min_size=1, max_size=40),
    per_vault=st.integers(1, 7),
    in_all=st.integers(1, 12),
    ramp=st.lists(st.integers(1, 6), max_size=3),
    random=st.randoms(use_true_random=False),
)
def test_a_migration_always_comes_to_its_end(
    endings: list[tuple[bool, str]], per_vault: int, in_all: int, ramp: list[int], random: Any
) -> None:
    """As long as jobs end, some cycle of each vault is the last, whoever comes first; the limits hold all the time."""
    limits = Limits(
        max_concurrent=in_all,
        max_concurrent_per_vault=per_vault,
        ramp=tuple(ramp),
        stop_after_failures=len(endings) + 1,
    )
    well = {a_record(f"vm-{n:02}").item_name: ends_well for n, (ends_well, _) in enumerate(endings)}
    vaults: dict[str, list[ItemRecord]] = defaultdict(list)
    for n, (_, vault) in enumerate(endings):
        vaults[vault].append(a_record(f"vm-{n:02}"))
    shares = dict.fromkeys(vaults, Share())
    finished: set[str] = set()
    rounds = 0
    while len(finished) < len(vaults):
        rounds += 1
        assert rounds <= 2 * len(endings) + 2
        for vault in random.sample(sorted(vaults), len(vaults)):
            others = together(share for key, share in shares.items() if key != vault)
            seen = Observation(
                now=NOW,
                jobs=[_ended(record, well[record.item_name]) for record in vaults[vault] if record.state in IN_FLIGHT],
                items={record.item_name: MIGRATED_ITEM for record in vaults[vault]},
            )
            cycle = next_cycle(vaults[vault], seen, Terms(limits=limits, others=others))
            vaults[vault] = [
                record.to(ItemState.STARTING, claimed_at=NOW).to(ItemState.MIGRATING)
                if record.item_name in cycle.start
                else record
                for record in cycle.records
            ]
            shares[vault] = cycle.share
            assert cycle.share == share_of(vaults[vault])
            if cycle.start:
                assert_within(limits, together(shares.values()))
            if cycle.finished:
                finished.add(vault)
    ends = {True: ItemState.MIGRATED, False: ItemState.FAILED}
    assert all(record.state is ends[well[record.item_name]] for records in vaults.values() for record in records)


def _ended(record: ItemRecord, well: bool) -> Job:
    errors = () if well else (JobError(title="X", message="x"),)
    return a_job(record.vm_name, status="Completed" if well else "Failed", started_at=NOW, errors=errors)
