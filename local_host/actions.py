"""Actions: what an orchestrator function asks for, and the durable tasks they stand for.

After each replay the SDK returns every action since the start of the generation, as JSON. In Azure the extension
replays them on DurableTask.Core (OutOfProcOrchestrationShim.cs); here durabletask's orchestration context is in its
place. Shapes follow azure-functions-durable's `models/actions`, with replay schema V2.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
from durabletask import task
from durabletask.worker import _RuntimeOrchestrationContext as RuntimeContext

Task = task.Task[Any]


class Action(msgspec.Struct, frozen=True, tag_field="actionType", rename="camel"):
    """What all actions have in common: the number of their kind."""


class RetryOptions(msgspec.Struct, frozen=True, rename="camel"):
    first_retry_interval_in_milliseconds: int
    max_number_of_attempts: int


class CallActivity(Action, frozen=True, tag=0):
    function_name: str
    input: str | None = None


class CallActivityWithRetry(Action, frozen=True, tag=1):
    function_name: str
    retry_options: RetryOptions
    input: str | None = None


class CallSubOrchestrator(Action, frozen=True, tag=2):
    function_name: str
    input: str | None = None
    instance_id: str | None = None


class CallSubOrchestratorWithRetry(Action, frozen=True, tag=3):
    function_name: str
    retry_options: RetryOptions
    input: str | None = None
    instance_id: str | None = None


class ContinueAsNew(Action, frozen=True, tag=4):
    input: str | None = None


class CreateTimer(Action, frozen=True, tag=5):
    fire_at: datetime
    is_canceled: bool = False


class WaitForExternalEvent(Action, frozen=True, tag=6):
    external_event_name: str


class CallEntity(Action, frozen=True, tag=7):
    instance_id: str


class CallHttp(Action, frozen=True, tag=8):
    pass


class SignalEntity(Action, frozen=True, tag=9):
    instance_id: str


class WhenAny(Action, frozen=True, tag=11):
    compound_actions: list["AnyAction"]


class WhenAll(Action, frozen=True, tag=12):
    compound_actions: list["AnyAction"]


AnyAction = (
    CallActivity
    | CallActivityWithRetry
    | CallSubOrchestrator
    | CallSubOrchestratorWithRetry
    | ContinueAsNew
    | CreateTimer
    | WaitForExternalEvent
    | CallEntity
    | CallHttp
    | SignalEntity
    | WhenAny
    | WhenAll
)

REFUSED: dict[type[Action], str] = {
    CallEntity: "call_entity (entities)",
    SignalEntity: "signal_entity (entities)",
    CallHttp: "call_http (durable HTTP)",
}


class ActionRefused(Exception):
    """An action that can't be carried out: an unknown function, or a feature this host does not have."""


@dataclass(frozen=True)
class DurableNames:
    """The names orchestrations can call. Azure's extension refuses all others, and so does this host."""

    orchestrations: Collection[str]
    activities: Collection[str]

    def require_orchestration(self, name: str) -> None:
        """Raise `ActionRefused` unless `name` is an orchestrator function of the app."""
        _require(name, "orchestrator", self.orchestrations)

    def require_activity(self, name: str) -> None:
        """Raise `ActionRefused` unless `name` is an activity function of the app."""
        _require(name, "activity", self.activities)


def _require(name: str, kind: str, known: Collection[str]) -> None:
    if name not in known:
        raise ActionRefused(
            f"The function '{name}' doesn't exist, is disabled, or is not an {kind} function. "
            f"Additional info: The following are the known {kind} functions: {', '.join(sorted(known))}."
        )


