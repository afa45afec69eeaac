"""The two translations at the SDK's edge: history events into its JSON, its actions out of JSON.

Both are held against the SDK's own classes, so that a new version can't drift away unnoticed.
"""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import azure.durable_functions as df
import azure.functions as func
import durabletask.internal.orchestrator_service_pb2 as pb
import msgspec
import pytest
from azure.durable_functions.models import actions as sdk
from azure.durable_functions.models.actions.ActionType import ActionType
from azure.durable_functions.models.actions.CallEntityAction import CallEntityAction
from azure.durable_functions.models.actions.CallSubOrchestratorWithRetryAction import (
    CallSubOrchestratorWithRetryAction,
)
from azure.durable_functions.models.actions.ContinueAsNewAction import ContinueAsNewAction
from azure.durable_functions.models.actions.SignalEntityAction import SignalEntityAction
from azure.durable_functions.models.DurableHttpRequest import DurableHttpRequest
from azure.durable_functions.models.history import HistoryEvent, HistoryEventType
from durabletask.internal import helpers
from host_scenarios import generations, retry_until_it_works, run

from local_host import actions
from local_host.history import EVENT_KINDS, EventKind, history_events, orchestration_context
from local_host.host import LocalHost

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
RETRY = df.RetryOptions(1000, 3)
ENTITY = df.EntityId("counter", "one")


@pytest.mark.parametrize("kind", EVENT_KINDS.values(), ids=lambda kind: kind.name)
def test_event_numbers_are_the_sdk_s(kind: EventKind):
    """Each kind of event has the name and number of the SDK's HistoryEventType."""
    constant = re.sub(r"(?<!^)(?=[A-Z])", "_", kind.name).upper()
    assert HistoryEventType[constant] == kind.number


@pytest.mark.parametrize("kind", EVENT_KINDS)
def test_every_event_can_be_written(kind: str):
    """Each kind exists in the backend's protocol and can be read by the SDK once written."""
    event = pb.HistoryEvent(eventId=-1)
    getattr(event, kind).SetInParent()
    [written] = history_events([event], is_played=True)
    assert HistoryEvent(**json.loads(json.dumps(written))).is_played


def test_an_unknown_event_is_a_generic_one():
    """What v1 has no word for is passed over by the SDK."""
    event = pb.HistoryEvent(eventId=3)
    event.entityLockGranted.SetInParent()
    [written] = history_events([event], is_played=False)
    assert (written["EventType"], written["EventId"]) == (HistoryEventType.GENERIC_EVENT, 2)


def test_task_ids_begin_with_zero():
    """durabletask counts tasks from 1, the SDK from 0; every reference is moved along."""
    events = [
        helpers.new_task_scheduled_event(1, "double", "2"),
        helpers.new_task_completed_event(1, "4"),
        helpers.new_timer_created_event(2, NOON),
        helpers.new_timer_fired_event(2, NOON),
    ]
    scheduled, completed, created, fired = history_events(events, is_played=False)
    assert (scheduled["EventId"], completed.get("TaskScheduledId"), completed.get("Result")) == (0, 0, "4")
    assert (created["EventId"], fired.get("TimerId"), fired.get("FireAt")) == (1, 1, "2026-01-01T12:00:00.000000Z")


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (sdk.CallActivityAction("f", 1), actions.CallActivity("f", "1")),
        (
            sdk.CallActivityWithRetryAction("f", RETRY, 1),
            actions.CallActivityWithRetry("f", actions.RetryOptions(1000, 3), "1"),
        ),
        (sdk.CallSubOrchestratorAction("f", 1, "id"), actions.CallSubOrchestrator("f", "1", "id")),
        (
            CallSubOrchestratorWithRetryAction("f", RETRY, 1, "id"),
            actions.CallSubOrchestratorWithRetry("f", actions.RetryOptions(1000, 3), "1", "id"),
        ),
        (ContinueAsNewAction({"n": 1}), actions.ContinueAsNew('{"n": 1}')),
        (sdk.CreateTimerAction(NOON, True), actions.CreateTimer(NOON, True)),
        (sdk.WaitForExternalEventAction("go"), actions.WaitForExternalEvent("go")),
        (CallEntityAction(ENTITY, "add"), actions.CallEntity("@counter@one")),
        (sdk.CallHttpAction(DurableHttpRequest("GET", "http://localhost")), actions.CallHttp()),
        (SignalEntityAction(ENTITY, "add"), actions.SignalEntity("@counter@one")),
        (
            sdk.WhenAnyAction([sdk.WaitForExternalEventAction("go")]),
            actions.WhenAny([actions.WaitForExternalEvent("go")]),
        ),
        (sdk.WhenAllAction([sdk.CallActivityAction("f")]), actions.WhenAll([actions.CallActivity("f", "null")])),
    ],
    ids=lambda value: type(value).__name__,
)
def test_reads_every_action_of_the_sdk(action: Any, expected: actions.Action):
    """Each action, as the SDK writes it, is read as what it is."""
    assert msgspec.convert(json.loads(json.dumps(action.to_json())), actions.AnyAction) == expected


def test_knows_every_action_type():
    """Every action is either issued or refused by name: none is ignored."""
    known = actions.ISSUE.keys() | actions.REFUSED.keys()
    assert {action.__struct_config__.tag for action in known} == {int(kind) for kind in ActionType}


@pytest.mark.parametrize(("orchestrator", "given"), [(generations, 5), (retry_until_it_works, None)])
async def test_a_recorded_history_replays(host: LocalHost, orchestrator: Any, given: object):
    """The history the host gives leads the SDK to the same end: it can be kept as a golden one."""
    instance_id = f"recorded-{orchestrator.__name__}"
    status = await run(host, orchestrator.__name__, given, instance_id)
    history = await host.history(instance_id)
    assert history[-1]["EventType"] == HistoryEventType.TASK_COMPLETED
    context = orchestration_context(history, instance_id, None)
    handle = df.Orchestrator.create(orchestrator)
    state = json.loads(handle(func.OrchestrationContext(json.dumps(context))))
    assert (state["isDone"], state["output"]) == (True, status.output)


async def test_events_are_dated(host: LocalHost):
    """Every event has the time of the clock at which it came about."""
    status = await run(host, "sleep_hours", 1, "dated")
    events = await host.history("dated")
    times = [datetime.fromisoformat(event["Timestamp"]).replace(microsecond=0) for event in events]
    assert times == sorted(times)
    assert times[0] == status.created_time
    assert times[-1] - times[0] == timedelta(hours=1)


async def test_there_is_no_history_of_an_unknown_instance(host: LocalHost):
    """Asking for it is an error, not an empty list."""
    with pytest.raises(LookupError):
        await host.history("nobody")
