"""The HTTP API under /api: one function an endpoint, and the table that says which is where.

Every answer is a document of documents.py; everything wrong is a problem document that names the field. An endpoint
that refuses has started and written nothing.
"""

import logging
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlencode

import msgspec
from azure.core.exceptions import AzureError
from azure.durable_functions import DurableOrchestrationClient
from azure.functions import HttpRequest, HttpResponse
from msgspec import Meta

from clients import Clients
from clients.arm import ArmError
from clients.ledger import ItemFilter, Missing, Stale
from migration.model import Value
from migration.records import Decision, ItemState, MigrationRecord, MigrationState
from migration.request import MigrationRequest, Problem, problems_of
from migration.steps import NUDGE
from settings import Settings
from triggers.documents import ItemList, ProblemDocument, item_status, migration_status
from triggers.exchange import (
    Declined,
    Endpoint,
    address_of,
    as_json,
    as_problem,
    invalid,
    migration_id_of,
    read_body,
    read_query,
    site_of,
)
from triggers.plans import get_plan
from triggers.starting import NotStarted, OutOfScope, Taken, ensure_started, start

log = logging.getLogger(__name__)

POLL_SECONDS = 10  # what a caller who waits for a migration is asked to leave between two looks

Person = Annotated[
    str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f\u2028-\u202e\u2066-\u2069]+$(?!\n)")
]
Comment = Annotated[str, Meta(max_length=2000)]


class Approval(Value, frozen=True):
    """Body of approve: the plan that was read, and who says yes to it."""

    plan_hash: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
    approver: Person
    comment: Comment = ""


class Rejection(Value, frozen=True):
    """Body of reject."""

    approver: Person
    comment: Comment = ""


class ItemQuery(Value, frozen=True):
    """Query of the items list."""

    state: ItemState | None = None
    vault: Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,40}$(?!\n)")] = ""
    page_size: Annotated[int, Meta(ge=1, le=1000)] = 200
    continuation: Annotated[str, Meta(pattern=r"^([0-9a-f]{2}){1,2000}$(?!\n)")] = ""


# --- endpoints


async def start_migration(
    clients: Clients, settings: Settings, req: HttpRequest, client: DurableOrchestrationClient
) -> HttpResponse:
    """Start planning, and migrating where the request says so: 202 with the status document and its Location."""
    request = read_body(req, MigrationRequest)
    problems = problems_of(request)
    if problems:
        raise invalid("body", *problems)
    try:
        record = await start(clients, settings, client, request)
    except Taken as taken:
        raise Declined(409, "This id is taken", detail=str(taken)) from taken
    except OutOfScope as unknown:
        raise invalid("body", *unknown.problems) from unknown
    return await _status(clients, req, record, status_code=202)


async def get_migration(
    clients: Clients, settings: Settings, req: HttpRequest, client: DurableOrchestrationClient
) -> HttpResponse:
    """The status document: 202 with Location and Retry-After while the migration goes on, 200 when it has ended."""
    record = await clients.ledger.read_migration(migration_id_of(req))
    return await _status(clients, req, record, status_code=200 if record.ended else 202)


async def list_items(
    clients: Clients, settings: Settings, req: HttpRequest, client: DurableOrchestrationClient
) -> HttpResponse:
    """A page of the migration's VMs, by vault and name, optionally of one vault or one state."""
    migration_id = migration_id_of(req)
    query = read_query(req, ItemQuery)
    await clients.ledger.read_migration(migration_id)
    try:
        page = await clients.ledger.page_items(
            migration_id, ItemFilter(state=query.state, vault_key=query.vault), query.page_size, query.continuation
        )
    except ValueError as error:
        raise invalid("query", Problem(path="$.continuation", message=str(error))) from error
    next_link = ""
    if page.continuation:
        next_link = f"{address_of(req)}?{urlencode({**req.params, 'continuation': page.continuation})}"
    return as_json(ItemList(items=tuple(map(item_status, page.items)), next_link=next_link))


async def approve_migration(
    clients: Clients, settings: Settings, req: HttpRequest, client: DurableOrchestrationClient
) -> HttpResponse:
    """Say yes to the plan of that hash; the migration begins."""
    approval = read_body(req, Approval)
    record = await _undecided(clients, req)
    if approval.plan_hash != record.plan_hash:
        raise Declined(409, "This is not the plan", detail=f"the plan's hash is {record.plan_hash}")
    return await _decide(clients, settings, req, client, record, True, approval)


async def reject_migration(
    clients: Clients, settings: Settings, req: HttpRequest, client: DurableOrchestrationClient
) -> HttpResponse:
    """Say no to the plan; the migration ends and nothing was written."""
    rejection = read_body(req, Rejection)
    return await _decide(clients, settings, req, client, await _undecided(clients, req), False, rejection)


@dataclass(frozen=True, kw_only=True)
class Route:
    """A row of the table of endpoints."""

    method: Literal["GET", "POST"]
    path: str
    endpoint: Endpoint


ROUTES: tuple[Route, ...] = (
    Route(method="POST", path="migrations", endpoint=start_migration),
    Route(method="GET", path="migrations/{id}", endpoint=get_migration),
    Route(method="GET", path="migrations/{id}/items", endpoint=list_items),
    Route(method="GET", path="migrations/{id}/plan", endpoint=get_plan),
    Route(method="POST", path="migrations/{id}/approve", endpoint=approve_migration),
    Route(method="POST", path="migrations/{id}/reject", endpoint=reject_migration),
)


async def answer(
    endpoint: Endpoint, clients: Clients, settings: Settings, req: HttpRequest, client: DurableOrchestrationClient
) -> HttpResponse:
    """An endpoint's answer, or the problem document that stands for what went wrong."""
    try:
        return await endpoint(clients, settings, req, client)
    except Declined as declined:
        return as_problem(declined.document)
    except Missing:
        return as_problem(ProblemDocument(status=404, title="There is no such migration"))
    except NotStarted as half_way:
        log.warning("migration %s was not started: %s", half_way, half_way.__cause__)
        detail = f"Ask again with the id {half_way}; it will be started once."
        return as_problem(ProblemDocument(status=503, title="The migration is recorded but not started", detail=detail))
    except Stale:
        return as_problem(ProblemDocument(status=409, title="The migration changed meanwhile", detail="Look again."))
    except ArmError as error:
        log.warning("Azure does not answer: %s", error)
        return as_problem(ProblemDocument(status=503, title="Azure does not answer", detail="Try again later."))
    except AzureError as error:
        log.warning("the ledger does not answer: %s", error)
        return as_problem(ProblemDocument(status=503, title="The ledger does not answer", detail="Try again later."))


# --- approval


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
    settings: Settings,
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
    await ensure_started(clients, settings, client, record)
    await _nudge(client, record.migration_id)
    return await _status(clients, req, record, status_code=202)


async def _nudge(client: DurableOrchestrationClient, instance_id: str) -> None:
    """Wake an orchestration to look at the ledger. A nudge that is lost only delays: it looks again by itself."""
    try:
        await client.raise_event(instance_id, NUDGE)
    except Exception as error:  # the SDK raises bare Exception, for a hub that is away as for an instance that ended
        log.warning("%s was not nudged: %s", instance_id, error)


async def _status(clients: Clients, req: HttpRequest, record: MigrationRecord, status_code: int) -> HttpResponse:
    vaults = await clients.ledger.read_vaults(record.migration_id)
    url = f"{site_of(req)}/api/migrations/{record.migration_id}"
    headers = {"Location": url, "Retry-After": str(POLL_SECONDS)} if status_code == 202 else {}
    return as_json(migration_status(record, vaults, url), status_code, headers)
