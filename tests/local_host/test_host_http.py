"""HTTP triggers: routes, requests and responses."""

from typing import Any

import aiohttp
import azure.functions as func
import pytest
from yarl import URL

from local_host.host import LocalHost
from local_host.settings import AppNotLoaded, HostSettings


async def test_passes_the_request_on_as_it_was_made(host: LocalHost):
    """Method, URL, query, route, headers and body reach the function unchanged."""
    path = "/api/echo/my%20vault/vm-1?tag=a&tag=b&q=x%2Fy"
    url = URL(host.url + path, encoded=True)
    async with aiohttp.ClientSession() as http, http.post(url, data=b"body", headers={"X-Vault": "v"}) as answer:
        seen: dict[str, Any] = await answer.json()
    assert seen == {
        "url": host.url + path,
        "method": "POST",
        "params": {"tag": "a,b", "q": "x/y"},
        "route_params": {"vault": "my vault", "item": "vm-1"},
        "header": "v",
        "body": "body",
    }


async def test_passes_the_response_on_as_it_is(http: aiohttp.ClientSession):
    """Status, headers and content type are the function's."""
    async with http.get("/api/echo/v") as answer:
        assert answer.status == 203
        assert answer.headers["x-answer"] == "yes"
        assert answer.headers["Content-Type"] == "application/json"


async def test_takes_the_url_from_the_host_header(http: aiohttp.ClientSession):
    """Behind a proxy the function sees the name it was called by."""
    async with http.get("/api/echo/v", headers={"Host": "migration.example"}) as answer:
        assert (await answer.json())["url"] == "http://migration.example/api/echo/v"


async def test_leaves_an_optional_parameter_out(http: aiohttp.ClientSession):
    """A path without the optional last parameter matches; the parameter is missing then."""
    async with http.get("/api/echo/v") as answer:
        assert (await answer.json())["route_params"] == {"vault": "v"}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/api/echo/search", "search"),  # registered after echo/{vault}/{item?}, but more specific
        ("/api/echo/v/items", "items"),  # the same
        ("/api/numbers/12", "12"),
        ("/api/files/a/b.txt", "a/b.txt"),
    ],
)
async def test_matches_the_most_specific_route(http: aiohttp.ClientSession, path: str, text: str):
    """Fixed segments win over parameters; constraints and catch-alls are understood. A string is the body."""
    async with http.get(path) as answer:
        assert (answer.status, await answer.text()) == (200, text)


@pytest.mark.parametrize("path", ["/api/numbers/twelve", "/api/unknown", "/echo/v"])
async def test_answers_404_for_other_paths(http: aiohttp.ClientSession, path: str):
    """What matches no route is not found."""
    async with http.get(path) as answer:
        assert answer.status == 404


async def test_answers_500_when_a_function_raises(http: aiohttp.ClientSession):
    """An exception is a 500 without details; the log has them."""
    async with http.get("/api/broken") as answer:
        assert (answer.status, await answer.text()) == (500, "")


async def test_answers_204_when_a_function_returns_nothing(http: aiohttp.ClientSession):
    """No response is no content."""
    async with http.get("/api/nothing") as answer:
        assert answer.status == 204


async def test_sets_every_cookie(http: aiohttp.ClientSession):
    """Headers that repeat are all sent."""
    async with http.get("/api/cookies") as answer:
        assert answer.headers.getall("Set-Cookie") == ["a=1; HttpOnly; Path=/", "b=2"]


async def test_honours_the_route_prefix():
    """host.json's routePrefix replaces api; an empty one leaves nothing."""
    app = func.FunctionApp()
    app.route(route="ping", methods=["GET"])(_ping)
    settings = HostSettings.from_host_json({"extensions": {"http": {"routePrefix": ""}}})
    async with LocalHost(app, settings=settings) as host, aiohttp.ClientSession(host.url) as session:
        async with session.get("/ping") as answer:
            assert await answer.text() == "pong"
        async with session.get("/api/ping") as answer:
            assert answer.status == 404


@pytest.mark.parametrize("route", ["x/{n:range(1,2)}", "x/{n:long}", "x/{n=1}"])
def test_refuses_routes_it_can_not_read(route: str):
    """A route the host does not understand is refused when the app is loaded."""
    app = func.FunctionApp()
    app.route(route=route, methods=["GET"])(_ping)
    with pytest.raises(AppNotLoaded, match="Function '_ping': route .* is not supported"):
        LocalHost(app)


def _ping(req: func.HttpRequest) -> str:
    return "pong"
