"""One turn of an orchestration: the SDK replays the user's code, durabletask replays the actions that come of it.

1. The history becomes the JSON context of an orchestration trigger.
2. The app's orchestrator function (the SDK's own replay) answers with its state: actions, output, error, status.
3. The actions are issued on durabletask's context one after the other, each awaited before the next, as Azure's
   extension does. What has not ended yet stops the turn there.
4. Once the function is done and no task is open, the orchestration completes, fails or continues as new.
"""

import logging
from collections.abc import Callable, Generator
from contextlib import suppress
from itertools import chain
from typing import Any

import azure.functions as func
import durabletask.internal.orchestrator_service_pb2 as pb
import msgspec
from durabletask import task
from durabletask.internal import helpers
from durabletask.serialization import DataConverter
from durabletask.worker import _OrchestrationExecutor as OrchestrationExecutor
from durabletask.worker import _Registry as Registry
from durabletask.worker import _RuntimeOrchestrationContext as RuntimeContext

from local_host.actions import ActionRefused, ActionReplay, AnyAction, ContinueAsNew, DurableNames
from local_host.history import history_events, orchestration_context

OrchestratorFunction = Callable[[func.OrchestrationContext], str]
Turn = Generator[task.Task[Any], Any, str | None]

# The SDK raises when the user's code does, with its state behind this label in the text.
STATE_LABEL = "\n\n$OutOfProcData$:"
CUSTOM_STATUS_LIMIT_KB = 16  # of UTF-16, DurableOrchestrationContext.SetCustomStatus in the extension

# durabletask explains every event it ignores (of a cancelled timer, say) with a warning; its level must be set, since
# the executor builds a summary of each turn for a logger without one.
executor_log = logging.getLogger("local_host.durabletask")
executor_log.setLevel(logging.ERROR)


class OrchestratorState(msgspec.Struct, frozen=True, rename="camel"):
    """What the SDK answers after a replay."""

    is_done: bool
    actions: list[list[AnyAction]]
    output: msgspec.Raw = msgspec.Raw()  # kept as the text it is: numbers of any size survive
    error: str | None = None
    custom_status: Any = None


class OrchestrationFailure(Exception):
    """Ends an orchestration as Failed; its text is the output of the failed instance."""


class JsonText(DataConverter):
    """Payloads stay the JSON text they are: the SDK encodes and decodes them."""

    def serialize(self, value: Any) -> str | None:
        return value

    def deserialize(self, data: str | None, target_type: type | None = None) -> Any:
        return data

    def coerce(self, value: Any, target_type: type | None = None) -> Any:
        return value


def run_turn(
    request: pb.OrchestratorRequest, functions: dict[str, OrchestratorFunction], names: DurableNames
) -> pb.OrchestratorResponse:
    """Answer one work item. Never raises for what an orchestration does: a failure is part of the answer.

    `functions` are the app's orchestrator functions by durable name; the completion token is left to the caller.
    """
    started = start_of(request)

    def turn(context: RuntimeContext, _input: Any) -> Turn:
        return _turn(context, request, started, functions, names)

    registry = Registry()
    registry.add_named_orchestrator(started.name, turn)  # type: ignore[arg-type] - the context is the only one there is
    executor = OrchestrationExecutor(registry, executor_log, data_converter=JsonText(), maximum_timer_interval=None)
    result = executor.execute(request.instanceId, request.pastEvents, request.newEvents)
    return pb.OrchestratorResponse(
        instanceId=request.instanceId,
        actions=result.actions,
        customStatus=helpers.get_string_value(result.encoded_custom_status),
    )


def start_of(request: pb.OrchestratorRequest) -> pb.ExecutionStartedEvent:
    """The event that began the execution: the orchestration's name and input."""
    return next(
        event.executionStarted
        for event in chain(request.pastEvents, request.newEvents)
        if event.HasField("executionStarted")
    )


def _turn(
    context: RuntimeContext,
    request: pb.OrchestratorRequest,
    started: pb.ExecutionStartedEvent,
    functions: dict[str, OrchestratorFunction],
    names: DurableNames,
) -> Turn:
    try:
        names.require_orchestration(started.name)
        state = _replay(functions[started.name], context, request)
        _set_custom_status(context, state.custom_status)
        replay = ActionReplay(context, started.orchestrationInstance.executionId.value, names)
        actions = list(chain.from_iterable(state.actions))
        for action in actions:
            if (issued := replay.issue(action)) is not None:
                yield from _await(issued)
        if not state.is_done and state.error is None:
            yield task.CompletableTask[Any]()  # never ends: the user's code waits for more than it has got
        # DurableTask.Core ends no orchestration, in whatever way, that has open tasks.
        while open_tasks := replay.open_tasks():
            yield from _await(task.when_all(open_tasks))
        if state.error is not None:
            raise OrchestrationFailure(state.error)
        return _finish(context, state.output, actions)
    except (ActionRefused, OrchestrationFailure) as failure:
        raise OrchestrationFailure(f"Orchestrator function '{started.name}' failed: {failure}") from failure


def _replay(
    function: OrchestratorFunction, context: RuntimeContext, request: pb.OrchestratorRequest
) -> OrchestratorState:
    history = history_events(request.pastEvents, is_played=True)
    history += history_events(request.newEvents, is_played=False)
    body = orchestration_context(history, request.instanceId, context.parent_instance_id)
    try:
        answer = function(func.OrchestrationContext(msgspec.json.encode(body).decode()))
    except Exception as error:
        message, label, answer = str(error).partition(STATE_LABEL)
        if not label:  # not the user's code: the SDK itself could not replay
            raise OrchestrationFailure(f"{type(error).__name__}: {message}") from error
    try:
        return msgspec.json.decode(answer, type=OrchestratorState)
    except msgspec.DecodeError as error:
        raise OrchestrationFailure(f"The SDK's answer is not understood: {error}") from error


def _set_custom_status(context: RuntimeContext, status: Any) -> None:
    if status is None:
        return
    encoded = msgspec.json.encode(status).decode()
    size_kb = len(encoded.encode("utf-16-le")) // 1024
    if size_kb > CUSTOM_STATUS_LIMIT_KB:
        raise OrchestrationFailure(
            f"The UTF-16 size of the JSON-serialized payload must not exceed {CUSTOM_STATUS_LIMIT_KB} KB. "
            f"The current payload size is {size_kb} KB."
        )
    context.set_custom_status(encoded)


def _await(awaited: task.Task[Any]) -> Generator[task.Task[Any], Any, None]:
    # A failure is not lost: the SDK has seen the same event and deals with it in the user's code.
    with suppress(task.TaskFailedError, task.TaskCancelledError):
        yield awaited


def _finish(context: RuntimeContext, output: msgspec.Raw, actions: list[AnyAction]) -> str | None:
    """Complete with `output` (JSON text), or continue as new if the function asked for it last."""
    if again := next((action for action in reversed(actions) if isinstance(action, ContinueAsNew)), None):
        # Events that came in and were not waited for are dropped: out-of-process apps can't ask to keep them.
        context.continue_as_new(msgspec.json.encode(again.input).decode(), save_events=False)
        return None
    return bytes(output).decode() or None
