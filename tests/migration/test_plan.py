"""The plan of a vault and its hash."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from migration.cost import Price, PriceSource
from migration.model import PolicyType
from migration.plan import (
    VaultFacts,
    VaultPlan,
    choose,
    hash_plan,
    hash_vault_plan,
    plan_vault,
    standing_targets,
)
from migration.policy import CloneOptions
from migration.records import ItemState, PlannedTarget, Tally
from migration.request import Selection, Target
from tests.builders import (
    ENHANCED,
    STANDARD,
    a_disk,
    a_job,
    a_policy,
    a_request,
    a_vault,
    a_vm,
    an_enhanced_policy,
    an_item,
    disk_id,
    some_content,
    the_vault,
)

CLONES = Target(clone=CloneOptions())


def plan(request: dict[str, Any] | None = None, **changes: Any) -> VaultPlan:
    """The plan of a vault with two ready VMs, an Enhanced one and a classic one."""
    facts: dict[str, Any] = {
        "vault": the_vault(),
        "items": [
            an_item("web-02"),
            an_item("web-01"),
            an_item("new-01", policy_id=ENHANCED, policy_type=PolicyType.ENHANCED),
            an_item("old-01", classic=True),
        ],
        "policies": [a_policy(), an_enhanced_policy()],
        "running_jobs": [],
        "machines": [a_vm("web-01"), a_vm("web-02"), a_vm("new-01")],
        "disks": [],
        "price": Price(per_gb_month=Decimal("0.05"), currency="USD", source=PriceSource.REQUEST),
        **changes,
    }
    return plan_vault(a_vault(), VaultFacts(**facts), a_request(**(request or {})))


def verdicts(made: VaultPlan) -> list[tuple[str, ItemState, str]]:
    """Name, state and reason of every VM."""
    return [(record.vm_name, record.state, record.reason) for record in made.records]


def hash_of(made: VaultPlan, **changes: Any) -> str:
    """The hash of a plan, or of one that differs in something."""
    parts: dict[str, Any] = {"records": made.records, "targets": made.targets, "sources": made.sources, **changes}
    return hash_vault_plan(**parts)


def test_every_vm_gets_a_verdict() -> None:
    """Each item of the vault is in the plan once, in its initial state, with the reason where it does not move."""
    assert verdicts(plan()) == [
        ("new-01", ItemState.ALREADY_ENHANCED, "AlreadyEnhanced"),
        ("old-01", ItemState.BLOCKED, "ClassicVm"),
        ("web-01", ItemState.PLANNED, ""),
        ("web-02", ItemState.PLANNED, ""),
    ]
    assert Tally().plus(plan().records) == Tally(
        states={"AlreadyEnhanced": 1, "Blocked": 1, "Planned": 2},
        reasons={"AlreadyEnhanced": 1, "ClassicVm": 1},
    )


def test_ids_are_joined_whatever_their_casing() -> None:
    """Item, policy, VM, disk and job meet although the service spells their ids differently."""
    odd = an_item("web-01", policy_id=a_policy().id.upper(), vm_id=a_vm("web-01").id.lower())
    [record] = plan(
        items=[odd],
        running_jobs=[a_job("web-01", operation="Backup")],
        machines=[a_vm("web-01", disks=(disk_id("q").upper(),))],
        disks=[a_disk("q", shared=True)],
    ).records
    assert [finding.code for finding in record.findings] == ["SharedDisk", "BackupJobRunning"]


def test_what_the_selection_leaves_out_is_told_not_hidden() -> None:
    """Every VM of the vault stays in the plan; those not meant are Excluded and say by what."""
    made = plan(request={"items": Selection(include=("web-*", "old-*"), exclude=("*-02",))})
    assert verdicts(made)[1:] == [
        ("old-01", ItemState.BLOCKED, "ClassicVm"),
        ("web-01", ItemState.PLANNED, ""),
        ("web-02", ItemState.EXCLUDED, "Excluded"),
    ]
    assert made.records[3].message == "excluded by *-02"
    assert made.matched == ("$.items.include[0]", "$.items.include[1]", "$.items.exclude[0]")


def test_a_clone_is_planned_from_its_source() -> None:
    """Clones are named after their source and made only when the migration runs; what stands already is used."""
    [target] = plan(request={"target": CLONES}).targets
    assert (target.name, target.made_from) == ("DefaultPolicy-enhanced", "DefaultPolicy")

    standing = an_enhanced_policy(id=f"{STANDARD}-enhanced", name="defaultpolicy-ENHANCED")
    made = plan(request={"target": CLONES}, policies=[a_policy(), an_enhanced_policy(), standing])
    assert made.targets == (PlannedTarget(name=target.name, fingerprint=target.fingerprint),)
    assert made.records[2].target_policy_id == f"{STANDARD}-enhanced"


def test_a_policy_that_took_a_clones_name_blocks() -> None:
    """Nothing is moved to a policy that only looks like the planned one."""
    other = an_enhanced_policy(
        id=f"{STANDARD}-enhanced",
        name="DefaultPolicy-enhanced",
        content=some_content(policy_type=PolicyType.ENHANCED, instant_restore_days=7),
    )
    made = plan(request={"target": CLONES}, policies=[a_policy(), an_enhanced_policy(), other])
    assert verdicts(made)[2] == ("web-01", ItemState.BLOCKED, "TargetDiffers")


def test_a_map_names_a_target_for_each_source() -> None:
    """A source policy that the map does not name has no target, and says so."""
    mapped = Target(policies={"defaultpolicy": "EnhancedPolicy"})
    assert verdicts(plan(request={"target": mapped}))[2:] == verdicts(plan())[2:]

    other = plan(request={"target": Target(policies={"Gold": "EnhancedPolicy"})}).records[2]
    assert (other.reason, other.message) == (
        "TargetNotFound",
        "the request maps no Enhanced policy to DefaultPolicy",
    )


def test_the_quotas_see_the_plan_as_a_whole() -> None:
    """Members that a target has already and those that would come count together; blocked VMs do not."""
    many = [an_item(f"vm-{n:03}") for n in range(60)]
    machines = [a_vm(f"vm-{n:03}") for n in range(60)]
    full = plan(items=many, machines=machines, members={"enhancedpolicy": 41})
    fits = plan(items=many, machines=machines[:59], members={"enhancedpolicy": 41})
    assert {finding.code for record in full.records for finding in record.findings} == {"PolicyFull"}
    assert {finding.code for record in fits.records for finding in record.findings} == {"VmNotFound"}


@pytest.mark.parametrize(
    ("target", "names"),
    [
        (Target(policy_name="enhancedpolicy"), ["EnhancedPolicy"]),
        (Target(policy_name="Nothing"), []),
        (Target(policies={"DefaultPolicy": "EnhancedPolicy"}), ["EnhancedPolicy"]),
        (CLONES, []),
    ],
)
def test_only_targets_that_stand_are_counted(target: Target, names: list[str]) -> None:
    """A policy's members are a call of their own, so only those of targets are asked for."""
    assert standing_targets(target, [an_item()], [a_policy(), an_enhanced_policy()]) == names


