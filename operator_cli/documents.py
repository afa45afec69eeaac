"""The server's documents, read with care: what is absent is empty, what is of another kind is an error.

Servers older or newer than this program leave fields out or add some; neither may stop it. A field of the wrong kind
means that something else answered.
"""

from collections.abc import Mapping
from typing import Any, cast

from operator_cli.exits import Exit
from operator_cli.trouble import Trouble, trouble


class Document:
    """A JSON object. Each reader answers an empty value where the field is absent or null, and raises Trouble
    where it is of another kind."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = fields

    def text(self, name: str) -> str:
        """A text."""
        return cast(str, self._read(name, str, ""))

    def flag(self, name: str) -> bool:
        """A truth."""
        return cast(bool, self._read(name, bool, False))

    def number(self, name: str) -> float | None:
        """A number, also one written as text, as the API writes money; None where there is none."""
        value = self.fields.get(name)
        if value is None or isinstance(value, bool) or not isinstance(value, int | float | str):
            return cast(None, self._read(name, int, None))
        try:
            return float(value)
        except (ValueError, OverflowError):
            raise _not_understood(name) from None

    def texts(self, name: str) -> list[str]:
        """A list of texts."""
        return [_of_kind(value, str, name) for value in self._read(name, list, [])]

    def counts(self, name: str) -> dict[str, int]:
        """Numbers by name."""
        return {str(key): _of_kind(value, int, name) for key, value in self._read(name, dict, {}).items()}

    def part(self, name: str) -> "Document | None":
        """An object."""
        value = self._read(name, dict, None)
        return None if value is None else Document(value)

    def parts(self, name: str) -> list["Document"]:
        """A list of objects."""
        return [Document(_of_kind(value, dict, name)) for value in self._read(name, list, [])]

    def _read(self, name: str, kind: type, absent: object) -> Any:
        value = self.fields.get(name)
        return absent if value is None else _of_kind(value, kind, name)


def _of_kind(value: object, kind: type, name: str) -> Any:
    if not isinstance(value, kind):
        raise _not_understood(name)
    return value


def _not_understood(name: str) -> Trouble:
    return trouble(
        Exit.SERVER, "The server answered something else than the API says", f"{name} is not what it should be"
    )
