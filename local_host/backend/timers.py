"""Durable timers: one thread fires all of them, in order, by the hub's clock.

The stock backend sleeps in one thread per timer and lets a timer outlive the generation that made it.
"""

import heapq
import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from local_host.clock import Clock


@dataclass(frozen=True, order=True)
class DurableTimer:
    """A timer of one execution of an instance. Sorted by when it fires; equals fire in the order they were made."""

    fire_at: datetime
    sequence: int
    instance_id: str = field(compare=False)
    execution_id: str = field(compare=False)
    timer_id: int = field(compare=False)


class TimerOwner(Protocol):
    """What the timers ask of the hub. All of it is called with the hub's lock held."""

    def is_idle(self) -> bool:
        """Nothing is queued, in a turn or in an activity."""
        ...

    def is_awaited(self, timer: DurableTimer) -> bool:
        """The execution that made the timer is still the current one."""
        ...

    def fire(self, timer: DurableTimer) -> None: ...


class DurableTimers:
    """The pending timers of a hub. Every method is called with the hub's lock held, except `run`, the thread."""

    def __init__(self, owner: TimerOwner, clock: Clock, lock: threading.RLock) -> None:
        self._owner = owner
        self._clock = clock
        self._changed = threading.Condition(lock)
        self._pending: list[DurableTimer] = []
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="durable-timers", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; `join` waits for it, without the lock."""
        self._stopped = True
        self._changed.notify_all()

    def join(self) -> None:
        self._thread.join()

    def add(self, timer: DurableTimer) -> None:
        heapq.heappush(self._pending, timer)
        if self._pending[0] is timer:
            self._changed.notify_all()

    def look_again(self) -> None:
        """The hub became idle or the clock moved: time may be skipped now."""
        self._changed.notify_all()

    def will_fire_soon(self) -> bool:
        """Whether a timer fires without time passing on the wall, once the hub is idle."""
        self._drop_abandoned()
        return bool(self._pending) and (self._clock.skips or self._pending[0].fire_at <= self._clock.now())

    def _run(self) -> None:
        with self._changed:
            while not self._stopped:
                self._changed.wait(self._fire_due())

    def _fire_due(self) -> float | None:
        """Fire what is due; returns the seconds until the next timer, None if there is none."""
        while True:
            self._drop_abandoned()
            if not self._pending:
                return None
            due = self._pending[0].fire_at
            if due > self._clock.now() and self._clock.skips and self._owner.is_idle():
                self._clock.skip_to(due)
            remaining = (due - self._clock.now()).total_seconds()
            if remaining > 0:
                return remaining
            self._owner.fire(heapq.heappop(self._pending))

    def _drop_abandoned(self) -> None:
        # Left over by a generation that ended. They must not fire, and time must not be skipped for their sake.
        while self._pending and not self._owner.is_awaited(self._pending[0]):
            heapq.heappop(self._pending)
