"""What will happen by itself: a queue of moments. Nothing waits in real time; requests let due moments happen first."""

import heapq
from collections.abc import Callable
from datetime import datetime

Happening = Callable[[datetime], None]
"""Called with its own due time, which may lie before the time of the request that let it happen."""


class Agenda:
    def __init__(self) -> None:
        self._queue: list[tuple[datetime, int, Happening]] = []
        self._entries = 0

    def at(self, due: datetime, happening: Happening) -> None:
        """Equal moments happen in the order they were entered."""
        self._entries += 1
        heapq.heappush(self._queue, (due, self._entries, happening))

    def run(self, *, until: datetime) -> None:
        while self._queue and self._queue[0][0] <= until:
            due, _, happening = heapq.heappop(self._queue)
            happening(due)
