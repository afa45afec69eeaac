"""The real orchestrations on the local engine, around steps that a test writes down."""

import threading
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from typing import Any

import azure.durable_functions as df
import pytest

from local_host.clock import SkippingClock
from local_host.host import LocalHost
from orchestrations.migrate import migrate
from orchestrations.migrate_vault import migrate_vault
from orchestrations.migrate_vaults import migrate_vaults
from orchestrations.watch_vault import watch_vault

ACTIVITIES = (
    "survey_vault",
    "advance_migration",
    "ensure_policy",
    "monitor_jobs",
    "preflight_items",
    "change_policy",
    "cancel_job",
    "open_migration",
    "follow_up",
)
Step = Callable[[dict[str, Any]], Any]


class Steps:
    """The activities of one test: what each answers, and what each was asked.

    An activity answers with the next of its scripted answers, the last one for ever; a callable is asked, an
    exception is raised. A survey that no script speaks of is done, policies
    are as planned.
    """

    def __init__(self) -> None:
        self.script: dict[str, list[Any]] = defaultdict(list, survey_vault=[{"done": True}], ensure_policy=[{}])
        self.asked: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._given: Counter[str] = Counter()
        self._one_at_a_time = threading.Lock()  # the engine runs activities in threads, side by side

    def answer(self, name: str, order: dict[str, Any]) -> Any:
        """What the activity answers now."""
        with self._one_at_a_time:
            self.asked[name].append(order)
            script = self.script[name] or [None]
            step = script[min(self._given[name], len(script) - 1)]
            self._given[name] += 1
        if isinstance(step, Exception):
            raise step
        return step(order) if callable(step) else step

    def activity(self, name: str) -> Step:
        """The function registered under that name."""

        def run(order: dict[str, Any]) -> Any:
            return self.answer(name, order)

        run.__name__ = name
        return run


@pytest.fixture
def steps() -> Steps:
    """The steps of this test."""
    return Steps()


@pytest.fixture
def clock() -> SkippingClock:
    """Durable timers fire at once, in order; there is no Azure here."""
    return SkippingClock()


@pytest.fixture
async def engine(steps: Steps, clock: SkippingClock) -> AsyncIterator[LocalHost]:
    """An engine with the orchestrations and this test's steps."""
    app = df.DFApp()
    for orchestration in (migrate, migrate_vaults, migrate_vault, watch_vault):
        app.orchestration_trigger(context_name="context")(orchestration)
    for name in ACTIVITIES:
        app.activity_trigger(input_name="order")(steps.activity(name))
    async with LocalHost(app, clock=clock) as host:
        yield host
