"""What has run in the host since it started: how often each function, and the longest history of an orchestration."""

from collections import Counter


class Executions:
    """Counted on the host's event loop. A turn of an orchestration is an execution, as it is in Azure."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._longest_histories: dict[str, int] = {}

    def ran(self, function: str) -> None:
        """A function of that name was called."""
        self._counts[function] += 1

    def replayed(self, orchestration: str, events: int) -> None:
        """An orchestration of that durable name ran a turn over a history of so many events."""
        self.ran(orchestration)
        self._longest_histories[orchestration] = max(events, self._longest_histories.get(orchestration, 0))

    def view(self) -> dict[str, dict[str, int]]:
        """As the admin API shows them: `executions` and `longestHistories` by name."""
        return {"executions": dict(self._counts), "longestHistories": dict(self._longest_histories)}
