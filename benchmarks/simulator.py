"""How fast the simulator is: protected-item GETs per second over TLS, and the start with 10,000 items.

    python benchmarks/simulator.py [--seconds 5] [--connections 4]

The simulator runs as its own process on one core; the load comes from this process over keep-alive connections.
Requests are written and answers counted by hand, because an HTTP client library would be the slower side and would be
what is measured.
"""

import argparse
import asyncio
import json
import ssl
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, cast
from urllib.parse import quote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
GOAL_REQUESTS_PER_SECOND = 1500
GOAL_START_SECONDS = 2.0


class Ready(TypedDict):
    """The line a simulator prints; the members used here."""

    arm: str
    ca: str
    control: str


@dataclass(frozen=True)
class Running:
    process: subprocess.Popen[str]
    ready: Ready
    start_seconds: float

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=10)


def start(scenario: str) -> Running:
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", "--scenario", scenario], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    return Running(process, cast(Ready, json.loads(line)), time.perf_counter() - began)


def item_paths(ready: Ready, tls: ssl.SSLContext) -> list[str]:
    with urllib.request.urlopen(f"{ready['control']}/scenario", context=tls) as answer:
        return list(json.load(answer)["expectations"])


async def get_items(ready: Ready, tls: ssl.SSLContext, paths: list[str], until: float) -> tuple[int, list[float]]:
    """GETs one after the other on one connection until the time: how many, and how long each took in milliseconds."""
    where = urlsplit(ready["arm"])
    reader, writer = await asyncio.open_connection(where.hostname, where.port, ssl=tls)
    took: list[float] = []
    while time.perf_counter() < until:
        path = quote(paths[len(took) % len(paths)], safe="/")
        began = time.perf_counter()
        head_lines = (f"GET {path}?api-version=2025-02-01 HTTP/1.1", f"Host: {where.netloc}", "Authorization: Bearer x")
        writer.write(("\r\n".join(head_lines) + "\r\n\r\n").encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
        took.append((time.perf_counter() - began) * 1000)
    writer.close()
    return len(took), took


async def load(ready: Ready, seconds: float, connections: int) -> tuple[float, list[float]]:
    """Requests per second over all connections, and every duration, sorted."""
    tls = ssl.create_default_context(cafile=ready["ca"])
    paths = item_paths(ready, tls)
    began = time.perf_counter()
    runs = await asyncio.gather(
        *(get_items(ready, tls, paths[start::connections], began + seconds) for start in range(connections))
    )
    elapsed = time.perf_counter() - began
    return sum(count for count, _ in runs) / elapsed, sorted(each for _, took in runs for each in took)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures the simulator.")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=4)
    arguments = parser.parse_args()

    big = start("fleet:10x1000")
    try:
        per_second, took = asyncio.run(load(big.ready, arguments.seconds, arguments.connections))
    finally:
        big.stop()
    rows = [
        ("start with 10,000 items", f"{big.start_seconds:.2f} s", f"under {GOAL_START_SECONDS:g} s"),
        ("item GETs", f"{per_second:,.0f} a second", f"at least {GOAL_REQUESTS_PER_SECOND:,}"),
        ("  median", f"{took[len(took) // 2]:.2f} ms", ""),
        ("  99 of 100", f"{took[len(took) * 99 // 100]:.2f} ms", ""),
    ]
    for what, measured, goal in rows:
        print(f"{what:26}{measured:>16}   {goal}")  # noqa: T201 - the table is what this program is for
    reached = per_second >= GOAL_REQUESTS_PER_SECOND and big.start_seconds < GOAL_START_SECONDS
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
