"""Two plans of the same estate, and what lies between them."""

from collections.abc import Iterable
from typing import Literal

from migration.model import Value
from migration.records import ItemRecord


class Difference(Value, frozen=True):
    """A VM that one plan has and the other has not, or whose plan is another one: which aspect, before and after."""

    item_id: str
    vm_name: str
    kind: Literal["added", "removed", "changed"]
    aspect: str = ""
    before: str = ""
    after: str = ""


def compare(before: Iterable[ItemRecord], after: Iterable[ItemRecord]) -> tuple[Difference, ...]:
    """What changed from one plan to another, by item id. What has happened to the VMs since does not count."""
    old = {record.item_id.lower(): record for record in before}
    new = {record.item_id.lower(): record for record in after}
    differences: list[Difference] = []
    for key in sorted(old.keys() | new.keys()):
        one, other = old.get(key), new.get(key)
        if one and other:
            differences += _changes(one, other)
        elif other:
            differences.append(_presence(other, "added"))
        elif one:
            differences.append(_presence(one, "removed"))
    return tuple(differences)


def _presence(record: ItemRecord, kind: Literal["added", "removed"]) -> Difference:
    return Difference(item_id=record.item_id, vm_name=record.vm_name, kind=kind)


def _changes(one: ItemRecord, other: ItemRecord) -> list[Difference]:
    before, after = _aspects(one), _aspects(other)
    return [
        Difference(
            item_id=other.item_id,
            vm_name=other.vm_name,
            kind="changed",
            aspect=aspect,
            before=before[aspect],
            after=after[aspect],
        )
        for aspect in before
        if before[aspect].lower() != after[aspect].lower()
    ]


def _aspects(record: ItemRecord) -> dict[str, str]:
    return {
        "verdict": record.verdict.value,
        "findings": ", ".join(finding.code for finding in record.findings),
        "sourcePolicy": record.source_policy_id.rpartition("/")[2],
        "targetPolicy": record.target_policy_id.rpartition("/")[2],
        "vm": record.vm_id,
        "cost": str(record.cost or ""),
    }
