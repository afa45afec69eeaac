"""Where the next page of a list begins: text that callers hand back, good for the list it came from and no other."""

import hashlib

import msgspec

from migration.model import Value


class Bookmark(Value, frozen=True):
    """The row that the last page ended with, and which list that was."""

    of: str
    after: str


def next_page(listed: Value, after: str) -> str:
    """The text for the page that follows a row of a list; `listed` says which list: whose, and filtered how."""
    return msgspec.json.encode(Bookmark(of=_digest(listed), after=after)).hex()


def row_after(text: str, listed: Value) -> str:
    """The row that a page of this list follows; empty for the first. Raises ValueError for a text not of this list."""
    if not text:
        return ""
    bookmark = msgspec.json.decode(bytes.fromhex(text), type=Bookmark)
    if bookmark.of != _digest(listed):
        raise ValueError("not a continuation of this list")
    return bookmark.after


def _digest(listed: Value) -> str:
    return hashlib.sha256(msgspec.json.encode(listed)).hexdigest()[:16]
