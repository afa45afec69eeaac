"""Where the next page of a list begins: text that callers hand back, good for the list it came from and no other."""

import hashlib
import re

import msgspec

from migration.model import Value

ROW = re.compile(r"[^/\\#?\x00-\x1f\x7f-\x9f]{1,1000}")  # what a table's key may be


class NotOurs(ValueError):
    """The text is no continuation of that list."""


class Bookmark(Value, frozen=True):
    """The row that the last page ended with, and which list that was."""

    of: str
    after: str


def next_page(listed: Value, after: str) -> str:
    """The text for the page that follows a row of a list; `listed` says which list: whose, and filtered how."""
    return msgspec.json.encode(Bookmark(of=_digest(listed), after=after)).hex()


def row_after(text: str, listed: Value) -> str:
    """The row that a page of this list follows; empty for the first. Raises NotOurs for a text not of this list."""
    if not text:
        return ""
    try:
        bookmark = msgspec.json.decode(bytes.fromhex(text), type=Bookmark)
    except (ValueError, RecursionError) as error:
        raise NotOurs("not a continuation of this list") from error
    if bookmark.of != _digest(listed) or not ROW.fullmatch(bookmark.after):
        raise NotOurs("not a continuation of this list")
    return bookmark.after


def _digest(listed: Value) -> str:
    return hashlib.sha256(msgspec.json.encode(listed)).hexdigest()[:16]
