"""Telling the world how a migration stands, at least once a stage."""

import logging
from collections.abc import Sequence

import msgspec

from clients import Clients
from clients.notices import NotTold
from clients.tables import Stale
from migration.notices import due_notice, stage_of
from migration.records import MigrationRecord, VaultRecord

log = logging.getLogger(__name__)


async def tell(clients: Clients, record: MigrationRecord, vaults: Sequence[VaultRecord]) -> MigrationRecord:
    """Send the notice that a migration is due, if any, and note in the ledger that it was told.

    Takes the record and all vaults of the migration as they are in the ledger; answers the record as it is there
    afterwards. Without a topic, or with nothing due, that is the record given. A topic that does not take the notice
    is a warning in the log, and the record stays due. Sent first, noted then: after a crash in between the same event
    is sent again. Raises AzureError where the ledger does not answer.
    """
    notice = due_notice(record, vaults, clients.public_url) if clients.notices.configured else None
    if notice is None:
        return record
    stage = stage_of(record, vaults)
    try:
        await clients.notices.send(notice)
    except NotTold as error:
        log.warning("migration %s is %s, which could not be told: %s", record.migration_id, stage, error)
        return record
    current = await clients.ledger.read_migration(record.migration_id)
    try:
        return await clients.ledger.write_migration(msgspec.structs.replace(current, told=stage))
    except Stale:  # somebody decided just now; if the stage is still the same next time, it is told again
        return await clients.ledger.read_migration(record.migration_id)