class ActionReplay:
    """Issues the actions of one turn on durabletask's context, in the order they are given."""

    def __init__(self, context: RuntimeContext, execution_id: str, names: DurableNames) -> None:
        self._context = context
        self._execution_id = execution_id
        self._names = names

    def issue(self, action: AnyAction) -> Task | None:
        """The durable task `action` stands for; None if there is nothing to wait for.

        Raises ActionRefused for an unknown function or an unsupported feature.
        """
        if feature := REFUSED.get(type(action)):
            raise ActionRefused(f"{feature} is not supported by the local host.")
        return ISSUE[type(action)](self, action)

    def open_tasks(self) -> list[Task]:
        """Activities, sub-orchestrations and uncancelled timers that have not ended."""
        return list(self._context._pending_tasks.values())

    def call_activity(self, action: CallActivity | CallActivityWithRetry) -> Task:
        self._names.require_activity(action.function_name)
        return self._context.call_activity(action.function_name, input=action.input)

    def call_activity_with_retry(self, action: CallActivityWithRetry) -> Task:
        return RetriedCall(self._context, lambda: self.call_activity(action), action.retry_options)

    def call_sub_orchestrator(self, action: CallSubOrchestrator | CallSubOrchestratorWithRetry) -> Task:
        self._names.require_orchestration(action.function_name)
        # The id DurableTask.Core gives when the orchestrator names none: execution and task number.
        default_id = f"{self._execution_id}:{self._context._sequence_number:x}"
        return self._context.call_sub_orchestrator(
            action.function_name,
            # The SDK's JSON text, sent as a JSON string: what get_input() expects.
            input=msgspec.json.encode(action.input).decode(),
            instance_id=action.instance_id or default_id,
        )

    def call_sub_orchestrator_with_retry(self, action: CallSubOrchestratorWithRetry) -> Task:
        return RetriedCall(self._context, lambda: self.call_sub_orchestrator(action), action.retry_options)

    def continue_as_new(self, action: ContinueAsNew) -> None:
        """Nothing to wait for: the turn continues as new once no task is open any more."""

    def create_timer(self, action: CreateTimer) -> Task:
        timer = self._context.create_timer(action.fire_at)
        if action.is_canceled:
            # As in DurableTask.Core a cancelled timer stays scheduled, but is no longer an open task.
            timer_id = self._context._sequence_number
            timer.set_cancel_handler(partial(self._context._pending_tasks.__delitem__, timer_id))
            timer.cancel()
        return timer

    def wait_for_external_event(self, action: WaitForExternalEvent) -> Task:
        name = action.external_event_name
        wait = self._context.wait_for_external_event(name)
        waiting = self._context._pending_events.get(name.casefold())
        if waiting and waiting[-1] is wait:
            waiting.insert(0, waiting.pop())  # as in the extension (and the SDK), the newest wait gets the event
        return wait

    def when_any(self, action: WhenAny) -> Task | None:
        children = self._children(action)
        return task.when_any(children) if children else None

    def when_all(self, action: WhenAll) -> Task | None:
        children = self._children(action)
        return task.when_all(children) if children else None

    def _children(self, action: WhenAny | WhenAll) -> list[Task]:
        return [child for each in action.compound_actions if (child := self.issue(each)) is not None]


ISSUE: dict[type[Action], Callable[[ActionReplay, Any], Task | None]] = {
    CallActivity: ActionReplay.call_activity,
    CallActivityWithRetry: ActionReplay.call_activity_with_retry,
    CallSubOrchestrator: ActionReplay.call_sub_orchestrator,
    CallSubOrchestratorWithRetry: ActionReplay.call_sub_orchestrator_with_retry,
    ContinueAsNew: ActionReplay.continue_as_new,
    CreateTimer: ActionReplay.create_timer,
    WaitForExternalEvent: ActionReplay.wait_for_external_event,
    WhenAny: ActionReplay.when_any,
    WhenAll: ActionReplay.when_all,
}


class RetriedCall(task.CompositeTask[Any]):
    """A call with RetryOptions: call, timer, call, ... as DurableTask.Core's RetryInterceptor does it.

    After the last failed call there is one more timer, which fires at once: the SDK counts it (see `RetryAbleTask`),
    and its ids would run apart without it. durabletask's own retry policy reuses one id for all calls, where v1
    counts on.
    """

    def __init__(self, context: RuntimeContext, start_call: Callable[[], Task], options: RetryOptions) -> None:
        self._context = context
        self._start_call = start_call
        self._retries_left = options.max_number_of_attempts - 1
        self._interval = timedelta(milliseconds=options.first_retry_interval_in_milliseconds)
        self._error: task.TaskFailedError | None = None
        super().__init__([start_call()])

    def on_child_completed(self, task: Task) -> None:
        self._pending_children.pop(id(task), None)
        if self._error is not None:
            self._timer_fired(self._error)
        elif task.is_failed:
            self._error = task.get_exception()
            self._wait_for(self._context.create_timer(self._interval if self._retries_left else timedelta()))
        else:
            self._result = task.get_result()
            self._end()

    def _timer_fired(self, error: task.TaskFailedError) -> None:
        if self._retries_left:
            self._retries_left -= 1
            self._error = None
            self._wait_for(self._start_call())
        else:
            self._exception = error
            self._end()

    def _wait_for(self, child: Task) -> None:
        self._pending_children[id(child)] = (child, 1)
        child._parents[id(self)] = self

    def _end(self) -> None:
        self._is_complete = True
        self._notify_parent()
