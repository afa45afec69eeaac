"""The HTTP API under /api: one function an endpoint, and the table that says which is where.

Every answer is a document of documents.py; everything wrong is a problem document that names the field. An endpoint
that refuses has started and written nothing.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec
from azure.core.exceptions import AzureError
from azure.durable_functions import DurableOrchestrationClient
from azure.functions import HttpRequest, HttpResponse
from msgspec import Meta

from clients import Clients
from clients.ledger import ItemFilter, Missing, Stale
from migration.model import Value
from migration.records import Decision, ItemState, MigrationRecord, MigrationState
from migration.request import MIGRATION_ID, MigrationRequest, Problem, problems_of
from migration.steps import NUDGE
from settings import Settings
from triggers.documents import ItemList, ProblemDocument, item_status, migration_status
from triggers.starting import NotStarted, Taken, start

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 1_000_000
POLL_SECONDS = 10  # what a caller who waits for a migration is asked to leave between two looks
V = TypeVar("V", bound=Value)

Person = Annotated[str, Meta(min_length=1, max_length=200)]
Comment = Annotated[str, Meta(max_length=2000)]


class Approval(Value, frozen=True):
    """Body of approve: the plan that was read, and who says yes to it."""

    plan_hash: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    approver: Person
    comment: Comment = ""


class Rejection(Value, frozen=True):
    """Body of reject."""

    approver: Person
    comment: Comment = ""


class ItemQuery(Value, frozen=True):
    """Query of the items list."""

    state: ItemState | None = None
    vault: Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,40}$")] = ""
    page_size: Annotated[int, Meta(ge=1, le=1000)] = 200
    continuation: Annotated[str, Meta(pattern=r"^([0-9a-f]{2}){1,2000}$")] = ""


class Declined(Exception):
    """The request gets this problem document for an answer."""

    def __init__(self, status: int, title: str, detail: str = "", errors: tuple[Problem, ...] = ()) -> None:
        super().__init__(title)
        self.document = ProblemDocument(status=status, title=title, detail=detail, errors=errors)


# --- endpoints


async def start_migration(
    clients: Clients, settings: Settings, req: HttpRequest, client: DurableOrchestrationClient
) -> HttpResponse:
    """Start planning, and migrating where the request says so: 202 with the status document and its Location."""
    request = _body(req, MigrationRequest)
    problems = problems_of(request)
    if problems:
        raise Declined(400, "The request is not valid", errors=tuple(problems))
    try:
        record = await start(clients, settings, client, request)
    except Taken as taken:
        raise Declined(409, "This id is taken", detail=str(taken)) from taken
    except NotStarted as half_way:
        log.warning("migration %s was not started: %s", half_way, half_way.__cause__)
        detail = f"Ask again with the id {half_way}; it will be started once."
        raise Declined(503, "The migration is recorded but not started", detail=detail) from half_way
    return await _status(clients, req, record, status_code=202)


async def get_migration(
    clients: Clients, settings: Settings, req: HttpRequest, client: DurableOrchestrationClient
) -> HttpResponse:
    """The status document: 202 with Location and Retry-After while the migration goes on, 200 when it has ended."""
    record = await clients.ledger.read_migration(_migration_id(req))
    return await _status(clients, req, record, status_code=200 if record.ended else 202)


async def list_items(
    clients: Clients, settings: Settings, req: HttpRequest, client: DurableOrchestrationClient
) -> HttpResponse:
    """A page of the migration's VMs, by vault and name, optionally of one vault or one state."""
    migration_id = _migration_id(req)
    query = _query(req, ItemQuery)
    await clients.ledger.read_migration(migration_id)
    try:
        page = await clients.ledger.page_items(
            migration_id, ItemFilter(state=query.state, vault_key=query.vault), query.page_size, query.continuation
        )
    except ValueError as error:
        raise _invalid("continuation", str(error), "query") from error
    next_link = ""
    if page.continuation:
        next_link = f"{_origin(req)}?{urlencode({**req.params, 'continuation': page.continuation})}"
    return _json(ItemList(items=tuple(map(item_status, page.items)), next_link=next_link))


