"""Where the reports are kept: results.json, the tables of docs/performance.md, and the terminal."""

import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.measures import Condition, Machine, Measure, Report, number

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).parent / "results.json"
DOCUMENT = ROOT / "docs" / "performance.md"


class Result(msgspec.Struct, frozen=True, rename="camel"):
    """A report, with the day and the machine it is from."""

    measured_on: str
    machine: Machine
    report: Report


Results = dict[str, Result]
"""By the benchmark's name."""


def today() -> str:
    """The date, in UTC."""
    return datetime.now(UTC).date().isoformat()  # noqa: TID251 - this is the benchmarks' one clock


def read_results(file: Path = RESULTS) -> Results:
    """The results in a file, none where there is no file. Raises msgspec.ValidationError for one that is none."""
    return msgspec.json.decode(file.read_bytes(), type=Results) if file.exists() else {}


def keep(result: Result, file: Path = RESULTS, document: Path = DOCUMENT) -> None:
    """Put a result in the place of its benchmark's last one, in the file and in the document."""
    results = dict(sorted((read_results(file) | {result.report.benchmark: result}).items()))
    file.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")
    document.write_text(filled_in(document.read_text(), results))


def filled_in(text: str, results: Results) -> str:
    """A document with its tables made anew: what stands between `<!-- results: NAME -->` and `<!-- end -->`."""

    def table(found: re.Match[str]) -> str:
        result = results.get(found["name"])
        return f"<!-- results: {found['name']} -->\n{markdown(result) if result else ''}<!-- end -->"

    return re.sub(r"<!-- results: (?P<name>\w+) -->\n.*?<!-- end -->", table, text, flags=re.DOTALL)


def markdown(result: Result) -> str:
    """The result as a table of Markdown, with what it was measured on."""
    columns, rows = cells(result.report)
    lines = [
        columns,
        ["---", *["---:"] * (len(columns) - 2), "---"],
        *[[name.replace("  ", "&nbsp;&nbsp;"), *values] for name, *values in rows],
    ]
    machine = result.machine
    return (
        "\n"
        + "".join(f"| {' | '.join(line)} |\n" for line in lines)
        + f"\nMeasured on {result.measured_on}: {machine.cores} cores ({machine.processor}), {machine.system}, "
        + f"Python {machine.python}, load average {machine.load} before.\n{_conditions(result.report)}\n"
    )


def _conditions(report: Report) -> str:
    told = "; ".join(f"{name}: {_said(value)}" for name, value in report.conditions.items())
    return f"Conditions: {told}.\n" if told else ""


def _said(value: Condition) -> str:
    if isinstance(value, str):
        return value
    return ", ".join(number(each) for each in value) if isinstance(value, list) else number(value)


def show(result: Result, console: Console) -> None:
    """The result as a table of the terminal."""
    columns, rows = cells(result.report)
    table = Table(title=result.report.benchmark, title_justify="left", caption=_conditions(result.report))
    for column, justify in zip(columns, ["left", *["right"] * (len(columns) - 2), "left"], strict=True):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*row)
    console.print(table)


def cells(report: Report) -> tuple[list[str], list[list[str]]]:
    """The table of a report: its columns, and a row a name, with a column a case and the goal at the end."""
    cases = list(dict.fromkeys(measure.case for measure in report.measures))
    columns = ["", *[case or "measured" for case in cases], "goal"]
    found = {(measure.name, measure.case): measure for measure in report.measures}
    names = dict.fromkeys(measure.name for measure in report.measures)
    return columns, [_row(name, [found.get((name, case)) for case in cases]) for name in names]


def _row(name: str, measures: list[Measure | None]) -> list[str]:
    values = [f"{number(measure.value)} {measure.unit}".strip() if measure else "" for measure in measures]
    return [name, *values, _goals([measure for measure in measures if measure and measure.goal], len(measures))]


def _goals(measures: list[Measure], row: int) -> str:
    """The goals of a row of so many cases: each with those it is for, where it is not for all, and that miss it."""
    told: list[str] = []
    for goal in dict.fromkeys(measure.goal for measure in measures):
        held = [measure for measure in measures if measure.goal == goal]
        cases = ", ".join(measure.case for measure in held if measure.case)
        missed = ", ".join(measure.case or "yes" for measure in held if measure.missed)
        told.append(f"{goal} {held[0].unit}".strip() + (f" for {cases}" if len(held) < row else ""))
        told[-1] += f"; missed: {missed}" if missed else ""
    return "; ".join(told)
