"""The rules have teeth: books that are sound raise no complaint, and each way to doctor them raises the right one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from local_host.instances import InstanceStatus
from migration.records import ItemRecord, ItemState, MigrationState, Tally
from tests.builders import ENHANCED, NOW, STANDARD, VAULT, VAULT_KEY, a_migration, a_record, a_vault, ago, item_id
from tests.faults.books import Books, Claim, TrueItem, TrueJob, Truth, Write
from tests.faults.invariants import RULES, violations

MOVED, BROKEN, LATE, LEFT = "moved", "broken", "late", "left"
"""A VM that came through, one whose job failed, one given up on, one that was never written."""


def a_record_of(name: str, state: ItemState, **changes: Any) -> ItemRecord:
    """A record that has ended; what was written has its job and its times."""
    written = state in (ItemState.MIGRATED, ItemState.FAILED, ItemState.TIMED_OUT)
    times = (
        {"claimed_at": ago(hours=3), "written_at": ago(hours=3), "job_id": f"job-{name}", "operation_id": "operation-1"}
        if written
        else {}
    )
    return a_record(name, state, **{**times, "settled_at": NOW, **changes})


def a_job_of(name: str, **changes: Any) -> TrueJob:
    """The job of a write that Azure took three hours ago; it ended well after an hour."""
    return replace(TrueJob(id=f"job-{name}", started=ago(hours=3), ended=ago(hours=2), good=True), **changes)


def a_true_item(name: str, *jobs: TrueJob, **changes: Any) -> TrueItem:
    """An item as Azure has it, written once for each of its jobs; on Enhanced where one ended well."""
    moved = any(job.good for job in jobs)
    plain = TrueItem(
        id=item_id(name),
        vault_id=VAULT,
        policy_before=STANDARD,
        policy=ENHANCED if moved else STANDARD,
        enhanced=moved,
        accepted=len(jobs),
        jobs=jobs,
        writes=tuple(Write(number=number, at=job.started, status=202) for number, job in enumerate(jobs)),
    )
    return replace(plain, **changes)


def an_instance(instance_id: str, **changes: Any) -> InstanceStatus:
    """An orchestration that has completed."""
    plain = InstanceStatus(
        name="migrate",
        instance_id=instance_id,
        runtime_status="Completed",
        input=None,
        custom_status=None,
        output=None,
        created_time=ago(hours=4),
        last_updated_time=NOW,
    )
    return msgspec.structs.replace(plain, **changes)


def sound_books() -> Books:
    """A migration of four VMs that ended in four ways."""
    items = (
        a_record_of(MOVED, ItemState.MIGRATED),
        a_record_of(BROKEN, ItemState.FAILED, reason="JobFailed"),
        a_record_of(LATE, ItemState.TIMED_OUT, reason="JobTimeout"),
        a_record_of(LEFT, ItemState.DRIFTED, reason="VmChanged"),
    )
    tally = Tally().plus(items)
    return Books(
        migrations=(a_migration(state=MigrationState.COMPLETED, ended_at=NOW),),
        vaults=(a_vault(counts=tally.states, reasons=tally.reasons, finished=True),),
        items=items,
        claims=(),
        instances=(an_instance("m1"), an_instance(f"m1:{VAULT_KEY}")),
    )


def sound_truth() -> Truth:
    """What Azure knows of them."""
    items = (
        a_true_item(MOVED, a_job_of(MOVED)),
        a_true_item(BROKEN, a_job_of(BROKEN, good=False)),
        a_true_item(LATE, a_job_of(LATE, good=False, ended=None)),
        a_true_item(LEFT),
    )
    return {item.id.lower(): item for item in items}


def with_record(books: Books, name: str, **changes: Any) -> Books:
    """The same books with one record changed, and counted as it is then."""
    items = tuple(msgspec.structs.replace(item, **changes) if item.vm_name == name else item for item in books.items)
    tally = Tally().plus(items)
    vaults = tuple(msgspec.structs.replace(vault, counts=tally.states, reasons=tally.reasons) for vault in books.vaults)
    return replace(books, items=items, vaults=vaults)


def with_item(truth: Truth, name: str, **changes: Any) -> Truth:
    """The same truth with one item changed."""
    key = item_id(name).lower()
    return {**truth, key: replace(truth[key], **changes)}


def written_again(name: str, at: timedelta) -> tuple[Write, ...]:
    """Two writes: the one that Azure took, and a refused one that much later."""
    return Write(number=1, at=ago(hours=3), status=202), Write(number=2, at=ago(hours=3) + at, status=409)


def in_another_migration(books: Books, state: ItemState) -> Books:
    """The same books with a second migration over the vault, in which every VM came to that end."""
    items = tuple(msgspec.structs.replace(item, migration_id="m2", state=state, reason="") for item in books.items)
    tally = Tally().plus(items)
    return Books(
        migrations=(*books.migrations, msgspec.structs.replace(books.migrations[0], migration_id="m2")),
        vaults=(*books.vaults, a_vault(migration_id="m2", counts=tally.states, reasons=tally.reasons, finished=True)),
        items=(*books.items, *items),
        claims=books.claims,
        instances=(*books.instances, an_instance("m2")),
    )


def test_sound_books_raise_no_complaint() -> None:
    """Four VMs, four ends, all of them true; nor does a second migration complain that found all of them moved."""
    assert violations(sound_books(), sound_truth()) == []
    assert violations(in_another_migration(sound_books(), ItemState.REFUSED), sound_truth()) == []


DOCTORED: Mapping[str, tuple[Callable[[Books], Books], str]] = {
    "a migration that runs": (
        lambda books: replace(books, migrations=(a_migration(state=MigrationState.RUNNING),)),
        "migration m1 is Running",
    ),
    "a VM in flight": (
        lambda books: with_record(books, LEFT, state=ItemState.STARTING),
        f"m1/{VAULT_KEY}/{LEFT} is Starting",
    ),
    "a VM forgotten": (
        lambda books: replace(with_record(books, LEFT, item_id=item_id("stranger")), vaults=sound_books().vaults),
        f"m1 has 0 rows of VM;iaasvmcontainerv2;rg-web;{LEFT}",
    ),
    "a VM invented": (
        lambda books: with_record(books, LEFT, item_id=item_id("stranger")),
        "m1 has a row of vm;iaasvmcontainerv2;rg-web;stranger, which is in none of its vaults",
    ),
    "a wrong count": (
        lambda books: replace(books, vaults=(a_vault(counts={"Migrated": 4}),)),
        "m1 counts {'Migrated': 4} {} in",
    ),
    "a claim left behind": (
        lambda books: replace(books, claims=(Claim(vault_key=VAULT_KEY, item_name=MOVED, migration_id="m1"),)),
        f"m1 still holds {MOVED}",
    ),
    "an end before its beginning": (
        lambda books: with_record(books, MOVED, settled_at=ago(hours=4)),
        f"m1/{VAULT_KEY}/{MOVED} has times out of order",
    ),
    "an orchestration that hangs": (
        lambda books: replace(books, instances=(an_instance("m1", runtime_status="Pending"),)),
        "orchestration m1 is Pending",
    ),
    "an orchestration that failed": (
        lambda books: replace(books, instances=(an_instance("m1", runtime_status="Failed", output="no luck"),)),
        "orchestration m1 is Failed: no luck",
    ),
    "a migration that nothing runs": (
        lambda books: replace(books, instances=()),
        "migration m1 has no orchestration",
    ),
    "a write the ledger denies": (
        lambda books: with_record(books, BROKEN, state=ItemState.REFUSED),
        f"Azure took 1 writes of VM;iaasvmcontainerv2;rg-web;{BROKEN}, the ledger tells of 0",
    ),
    "a write that never was": (
        lambda books: with_record(books, LEFT, state=ItemState.FAILED),
        f"Azure took 0 writes of VM;iaasvmcontainerv2;rg-web;{LEFT}, the ledger tells of 1",
    ),
    "a success that was none": (
        lambda books: with_record(books, BROKEN, state=ItemState.MIGRATED),
        f"m1/{VAULT_KEY}/{BROKEN} is Migrated, and no job of it ended well",
    ),
    "a success with another's job": (
        lambda books: with_record(books, MOVED, job_id="job-of-another"),
        f"m1/{VAULT_KEY}/{MOVED} is Migrated, and no job of it ended well",
    ),
    "a success elsewhere": (
        lambda books: with_record(books, MOVED, target_policy_id=f"{VAULT}/backupPolicies/Another"),
        f"m1/{VAULT_KEY}/{MOVED} is Migrated, and the item shows EnhancedPolicy",
    ),
    "a success told as a failure": (
        lambda books: with_record(books, MOVED, state=ItemState.FAILED),
        f"m1/{VAULT_KEY}/{MOVED} is Failed, and its job job-{MOVED} ended well",
    ),
    "a success given up on after it was one": (
        lambda books: with_record(books, MOVED, state=ItemState.TIMED_OUT),
        f"m1/{VAULT_KEY}/{MOVED} is TimedOut, and its job job-{MOVED} ended well",
    ),
    "a success in two migrations": (
        lambda books: in_another_migration(books, ItemState.MIGRATED),
        "is Migrated in 2 migrations",
    ),
}
"""What was done to the books, and what must be said about it."""


@pytest.mark.parametrize("case", DOCTORED)
def test_doctored_books_are_found_out(case: str) -> None:
    """Each lie of the ledger is named."""
    doctor, complaint = DOCTORED[case]
    said = violations(doctor(sound_books()), sound_truth())
    assert any(sentence.startswith(complaint) or complaint in sentence for sentence in said), said


OTHERWISE: Mapping[str, tuple[Callable[[Truth], Truth], str]] = {
    "a write that Azure took twice": (
        lambda truth: with_item(truth, MOVED, accepted=2),
        f"Azure took 2 writes of VM;iaasvmcontainerv2;rg-web;{MOVED}, the ledger tells of 1",
    ),
    "a write repeated while its job ran": (
        lambda truth: with_item(truth, BROKEN, writes=written_again(BROKEN, timedelta(minutes=30))),
        f"{BROKEN} was written 2 times for job job-{BROKEN}",
    ),
    "a write repeated at the same moment": (
        lambda truth: with_item(truth, LATE, writes=written_again(LATE, timedelta())),
        f"{LATE} was written 2 times for job job-{LATE}",
    ),
    "a write after the move": (
        lambda truth: with_item(truth, MOVED, writes=written_again(MOVED, timedelta(hours=2))),
        f"{MOVED} was written 2 times for job job-{MOVED}",
    ),
    "a job without a write": (
        lambda truth: with_item(truth, MOVED, writes=()),
        f"{MOVED} was written 0 times for job job-{MOVED}",
    ),
    "more successes than writes taken": (
        lambda truth: with_item(truth, LEFT, writes=(Write(number=1, at=ago(hours=3), status=202),)),
        f"{LEFT} was answered 1 times with success and accepted 0 times",
    ),
    "a move that nobody tells of": (
        lambda truth: with_item(truth, LEFT, policy=ENHANCED, enhanced=True),
        f"{LEFT} is Drifted, and moved to EnhancedPolicy",
    ),
    "a move that was undone": (
        lambda truth: with_item(truth, MOVED, policy=STANDARD, enhanced=False),
        f"m1/{VAULT_KEY}/{MOVED} is Migrated, and the item shows DefaultPolicy",
    ),
    "a move to a policy of the wrong type": (
        lambda truth: with_item(truth, MOVED, enhanced=False),
        f"m1/{VAULT_KEY}/{MOVED} is Migrated, and the item shows EnhancedPolicy",
    ),
}
"""What is otherwise in Azure than the books say, and what must be said about it."""


@pytest.mark.parametrize("case", OTHERWISE)
def test_a_truth_that_is_otherwise_is_found_out(case: str) -> None:
    """Each difference between Azure and the ledger is named."""
    change, complaint = OTHERWISE[case]
    said = violations(sound_books(), change(sound_truth()))
    assert any(complaint in sentence for sentence in said), said


@pytest.mark.parametrize(
    "changes", [{"policy": STANDARD, "enhanced": False}, {"policy": f"{VAULT}/backupPolicies/Another"}]
)
def test_what_other_people_moved_is_not_held_against_the_app(changes: dict[str, Any]) -> None:
    """Where an operator changed the policy afterwards, the item's policy says nothing about the migration."""
    truth = with_item(sound_truth(), MOVED, touched=True, **changes)
    assert violations(sound_books(), truth) == []


