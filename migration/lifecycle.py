"""What state a migration goes to next, from its record, its vaults and the hour. Items and jobs live in cycle.py."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from migration.cost import Estimate, exceeds, total
from migration.plan import hash_plan
from migration.records import MOVING, ItemState, MigrationRecord, MigrationState, VaultRecord, halts_of
from migration.scope import unmatched


def advance(record: MigrationRecord, vaults: Sequence[VaultRecord], now: datetime) -> MigrationRecord:
    """The record as it should be now; the same record where nothing has changed.

    Planning ends when every vault is surveyed, the wait for approval when somebody decided or the deadline passed,
    running when every vault's controller has finished. Ended migrations stay as they are. What people do to it in
    between is in migration.interventions.
    """
    if record.state is MigrationState.PLANNING:
        return _close_plan(record, vaults, now)
    if record.state is MigrationState.AWAITING_APPROVAL:
        return _heed_decision(record, now)
    if record.state in MOVING:
        return _close_run(record, vaults, now)
    return record


def fail(record: MigrationRecord, problem: str, now: datetime) -> MigrationRecord:
    """The record after something that no rule expects; an ended migration stays as it is."""
    return record if record.ended else record.to(MigrationState.FAILED, problem=problem, ended_at=now)


def _close_plan(record: MigrationRecord, vaults: Sequence[VaultRecord], now: datetime) -> MigrationRecord:
    problems = [f"{vault.vault_id}: {vault.problem}" for vault in vaults if vault.surveyed and vault.problem]
    if problems:
        # A plan with a hole is no plan: a mistyped vault must not look like an empty success.
        return fail(record, "; ".join(problems[:20]), now)
    if not all(vault.surveyed for vault in vaults):
        return record
    nothing = unmatched(record.request, (path for vault in vaults for path in vault.matched))
    if nothing:
        return fail(record, "; ".join(f"{problem.path}: {problem.message}" for problem in nothing[:20]), now)
    plan_hash = hash_plan({vault.vault_key: vault.plan_hash for vault in vaults})
    planned = sum(vault.counts.get(ItemState.PLANNED, 0) for vault in vaults)
    too_much = over_budget(record, vaults)
    if record.request.mode == "plan" or not planned:
        note = too_much if planned else "no VM is left to move"
        return record.to(MigrationState.COMPLETED, plan_hash=plan_hash, planned=planned, problem=note, ended_at=now)
    if too_much:
        return record.to(MigrationState.FAILED, plan_hash=plan_hash, planned=planned, problem=too_much, ended_at=now)
    if record.request.approval == "none":
        return record.to(MigrationState.RUNNING, plan_hash=plan_hash, planned=planned, started_at=now)
    deadline = now + timedelta(hours=record.request.approval_timeout_hours)
    return record.to(MigrationState.AWAITING_APPROVAL, plan_hash=plan_hash, planned=planned, approval_deadline=deadline)


def over_budget(record: MigrationRecord, vaults: Sequence[VaultRecord]) -> str:
    """Why the plan costs more than the request's budget; empty where it does not, or where there is none."""
    if record.request.budget is None:
        return ""
    whole = estimate_of(vaults, record.request.cost.currency)
    if whole.vms_without_size:
        return f"{whole.vms_without_size} VMs have disks of unknown size, which no budget can be held against"
    return exceeds(whole.monthly_change, record.request.budget) or ""


def estimate_of(vaults: Sequence[VaultRecord], currency: str) -> Estimate:
    """What the whole plan does to the monthly bill."""
    return total([vault.plan.estimate for vault in vaults if vault.plan.estimate], currency)


def _heed_decision(record: MigrationRecord, now: datetime) -> MigrationRecord:
    if record.decision is None:
        if record.approval_deadline and now >= record.approval_deadline:
            return record.to(MigrationState.REJECTED, problem="nobody decided on the plan in time", ended_at=now)
        return record
    if record.decision.approved and record.decision.plan_hash == record.plan_hash:
        return record.to(MigrationState.RUNNING, started_at=now)
    return record.to(MigrationState.REJECTED, problem=f"rejected by {record.decision.approver}", ended_at=now)


def _close_run(record: MigrationRecord, vaults: Sequence[VaultRecord], now: datetime) -> MigrationRecord:
    if not all(vault.finished for vault in vaults):
        return record
    if record.cancellation:
        return record.to(MigrationState.CANCELLED, problem=f"cancelled by {record.cancellation.by}", ended_at=now)
    if halted := halts_of(vaults):
        return record.to(MigrationState.HALTED, problem=halted, ended_at=now)
    return record.to(MigrationState.COMPLETED, ended_at=now)
