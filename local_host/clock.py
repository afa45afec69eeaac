"""Where the local host takes its time from: the system's clock, or one that skips the waits of a test.

Everything the host dates (history events, `current_utc_datetime`, durable timers, status times) asks one injected
`Clock`. Nothing else in `local_host` reads the time.
"""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """The time, and whether it may be moved on when nothing is left to do but wait."""

    @property
    def skips(self) -> bool:
        """Whether a durable timer may fire before its time has passed on the wall."""
        ...

    def now(self) -> datetime:
        """The present time: aware, in UTC."""
        ...

    def skip_to(self, instant: datetime) -> None:
        """Make `instant` the present time, unless it has passed already. Called only while `skips` is true."""
        ...

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Call `changed` (from any thread) whenever time was moved by hand or `skips` has become true."""
        ...


class SystemClock:
    """The real time."""

    skips = False

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - this module is the one place that reads the system's clock

    def skip_to(self, instant: datetime) -> None:
        raise RuntimeError("The system's clock can't be moved.")

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Nothing to call: real time never jumps."""


class SkippingClock:
    """A clock for tests: it stands still while anything runs and jumps to the next durable timer when nothing does.

    A test that must act *before* a timer fires (raise an event before its timeout) does so inside
    `standing_still()`; there time moves only by `advance()`.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start
        self._holds = 0
        self._subscribers: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    @property
    def skips(self) -> bool:
        return self._holds == 0

    def now(self) -> datetime:
        return self._now

    def skip_to(self, instant: datetime) -> None:
        with self._lock:
            self._now = max(self._now, instant)

    def subscribe(self, changed: Callable[[], None]) -> None:
        self._subscribers.append(changed)

    def advance(self, delta: timedelta) -> None:
        """Move on by `delta`; durable timers that became due fire, in order."""
        self.skip_to(self._now + delta)
        self._tell_subscribers()

    @contextmanager
    def standing_still(self) -> Generator[None]:
        """No skipping inside this block, so nothing times out while a test acts. Blocks nest."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            self._tell_subscribers()

    def _tell_subscribers(self) -> None:
        for changed in self._subscribers:
            changed()