async def approve_migration(
    clients: Clients, settings: Settings, req: HttpRequest, client: DurableOrchestrationClient
) -> HttpResponse:
    """Say yes to the plan of that hash; the migration begins."""
    approval = _body(req, Approval)
    record = await _undecided(clients, req)
    if approval.plan_hash != record.plan_hash:
        raise Declined(409, "This is not the plan", detail=f"the plan's hash is {record.plan_hash}")
    return await _decide(clients, req, client, record, True, approval)


async def reject_migration(
    clients: Clients, settings: Settings, req: HttpRequest, client: DurableOrchestrationClient
) -> HttpResponse:
    """Say no to the plan; the migration ends and nothing was written."""
    rejection = _body(req, Rejection)
    return await _decide(clients, req, client, await _undecided(clients, req), False, rejection)


Endpoint = Callable[[Clients, Settings, HttpRequest, DurableOrchestrationClient], Awaitable[HttpResponse]]


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
        return _problem(declined.document)
    except Missing:
        return _problem(ProblemDocument(status=404, title="There is no such migration"))
    except Stale:
        return _problem(ProblemDocument(status=409, title="The migration changed meanwhile", detail="Look again."))
    except AzureError as error:
        log.warning("the ledger does not answer: %s", error)
        return _problem(ProblemDocument(status=503, title="The ledger does not answer", detail="Try again later."))


# --- approval


async def _undecided(clients: Clients, req: HttpRequest) -> MigrationRecord:
    record = await clients.ledger.read_migration(_migration_id(req))
    if record.state is not MigrationState.AWAITING_APPROVAL or record.decision:
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
    await clients.ledger.write_migration(msgspec.structs.replace(record, decision=decision))
    await _nudge(client, record.migration_id)
    return await _status(clients, req, record, status_code=202)


async def _nudge(client: DurableOrchestrationClient, instance_id: str) -> None:
    """Wake an orchestration to look at the ledger. A nudge that is lost only delays: it looks again by itself."""
    try:
        await client.raise_event(instance_id, NUDGE)
    except Exception as error:  # the SDK raises bare Exception, for a hub that is away as for an instance that ended
        log.warning("%s was not nudged: %s", instance_id, error)


# --- reading requests


def _migration_id(req: HttpRequest) -> str:
    text = req.route_params.get("id", "")
    try:
        return msgspec.convert(text, Annotated[str, Meta(pattern=MIGRATION_ID)])
    except msgspec.ValidationError:
        raise Missing(text) from None


def _body(req: HttpRequest, kind: type[V]) -> V:
    body = req.get_body()
    if len(body) > MAX_BODY_BYTES:
        raise Declined(413, "The request is too large", detail=f"the limit is {MAX_BODY_BYTES} bytes")
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise _invalid("", str(error), "body") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _invalid("$", f"not JSON: {error}", "body") from error


def _query(req: HttpRequest, kind: type[V]) -> V:
    try:
        return msgspec.convert(dict(req.params), kind, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid("", str(error), "query") from error


def _invalid(path: str, message: str, where: str) -> Declined:
    """A 400 from one of msgspec's messages, which end in " - at `$.path`" where a path is known."""
    text, _, at = message.partition(" - at `")
    problem = Problem(path=path or at.removesuffix("`") or "$", message=text)
    return Declined(400, f"The {where} is not valid", errors=(problem,))


# --- writing answers


async def _status(clients: Clients, req: HttpRequest, record: MigrationRecord, status_code: int) -> HttpResponse:
    vaults = await clients.ledger.read_vaults(record.migration_id)
    url = f"{_site(req)}/api/migrations/{record.migration_id}"
    headers = {"Location": url, "Retry-After": str(POLL_SECONDS)} if status_code == 202 else {}
    return _json(migration_status(record, vaults, url), status_code, headers)


def _origin(req: HttpRequest) -> str:
    return req.url.partition("?")[0]


def _site(req: HttpRequest) -> str:
    parts = urlsplit(req.url)
    return f"{parts.scheme}://{parts.netloc}"


def _json(document: Value, status_code: int = 200, headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(
        msgspec.json.encode(document), status_code=status_code, headers=headers, mimetype="application/json"
    )


def _problem(document: ProblemDocument) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(document), status_code=document.status, mimetype="application/problem+json")
