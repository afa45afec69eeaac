"""A document as its readers find it: its headings, links and code. Parsed as GitHub does, tables included."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parent.parent.parent
PARSER = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block of code: what its fence calls it, its text, and the number of its first line."""

    language: str
    text: str
    line: int


@dataclass(frozen=True, kw_only=True)
class Document:
    """A document, by its path in the repository.

    `anchors` are what links may point at in it, `links` where its own point to, `code` its words in code font,
    `first_cells` what the rows of its tables begin with.
    """

    path: str
    anchors: frozenset[str]
    links: tuple[str, ...]
    code: tuple[str, ...]
    blocks: tuple[Block, ...]
    first_cells: tuple[str, ...]


def documents() -> list[Document]:
    """README.md and what is in docs/ and infra/."""
    paths = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "infra").rglob("*.md"))]
    return [document(str(path.relative_to(ROOT)), path.read_text()) for path in paths]


def document(path: str, text: str) -> Document:
    """The document in a text that stands, or would stand, at a path of the repository."""
    tokens = PARSER.parse(text)
    inline = [token for token in _all(tokens) if token.type in ("code_inline", "link_open")]
    after = {id(opened): next for opened, next in zip(tokens, tokens[1:], strict=False)}
    return Document(
        path=path,
        anchors=frozenset(_anchors(after[id(token)] for token in tokens if token.type == "heading_open")),
        links=tuple(str(token.attrs["href"]) for token in inline if token.type == "link_open"),
        code=tuple(token.content for token in inline if token.type == "code_inline"),
        blocks=tuple(
            Block(language=token.info.strip(), text=token.content, line=token.map[0] + 2)
            for token in tokens
            if token.type == "fence" and token.map
        ),
        first_cells=tuple(
            after[id(cell)].content
            for row, cell in zip(tokens, tokens[1:], strict=False)
            if row.type == "tr_open" and cell.type == "td_open"
        ),
    )


def _all(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _all(token.children or [])


def _anchors(headings: Iterator[Token]) -> Iterator[str]:
    """What GitHub calls each heading: lower case, no punctuation, a number where the name is taken."""
    taken: Counter[str] = Counter()
    for heading in headings:
        text = "".join(token.content for token in _all([heading]) if token.type in ("text", "code_inline"))
        name = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        yield f"{name}-{taken[name]}" if taken[name] else name
        taken[name] += 1
