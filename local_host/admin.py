"""The admin API: what the host runs and how often, and running a function by hand.

Paths and answers are those of the Functions host, but for `executions`, which it does not have.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

from aiohttp import web
from azure.functions.meta import Datum

from local_host.client_binding import WEBHOOK_PATH
from local_host.functions import ACTIVITY, EVENT_GRID, HTTP, ORCHESTRATION, TIMER, Function, Functions, Invoker
from local_host.timer_triggers import NOT_PAST_DUE

log = logging.getLogger(__name__)


# How the `input` text of a manual run becomes the trigger's value. A timer function gets what its timer would give it.
RUNNABLE: dict[str, Callable[[str], Datum]] = {
    TIMER: lambda _input: Datum(NOT_PAST_DUE, "json"),
    EVENT_GRID: lambda text: Datum(text, "json"),
    ACTIVITY: lambda text: Datum(text, "string"),
}

NOT_RUNNABLE = {
    HTTP: "Call an HTTP function at its own route.",
    ORCHESTRATION: f"Start an orchestration with POST {WEBHOOK_PATH}/orchestrators/{{name}}.",
}


class AdminApi:
    """The handlers of the API. Runs started here are kept until they end."""

    def __init__(self, functions: Functions, invoker: Invoker) -> None:
        self._functions = functions
        self._invoker = invoker
        self._runs: set[asyncio.Task[None]] = set()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/admin/host/status", self.host_status),
            web.get("/admin/host/executions", self.executions),
            web.get("/admin/functions", self.list),
            web.post("/admin/functions/{name}", self.run),
        ]

    async def host_status(self, request: web.Request) -> web.Response:
        return web.json_response({"id": "local_host", "state": "Running"})

    async def executions(self, request: web.Request) -> web.Response:
        """How often each function has run; Azure tells this by its metrics, not here."""
        return web.json_response(self._invoker.executions.view())

    async def list(self, request: web.Request) -> web.Response:
        return web.json_response(
            [{"name": f.name, "config": {"bindings": f.bindings}} for f in self._functions.by_name.values()]
        )

    async def run(self, request: web.Request) -> web.Response:
        """Run a function by hand with the body's `input`; answers 202 at once, as the Functions host does."""
        function = self._functions.by_name.get(request.match_info["name"])
        if function is None:
            return web.Response(status=404)
        if instead := NOT_RUNNABLE.get(function.kind):
            return web.Response(status=400, text=f"{instead}\n")
        try:
            text = _input(await request.text())
        except ValueError:
            return web.Response(status=400, text='The body must be JSON with the text "input".')
        run = asyncio.create_task(self._invoke(function, RUNNABLE[function.kind](text)))
        self._runs.add(run)
        run.add_done_callback(self._runs.discard)
        return web.Response(status=202)

    async def _invoke(self, function: Function, trigger_value: Datum) -> None:
        try:
            await self._invoker.invoke(function, trigger_value)
        except Exception:
            log.exception("Function '%s', run by hand, failed", function.name)


def _input(body: str) -> str:
    parsed: Any = json.loads(body or "{}")
    text = parsed.get("input", "") if isinstance(parsed, dict) else None
    if not isinstance(text, str):
        raise ValueError("no text named input")
    return text
