"""The HTTP API under /api: one function an endpoint, and the table that says which is where.

Every answer is a document of documents.py; everything wrong is a problem document that names the field. An endpoint
that refuses has started and written nothing.
"""

import logging
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlencode

from azure.core.exceptions import AzureError
from azure.durable_functions import DurableOrchestrationClient
from azure.functions import HttpRequest, HttpResponse
from msgspec import Meta

from clients import Clients
from clients.arm import ArmError
from clients.ledger import ItemFilter, Missing, Stale
from migration.interventions import NotNow
from migration.model import Value
from migration.records import ItemState
from migration.request import MigrationRequest, Problem, problems_of
from settings import Settings
from triggers.control import (
    approve_migration,
    cancel_migration,
    change_limits,
    pause_migration,
    reject_migration,
    resume_migration,
    retry_migration,
)
from triggers.documents import ItemList, ProblemDocument, item_status
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
    status_answer,
)
from triggers.plans import get_plan
from triggers.starting import NotStarted, OutOfScope, Taken, start

log = logging.getLogger(__name__)

POLL_SECONDS = 10  # what a caller who waits for a migration is asked to leave between two looks


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
    record = await start(clients, settings, client, request)
    return await status_answer(clients, req, record, status_code=202)


async def get_migration(
    clients: Clients, settings: Settings, req: HttpRequest, client: DurableOrchestrationClient
) -> HttpResponse:
    """The status document: 202 with Location and Retry-After while the migration goes on, 200 when it has ended."""
    record = await clients.ledger.read_migration(migration_id_of(req))
    return await status_answer(clients, req, record, status_code=200 if record.ended else 202)


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
    Route(method="POST", path="migrations/{id}/pause", endpoint=pause_migration),
    Route(method="POST", path="migrations/{id}/resume", endpoint=resume_migration),
    Route(method="POST", path="migrations/{id}/cancel", endpoint=cancel_migration),
    Route(method="POST", path="migrations/{id}/limits", endpoint=change_limits),
    Route(method="POST", path="migrations/{id}/retry", endpoint=retry_migration),
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
    except Taken as taken:
        return as_problem(ProblemDocument(status=409, title="This id is taken", detail=str(taken)))
    except OutOfScope as unknown:
        return as_problem(invalid("body", *unknown.problems).document)
    except NotNow as refusal:
        return as_problem(ProblemDocument(status=409, title="The migration is not there for this", detail=str(refusal)))
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
