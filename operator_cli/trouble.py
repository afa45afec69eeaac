"""Everything that can keep a command from its end, as one exception that carries its exit code and its sentence."""

from typing import Any

from operator_cli.exits import Exit


class Trouble(Exception):
    """A command can't go on. `document` is the problem document (RFC 9457) that says why: the server's or our own."""

    def __init__(self, code: Exit, document: dict[str, Any], retry_after: float | None = None) -> None:
        super().__init__(document.get("title"))
        self.code = code
        self.document = document
        self.retry_after = retry_after  # seconds, where the server said so


def trouble(code: Exit, title: str, detail: str = "") -> Trouble:
    """A trouble of which the server said nothing."""
    return Trouble(code, {"title": title, "detail": detail} if detail else {"title": title})
