"""How far a migration has come, when it may end at this pace, and what its operator should do next."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

from msgspec import Meta

from migration.model import Instant, Value
from migration.records import (
    IN_FLIGHT,
    MOVING,
    ItemState,
    MigrationRecord,
    MigrationState,
    VaultRecord,
    counts_of,
)


class Progress(Value, frozen=True):
    """How far a migration has come with the VMs that are to move."""

    planned: Annotated[int, Meta(description="VMs that are to move by the plan")]
    done: Annotated[int, Meta(description="Planned VMs that have come to their end, moved or not")]
    in_flight: Annotated[int, Meta(description="Planned VMs whose write is on the way or whose job runs")]
    waiting: Annotated[int, Meta(description="Planned VMs whose turn has not come")]
    percent: Annotated[int, Meta(description="How much of what was planned is done, from 0 to 100, rounded down")]
    vms_per_hour: Annotated[
        float | None,
        Meta(
            description="VMs an hour whose jobs have ended so far, canaries included; "
            "null before the first, and when nothing more starts"
        ),
    ]
    estimated_end: Annotated[
        Instant | None, Meta(description="When the last job may end, at that pace; null where there is none")
    ]


def progress(record: MigrationRecord, vaults: Sequence[VaultRecord], now: datetime) -> Progress:
    """How far a migration has come at a time. One that never began to move VMs has done nothing, and none waits."""
    counts = counts_of(vaults)
    in_flight = sum(counts[state] for state in IN_FLIGHT)
    waiting = 0 if record.ended else counts[ItemState.PLANNED]
    done = max(record.planned - in_flight - waiting, 0) if record.started_at else 0
    speed = _speed(record, vaults, now)
    return Progress(
        planned=record.planned,
        done=done,
        in_flight=in_flight,
        waiting=waiting,
        percent=done * 100 // record.planned if record.planned else 0,
        vms_per_hour=round(speed, 1) if speed else None,
        estimated_end=now + timedelta(hours=(in_flight + waiting) / speed) if speed else None,
    )


def _speed(record: MigrationRecord, vaults: Sequence[VaultRecord], now: datetime) -> float | None:
    """VMs an hour whose jobs have ended, since the first could; None where that tells nothing of the end."""
    if record.started_at is None or record.ended or _stopping(record, vaults):
        return None
    counts = counts_of(vaults)
    settled = sum(counts[state] for state in (ItemState.MIGRATED, ItemState.FAILED, ItemState.TIMED_OUT))
    hours = (now - record.started_at) / timedelta(hours=1)
    return settled / hours if settled and hours > 0 else None


def _stopping(record: MigrationRecord, vaults: Sequence[VaultRecord]) -> bool:
    return record.cancellation is not None or any(vault.halted for vault in vaults)


def next_action(record: MigrationRecord, vaults: Sequence[VaultRecord]) -> str:
    """What the operator should do now, in one sentence."""
    counts = counts_of(vaults)
    in_flight = sum(counts[state] for state in IN_FLIGHT)
    troubled = sum(bool(vault.problem) for vault in vaults if not vault.finished)
    if record.state in MOVING and _stopping(record, vaults):
        why = "" if record.cancellation else "Too many VMs failed. "
        return f"{why}Wait: {in_flight} VMs in flight are followed to their end, nothing more starts."
    if record.state is MigrationState.AWAITING_APPROVAL and record.decision:
        return "Wait: the decision is being carried out."
    if record.state is MigrationState.RUNNING and troubled:
        return f"Look at the {troubled} vaults that tell a problem; the others go on."
    if record.state is MigrationState.COMPLETED:
        return _after_the_end(record, counts)
    deadline = f"{record.approval_deadline:%Y-%m-%d %H:%M} UTC" if record.approval_deadline else ""
    return _NEXT[record.state].format(deadline=deadline, in_flight=in_flight)


def _after_the_end(record: MigrationRecord, counts: Counter[str]) -> str:
    if record.request.mode == "plan":
        return "Read the plan; to carry it out, start a migration with mode 'migrate'." if record.planned else _NOTHING
    left = record.planned - counts[ItemState.MIGRATED]  # a VM that was planned may have been blocked meanwhile, too
    if left > 0:
        return "Look at the VMs that did not come through and their remedies, then retry them."
    return _NOTHING


_NOTHING = "Nothing."
_NEXT = {
    MigrationState.PLANNING: "Wait: the vaults are being read.",
    MigrationState.AWAITING_APPROVAL: "Read the plan, then approve its hash or reject it, before {deadline}.",
    MigrationState.RUNNING: "Nothing: VMs are moving.",
    MigrationState.PAUSED: "Resume it when VMs may start again; {in_flight} in flight are followed meanwhile.",
    MigrationState.HALTED: "Look at why VMs failed, mend that, then retry; what never started needs a new migration.",
    MigrationState.CANCELLED: "Start a new migration when what is left may move.",
    MigrationState.REJECTED: "Start a new migration when there is a plan to agree on.",
    MigrationState.FAILED: "Read the problem, mend it, and start a new migration.",
}
