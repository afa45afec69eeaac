"""The app in a local host whose clock skips every wait, and takes the simulated Azure along.

    python -m benchmarks.worker CONTROL_URL CA_FILE

CONTROL_URL is the simulator's control API, CA_FILE whom to trust for it. Prints a line of JSON with its URL when it
listens.

Time passes as on the wall while anything runs. When nothing is left but to wait for a durable timer, this clock and
Azure's jump there together, so that hours of migration take as long as the work in them. The app is composed as
function_app composes it, from the same settings; only its clock is this one.
"""

import asyncio
import dataclasses
import json
import os
import signal
import sys
from contextlib import closing

import azure.durable_functions as df

import function_app
from benchmarks.skipping import AzureTime, HurriedClock
from local_host.host import LocalHost


async def serve(clock: HurriedClock) -> None:
    """The app, until SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for ending in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(ending, stopped.set)
    settings = function_app.settings
    app = df.DFApp()
    function_app.register(app, dataclasses.replace(function_app.clients, clock=clock.now), settings)
    async with LocalHost(app, clock=clock) as host:
        sys.stdout.write(json.dumps({"url": host.url}) + "\n")
        sys.stdout.flush()
        await stopped.wait()


if __name__ == "__main__":
    with closing(AzureTime(*sys.argv[1:])) as azure:
        asyncio.run(serve(HurriedClock(azure.advance)))
    os._exit(0)  # like the local host: not waiting for threads in which something may still sleep
