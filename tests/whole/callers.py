"""What a caller of the API does, in one call each."""

from datetime import timedelta
from typing import Any

import aiohttp

from local_host.clock import SkippingClock
from local_host.host import LocalHost
from simulator import Simulator

Json = dict[str, Any]


def a_body(simulator: Simulator, **changes: Any) -> Json:
    """A request to migrate every vault of the simulated Azure, acknowledged, without waiting for approval."""
    return {
        "id": "m1",
        "mode": "migrate",
        "vaults": [vault.id for vault in simulator.estate.vaults()],
        "target": {"policyName": "EnhancedPolicy"},
        "acknowledgeIrreversible": True,
        "approval": "none",
        **changes,
    }


async def ask(http: aiohttp.ClientSession, method: str, path: str, body: Any = None) -> tuple[int, Json]:
    """The status code and the document of an answer."""
    async with http.request(method, path, json=body) as response:
        return response.status, await response.json(content_type=None)


async def finish(http: aiohttp.ClientSession, host: LocalHost, body: Json) -> Json:
    """Start a migration and wait for its end; answers its status document."""
    status, document = await ask(http, "POST", "/api/migrations", body)
    assert status == 202, document
    await host.wait(document["id"])
    return await status_of(http, document["id"])


async def items(http: aiohttp.ClientSession, migration: str = "m1", query: str = "") -> list[Json]:
    """The first page of a migration's items."""
    status, document = await ask(http, "GET", f"/api/migrations/{migration}/items{query}")
    assert status == 200, document
    return document["items"]


def writes(simulator: Simulator) -> int:
    """How many policy changes the simulated Azure was sent."""
    return sum(request.method == "PUT" for request in simulator.log.requests)


async def act(http: aiohttp.ClientSession, what: str, body: Json | None = None) -> Json:
    """Do something to the migration; answers its status document."""
    status, document = await ask(http, "POST", f"/api/migrations/m1/{what}", body)
    assert status == 202, document
    return document


async def pass_time(host: LocalHost, clock: SkippingClock, **duration: float) -> None:
    """Let time pass on a clock that stands still, and whatever falls due."""
    clock.advance(timedelta(**duration))
    await host.settled()


async def status_of(http: aiohttp.ClientSession, migration: str = "m1") -> Json:
    """Where a migration stands."""
    status, document = await ask(http, "GET", f"/api/migrations/{migration}?wait=false")
    assert status == 200, document
    return document
