"""`python -m tests.faults.soak [--seed N] [--minutes M]`: rounds of random faults until the time is over.

Prints the seed first, then a line a round: what was done, and how the VMs ended. A violation ends it with exit code 1
and all that is needed to play that round again. Ctrl-C ends it too, and leaves nothing running.
"""

import argparse
import asyncio
import random
import secrets
import signal
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from local_stack.azurite import start_azurite
from tests.faults.faults import ANYWHERE, FAULTS, Where
from tests.faults.rounds import Round, play

INTERRUPTED = 130
MOST_VMS: dict[Where, int] = {"in process": 100, "processes": 200}


def a_round(seed: int) -> Round:
    """The round that a seed stands for: where, which faults, how many vaults and VMs."""
    dice = random.Random(seed)
    where = dice.choices(ANYWHERE, weights=[3, 1])[0]
    possible = [name for name, fault in FAULTS.items() if where in fault.where]
    chosen = dice.sample(possible, dice.randint(1, 4))
    if where == "processes" and "kill" not in chosen:
        chosen.append("kill")
    vaults = dice.randint(1, 3)
    return Round(
        seed=seed,
        faults=tuple(sorted(chosen)),
        vaults=vaults,
        vms_per_vault=dice.randint(1, MOST_VMS[where] // vaults),
        concurrent=dice.choice([1, 5, 20, 50]),
        stop_after_failures=dice.choice([1, 5, 1000]),
        most_strikes=dice.randint(5, 60),
        patience_seconds=900,
    )


async def soak(seed: int, minutes: float) -> int:
    """Rounds until the time is over; answers the exit code."""
    until_then = time.monotonic() + 60 * minutes
    seeds = random.Random(seed)
    async with AsyncExitStack() as until:
        storage = await start_azurite(Path(until.enter_context(tempfile.TemporaryDirectory())), until)
        number = 0
        while not number or time.monotonic() < until_then:
            number += 1
            played, began = a_round(seeds.randrange(2**32)), time.monotonic()
            say(f"{number}: {played}")
            report = await play(played, storage)
            say(f"   {time.monotonic() - began:.0f} s: {report}")
            if report.violations:
                say(f"\nSeed {seed}, round {number}, {played!r}:")
                say("\n".join(f"  {violation}" for violation in report.violations))
                return 1
    return 0


def say(text: str) -> None:
    """Print now, also into a pipe."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Run it as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32), help="of everything random")
    parser.add_argument("--minutes", type=float, default=10, help="how long (default: 10); the last round is finished")
    options = parser.parse_args()
    say(f"seed {options.seed}")
    for stop_signal in (signal.SIGINT, signal.SIGTERM):  # both end it through the exit stacks, which stop every child
        signal.signal(stop_signal, signal.default_int_handler)
    try:
        return asyncio.run(soak(options.seed, options.minutes))
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
