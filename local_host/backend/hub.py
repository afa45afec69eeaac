"""The task hub: durabletask's in-memory backend with its gaps closed.

`InMemoryOrchestrationBackend` (durabletask 1.12.0) keeps instances, histories, queries and the meaning of each action.
Overridden here, because the stock behaviour is wrong or missing for this host:

* dispatch: work is handed out within a worker's limits, and given back when the worker goes away;
* executions: each generation of an instance has an id, so that late results of an older one are dropped;
* sub-orchestrations: the parent is told however long the child takes, and the child knows its parent;
* timers: one thread, by the injected clock (module `timers`);
* time: every event and status is dated by that clock.

Not here: entities and rewind (the host refuses them before they reach the hub), persistence, authentication.
"""

import threading
import uuid
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC
from functools import partial
from itertools import count

import durabletask.internal.orchestrator_service_pb2 as pb
import grpc
from durabletask.internal import helpers
from durabletask.testing.in_memory_backend import (
    ActivityWorkItem,
    InMemoryOrchestrationBackend,
    OrchestrationInstance,
)

from local_host.backend.timers import DurableTimer, DurableTimers
from local_host.clock import Clock

MAX_HISTORY_EVENTS = 1_000_000  # the stock limit of 10,000 is reached by a fan-out of 3,333 activities


@dataclass(frozen=True)
class Execution:
    """One generation of an instance, from its start or continue-as-new to its end."""

    id: str
    parent_id: str | None


@dataclass(frozen=True)
class AwaitedChild:
    """A parent's execution and the task in it that a sub-orchestration completes."""

    parent_id: str
    parent_execution_id: str
    task_id: int


@dataclass(frozen=True)
class ScheduledActivity:
    """An activity to run once for one execution. Its token stays the same however often it is handed out."""

    token: str
    execution_id: str
    item: ActivityWorkItem


@dataclass(eq=False)
class ConnectedWorker:
    """A worker's stream of work items and what it holds of them, by completion token."""

    max_turns: int
    max_activities: int
    turns: dict[str, str] = field(default_factory=dict)  # token -> instance id
    activities: dict[str, ScheduledActivity] = field(default_factory=dict)
    gone: bool = False


