"""The task hub: what it hands out to whom, and whose answers count."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import durabletask.internal.orchestrator_service_pb2 as pb
import durabletask.internal.orchestrator_service_pb2_grpc as stubs
import grpc
import pytest
from durabletask.internal import helpers

from local_host.backend.hub import TaskHub
from local_host.backend.in_process import HubError, InProcessChannel
from local_host.backend.server import connect, serve
from local_host.clock import SkippingClock, SystemClock
from tests.conftest import PATIENCE_SECONDS


@pytest.fixture
def hub() -> Iterator[TaskHub]:
    """A hub by real time, stopped at the end."""
    hub = TaskHub(SystemClock())
    yield hub
    hub.stop()


@pytest.fixture
def stub(hub: TaskHub) -> stubs.TaskHubSidecarServiceStub:
    return stubs.TaskHubSidecarServiceStub(InProcessChannel(hub))


class AWorker:
    """A worker that takes one work item at a time and answers when the test says so."""

    def __init__(self, stub: stubs.TaskHubSidecarServiceStub, max_turns: int = 8, max_activities: int = 8) -> None:
        self._stub = stub
        self._stream = stub.GetWorkItems(
            pb.GetWorkItemsRequest(
                maxConcurrentOrchestrationWorkItems=max_turns, maxConcurrentActivityWorkItems=max_activities
            )
        )
        self._items = iter(self._stream)

    def take(self) -> pb.WorkItem:
        """The next work item; blocks until there is one."""
        return next(self._items)

    def answer_turn(self, item: pb.WorkItem, *actions: pb.OrchestratorAction) -> None:
        self._stub.CompleteOrchestratorTask(
            pb.OrchestratorResponse(
                instanceId=item.orchestratorRequest.instanceId, actions=actions, completionToken=item.completionToken
            )
        )

    def answer_activity(self, item: pb.WorkItem, result: str) -> None:
        request = item.activityRequest
        self._stub.CompleteActivityTask(
            pb.ActivityResponse(
                instanceId=request.orchestrationInstance.instanceId,
                taskId=request.taskId,
                result=helpers.get_string_value(result),
                completionToken=item.completionToken,
            )
        )

    def leave(self) -> None:
        self._stream.cancel()


def start(stub: stubs.TaskHubSidecarServiceStub, instance_id: str, **changed: Any) -> None:
    stub.StartInstance(pb.CreateInstanceRequest(instanceId=instance_id, name="walk", **changed))


def call(task_id: int) -> pb.OrchestratorAction:
    return helpers.new_schedule_task_action(task_id, "step", None, None)


def end(task_id: int, status: pb.OrchestrationStatus = pb.ORCHESTRATION_STATUS_COMPLETED) -> pb.OrchestratorAction:
    return helpers.new_complete_orchestration_action(task_id, status, "1")


def status_of(stub: stubs.TaskHubSidecarServiceStub, instance_id: str) -> int:
    return stub.GetInstance(pb.GetInstanceRequest(instanceId=instance_id)).orchestrationState.orchestrationStatus


def new_events(item: pb.WorkItem) -> list[str | None]:
    return [event.WhichOneof("eventType") for event in item.orchestratorRequest.newEvents]


def test_hands_out_no_more_than_a_worker_asked_for(stub: stubs.TaskHubSidecarServiceStub):
    """With room for one activity the second is not handed out, while a turn is."""
    worker = AWorker(stub, max_activities=1)
    start(stub, "one")
    worker.answer_turn(worker.take(), call(1), call(2))
    assert worker.take().activityRequest.taskId == 1
    with ThreadPoolExecutor() as threads:
        taking = threads.submit(worker.take)
        start(stub, "two")
        assert taking.result(timeout=PATIENCE_SECONDS).orchestratorRequest.instanceId == "two"


def test_hands_out_the_next_when_one_was_answered(stub: stubs.TaskHubSidecarServiceStub):
    """An answer makes room."""
    worker = AWorker(stub, max_activities=1)
    start(stub, "one")
    worker.answer_turn(worker.take(), call(1), call(2))
    worker.answer_activity(worker.take(), "1")
    taken = [worker.take(), worker.take()]
    assert {item.WhichOneof("request") for item in taken} == {"orchestratorRequest", "activityRequest"}


def test_gives_the_work_of_a_lost_worker_to_another(stub: stubs.TaskHubSidecarServiceStub):
    """A turn and an activity that were taken and not answered are handed out again."""
    lost, other = AWorker(stub), AWorker(stub)
    start(stub, "one")
    lost.answer_turn(lost.take(), call(1))
    activity = lost.take()
    start(stub, "two")
    turn = lost.take()
    lost.leave()
    again = [other.take(), other.take()]
    assert {item.WhichOneof("request") for item in again} == {"orchestratorRequest", "activityRequest"}
    assert again[0].orchestratorRequest.instanceId == turn.orchestratorRequest.instanceId == "two"
    assert again[1].activityRequest.taskId == activity.activityRequest.taskId == 1


def test_ignores_the_turn_of_a_lost_worker(stub: stubs.TaskHubSidecarServiceStub):
    """Once a turn was given back, only its new worker's answer counts."""
    lost, other = AWorker(stub), AWorker(stub)
    start(stub, "one")
    turn = lost.take()
    lost.leave()
    lost.answer_turn(turn, end(1))
    assert status_of(stub, "one") != pb.ORCHESTRATION_STATUS_COMPLETED
    again = other.take()
    lost.answer_turn(turn, end(1))
    assert status_of(stub, "one") != pb.ORCHESTRATION_STATUS_COMPLETED
    other.answer_turn(again, end(1))
    assert status_of(stub, "one") == pb.ORCHESTRATION_STATUS_COMPLETED


