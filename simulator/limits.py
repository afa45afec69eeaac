"""How many requests the service takes: hourly buckets per action and quotas per day, by the simulated clock.

* requests per hour and action, counted per subscription over all callers: ARM's 429
  (error_429_resource_requests_throttled_job_read.json); the window starts with its first request;
* changes of protection per day and vault: the 400 that is a throttle (error_400_CloudDosAbsoluteLimitReached.json);
* policy writes per day and vault: 50 by the documentation, assumed to be refused in the same way.
"""

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from simulator import outages
from simulator.clock import Clock, client_seconds

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A scenario's [limits]. 0 is no limit."""

    requests_per_hour: dict[str, int] = {}
    """ARM action -> requests, such as "Microsoft.RecoveryServices/vaults/backupJobs/read" = 150."""
    policy_writes_per_day: int = 50
    protection_changes_per_day: int = 0


@dataclass(slots=True)
class _Window:
    ends: datetime
    left: int


class Buckets:
    """The hourly buckets, one per subscription and action that has a limit."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._limits = {action.lower(): limit for action, limit in limits.requests_per_hour.items()}
        self._clock = clock
        self._windows: dict[tuple[str, str], _Window] = {}

    def take(self, subscription: str, action: str, now: datetime) -> int | None:
        """What is left in the bucket, None if the action has none. Raises ServiceError 429 when it is empty."""
        limit = self._limits.get(action.lower())
        if not limit:
            return None
        place = (subscription.lower(), action.lower())
        window = self._windows.get(place)
        if window is None or window.ends <= now:
            window = self._windows[place] = _Window(now + _HOUR, limit)
        if window.left <= 0:
            raise outages.too_many_requests(action, limit, self._seconds_until(window.ends, now))
        window.left -= 1
        return window.left

    def _seconds_until(self, moment: datetime, now: datetime) -> int:
        return client_seconds(self._clock, (moment - now).total_seconds())


def spend(writes: deque[datetime], limit: int, now: datetime) -> None:
    """Count one of the day's writes. Raises ServiceError 400 when there were `limit` in the last 24 hours."""
    while writes and writes[0] <= now - _DAY:
        writes.popleft()
    if limit and len(writes) >= limit:
        raise outages.day_limit_reached()
    writes.append(now)
