"""What several tests put into a ledger in one call."""

from collections.abc import Sequence

import msgspec

from clients.ledger import Ledger
from migration.records import ItemRecord
from tests.builders import a_vault


async def write_plan(ledger: Ledger, migration_id: str, vault_key: str, records: Sequence[ItemRecord]) -> None:
    """Write the plan of a vault and its counts, and the vault where the ledger has none yet."""
    await ledger.insert_vaults([a_vault(migration_id=migration_id, vault_key=vault_key)])
    vault = await ledger.read_vault(migration_id, vault_key)
    counted = msgspec.structs.replace(vault, vms=len(records), counts={}, reasons={}).counting(records)
    await ledger.write_plan(vault, counted, records)
