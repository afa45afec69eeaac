"""All VMs of a migration into a file or a pipe, page by page: however many there are, few are in memory."""

import csv
import json
import sys
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from operator_cli.documents import Document
from operator_cli.screen import safe
from operator_cli.wishes import usage

COLUMNS: Mapping[str, Callable[[Document], str]] = {
    "vault": lambda item: item.text("vaultKey"),
    "vm": lambda item: item.text("vmName"),
    "state": lambda item: item.text("state"),
    "reason": lambda item: item.text("reason"),
    "message": lambda item: item.text("message"),
    "remedy": lambda item: item.text("remedy"),
    "retryable": lambda item: "yes" if item.flag("retryable") else "no",
    "warnings": lambda item: "; ".join(item.texts("warnings")),
    "findings": lambda item: "; ".join(finding.text("code") for finding in item.parts("findings")),
    "sourcePolicy": lambda item: item.text("sourcePolicy"),
    "targetPolicy": lambda item: item.text("targetPolicy"),
    "writtenAt": lambda item: item.text("writtenAt"),
    "settledAt": lambda item: item.text("settledAt"),
    "jobId": lambda item: item.text("jobId"),
    "operationId": lambda item: item.text("operationId"),
    "itemId": lambda item: item.text("itemId"),
    "vmId": lambda item: item.text("vmId"),
}
"""The columns of the CSV, and what of a VM is in each: what the server sends as text/csv too, byte for byte."""


def write_csv(items: Iterable[Document], stream: TextIO) -> None:
    """A line for each VM under the names of the columns."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for item in items:
        writer.writerow([_cell(read(item)) for read in COLUMNS.values()])


def write_json(items: Iterable[Document], stream: TextIO) -> None:
    """An array of the API's item documents, one in a line."""
    stream.write("[")
    for number, item in enumerate(items):
        stream.write(",\n" if number else "\n")
        stream.write(json.dumps(item.fields))
    stream.write("\n]\n")


WRITERS: Mapping[str, Callable[[Iterable[Document], TextIO], None]] = {"csv": write_csv, "json": write_json}


@contextmanager
def destination(output: Path | None) -> Generator[TextIO]:
    """Standard output, or a file that takes its name when it is whole. Raises Trouble where it can't be written."""
    if output is None:
        yield sys.stdout
        return
    unfinished = output.with_name(f"{output.name}.part")
    try:
        with unfinished.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        unfinished.replace(output)
    except OSError as error:
        raise usage(f"{output} can't be written", error.strerror or "") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _cell(text: str) -> str:
    """Spreadsheets run what begins like a formula; a number is none. What does not print is spelled (`\\n`)."""
    spelled = safe(text)
    number = spelled.removeprefix("-").replace(".", "", 1).isdecimal()
    return f"'{spelled}" if spelled.startswith(("=", "+", "-", "@")) and not number else spelled
