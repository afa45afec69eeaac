"""What a migration tells the world, as CloudEvents: its plan awaits approval, failures stop it, it has ended.

Which stage is told as what is a table. An event's id is made of the migration and the stage, which a migration comes
into only once, so that whoever receives an event twice can drop the second.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from migration.model import Instant, Value
from migration.records import MOVING, MigrationRecord, MigrationState, VaultRecord, counts_of, halts_of

SOURCE = "/backup-migration/migrations"
PROBLEM_CHARACTERS = 2000  # a problem may quote whole pages that Azure answered; an event has a size limit

HALTING = "Halting"
"""The stage between two states: failures let nothing more start, and jobs in flight are followed, maybe for hours."""

NOTICES: Mapping[str, str] = {
    MigrationState.AWAITING_APPROVAL: "BackupMigration.AwaitingApproval",
    HALTING: "BackupMigration.Halting",
    MigrationState.HALTED: "BackupMigration.Halted",
    MigrationState.COMPLETED: "BackupMigration.Ended",
    MigrationState.CANCELLED: "BackupMigration.Ended",
    MigrationState.REJECTED: "BackupMigration.Ended",
    MigrationState.FAILED: "BackupMigration.Ended",
}
"""The stages that are told, and the type of each one's event."""


class NoticeData(Value, frozen=True):
    """What a notice says: `items` counts VMs by state; `status_url` is empty where the app's address is not known."""

    id: str
    state: MigrationState
    mode: str
    plan_hash: str
    items: dict[str, int]
    problem: str
    approval_deadline: Instant | None
    status_url: str


class Notice(Value, frozen=True):
    """A CloudEvent, by the names of its attributes. `time` is when the migration came to its stage."""

    id: str
    type: str
    subject: str
    time: Instant | None
    data: NoticeData
    source: str = SOURCE


def due_notice(record: MigrationRecord, vaults: Sequence[VaultRecord], public_url: str) -> Notice | None:
    """What is to be told of a migration; None where its stage is not one that is told, or was told already.

    `public_url` is where people reach the app, empty where that is not known. The same record and vaults make the same
    notice, whenever it is told.
    """
    stage = stage_of(record, vaults)
    if stage not in NOTICES or record.told == stage:
        return None
    return Notice(
        id=f"{record.migration_id}/{stage}",
        type=NOTICES[stage],
        subject=record.migration_id,
        time=_halted_at(vaults) if stage == HALTING else _since(record),
        data=NoticeData(
            id=record.migration_id,
            state=record.state,
            mode=record.request.mode,
            plan_hash=record.plan_hash,
            items=dict(sorted(counts_of(vaults).items())),
            problem=(record.problem or halts_of(vaults))[:PROBLEM_CHARACTERS],
            approval_deadline=record.approval_deadline,
            status_url=f"{public_url}/api/migrations/{record.migration_id}" if public_url else "",
        ),
    )


def stage_of(record: MigrationRecord, vaults: Sequence[VaultRecord]) -> str:
    """Its state, or HALTING where failures let nothing more start and some vault has not come to its end."""
    goes_on = record.state in MOVING and not all(vault.finished for vault in vaults)
    return HALTING if goes_on and not record.cancellation and halts_of(vaults) else record.state


def _halted_at(vaults: Sequence[VaultRecord]) -> datetime | None:
    """When the first vault was found that starts nothing more."""
    return min((vault.halted_at for vault in vaults if vault.halted and vault.halted_at), default=None)


def _since(record: MigrationRecord) -> datetime | None:
    """When the migration came into its state: it ended, or else its wait for approval began."""
    if record.ended_at or not record.approval_deadline:
        return record.ended_at
    return record.approval_deadline - timedelta(hours=record.request.approval_timeout_hours)
