"""Event Grid: somebody wrote a vault, or an item of one. Remember it, and see that the vault is watched.

What can't be read is logged and acknowledged, since it will not read better when it is delivered again. Where the
ledger or the task hub does not answer the function fails, and Event Grid delivers again.
"""

import logging
from collections.abc import Mapping

import msgspec
from azure.durable_functions import DurableOrchestrationClient
from azure.functions import CloudEvent, EventGridEvent

from clients import Clients
from migration.events import Ignored, Touched, read_event, record_of
from migration.model import VaultId
from migration.steps import WAITS_FOR_ITEMS, WatchOrder, watch_of
from settings import Settings
from triggers.nudging import nudge_instance
from triggers.starting import ENDED, is_going_on

log = logging.getLogger(__name__)


async def on_vault_event(
    clients: Clients, settings: Settings, event: EventGridEvent | CloudEvent, client: DurableOrchestrationClient
) -> None:
    """Take one event. Raises AzureError of the ledger, and whatever Durable's client raises."""
    found = read_event(_fields(event), settings.identity_client_id)
    if isinstance(found, Ignored):
        # The body stays out of the log: its claims tell of people, and whoever sent it wrote the rest.
        log.log(logging.WARNING if found.malformed else logging.INFO, "an event was left alone: %s", found.why)
        return
    if not settings.may_touch(found.vault_id):
        log.info("an event of a vault that is not allowed was left alone: %s", found.vault_id)
        return
    await clients.ledger.prepare()
    if await _is_ours(clients, found):
        log.info("an event of this app's own write was left alone")
        return
    record = await clients.ledger.note_event(record_of(found, clients.clock()))
    if not record.taken:
        await ensure_watched(settings, client, found.vault_id)


async def ensure_watched(settings: Settings, client: DurableOrchestrationClient, vault_id: str) -> None:
    """Start the watch over a vault, or wake the one that is there where it waits for items.

    Raises whatever Durable's client raises where its hub does not answer.
    """
    vault = VaultId.parse(vault_id)
    instance_id = watch_of(vault.key)
    status = await client.get_status(instance_id)
    if status and status.runtime_status not in ENDED:
        if status.custom_status == WAITS_FOR_ITEMS:
            await nudge_instance(client, instance_id)
        return
    order = WatchOrder(
        vault_id=vault_id,
        vault_key=vault.key,
        delay_seconds=settings.event_delay_minutes * 60,
        recheck_seconds=settings.event_recheck_hours * 3600,
        wait_seconds=settings.event_delay_minutes * 60,
    )
    try:
        await client.start_new("watch_vault", instance_id, msgspec.to_builtins(order))
    except Exception:  # the SDK raises bare Exception for whatever its hub answers
        if not await is_going_on(client, instance_id):  # somebody else was faster
            raise


async def _is_ours(clients: Clients, touched: Touched) -> bool:
    """Whether a migration of ours holds the item: the write is its own. The claims of an event do not always tell."""
    key = VaultId.parse(touched.vault_id).key
    return touched.kind == "item" and bool(await clients.ledger.holder(key, touched.item_name))


def _fields(event: EventGridEvent | CloudEvent) -> Mapping[str, object]:
    """The event as its schema has it, as far as it is read."""
    data: object = event.get_json()
    if isinstance(event, CloudEvent):
        time = event.time.isoformat() if event.time else ""
        return {"id": event.id, "type": event.type, "subject": event.subject, "time": time, "data": data}
    time = event.event_time.isoformat() if event.event_time else ""
    return {"id": event.id, "eventType": event.event_type, "subject": event.subject, "eventTime": time, "data": data}
