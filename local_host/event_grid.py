"""The Event Grid webhook: how events reach functions with an Event Grid trigger.

Both schemas of Event Grid are understood: its own (validation by `SubscriptionValidation` event) and CloudEvents 1.0
(validation by an OPTIONS request). A delivery is a batch; each event is one call, and if one fails the whole delivery
is answered with 500, so that Event Grid delivers it again.
"""

import asyncio
import json
import logging
from typing import Any

from aiohttp import web
from azure.functions.meta import Datum

from local_host.functions import EVENT_GRID, Functions, Invoker

log = logging.getLogger(__name__)

PATH = "/runtime/webhooks/eventgrid"
VALIDATION = "SubscriptionValidation"
UNSUBSCRIBE = "Unsubscribe"


class EventGridWebhook:
    """Receives deliveries for `?functionName=`."""

    def __init__(self, functions: Functions, invoker: Invoker) -> None:
        self._functions = functions
        self._invoker = invoker

    def routes(self) -> list[web.RouteDef]:
        return [web.post(PATH, self.receive), web.options(PATH, self.allow_origin)]

    async def allow_origin(self, request: web.Request) -> web.Response:
        """The handshake of CloudEvents webhooks: the caller may deliver, at any rate."""
        return web.Response(
            headers={
                "WebHook-Allowed-Origin": request.headers.get("WebHook-Request-Origin", "*"),
                "WebHook-Allowed-Rate": "*",
            }
        )

    async def receive(self, request: web.Request) -> web.Response:
        """A delivery: one event or a list of them, in either schema."""
        name = request.query.get("functionName", "")
        function = self._functions.by_name.get(name)
        if function is None or function.kind != EVENT_GRID:
            return web.Response(status=404, text=f"cannot find function: '{name}'")
        kind = request.headers.get("aeg-event-type", "Notification")
        if kind == UNSUBSCRIBE:
            return web.Response(status=202)
        try:
            delivered = json.loads(await request.text())
        except ValueError:
            return web.Response(status=400, text="The delivery is not valid JSON.")
        events: list[dict[str, Any]] = delivered if isinstance(delivered, list) else [delivered]
        if kind == VALIDATION:
            return web.json_response({"validationResponse": events[0]["data"]["validationCode"]})
        calls = (self._invoker.invoke(function, Datum(json.dumps(event), "json")) for event in events)
        failures = [r for r in await asyncio.gather(*calls, return_exceptions=True) if isinstance(r, Exception)]
        for failure in failures:
            log.error("Event Grid function '%s' failed", name, exc_info=failure)
        return web.Response(status=500 if failures else 202)
