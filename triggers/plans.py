"""The plan, to be read before it is approved: grouped as JSON, VM by VM as CSV, or against another plan."""

from azure.functions import HttpResponse

from clients.tables import Missing
from migration.compare import compare
from migration.model import Value
from migration.records import ItemRecord, ItemState, MigrationState
from migration.request import MigrationId, Problem
from triggers.documents import plan_document
from triggers.exchange import Call, Declined, as_json, invalid, migration_id_of, read_query, wants_csv
from triggers.tables import as_csv

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


async def get_plan(call: Call) -> HttpResponse:
    """The plan: as JSON in groups, or with `Accept: text/csv` a line a VM; `?against=ID` adds what differs."""
    migration_id = migration_id_of(call.req)
    query = read_query(call.req, PlanQuery)
    record = await call.clients.ledger.read_migration(migration_id)
    if record.state is MigrationState.PLANNING:
        raise Declined(409, "The plan is not made yet", detail="Ask again when the migration has left Planning.")
    if wants_csv(call.req):
        if query.against:
            raise invalid("query", Problem(path="$.against", message="a comparison can't be had as CSV"))
        return await as_csv(COLUMNS, (_row(item) async for item in call.clients.ledger.all_items(migration_id)))
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
