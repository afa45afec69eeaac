"""Every rule of the preflight table, on a VM that trips it and on one that does not."""

from decimal import Decimal
from typing import Any

import pytest

from migration.cost import CostRange
from migration.model import PolicyType, Retention, Schedule, Severity
from migration.preflight import RULES, Facts, Load, blocking, inspect, inspect_live
from tests.builders import (
    a_disk,
    a_job,
    a_policy,
    a_vm,
    an_enhanced_policy,
    an_item,
    some_content,
    the_vault,
)

SHORTER = an_enhanced_policy(retention=Retention(daily=7))
SHORT_VAULTED = an_enhanced_policy(retention=Retention(daily=2))
WEEKLY_TARGET = an_enhanced_policy(
    content=some_content(
        policy_type=PolicyType.ENHANCED,
        schedule=Schedule(frequency="Weekly", run_times=("2024-04-28T16:30:00Z",), run_days=("Sunday",)),
    )
)
LOSS = "daily recovery points are kept 30 days now, 7 days by the target"
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
    "VmFailedState": ({"vm": a_vm(provisioning_state="Failed")}, "Failed"),
    "UnmanagedDisks": ({"vm": a_vm(managed_disks=False)}, "page blob"),
    "SharedDisk": ({"disks": (a_disk(), a_disk("quorum", shared=True))}, "shared disks: quorum"),
    "DiskUnknown": ({"unseen_disks": ("quorum",)}, "quorum"),
    "SourcePolicyUnknown": ({"source": None}, "DefaultPolicy is not in its vault's list"),
    "TargetNotFound": ({"target": None, "standing": None}, "no policy EnhancedPolicy"),
    "TargetNotEnhanced": ({"target": a_policy(), "standing": a_policy()}, "EnhancedPolicy is a Standard policy"),
    "TargetDiffers": (
        {"standing": an_enhanced_policy(content=some_content(time_zone="Tokyo Standard Time"))},
        "EnhancedPolicy exists and is not the Enhanced equal of DefaultPolicy",
    ),
    "RetentionShrinks": (
        {"source": a_policy(retention=Retention(daily=90, weekly=84))},
        "daily recovery points are kept 90 days now, 30 days by the target; "
        "weekly recovery points are kept 84 days now, nothing by the target",
    ),
    "RetentionLossAccepted": (
        {"target": SHORTER, "standing": SHORTER, "retention_loss_accepted": True},
        f"accepted in the request: {LOSS}",
    ),
    "VaultImmutable": (
        {"target": SHORTER, "standing": SHORTER, "vault": the_vault(immutable=True), "retention_loss_accepted": True},
        "immutable",
    ),
    "ResourceGuardApprovalNeeded": (
        {"vault": the_vault(guarded=True), "source": a_policy(content=some_content(instant_restore_days=5))},
        "snapshots are kept 5 days now, 2 by the target",
    ),
    "InstantRestoreExceedsRetention": (
        {"source": a_policy(retention=Retention(daily=2)), "target": SHORT_VAULTED, "standing": SHORT_VAULTED},
        "snapshots would be kept 2 days, vaulted recovery points 2",
    ),
    "SnapshotDaysOutOfRange": (
        {"target": WEEKLY_TARGET, "standing": None},
        "snapshots would be kept 2 days; its weekly schedule allows 5 to 20",
    ),
    "PolicyWriteQuota": ({"load": Load(new_policies=51, members={})}, "51 policies would be made"),
    "PolicyFull": ({"load": Load(members={"enhancedpolicy": (60, 41)})}, "would protect 101 VMs"),
    "VaultDailyQuota": ({"load": Load(changes=1001, members={})}, "1001 VMs of this vault"),
    "BackupJobRunning": ({"running_job": a_job(operation="Backup")}, "a Backup job has run since 2026-11-02 07:30 UTC"),
    "LastBackupFailed": ({"item": an_item(last_backup_status="Failed")}, "the last backup ended as Failed"),
    "HealthActionRequired": (
        {"item": an_item(health=("UserErrorGuestAgentVersionUnsupported",))},
        "UserErrorGuestAgentVersionUnsupported",
    ),
    "CostIncrease": (
        {"cost": CostRange(low=Decimal("-0.5"), high=Decimal("6.912"), currency="USD")},
        "-0.50 to +6.91 USD a month",
    ),
    "DiskExclusions": ({"item": an_item(excluded_disks='{"diskLunList":[1]}')}, '{"diskLunList":[1]}'),
    "TrustedLaunch": ({"vm": a_vm(trusted_launch=True)}, "Trusted Launch"),
}
WITH_OTHERS = {"VaultImmutable": {"RetentionLossAccepted"}}
"""Rules that can't be tripped alone, and what comes with them."""


def facts(**changes: Any) -> Facts:
    """A VM that may move."""
    plain: dict[str, Any] = {
        "item": an_item(),
        "vm": a_vm(),
        "disks": (a_disk(),),
        "source": a_policy(),
        "target": an_enhanced_policy(),
        "standing": an_enhanced_policy(),
        "target_name": "EnhancedPolicy",
        "vault": the_vault(),
        "load": Load(changes=1000, new_policies=50, members={"enhancedpolicy": (60, 40)}),
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

    assert {finding.code for finding in findings} == {code} | WITH_OTHERS.get(code, set())
    [message] = [finding.message for finding in findings if finding.code == code]
    assert evidence in message
    assert all(finding.remedy for finding in findings)


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
