"""Waking orchestrations that sleep, so that they look at the ledger now. A nudge that is lost only delays."""

import asyncio
import logging
from collections.abc import Iterable

from azure.durable_functions import DurableOrchestrationClient

from clients import Clients
from migration.records import MOVING, MigrationRecord
from migration.steps import NUDGE, instance_of

log = logging.getLogger(__name__)

AT_ONCE = 20


async def nudge(clients: Clients, durable: DurableOrchestrationClient, record: MigrationRecord) -> None:
    """Wake whoever sleeps on this migration: its vaults' controllers while it runs, the migration itself otherwise."""
    asleep: Iterable[str] = [record.migration_id]
    if record.state in MOVING:
        vaults = await clients.ledger.read_vaults(record.migration_id)
        asleep = [instance_of(record.migration_id, vault.vault_key) for vault in vaults if not vault.finished]
    at_once = asyncio.Semaphore(AT_ONCE)

    async def wake(instance_id: str) -> None:
        async with at_once:
            await nudge_instance(durable, instance_id)

    await asyncio.gather(*map(wake, asleep))


async def nudge_instance(durable: DurableOrchestrationClient, instance_id: str) -> None:
    """Wake one orchestration; a hub that is away, or an instance that has ended, is no failure."""
    try:
        await durable.raise_event(instance_id, NUDGE)
    except Exception as error:  # the SDK raises bare Exception, for a hub that is away as for an instance that ended
        log.warning("%s was not nudged: %s", instance_id, error)
