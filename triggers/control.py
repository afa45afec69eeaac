"""What people do to a migration: approve or reject its plan, pause, resume or cancel it, change its limits, retry it.

What they did is in the ledger before anybody is told; a nudge then wakes the orchestrations that sleep, and one that
is lost only delays.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Literal

import msgspec
from azure.functions import HttpResponse
from msgspec import Meta

from clients.tables import Stale
from migration import interventions
from migration.limits import LimitChanges
from migration.model import Value
from migration.records import Decision, MigrationRecord, MigrationState
from migration.remedies import any_retryable
from migration.request import MigrationId, Problem, problems_of, retried
from triggers.exchange import Call, Declined, header, invalid, migration_id_of, read_body, status_answer
from triggers.migrations import id_problems, with_key
from triggers.nudging import nudge
from triggers.starting import NotStarted, ensure_started, start

log = logging.getLogger(__name__)

TRIES = 5  # of a change, against others who change the same record

Person = Annotated[
    str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f\u2028-\u202e\u2066-\u2069]+$(?!\n)")
]
Approver = Annotated[
    Person | None,
    Meta(description="Who decides; null only where somebody is signed in, who then counts in any case"),
]
Doer = Annotated[Person, Meta(description="Who does this; who is signed in counts instead, where somebody is")]
Comment = Annotated[
    str, Meta(max_length=2000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$(?!\n)", description="Why; empty: nothing is said")
]


class Approval(Value, frozen=True):
    """The plan that was read, and who says yes to it."""

    plan_hash: Annotated[
        str,
        Meta(
            pattern=r"^[0-9a-f]{64}$(?!\n)", description="Hash of the plan that was read, from the status or the plan"
        ),
    ]
    approver: Approver = None
    comment: Comment = ""


class Rejection(Value, frozen=True):
    """Who says no to the plan."""

    approver: Approver = None
    comment: Comment = ""


class Word(Value, frozen=True):
    """Who does this, and why."""

    by: Doer = "somebody"
    comment: Comment = ""


class Stop(Word, frozen=True):
    """Who cancels, why, and what becomes of running jobs."""

    cancel_jobs: Annotated[
        bool, Meta(description="Whether to ask Azure to cancel the migration's running jobs, where it allows that")
    ] = False


class NewLimits(Word, frozen=True, kw_only=True):
    """Who changes which limits, and why."""

    limits: Annotated[LimitChanges, Meta(description="The limits to change; what is not named stays as it is")]


class Retry(Value, frozen=True):
    """What differs from the migration that is tried again."""

    id: Annotated[
        MigrationId | None, Meta(description="The new migration's id, which no other has; null: the app makes one")
    ] = None
    mode: Annotated[
        Literal["plan", "migrate"] | None,
        Meta(description="`plan`: only say what would happen; `migrate`: carry it out; null: as before"),
    ] = None
    approval: Annotated[
        Literal["required", "none"] | None,
        Meta(description="`required`: the plan waits for an approval; `none`: it is carried out; null: as before"),
    ] = None
    limits: Annotated[
        LimitChanges, Meta(description="The limits to change; what is not named is as requested before")
    ] = LimitChanges()


# --- approval


async def approve_migration(call: Call) -> HttpResponse:
    """Say yes to the plan of that hash; the migration begins.

    409 where the plan's hash is another, or where nobody is to decide any more.
    """
    approval = read_body(call.req, Approval)
    return await _decide(call, approval, approval.plan_hash)


async def reject_migration(call: Call) -> HttpResponse:
    """Say no to the plan; the migration ends and nothing was written.

    409 where nobody is to decide any more.
    """
    return await _decide(call, read_body(call.req, Rejection))


async def _decide(call: Call, word: Approval | Rejection, plan_hash: str = "") -> HttpResponse:
    """A yes to the plan of that hash; without one a no."""
    approver = call.caller or word.approver
    if not approver:
        raise invalid("body", Problem(path="$.approver", message="is required"))

    def decided(record: MigrationRecord, at: datetime) -> MigrationRecord:
        _check_undecided(record)
        if plan_hash and plan_hash != record.plan_hash:
            raise Declined(409, "This is not the plan", detail=f"the plan's hash is {record.plan_hash}")
        decision = Decision(
            approved=bool(plan_hash),
            plan_hash=record.plan_hash,
            approver=approver,
            comment=word.comment,
            decided_at=at,
        )
        return msgspec.structs.replace(record, decision=decision)

    return await _change(call, decided)


def _check_undecided(record: MigrationRecord) -> None:
    if record.decision:
        word = "approved" if record.decision.approved else "rejected"
        raise Declined(409, "This plan is decided on", detail=f"{record.decision.approver} has {word} it")
    if record.state is not MigrationState.AWAITING_APPROVAL:
        raise Declined(409, "There is nothing to decide", detail=f"the migration is {record.state}")


# --- interventions


async def pause_migration(call: Call) -> HttpResponse:
    """Start nothing more until resumed; jobs in flight are followed.

    409 where no VMs are moving, or where the migration is being cancelled.
    """
    word = read_body(call.req, Word)
    return await _intervene(call, word, interventions.pause)


async def resume_migration(call: Call) -> HttpResponse:
    """Go on after a pause.

    409 where no VMs were moving, or where the migration is being cancelled.
    """
    word = read_body(call.req, Word)
    return await _intervene(call, word, interventions.resume)


async def cancel_migration(call: Call) -> HttpResponse:
    """Start nothing more, and end when the jobs in flight have ended.

    202 while some are in flight, 200 where it ends at once, 409 where it has ended already.
    """
    stop = read_body(call.req, Stop)
    return await _intervene(call, stop, partial(interventions.cancel, cancel_jobs=stop.cancel_jobs))


async def change_limits(call: Call) -> HttpResponse:
    """Other limits from the next look on; what is not named stays as it is.

    VMs in flight stay in flight. 409 where the migration has ended.
    """
    new = read_body(call.req, NewLimits)
    return await _intervene(call, new, partial(interventions.change_limits, changes=new.limits))


async def _intervene(call: Call, word: Word, intervention: Callable[..., MigrationRecord]) -> HttpResponse:
    by = call.caller or word.by
    return await _change(call, lambda record, at: intervention(record, by=by, comment=word.comment, at=at))


# --- any change


async def _change(call: Call, change: Callable[[MigrationRecord, datetime], MigrationRecord]) -> HttpResponse:
    """Write the change to the ledger, wake whom it concerns, answer with the status."""
    record = await _written(call, change)
    try:
        await ensure_started(call.clients, call.durable, record)
    except NotStarted as half_way:  # the word is written; whoever looks next at the ledger heeds it
        log.warning("migration %s was not started: %s", half_way, half_way.__cause__)
    await nudge(call.clients, call.durable, record)
    return await status_answer(call, record, status_code=200 if record.ended else 202)


async def _written(call: Call, change: Callable[[MigrationRecord, datetime], MigrationRecord]) -> MigrationRecord:
    """The record after the change. Raises what the change raises; Stale where others keep changing the record."""
    for _ in range(TRIES):
        before = await call.clients.ledger.read_migration(migration_id_of(call.req))
        after = change(before, call.clients.clock())
        if after is before:
            return before
        try:
            return await call.clients.ledger.write_migration(after)
        except Stale:
            continue
    raise Stale("the migration's record")


# --- retry


async def retry_migration(call: Call) -> HttpResponse:
    """Start a new migration of what did not come through in this one, which has ended.

    Answers the new one's status and Location. 409 where this one goes on, or where it left nothing to retry.
    """
    wish = read_body(call.req, Retry)
    old = await call.clients.ledger.read_migration(migration_id_of(call.req))
    if not old.ended:
        raise interventions.NotNow(f"the migration is {old.state}")
    vaults = [
        vault.vault_id for vault in await call.clients.ledger.read_vaults(old.migration_id) if any_retryable(vault)
    ]
    if not vaults:
        raise Declined(
            409,
            "There is nothing to retry",
            detail="no VM has failed, timed out, drifted, or was refused for a reason that can pass",
        )
    request = retried(
        old.request,
        old.migration_id,
        vaults,
        id=wish.id,
        mode=wish.mode or old.request.mode,
        approval=wish.approval or old.request.approval,
        limits=wish.limits.applied_to(old.request.limits),
    )
    request = with_key(request, header(call.req, "Idempotency-Key"))
    problems = [*problems_of(request), *id_problems(request)]
    if problems:
        raise invalid("body", *problems)
    record = await start(call.clients, call.settings, call.durable, request, requester=call.caller)
    return await status_answer(call, record, status_code=202)
