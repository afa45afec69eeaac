"""Reads the tables of the documentation."""

import re
from pathlib import Path


def table(document: Path, heading: str, number: int = 0) -> list[list[str]]:
    """The cells of a table under a heading of the second level: the first one, or the one of that number."""
    section = document.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)[number]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in found.splitlines()[2:]]
