"""The parts of the documents that are made from the code's own tables, so that neither can say something else."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from clients import ledger
from migration.cost import CostAssumptions, CostRange, Price, PriceSource, estimate
from migration.limits import Limits, pace
from migration.preflight import RULES, Rule, inspect
from migration.records import ITEM_TRANSITIONS, MIGRATION_TRANSITIONS
from migration.remedies import REMEDIES
from settings import Settings
from tests.documents.markdown import ROOT
from tests.migration.test_preflight import TRIPS, facts
from tests.test_architecture import MAY_IMPORT

S = TypeVar("S", bound=StrEnum)
BOUND = re.compile(r"^([A-Z][A-Z_]+) = ([\d_]+|timedelta\(\w+=\d+\))  # (.+)$", re.MULTILINE)
"""A constant that bounds something and says what."""


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)


def code(text: str) -> str:
    """The text in code font; nothing where it is empty."""
    return f"`{text}`" if text else ""


# --- operations.md


def findings() -> str:
    """Every rule: how grave it is, whether it is asked again, when it speaks, what it says for example, what to do."""
    heads = ("Finding", "Severity", "Asked again", "When", "It says, for example", "What to do")
    return table(heads, (_finding(rule) for rule in RULES))


def _finding(rule: Rule) -> Sequence[str]:
    changes, _ = TRIPS[rule.code]
    [message] = [finding.message for finding in inspect(facts(**changes)) if finding.code == rule.code]
    example = re.sub(r"/subscriptions/\S+/(\S+/\S+)", r".../\1", message)
    return code(rule.code), rule.severity.value, "yes" if rule.live else "", rule.when, example, rule.remedy


def reasons() -> str:
    """Every reason that has a remedy."""
    heads = ("Reason", "In a retry", "What to do")
    rows = REMEDIES.items()
    return table(heads, ((code(name), "" if remedy.retryable else "no", remedy.advice) for name, remedy in rows))


def limits() -> str:
    """Every limit: its default, what it may be, and its meaning, as the API's description has them."""
    schema = msgspec.json.schema(Limits)["$defs"]["Limits"]["properties"]
    rows = ((code(name), *_limit(described)) for name, described in schema.items())
    return table(("Limit", "Default", "At least", "At most", "Meaning"), rows)


def _limit(described: Mapping[str, Any]) -> Sequence[str]:
    [value] = [one for one in described.get("anyOf", [described]) if one["type"] != "null"]
    default = json.dumps(described["default"]).replace("null", "none")
    bounds = (f"{value[bound]:,}" if bound in value else "" for bound in ("minimum", "maximum"))
    return default, *bounds, described["description"]


def paces() -> str:
    """How far apart the looks at a vault are, by how many vaults of a subscription are at work."""
    budget = Settings.from_env({"LEDGER_STORAGE": "any"}).job_reads_per_hour
    looks = ((vaults, pace(Limits().poll_seconds, vaults, budget)) for vaults in (1, 6, 10, 20, 50, 100))
    return table(
        ("Vaults at work in a subscription", "Minutes between two looks at one of them"),
        ((str(vaults), f"{seconds / 60:.0f}") for vaults, seconds in looks),
    )


def costs() -> str:
    """What the move of one VM does to the bill, by how long the Enhanced policy keeps snapshots."""
    heads = ("Snapshot days of the Enhanced policy", "Change of the bill")
    return table(heads, ((str(days), str(_cost(days))) for days in (1, 2, 7, 30)))


def _cost(days: int) -> CostRange:
    return estimate(
        128,
        standard_days=2,
        enhanced_days=days,
        assumptions=CostAssumptions(),
        price=Price(per_gb_month=Decimal("0.05"), currency="USD", source=PriceSource.REQUEST),
        trusted_launch=False,
    )


# --- architecture.md


def item_states() -> str:
    """The ways of a VM, as a diagram."""
    return _state_diagram(ITEM_TRANSITIONS)


def migration_states() -> str:
    """The ways of a migration, as a diagram."""
    return _state_diagram(MIGRATION_TRANSITIONS)


def _state_diagram(transitions: Mapping[S, frozenset[S]]) -> str:
    """Mermaid, which reads well as text too; states in the order in which the code has them."""
    [kind] = {type(state) for state in transitions}
    ways = [(before, after) for before in kind for after in kind if after in transitions.get(before, ())]
    ends = [(state, "[*]") for state in kind if state not in transitions]
    return fenced("mermaid", ["stateDiagram-v2", *(f"    {before} --> {after}" for before, after in (*ways, *ends))])


def fenced(language: str, lines: Iterable[str]) -> str:
    """A block of code."""
    return "\n".join([f"```{language}", *lines, "```"])


def tables() -> str:
    """The ledger's tables and their keys, as the ledger's module tells them."""
    lines = str(ledger.__doc__).splitlines()
    return fenced("text", (line.removeprefix("    ") for line in lines if line.startswith("    ")))


def imports() -> str:
    """Who may import whom, as the test of the architecture has it."""
    heads = ("Package", "May import, besides the standard library and itself")
    return table(heads, ((code(name), ", ".join(map(code, allowed))) for name, allowed in MAY_IMPORT.items()))


def bounds() -> str:
    """Every number in the app that bounds something, with the reason that stands beside it."""
    heads = ("File", "Name", "Value", "What for")
    return table(heads, _bounds())


def _bounds() -> Iterator[Sequence[str]]:
    for package in ("migration", "orchestrations", "activities", "triggers", "clients"):
        for path in sorted((ROOT / package).glob("*.py")):
            for name, value, why in BOUND.findall(path.read_text()):
                yield code(str(path.relative_to(ROOT))), code(name), _value(value), why


def _value(text: str) -> str:
    span = re.fullmatch(r"timedelta\((\w+)=(\d+)\)", text)
    return f"{span[2]} {span[1]}" if span else f"{int(text):,}"


# --- the documents


PARTS: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "docs/operations.md": {
        "limits": limits,
        "reasons": reasons,
        "findings": findings,
        "pace": paces,
        "cost": costs,
    },
    "docs/architecture.md": {
        "tables": tables,
        "migration-states": migration_states,
        "item-states": item_states,
        "imports": imports,
        "bounds": bounds,
    },
}
"""The generated parts of each document, by the name in their markers."""


def written() -> dict[str, str]:
    """The documents, by path, with their generated parts as the code says them now."""
    return {path: with_parts((ROOT / path).read_text(), parts) for path, parts in PARTS.items()}


def with_parts(text: str, parts: Mapping[str, Callable[[], str]]) -> str:
    """The text with these parts. Raises ValueError where it has not the marks of one, or has them twice."""
    for name, make in parts.items():
        begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
        before, found, rest = text.partition(begin)
        _, ended, after = rest.partition(end)
        if not (found and ended) or begin in after:
            raise ValueError(f"there is not one part {name}")
        text = f"{before}{begin}\n{make()}\n\n{end}{after}"
    return text
