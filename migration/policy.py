"""Backup policies as far as a migration needs them: comparing two, and deriving the Enhanced equal of a Standard one.

Azure Backup applies a new policy's retention to the recovery points that already exist and prunes what it no longer
keeps (FAQ "Backing up Azure VMs", 12/2025), so a target that keeps less than the source deletes history for good.
"""

import hashlib
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from migration.model import BackupPolicy, PolicyContent, PolicyType, Retention, Schedule, Value

TIERS = ("daily", "weekly", "monthly", "yearly")


class Shrink(Value, frozen=True):
    """A tier on which the target keeps less: days kept now, and days kept afterwards (0: the tier is gone)."""

    tier: str
    days_now: int
    days_then: int

    def __str__(self) -> str:
        then = f"{self.days_then} days" if self.days_then else "nothing"
        return f"{self.tier} recovery points are kept {self.days_now} days now, {then} by the target"


def shrinks(source: Retention, target: Retention) -> tuple[Shrink, ...]:
    """The tiers on which `target` keeps less than `source`.

    Strictly tier by tier: how the service treats, say, weekly points under a policy that has only a daily tier is
    not documented, so a missing tier counts as keeping nothing.
    """
    return tuple(
        Shrink(tier=tier, days_now=now, days_then=then)
        for tier in TIERS
        if (now := getattr(source, tier) or 0) > (then := getattr(target, tier) or 0)
    )


# --- the Enhanced equal of a Standard policy


class HourlySchedule(Value, frozen=True):
    """Several backups a day."""

    interval_hours: Annotated[Literal[4, 6, 8, 12, 24], Meta(description="Hours between two backups")]
    window_hours: Annotated[
        int, Meta(ge=4, le=24, description="Hours of a day in which they are made, from the source's own time on")
    ]


class CloneOptions(Value, frozen=True):
    """How an Enhanced policy is derived from a Standard one; by default it differs in nothing but its type."""

    suffix: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9-]{1,30}$(?!\n)",
            description="Its name is the source's with this: a second migration finds what the first one made",
        ),
    ] = "-enhanced"
    hourly: Annotated[
        HourlySchedule | None,
        Meta(description="Several backups a day, where the source makes one; null: backups when the source makes them"),
    ] = None
    instant_restore_days: Annotated[
        Annotated[int, Meta(ge=1, le=30)] | None,
        Meta(description="Days that snapshots are kept for instant restore; null: as many as by the source"),
    ] = None


LONGEST_NAME = 150
_SNAPSHOT_DAYS = {"Daily": (1, 30), "Weekly": (5, 20)}
_SNAPSHOT_DAYS_HOURLY = {4: (1, 17), 6: (1, 22), 8: (1, 22), 12: (1, 30), 24: (1, 30)}


def clone_name(source: BackupPolicy, options: CloneOptions) -> str:
    """The name of a policy's Enhanced equal."""
    return source.name[: LONGEST_NAME - len(options.suffix)] + options.suffix


def snapshot_days(schedule: Schedule) -> tuple[int, int]:
    """The fewest and the most days that an Enhanced policy of this schedule may keep snapshots.

    From the document backup-azure-vms-enhanced-policy, which names every 4, 6 and 12 hours; 8 is taken as 6.
    """
    if schedule.frequency == "Hourly":
        return _SNAPSHOT_DAYS_HOURLY.get(schedule.interval_hours, _SNAPSHOT_DAYS["Daily"])
    return _SNAPSHOT_DAYS[schedule.frequency]


def enhanced_equal(source: BackupPolicy, options: CloneOptions) -> BackupPolicy:
    """The Enhanced policy that keeps what `source` keeps, at its hours, in its time zone.

    Retention, tiering and the snapshots' resource group are taken over to the letter; the schedule keeps its times,
    which retention has to repeat. An hourly schedule begins at the source's time, and only where the source backs up
    daily: a weekly policy has no daily tier for an hourly one to fill.
    """
    schedule = source.content.schedule
    if options.hourly and schedule.frequency == "Daily":
        schedule = Schedule(
            frequency="Hourly",
            run_times=schedule.run_times,
            interval_hours=options.hourly.interval_hours,
            window_hours=options.hourly.window_hours,
        )
    content = PolicyContent(
        policy_type=PolicyType.ENHANCED,
        schedule=schedule,
        time_zone=source.content.time_zone,
        instant_restore_days=options.instant_restore_days or source.content.instant_restore_days,
        kept=source.content.kept,
    )
    name = clone_name(source, options)
    return BackupPolicy(
        id=f"{source.id.rpartition('/')[0]}/{name}", name=name, retention=source.retention, content=content
    )


def fingerprint(policy: BackupPolicy) -> str:
    """A hash of a policy's content: it changes with anything that matters to a VM protected by it."""
    return hashlib.sha256(msgspec.json.encode(policy.content)).hexdigest()
