"""What follows a plan that events led to: another plan, a later look, or nothing."""

from clients import Clients
from migration.model import VaultId
from migration.records import VaultRecord
from migration.steps import FollowOrder, FollowUp


async def follow_up(clients: Clients, order: FollowOrder) -> FollowUp:
    """Ask whether events came meanwhile, and whether there was anything to plan.

    Raises AzureError of the ledger, for another try.
    """
    ledger, key = clients.ledger, VaultId.parse(order.vault_id).key
    vaults = await ledger.read_vaults(order.migration_id) if order.migration_id else []
    return FollowUp(touched=bool(await ledger.pending_events(key)), look_again=any(map(_without_plan, vaults)))


def _without_plan(vault: VaultRecord) -> bool:
    """Whether the vault had no item, or could not be read."""
    return bool(vault.problem) or not any(vault.counts.values())
