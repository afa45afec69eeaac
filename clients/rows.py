"""Records as Table Storage entities and back: one column a field, so that a row reads well in any storage browser.

Lists and objects become JSON text. A text longer than a column may be is continued in `name_1`, `name_2`, ...
Fields at their default are left out. Keys and the ETag are the table's; see ledger.py for which fields make the keys.
"""

import re
from collections.abc import Mapping
from typing import Any, TypeVar, cast

import msgspec

from migration.model import Value

Row = dict[str, Any]
R = TypeVar("R", bound=Value)

COLUMN_CHARACTERS = 16_000  # a column takes 64 KiB of UTF-16, where a character may need four bytes
_CONTINUED = re.compile(r"(.+)_(\d+)")


def to_row(record: Value) -> Row:
    """The record's columns. Times are ISO 8601 text in UTC, which sorts and compares as time does."""
    row: Row = {}
    for name, value in cast(Row, msgspec.to_builtins(record)).items():
        if name != "etag":
            row |= _columns(name, msgspec.json.encode(value).decode() if isinstance(value, tuple | dict) else value)
    return row


def from_row(entity: Mapping[str, Any], etag: str, kind: type[R]) -> R:
    """The record in an entity. Raises msgspec.ValidationError where the row is not one of ours."""
    texts: Row = {}
    for name in sorted(entity, key=_order):
        continued = _CONTINUED.fullmatch(name)
        if continued:
            texts[continued[1]] += entity[name]
        elif name not in ("PartitionKey", "RowKey"):
            texts[name] = entity[name]
    decoded = {name: _decoded(value, name in _nested(kind)) for name, value in texts.items()}
    return msgspec.convert({**decoded, "etag": etag}, kind)


def _columns(name: str, value: Any) -> Row:
    if not isinstance(value, str) or len(value) <= COLUMN_CHARACTERS:
        return {name: value}
    starts = range(0, len(value), COLUMN_CHARACTERS)
    return {f"{name}_{n}" if n else name: value[start : start + COLUMN_CHARACTERS] for n, start in enumerate(starts)}


def _order(name: str) -> tuple[str, int]:
    continued = _CONTINUED.fullmatch(name)
    return (continued[1], int(continued[2])) if continued else (name, 0)


def _decoded(value: Any, nested: bool) -> Any:
    return msgspec.json.decode(value) if nested else value


_NESTED: dict[type[Value], frozenset[str]] = {}


def _nested(kind: type[Value]) -> frozenset[str]:
    """The columns of a record type that hold JSON text."""
    if kind not in _NESTED:
        _NESTED[kind] = frozenset(
            field.encode_name
            for field in msgspec.structs.fields(kind)
            if _holds_objects(msgspec.inspect.type_info(field.type))
        )
    return _NESTED[kind]


def _holds_objects(info: msgspec.inspect.Type) -> bool:
    if isinstance(info, msgspec.inspect.UnionType):
        return any(map(_holds_objects, info.types))
    return isinstance(info, msgspec.inspect.StructType | msgspec.inspect.DictType | msgspec.inspect.VarTupleType)