def test_drops_results_that_come_after_the_end(stub: stubs.TaskHubSidecarServiceStub):
    """The result of an activity whose orchestration has ended starts no further turn."""
    worker = AWorker(stub)
    start(stub, "one")
    worker.answer_turn(worker.take(), call(1))
    activity = worker.take()
    stub.TerminateInstance(pb.TerminateRequest(instanceId="one"))
    worker.answer_turn(worker.take(), end(2, pb.ORCHESTRATION_STATUS_TERMINATED))
    worker.answer_activity(activity, "late")
    start(stub, "two")
    assert worker.take().orchestratorRequest.instanceId == "two"


def test_drops_results_of_a_past_generation(stub: stubs.TaskHubSidecarServiceStub):
    """After continue-as-new a task of the same number in the new generation is not completed by an old result."""
    worker = AWorker(stub)
    start(stub, "one")
    worker.answer_turn(worker.take(), call(1))
    activity = worker.take()
    stub.RaiseEvent(pb.RaiseEventRequest(instanceId="one", name="go"))
    worker.answer_turn(worker.take(), end(2, pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW))
    worker.answer_turn(worker.take())
    worker.answer_activity(activity, "late")
    stub.RaiseEvent(pb.RaiseEventRequest(instanceId="one", name="go"))
    assert new_events(worker.take()) == ["orchestratorStarted", "eventRaised"]


def test_gathers_what_arrives_during_a_turn(stub: stubs.TaskHubSidecarServiceStub):
    """An instance has one turn at a time; events that arrive meanwhile come together in the next."""
    worker = AWorker(stub)
    start(stub, "one")
    turn = worker.take()
    for name in ("a", "b"):
        stub.RaiseEvent(pb.RaiseEventRequest(instanceId="one", name=name))
    worker.answer_turn(turn)
    assert new_events(worker.take()) == ["orchestratorStarted", "eventRaised", "eventRaised"]


