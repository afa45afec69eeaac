"""Every rule of the preflight table, on a VM that trips it and on one that does not."""

from typing import Any

import pytest

from migration.model import PolicyType, Retention, Severity
from migration.preflight import RULES, Facts, blocking, inspect, inspect_live
from tests.builders import a_job, a_policy, a_vm, an_enhanced_policy, an_item

TRIPS: dict[str, tuple[dict[str, Any], str]] = {
    "AlreadyEnhanced": ({"source": an_enhanced_policy()}, "Enhanced policy EnhancedPolicy"),
    "ClassicVm": ({"item": an_item(classic=True), "vm": None}, "classic"),
    "SoftDeleted": (
        {"item": an_item(soft_deleted=True, protection_state="ProtectionStopped", policy_id=""), "source": None},
        "soft-deleted",
    ),
    "ProtectionStopped": (
        {"item": an_item(protection_state="ProtectionStopped", policy_id=""), "source": None},
        "ProtectionStopped",
    ),
    "ProtectionError": ({"item": an_item(protection_state="ProtectionError")}, "ProtectionError"),
    "InitialBackupPending": ({"item": an_item(protection_state="IRPending")}, "first backup"),
    "VmNotFound": ({"vm": None}, "virtualMachines/web-01"),
    "UnmanagedDisks": ({"vm": a_vm(managed_disks=False)}, "page blob"),
    "SourcePolicyUnknown": ({"source": None}, "DefaultPolicy is not in its vault's list"),
    "TargetNotFound": ({"target": None}, "no policy EnhancedPolicy"),
    "TargetNotEnhanced": ({"target": a_policy()}, "EnhancedPolicy is a Standard policy"),
    "RetentionShrinks": (
        {"source": a_policy(retention=Retention(daily=90, weekly=84))},
        "daily recovery points are kept 90 days now, 30 days by the target; "
        "weekly recovery points are kept 84 days now, nothing by the target",
    ),
    "BackupJobRunning": ({"running_job": a_job(operation="Backup")}, "a Backup job has run since 2026-11-02 07:30 UTC"),
}


def facts(**changes: Any) -> Facts:
    """A VM that may move."""
    plain: dict[str, Any] = {
        "item": an_item(),
        "vm": a_vm(),
        "source": a_policy(),
        "target": an_enhanced_policy(),
        "target_name": "EnhancedPolicy",
    }
    return Facts(**{**plain, **changes})


def test_a_ready_vm_has_no_finding() -> None:
    """The row that passes: a protected VM with managed disks, on a Standard policy that keeps no more."""
    assert inspect(facts()) == ()


@pytest.mark.parametrize("code", [rule.code for rule in RULES])
def test_each_rule_finds_what_it_is_for(code: str) -> None:
    """A VM in a rule's condition gets that finding and no other, with the evidence in its message."""
    changes, evidence = TRIPS[code]

    findings = inspect(facts(**changes))

    assert [finding.code for finding in findings] == [code]
    assert evidence in findings[0].message
    assert findings[0].remedy


def test_the_table_has_a_row_here_for_every_rule() -> None:
    """A new rule needs a test of its own."""
    assert set(TRIPS) == {rule.code for rule in RULES}


def test_a_vm_that_needs_no_move_gets_no_other_finding() -> None:
    """An Enhanced item's troubles are not this migration's business."""
    stopped = facts(source=an_enhanced_policy(), item=an_item(protection_state="IRPending"), vm=None)
    assert [finding.code for finding in inspect(stopped)] == ["AlreadyEnhanced"]


def test_the_policy_wins_over_what_the_item_says_of_its_type() -> None:
    """Older api-versions leave the item's policyType out, so the policy decides."""
    item = an_item(policy_type=PolicyType.ENHANCED)
    assert inspect(facts(item=item)) == ()


def test_only_blocking_findings_block() -> None:
    """A running job makes a VM wait; it does not take it out of the plan."""
    findings = inspect(facts(running_job=a_job()))
    assert findings[0].severity is Severity.WAITS
    assert blocking(findings) is None


def test_the_live_gate_asks_what_the_item_alone_can_tell() -> None:
    """Just before the write the item is read again, not its VM or its policies."""
    assert inspect_live(an_item()) == ()
    assert [finding.code for finding in inspect_live(an_item(soft_deleted=True))] == ["SoftDeleted"]
