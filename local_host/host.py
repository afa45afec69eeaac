"""The local host: a function app, its durable backend and its HTTP server, on the running event loop.

`LocalHost` is the composition root of the package and the API tests use. The program around it is `__main__`.
"""

import asyncio
import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any

import azure.functions as func
import durabletask.internal.orchestrator_service_pb2_grpc as stubs
import grpc
from aiohttp import web
from azure.durable_functions.models.utils import http_utils
from google.protobuf.empty_pb2 import Empty

from local_host.admin import AdminApi
from local_host.backend.hub import TaskHub
from local_host.backend.in_process import InProcessChannel
from local_host.backend.server import LOOPBACK, connect
from local_host.client_binding import client_binding
from local_host.clock import Clock, SystemClock
from local_host.durable_api import DurableApi
from local_host.event_grid import EventGridWebhook
from local_host.functions import Functions, Invoker
from local_host.history import HistoryEvent, history_events, split_at_last_turn
from local_host.http_triggers import add_http_triggers, http_routes
from local_host.instances import Instances, InstanceStatus
from local_host.settings import HostSettings
from local_host.timer_triggers import run_schedule, schedules
from local_host.worker import Worker

MAX_ACTIVITIES = 64
MAX_BODY_BYTES = 100 * 2**20  # the Functions host's default
BACKEND_HELLO_SECONDS = 60
HTTP_SHUTDOWN_SECONDS = 0.5
WAIT_SECONDS = 600.0


class CannotListen(Exception):
    """The port is taken or may not be listened on. The text says so in a sentence for the terminal."""


class BackendUnreachable(Exception):
    """No backend answers at the given address. The text says so in a sentence for the terminal."""


