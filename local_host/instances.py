"""Orchestration instances seen from outside: start, query, signal and end them. Knows the hub's rpcs, not HTTP.

Both the durable HTTP API and the in-process API of `LocalHost` are built on this.
"""

import asyncio
import json
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import durabletask.internal.orchestrator_service_pb2 as pb
import durabletask.internal.orchestrator_service_pb2_grpc as stubs
import grpc
import msgspec
from durabletask.internal import helpers

from local_host.actions import ActionRefused, DurableNames

RUNTIME_STATUS = {
    pb.ORCHESTRATION_STATUS_RUNNING: "Running",
    pb.ORCHESTRATION_STATUS_COMPLETED: "Completed",
    pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW: "ContinuedAsNew",
    pb.ORCHESTRATION_STATUS_FAILED: "Failed",
    pb.ORCHESTRATION_STATUS_CANCELED: "Canceled",
    pb.ORCHESTRATION_STATUS_TERMINATED: "Terminated",
    pb.ORCHESTRATION_STATUS_PENDING: "Pending",
    pb.ORCHESTRATION_STATUS_SUSPENDED: "Suspended",
}
STATUS_BY_NAME = {name: status for status, name in RUNTIME_STATUS.items()}
ENDED = frozenset({"Completed", "Failed", "Canceled", "Terminated"})

PAGE_SIZE = 100  # the extension's default; the SDK's client asks for no further page
MAX_ID_LENGTH = 100
FORBIDDEN_IN_ID = re.compile(r"[/\\?#\x00-\x1f\x7f-\x9f]|^@")


class InstanceStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The status of an instance, as a status query shows it. Times are UTC, to the second."""

    name: str
    instance_id: str
    runtime_status: str
    input: Any
    custom_status: Any
    output: Any
    created_time: datetime
    last_updated_time: datetime

    @property
    def has_ended(self) -> bool:
        return self.runtime_status in ENDED


@dataclass(frozen=True, kw_only=True)
class InstanceQuery:
    """Which instances to list or purge. `runtime_statuses` empty: any."""

    created_from: datetime | None = None
    created_to: datetime | None = None
    runtime_statuses: tuple[str, ...] = ()
    id_prefix: str = ""
    page_size: int = PAGE_SIZE
    continuation_token: str = ""


class StartRefused(Exception):
    """An instance can't be started: unknown orchestrator, unusable id."""


class AlreadyRunning(Exception):
    """An instance with this id exists and has not ended."""


