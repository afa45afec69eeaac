"""`python -m benchmarks [NAME ...]`: measures, shows a table for each benchmark and keeps the results.

Exit code 0: every goal is met. 1: a goal is missed, or a benchmark broke off and says why. 2: something could not be
started. 130: interrupted.
"""

import argparse
import asyncio
import importlib
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, cast

from rich.console import Console

from benchmarks.measures import Goal, Report, tell, this_machine
from benchmarks.results import Result, keep, show, today
from local_stack.processes import StackError

WIDTH = 150  # of what goes to a file
BENCHMARKS = ("comparison", "scale", "planning", "cold_start", "replay", "money", "questions", "simulator")


class Benchmark(Protocol):
    """What a module of this package offers."""

    __doc__: str
    MINUTES: float
    GOALS: Mapping[str, Goal]
    measure: Callable[[], Awaitable[Report]]


def benchmark(name: str) -> Benchmark:
    """The module of a benchmark, imported when it is its turn: what one imports is no part of another's measure."""
    return cast(Benchmark, importlib.import_module(f"benchmarks.{name}"))


def duration(minutes: float) -> str:
    """So many minutes as people say it: in seconds where they are few."""
    return f"{60 * minutes:.0f} seconds" if minutes < 2 else f"{minutes:g} minutes"


async def run(name: str) -> Result:
    """Measure, and say before what and about how long."""
    module = benchmark(name)
    tell(f"{name}: {module.__doc__.splitlines()[0]} About {duration(module.MINUTES)}.")
    machine = this_machine()
    return Result(measured_on=today(), machine=machine, report=await module.measure())


def main() -> int:
    """Run the named benchmarks, or all of them, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)}; default: all")
    parser.add_argument("--try", dest="only_try", action="store_true", help="show the tables and keep nothing")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in BENCHMARKS]:
        parser.error(f"there is no benchmark {unknown[0]}; there are {', '.join(BENCHMARKS)}")
    # SIGTERM ends it like Ctrl-C: through the benchmarks' exit stacks, which stop every child.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    missed = False
    try:
        for name in options.names or BENCHMARKS:
            result = asyncio.run(run(name))
            show(result, console)
            if not options.only_try:
                keep(result)
            missed = missed or bool(result.report.missed)
    except StackError as error:
        tell(str(error))
        return 2
    except KeyboardInterrupt:
        return 130
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
