"""The worker: takes work items from the hub, runs the app's code, sends the answers back.

It replaces the loop of durabletask's `TaskHubGrpcWorker`, which holds a thread per running activity and takes a second
to stop; what an answer to a turn is stays durabletask's business (module `orchestrator`).
"""

import asyncio
import logging
import threading
import traceback
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import durabletask.internal.orchestrator_service_pb2 as pb
import durabletask.internal.orchestrator_service_pb2_grpc as stubs
import grpc
from azure.functions.meta import Datum

from local_host.functions import ACTIVITY, Functions, Invoker, converter
from local_host.orchestrator import run_turn, start_of

log = logging.getLogger(__name__)

MAX_TURNS = 4  # replay is pure CPU; more would only share one core


class Worker:
    """Runs turns in threads of its own and activities through the host's invoker."""

    def __init__(
        self,
        functions: Functions,
        invoker: Invoker,
        stub: stubs.TaskHubSidecarServiceStub,
        *,
        max_activities: int,
        deliver_activities_twice: bool,
    ) -> None:
        self._functions = functions
        self._orchestrators = {name: function.call for name, function in functions.orchestrations.items()}
        self._invoker = invoker
        self._stub = stub
        self._max_activities = max_activities
        self._deliver_activities_twice = deliver_activities_twice
        self._threads = ThreadPoolExecutor(MAX_TURNS + 4, thread_name_prefix="turn")
        self._running: set[asyncio.Task[None]] = set()
        self.lost_backend = asyncio.Event()

    def start(self) -> None:
        """Begin to take work. Returns at once; work started earlier waits in the hub."""
        self._loop = asyncio.get_running_loop()
        self._stream = self._stub.GetWorkItems(
            pb.GetWorkItemsRequest(
                maxConcurrentOrchestrationWorkItems=MAX_TURNS,
                maxConcurrentActivityWorkItems=self._max_activities,
            )
        )
        self._reader = threading.Thread(target=self._read_stream, name="work-items", daemon=True)
        self._reader.start()

    async def stop(self) -> None:
        """Give unfinished work back to the hub and stop. Activities that are coroutines are cancelled."""
        self._stream.cancel()
        await asyncio.to_thread(self._reader.join)
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _read_stream(self) -> None:
        try:
            for item in self._stream:
                self._loop.call_soon_threadsafe(self._accept, item)
        except grpc.RpcError as error:
            log.debug("The stream of work items ended: %s", error)
        self._loop.call_soon_threadsafe(self.lost_backend.set)

    def _accept(self, item: pb.WorkItem) -> None:
        if item.HasField("orchestratorRequest"):
            self._run(self._answer_turn(item.orchestratorRequest, item.completionToken))
        else:
            self._run(self._answer_activity(item.activityRequest, item.completionToken))

    def _run(self, answering: Coroutine[Any, Any, None]) -> None:
        running = self._loop.create_task(answering)
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    async def _answer_turn(self, request: pb.OrchestratorRequest, token: str) -> None:
        events = len(request.pastEvents) + len(request.newEvents)
        self._invoker.executions.replayed(start_of(request).name, events)
        await self._loop.run_in_executor(self._threads, self._answer_turn_in_thread, request, token)

    def _answer_turn_in_thread(self, request: pb.OrchestratorRequest, token: str) -> None:
        response = run_turn(request, self._orchestrators, self._functions.durable_names)
        response.completionToken = token
        self._send(self._stub.CompleteOrchestratorTask, response)

    async def _answer_activity(self, request: pb.ActivityRequest, token: str) -> None:
        response = pb.ActivityResponse(
            instanceId=request.orchestrationInstance.instanceId, taskId=request.taskId, completionToken=token
        )
        try:
            response.result.value = await self._run_activity(request)
        except Exception as error:
            log.info("Activity '%s' failed: %r", request.name, error)
            response.failureDetails.CopyFrom(_failure(request.name, error))
        await self._loop.run_in_executor(self._threads, self._send, self._stub.CompleteActivityTask, response)

    async def _run_activity(self, request: pb.ActivityRequest) -> str:
        function = self._functions.activities[request.name]
        given = Datum(request.input.value, "string")
        if self._deliver_activities_twice:
            with suppress(Exception):  # whatever comes of it is lost, as if the worker had died before it answered
                await self._invoker.invoke(function, given)
        result = await self._invoker.invoke(function, given)
        return converter(ACTIVITY).encode(result, expected_type=None).value

    def _send(self, answer: Any, response: pb.OrchestratorResponse | pb.ActivityResponse) -> None:
        try:
            answer(response)
        except grpc.RpcError as error:  # the hub is gone, or hands the item out again
            log.warning("The answer to a work item of '%s' was not delivered: %s", response.instanceId, error)


def _failure(activity: str, error: Exception) -> pb.TaskFailureDetails:
    """The failure as the SDK reads it: `Reason` is the message, `Details` the stack trace."""
    failure = pb.TaskFailureDetails(
        errorType=type(error).__qualname__,
        errorMessage=f"Activity function '{activity}' failed:  {type(error).__name__}: {error}",
    )
    failure.stackTrace.value = "".join(traceback.format_exception(error))
    return failure
