"""`python -m simulator`: the simulated Azure as a program.

One JSON line on stdout when it listens; ends on SIGTERM or SIGINT. Exit code 0 after a signal; 2, with a sentence on
stderr, for a taken port or a scenario that cannot be used.
"""

import argparse
import asyncio
import json
import signal
import sys
from datetime import timedelta
from pathlib import Path

from simulator.clock import RealClock
from simulator.scenario import ScenarioError, load_scenario
from simulator.server import Simulator


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulator", description="A stateful fake of Azure Backup.")
    parser.add_argument("--scenario", default="demo", help="demo, one-vault, fleet:5x200, or a .toml file")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=N", help="fleet: vaults=5, items=200")
    parser.add_argument("--port", type=int, default=0, help="for ARM (https); 0 lets the system choose")
    parser.add_argument("--identity-port", type=int, default=0, help="for the identity endpoint (http)")
    parser.add_argument("--time-scale", type=_pace, default=1.0, help="simulated seconds per real second")
    parser.add_argument("--seed", type=int, default=1, help="of everything random")
    parser.add_argument("--latency-ms", type=float, default=0, help="added to every answer of ARM")
    parser.add_argument("--tls-dir", type=Path, help="where ca.pem is written; a temporary folder otherwise")
    return parser.parse_args()


def _pace(text: str) -> float:
    """Simulated time goes forward. Raises ArgumentTypeError, which argparse reports."""
    try:
        pace = float(text)
    except ValueError:
        pace = 0
    if pace <= 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0")
    return pace


def _scenario_name(name: str, settings: list[str]) -> str:
    """`fleet` with --set vaults=.. and items=.. is fleet:VAULTSxITEMS. Raises ScenarioError."""
    if not settings:
        return name
    sizes = {"vaults": "5", "items": "200"}
    given = {key: value for key, _, value in (setting.partition("=") for setting in settings)}
    if name != "fleet" or not given.keys() <= sizes.keys():
        raise ScenarioError("--set takes vaults=N and items=N, for --scenario fleet only.")
    sizes |= given
    return f"fleet:{sizes['vaults']}x{sizes['items']}"


async def _serve(arguments: argparse.Namespace) -> None:
    """Raises ScenarioError, OSError."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for ending in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(ending, stop.set)
    simulator = Simulator(
        load_scenario(_scenario_name(arguments.scenario, arguments.set)),
        clock=RealClock(arguments.time_scale),
        seed=arguments.seed,
        latency=timedelta(milliseconds=arguments.latency_ms),
        port=arguments.port,
        identity_port=arguments.identity_port,
        tls_dir=arguments.tls_dir,
    )
    async with simulator:
        ready = {
            "arm": simulator.url,
            "ca": str(simulator.ca_path.resolve()),
            "identityEndpoint": simulator.identity_endpoint,
            "identityHeader": simulator.identity_header,
            "control": simulator.control_url,
            "scenario": simulator.scenario.name,
        }
        print(json.dumps(ready), flush=True)  # noqa: T201 - the line is this program's interface
        await stop.wait()


def main() -> int:
    arguments = _arguments()
    try:
        asyncio.run(_serve(arguments))
    except ScenarioError as wrong:
        return _refuse(str(wrong))
    except OSError as taken:
        return _refuse(f"The simulator cannot listen: {taken.strerror or taken}.")
    return 0


def _refuse(sentence: str) -> int:
    print(sentence, file=sys.stderr)  # noqa: T201 - the one sentence for whoever started it
    return 2


if __name__ == "__main__":
    sys.exit(main())
