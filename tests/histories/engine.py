"""Runs a situation and writes down what the engine handed to the orchestrations and what they decided.

The engine is the local host's: its hub and its turns. But here one thread does one piece of work after the other, so
that the answers come in the same order and in the same episodes each time: the same recording each time.
"""

import json
import pkgutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Any

import azure.functions as func
import durabletask.internal.orchestrator_service_pb2 as pb
import durabletask.internal.orchestrator_service_pb2_grpc as stubs
import msgspec
from azure.durable_functions.orchestrator import Orchestrator
from google.protobuf.wrappers_pb2 import StringValue

import activities
from local_host.actions import DurableNames
from local_host.backend.hub import TaskHub
from local_host.backend.in_process import InProcessChannel
from local_host.clock import SkippingClock
from local_host.history import HistoryEvent
from local_host.orchestrator import OrchestratorFunction, run_turn
from migration.steps import NUDGE
from tests.histories.recordings import Decision, Episode, Generation, Recording, unfolded
from tests.histories.replay import Orchestration, decide
from tests.histories.situations import Situation
from tests.orchestrations.conftest import Steps

INSTANCE = "m1"
ALL_THERE_IS = 1000  # more activities at once than any row schedules
MOST_WORK = 500  # a row with more does not come to an end
TRACE = "(the stack trace)"
ENDED = (pb.ORCHESTRATION_STATUS_COMPLETED, pb.ORCHESTRATION_STATUS_FAILED)


@dataclass(frozen=True)
class Turn:
    """What the engine handed over to an instance, and what that decided."""

    orchestration: str
    instance_id: str
    parent_instance_id: str | None
    history: list[HistoryEvent]
    decision: Decision


def recorded(situation: Situation, present: dict[str, Orchestration]) -> Recording:
    """What the `present` orchestrations make of a situation. Raises RuntimeError where that is no recording."""
    run = Run(situation, present)
    try:
        run.to_the_end()
    finally:
        run.close()
    return Recording(situation=situation.name, shows=situation.shows, generations=generations(run.turns))


def generations(turns: Iterable[Turn]) -> list[Generation]:
    """The turns of all instances, as they came, sorted into generations."""
    found: list[list[Turn]] = []
    present: dict[str, list[Turn]] = {}
    for turn in turns:
        if not turn.history[0]["IsPlayed"]:  # nothing has been played: a generation begins
            present[turn.instance_id] = []
            found.append(present[turn.instance_id])
        present[turn.instance_id].append(turn)
    return [
        Generation(
            orchestration=first.orchestration,
            instance_id=first.instance_id,
            parent_instance_id=first.parent_instance_id,
            episodes=[_first_episode(first), *(_episode(*both) for both in pairwise([first, *later]))],
        )
        for first, *later in found
    ]


def _first_episode(turn: Turn) -> Episode:
    return Episode(new=[unfolded(event) for event in turn.history], decides=turn.decision)


def _episode(before: Turn, turn: Turn) -> Episode:
    since = turn.history[len(before.history) :]
    was, now = before.decision.actions, turn.decision.actions
    keeps = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(was, now, strict=False))))
    decides = msgspec.structs.replace(turn.decision, actions=now[keeps:])
    return Episode(
        past=[unfolded(event) for event in since if event["IsPlayed"]],
        new=[unfolded(event) for event in since if not event["IsPlayed"]],
        keeps=keeps if turn.decision != before.decision else 0,
        decides=decides if turn.decision != before.decision else None,
    )


