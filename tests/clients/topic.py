"""An Event Grid topic on this machine: it keeps what it was sent, and answers as the test says."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from clients.notices import NoticeTopic
from tests.clients.canned import Canned, server_tls
from tests.conftest import PATIENCE_SECONDS, AnyToken

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A request as it arrived: its target, its headers and its body."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: Any


class LocalTopic:
    """While open: `notices` is the app's client for it, `answer` what it answers from now on, `requests` what came."""

    def __init__(self) -> None:
        self.answer = Canned()
        self.requests: list[Sent] = []

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._answer), handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=server_tls()).start()
        self.endpoint = f"https://127.0.0.1:{self._runner.addresses[0][1]}/api/events"
        self.notices = NoticeTopic(self.endpoint, AnyToken(), PATIENCE_SECONDS)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.notices.close()
        await self._runner.cleanup()

    @property
    def events(self) -> list[Json]:
        """Every event that came, whatever was answered."""
        return [event for request in self.requests for event in request.body]

    @property
    def told(self) -> list[str]:
        """The ids of these events."""
        return [event["id"] for event in self.events]

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = json.loads(await request.read())
        self.requests.append(Sent(method=request.method, target=request.raw_path, headers=request.headers, body=body))
        if self.answer.first:
            await self.answer.first()
        if self.answer.hang_up:
            assert request.transport
            request.transport.close()
        return self.answer.response()
