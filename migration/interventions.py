"""What people may do to a migration that has not ended: pause, resume, cancel, change its limits."""

from datetime import datetime

import msgspec

from migration.limits import LimitChanges
from migration.records import MOVING, Cancellation, Intervention, MigrationRecord, MigrationState

KEPT = 20  # the latest interventions that a migration's record keeps


class NotNow(ValueError):
    """The migration is in no state for this; the text says which."""


def pause(record: MigrationRecord, by: str, comment: str, at: datetime) -> MigrationRecord:
    """Nothing more starts until it is resumed; jobs in flight are followed. Raises NotNow."""
    return _switched(record, MigrationState.PAUSED, Intervention(what="pause", by=by, comment=comment, at=at))


def resume(record: MigrationRecord, by: str, comment: str, at: datetime) -> MigrationRecord:
    """VMs start again. Raises NotNow."""
    return _switched(record, MigrationState.RUNNING, Intervention(what="resume", by=by, comment=comment, at=at))


def cancel(record: MigrationRecord, by: str, comment: str, at: datetime, cancel_jobs: bool) -> MigrationRecord:
    """Nothing more starts; the migration ends when what is in flight has ended, at once where nothing is.

    Cancelling again may add that jobs be cancelled, never take it back. Raises NotNow.
    """
    if record.ended:
        raise NotNow(f"the migration is {record.state}")
    if record.cancellation and record.cancellation.cancel_jobs >= cancel_jobs:
        return record
    cancellation = Cancellation(by=by, cancel_jobs=cancel_jobs, at=at)
    stopped = _with(record, Intervention(what="cancel", by=by, comment=comment, at=at), cancellation=cancellation)
    if record.state in MOVING:
        return stopped
    return stopped.to(MigrationState.CANCELLED, problem=f"cancelled by {by}", ended_at=at)


def change_limits(
    record: MigrationRecord, changes: LimitChanges, by: str, comment: str, at: datetime
) -> MigrationRecord:
    """Other limits from the next look on. VMs in flight stay in flight. Raises NotNow."""
    if record.ended:
        raise NotNow(f"the migration is {record.state}")
    intervention = Intervention(what="limits", by=by, comment=comment, at=at, limits=changes)
    return _with(record, intervention, limits=changes.applied_to(record.limits))


def _switched(record: MigrationRecord, to: MigrationState, intervention: Intervention) -> MigrationRecord:
    if record.state not in MOVING:
        raise NotNow(f"the migration is {record.state}")
    if record.cancellation:
        raise NotNow(f"{record.cancellation.by} has cancelled the migration")
    return record if record.state is to else _with(record, intervention).to(to)


def _with(record: MigrationRecord, intervention: Intervention, **changes: object) -> MigrationRecord:
    return msgspec.structs.replace(record, interventions=(*record.interventions, intervention)[-KEPT:], **changes)
