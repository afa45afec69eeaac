"""Waking orchestrations that sleep. What changed is in the ledger before: a nudge only makes it noticed sooner."""

import logging

from azure.durable_functions import DurableOrchestrationClient

from migration.steps import NUDGE

log = logging.getLogger(__name__)


async def nudge(client: DurableOrchestrationClient, instance_id: str) -> None:
    """Wake an orchestration to look at the ledger. A nudge that is lost only delays: it looks again by itself."""
    try:
        await client.raise_event(instance_id, NUDGE)
    except Exception as error:  # the SDK raises bare Exception, for a hub that is away as for an instance that ended
        log.warning("%s was not nudged: %s", instance_id, error)
