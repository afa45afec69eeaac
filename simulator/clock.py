"""The simulator's one clock. Everything that progresses (jobs, operations, buckets, schedules) reads it.

There are two times: the simulated one, which may run faster than the wall or stand still, and the wall clock, needed
only where a real client library compares with its own (token expiry, TLS).
"""

import math
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Simulated time, UTC. `scale` is simulated seconds per real second."""

    scale: float

    def now(self) -> datetime: ...

    def advance(self, by: timedelta) -> None:
        """Skip time; what became due meanwhile happens at its own moment, in order."""
        ...


class RealClock:
    """Runs from the wall time at creation, `scale` times as fast."""

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale
        self._start = wall_clock()
        self._started = time.monotonic()
        self._skipped = timedelta()

    def now(self) -> datetime:
        elapsed = timedelta(seconds=(time.monotonic() - self._started) * self.scale)
        return self._start + self._skipped + elapsed

    def advance(self, by: timedelta) -> None:
        self._skipped += by


class ManualClock:
    """Stands still until told to advance."""

    def __init__(self, start: datetime) -> None:
        self.scale = 1.0
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by


def wall_clock() -> datetime:
    """The real time, UTC: for tokens and as the start of a RealClock."""
    return datetime.now(UTC)  # noqa: TID251 - this is the one place that reads the wall clock


def client_seconds(clock: Clock, simulated_seconds: float) -> int:
    """Simulated seconds as whole seconds of a client's life, at least 1: what a Retry-After header says.

    A client sleeps real seconds; on a clock 60 times as fast, Retry-After: 60 must read 1 to mean the same.
    """
    return max(1, math.ceil(simulated_seconds / clock.scale))
