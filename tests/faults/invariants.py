"""What holds after every migration, whatever happened on the way: rules over the books and the truth, as one table.

A rule is a function from both to the sentences that say what is not as promised; `violations` asks all of them.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import dropwhile

from migration.model import same_id
from migration.records import ITEM_TRANSITIONS, ItemRecord, ItemState, Tally
from tests.faults.books import Books, TrueJob, Truth

WRITTEN = frozenset({ItemState.MIGRATED, ItemState.FAILED, ItemState.TIMED_OUT})
"""The ends of a VM whose new policy Azure took."""

MAY_SHOW_TARGET = frozenset({ItemState.MIGRATED, ItemState.TIMED_OUT, ItemState.ALREADY_ENHANCED})
"""The ends after which a VM may be on an Enhanced policy: a job that was given up on may still end."""


def violations(books: Books, truth: Truth) -> list[str]:
    """Everything that is not as promised, each as a sentence; empty where all is well."""
    return [sentence for rule in RULES for sentence in rule(books, truth)]


# --- the ledger by itself


def _migrations_have_ended(books: Books, truth: Truth) -> Iterator[str]:
    for migration in books.migrations:
        if not migration.ended:
            yield f"migration {migration.migration_id} is {migration.state}"


def _items_have_ended(books: Books, truth: Truth) -> Iterator[str]:
    for item in books.items:
        if item.state in ITEM_TRANSITIONS:
            yield f"{_name(item)} is {item.state}"


def _every_vm_is_there_once(books: Books, truth: Truth) -> Iterator[str]:
    """A row for every VM of every vault of every migration, and no other."""
    there = Counter((item.migration_id, item.item_id.lower()) for item in books.items)
    for migration in books.migrations:
        for vault in migration.vaults:
            for key, item in truth.items():
                rows = there.pop((migration.migration_id, key), 0) if same_id(item.vault_id, vault) else 1
                if rows != 1:
                    yield f"{migration.migration_id} has {rows} rows of {_last(item.id)}"
    for migration_id, item_id in there:
        yield f"{migration_id} has a row of {_last(item_id)}, which is in none of its vaults"


def _counts_are_those_of_the_rows(books: Books, truth: Truth) -> Iterator[str]:
    for vault in books.vaults:
        rows = [
            item for item in books.items if (item.migration_id, item.vault_key) == (vault.migration_id, vault.vault_key)
        ]
        true = Tally().plus(rows)
        if (vault.counts, vault.reasons) != (true.states, true.reasons):
            told = f"{vault.migration_id} counts {vault.counts} {vault.reasons} in {vault.vault_key}"
            yield f"{told}, not {true.states} {true.reasons}"


def _no_claim_is_left(books: Books, truth: Truth) -> Iterator[str]:
    for claim in books.claims:
        yield f"{claim.migration_id} still holds {claim.item_name}"


def _times_are_in_order(books: Books, truth: Truth) -> Iterator[str]:
    """Claimed, written, settled: all by the service's clock, which tells whole seconds."""
    for item in books.items:
        times = [time for time in (item.claimed_at, item.written_at, item.settled_at) if time]
        if times != sorted(times):
            yield f"{_name(item)} has times out of order: {', '.join(map(str, times))}"


# --- the hub


def _orchestrations_have_completed(books: Books, truth: Truth) -> Iterator[str]:
    for instance in books.instances:
        if instance.runtime_status != "Completed":
            said = instance.output or instance.custom_status
            yield f"orchestration {instance.instance_id} is {instance.runtime_status}: {said}"
    known = {instance.instance_id for instance in books.instances}
    for migration in books.migrations:
        if migration.migration_id not in known:
            yield f"migration {migration.migration_id} has no orchestration"


# --- the ledger against Azure


def _each_accepted_write_is_in_the_ledger_once(books: Books, truth: Truth) -> Iterator[str]:
    """As many writes as Azure took, so many rows say that it did; over all migrations together.

    A row without an operation's id never saw the answer to its write: it may stand for somebody else's job of the
    same hour, for nobody could tell them apart. And a write whose answer was lost and that came to nothing without a
    job leaves no trace: it may be tried again.
    """
    told = Counter(item.item_id.lower() for item in books.items if item.state in WRITTEN)
    unanswered = Counter(item.item_id.lower() for item in books.items if _is_unanswered(item))
    tries: Counter[str] = Counter()
    for record in books.items:
        tries[record.item_id.lower()] += record.tries
    for key, item in truth.items():
        adoptable = min(unanswered[key], len(item.jobs_of_others))
        traceless = min(tries[key], item.accepted - len(item.jobs))
        if not item.accepted - traceless <= told[key] <= item.accepted + adoptable:
            yield f"Azure took {item.accepted} writes of {_last(item.id)}, the ledger tells of {told[key]}"


