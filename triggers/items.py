"""VMs for callers: those of a migration, as JSON or CSV, and what was ever done to one of them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Annotated

from azure.functions import HttpResponse
from msgspec import Meta

from clients.ledger import ItemFilter
from clients.pages import NotOurs
from clients.tables import Missing
from migration.model import VM_ID, ItemId, Value, VaultId, VmId
from migration.records import ItemRecord, ItemState
from migration.request import Problem
from triggers.documents import ItemHistory, ItemList, item_status
from triggers.exchange import Call, Declined, as_json, invalid, migration_id_of, read_query, wants_csv
from triggers.migrations import Continuation, next_link
from triggers.tables import as_csv

Text = Annotated[str, Meta(max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)")]

COLUMNS = (
    "vault",
    "vm",
    "state",
    "reason",
    "message",
    "remedy",
    "warnings",
    "findings",
    "sourcePolicy",
    "targetPolicy",
    "writtenAt",
    "settledAt",
    "jobId",
    "operationId",
    "itemId",
)


class ItemQuery(Value, frozen=True):
    """Query of the items list; `finding` is a rule's code, `text` a part of the VM's name."""

    state: Annotated[ItemState | None, Meta(description="Only VMs in this state")] = None
    vault: Annotated[
        str, Meta(pattern=r"^[a-z0-9-]{0,40}$(?!\n)", description="Only VMs of the vault of this key, as in the status")
    ] = ""
    reason: Annotated[Text, Meta(description="Only VMs with this reason")] = ""
    finding: Annotated[Text, Meta(description="Only VMs with a finding of this code")] = ""
    text: Annotated[Text, Meta(description="Only VMs with this in their names, in any casing")] = ""
    page_size: Annotated[int, Meta(ge=1, le=1000)] = 200
    continuation: Continuation = ""


async def list_items(call: Call) -> HttpResponse:
    """A page of the migration's VMs, by vault and name; with `Accept: text/csv` all of them, a line each."""
    migration_id = migration_id_of(call.req)
    query = read_query(call.req, ItemQuery)
    record = await call.clients.ledger.read_migration(migration_id)
    if query.vault and query.vault not in {VaultId.parse(vault).key for vault in record.vaults}:
        raise invalid("query", Problem(path="$.vault", message="the migration has no vault of this key"))
    which = ItemFilter(
        state=query.state, vault_key=query.vault, reason=query.reason, finding=query.finding, text=query.text
    )
    if wants_csv(call.req):
        return await as_csv(COLUMNS, _rows(call, migration_id, which))
    try:
        page = await call.clients.ledger.page_items(migration_id, which, query.page_size, query.continuation)
    except NotOurs as error:
        raise invalid("query", Problem(path="$.continuation", message=str(error))) from error
    return as_json(ItemList(items=tuple(map(item_status, page.items)), next_link=next_link(call, page.continuation)))


async def get_history(call: Call) -> HttpResponse:
    """Everything ever planned for or done to one VM, the latest migration first.

    The path carries the resource id of the VM, or of its protected item.
    """
    records = await call.clients.ledger.history(*await _item(call))
    if not records:
        raise Declined(404, "There is nothing about this VM", detail="no migration has planned it")
    migrations = await asyncio.gather(*(call.clients.ledger.read_migration(one.migration_id) for one in records))
    asked = {migration.migration_id: migration.requested_at for migration in migrations}
    records.sort(key=lambda record: asked[record.migration_id], reverse=True)
    return as_json(ItemHistory(items=tuple(map(item_status, records))))


async def _item(call: Call) -> tuple[str, str]:
    """The vault's key and the item's name that the path means. Raises Declined; Missing where no vault was seen."""
    text = "/" + call.req.route_params.get("resourceId", "").strip("/")
    try:
        if VM_ID.fullmatch(text):
            return await _item_of(call, VmId.parse(text))
        item = ItemId.parse(text)
        return VaultId.parse(item.vault).key, item.name
    except ValueError:
        problem = Problem(path="resourceId", message="not the resource id of a virtual machine or a protected item")
        raise invalid("path", problem) from None


async def _item_of(call: Call, vm: VmId) -> tuple[str, str]:
    try:
        return await call.clients.ledger.item_of(vm)
    except Missing as unseen:
        raise Declined(404, "There is nothing about this VM", detail=str(unseen)) from unseen


async def _rows(call: Call, migration_id: str, which: ItemFilter) -> AsyncIterator[Sequence[str]]:
    continuation, more = "", True
    while more:
        page = await call.clients.ledger.page_items(migration_id, which, 1000, continuation)
        for record in page.items:
            yield _row(record)
        continuation = page.continuation
        more = bool(continuation)


def _row(record: ItemRecord) -> Sequence[str]:
    item = item_status(record)
    return (
        item.vault_key,
        item.vm_name,
        item.state.value,
        item.reason,
        item.message,
        item.remedy,
        "; ".join(item.warnings),
        "; ".join(finding.code for finding in item.findings),
        item.source_policy,
        item.target_policy,
        item.written_at.isoformat() if item.written_at else "",
        item.settled_at.isoformat() if item.settled_at else "",
        item.job_id,
        item.operation_id,
        item.item_id,
    )
