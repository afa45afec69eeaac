"""When a vault's controller counts as stuck: nudged first, and told of once where that did not help."""

from datetime import datetime, timedelta

import msgspec

from migration.model import Value
from migration.records import MigrationRecord, VaultRecord

TROUBLED_FOR = timedelta(hours=2)  # how long a service that throttles or declines may keep a controller from looking


class Stall(Value, frozen=True, omit_defaults=True):
    """A vault in a migration that has not moved since `moved_at`; `told` once an operator could read of it."""

    migration_id: str
    vault_key: str
    moved_at: datetime
    told: bool = False
    etag: str = ""


def stall_of(
    vault: VaultRecord, known: Stall | None, migration: MigrationRecord, interval_seconds: int, now: datetime
) -> Stall | None:
    """How a vault's stall stands now: None where it moves, the same as before where nothing more is to be done.

    It moves where its controller has looked within two intervals; that VMs began to move stands for a first look. A
    vault whose record tells of a problem is being asked about, at the service's pace.
    """
    moved_at = vault.checked_at or migration.started_at or migration.requested_at
    patience = max(2 * timedelta(seconds=interval_seconds), TROUBLED_FOR if vault.problem else timedelta())
    if vault.finished or now - moved_at <= patience:
        return None
    if known is None or known.moved_at != moved_at:
        return Stall(
            migration_id=vault.migration_id,
            vault_key=vault.vault_key,
            moved_at=moved_at,
            etag=known.etag if known else "",
        )
    return known if known.told else msgspec.structs.replace(known, told=True)
