"""What is shown, and where: documents or tables on standard output, everything said beside them on standard error.

Texts from the server, names of VMs above all, are somebody else's: shown, they must move no cursor and colour nothing.
"""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import cast

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from operator_cli.documents import Document
from operator_cli.trouble import Trouble

PIPE_WIDTH = 160  # of tables where there is no terminal


def safe(text: str) -> str:
    """The text with everything that a terminal would not print as a character spelled out (`\\x1b`)."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class Screen:
    """Standard output and standard error of one command. With `as_json` the former gets documents and nothing else."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.out = _console(stderr=False)
        self._err = _console(stderr=True)

    @property
    def live(self) -> bool:
        """Whether a picture that moves can be shown."""
        return not self.as_json and self.out.is_terminal

    def show(self, document: Document, report: Iterable[RenderableType]) -> None:
        """The document, or the report on it for people."""
        if self.as_json:
            self.document(document)
        else:
            self.report(report)

    def document(self, document: Document, in_a_line: bool = False) -> None:
        """A document as it came. ASCII only, so that no text in it reaches a terminal as anything but itself."""
        sys.stdout.write(json.dumps(document.fields, indent=None if in_a_line else 2) + "\n")
        sys.stdout.flush()

    def report(self, report: Iterable[RenderableType]) -> None:
        """Tables and sentences, for people."""
        for part in report:
            self.out.print(part, soft_wrap=not isinstance(part, Table))

    def note(self, sentence: str) -> None:
        """Something for people beside the answer; programs are left in peace."""
        if not self.as_json:
            self._err.print(safe(sentence), soft_wrap=True)

    def trouble(self, trouble: Trouble) -> None:
        """Why a command can't go on: the problem document, or what it says."""
        if self.as_json:
            sys.stderr.write(json.dumps(trouble.document) + "\n")
            return
        for sentence in _sentences(trouble):
            self.note(sentence)


def line(text: str, style: str = "") -> Text:
    """A sentence of a report, with what the server said in it made safe."""
    return Text(safe(text), style=style)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> Table:
    """A table of texts, made safe; columns whose name begins with `#` hold numbers. Nothing is cut off, only folded."""
    drawn = Table(title=line(title, "bold"), title_justify="left")
    for column in columns:
        drawn.add_column(
            column.removeprefix("#"), justify="right" if column.startswith("#") else "left", overflow="fold"
        )
    for row in rows:
        drawn.add_row(*(cell if isinstance(cell, Text) else Text(safe(cell)) for cell in row))
    return drawn


def _console(stderr: bool) -> Console:
    console = Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    return console


def _sentences(trouble: Trouble) -> Iterable[str]:
    """What a problem document says. It may be anybody's: only texts where texts belong are repeated."""
    document = trouble.document
    yield ": ".join(part for part in (document["title"], document.get("detail")) if part and isinstance(part, str))
    errors = document.get("errors")
    for error in cast(list[object], errors) if isinstance(errors, list) else []:
        if isinstance(error, dict):
            fields = cast(dict[str, object], error)
            yield f"  {fields.get('path', '')}: {fields.get('message', '')}"
