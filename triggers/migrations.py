"""Migrations for callers: start one, list them, ask where one stands."""

import asyncio
from typing import Annotated, Literal
from urllib.parse import urlencode

import msgspec
from azure.functions import HttpResponse
from msgspec import Meta

from clients.ledger import MigrationFilter
from clients.pages import NotOurs
from migration.model import Instant, Value, VaultId
from migration.records import MigrationRecord, MigrationState
from migration.request import SUBSCRIPTION_ID, MigrationId, MigrationRequest, Problem, problems_of
from triggers.documents import MigrationList, MigrationSummary, migration_summary
from triggers.exchange import (
    KEY,
    Call,
    Declined,
    address_of,
    as_json,
    header,
    invalid,
    migration_id_of,
    read_body,
    read_query,
    status_answer,
    url_of,
)
from triggers.starting import start

CONTINUATION = r"^([0-9a-f]{2}){0,2000}$(?!\n)"
MOST_KEPT = 250_000  # characters of a request: with its vaults it must fit a table's row, which takes a megabyte
OWN_IDS = ("event-", "audit-")
ENDED_AS = {
    MigrationState.COMPLETED: 200,
    MigrationState.HALTED: 409,
    MigrationState.CANCELLED: 409,
    MigrationState.REJECTED: 409,
    MigrationState.FAILED: 500,
}
"""How a caller who polls learns from the status code alone how a migration ended."""

Continuation = Annotated[
    str,
    Meta(pattern=CONTINUATION, description="Where the page begins, from the link to the next page; empty: the first"),
]


class MigrationQuery(Value, frozen=True):
    """Query of the list: migrations that fit all of it."""

    state: Annotated[MigrationState | None, Meta(description="Only migrations in this state; left out: in any")] = None
    vault: Annotated[
        str, Meta(max_length=300, description="Only migrations of this vault, a resource id; empty: of any")
    ] = ""
    subscription: Annotated[
        str,
        Meta(
            pattern=f"(^$(?!\\n))|({SUBSCRIPTION_ID})",
            description="Only migrations with a vault in the subscription of this id; empty: in any",
        ),
    ] = ""
    since: Annotated[Instant | None, Meta(description="Only migrations asked for since then; left out: ever")] = None
    until: Annotated[Instant | None, Meta(description="Only migrations asked for until then; left out: till now")] = (
        None
    )
    page_size: Annotated[int, Meta(ge=1, le=100, description="Most migrations in a page")] = 50
    continuation: Continuation = ""


class StatusQuery(Value, frozen=True):
    """Query of the status."""

    wait: Annotated[
        Literal["true", "false"],
        Meta(description="`true`: the status code tells how the migration stands; `false`: it is 200 in any case"),
    ] = "true"


async def start_migration(call: Call) -> HttpResponse:
    """Plan a migration and, in mode `migrate`, carry it out.

    The same id (or Idempotency-Key) with the same body again finds the same migration; 409 with another body.
    """
    request = with_key(read_body(call.req, MigrationRequest), header(call.req, "Idempotency-Key"))
    problems = [*problems_of(request), *id_problems(request)]
    if problems:
        raise invalid("body", *problems)
    if len(msgspec.json.encode(request)) > MOST_KEPT:
        raise Declined(413, "The request is too large", detail=f"{MOST_KEPT} characters of JSON are kept at most")
    record = await start(call.clients, call.settings, call.durable, request, requester=call.caller)
    return await status_answer(call, record, status_code=202)


def id_problems(request: MigrationRequest) -> list[Problem]:
    """What is wrong with the id of a caller's migration."""
    taken = request.id is not None and request.id.startswith(OWN_IDS)
    message = f"ids that begin with {' or '.join(OWN_IDS)} are the app's own"
    return [Problem(path="$.id", message=message)] if taken else []


def with_key(request: MigrationRequest, key: str) -> MigrationRequest:
    """The request under the id that its Idempotency-Key stands for. Raises Declined where that can't be."""
    if not key:
        return request
    if request.id not in (None, key):
        raise invalid("header", Problem(path="Idempotency-Key", message=f"the body's id is {request.id}"))
    try:
        return msgspec.structs.replace(request, id=msgspec.convert(key, MigrationId))
    except msgspec.ValidationError as error:
        raise invalid("header", Problem(path="Idempotency-Key", message=str(error))) from error


async def list_migrations(call: Call) -> HttpResponse:
    """A page of migrations, the latest request first.

    A page may be short, even empty, and yet have a next one.
    """
    query = read_query(call.req, MigrationQuery)
    which = MigrationFilter(
        state=query.state,
        vault=_vault(query.vault),
        subscription=query.subscription.lower(),
        since=query.since,
        until=query.until,
    )
    try:
        page = await call.clients.ledger.page_migrations(which, query.page_size, query.continuation)
    except NotOurs as error:
        raise invalid("query", Problem(path="$.continuation", message=str(error))) from error
    summaries = await asyncio.gather(*(_summary(call, record) for record in page.migrations))
    return as_json(MigrationList(migrations=tuple(summaries), next_link=next_link(call, page.continuation)))


async def get_migration(call: Call) -> HttpResponse:
    """Where a migration stands: state, VMs by state and reason, each vault, what to do next.

    The status code tells too: 202 while it goes on; then 200 Completed, 409 Halted, Cancelled or Rejected, 500 Failed.
    """
    query = read_query(call.req, StatusQuery)
    record = await call.clients.ledger.read_migration(migration_id_of(call.req))
    return await status_answer(
        call, record, status_code=200 if query.wait == "false" else ENDED_AS.get(record.state, 202)
    )


def next_link(call: Call, continuation: str) -> str:
    """The address of a list's next page; empty after the last."""
    if not continuation:
        return ""
    query = {name: value for name, value in call.req.params.items() if name != KEY}
    return f"{address_of(call.req)}?{urlencode({**query, 'continuation': continuation})}"


def _vault(text: str) -> str:
    try:
        return str(VaultId.parse(text)).lower() if text else ""
    except ValueError as error:
        raise invalid("query", Problem(path="$.vault", message=str(error))) from error


async def _summary(call: Call, record: MigrationRecord) -> MigrationSummary:
    vaults = await call.clients.ledger.read_vaults(record.migration_id)
    return migration_summary(record, vaults, url_of(call.req, record.migration_id))