def _a_taken_write_is_not_repeated(books: Books, truth: Truth) -> Iterator[str]:
    """No further write, refused or not, while the job of one runs, and none ever after a job that ended well.

    Times are whole seconds: a write may have been declined in the second in which the next one was taken.
    """
    for item in truth.values():
        for job in item.jobs:
            since = [write for write in item.writes if write.at >= job.started]
            first, *later = [*dropwhile(lambda write: 400 <= write.status < 500, since)] or [None]
            again = [write for write in later if write and (job.good or _during(write.at, job))]
            if first is None or again:
                yield f"{_last(item.id)} was written {len(again) + bool(first)} times for job {job.id}"


def _a_known_answer_is_final(books: Books, truth: Truth) -> Iterator[str]:
    """A VM whose every write was answered clearly was accepted as often as Azure said so."""
    for item in truth.values():
        clear = sum(write.status < 300 for write in item.writes)
        unclear = sum(write.status >= 500 for write in item.writes)
        if not clear <= item.accepted <= clear + unclear:
            yield f"{_last(item.id)} was answered {clear} times with success and accepted {item.accepted} times"


def _migrated_is_true(books: Books, truth: Truth) -> Iterator[str]:
    """Migrated once at most; the item shows the row's target and its type, and the row's job ended well."""
    migrated = Counter(item.item_id.lower() for item in books.items if item.state is ItemState.MIGRATED)
    for item_id, times in migrated.items():
        if times > 1:
            yield f"{_last(item_id)} is Migrated in {times} migrations"
    for record in books.items:
        found = truth.get(record.item_id.lower())
        if record.state is not ItemState.MIGRATED or found is None:
            continue
        adoptable = found.jobs_of_others if _is_unanswered(record) else ()
        good = {job.id for job in (*found.jobs, *adoptable) if job.good}
        if not good or (record.job_id and record.job_id not in good):
            yield f"{_name(record)} is Migrated, and no job of it ended well"
        if not found.touched and not (found.enhanced and same_id(found.policy, record.target_policy_id)):
            yield f"{_name(record)} is Migrated, and the item shows {_last(found.policy)}"


def _nothing_else_has_moved(books: Books, truth: Truth) -> Iterator[str]:
    """An item without a Migrated row is on the policy that it was on, unless other people moved it."""
    states: dict[str, set[ItemState]] = {}
    for record in books.items:
        states.setdefault(record.item_id.lower(), set()).add(record.state)
    for key, item in truth.items():
        moved = not same_id(item.policy, item.policy_before)
        if moved and not item.touched and not states.get(key, set()) & MAY_SHOW_TARGET:
            yield f"{_last(item.id)} is {_states(states.get(key, set()))}, and moved to {_last(item.policy)}"


def _failed_is_true(books: Books, truth: Truth) -> Iterator[str]:
    """No job of a Failed row ended well; that of a TimedOut row had not ended well when it was given up on."""
    for record in books.items:
        found = truth.get(record.item_id.lower())
        if record.state not in (ItemState.FAILED, ItemState.TIMED_OUT) or found is None or found.touched:
            continue
        until = record.settled_at if record.state is ItemState.TIMED_OUT else None
        if any(job.id == record.job_id and job.good and _ended_by(job, until) for job in found.jobs):
            yield f"{_name(record)} is {record.state}, and its job {record.job_id} ended well"


RULES: tuple[Callable[[Books, Truth], Iterator[str]], ...] = (
    _migrations_have_ended,
    _items_have_ended,
    _every_vm_is_there_once,
    _counts_are_those_of_the_rows,
    _no_claim_is_left,
    _times_are_in_order,
    _orchestrations_have_completed,
    _each_accepted_write_is_in_the_ledger_once,
    _a_taken_write_is_not_repeated,
    _a_known_answer_is_final,
    _migrated_is_true,
    _nothing_else_has_moved,
    _failed_is_true,
)


def _is_unanswered(record: ItemRecord) -> bool:
    return record.state in WRITTEN and not record.operation_id


def _during(moment: datetime, job: TrueJob) -> bool:
    return job.ended is None or moment < job.ended


def _ended_by(job: TrueJob, until: datetime | None) -> bool:
    return job.ended is not None and (until is None or job.ended <= until)


def _name(record: ItemRecord) -> str:
    return f"{record.migration_id}/{record.vault_key}/{record.vm_name}"


def _last(resource_id: str) -> str:
    return resource_id.rpartition("/")[2] or "no policy"


def _states(states: set[ItemState]) -> str:
    return " and ".join(sorted(states)) or "in no migration"