class Instances:
    """The instances of a hub. Every call may block on the hub, so all of them wait in a thread."""

    def __init__(self, stub: stubs.TaskHubSidecarServiceStub, names: DurableNames) -> None:
        self._stub = stub
        self._names = names

    async def start(self, name: str, instance_id: str | None, encoded_input: str | None) -> str:
        """Start orchestrator function `name`; returns the instance's id, a new one if None was given.

        An id can be used again once its instance has ended. Raises StartRefused, AlreadyRunning.
        """
        instance_id = instance_id or uuid.uuid4().hex
        try:
            self._names.require_orchestration(name)
        except ActionRefused as unknown:
            raise StartRefused(str(unknown)) from unknown
        if FORBIDDEN_IN_ID.search(instance_id) or len(instance_id) > MAX_ID_LENGTH:
            raise StartRefused(
                f"An instance id is at most {MAX_ID_LENGTH} characters long, does not start with '@' and contains "
                "no '/', '\\', '#', '?' or control characters."
            )
        request = pb.CreateInstanceRequest(
            instanceId=instance_id, name=name, input=helpers.get_string_value(encoded_input)
        )
        # overridableExistingInstanceStates, at its default NonRunningStates.
        request.orchestrationIdReusePolicy.replaceableStatus.extend(STATUS_BY_NAME[name] for name in ENDED)
        try:
            await asyncio.to_thread(self._stub.StartInstance, request)
        except grpc.RpcError as error:
            raise AlreadyRunning(
                f"An Orchestration instance with the id '{instance_id}' already exists and has not ended."
            ) from error
        return instance_id

    async def status(self, instance_id: str) -> InstanceStatus | None:
        """The instance's status; None if there is no such instance."""
        request = pb.GetInstanceRequest(instanceId=instance_id, getInputsAndOutputs=True)
        answer = await asyncio.to_thread(self._stub.GetInstance, request)
        return _status(answer.orchestrationState) if answer.exists else None

    async def wait(self, instance_id: str, timeout_seconds: float) -> InstanceStatus | None:
        """The status the instance ends with; None if there is no such instance.

        Raises TimeoutError if it has not ended by then.
        """
        request = pb.GetInstanceRequest(instanceId=instance_id, getInputsAndOutputs=True)
        try:
            answer = await asyncio.to_thread(self._stub.WaitForInstanceCompletion, request, timeout=timeout_seconds)
        except grpc.RpcError as error:
            raise TimeoutError(f"{await self.status(instance_id)} after {timeout_seconds} s") from error
        return _status(answer.orchestrationState) if answer.exists else None

    async def list_page(self, query: InstanceQuery) -> tuple[list[InstanceStatus], str]:
        """One page of instances, oldest first, and the token of the next page (empty: this is the last)."""
        request = pb.QueryInstancesRequest()
        _fill_filter(request.query, query)
        request.query.instanceIdPrefix.value = query.id_prefix
        request.query.maxInstanceCount = query.page_size
        request.query.continuationToken.value = query.continuation_token
        request.query.fetchInputsAndOutputs = True
        answer = await asyncio.to_thread(self._stub.QueryInstances, request)
        return [_status(state) for state in answer.orchestrationState], answer.continuationToken.value

    async def purge(self, instance_id: str) -> int:
        """Forget an instance that has ended; returns how many were (0 or 1)."""
        request = pb.PurgeInstancesRequest(instanceId=instance_id)
        return (await asyncio.to_thread(self._stub.PurgeInstances, request)).deletedInstanceCount

    async def purge_all(self, query: InstanceQuery) -> int:
        """Forget the instances that match and have ended; returns how many were."""
        request = pb.PurgeInstancesRequest()
        _fill_filter(request.purgeInstanceFilter, query)
        return (await asyncio.to_thread(self._stub.PurgeInstances, request)).deletedInstanceCount

    async def raise_event(self, instance_id: str, name: str, encoded_data: str | None) -> None:
        request = pb.RaiseEventRequest(instanceId=instance_id, name=name, input=helpers.get_string_value(encoded_data))
        await asyncio.to_thread(self._stub.RaiseEvent, request)

    async def terminate(self, instance_id: str, reason: str | None) -> None:
        """End an instance with `reason` as its output. Its sub-orchestrations go on, as in Azure."""
        output = helpers.get_string_value(None if reason is None else json.dumps(reason))
        await asyncio.to_thread(
            self._stub.TerminateInstance, pb.TerminateRequest(instanceId=instance_id, output=output)
        )

    async def suspend(self, instance_id: str, reason: str | None) -> None:
        request = pb.SuspendRequest(instanceId=instance_id, reason=helpers.get_string_value(reason))
        await asyncio.to_thread(self._stub.SuspendInstance, request)

    async def resume(self, instance_id: str, reason: str | None) -> None:
        request = pb.ResumeRequest(instanceId=instance_id, reason=helpers.get_string_value(reason))
        await asyncio.to_thread(self._stub.ResumeInstance, request)

    async def history(self, instance_id: str) -> list[pb.HistoryEvent]:
        """The events of the instance's present generation, as the hub keeps them."""
        request = pb.StreamInstanceHistoryRequest(instanceId=instance_id)
        chunks = await asyncio.to_thread(lambda: [*self._stub.StreamInstanceHistory(request)])
        return [event for chunk in chunks for event in chunk.events]


def _fill_filter(target: pb.InstanceQuery | pb.PurgeInstanceFilter, query: InstanceQuery) -> None:
    if query.created_from:
        target.createdTimeFrom.FromDatetime(query.created_from)
    if query.created_to:
        target.createdTimeTo.FromDatetime(query.created_to)
    target.runtimeStatus.extend(STATUS_BY_NAME[name] for name in query.runtime_statuses)


def _status(state: pb.OrchestrationState) -> InstanceStatus:
    failed = state.orchestrationStatus == pb.ORCHESTRATION_STATUS_FAILED
    return InstanceStatus(
        name=state.name,
        instance_id=state.instanceId,
        runtime_status=RUNTIME_STATUS[state.orchestrationStatus],
        input=_payload(state.input.value),
        custom_status=_payload(state.customStatus.value),
        output=state.failureDetails.errorMessage if failed else _payload(state.output.value),
        created_time=state.createdTimestamp.ToDatetime(tzinfo=UTC).replace(microsecond=0),
        last_updated_time=state.lastUpdatedTimestamp.ToDatetime(tzinfo=UTC).replace(microsecond=0),
    )


def _payload(text: str) -> Any:
    return json.loads(text) if text else None
