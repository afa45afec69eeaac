"""The check has teeth: orchestrations that were deliberately changed do not pass it.

Each change is made from outside, around the real orchestrations and the context they get, so that it stays the same
change whatever becomes of their text.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import azure.durable_functions as df
import pytest

from tests.histories.recordings import FOLDER, read
from tests.histories.replay import BREAKS, CHANGES, Orchestration, differences, present_orchestrations
from tests.histories.situations import SITUATIONS

Change = Callable[[Orchestration], Orchestration]


class Context:
    """The context of an orchestration, for one thing of it to be changed."""

    def __init__(self, context: df.DurableOrchestrationContext) -> None:
        self.real = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class ActivityRenamed(Context):
    """A step has another name."""

    def call_activity(self, name: str, order: Any) -> Any:
        return self.real.call_activity("write_policy" if name == "change_policy" else name, order)


class CallsSwapped(Context):
    """Two steps are called in each other's place."""

    def call_activity(self, name: str, order: Any) -> Any:
        swapped = {"ensure_policy": "monitor_jobs", "monitor_jobs": "ensure_policy"}
        return self.real.call_activity(swapped.get(name, name), order)


class OtherInput(Context):
    """A step is asked something else."""

    def call_activity(self, name: str, order: Any) -> Any:
        return self.real.call_activity(name, {**order, "itemNames": ["z"]} if name == "preflight_items" else order)


class OtherFanOutOrder(Context):
    """What runs side by side begins in another order: each would get another's answer."""

    def task_all(self, tasks: list[Any]) -> Any:
        return self.real.task_all(tasks[::-1])


class OtherChild(Context):
    """A child is another instance."""

    def call_sub_orchestrator(self, name: str, order: Any, instance_id: str) -> Any:
        return self.real.call_sub_orchestrator(name, order, f"{instance_id}:again")


class TimerDropped(Context):
    """It sleeps until nudged, however long."""

    def task_any(self, tasks: list[Any]) -> Any:
        return self.real.task_any(tasks[1:])


class OtherTimer(Context):
    """It sleeps a second longer."""

    def create_timer(self, fire_at: datetime) -> Any:
        return self.real.create_timer(fire_at + timedelta(seconds=1))


class OtherEvent(Context):
    """It listens for another event."""

    def wait_for_external_event(self, name: str) -> Any:
        return self.real.wait_for_external_event(f"{name}_again")


class OtherHandover(Context):
    """The next generation is told something else."""

    def continue_as_new(self, order: Any) -> None:
        self.real.continue_as_new({**order, "more": True})


class OtherStatus(Context):
    """Something else is shown meanwhile."""

    def set_custom_status(self, status: Any) -> None:
        self.real.set_custom_status({**status, "more": True})


def through(context_type: type[Any]) -> Change:
    """The orchestration, given another context."""

    def change(orchestration: Orchestration) -> Orchestration:
        return lambda context: orchestration(context_type(context))

    return change


def extra_activity(orchestration: Orchestration) -> Orchestration:
    """The orchestration after a step of its own."""

    def changed(context: df.DurableOrchestrationContext) -> Any:
        yield context.call_activity("count", {})
        return (yield from orchestration(context))

    return changed


def other_output(orchestration: Orchestration) -> Orchestration:
    """The orchestration with another answer."""

    def changed(context: df.DurableOrchestrationContext) -> Any:
        output = yield from orchestration(context)
        return {**output, "more": True}

    return changed


def other_input_type(_orchestration: Orchestration) -> Orchestration:
    """An orchestration that does not take the inputs of before."""

    def changed(context: df.DurableOrchestrationContext) -> Any:
        raise ValueError(f"an unknown field in {context.get_input()}")
        yield

    return changed


def found_in_the_recordings(change: Change) -> list[str]:
    """What the check says of the changed orchestrations."""
    changed = {name: change(orchestration) for name, orchestration in present_orchestrations().items()}
    paths = [FOLDER / f"{situation.name}.json" for situation in SITUATIONS]
    return [text for path in paths for text in differences(read(path), changed)]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (through(ActivityRenamed), '"write_policy"'),
        (through(CallsSwapped), '"ensure_policy"'),
        (through(OtherInput), '"itemNames": ["z"]'),
        (through(OtherFanOutOrder), "(WHEN_ALL), part 1"),
        (through(OtherChild), ":again"),
        (through(TimerDropped), "(WHEN_ANY), part 1"),
        (through(OtherTimer), "CREATE_TIMER"),
        (through(OtherEvent), "nudge_again"),
        (extra_activity, '"count"'),
        (other_input_type, "an unknown field"),
    ],
)
def test_a_change_that_breaks_migrations_is_found(change: Change, told: str) -> None:
    """Whatever a replay would decide otherwise while the generation still has to go on."""
    found = found_in_the_recordings(change)
    assert any(text.startswith(BREAKS) and told in text for text in found)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (through(OtherHandover), "CONTINUE_AS_NEW"),
        (through(OtherStatus), "custom_status"),
        (other_output, "output"),
    ],
)
def test_a_change_of_what_comes_of_a_replay_is_found(change: Change, told: str) -> None:
    """Nothing gets stuck on it, but the next generation, or an operator, gets something else; it is told apart."""
    found = found_in_the_recordings(change)
    assert found
    assert all(text.startswith(CHANGES) and told in text for text in found)


def test_what_only_shows_otherwise_hides_no_break() -> None:
    """Of two differences in a generation the worse is told, wherever it comes."""
    changed = through(OtherStatus)(through(OtherTimer)(present_orchestrations()["migrate_vault"]))
    found = differences(read(FOLDER / "migrate_vault_jobs_away.json"), {"migrate_vault": changed})
    assert [text.partition("\n")[0] for text in found] == [BREAKS, CHANGES]


def test_an_orchestration_that_is_gone_is_found() -> None:
    """Nothing could finish its migrations."""
    present = present_orchestrations()
    del present["migrate_vault"]
    [found] = differences(read(FOLDER / "migrate_vault_finished.json"), present)
    assert found.startswith(BREAKS)
    assert "no orchestration migrate_vault" in found


def test_the_way_the_changes_are_made_changes_nothing() -> None:
    """It is the changes that are found, not what they are made with."""
    assert not found_in_the_recordings(through(Context))


def test_a_difference_is_told_with_its_place() -> None:
    """Which situation, which generation, which episode and why it was; what was recorded, and what is decided now."""
    changed = through(ActivityRenamed)(present_orchestrations()["migrate_vault"])
    [found] = differences(read(FOLDER / "migrate_vault_write_away.json"), {"migrate_vault": changed})
    for told in ("migrate_vault_write_away (", "generation 1: m1", "episode ", "TaskCompleted"):
        assert told in found
    recorded, _, now = found.partition("now:")
    assert '"change_policy"' in recorded
    assert '"write_policy"' in now
