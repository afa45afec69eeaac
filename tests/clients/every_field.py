"""Every kind of record that the ledger keeps, once at its defaults and once with every field set."""

from datetime import UTC, datetime
from decimal import Decimal

from migration.cost import CostRange, Price, PriceSource, add_up
from migration.limits import LimitChanges, Limits, Share
from migration.model import Finding, Severity
from migration.records import (
    Cancellation,
    Decision,
    Intervention,
    ItemRecord,
    ItemState,
    MigrationRecord,
    MigrationState,
    PlannedTarget,
    PlanSummary,
    Shares,
    VaultRecord,
)
from tests.builders import NOW, a_migration, a_record, a_request, a_vault

PRICE = Price(per_gb_month=Decimal("0.05"), currency="USD", source=PriceSource.SHIPPED_TABLE, as_of=NOW.date())
COST = CostRange(low=Decimal("1.10"), high=Decimal("6.9120"), currency="USD")
FINDING = Finding(code="BackupJobRunning", severity=Severity.WAITS, message='It\'s "busy"', remedy="Wait.\nOr not.")
Record = ItemRecord | VaultRecord | MigrationRecord | Shares

RECORDS: dict[str, Record] = {
    "an item at its defaults": a_record(),
    "an item with every field set": a_record(
        state=ItemState.MIGRATED,
        findings=(FINDING, FINDING),
        reason="NotVerified",
        message="line one\r\nline two",
        warnings=("one", "two, 'quoted'"),
        verdict=ItemState.BLOCKED,
        cost=COST,
        excluded_disks='{"diskLunList":[1]}',
        tries=2,
        conflict_since=NOW,
        operation_id="operation-1",
        job_id="job-1",
        claimed_at=NOW,
        written_at=datetime(2026, 11, 2, 8, 0, 0, 123456, tzinfo=UTC),
        settled_at=datetime.max.replace(tzinfo=UTC),
        uncounted=True,
        etag="W/\"datetime'2026'\"",
    ),
    "a vault at its defaults": a_vault(),
    "a vault with every field set": a_vault(
        surveyed=True,
        finished=True,
        problem="403 AuthorizationFailed",
        halted="5 VMs of this vault failed",
        halted_at=NOW,
        plan=PlanSummary(verdicts={"Planned/": 7}, findings={"TrustedLaunch": 1}, estimate=add_up([COST, None], PRICE)),
        targets=(PlannedTarget(name="Gold-enhanced", fingerprint="f" * 64, made_from="Gold"),),
        sources={"Gold": "e" * 64},
        matched=("$.items.include[0]",),
        plan_hash="p" * 64,
        vms=8,
        counts={"Planned": 7, "Blocked": 1},
        reasons={"RetentionShrinks": 1},
        checked_at=NOW,
        quiet_looks=3,
        unreadable_since=NOW,
        policies_refused_since=NOW,
        etag="e",
    ),
    "a migration at its defaults": a_migration(),
    "a migration with every field set": a_migration(
        state=MigrationState.HALTED,
        request=a_request(id="m1", approval="none", limits=LimitChanges(poll_seconds=60, ramp=(1, 2))),
        limits=Limits(poll_seconds=60, ramp=(1, 2), stop_after_failures_percent=3),
        requester="Zoë",
        started_at=NOW,
        planned=7,
        plan_hash="p" * 64,
        approval_deadline=NOW,
        decision=Decision(approved=True, plan_hash="p" * 64, approver="Zoë", comment="Go 🚀", decided_at=NOW),
        cancellation=Cancellation(by="Zoë", cancel_jobs=True, at=NOW),
        interventions=(
            Intervention(what="limits", by="Zoë", comment="", at=NOW, limits=LimitChanges(max_concurrent=5)),
        ),
        problem="5 VMs of this vault failed",
        ended_at=NOW,
        told=MigrationState.AWAITING_APPROVAL,
        etag="e",
    ),
    "shares of nobody": Shares(migration_id="m1"),
    "shares of two vaults": Shares(
        migration_id="m1", vaults={"a": Share(in_flight=1, migrated=2, failed=3), "b": Share()}, etag="e"
    ),
}
