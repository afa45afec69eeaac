"""What importing the app costs a cold start, against the SDKs that any app like it must import.

Each import is one in a fresh Python process with bytecode compiled and files in the cache; the floor and the app take
turns. What counts is the shortest of many, of either: whatever else is at work on the machine can only lengthen an
import, never shorten it, so the shortest is the nearest to what the import itself takes. The floor is the four SDKs
alone: azure.functions, azure.durable_functions, azure.identity and the backup SDK, the two latter asynchronous. The
shares are each package's own modules, without what they import, as `-X importtime` counts them; its own cost is in the
shares and not in the times.
"""

import asyncio
import os
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from benchmarks.measures import Measure, Report, at_most, tell

MINUTES = 1
GOALS = {"app, times the floor": at_most(1.25)}

ROOT = Path(__file__).resolve().parent.parent
APP = "function_app"
FLOOR = "azure.functions, azure.durable_functions, azure.identity.aio, azure.mgmt.recoveryservicesbackup.aio"
PACKAGES_SHOWN = 12
# As a deployed app has them; nothing is sent to these places.
SETTINGS = {
    "AZURE_FUNCTIONS_DURABLE_STRICT_TYPING": "1",
    "AZURE_CLIENT_ID": "11111111-2222-4333-8444-555555555555",
    "LEDGER_STORAGE__tableServiceUri": "https://ledger.table.core.windows.net",
}
TIMED = "import time; began = time.perf_counter(); import {}; print(time.perf_counter() - began)"


async def measure(repeats: int = 40) -> Report:
    """Import the app and the floor so many times each, and once more with a look inside."""
    await _output("-c", TIMED.format(APP))  # compiles what is not compiled yet
    times: dict[str, list[float]] = {FLOOR: [], APP: []}
    for number in range(repeats):
        for what, taken in times.items():
            taken.append(1000 * float((await _output("-c", TIMED.format(what)))[0]))
        if number % 10 == 9:
            tell(f"  {number + 1} of {repeats}")
    floor, app = min(times[FLOOR]), min(times[APP])
    _, listing = await _output("-X", "importtime", "-c", f"import {APP}")
    name = "app, times the floor"
    return Report(
        benchmark="cold_start",
        conditions={"processes of each": repeats, "floor": FLOOR},
        measures=[
            Measure("floor", floor, "ms"),
            Measure("app", app, "ms"),
            Measure(name, app / floor, goal=GOALS[name]),
            *_shares(own_times(listing.splitlines(), APP)),
        ],
    )


async def _output(*arguments: str) -> tuple[str, str]:
    """What a fresh Python says, on both its outputs. Raises RuntimeError with its last line where it fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=ROOT,
        env={**_without_settings(), **SETTINGS},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    if process.returncode:
        raise RuntimeError(err.decode().strip().rpartition("\n")[2])
    return out.decode(), err.decode()


def own_times(lines: Iterable[str], module: str) -> dict[str, float]:
    """Milliseconds that each module took for itself while `module` was imported, from the lines of `-X importtime`.

    A line comes when its module is done, so that those of what it imported come before it, further to the right.
    """
    found: dict[str, float] = {}
    for line in lines:
        own, _, name = line.removeprefix("import time:").split("|")
        if not own.strip().isdigit():
            continue  # the heading
        found[name.strip()] = int(own) / 1000
        if name.startswith(" " * 2):
            continue
        if name.strip() == module:
            return found
        found = {}
    raise ValueError(f"{module} was not imported")


def _shares(times: dict[str, float]) -> list[Measure]:
    """The packages that take most, and the others as one."""
    shares: defaultdict[str, float] = defaultdict(float)
    for module, milliseconds in times.items():
        shares[package_of(module)] += milliseconds
    most = sorted(shares.items(), key=lambda share: -share[1])
    others = sum(share for _, share in most[PACKAGES_SHOWN:])
    return [Measure(f"  {name}", share, "ms") for name, share in [*most[:PACKAGES_SHOWN], ("all others", others)]]


def package_of(module: str) -> str:
    """The package a module is shown under: Microsoft's by their names, Python's and the app's own together."""
    parts = module.split(".")
    if parts[0] == "azure":
        return ".".join(parts[: 3 if parts[1:2] == ["mgmt"] else 2])
    if parts[0] in sys.stdlib_module_names:
        return "Python's own"
    return "the app's own" if (ROOT / parts[0]).is_dir() or (ROOT / f"{parts[0]}.py").exists() else parts[0]


def _without_settings() -> dict[str, str]:
    """The environment without what a developer may have set for the app."""
    return {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
