"""Sockets and TLS: requests in, answers out, and the Simulator that owns everything else.

ARM answers over TLS with a certificate of its own authority (clients refuse to send a bearer token over http); the
identity endpoint is plain http on a second port, as on App Service. What a request goes through is gateway.py.
"""

import asyncio
import ssl
import tempfile
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self, cast
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from simulator import control
from simulator.calls import Answer
from simulator.certificate import CERTIFICATE, authority_in, server_context
from simulator.clock import Clock, RealClock
from simulator.control import Control
from simulator.gateway import Gateway, Request
from simulator.identity import PATH, identity_answer
from simulator.limits import Buckets
from simulator.populate import populate
from simulator.requestlog import RequestLog
from simulator.scenario import Scenario, load_scenario
from simulator.troubles import Troubles

_Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_HOST = "127.0.0.1"
_IDENTITY_HEADER = "51aab1e0-1de4-4717-9ead-e70000000001"


class Simulator:
    """A running simulated Azure, as an async context manager.

    After entering: `url` (ARM), `ca_path` (its certificate authority), `identity_endpoint` and `identity_header`,
    `control_url`, `estate` (the state), `log` (the requests), `troubles`, `clock`.
    """

    url: str
    ca_path: Path
    identity_endpoint: str
    identity_header = _IDENTITY_HEADER

    def __init__(
        self,
        scenario: Scenario | str,
        *,
        clock: Clock | None = None,
        seed: int = 1,
        latency: timedelta = timedelta(),
        port: int = 0,
        identity_port: int = 0,
        tls_dir: Path | None = None,
    ) -> None:
        """Raises ScenarioError. Port 0: the system chooses. Without `tls_dir` the certificate is temporary."""
        self.scenario = load_scenario(scenario) if isinstance(scenario, str) else scenario
        self.clock = clock or RealClock()
        self.estate = populate(self.scenario, self.clock, seed=seed)
        self.log = RequestLog()
        self.troubles = Troubles(list(self.scenario.troubles), seed=seed)
        buckets = Buckets(self.scenario.limits, self.clock)
        self._gateway = Gateway(self.estate, self.log, buckets, self.troubles)
        self._control = Control(self.scenario, self.estate, self.log, self.troubles)
        self._latency = latency.total_seconds()
        self._ports = (port, identity_port)
        self._tls_dir = tls_dir
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._runners: list[web.ServerRunner] = []

    @property
    def control_url(self) -> str:
        return f"{self.url}{control.PREFIX}"

    async def __aenter__(self) -> Self:
        """Raises OSError if a port is taken."""
        tls = self._present_certificate()
        port, identity_port = self._ports
        try:
            arm_port = await self._listen(self._arm, port, tls)
            token_port = await self._listen(self._identity, identity_port, None)
        except OSError:
            await self.__aexit__(None, None, None)
            raise
        self.url = f"https://{_HOST}:{arm_port}"
        self.identity_endpoint = f"http://{_HOST}:{token_port}{PATH}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()
        if self._temporary is not None:
            self._temporary.cleanup()

    def _present_certificate(self) -> ssl.SSLContext:
        if self._tls_dir is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="azure-simulator-")
        folder = self._tls_dir or Path(self._temporary.name if self._temporary else "")
        authority = authority_in(folder)
        self.ca_path = folder / CERTIFICATE
        return server_context(authority, _HOST, "localhost")

    async def _listen(self, handler: _Handler, port: int, tls: ssl.SSLContext | None) -> int:
        """The port it listens on."""
        runner = web.ServerRunner(web.Server(handler), handle_signals=False, shutdown_timeout=0.2)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, _HOST, port, ssl_context=tls).start()
        return cast(int, runner.addresses[0][1])

    async def _arm(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        path, _, raw_query = request.raw_path.partition("?")
        query = {name.lower(): value for name, value in parse_qsl(raw_query, keep_blank_values=True)}
        if path.startswith(control.PREFIX + "/"):
            place = path.removeprefix(control.PREFIX).strip("/")
            return _response(self._control.answer(request.method, place, query, body))
        incoming = Request(
            request.method,
            path,
            query,
            request.raw_path,
            request.headers.get("Authorization", ""),
            request.headers.get("x-ms-correlation-request-id"),
            request.host,
            body,
        )
        received = self._gateway.receive(incoming)
        delay = self._latency + received.struck.delay_seconds
        if delay:
            await asyncio.sleep(delay)
        return _response(self._gateway.answer(received))

    async def _identity(self, request: web.BaseRequest) -> web.StreamResponse:
        answer = identity_answer(
            request.method,
            request.path,
            dict(request.query),
            request.headers.get("X-IDENTITY-HEADER"),
            secret=self.identity_header,
        )
        return _response(answer)


def _response(answer: Answer) -> web.Response:
    headers = {"Server": "azure-simulator", **answer.headers}
    if answer.body is None:
        return web.Response(status=answer.status, headers=headers)
    headers["Content-Type"] = "application/json; charset=utf-8"
    return web.Response(status=answer.status, body=msgspec.json.encode(answer.body), headers=headers)
