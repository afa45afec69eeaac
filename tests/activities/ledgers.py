"""What an activity's test starts from and looks at: a running migration of one vault in the ledger."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from clients.ledger import Ledger
from migration.limits import Limits
from migration.records import ItemRecord, ItemState, MigrationState
from migration.steps import Gate, ItemOrder, VaultOrder
from tests.builders import VAULT_KEY, a_migration, a_record, a_vault
from tests.conftest import START
from tests.ledgers import write_plan

ORDER = VaultOrder(migration_id="m1", vault_key=VAULT_KEY)


def some_limits(**limits: Any) -> Limits:
    """Limits without canaries, and a look every minute."""
    return msgspec.structs.replace(Limits(ramp=(), poll_seconds=60), **limits)


def item_order(name: str = "web-01") -> ItemOrder:
    """The order for one VM, its preflight done at the start of the test and good for ever."""
    return ItemOrder(
        migration_id="m1",
        vault_key=VAULT_KEY,
        item_name=a_record(name).item_name,
        gate=Gate(checked_at=START, closes_at=datetime.max.replace(tzinfo=UTC)),
    )


async def given(
    ledger: Ledger,
    *records: ItemRecord,
    state: MigrationState = MigrationState.RUNNING,
    limits: Limits | None = None,
    **vault: Any,
) -> None:
    """A migration in this state, with its one vault and these VMs; whoever is in flight holds its claim."""
    migration = a_migration(state=state, limits=limits or some_limits(), planned=len(records))
    await ledger.insert_migration(migration)
    await ledger.insert_vaults([a_vault(**{"surveyed": bool(records), **vault})])
    await write_plan(ledger, "m1", VAULT_KEY, records)
    for record in records:
        if record.state in (ItemState.STARTING, ItemState.MIGRATING):
            await ledger.claim(VAULT_KEY, record.item_name, "m1")


async def found(ledger: Ledger, name: str = "web-01") -> ItemRecord:
    """A VM's record as it is now."""
    return await ledger.read_item("m1", VAULT_KEY, a_record(name).item_name)


async def verdicts(ledger: Ledger) -> dict[str, tuple[ItemState, str]]:
    """State and reason of every VM, by name."""
    records = await ledger.read_items("m1", VAULT_KEY)
    return {record.vm_name: (record.state, record.reason) for record in records}


async def unchanged(ledger: Ledger, record: ItemRecord) -> bool:
    """Whether the row is still this one, ETag and all."""
    return await ledger.read_item(record.migration_id, record.vault_key, record.item_name) == record


async def control(ledger: Ledger, state: MigrationState) -> None:
    """Somebody moves the migration to another state."""
    migration = await ledger.read_migration("m1")
    await ledger.write_migration(msgspec.structs.replace(migration, state=state))
