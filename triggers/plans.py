"""The plan, to be read before it is approved: grouped as JSON, VM by VM as CSV, or against another plan."""

import csv
from collections.abc import AsyncIterator, Mapping
from io import StringIO
from typing import cast

from azure.durable_functions import DurableOrchestrationClient
from azure.functions import HttpRequest, HttpResponse

from clients import Clients
from clients.ledger import Missing
from migration.compare import compare
from migration.model import Value
from migration.records import ItemRecord, ItemState, MigrationState
from migration.request import MigrationId, Problem
from settings import Settings
from triggers.documents import plan_document
from triggers.exchange import Declined, as_json, invalid, migration_id_of, read_query

COLUMNS = (
    "vault",
    "vm",
    "verdict",
    "reason",
    "message",
    "findings",
    "sourcePolicy",
    "targetPolicy",
    "monthlyChangeLow",
    "monthlyChangeHigh",
    "currency",
    "itemId",
)


class PlanQuery(Value, frozen=True):
    """Query of the plan: another migration whose plan to compare with."""

    against: MigrationId | None = None


async def get_plan(
    clients: Clients, settings: Settings, req: HttpRequest, client: DurableOrchestrationClient
) -> HttpResponse:
    """The plan: as JSON in groups, or with `Accept: text/csv` a line a VM; `?against=ID` adds what differs."""
    migration_id = migration_id_of(req)
    query = read_query(req, PlanQuery)
    record = await clients.ledger.read_migration(migration_id)
    if record.state is MigrationState.PLANNING:
        raise Declined(409, "The plan is not made yet", detail="Ask again when the migration has left Planning.")
    if "text/csv" in cast(Mapping[str, str], req.headers).get("accept", ""):
        return HttpResponse(await _csv(clients.ledger.all_items(migration_id)), mimetype="text/csv")
    differences = None
    if query.against:
        try:
            other = await clients.ledger.read_migration(query.against)
        except Missing:
            problem = Problem(path="$.against", message=f"there is no migration {query.against}")
            raise invalid("query", problem) from None
        if other.state is MigrationState.PLANNING:
            raise Declined(409, "The other plan is not made yet", detail=f"{query.against} is still Planning")
        before = [item async for item in clients.ledger.all_items(query.against)]
        differences = compare(before, [item async for item in clients.ledger.all_items(migration_id)])
    return as_json(plan_document(record, await clients.ledger.read_vaults(migration_id), differences))


async def _csv(items: AsyncIterator[ItemRecord]) -> bytes:
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    async for item in items:
        writer.writerow(map(_cell, _row(item)))
    return text.getvalue().encode()


def _row(item: ItemRecord) -> tuple[str, ...]:
    """A VM as it was planned, whatever has become of it since."""
    stays = item.verdict is not ItemState.PLANNED  # only then reason and message are still the plan's
    return (
        item.vault_key,
        item.vm_name,
        item.verdict.value,
        item.reason if stays else "",
        item.message if stays else "",
        "; ".join(finding.code for finding in item.findings),
        item.source_policy_id.rpartition("/")[2],
        item.target_policy_id.rpartition("/")[2],
        f"{item.cost.low:.2f}" if item.cost else "",
        f"{item.cost.high:.2f}" if item.cost else "",
        item.cost.currency if item.cost else "",
        item.item_id,
    )


def _cell(text: str) -> str:
    """Spreadsheets run what begins like a formula; a number is none."""
    number = text.removeprefix("-").replace(".", "", 1).isdecimal()
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) and not number else text
