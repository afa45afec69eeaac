"""The log of requests: what was asked of the simulated Azure, for tests and for whoever watches a migration."""

from collections import Counter, deque
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from simulator.wire import JsonObject, time_text

UNSUPPORTED = "unsupported"
"""The action of a request no route matches."""


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    number: int
    method: str
    path: str
    action: str
    status: int
    at: datetime

    def view(self) -> JsonObject:
        return {
            "n": self.number,
            "method": self.method,
            "path": self.path,
            "action": self.action,
            "status": self.status,
            "time": time_text(self.at),
        }


KEPT = 100_000
"""How many requests are remembered; the counts know all of them."""


class RequestLog:
    """Numbered from 1 in the order of arrival; numbers go on after a clear."""

    def __init__(self) -> None:
        self.requests: deque[LoggedRequest] = deque(maxlen=KEPT)
        self._counts: Counter[str] = Counter()
        self._numbered = 0

    def add(self, method: str, path: str, action: str, status: int, at: datetime) -> int:
        """The number given to the request."""
        self._numbered += 1
        self._counts[action] += 1
        self.requests.append(LoggedRequest(self._numbered, method, path, action, status, at))
        return self._numbered

    def since(self, number: int) -> list[LoggedRequest]:
        """Those after the given number."""
        known_before = self.requests[0].number - 1 if self.requests else 0
        return list(islice(self.requests, max(0, number - known_before), None))

    def clear(self) -> None:
        self.requests.clear()
        self._counts.clear()

    def counts(self) -> dict[str, int]:
        """How many requests per action, the most frequent first."""
        return dict(self._counts.most_common())
