"""The plan, to be read before it is approved: grouped as JSON, VM by VM as CSV, or against another plan."""

from collections.abc import Callable, Mapping
from typing import Annotated

from azure.functions import HttpResponse
from msgspec import Meta

from clients.tables import Missing
from migration.compare import compare
from migration.model import Value
from migration.records import ItemRecord, ItemState, MigrationState
from migration.request import MigrationId, Problem
from triggers.documents import plan_document
from triggers.exchange import Call, Declined, as_json, invalid, migration_id_of, read_query, wants_csv
from triggers.tables import as_csv

COLUMNS: Mapping[str, Callable[[ItemRecord], str]] = {
    "vault": lambda item: item.vault_key,
    "vm": lambda item: item.vm_name,
    "verdict": lambda item: item.verdict.value,
    "reason": lambda item: item.reason if _stays(item) else "",
    "message": lambda item: item.message if _stays(item) else "",
    "findings": lambda item: "; ".join(finding.code for finding in item.findings),
    "sourcePolicy": lambda item: item.source_policy_id.rpartition("/")[2],
    "targetPolicy": lambda item: item.target_policy_id.rpartition("/")[2],
    "monthlyChangeLow": lambda item: f"{item.cost.low:.2f}" if item.cost else "",
    "monthlyChangeHigh": lambda item: f"{item.cost.high:.2f}" if item.cost else "",
    "currency": lambda item: item.cost.currency if item.cost else "",
    "itemId": lambda item: item.item_id,
}
"""The columns of the CSV: a VM as it was planned, whatever has become of it since."""


class PlanQuery(Value, frozen=True):
    """Query of the plan."""

    against: Annotated[
        MigrationId | None, Meta(description="Also what differs from this migration's plan; left out: no comparison")
    ] = None


async def get_plan(call: Call) -> HttpResponse:
    """A migration's plan, in groups.

    With `Accept: text/csv` a line a VM, which can't be compared with another plan. 409 while the plan is being made.
    """
    migration_id = migration_id_of(call.req)
    query = read_query(call.req, PlanQuery)
    record = await call.clients.ledger.read_migration(migration_id)
    if record.state is MigrationState.PLANNING:
        raise Declined(409, "The plan is not made yet", detail="Ask again when the migration has left Planning.")
    if wants_csv(call.req):
        if query.against:
            raise invalid("query", Problem(path="$.against", message="a comparison can't be had as CSV"))
        return await as_csv(COLUMNS, call.clients.ledger.all_items(migration_id))
    differences = None
    if query.against:
        try:
            other = await call.clients.ledger.read_migration(query.against)
        except Missing:
            problem = Problem(path="$.against", message=f"there is no migration {query.against}")
            raise invalid("query", problem) from None
        if other.state is MigrationState.PLANNING:
            raise Declined(409, "The other plan is not made yet", detail=f"{query.against} is still Planning")
        before = [item async for item in call.clients.ledger.all_items(query.against)]
        differences = compare(before, [item async for item in call.clients.ledger.all_items(migration_id)])
    return as_json(plan_document(record, await call.clients.ledger.read_vaults(migration_id), differences))


def _stays(item: ItemRecord) -> bool:
    """Whether the VM's reason and message are still the plan's: it was not to move."""
    return item.verdict is not ItemState.PLANNED
