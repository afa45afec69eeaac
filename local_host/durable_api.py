"""The durable HTTP API: what the SDK's client calls, and the same routes as management webhooks.

Routes, status codes and bodies follow the extension's HttpApiHandler. Answers for an instance: 404 unknown, 410 ended
already, 202 accepted. Not offered: rewind (refused with 501), restart, entities.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web

from local_host.client_binding import RPC_PATH, WEBHOOK_PATH, management_urls
from local_host.history import status_history
from local_host.instances import (
    PAGE_SIZE,
    STATUS_BY_NAME,
    AlreadyRunning,
    InstanceQuery,
    Instances,
    InstanceStatus,
    StartRefused,
)

CONTINUATION_HEADER = "x-ms-continuation-token"
REFUSED_OPERATIONS = {
    "rewind": "rewinding orchestrations",
    "restart": "restarting orchestrations",
}

Handler = Callable[[web.Request], Awaitable[web.Response]]


class DurableApi:
    """The handlers of the API over the instances of one hub."""

    def __init__(self, instances: Instances, task_hub: str) -> None:
        self._instances = instances
        self._task_hub = task_hub
        self._operations: dict[str, Callable[[str, str | None], Awaitable[None]]] = {
            "terminate": instances.terminate,
            "suspend": instances.suspend,
            "resume": instances.resume,
        }

    def routes(self) -> list[web.RouteDef]:
        return [
            route
            for base in (WEBHOOK_PATH, RPC_PATH)
            for route in (
                web.post(base + "/orchestrators/{name}", self.start),
                web.post(base + "/orchestrators/{name}/{id}", self.start),
                web.get(base + "/instances", self.list),
                web.get(base + "/instances/", self.list),
                web.delete(base + "/instances", self.purge_all),
                web.delete(base + "/instances/", self.purge_all),
                web.get(base + "/instances/{id}", self.status),
                web.delete(base + "/instances/{id}", self.purge),
                web.post(base + "/instances/{id}/raiseEvent/{event}", self.raise_event),
                web.post(base + "/instances/{id}/{operation}", self.operate),
                web.route("*", base + "/entities/{tail:.*}", self.refuse_entities),
            )
        ]

    async def start(self, request: web.Request) -> web.Response:
        """Start an orchestration; the body is its input, as JSON."""
        try:
            encoded_input = await _json_body(request)
            instance_id = await self._instances.start(
                request.match_info["name"], request.match_info.get("id"), encoded_input
            )
        except (StartRefused, ValueError) as refused:
            return _error(400, "One or more of the arguments submitted is incorrect", refused)
        except AlreadyRunning as conflict:
            return _error(500, "Something went wrong while processing your request", conflict)
        urls = management_urls(f"{request.scheme}://{request.host}", self._task_hub, instance_id)
        headers = {"Location": urls["statusQueryGetUri"], "Retry-After": "10"}
        return web.json_response(urls, status=202, headers=headers)

    async def status(self, request: web.Request) -> web.Response:
        """The status of an instance; with showHistory=true its history too."""
        instance_id = request.match_info["id"]
        status = await self._instances.status(instance_id)
        if status is None:
            return web.Response(status=404)
        body = _status_json(status, show_input=_flag(request.query, "showInput", default=True))
        if _flag(request.query, "showHistory", default=False):
            body["historyEvents"] = status_history(await self._instances.history(instance_id))
        if not status.has_ended:
            return web.json_response(body, status=202, headers={"Location": str(request.url), "Retry-After": "5"})
        failed = status.runtime_status == "Failed"
        as_error = failed and _flag(request.query, "returnInternalServerErrorOnFailure", default=False)
        return web.json_response(body, status=500 if as_error else 200)

    async def list(self, request: web.Request) -> web.Response:
        """One page of instances; the token of the next comes in a header."""
        try:
            query = _instance_query(request)
        except ValueError as invalid:
            return _error(400, "The query is not understood", invalid)
        statuses, next_page = await self._instances.list_page(query)
        show_input = _flag(request.query, "showInput", default=False)
        return web.json_response(
            [_status_json(status, show_input) for status in statuses], headers={CONTINUATION_HEADER: next_page}
        )

    async def purge(self, request: web.Request) -> web.Response:
        """Forget one instance that has ended."""
        return _purged(await self._instances.purge(request.match_info["id"]))

    async def purge_all(self, request: web.Request) -> web.Response:
        """Forget all instances that match and have ended."""
        if "createdTimeFrom" not in request.query:
            return web.json_response("Please provide value for 'createdTimeFrom' parameter.", status=400)
        try:
            query = _instance_query(request)
        except ValueError as invalid:
            return _error(400, "The query is not understood", invalid)
        return _purged(await self._instances.purge_all(query))

    async def raise_event(self, request: web.Request) -> web.Response:
        """Raise an event; the body is its data, as JSON, passed on as it is."""
        if missing := await self._unless_running(request):
            return missing
        if request.content_type != "application/json":
            return web.json_response({"Message": "Only application/json request content is supported"}, status=400)
        try:
            encoded_data = await _json_body(request)
        except ValueError as invalid:
            return _error(400, "The event's data is not valid JSON", invalid)
        await self._instances.raise_event(request.match_info["id"], request.match_info["event"], encoded_data)
        return web.Response(status=202)

    async def operate(self, request: web.Request) -> web.Response:
        """Terminate, suspend or resume an instance."""
        name = request.match_info["operation"].lower()
        if feature := REFUSED_OPERATIONS.get(name):
            return _not_supported(feature)
        if name not in self._operations:
            return web.Response(status=404)
        if missing := await self._unless_running(request):
            return missing
        await self._operations[name](request.match_info["id"], request.query.get("reason"))
        return web.Response(status=202)

    async def refuse_entities(self, request: web.Request) -> web.Response:
        return _not_supported("entities")

    async def _unless_running(self, request: web.Request) -> web.Response | None:
        status = await self._instances.status(request.match_info["id"])
        if status is None:
            return web.Response(status=404)
        return web.Response(status=410) if status.has_ended else None


async def _json_body(request: web.Request) -> str | None:
    """The body's text if it is JSON, None if there is no body. Raises ValueError if it is not JSON."""
    text = await request.text()
    if not text:
        return None
    json.loads(text)
    return text


