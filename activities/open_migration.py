"""Open a migration of a vault that events told of, as its tags and the settings say."""

import logging

from clients import Clients
from clients.arm import Refused, Throttled
from clients.tables import Missing
from migration.events import Approval, intent_of, request_of
from migration.model import VaultId, same_id
from migration.opening import opened, order_of, vaults_of
from migration.records import FAILURES, MigrationRecord
from migration.steps import Opening, OpenOrder

log = logging.getLogger(__name__)

BUSY_SECONDS = 1800  # until asking again after a vault that a migration is at work on
NOTHING = Opening()


async def open_migration(clients: Clients, order: OpenOrder) -> Opening:
    """Read the vault and its tags, write the migration and its vault to the ledger, and take the events for it.

    The events are taken before anything of the vault's items is read, so that whatever they tell of is in the plan;
    one that comes later is pending and leads to another. Run twice, it finds the migration that is there, and takes
    for it what was there before it: of later events its survey may know nothing. Raises Unavailable, Stale and
    AzureError of the ledger, for another try.
    """
    ledger, vault = clients.ledger, VaultId.parse(order.vault_id)
    events = await ledger.pending_events(vault.key)
    record = await _standing(clients, order.migration_id)
    if record is None:
        if not (events or order.again):
            return NOTHING
        if await _at_work_on(clients, vault):
            return Opening(wait_seconds=BUSY_SECONDS)
        try:
            found = await clients.vaults.get_vault(vault)
        except Throttled as throttled:
            return Opening(wait_seconds=max(1, throttled.seconds))
        except Refused as refused:
            log.warning("vault %s can't be planned: %s", vault, refused)
            await ledger.take_events(events, refused.code)
            return Opening(look_again=refused.status != 404)
        intent = intent_of(found.id, found.tags, clients.event_terms)
        if intent.note:
            log.warning("vault %s: %s: %s", vault, intent.mode, intent.note)
        if intent.mode == "off":
            await ledger.take_events(events, intent.note)
            return NOTHING
        vaults = (str(VaultId.parse(found.id)),)
        approval = await _approval(clients, vault) if intent.mode == "migrate" else clients.event_terms.approval
        request = request_of(order.migration_id, vaults, intent, approval)
        record = opened(request, vaults, clients.event_terms.limits, clients.clock())
        await ledger.insert_migration(record)
    await ledger.insert_vaults(vaults_of(record))
    seen = [event for event in events if event.received_at <= record.requested_at]
    await ledger.take_events(seen, record.migration_id)
    return Opening(migration=order_of(record))


async def _standing(clients: Clients, migration_id: str) -> MigrationRecord | None:
    """The migration, where an earlier try of this step has opened it."""
    try:
        return await clients.ledger.read_migration(migration_id)
    except Missing:
        return None


async def _approval(clients: Clients, vault: VaultId) -> Approval:
    """Whether a person is to be asked: also where the last migration that events led to left VMs that failed.

    A write that fails makes an event too, which does not always tell whose write it was: the VM would be planned and
    written again for ever. Once a migration has come through, nobody is asked any more.
    """
    if clients.event_terms.approval == "required":
        return "required"
    last = await clients.ledger.last_event_migration(vault.key)
    vaults = await clients.ledger.read_vaults(last.migration_id) if last else []
    if not any(one.counts.get(state) for one in vaults for state in FAILURES):
        return "none"
    log.warning("vault %s: the next migration waits for an approval, since VMs failed in the last one", vault)
    return "required"


async def _at_work_on(clients: Clients, vault: VaultId) -> bool:
    running = await clients.ledger.running_migrations()
    return any(same_id(str(vault), one) for migration in running for one in migration.vaults)
