"""Time that is skipped where a program would sleep: the app's, the documented loop's, and the simulated Azure's."""

import http.client
import json
import ssl
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from local_host.clock import SystemClock


class AzureTime:
    """Moves the simulated Azure's clock, over one connection that is kept: one call at a time."""

    def __init__(self, control: str, ca: str) -> None:
        where = urlsplit(control)
        self._path = f"{where.path}/clock/advance"
        self._connection = http.client.HTTPSConnection(
            where.hostname or "", where.port, context=ssl.create_default_context(cafile=ca)
        )

    def advance(self, seconds: float) -> None:
        """Skip so many seconds. Raises OSError where nobody answers."""
        try:
            self._connection.request("POST", self._path, json.dumps({"seconds": seconds}))
            self._connection.getresponse().read()
        except http.client.HTTPException as error:
            raise OSError("the simulated Azure does not answer") from error

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class HurriedClock:
    """A local_host clock: the system's, ahead of it by all waits that were skipped. `advance` takes others along."""

    skips = True

    def __init__(self, advance: Callable[[float], None]) -> None:
        self._system = SystemClock()
        self._ahead = timedelta()
        self._advance = advance

    def now(self) -> datetime:
        return self._system.now() + self._ahead

    def skip_to(self, instant: datetime) -> None:
        wait = instant - self.now()
        if wait > timedelta():
            self._ahead += wait
            self._advance(wait.total_seconds())

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Nothing to call: nobody moves this clock by hand."""


class SkippedTime:
    """One time for several threads: when all of them sleep, it jumps to where the first wakes up.

    Between jumps it passes as on the wall. It ends with the simulated Azure: nobody is to sleep out hours then.
    """

    def __init__(self, threads: int, advance: Callable[[float], None]) -> None:
        """`advance` takes others along, by so many seconds."""
        self._awake, self._advance = threads, advance
        self._ahead = 0.0
        self._wake_times: list[float] = []
        self._over = False
        self._changed = threading.Condition()

    def sleep(self, seconds: float) -> None:
        """Return when so many seconds have passed or were skipped. Raises RuntimeError where the time is over."""
        with self._changed:
            wakes = self._now() + seconds
            self._wake_times.append(wakes)
            self._awake -= 1
            self._skip()
            while not self._over and self._now() < wakes:
                self._changed.wait(wakes - self._now())
            self._wake_times.remove(wakes)
            self._awake += 1
            if self._over:
                raise RuntimeError("the simulated Azure is gone")

    def leave(self) -> None:
        """A thread is done and will not sleep any more."""
        with self._changed:
            self._awake -= 1
            self._skip()

    def _now(self) -> float:
        return time.monotonic() + self._ahead

    def _skip(self) -> None:
        if self._awake or not self._wake_times:
            return
        wait = min(self._wake_times) - self._now()
        if wait > 0:
            self._ahead += wait
            try:
                self._advance(wait)
            except OSError:
                self._over = True
        self._changed.notify_all()
