"""A server that answers what a test tells it, and remembers what it was asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Json = dict[str, Any]
NO_WAIT: Mapping[str, str] = {"Retry-After": "0"}


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One answer; `body` is sent as JSON unless it is bytes."""

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class Call:
    """What the server was asked."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: Any


class FakeApi:
    """An HTTP server on a port of its own. Each call gets its next reply, and the last one again from then on."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.url = ""
        self._replies: dict[str, list[Reply]] = {}
        self._runner: web.AppRunner | None = None

    def on(self, call: str, *replies: object) -> None:
        """Answer `GET /migrations/m1` with these: replies, or documents for a 200."""
        self._replies[call] = [one if isinstance(one, Reply) else Reply(body=one) for one in replies]

    def bodies(self, method: str = "POST") -> list[Any]:
        """What was sent with that method."""
        return [call.body for call in self.calls if call.method == method]

    async def __aenter__(self) -> "FakeApi":
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else None
        path = request.raw_path.partition("?")[0].removeprefix("/api")
        self.calls.append(
            Call(method=request.method, path=path, query=dict(request.query), headers=dict(request.headers), body=body)
        )
        replies = self._replies.get(f"{request.method} {path}")
        if not replies:
            problem = {"title": "There is no such migration", "status": 404, "detail": "", "errors": []}
            return web.json_response(problem, status=404, content_type="application/problem+json")
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if isinstance(reply.body, bytes):
            return web.Response(status=reply.status, body=reply.body, headers=reply.headers)
        return web.json_response(reply.body, status=reply.status, headers=reply.headers)


def problem(status: int, title: str, **more: object) -> Reply:
    """A problem document."""
    return Reply(status=status, body={"title": title, "status": status, **more})
