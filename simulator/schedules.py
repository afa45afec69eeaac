"""When a policy backs up: the next run after a moment, and the agenda entries that make backups start by themselves.

Times of day count as UTC whatever the policy's time zone says. The service starts within two hours, here on time.
"""

from datetime import datetime, timedelta

from simulator.estate import Estate
from simulator.jobs import start_backup
from simulator.resources import (
    WEEKDAYS,
    BackupPolicy,
    Frequency,
    JobEnding,
    ProtectedItem,
    ProtectionState,
    Terms,
    Vault,
)

_DAY = timedelta(days=1)


def next_run(terms: Terms, after: datetime) -> datetime:
    """The first run of the schedule later than `after`."""
    day = after.replace(hour=0, minute=0, second=0, microsecond=0)
    # A window that began yesterday may reach into today, and a weekly run may be eight days ahead.
    runs = (run for ahead in range(-1, 9) for run in _runs_of(terms, day + ahead * _DAY))
    return next(run for run in runs if run > after)


def _runs_of(terms: Terms, day: datetime) -> list[datetime]:
    """The runs that belong to a day, in order."""
    if terms.frequency is Frequency.WEEKLY and WEEKDAYS[day.weekday()] not in terms.days:
        return []
    first = day.replace(hour=terms.times[0].hour, minute=terms.times[0].minute)
    if terms.frequency is not Frequency.HOURLY:
        return [first]
    hours = range(0, terms.window_hours + 1, terms.interval_hours)
    return [first + timedelta(hours=hour) for hour in hours if hour < 24]


def keep_schedule(estate: Estate, vault: Vault, policy: BackupPolicy, now: datetime) -> None:
    """From now on backups of the policy's items start by themselves, if the scenario wants that."""
    if policy.terms is None or not estate.service.scheduled_backups:
        return

    def run(at: datetime) -> None:
        if vault.policy(policy.name) is not policy:
            return  # deleted meanwhile
        for item in vault.items.values():
            if item.policy is policy and _can_be_backed_up(estate, item):
                ends = JobEnding(estate.jitter(timedelta(minutes=estate.service.backup_minutes)))
                start_backup(estate, vault, item, at, ends)
        keep_schedule(estate, vault, policy, at)

    estate.agenda.at(next_run(policy.terms, now), run)


def _can_be_backed_up(estate: Estate, item: ProtectedItem) -> bool:
    """A VM that exists, protected, with no other job: the service skips a run that would collide."""
    return (
        item.state in (ProtectionState.PROTECTED, ProtectionState.IR_PENDING)
        and estate.vm(item.vm_id) is not None
        and not any(job.running for job in item.jobs)
    )