def test_resumes_an_instance_that_was_resumed_while_being_suspended(stub: stubs.TaskHubSidecarServiceStub):
    """A resume that arrives during the suspending turn is not lost."""
    worker = AWorker(stub)
    start(stub, "one")
    worker.answer_turn(worker.take())
    stub.SuspendInstance(pb.SuspendRequest(instanceId="one"))
    suspending = worker.take()
    stub.ResumeInstance(pb.ResumeRequest(instanceId="one"))
    worker.answer_turn(suspending)
    assert new_events(worker.take()) == ["orchestratorStarted", "executionResumed"]


def test_tells_parents_of_their_children_s_end(stub: stubs.TaskHubSidecarServiceStub):
    """A child knows its parent, and its result reaches the task that awaits it."""
    worker = AWorker(stub)
    start(stub, "parent")
    create = helpers.new_create_sub_orchestration_action(1, "walk", "child", None, None)
    worker.answer_turn(worker.take(), create)
    child = worker.take()
    started = child.orchestratorRequest.newEvents[1].executionStarted
    assert started.parentInstance.orchestrationInstance.instanceId == "parent"
    worker.answer_turn(child, end(1))
    completed = worker.take().orchestratorRequest.newEvents[1].subOrchestrationInstanceCompleted
    assert (completed.taskScheduledId, completed.result.value) == (1, "1")


def test_fires_timers_by_real_time(stub: stubs.TaskHubSidecarServiceStub):
    """Under the system's clock a timer fires when its time has come, however busy the hub is otherwise."""
    worker = AWorker(stub)
    start(stub, "busy")
    worker.answer_turn(worker.take(), call(1))
    worker.take()
    start(stub, "one")
    turn = worker.take()
    fire_at = SystemClock().now() + timedelta(milliseconds=20)
    worker.answer_turn(turn, helpers.new_create_timer_action(1, fire_at))
    assert new_events(worker.take()) == ["orchestratorStarted", "timerFired"]
    assert SystemClock().now() >= fire_at


def test_skips_no_time_for_the_timers_of_ended_instances():
    """A timer nobody waits for any more neither fires nor moves the clock."""
    clock = SkippingClock()
    hub = TaskHub(clock)
    stub = stubs.TaskHubSidecarServiceStub(InProcessChannel(hub))
    worker = AWorker(stub)
    before = clock.now()
    start(stub, "one")
    worker.answer_turn(worker.take(), helpers.new_create_timer_action(1, before + timedelta(days=1)), end(2))
    assert hub.wait_until_settled(PATIENCE_SECONDS)
    assert clock.now() == before
    hub.stop()


def test_unblocks_everyone_when_it_stops(hub: TaskHub, stub: stubs.TaskHubSidecarServiceStub):
    """A stopped hub ends its workers' streams."""
    worker = AWorker(stub)
    hub.stop()
    with pytest.raises(StopIteration):
        worker.take()


def test_refuses_as_grpc_does(stub: stubs.TaskHubSidecarServiceStub):
    """What the hub aborts is an RpcError with a status, in process too."""
    with pytest.raises(HubError) as refused:
        stub.RaiseEvent(pb.RaiseEventRequest(instanceId="nobody", name="go"))
    assert isinstance(refused.value, grpc.RpcError)
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


def test_serves_over_grpc(hub: TaskHub):
    """Over a socket the hub behaves the same, and passes messages beyond gRPC's usual four megabytes."""
    server, address = serve(hub, 0)
    text = "x" * 5_000_000
    with connect(address) as channel:
        stub = stubs.TaskHubSidecarServiceStub(channel)
        worker = AWorker(stub)
        start(stub, "big", input=helpers.get_string_value(text))
        turn = worker.take()
        assert turn.orchestratorRequest.newEvents[1].executionStarted.input.value == text
        worker.answer_turn(turn, end(1))
        answer = stub.WaitForInstanceCompletion(pb.GetInstanceRequest(instanceId="big"), timeout=PATIENCE_SECONDS)
        assert answer.orchestrationState.orchestrationStatus == pb.ORCHESTRATION_STATUS_COMPLETED
        worker.leave()
    server.stop(grace=None).wait()