def _instance_query(request: web.Request) -> InstanceQuery:
    names = tuple(name for name in request.query.get("runtimeStatus", "").split(",") if name)
    if unknown := set(names) - STATUS_BY_NAME.keys():
        raise ValueError(f"Unknown runtimeStatus: {', '.join(sorted(unknown))}.")
    return InstanceQuery(
        created_from=_time(request.query.get("createdTimeFrom")),
        created_to=_time(request.query.get("createdTimeTo")),
        runtime_statuses=names,
        id_prefix=request.query.get("instanceIdPrefix", ""),
        page_size=int(request.query.get("top", PAGE_SIZE)),
        continuation_token=request.headers.get(CONTINUATION_HEADER, ""),
    )


def _time(text: str | None) -> datetime | None:
    if not text:
        return None
    time = datetime.fromisoformat(text.replace(" ", "+"))  # the '+' of an offset, unescaped in a query
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _flag(query: Mapping[str, str], name: str, default: bool) -> bool:
    return query.get(name, str(default)).lower() == "true"


def _status_json(status: InstanceStatus, show_input: bool) -> dict[str, Any]:
    shown = status if show_input else msgspec.structs.replace(status, input=None)
    return msgspec.to_builtins(shown)


def _purged(count: int) -> web.Response:
    return web.json_response({"instancesDeleted": count}) if count else web.Response(status=404)


def _error(status: int, message: str, error: Exception) -> web.Response:
    # The keys of .NET's serialised HttpError: the SDK shows ExceptionMessage to its caller.
    return web.json_response({"Message": message, "ExceptionMessage": str(error)}, status=status)


def _not_supported(feature: str) -> web.Response:
    return web.json_response({"Message": f"The local host does not support {feature}."}, status=501)