@pytest.mark.parametrize(("operation_id", "sound"), [("", True), ("operation-1", False)])
def test_somebody_elses_job_may_be_adopted_where_the_answer_was_lost(operation_id: str, sound: bool) -> None:
    """Without an answer nobody can tell whose job it is; a row that knows its operation knows its job."""
    books = with_record(sound_books(), MOVED, operation_id=operation_id)
    truth = with_item(
        sound_truth(), MOVED, accepted=0, jobs=(), jobs_of_others=(a_job_of(MOVED),), writes=(), touched=True
    )
    assert (violations(books, truth) == []) is sound


@pytest.mark.parametrize(("tries", "sound"), [(1, True), (0, False)])
def test_a_write_that_left_no_trace_may_be_repeated(tries: int, sound: bool) -> None:
    """Its answer was lost and it made no job; the row says that it was tried before."""
    books = with_record(sound_books(), BROKEN, tries=tries)
    writes = tuple(Write(number=hours, at=ago(hours=hours), status=202) for hours in (4, 3))
    truth = with_item(sound_truth(), BROKEN, accepted=2, writes=writes)
    assert (violations(books, truth) == []) is sound


@pytest.mark.parametrize(("statuses", "sound"), [((400, 202), True), ((202, 400), False), ((500, 202), False)])
def test_a_write_may_be_declined_in_the_second_in_which_the_next_is_taken(statuses: Sequence[int], sound: bool) -> None:
    """Only what comes after the taken one is a repetition; an answer that tells nothing may hide the taken one."""
    writes = tuple(Write(number=number, at=ago(hours=3), status=status) for number, status in enumerate(statuses))
    assert (violations(sound_books(), with_item(sound_truth(), MOVED, writes=writes)) == []) is sound


def test_a_job_that_ends_after_it_was_given_up_on_is_no_lie() -> None:
    """TimedOut was true when it was written."""
    job = a_job_of(LATE, ended=NOW + timedelta(hours=1))
    truth = with_item(sound_truth(), LATE, jobs=(job,), policy=ENHANCED, enhanced=True)
    assert violations(sound_books(), truth) == []


def test_every_rule_is_tried() -> None:
    """Each rule complains in at least one of the cases above."""
    cases = [(doctor(sound_books()), sound_truth()) for doctor, _ in DOCTORED.values()]
    cases += [(sound_books(), change(sound_truth())) for change, _ in OTHERWISE.values()]
    idle = [rule.__name__ for rule in RULES if not any(list(rule(books, truth)) for books, truth in cases)]
    assert not idle