def test_an_enhanced_policy_is_not_cloned_again() -> None:
    """A VM that has moved is not shown a target to move to."""
    assert choose(CLONES, an_enhanced_policy(), []).target is None


def test_a_vm_without_a_policy_has_no_clone() -> None:
    """Stopped items have no source to derive from."""
    assert choose(CLONES, None, [a_policy()]).target is None


def test_the_hash_does_not_depend_on_order_or_on_what_passes_by_itself() -> None:
    """The same plan read again, while a backup job runs, is the same plan."""
    first, again = plan(), plan(running_jobs=[a_job("web-01")])
    one, other = (hash_of(made, records=made.records[::way]) for made, way in ((first, 1), (again, -1)))
    assert one == other


def test_the_hash_changes_with_everything_that_was_decided() -> None:
    """Another verdict, another policy, another VM or an edited target is another plan."""
    made = plan()
    web = made.records[2]
    others = [
        hash_of(made, records=made.records[:3]),
        hash_of(made, targets=(msgspec.structs.replace(made.targets[0], fingerprint="edited"),)),
        hash_of(made, sources={"DefaultPolicy": "edited"}),
        *(
            hash_of(made, records=[*made.records[:2], msgspec.structs.replace(web, **{name: "other"}), made.records[3]])
            for name in ("source_policy_id", "target_policy_id", "vm_id", "state")
        ),
    ]
    assert len({hash_of(made), *others}) == 1 + len(others)


def test_the_whole_plan_is_the_sum_of_its_vaults() -> None:
    """The migration's hash changes with any vault's and not with their order."""
    assert hash_plan({"a": "1", "b": "2"}) == hash_plan({"b": "2", "a": "1"})
    assert hash_plan({"a": "1", "b": "2"}) != hash_plan({"a": "2", "b": "1"})