class LocalHost:
    """Runs one app object, from `async with` to its end::

        async with LocalHost(app, clock=SkippingClock()) as host:
            await host.start("migrate", {"vaults": []}, "m1")
            status = await host.wait("m1")

    An app object can be given to one host only: the SDK lists its functions once. Hosts of different apps can follow
    one another on an event loop. Leaving one closes the SDK's HTTP session, which is a global of its module and would
    outlive the loop; the next call of a client opens a new one.
    """

    url: str
    """Where the host listens, once entered: scheme, host and port."""

    client_binding: str
    """What a durable client parameter receives, once entered: `DurableOrchestrationClient(host.client_binding)`."""

    lost_backend: asyncio.Event
    """Set when the backend's stream of work items has ended: a separate backend went away."""

    def __init__(
        self,
        app: func.FunctionRegister,
        *,
        port: int = 0,
        settings: HostSettings | None = None,
        clock: Clock | None = None,
        backend: str | None = None,
        max_activities: int = MAX_ACTIVITIES,
        deliver_activities_twice: bool = False,
    ) -> None:
        """Read the app; nothing runs yet.

        `port` 0 lets the system choose. `settings` are those of host.json. `clock` fires the durable timers (default:
        the real time). `backend` is the address of a separate backend process; without it the hub is in this process.
        `deliver_activities_twice` runs every activity twice and uses the second result, as at-least-once delivery may.
        Raises AppNotLoaded for an app that uses what this host does not support.
        """
        self._port = port
        self._settings = settings or HostSettings()
        self._clock = clock or SystemClock()
        self._backend = backend
        self._max_activities = max_activities
        self._deliver_activities_twice = deliver_activities_twice
        self._functions = Functions(app)
        self._routes = http_routes(self._functions, self._settings.route_prefix)
        self._schedules = schedules(self._functions)

    async def __aenter__(self) -> "LocalHost":
        """Listen, reach the backend and begin to work. Raises CannotListen, BackendUnreachable."""
        async with AsyncExitStack() as stack:
            listening = stack.enter_context(_listen(self._port))
            self.url = f"http://{LOOPBACK}:{listening.getsockname()[1]}"
            self.client_binding = client_binding(self.url, self._settings.task_hub)
            threads = ThreadPoolExecutor(self._max_activities, thread_name_prefix="function")
            stack.callback(threads.shutdown, wait=False, cancel_futures=True)
            invoker = Invoker(threads, self.client_binding)
            stub = await self._open_backend(stack)
            self._instances = Instances(stub, self._functions.durable_names)
            stack.push_async_callback(http_utils._close_session)
            await self._serve_http(stack, listening, invoker)
            self._start_worker(stack, stub, invoker)
            self._start_schedules(stack, invoker)
            self._running = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._running.aclose()

    async def start(self, name: str, input: Any = None, instance_id: str | None = None) -> str:
        """Start orchestrator function `name` as the SDK's client does; returns the instance id.

        Raises StartRefused for an unknown function, AlreadyRunning if the id's instance has not ended.
        """
        return await self._instances.start(name, instance_id, None if input is None else _encode_twice(input))

    async def status(self, instance_id: str) -> InstanceStatus | None:
        """The status of an instance, None if there is none."""
        return await self._instances.status(instance_id)

    async def wait(self, instance_id: str, timeout_seconds: float = WAIT_SECONDS) -> InstanceStatus:
        """The status an instance ends with. Raises LookupError if there is none, TimeoutError if it does not end."""
        status = await self._instances.wait(instance_id, timeout_seconds)
        if status is None:
            raise LookupError(f"There is no instance '{instance_id}'.")
        return status

    async def settled(self, timeout_seconds: float = WAIT_SECONDS) -> None:
        """Return when every orchestration waits for an event or a later time and no activity runs.

        Needs the hub in this process. Raises TimeoutError if the orchestrations don't come to rest.
        """
        if self._backend is not None:
            raise RuntimeError("Only a hub in this process can tell that it is at rest.")
        if not await asyncio.to_thread(self._hub.wait_until_settled, timeout_seconds):
            raise TimeoutError(f"Work is still going on after {timeout_seconds} s.")

    async def raise_event(self, instance_id: str, name: str, data: Any = None) -> None:
        """Raise an event as the SDK's client does: the orchestrator receives `data` as JSON text (encoded twice)."""
        await self._instances.raise_event(instance_id, name, _encode_twice(data))

    async def terminate(self, instance_id: str, reason: str = "") -> None:
        await self._instances.terminate(instance_id, reason)

    async def suspend(self, instance_id: str, reason: str = "") -> None:
        await self._instances.suspend(instance_id, reason)

    async def resume(self, instance_id: str, reason: str = "") -> None:
        await self._instances.resume(instance_id, reason)

    async def history(self, instance_id: str) -> list[HistoryEvent]:
        """The events of the present generation, as the SDK got them for its last turn.

        `local_host.history.orchestration_context` makes the context of a replay of them. Raises LookupError if there
        is no such instance.
        """
        if await self._instances.status(instance_id) is None:
            raise LookupError(f"There is no instance '{instance_id}'.")
        past, new = split_at_last_turn(await self._instances.history(instance_id))
        return history_events(past, is_played=True) + history_events(new, is_played=False)

    async def _open_backend(self, stack: AsyncExitStack) -> stubs.TaskHubSidecarServiceStub:
        if self._backend is None:
            self._hub = TaskHub(self._clock)
            stack.push_async_callback(asyncio.to_thread, self._hub.stop)
            return stubs.TaskHubSidecarServiceStub(InProcessChannel(self._hub))
        channel = connect(self._backend)
        stack.callback(channel.close)
        stub = stubs.TaskHubSidecarServiceStub(channel)
        try:
            await asyncio.to_thread(stub.Hello, Empty(), timeout=BACKEND_HELLO_SECONDS)
        except grpc.RpcError as error:
            raise BackendUnreachable(f"No backend answers at {self._backend}.") from error
        return stub

    async def _serve_http(self, stack: AsyncExitStack, listening: socket.socket, invoker: Invoker) -> None:
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        application.add_routes(DurableApi(self._instances, self._settings.task_hub).routes())
        application.add_routes(EventGridWebhook(self._functions, invoker).routes())
        application.add_routes(AdminApi(self._functions, invoker).routes())
        add_http_triggers(application, self._routes, invoker)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=HTTP_SHUTDOWN_SECONDS)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.SockSite(runner, listening).start()

    def _start_worker(self, stack: AsyncExitStack, stub: stubs.TaskHubSidecarServiceStub, invoker: Invoker) -> None:
        worker = Worker(
            self._functions,
            invoker,
            stub,
            max_activities=self._max_activities,
            deliver_activities_twice=self._deliver_activities_twice,
        )
        worker.start()
        stack.push_async_callback(worker.stop)
        self.lost_backend = worker.lost_backend

    def _start_schedules(self, stack: AsyncExitStack, invoker: Invoker) -> None:
        if not isinstance(self._clock, SystemClock):
            return  # a schedule has no end to skip to; its functions run by hand
        for schedule in self._schedules:
            running = asyncio.create_task(run_schedule(schedule, invoker, self._clock))
            stack.callback(running.cancel)


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((LOOPBACK, port))
    except OSError as error:
        raise CannotListen(f"Port {port} can't be listened on: {os.strerror(error.errno or 0)}.") from error


def _encode_twice(value: Any) -> str:
    """JSON text as a JSON string: how the SDK's client sends inputs and event data (None as `null`)."""
    return json.dumps(json.dumps(value))
