"""A recording: what the engine handed to the orchestrations of one situation, and what they decided, in a JSON file.

The file is for readers: event and action types by name, JSON inside JSON unfolded, one line for each small thing.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from azure.durable_functions.models.actions.ActionType import ActionType

from local_host.history import EVENT_KINDS, HistoryEvent

FOLDER = Path(__file__).parent / "recorded"
WIDTH = 120

NUMBERS = {kind.name: kind.number for kind in EVENT_KINDS.values()}
NAMES = {number: name for name, number in NUMBERS.items()}

# How many times over the JSON of an event's payload is encoded: what the SDK encodes, its client or the extension
# encodes again, except results.
PAYLOADS = {"ExecutionStarted": ("Input", 2), "EventRaised": ("Input", 2)}
RESULT = ("Result", 1)

NOT_TOLD = ("EventType", "Timestamp", "IsPlayed")  # told by other names, or by where the event stands
NO_ID = -1
PARTS = "compoundActions"  # of an action that waits for others: WHEN_ALL, WHEN_ANY

Event = dict[str, Any]
Action = dict[str, Any]


class Decision(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What an orchestration has decided by the end of an episode: all its actions since its generation began.

    `error` is how it failed, `output` what it returned; a generation that continues as new says so as its last action.
    """

    actions: list[Action]
    custom_status: Any = None
    done: bool = False
    output: Any = None
    error: str | None = None


class Episode(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One turn.

    `past` are the events that came of the decision before, `new` those that woke the orchestration. It `decides`
    something else than before, or nothing: then the last decision stands. Of that one's actions it `keeps` the first.
    """

    past: list[Event] = []
    new: list[Event]
    keeps: int = 0
    decides: Decision | None = None


class Generation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An instance from its start, or its last continue-as-new, to its end or the next."""

    orchestration: str
    instance_id: str
    parent_instance_id: str | None
    episodes: list[Episode]

    def turns(self) -> Iterator[tuple[list[HistoryEvent], Decision]]:
        """For each episode the history that the engine handed over, and what was decided."""
        past: list[Event] = []
        decided = Decision(actions=[])
        for episode in self.episodes:
            past += episode.past
            if episode.decides:
                actions = decided.actions[: episode.keeps] + episode.decides.actions
                decided = msgspec.structs.replace(episode.decides, actions=actions)
            played = [folded(event, is_played=True) for event in past]
            yield played + [folded(event, is_played=False) for event in episode.new], decided
            past += episode.new


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """All generations of all instances of one situation, in the order in which they began."""

    situation: str
    shows: str
    generations: list[Generation]


def read(path: Path) -> Recording:
    """The recording in a file. Raises msgspec.ValidationError for one that is none."""
    return msgspec.json.decode(path.read_bytes(), type=Recording)


def text_of(recording: Recording) -> str:
    """The recording as its file says it."""
    return laid_out(msgspec.to_builtins(recording)) + "\n"


def unfolded(event: HistoryEvent) -> Event:
    """The event for a reader; `folded` is the way back."""
    told: Event = {key: value for key, value in event.items() if key not in NOT_TOLD}
    if event["EventId"] == NO_ID:
        del told["EventId"]
    name = NAMES[event["EventType"]]
    payload, times = PAYLOADS.get(name, RESULT)
    if (value := told.pop(payload, None)) is not None:
        for _ in range(times):
            value = json.loads(value)
        told[payload] = value
    return {"event": name, "at": event["Timestamp"], **told}


def folded(event: Event, *, is_played: bool) -> HistoryEvent:
    """The event as the SDK reads it."""
    told: Event = {"EventId": NO_ID, **event}
    name = told.pop("event")
    payload, times = PAYLOADS.get(name, RESULT)
    if payload in told:
        for _ in range(times):
            told[payload] = json.dumps(told[payload])
    told["Timestamp"] = told.pop("at")
    return {**told, "EventType": NUMBERS[name], "IsPlayed": is_played}  # type: ignore[return-value] - as it was


def action_told(action: dict[str, Any]) -> Action:
    """An action of the SDK's answer for a reader."""
    told: Action = {"action": ActionType(action["actionType"]).name, **action}
    del told["actionType"]
    if isinstance(told.get("input"), str):
        told["input"] = json.loads(told["input"])
    if children := told.get(PARTS):
        told[PARTS] = [action_told(child) for child in children]
    return told


def laid_out(value: Any, indent: int = 0, ahead: int = 0) -> str:
    """JSON in which what fits is on one line; `ahead` characters are on that line already."""
    text = json.dumps(value, ensure_ascii=False)
    if indent + ahead + len(text) < WIDTH or not isinstance(value, dict | list) or not value:
        return text
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        keys = [f"{json.dumps(key)}: " for key in value]
        lines = [key + laid_out(each, indent + 2, len(key)) for key, each in zip(keys, value.values(), strict=True)]
    else:
        lines = [laid_out(each, indent + 2) for each in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}\n{inner}" + f",\n{inner}".join(lines) + f"\n{' ' * indent}{closing}"
