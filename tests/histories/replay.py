"""The check: replay a recording, episode by episode, and say where today's decisions differ from the recorded ones.

The replay is the SDK's own. It matches results to calls by number alone and so never notices a call that has become
another one; DurableTask, which runs the decisions, does, and fails the orchestration. So decisions are compared here.
"""

import importlib
import json
import pkgutil
from collections.abc import Callable, Generator, Iterator
from itertools import zip_longest
from typing import Any

import azure.durable_functions as df
import azure.functions as func
import msgspec
from azure.durable_functions.orchestrator import Orchestrator

import orchestrations
from local_host.history import HistoryEvent, orchestration_context
from local_host.orchestrator import STATE_LABEL
from tests.histories.recordings import PARTS, Action, Decision, Generation, Recording, action_told

Orchestration = Callable[[df.DurableOrchestrationContext], Generator[Any, Any, Any]]

BREAKS = "Migrations in flight may break:"
CHANGES = "Replays go on, but what comes of them changes:"

BINDING = ("actions", "done")
"""What a replay must decide again. What is decided in a generation's last episode is not replayed any more."""


def present_orchestrations() -> dict[str, Orchestration]:
    """Every orchestration of the app: its file, its function and Durable call it the same."""
    names = [module.name for module in pkgutil.iter_modules(orchestrations.__path__)]
    modules = {name: importlib.import_module(f"orchestrations.{name}") for name in names}
    return {name: getattr(module, name) for name, module in modules.items() if hasattr(module, name)}


def decide(orchestration: Orchestration, body: Any) -> Decision:
    """What an orchestration decides, given the `body` of its trigger. Never raises for what the orchestration does."""
    try:
        answer = Orchestrator.create(orchestration)(func.OrchestrationContext(json.dumps(body)))
    except Exception as error:  # the SDK raises where the orchestration does, and where it can't replay
        message, label, answer = str(error).partition(STATE_LABEL)
        if not label:
            return Decision(actions=[], error=f"{type(error).__name__}: {message}")
    state = json.loads(answer)
    return Decision(
        actions=[action_told(action) for together in state["actions"] for action in together],
        custom_status=state.get("customStatus"),
        done=state["isDone"],
        output=state.get("output"),
        error=state.get("error"),
    )


class Difference(msgspec.Struct, frozen=True):
    """What a difference means for migrations in flight, and where it is."""

    verdict: str
    place: str


def differences(recording: Recording, present: dict[str, Orchestration]) -> list[str]:
    """Where `present` orchestrations decide otherwise, as texts for an engineer.

    One for each generation: the first place where it may break, or else the first that differs.
    """
    texts: list[str] = []
    for number, generation in enumerate(recording.generations, 1):
        where = f"{recording.situation} ({recording.shows})\n  generation {number}: {generation.instance_id}"
        found = list(_differences(generation, present))
        for difference in sorted(found, key=lambda difference: difference.verdict != BREAKS)[:1]:
            texts.append(f"{difference.verdict}\n  {where}{difference.place}")
    return texts


def _differences(generation: Generation, present: dict[str, Orchestration]) -> Iterator[Difference]:
    orchestration = present.get(generation.orchestration)
    if orchestration is None:
        yield Difference(BREAKS, f"\n  there is no orchestration {generation.orchestration} any more")
        return
    last = len(generation.episodes)
    for number, (episode, (history, recorded)) in enumerate(
        zip(generation.episodes, generation.turns(), strict=True), 1
    ):
        now = decide(orchestration, trigger_body(generation, history))
        if unlike := _unlike(recorded, now):
            what, place, was, become = unlike
            breaks = what == "error" or (what in BINDING and number < last)
            woken_by = ", ".join(event["event"] for event in episode.new)
            yield Difference(
                BREAKS if breaks else CHANGES,
                f", episode {number} of {last} ({woken_by})\n  {place}\n"
                f"    recorded: {_said(was)}\n    now:      {_said(become)}",
            )


def trigger_body(generation: Generation, history: list[HistoryEvent]) -> Any:
    """What the engine sends for a turn over `history`."""
    return orchestration_context(history, generation.instance_id, generation.parent_instance_id)


def _unlike(recorded: Decision, now: Decision) -> tuple[str, str, Any, Any] | None:
    """What differs, where in it, how it was and how it is now; an error before all, for it explains the rest."""
    for what in ("error", "actions", "done", "output", "custom_status"):
        was, become = getattr(recorded, what), getattr(now, what)
        if was != become:
            return what, *(_narrowed(was, become) if what == "actions" else (what, was, become))
    return None


def _narrowed(was: list[Action], become: list[Action], place: str = "action") -> tuple[str, Any, Any]:
    """The first action that differs; of a fan-out only the part that does, for there may be dozens."""
    pairs = enumerate(zip_longest(was, become), 1)
    number, (one, other) = next((number, pair) for number, pair in pairs if pair[0] != pair[1])
    place = f"{place} {number}"
    if one and other and one.get(PARTS) and other.get(PARTS) and {**one, PARTS: other[PARTS]} == other:
        return _narrowed(one[PARTS], other[PARTS], f"{place} ({one['action']}), part")
    return place, one, other


def _said(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)
