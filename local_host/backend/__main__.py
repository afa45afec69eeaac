"""``python -m local_host.backend [--port 0]``: a task hub in its own process.

Prints one line of JSON with its address when ready. Ends with exit code 0 on SIGTERM or SIGINT, 2 if the port is taken.
"""

import argparse
import json
import signal
import sys
import threading

from local_host.backend.hub import TaskHub
from local_host.backend.server import serve
from local_host.clock import SystemClock

CANNOT_START = 2


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local_host.backend", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on loopback; 0 (default) lets the system choose")
    port = parser.parse_args().port
    stopped = threading.Event()
    for stop_signal in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop_signal, lambda *_: stopped.set())
    hub = TaskHub(SystemClock())
    try:
        server, address = serve(hub, port)
    except RuntimeError:
        sys.stderr.write(f"Port {port} is taken: choose another with --port.\n")
        return CANNOT_START
    sys.stdout.write(json.dumps({"address": address}) + "\n")
    sys.stdout.flush()
    stopped.wait()
    hub.stop()
    server.stop(grace=None).wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
