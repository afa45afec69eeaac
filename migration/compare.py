"""Two plans of the same estate, and what lies between them."""

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta

from migration.model import Value
from migration.records import ItemRecord


class Difference(Value, frozen=True):
    """A VM that one plan has and the other has not, or an aspect of a VM's plan that is not the same in both."""

    item_id: Annotated[str, Meta(description="Resource id of the VM's protected item")]
    vm_name: Annotated[str, Meta(description="Which VM, by its name in Azure")]
    kind: Annotated[
        Literal["added", "removed", "changed"],
        Meta(description="`added`: only this plan has the VM; `removed`: only the other has; `changed`: both have"),
    ]
    aspect: Annotated[
        str,
        Meta(
            description="What changed: verdict, findings, sourcePolicy, targetPolicy, vm, cost; empty if not `changed`"
        ),
    ] = ""
    before: Annotated[str, Meta(description="The aspect in the other plan; empty where it has nothing there")] = ""
    after: Annotated[str, Meta(description="The aspect in this plan; empty where it has nothing there")] = ""


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
