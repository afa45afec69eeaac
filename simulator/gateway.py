"""What a request goes through around its handler: token, route, throttle, troubles, api-version, log, headers.

ARM's order: who are you, is it too much, then what do you want. No sockets here, and no resources.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

import msgspec

from simulator import errors, routes
from simulator.calls import Answer, Call
from simulator.errors import ServiceError
from simulator.estate import Estate
from simulator.limits import Buckets
from simulator.requestlog import UNSUPPORTED, RequestLog
from simulator.routes import Route
from simulator.troubles import Incoming, Struck, Troubles
from simulator.wire import JsonObject, http_date

_COMMON_HEADERS = {
    "Cache-Control": "no-cache",
    "Pragma": "no-cache",
    "Expires": "-1",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came over the wire: `path` still encoded, names in `query` lower-case and decoded."""

    method: str
    path: str
    query: dict[str, str]
    raw: str
    """Path and query as sent, for the log."""
    authorization: str
    correlation_id: str | None
    host: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Received:
    """A request with its route, if there is one, and what troubles will do to it."""

    request: Request
    route: Route | None
    parameters: dict[str, str]
    struck: Struck

    @property
    def action(self) -> str:
        return self.route.action if self.route else UNSUPPORTED


class Gateway:
    def __init__(self, estate: Estate, log: RequestLog, buckets: Buckets, troubles: Troubles) -> None:
        self._estate = estate
        self._log = log
        self._buckets = buckets
        self._troubles = troubles

    def receive(self, request: Request) -> Received:
        """Find the route and decide on troubles, once, before any waiting."""
        route, parameters = routes.match(request.method, request.path) or (None, {})
        incoming = Incoming(route.action if route else UNSUPPORTED, request.path, self._estate.clock.now())
        return Received(request, route, parameters, self._troubles.meet(incoming))

    def answer(self, received: Received) -> Answer:
        """The answer with all its headers; the request is in the log."""
        now = self._estate.settle()
        request = received.request
        headers: dict[str, str] = {}
        try:
            route = self._admit(received)
            remaining = self._buckets.take(received.parameters.get("subscription", ""), route.action, now)
            if remaining is not None:
                headers["x-ms-ratelimit-remaining-subscription-resource-requests"] = str(remaining)
            answer = self._carry_out(received, route, now)
        except ServiceError as refused:
            answer = Answer(refused.status, refused.body, refused.headers)
        number = self._log.add(request.method, request.raw, received.action, answer.status, now)
        identifier = f"{number:08x}-51aa-4000-8000-000000000000"
        headers |= {
            **_COMMON_HEADERS,
            "Date": http_date(now),
            "x-ms-request-id": identifier,
            "x-ms-correlation-request-id": request.correlation_id or identifier,
            **answer.headers,
        }
        return Answer(answer.status, answer.body, headers)

    def _admit(self, received: Received) -> Route:
        """Raises ServiceError 401 without a token, 404 without a route."""
        anonymous = received.route is not None and received.route.anonymous
        if not anonymous and not received.request.authorization.lower().startswith("bearer "):
            raise errors.unauthenticated()
        if received.route is None:
            raise errors.no_such_route(received.request.path)
        return received.route

    def _carry_out(self, received: Received, route: Route, now: datetime) -> Answer:
        """Raises ServiceError, the handler's or a trouble's; an accepted trouble lets the handler do its work first."""
        request, struck = received.request, received.struck
        if struck.answer is not None and not struck.accepted:
            raise struck.answer
        if not request.query.get("api-version"):
            raise errors.missing_api_version()
        call = Call(
            request.method,
            unquote(request.path),
            received.parameters,
            request.query,
            _json_object(request.body),
            request.host,
            now,
            self._estate,
        )
        if struck.answer is None:
            return route.handler(call)
        with suppress(ServiceError):  # a lost answer hides a refusal as well
            route.handler(call)
        raise struck.answer


def _json_object(body: bytes) -> JsonObject | None:
    """Raises ServiceError 400 for anything but a JSON object or nothing."""
    if not body:
        return None
    try:
        return msgspec.json.decode(body, type=JsonObject)
    except msgspec.MsgspecError as malformed:
        raise errors.malformed_body() from malformed
