"""Ask Azure Backup to cancel a job of a migration that an operator has stopped."""

from clients import Clients
from clients.arm import ArmError
from migration.model import VaultId
from migration.steps import JobOrder


async def cancel_job(clients: Clients, order: JobOrder) -> None:
    """Send one request. Whether it was granted shows in the jobs that the next cycle sees, which asks again.

    A job that ended meanwhile, and one that Azure will not cancel, are followed to their end like any other.
    """
    vault = await clients.ledger.read_vault(order.migration_id, order.vault_key)
    try:
        await clients.backup.cancel_job(VaultId.parse(vault.vault_id), order.job_id)
    except ArmError:
        return
