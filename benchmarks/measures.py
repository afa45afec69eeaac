"""The words of a benchmark's answer: a report of measures, each with the goal it must reach, if it has one."""

import os
import platform
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Literal

import msgspec

Condition = str | int | float | bool | list[int]


class Goal(msgspec.Struct, frozen=True):
    """A bound, in the measure's unit."""

    relation: Literal["at most", "at least", "under"]
    bound: float

    def met_by(self, value: float) -> bool:
        """Whether a value is within the bound."""
        match self.relation:
            case "at most":
                return value <= self.bound
            case "at least":
                return value >= self.bound
            case "under":
                return value < self.bound

    def __str__(self) -> str:
        return f"{self.relation} {number(self.bound)}"


def at_most(bound: float) -> Goal:
    """The goal of a measure that may reach, but not exceed, a bound."""
    return Goal("at most", bound)


def at_least(bound: float) -> Goal:
    """The goal of a measure that must reach a bound."""
    return Goal("at least", bound)


def under(bound: float) -> Goal:
    """The goal of a measure that must stay below a bound."""
    return Goal("under", bound)


class Measure(msgspec.Struct, frozen=True, rename="camel"):
    """One number: what was measured, in which unit ("" for a plain ratio), and in which case where there are several.

    Measures of one name are a row of the table, the cases its columns: `Measure("wall time", 12.5, "s", "200 VMs")`.
    A name that begins with two spaces is a part of the row above.
    """

    name: str
    value: float
    unit: str = ""
    case: str = ""
    goal: Goal | None = None

    @property
    def missed(self) -> bool:
        """Whether there is a goal and the value is not within it."""
        return self.goal is not None and not self.goal.met_by(self.value)


class Report(msgspec.Struct, frozen=True, rename="camel"):
    """What a benchmark answers. `conditions` are the sizes and settings it ran with, by name."""

    benchmark: str
    conditions: dict[str, Condition]
    measures: list[Measure]

    @property
    def missed(self) -> list[Measure]:
        """The measures that are not within their goals."""
        return [measure for measure in self.measures if measure.missed]


class Machine(msgspec.Struct, frozen=True, rename="camel"):
    """Where it ran. `cores` are those the process may use; `load` is Linux's average over the last minute."""

    processor: str
    cores: int
    system: str
    python: str
    load: float


def this_machine() -> Machine:
    """This machine, now."""
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        load=round(os.getloadavg()[0], 2),
    )


def _processor() -> str:
    """The processor's name; Linux keeps it in a file, and some virtual machines have none."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown")


def cpu_seconds(pid: int) -> float:
    """The CPU time that a running process has used so far. Linux only."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb(pid: int) -> float:
    """The most memory that a running process has held at a time, in MB (10^6 bytes). Linux only, which tells KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of the values do not exceed. Raises ValueError for no values."""
    if not values:
        raise ValueError("there is no percentile of nothing")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def tell(text: str) -> None:
    """Say how far a benchmark is; the terminal's, not the table's."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def number(value: float) -> str:
    """A number as a reader wants it: three digits that say something, and no more."""
    if value == int(value):
        return f"{int(value):,}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{Decimal(f'{value:.3g}'):f}"  # never as 2.6e-05
