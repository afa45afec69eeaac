"""HTTP triggers: routes as the Functions host reads them, requests and responses as the Python worker passes them."""

import logging
import re
from dataclasses import dataclass

from aiohttp import web
from azure.functions.meta import Datum

from local_host.functions import HTTP, HTTP_RESPONSE, Function, Functions, Invoker, converter
from local_host.settings import AppNotLoaded

log = logging.getLogger(__name__)

ALL_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")

PARAMETER = re.compile(r"\{(?P<all>\*)?(?P<name>\w+)(?::(?P<constraint>\w+))?(?P<optional>\?)?\}")
CONSTRAINTS = {
    None: r"[^/]+",
    "int": r"-?\d+",
    "alpha": r"[A-Za-z]+",
    "guid": r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}",
}


@dataclass(frozen=True)
class HttpRoute:
    """A path aiohttp understands, and the function behind it."""

    path: str
    methods: tuple[str, ...]
    function: Function

    @property
    def specificity(self) -> tuple[int, ...]:
        """Sorts routes as ASP.NET matches them: fixed segments before parameters before a catch-all."""
        return tuple(
            2 if segment.endswith(":.*}") else 1 if segment.startswith("{") else 0 for segment in self.path.split("/")
        )


def http_routes(functions: Functions, route_prefix: str) -> list[HttpRoute]:
    """The routes of all HTTP triggers, the most specific first.

    Raises AppNotLoaded for a route this host can't read.
    """
    routes = [
        HttpRoute(path, _methods(function), function)
        for function in functions.of_kind(HTTP)
        for path in _paths(function, route_prefix)
    ]
    return sorted(routes, key=lambda route: route.specificity)


def add_http_triggers(application: web.Application, routes: list[HttpRoute], invoker: Invoker) -> None:
    for route in routes:
        for method in route.methods:
            application.router.add_route(method, route.path, _handler(route.function, invoker))


def _methods(function: Function) -> tuple[str, ...]:
    return tuple(str(method).upper() for method in function.trigger.get("methods") or ALL_METHODS)


def _paths(function: Function, route_prefix: str) -> list[str]:
    """One path, or two if the last parameter is optional: without it and with it."""
    route = (function.trigger.get("route") or function.name).strip("/")
    segments = [segment for segment in f"{route_prefix}/{route}".split("/") if segment]
    written = [_segment(function, segment) for segment in segments]
    shorter = [_path(written[:-1])] if segments[-1].endswith("?}") else []
    return [*shorter, _path(written)]


def _path(segments: list[str]) -> str:
    return "/" + "/".join(segments)


def _segment(function: Function, segment: str) -> str:
    """A segment in aiohttp's notation: literal text and parameters with a pattern each."""

    def parameter(match: re.Match[str]) -> str:
        if match["constraint"] not in CONSTRAINTS:
            raise AppNotLoaded(f"Function '{function.name}': route constraint {match[0]} is not supported.")
        pattern = ".*" if match["all"] else CONSTRAINTS[match["constraint"]]
        return f"{{{match['name']}:{pattern}}}"

    written = PARAMETER.sub(parameter, segment)
    if written == segment and "{" in segment:
        raise AppNotLoaded(f"Function '{function.name}': route segment {segment} is not supported.")
    return written


def _handler(function: Function, invoker: Invoker):
    async def handle(request: web.Request) -> web.Response:
        try:
            returned = await invoker.invoke(function, await _request_datum(request))
            return _response(returned)
        except Exception:
            log.exception("HTTP function '%s' failed", function.name)
            return web.Response(status=500)

    return handle


async def _request_datum(request: web.Request) -> Datum:
    query = {name: ",".join(request.query.getall(name)) for name in request.query}
    headers = {name.lower(): ",".join(request.headers.getall(name)) for name in request.headers}
    return Datum(
        {
            "method": Datum(request.method, "string"),
            "url": Datum(f"{request.scheme}://{request.host}{request.raw_path}", "string"),
            "headers": _strings(headers),
            "query": _strings(query),
            "params": _strings(dict(request.match_info)),
            "body": Datum(await request.read(), "bytes"),
        },
        "http",
    )


def _strings(values: dict[str, str]) -> dict[str, Datum]:
    return {name: Datum(value, "string") for name, value in values.items()}


def _response(returned: object) -> web.Response:
    if returned is None:
        return web.Response(status=204)
    encoded = converter(HTTP_RESPONSE).encode(returned, expected_type=None)
    if encoded.type == "string":  # a function may return plain text
        return web.Response(text=encoded.value)
    http = encoded.value
    response = web.Response(
        status=int(http["status_code"].value),
        body=http["body"].value,
        headers={name: value.value for name, value in http["headers"].items()},
    )
    for cookies in http["cookies"] or ():
        for morsel in cookies.values():
            response.headers.add("Set-Cookie", morsel.OutputString())
    return response
