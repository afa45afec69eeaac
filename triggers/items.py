"""VMs for callers: those of a migration, as JSON or CSV, and what was ever done to one of them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Annotated

import msgspec
from azure.functions import HttpResponse
from msgspec import Meta

from clients.ledger import ItemFilter
from clients.pages import NotOurs
from clients.tables import Missing
from migration.model import VM_ID, ItemId, Value, VaultId, VmId
from migration.records import ItemState
from migration.request import Problem
from triggers.documents import ItemHistory, ItemList, ItemStatus, item_status
from triggers.exchange import Call, Declined, as_json, invalid, migration_id_of, read_query, wants_csv
from triggers.migrations import Continuation, next_link
from triggers.tables import as_csv

Text = Annotated[str, Meta(max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)")]

COLUMNS: Mapping[str, Callable[[ItemStatus], str]] = {
    "vault": lambda item: item.vault_key,
    "vm": lambda item: item.vm_name,
    "state": lambda item: item.state.value,
    "reason": lambda item: item.reason,
    "message": lambda item: item.message,
    "remedy": lambda item: item.remedy,
    "retryable": lambda item: "yes" if item.retryable else "no",
    "warnings": lambda item: "; ".join(item.warnings),
    "findings": lambda item: "; ".join(finding.code for finding in item.findings),
    "sourcePolicy": lambda item: item.source_policy,
    "targetPolicy": lambda item: item.target_policy,
    "writtenAt": lambda item: _time(item.written_at),
    "settledAt": lambda item: _time(item.settled_at),
    "jobId": lambda item: item.job_id,
    "operationId": lambda item: item.operation_id,
    "itemId": lambda item: item.item_id,
    "vmId": lambda item: item.vm_id,
}
"""The columns of the CSV: what `backup-migrate export` writes too, byte for byte."""


class ItemQuery(Value, frozen=True):
    """Query of the items list: VMs that fit all of it."""

    state: Annotated[ItemState | None, Meta(description="Only VMs in this state; left out: in any")] = None
    vault: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9-]{0,40}$(?!\n)",
            description="Only VMs of the vault of this key, as in the status; empty: of any",
        ),
    ] = ""
    reason: Annotated[Text, Meta(description="Only VMs with this reason; empty: with any or none")] = ""
    finding: Annotated[Text, Meta(description="Only VMs with a finding of this code; empty: with any or none")] = ""
    text: Annotated[Text, Meta(description="Only VMs with this in their names, in any casing; empty: all")] = ""
    page_size: Annotated[int, Meta(ge=1, le=1000, description="Most VMs in a page; as CSV there are no pages")] = 200
    continuation: Continuation = ""


async def list_items(call: Call) -> HttpResponse:
    """A page of a migration's VMs, by vault and name.

    With `Accept: text/csv` all that fit, a line each. A page may be short, even empty, and yet have a next one.
    """
    migration_id = migration_id_of(call.req)
    query = read_query(call.req, ItemQuery)
    record = await call.clients.ledger.read_migration(migration_id)
    if query.vault and query.vault not in {VaultId.parse(vault).key for vault in record.vaults}:
        raise invalid("query", Problem(path="$.vault", message="the migration has no vault of this key"))
    which = ItemFilter(
        state=query.state, vault_key=query.vault, reason=query.reason, finding=query.finding, text=query.text
    )
    if wants_csv(call.req):
        return await as_csv(COLUMNS, _all(call, migration_id, which))
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


async def _all(call: Call, migration_id: str, which: ItemFilter) -> AsyncIterator[ItemStatus]:
    continuation, more = "", True
    while more:
        page = await call.clients.ledger.page_items(migration_id, which, 1000, continuation)
        for record in page.items:
            yield item_status(record)
        continuation = page.continuation
        more = bool(continuation)


def _time(at: datetime | None) -> str:
    """As in the JSON document; empty for none."""
    return str(msgspec.to_builtins(at)) if at else ""