class Run:
    """One run of a situation, from its start to its end."""

    turns: list[Turn]
    """Of all instances, as they came."""

    def __init__(self, situation: Situation, present: dict[str, Orchestration]) -> None:
        self.turns = []
        self._situation = situation
        self._steps = Steps()
        for name, answers in situation.answers.items():
            self._steps.script[name] = [
                msgspec.to_builtins(answer) if isinstance(answer, msgspec.Struct) else answer for answer in answers
            ]
        self._orchestrations = {name: self._overheard(name, orchestration) for name, orchestration in present.items()}
        self._names = DurableNames(present, [module.name for module in pkgutil.iter_modules(activities.__path__)])
        self._wakes = iter(situation.wakes)
        self._unanswered = 0
        self._held: list[pb.WorkItem] = []
        self._ended = False
        self._clock = SkippingClock()
        self._still = ExitStack()
        self._still.enter_context(self._clock.standing_still())
        self._hub = TaskHub(self._clock)
        self._stub = stubs.TaskHubSidecarServiceStub(InProcessChannel(self._hub))
        self._work: Iterator[pb.WorkItem] = iter(
            self._stub.GetWorkItems(
                pb.GetWorkItemsRequest(
                    maxConcurrentOrchestrationWorkItems=1, maxConcurrentActivityWorkItems=ALL_THERE_IS
                )
            )
        )

    def to_the_end(self) -> None:
        """Start the orchestration and do what there is to do until it has ended.

        Raises RuntimeError where it does not end, or where the engine refuses what it decides.
        """
        self._stub.StartInstance(
            pb.CreateInstanceRequest(
                instanceId=INSTANCE,
                name=self._situation.orchestration,
                input=_text(_encoded_twice(msgspec.to_builtins(self._situation.order))),
            )
        )
        if self._situation.nudged_before:
            self._nudge()
        for item in self._items():
            if item.HasField("orchestratorRequest"):
                self._take_turn(item)
            else:
                self._answer(item)

    def close(self) -> None:
        """End the hub and its thread."""
        self._hub.stop()
        self._still.close()

    def _items(self) -> Iterator[pb.WorkItem]:
        for _ in range(MOST_WORK):
            yield self._next_item()
            if self._ended:
                return
        raise RuntimeError(f"{self._situation.name} does not come to an end.")

    def _next_item(self) -> pb.WorkItem:
        """The next piece of work. Where all sleep, they are woken as the situation says: nothing else moves time."""
        if not self._hub.wait_until_settled(0):
            return next(self._work)
        if next(self._wakes, "timer") == "nudge":
            self._nudge()
            return next(self._work)
        self._still.close()
        if self._hub.wait_until_settled(0):
            raise RuntimeError(f"{self._situation.name} waits for something that never comes.")
        item = next(self._work)
        self._still.enter_context(self._clock.standing_still())
        return item

    def _nudge(self) -> None:
        self._stub.RaiseEvent(pb.RaiseEventRequest(instanceId=INSTANCE, name=NUDGE, input=_text(_encoded_twice(None))))

    def _take_turn(self, item: pb.WorkItem) -> None:
        response = run_turn(item.orchestratorRequest, self._orchestrations, self._names)
        self._require_own_failure(response)
        response.completionToken = item.completionToken
        self._stub.CompleteOrchestratorTask(response)
        self._unanswered += sum(action.HasField("scheduleTask") for action in response.actions)
        status = self._stub.GetInstance(pb.GetInstanceRequest(instanceId=INSTANCE)).orchestrationState
        self._ended = status.orchestrationStatus in ENDED

    def _require_own_failure(self, response: pb.OrchestratorResponse) -> None:
        """An orchestration may fail; what the engine refuses (an activity nobody knows) is no situation to record."""
        for action in response.actions:
            refusal = action.completeOrchestration.failureDetails.errorMessage
            if refusal and not any(turn.decision.error for turn in self.turns[-1:]):
                raise RuntimeError(f"{self._situation.name}: {refusal}")

    def _overheard(self, name: str, orchestration: Orchestration) -> OrchestratorFunction:
        """The orchestration as the SDK runs it; each turn is noted."""
        function = Orchestrator.create(orchestration)

        def overheard(context: func.OrchestrationContext) -> str:
            body = json.loads(context.body)
            decision = decide(orchestration, body)
            self.turns.append(Turn(name, body["instanceId"], body["parentInstanceId"], body["history"], decision))
            return function(context)

        return overheard

    def _answer(self, item: pb.WorkItem) -> None:
        """Answer an activity now, or hold it until all that are awaited can be answered together."""
        self._held.append(item)
        if self._situation.together and len(self._held) < self._unanswered:
            return
        for held in reversed(self._held):
            self._stub.CompleteActivityTask(self._response(held))
        self._unanswered -= len(self._held)
        self._held = []

    def _response(self, item: pb.WorkItem) -> pb.ActivityResponse:
        """What the activity answers, as the local host's worker puts it."""
        request = item.activityRequest
        response = pb.ActivityResponse(
            instanceId=request.orchestrationInstance.instanceId,
            taskId=request.taskId,
            completionToken=item.completionToken,
        )
        try:
            answer = self._steps.answer(request.name, json.loads(request.input.value))
            response.result.value = json.dumps(answer)
        except RuntimeError as error:
            response.failureDetails.errorMessage = f"Activity function '{request.name}' failed:  RuntimeError: {error}"
            response.failureDetails.stackTrace.value = TRACE
        return response


def _encoded_twice(value: Any) -> str:
    """JSON text as a JSON string, as the SDK's client sends it."""
    return json.dumps(json.dumps(value))


def _text(value: str) -> StringValue:
    return StringValue(value=value)
