"""How fast the simulator is: reads of protected items over TLS, and the start with 10,000 items.

The tests and the other benchmarks lean on it, so it must not be what they measure. It runs as its own process on one
core; the load comes from this process over connections that are kept. Requests are written and answers counted by
hand, because an HTTP client library would be the slower side and would be what is measured.
"""

import asyncio
import json
import ssl
import sys
import tempfile
import time
import urllib.request
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from benchmarks.measures import Measure, Report, at_least, percentile, under
from local_stack.processes import Child

MINUTES = 0.5
GOALS = {"start": under(2), "item reads a second": at_least(1500)}


async def measure(vaults: int = 10, vms_per_vault: int = 1000, seconds: float = 5.0, connections: int = 4) -> Report:
    """Start a fleet of that size and read its items for so many seconds."""
    async with AsyncExitStack() as until:
        folder = Path(until.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
        began = time.perf_counter()
        command = [sys.executable, "-m", "simulator", "--scenario", f"fleet:{vaults}x{vms_per_vault}"]
        child = await Child.start("simulator", command, {}, folder)
        until.push_async_callback(child.stop)
        ready = await child.announcement()
        started = time.perf_counter() - began
        per_second, taken = await _load(ready, seconds, connections)
    start, reads = "start", "item reads a second"
    return Report(
        benchmark="simulator",
        conditions={"items": vaults * vms_per_vault, "seconds of load": seconds, "connections": connections},
        measures=[
            Measure(start, started, "s", goal=GOALS[start]),
            Measure(reads, per_second, goal=GOALS[reads]),
            Measure("a read, median", percentile(taken, 0.5), "ms"),
            Measure("a read, 99 of 100 within", percentile(taken, 0.99), "ms"),
        ],
    )


async def _load(ready: dict[str, Any], seconds: float, connections: int) -> tuple[float, list[float]]:
    """Reads per second over all connections, and the milliseconds of each."""
    tls = ssl.create_default_context(cafile=ready["ca"])
    paths = await asyncio.to_thread(_item_paths, ready, tls)
    began = time.perf_counter()
    runs = await asyncio.gather(
        *(_read(ready["arm"], tls, paths[first::connections], began + seconds) for first in range(connections))
    )
    taken = [each for run in runs for each in run]
    return len(taken) / (time.perf_counter() - began), taken


def _item_paths(ready: dict[str, Any], tls: ssl.SSLContext) -> list[str]:
    with urllib.request.urlopen(f"{ready['control']}/scenario", context=tls) as answer:
        return list(json.load(answer)["expectations"])


async def _read(arm: str, tls: ssl.SSLContext, paths: list[str], until: float) -> list[float]:
    """Read items one after the other on one connection until the time; the milliseconds that each took."""
    where = urlsplit(arm)
    reader, writer = await asyncio.open_connection(where.hostname, where.port, ssl=tls)
    taken: list[float] = []
    while not taken or time.perf_counter() < until:
        path = quote(paths[len(taken) % len(paths)], safe="/")
        began = time.perf_counter()
        lines = (f"GET {path}?api-version=2025-02-01 HTTP/1.1", f"Host: {where.netloc}", "Authorization: Bearer x")
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
        taken.append(1000 * (time.perf_counter() - began))
    writer.close()
    await writer.wait_closed()
    return taken