class TaskHub(InMemoryOrchestrationBackend):
    """Holds orchestration instances and hands their work to the connected workers.

    Its public methods are the rpcs of durabletask's `TaskHubSidecarService`; `in_process` and `server` expose them.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(max_history_size=MAX_HISTORY_EVENTS)
        self._clock = clock
        self._executions: dict[str, Execution] = {}
        self._awaited: defaultdict[str, list[AwaitedChild]] = defaultdict(list)  # by the child's instance id
        self._ready_activities: deque[ScheduledActivity] = deque()
        self._workers: list[ConnectedWorker] = []
        self._tokens = count(1)
        self._work_arrived = threading.Condition(self._lock)
        self._settled = threading.Condition(self._lock)
        self._timers = DurableTimers(self, clock, self._lock)
        self._timers.start()
        clock.subscribe(self._clock_changed)

    def stop(self, grace: float | None = None) -> None:
        """End the streams of the workers, the timers and every blocked wait."""
        with self._lock:
            self._shutdown_event.set()
            self._timers.stop()
            self._work_arrived.notify_all()
            self._settled.notify_all()
            for waiters in self._state_waiters.values():
                for waiter in waiters:
                    waiter.event.set()
        self._timers.join()

    # What a test waits for

    def is_idle(self) -> bool:
        """Nothing is queued, in a turn or in an activity: every running orchestration waits for a timer or an event."""
        return not (
            self._orchestration_queue_set
            or self._orchestration_in_flight
            or self._ready_activities
            or any(worker.activities for worker in self._workers)
        )

    def wait_until_settled(self, timeout_seconds: float) -> bool:
        """Block until the hub is idle and no timer is about to fire; False if that took longer than the timeout."""
        with self._settled:
            return self._settled.wait_for(self._is_settled, timeout_seconds)

    def _is_settled(self) -> bool:
        return self._shutdown_event.is_set() or (self.is_idle() and not self._timers.will_fire_soon())

    def _clock_changed(self) -> None:
        with self._lock:
            self._work_done()

    def _work_done(self) -> None:
        """Something was taken off the hub's hands; if that was the last, time may be skipped and waits end."""
        if self.is_idle():
            self._timers.look_again()
            self._settled.notify_all()

    # Executions

    def StartInstance(
        self, request: pb.CreateInstanceRequest, context: grpc.ServicerContext
    ) -> pb.CreateInstanceResponse:
        with self._lock:
            response = super().StartInstance(request, context)
            self._begin_execution(self._instances[response.instanceId], parent_id=None)
            self._instances[response.instanceId].created_at = self._clock.now()
            return response

    def PurgeInstances(
        self, request: pb.PurgeInstancesRequest, context: grpc.ServicerContext
    ) -> pb.PurgeInstancesResponse:
        with self._lock:
            response = super().PurgeInstances(request, context)
            for instance_id in self._executions.keys() - self._instances.keys():
                del self._executions[instance_id]
            return response

    def _begin_execution(self, instance: OrchestrationInstance, parent_id: str | None) -> None:
        execution = Execution(id=uuid.uuid4().hex, parent_id=parent_id)
        self._executions[instance.instance_id] = execution
        started = next(e.executionStarted for e in instance.pending_events if e.HasField("executionStarted"))
        started.orchestrationInstance.executionId.value = execution.id
        if parent_id:
            started.parentInstance.orchestrationInstance.instanceId = parent_id

    def _is_current(self, instance_id: str, execution_id: str) -> bool:
        instance = self._instances.get(instance_id)
        return (
            instance is not None
            and not self._is_terminal_status(instance.status)
            and self._executions[instance_id].id == execution_id
        )

    def _process_complete_orchestration_action(
        self, instance: OrchestrationInstance, complete_action: pb.CompleteOrchestrationAction
    ) -> None:
        super()._process_complete_orchestration_action(instance, complete_action)
        if not self._is_terminal_status(instance.status):  # continued as new
            self._begin_execution(instance, self._executions[instance.instance_id].parent_id)

    # Sub-orchestrations

    def _watch_sub_orchestration(self, parent_instance_id: str, sub_instance_id: str, task_id: int) -> None:
        # The stock backend has just created the child, under the same lock: nothing has dispatched it yet.
        child = self._instances[sub_instance_id]
        child.created_at = self._clock.now()
        self._begin_execution(child, parent_instance_id)
        self._awaited[sub_instance_id].append(
            AwaitedChild(parent_instance_id, self._executions[parent_instance_id].id, task_id)
        )

    def _notify_waiters(self, instance_id: str) -> None:
        super()._notify_waiters(instance_id)
        child = self._instances[instance_id]
        if not self._is_terminal_status(child.status):
            return
        for awaited in self._awaited.pop(instance_id, ()):
            if self._is_current(awaited.parent_id, awaited.parent_execution_id):
                self._deliver(awaited.parent_id, _child_ended(child, awaited.task_id))

    def _deliver(self, instance_id: str, event: pb.HistoryEvent) -> None:
        self._instances[instance_id].pending_events.append(event)
        self._enqueue_orchestration(instance_id)

    # Timers

    def _process_create_timer_action(self, instance: OrchestrationInstance, action: pb.OrchestratorAction) -> None:
        fire_at = action.createTimer.fireAt.ToDatetime(tzinfo=UTC)
        instance.history.append(helpers.new_timer_created_event(action.id, fire_at))
        execution = self._executions[instance.instance_id]
        self._timers.add(DurableTimer(fire_at, next(self._tokens), instance.instance_id, execution.id, action.id))

    def is_awaited(self, timer: DurableTimer) -> bool:
        return self._is_current(timer.instance_id, timer.execution_id)

    def fire(self, timer: DurableTimer) -> None:
        self._deliver(timer.instance_id, helpers.new_timer_fired_event(timer.timer_id, timer.fire_at))

    # Activities

    def _process_schedule_task_action(self, instance: OrchestrationInstance, action: pb.OrchestratorAction) -> None:
        super()._process_schedule_task_action(instance, action)
        self._ready_activities.append(
            ScheduledActivity(
                token=f"activity-{next(self._tokens)}",
                execution_id=self._executions[instance.instance_id].id,
                item=self._activity_queue.pop(),
            )
        )
        self._work_arrived.notify_all()

    def CompleteActivityTask(
        self, request: pb.ActivityResponse, context: grpc.ServicerContext
    ) -> pb.CompleteTaskResponse:
        with self._lock:
            for worker in self._workers:
                activity = worker.activities.pop(request.completionToken, None)
                if activity and self._is_current(request.instanceId, activity.execution_id):
                    super().CompleteActivityTask(request, context)
            self._work_arrived.notify_all()  # the worker has room for another
            self._work_done()
        return pb.CompleteTaskResponse()

    # Turns

    def _enqueue_orchestration(self, instance_id: str) -> None:
        self._instances[instance_id].last_updated_at = self._clock.now()
        # An instance in a turn is queued again when the turn ends, if events have arrived by then.
        if instance_id not in self._orchestration_in_flight:
            super()._enqueue_orchestration(instance_id)
            self._work_arrived.notify_all()

    def CompleteOrchestratorTask(
        self, request: pb.OrchestratorResponse, context: grpc.ServicerContext
    ) -> pb.CompleteTaskResponse:
        with self._lock:
            if not any(worker.turns.pop(request.completionToken, None) for worker in self._workers):
                return pb.CompleteTaskResponse()  # the turn was given back and belongs to another worker now
            instance = self._instances[request.instanceId]
            if instance.custom_status and not request.HasField("customStatus"):
                # A generation that sets none keeps the last one's (DurableTask.Core carries it over).
                request.customStatus.value = instance.custom_status
            past = len(instance.history)
            super().CompleteOrchestratorTask(request, context)
            instance.last_updated_at = self._clock.now()
            self._date(instance.history[past:])
            if instance.pending_events and not self._is_terminal_status(instance.status):
                # Also when suspended: what arrived during the turn may be the resume.
                self._enqueue_orchestration(instance.instance_id)
            self._work_arrived.notify_all()
            self._work_done()
        return pb.CompleteTaskResponse()

    def _date(self, events: Iterable[pb.HistoryEvent]) -> None:
        """Give the events without a time the present one (the stock backend leaves most at the epoch)."""
        now = self._clock.now()
        for event in events:
            if not event.timestamp.seconds:
                event.timestamp.FromDatetime(now)

    # Dispatch

    def GetWorkItems(self, request: pb.GetWorkItemsRequest, context: grpc.ServicerContext) -> Iterator[pb.WorkItem]:
        """Stream work to a worker, never more at once than it asked for, until it or the hub goes away."""
        worker = ConnectedWorker(request.maxConcurrentOrchestrationWorkItems, request.maxConcurrentActivityWorkItems)
        with self._lock:
            self._workers.append(worker)
        if not context.add_callback(partial(self._disconnect, worker)):
            self._disconnect(worker)
        while item := self._wait_for_work(worker):
            yield item

    def _wait_for_work(self, worker: ConnectedWorker) -> pb.WorkItem | None:
        with self._work_arrived:
            while not (worker.gone or self._shutdown_event.is_set()):
                if item := self._next_turn(worker) or self._next_activity(worker):
                    return item
                self._work_arrived.wait()
        return None

    def _next_turn(self, worker: ConnectedWorker) -> pb.WorkItem | None:
        while self._orchestration_queue and len(worker.turns) < worker.max_turns:
            instance_id = self._orchestration_queue.popleft()
            self._orchestration_queue_set.discard(instance_id)
            instance = self._instances.get(instance_id)
            if instance and instance.pending_events and instance_id not in self._orchestration_in_flight:
                return self._begin_turn(worker, instance)
            self._work_done()
        return None

    def _begin_turn(self, worker: ConnectedWorker, instance: OrchestrationInstance) -> pb.WorkItem:
        events, instance.pending_events = instance.pending_events, []
        if not events[0].HasField("orchestratorStarted"):
            events.insert(0, helpers.new_orchestrator_started_event())
        events[0].timestamp.FromDatetime(self._clock.now())  # what `current_utc_datetime` is in this turn
        self._date(events[1:])
        instance.dispatched_events = events
        instance.completion_token = next(self._tokens)
        self._orchestration_in_flight.add(instance.instance_id)
        token = str(instance.completion_token)
        worker.turns[token] = instance.instance_id
        return pb.WorkItem(
            completionToken=token,
            orchestratorRequest=pb.OrchestratorRequest(
                instanceId=instance.instance_id, pastEvents=instance.history, newEvents=events
            ),
        )

    def _next_activity(self, worker: ConnectedWorker) -> pb.WorkItem | None:
        if not self._ready_activities or len(worker.activities) >= worker.max_activities:
            return None
        activity = self._ready_activities.popleft()
        worker.activities[activity.token] = activity
        item = activity.item
        return pb.WorkItem(
            completionToken=activity.token,
            activityRequest=pb.ActivityRequest(
                name=item.name,
                taskId=item.task_id,
                input=helpers.get_string_value(item.input),
                orchestrationInstance=pb.OrchestrationInstance(instanceId=item.instance_id),
            ),
        )

    def _disconnect(self, worker: ConnectedWorker) -> None:
        """The worker's stream has ended: what it had not answered is handed out again."""
        with self._lock:
            worker.gone = True
            self._workers.remove(worker)
            for instance_id in worker.turns.values():
                instance = self._instances[instance_id]
                instance.pending_events = instance.dispatched_events + instance.pending_events
                instance.dispatched_events = []
                self._orchestration_in_flight.discard(instance_id)
                self._enqueue_orchestration(instance_id)
            self._ready_activities.extendleft(reversed(worker.activities.values()))
            self._work_arrived.notify_all()


def _child_ended(child: OrchestrationInstance, task_id: int) -> pb.HistoryEvent:
    if child.status == pb.ORCHESTRATION_STATUS_COMPLETED:
        return helpers.new_sub_orchestration_completed_event(task_id, child.output)
    reason = child.failure_details.errorMessage if child.failure_details else child.output or "terminated"
    return helpers.new_sub_orchestration_failed_event(task_id, Exception(reason))
