"""The plan of a vault and its hash."""

from typing import Any

import msgspec

from migration.model import PolicyType
from migration.plan import VaultFacts, hash_plan, hash_vault_plan, plan_vault, tally
from migration.records import ItemRecord, ItemState
from tests.builders import ENHANCED, a_job, a_policy, a_vault, a_vm, an_enhanced_policy, an_item


def planned(**changes: object) -> list[ItemRecord]:
    """The plan of a vault with a ready VM, an Enhanced one and a classic one."""
    facts: dict[str, Any] = {
        "items": [
            an_item("web-02"),
            an_item("web-01"),
            an_item("new-01", policy_id=ENHANCED, policy_type=PolicyType.ENHANCED),
            an_item("old-01", classic=True),
        ],
        "policies": [a_policy(), an_enhanced_policy()],
        "running_jobs": [],
        "machines": [a_vm("web-01"), a_vm("web-02"), a_vm("new-01")],
        **changes,
    }
    return plan_vault(a_vault(), VaultFacts(**facts), "enhancedpolicy")


def test_every_vm_gets_a_verdict() -> None:
    """Each item of the vault is in the plan once, in its initial state, with the reason where it does not move."""
    assert [(record.vm_name, record.state, record.reason) for record in planned()] == [
        ("new-01", ItemState.ALREADY_ENHANCED, "AlreadyEnhanced"),
        ("old-01", ItemState.BLOCKED, "ClassicVm"),
        ("web-01", ItemState.PLANNED, ""),
        ("web-02", ItemState.PLANNED, ""),
    ]
    assert tally(planned()) == (
        {"AlreadyEnhanced": 1, "Blocked": 1, "Planned": 2},
        {"AlreadyEnhanced": 1, "ClassicVm": 1},
    )


def test_ids_are_joined_whatever_their_casing() -> None:
    """Item, policy, VM and job meet although the service spells their ids differently."""
    odd = an_item("web-01", policy_id=a_policy().id.upper(), vm_id=a_vm("web-01").id.lower())
    [record] = planned(items=[odd], running_jobs=[a_job("web-01", operation="Backup")])
    assert record.state is ItemState.PLANNED
    assert [finding.code for finding in record.findings] == ["BackupJobRunning"]


def test_the_hash_does_not_depend_on_order_or_on_what_passes_by_itself() -> None:
    """The same plan read again, while a backup job runs, is the same plan."""
    target = an_enhanced_policy()
    again = planned(running_jobs=[a_job("web-01")])
    assert hash_vault_plan(planned(), target) == hash_vault_plan(list(reversed(again)), target)


def test_the_hash_changes_with_everything_that_was_decided() -> None:
    """Another verdict, another policy, another VM or an edited target is another plan."""
    plan, target = planned(), an_enhanced_policy()
    web = plan[2]
    others = [
        hash_vault_plan(plan[:3], target),
        hash_vault_plan(plan, an_enhanced_policy(fingerprint="edited")),
        *(
            hash_vault_plan([*plan[:2], msgspec.structs.replace(web, **{name: "other"}), plan[3]], target)
            for name in ("source_policy_id", "target_policy_id", "vm_id", "state")
        ),
    ]
    assert len({hash_vault_plan(plan, target), *others}) == 1 + len(others)


def test_the_whole_plan_is_the_sum_of_its_vaults() -> None:
    """The migration's hash changes with any vault's and not with their order."""
    assert hash_plan({"a": "1", "b": "2"}) == hash_plan({"b": "2", "a": "1"})
    assert hash_plan({"a": "1", "b": "2"}) != hash_plan({"a": "2", "b": "1"})
