"""An Azure Resource Manager that gives prepared answers: recorded ones, and those the simulator is too polite for."""

import json
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp.connector
import msgspec
import trustme
from aiohttp import web

from clients.arm import ArmReader
from clients.backup import BackupClient
from tests.conftest import SCOPE, AnyToken

SERVICE_TIME = {"Date": "Mon, 02 Nov 2026 08:00:00 GMT"}  # START of the other tests

RECORDINGS = Path(__file__).parents[3] / "shared" / "recordings"


def recorded(prefix: str = "") -> dict[str, dict[str, Any]]:
    """The recorded exchanges by file name, as far as they lie beside the project; none elsewhere."""
    files = sorted(RECORDINGS.glob(f"{prefix}*.json"))
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}


@dataclass(frozen=True, kw_only=True)
class Canned:
    """An answer; a body that is no text is sent as JSON.

    `hang_up` closes the connection instead of answering; `first` is awaited when the request has arrived.
    """

    status: int = 200
    body: object = field(default_factory=dict[str, object])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    hang_up: bool = False
    first: Callable[[], Awaitable[None]] | None = None

    def response(self) -> web.Response:
        """The answer as the web server sends it."""
        headers = {**SERVICE_TIME, **self.headers}
        if isinstance(self.body, str):
            return web.Response(status=self.status, text=self.body, headers={"Content-Type": "text/html", **headers})
        body = msgspec.json.encode(self.body) if self.body is not None else b""
        return web.Response(status=self.status, body=body, headers={"Content-Type": "application/json", **headers})


class CannedAzure:
    """Answers with one answer after the other, the last one for ever, whatever is asked.

    While open: `backup` and `arm` are the app's clients for it, `requests` the methods and paths it was asked.
    """

    def __init__(self, *answers: Canned) -> None:
        self._answers = answers
        self.requests: list[tuple[str, str]] = []

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._answer), handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=server_tls()).start()
        self.url = f"https://127.0.0.1:{self._runner.addresses[0][1]}"
        self.backup = BackupClient(self.url, SCOPE, AnyToken())
        self.arm = ArmReader(self.url, SCOPE, AnyToken())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.backup.close()
        await self.arm.close()
        await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        answer = self._answers[min(len(self.requests), len(self._answers) - 1)]
        self.requests.append((request.method, request.path))
        await request.read()
        if answer.first:
            await answer.first()
        if answer.hang_up:
            assert request.transport
            request.transport.close()
        return answer.response()


@cache
def server_tls() -> ssl.SSLContext:
    """TLS of an authority that the app's clients trust from now on."""
    authority = trustme.CA()
    aiohttp.connector._SSL_CONTEXT_VERIFIED.load_verify_locations(cadata=authority.cert_pem.bytes().decode())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    configure: Callable[[ssl.SSLContext], None] = authority.issue_cert("127.0.0.1").configure_cert
    configure(context)
    return context
