"""Answers as CSV, for spreadsheets: names of columns, and under them a line for each record."""

import csv
from collections.abc import AsyncIterator, Callable, Mapping
from io import StringIO
from typing import TypeVar

from azure.functions import HttpResponse

R = TypeVar("R")


async def as_csv(columns: Mapping[str, Callable[[R], str]], records: AsyncIterator[R]) -> HttpResponse:
    """An answer with these records; `columns` says by name what of a record is in each."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    async for record in records:
        writer.writerow([_cell(read(record)) for read in columns.values()])
    return HttpResponse(text.getvalue().encode(), mimetype="text/csv")


def _cell(text: str) -> str:
    """Spreadsheets run what begins like a formula; a number is none. What does not print is spelled (`\\n`)."""
    spelled = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    number = spelled.removeprefix("-").replace(".", "", 1).isdecimal()
    return f"'{spelled}" if spelled.startswith(("=", "+", "-", "@")) and not number else spelled
