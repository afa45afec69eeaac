"""``python -m local_host``: serve an app folder on loopback until SIGTERM or SIGINT.

Prints one line of JSON with its URL when ready; logs go to stderr. Exit codes: 0 stopped by a signal, 1 the backend
went away, 2 could not start (one sentence on stderr says why).
"""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
import traceback
from pathlib import Path

from local_host.host import MAX_ACTIVITIES, BackendUnreachable, CannotListen, LocalHost
from local_host.settings import AppNotLoaded, load_app

STOPPED = 0
BACKEND_LOST = 1
CANNOT_START = 2

LOG_LEVELS = ("debug", "info", "warning", "error")


def main() -> int:
    options = _parser().parse_args()
    level = options.log_level.upper()
    logging.basicConfig(level=level, format="%(asctime)s %(levelname).1s %(name)s %(message)s", stream=sys.stderr)
    try:
        app, settings = load_app(options.app)
        host = LocalHost(
            app,
            port=options.port,
            settings=settings,
            backend=options.backend,
            max_activities=options.max_activities,
        )
        return asyncio.run(_serve(host))
    except (AppNotLoaded, CannotListen, BackendUnreachable) as error:
        if level == "DEBUG":
            traceback.print_exc()
        sys.stderr.write(f"{error}\n")
        return CANNOT_START


async def _serve(host: LocalHost) -> int:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for stop_signal in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(stop_signal, stopped.set)
    async with host:
        sys.stdout.write(json.dumps({"url": host.url}) + "\n")
        sys.stdout.flush()
        waits = [asyncio.create_task(event.wait()) for event in (stopped, host.lost_backend)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
    if stopped.is_set():
        return STOPPED
    sys.stderr.write("The backend went away, and with it all orchestrations.\n")
    return BACKEND_LOST


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local_host", description=__doc__)
    parser.add_argument("--app", type=Path, default=Path(), help="folder of function_app.py (default: this one)")
    parser.add_argument("--port", type=int, default=0, help="port on loopback; 0 (default) lets the system choose")
    parser.add_argument("--backend", metavar="HOST:PORT", help="a separate backend (default: in this process)")
    parser.add_argument("--max-activities", type=int, default=MAX_ACTIVITIES, help="activities at the same time")
    parser.add_argument("--log-level", choices=LOG_LEVELS, default="warning")
    return parser


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: it would wait for threads in which an activity may still sleep. Its work is handed out again.
    os._exit(code)
