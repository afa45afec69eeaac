"""History events as the v1 SDK reads them: the backend's protobuf events, turned into JSON objects.

Field names and event numbers are those of azure-functions-durable's `HistoryEvent` and `HistoryEventType`. Task ids
count from 0 there and from 1 in durabletask, so every id is moved by one.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import durabletask.internal.orchestrator_service_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import StringValue


class HistoryEvent(TypedDict):
    """One event. `Input` and `Result` are JSON text, times ISO 8601 in UTC."""

    EventId: int
    EventType: int
    IsPlayed: bool
    Timestamp: str
    Name: NotRequired[str]
    Input: NotRequired[str | None]
    Result: NotRequired[str | None]
    Version: NotRequired[str | None]
    TaskScheduledId: NotRequired[int]
    TimerId: NotRequired[int]
    FireAt: NotRequired[str]
    InstanceId: NotRequired[str]
    Reason: NotRequired[str | None]
    Details: NotRequired[str]
    OrchestrationStatus: NotRequired[int]


class OrchestrationContext(TypedDict):
    """The body of an orchestration trigger: what the extension sends for one turn."""

    history: list[HistoryEvent]
    input: Any
    instanceId: str
    isReplaying: bool
    parentInstanceId: str | None
    upperSchemaVersion: int
    upperSchemaVersionNew: int
    longRunningTimerIntervalDuration: str
    maximumShortTimerDuration: str
    defaultHttpAsyncRequestSleepTimeMillseconds: int


@dataclass(frozen=True)
class EventKind:
    """How one kind of event is written: its name and number in v1, and the fields of its own."""

    name: str
    number: int
    fields: Callable[[Any], dict[str, Any]]


def orchestration_context(
    history: list[HistoryEvent], instance_id: str, parent_instance_id: str | None
) -> OrchestrationContext:
    """The context for a turn over `history`; the events not yet played are the turn's new ones."""
    started = next(event for event in history if event["EventType"] == EVENT_KINDS["executionStarted"].number)
    encoded_input = started.get("Input")
    return {
        "history": history,
        "input": None if encoded_input is None else json.loads(encoded_input),
        "instanceId": instance_id,
        "isReplaying": history[0]["IsPlayed"],
        "parentInstanceId": parent_instance_id,
        # The highest replay schema the extension knows (V2): actions as one flat list, compound tasks as trees.
        "upperSchemaVersion": 1,
        "upperSchemaVersionNew": 2,
        # The extension's settings for Azure Storage.
        "longRunningTimerIntervalDuration": "3.00:00:00",
        "maximumShortTimerDuration": "6.00:00:00",
        "defaultHttpAsyncRequestSleepTimeMillseconds": 30000,
    }


def history_events(events: Iterable[pb.HistoryEvent], *, is_played: bool) -> list[HistoryEvent]:
    """`events` as the SDK gets them."""
    return [_history_event(event, is_played) for event in events]


def split_at_last_turn(events: list[pb.HistoryEvent]) -> tuple[list[pb.HistoryEvent], list[pb.HistoryEvent]]:
    """The past and the new events of the last turn: the division in which that turn's replay was given them.

    What the turn itself brought about (its end, and the end of the execution) is left out. No events, no turns.
    """
    if not events:
        return [], []
    seen = [event for event in events if event.WhichOneof("eventType") != "executionCompleted"]
    if len(seen) < len(events):
        seen.pop()  # the turn's own orchestratorCompleted
    last = max(index for index, event in enumerate(seen) if event.HasField("orchestratorStarted"))
    return seen[:last], seen[last:]


def status_history(events: Iterable[pb.HistoryEvent]) -> list[dict[str, Any]]:
    """`events` as a status query shows them (`historyEvents`): event types by name, no orchestrator starts and ends."""
    shown: list[dict[str, Any]] = []
    for event in events:
        kind = EVENT_KINDS[_kind_of(event)]
        if kind.number not in NOT_SHOWN_IN_STATUS:
            shown.append({**_history_event(event, is_played=False), "EventType": kind.name})
    return shown


def _history_event(event: pb.HistoryEvent, is_played: bool) -> HistoryEvent:
    kind_name = _kind_of(event)
    kind = EVENT_KINDS[kind_name]
    common = {
        "EventId": event.eventId - 1 if event.eventId > 0 else -1,
        "EventType": kind.number,
        "IsPlayed": is_played,
        "Timestamp": _time(event.timestamp),
    }
    return common | kind.fields(getattr(event, kind_name))  # type: ignore[return-value] - built from the table


def _kind_of(event: pb.HistoryEvent) -> str:
    kind = event.WhichOneof("eventType")
    return kind if kind in EVENT_KINDS else "genericEvent"


def _time(timestamp: Timestamp) -> str:
    return timestamp.ToDatetime().isoformat(timespec="microseconds") + "Z"


def _text(value: StringValue) -> str | None:
    return value.value or None


def _completed(body: Any) -> dict[str, Any]:
    return {"TaskScheduledId": body.taskScheduledId - 1, "Result": _text(body.result)}


def _failed(body: Any) -> dict[str, Any]:
    failure = body.failureDetails
    return {
        "TaskScheduledId": body.taskScheduledId - 1,
        "Reason": failure.errorMessage,
        "Details": failure.stackTrace.value,
    }


def _nothing(_body: Any) -> dict[str, Any]:
    return {}


EVENT_KINDS: dict[str, EventKind] = {
    # Version must be present, even when null: the SDK reads it unasked.
    "executionStarted": EventKind(
        "ExecutionStarted",
        0,
        lambda body: {"Name": body.name, "Input": _text(body.input), "Version": _text(body.version)},
    ),
    "executionCompleted": EventKind(
        "ExecutionCompleted",
        1,
        lambda body: {"OrchestrationStatus": body.orchestrationStatus, "Result": _text(body.result)},
    ),
    "executionTerminated": EventKind("ExecutionTerminated", 3, lambda body: {"Input": _text(body.input)}),
    "taskScheduled": EventKind("TaskScheduled", 4, lambda body: {"Name": body.name}),  # inputs aren't kept in Azure
    "taskCompleted": EventKind("TaskCompleted", 5, _completed),
    "taskFailed": EventKind("TaskFailed", 6, _failed),
    "subOrchestrationInstanceCreated": EventKind(
        "SubOrchestrationInstanceCreated",
        7,
        lambda body: {"Name": body.name, "InstanceId": body.instanceId},
    ),
    "subOrchestrationInstanceCompleted": EventKind("SubOrchestrationInstanceCompleted", 8, _completed),
    "subOrchestrationInstanceFailed": EventKind("SubOrchestrationInstanceFailed", 9, _failed),
    "timerCreated": EventKind("TimerCreated", 10, lambda body: {"FireAt": _time(body.fireAt)}),
    "timerFired": EventKind(
        "TimerFired",
        11,
        lambda body: {"TimerId": body.timerId - 1, "FireAt": _time(body.fireAt)},
    ),
    "orchestratorStarted": EventKind("OrchestratorStarted", 12, _nothing),
    "orchestratorCompleted": EventKind("OrchestratorCompleted", 13, _nothing),
    "eventRaised": EventKind(
        "EventRaised",
        15,
        lambda body: {"Name": body.name, "Input": _text(body.input)},
    ),
    "genericEvent": EventKind("GenericEvent", 17, _nothing),
    "executionSuspended": EventKind("ExecutionSuspended", 19, lambda body: {"Reason": _text(body.input)}),
    "executionResumed": EventKind("ExecutionResumed", 20, lambda body: {"Reason": _text(body.input)}),
}

NOT_SHOWN_IN_STATUS = {12, 13}
