"""What people do to a migration: approve or reject its plan, pause, resume or cancel it, change its limits, retry it.

What they did is in the ledger before anybody is told; a nudge then wakes the orchestrations that sleep, and one that
is lost only delays.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from azure.durable_functions import DurableOrchestrationClient
from azure.functions import HttpRequest, HttpResponse
from msgspec import Meta

from clients import Clients
from clients.ledger import Stale
from migration import interventions
from migration.limits import LimitChanges
from migration.model import Value
from migration.records import Decision, MigrationRecord, MigrationState
from migration.remedies import RETRYABLE_STATES
from migration.request import MigrationId, retried
from migration.steps import NUDGE, instance_of
from settings import Settings
from triggers.exchange import Declined, migration_id_of, read_body, status_answer
from triggers.starting import ensure_started, start

log = logging.getLogger(__name__)

TRIES = 5  # of a change, against others who change the same record
NUDGES_AT_ONCE = 20

Person = Annotated[
    str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f\u2028-\u202e\u2066-\u2069]+$(?!\n)")
]
Comment = Annotated[str, Meta(max_length=2000)]
Change = Callable[[MigrationRecord, datetime], MigrationRecord]


class Approval(Value, frozen=True):
    """Body of approve: the plan that was read, and who says yes to it."""

    plan_hash: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
    approver: Person
    comment: Comment = ""


class Rejection(Value, frozen=True):
    """Body of reject."""

    approver: Person
    comment: Comment = ""


class Word(Value, frozen=True):
    """Body of pause and resume: who, and why."""

    by: Person = "somebody"
    comment: Comment = ""


class Stop(Word, frozen=True):
    """Body of cancel. `cancel_jobs` asks Azure to cancel the migration jobs that run, where it allows that."""

    cancel_jobs: bool = False


class NewLimits(Word, frozen=True, kw_only=True):
    """Body of limits: what is not named stays as it is."""

    limits: LimitChanges


class Retry(Value, frozen=True):
    """Body of retry: what differs from the migration that is tried again."""

    id: MigrationId | None = None
    mode: Literal["plan", "migrate"] | None = None
    approval: Literal["required", "none"] | None = None
    limits: LimitChanges = LimitChanges()


# --- approval


async def approve_migration(
    clients: Clients, settings: Settings, req: HttpRequest, client: DurableOrchestrationClient
) -> HttpResponse:
    """Say yes to the plan of that hash; the migration begins."""
    approval = read_body(req, Approval)
    record = await _undecided(clients, req)
    if approval.plan_hash != record.plan_hash:
        raise Declined(409, "This is not the plan", detail=f"the plan's hash is {record.plan_hash}")
    return await _decide(clients, req, client, record, True, approval)


async def reject_migration(
    clients: Clients, settings: Settings, req: HttpRequest, client: DurableOrchestrationClient
) -> HttpResponse:
    """Say no to the plan; the migration ends and nothing was written."""
    rejection = read_body(req, Rejection)
    return await _decide(clients, req, client, await _undecided(clients, req), False, rejection)


async def _undecided(clients: Clients, req: HttpRequest) -> MigrationRecord:
    record = await clients.ledger.read_migration(migration_id_of(req))
    if record.decision:
        word = "approved" if record.decision.approved else "rejected"
        raise Declined(409, "This plan is decided on", detail=f"{record.decision.approver} has {word} it")
    if record.state is not MigrationState.AWAITING_APPROVAL:
        raise Declined(409, "There is nothing to decide", detail=f"the migration is {record.state}")
    return record


async def _decide(
    clients: Clients,
    req: HttpRequest,
    client: DurableOrchestrationClient,
    record: MigrationRecord,
    approved: bool,
    word: Approval | Rejection,
) -> HttpResponse:
    decision = Decision(
        approved=approved,
        plan_hash=record.plan_hash,
        approver=word.approver,
        comment=word.comment,
        decided_at=clients.clock(),
    )
    record = msgspec.structs.replace(record, decision=decision)
    await clients.ledger.write_migration(record)
    await ensure_started(clients, client, record)
    await _nudge(client, record.migration_id)
    return await status_answer(clients, req, record, status_code=202)


# --- interventions


async def pause_migration(
    clients: Clients, settings: Settings, req: HttpRequest, client: DurableOrchestrationClient
) -> HttpResponse:
    """Start nothing more until resumed; jobs in flight are followed."""
    word = read_body(req, Word)
    return await _intervene(
        clients, req, client, lambda record, at: interventions.pause(record, word.by, word.comment, at)
    )


async def resume_migration(
    clients: Clients, settings: Settings, req: HttpRequest, client: DurableOrchestrationClient
) -> HttpResponse:
    """Go on after a pause."""
    word = read_body(req, Word)
    return await _intervene(
        clients, req, client, lambda record, at: interventions.resume(record, word.by, word.comment, at)
    )


async def cancel_migration(
    clients: Clients, settings: Settings, req: HttpRequest, client: DurableOrchestrationClient
) -> HttpResponse:
    """Start nothing more, and end when the jobs in flight have ended."""
    stop = read_body(req, Stop)
    return await _intervene(
        clients,
        req,
        client,
        lambda record, at: interventions.cancel(record, stop.by, stop.comment, at, stop.cancel_jobs),
    )


async def change_limits(
    clients: Clients, settings: Settings, req: HttpRequest, client: DurableOrchestrationClient
) -> HttpResponse:
    """Other limits from the next look on."""
    new = read_body(req, NewLimits)
    return await _intervene(
        clients,
        req,
        client,
        lambda record, at: interventions.change_limits(record, new.limits, new.by, new.comment, at),
    )


async def _intervene(
    clients: Clients, req: HttpRequest, client: DurableOrchestrationClient, change: Change
) -> HttpResponse:
    record = await _changed(clients, migration_id_of(req), change)
    await ensure_started(clients, client, record)
    asleep = [record.migration_id]
    if record.state in (MigrationState.RUNNING, MigrationState.PAUSED):
        vaults = await clients.ledger.read_vaults(record.migration_id)
        asleep = [instance_of(record.migration_id, vault.vault_key) for vault in vaults if not vault.finished]
    at_once = asyncio.Semaphore(NUDGES_AT_ONCE)

    async def nudge(instance_id: str) -> None:
        async with at_once:
            await _nudge(client, instance_id)

    await asyncio.gather(*(nudge(instance_id) for instance_id in asleep))
    return await status_answer(clients, req, record, status_code=200 if record.ended else 202)


async def _changed(clients: Clients, migration_id: str, change: Change) -> MigrationRecord:
    """The record after the change. Raises NotNow; Stale where others keep changing it."""
    for _ in range(TRIES):
        before = await clients.ledger.read_migration(migration_id)
        after = change(before, clients.clock())
        if after is before:
            return before
        try:
            await clients.ledger.write_migration(after)
        except Stale:
            continue
        return after
    raise Stale(migration_id)


async def _nudge(client: DurableOrchestrationClient, instance_id: str) -> None:
    """Wake an orchestration to look at the ledger. A nudge that is lost only delays: it looks again by itself."""
    try:
        await client.raise_event(instance_id, NUDGE)
    except Exception as error:  # the SDK raises bare Exception, for a hub that is away as for an instance that ended
        log.warning("%s was not nudged: %s", instance_id, error)


# --- retry


async def retry_migration(
    clients: Clients, settings: Settings, req: HttpRequest, client: DurableOrchestrationClient
) -> HttpResponse:
    """Start a new migration of what did not come through in this one: 202 with the new one's status and Location."""
    wish = read_body(req, Retry)
    old = await clients.ledger.read_migration(migration_id_of(req))
    if not old.ended:
        raise Declined(409, "The migration is not there for this", detail=f"the migration is {old.state}")
    vaults = [
        vault.vault_id
        for vault in await clients.ledger.read_vaults(old.migration_id)
        if any(vault.counts.get(state) for state in RETRYABLE_STATES)
    ]
    if not vaults:
        raise Declined(409, "There is nothing to retry", detail="no VM has failed, timed out, drifted or was refused")
    changes: dict[str, object] = {
        "id": wish.id,
        "mode": wish.mode or old.request.mode,
        "approval": wish.approval or old.request.approval,
        "limits": wish.limits.applied_to(old.request.limits),
    }
    request = retried(old.request, old.migration_id, vaults, **changes)
    record = await start(clients, settings, client, request)
    return await status_answer(clients, req, record, status_code=202)
