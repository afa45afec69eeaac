"""Answers as CSV, for spreadsheets."""

import csv
from collections.abc import AsyncIterator, Sequence
from io import StringIO

from azure.functions import HttpResponse


async def as_csv(columns: Sequence[str], rows: AsyncIterator[Sequence[str]]) -> HttpResponse:
    """An answer with a header line and a line for each row."""
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    async for row in rows:
        writer.writerow(map(_cell, row))
    return HttpResponse(text.getvalue().encode(), mimetype="text/csv")


def _cell(text: str) -> str:
    """Spreadsheets run what begins like a formula; a number is none. Control characters are told, not sent."""
    text = "".join(char if char.isprintable() or char == "\n" else f"\\x{ord(char):02x}" for char in text)
    number = text.removeprefix("-").replace(".", "", 1).isdecimal()
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) and not number else text
