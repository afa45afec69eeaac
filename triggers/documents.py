"""What the HTTP API answers, as types: the status of a migration, its items, and problems (RFC 9457)."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from migration.compare import Difference
from migration.cost import CostRange, basis
from migration.lifecycle import estimate_of, over_budget
from migration.limits import Limits
from migration.model import Finding, Instant, Severity, Value
from migration.preflight import RULES
from migration.progress import Progress, next_action, progress
from migration.records import (
    Cancellation,
    Decision,
    Intervention,
    ItemRecord,
    ItemState,
    MigrationRecord,
    MigrationState,
    PlannedTarget,
    VaultRecord,
)
from migration.remedies import remedy_of, retryable
from migration.request import MigrationRequest, Problem


class VaultStatus(Value, frozen=True):
    """One vault in a migration. `key` is how the items list names it."""

    key: str
    vault_id: str
    items: dict[str, int]
    reasons: dict[str, int]
    finished: bool
    problem: str
    halted: str
    checked_at: Instant | None


class Links(Value, frozen=True):
    """Absolute URLs, without keys."""

    self: str
    items: str
    plan: str
    approve: str
    reject: str
    pause: str
    resume: str
    cancel: str
    limits: str
    retry: str


class MigrationStatus(Value, frozen=True):
    """A migration as it stands: `items` counts VMs by state, `reasons` by why they ended or never started.

    `next_action` says what an operator should do now.
    """

    id: str
    state: MigrationState
    mode: str
    request: MigrationRequest
    limits: Limits
    requested_at: Instant
    requester: str
    ended_at: Instant | None
    plan_hash: str
    approval_deadline: Instant | None
    decision: Decision | None
    cancellation: Cancellation | None
    interventions: tuple[Intervention, ...]
    problem: str
    next_action: str
    progress: Progress
    items: dict[str, int]
    reasons: dict[str, int]
    vaults: tuple[VaultStatus, ...]
    links: Links


class MigrationSummary(Value, frozen=True):
    """A migration in a list. `vaults` is how many, `link` its status."""

    id: str
    state: MigrationState
    mode: str
    requested_at: Instant
    requester: str
    ended_at: Instant | None
    vaults: int
    items: dict[str, int]
    problem: str
    link: str


class MigrationList(Value, frozen=True):
    """Migrations, the latest request first; `next_link` is empty on the last page."""

    migrations: tuple[MigrationSummary, ...]
    next_link: str


class ItemStatus(Value, frozen=True):
    """One VM in a migration. Times are the service's clock; `retryable` where a retry would take it up again."""

    migration_id: str
    vault_key: str
    name: str
    vm_name: str
    item_id: str
    vm_id: str
    state: ItemState
    reason: str
    message: str
    remedy: str
    retryable: bool
    warnings: tuple[str, ...]
    findings: tuple[Finding, ...]
    verdict: ItemState
    cost: CostRange | None
    source_policy: str
    target_policy: str
    operation_id: str
    job_id: str
    written_at: Instant | None
    settled_at: Instant | None


class ItemList(Value, frozen=True):
    """A page of items; `next_link` is empty on the last."""

    items: tuple[ItemStatus, ...]
    next_link: str


class ItemHistory(Value, frozen=True):
    """What every migration that planned a VM made of it, the latest first."""

    items: tuple[ItemStatus, ...]


class HealthCheck(Value, frozen=True):
    """Whether something the app needs answers, and what it said where it does not."""

    name: str
    ok: bool
    detail: str


class Health(Value, frozen=True):
    """Whether the app can work."""

    status: Literal["ok", "failing"]
    checks: tuple[HealthCheck, ...]


class VerdictGroup(Value, frozen=True):
    """How many VMs share a verdict and its reason."""

    verdict: ItemState
    reason: str
    vms: int


class FindingGroup(Value, frozen=True):
    """How many VMs a rule found something on."""

    code: str
    severity: Severity
    remedy: str
    vms: int


class VaultPlan(Value, frozen=True):
    """A vault's part of the plan."""

    key: str
    vault_id: str
    verdicts: tuple[VerdictGroup, ...]
    targets: tuple[PlannedTarget, ...]
    monthly_change: CostRange | None


class PlanDocument(Value, frozen=True):
    """What would happen, why, and what it would cost: grouped, because people read reasons, not thousands of VMs."""

    id: str
    state: MigrationState
    plan_hash: str
    verdicts: tuple[VerdictGroup, ...]
    findings: tuple[FindingGroup, ...]
    monthly_change: CostRange
    cost_basis: tuple[str, ...]
    over_budget: str
    vaults: tuple[VaultPlan, ...]
    differences: tuple[Difference, ...] | None = None


class ProblemDocument(Value, frozen=True):
    """RFC 9457 problem details, with a list of what is wrong where."""

    title: str
    status: int
    detail: str = ""
    errors: tuple[Problem, ...] = ()
    type: str = "about:blank"


def migration_status(record: MigrationRecord, vaults: list[VaultRecord], url: str, now: datetime) -> MigrationStatus:
    """The status document, now, of a migration that lives at `url`."""
    return MigrationStatus(
        id=record.migration_id,
        state=record.state,
        mode=record.request.mode,
        request=record.request,
        limits=record.limits,
        requested_at=record.requested_at,
        requester=record.requester,
        ended_at=record.ended_at,
        plan_hash=record.plan_hash,
        approval_deadline=record.approval_deadline,
        decision=record.decision,
        cancellation=record.cancellation,
        interventions=record.interventions,
        problem=record.problem,
        next_action=next_action(record, vaults),
        progress=progress(record, vaults, now),
        items=_sum(vault.counts for vault in vaults),
        reasons=_sum(vault.reasons for vault in vaults),
        vaults=tuple(
            VaultStatus(
                key=vault.vault_key,
                vault_id=vault.vault_id,
                items=vault.counts,
                reasons=vault.reasons,
                finished=vault.finished,
                problem=vault.problem,
                halted=vault.halted,
                checked_at=vault.checked_at,
            )
            for vault in vaults
        ),
        links=Links(self=url, **{name: f"{url}/{name}" for name in Links.__struct_fields__ if name != "self"}),
    )


def plan_document(
    record: MigrationRecord, vaults: list[VaultRecord], differences: tuple[Difference, ...] | None
) -> PlanDocument:
    """The plan document of a migration, and how it differs from another plan where one was named."""
    rules = {rule.code: rule for rule in RULES}
    whole = estimate_of(vaults, record.request.cost.currency)
    return PlanDocument(
        id=record.migration_id,
        state=record.state,
        plan_hash=record.plan_hash,
        verdicts=_verdicts(_sum(vault.plan.verdicts for vault in vaults)),
        findings=tuple(
            FindingGroup(code=code, severity=rules[code].severity, remedy=rules[code].remedy, vms=vms)
            for code, vms in _sum(vault.plan.findings for vault in vaults).items()
            if code in rules  # the ledger outlives the rules; an old plan's items still carry what was found
        ),
        monthly_change=whole.monthly_change,
        cost_basis=basis(whole, record.request.cost),
        over_budget=over_budget(record, vaults),
        vaults=tuple(
            VaultPlan(
                key=vault.vault_key,
                vault_id=vault.vault_id,
                verdicts=_verdicts(vault.plan.verdicts),
                targets=vault.targets,
                monthly_change=vault.plan.estimate.monthly_change if vault.plan.estimate else None,
            )
            for vault in vaults
        ),
        differences=differences,
    )


def migration_summary(record: MigrationRecord, vaults: Iterable[VaultRecord], url: str) -> MigrationSummary:
    """A migration's line in a list; it lives at `url`."""
    return MigrationSummary(
        id=record.migration_id,
        state=record.state,
        mode=record.request.mode,
        requested_at=record.requested_at,
        requester=record.requester,
        ended_at=record.ended_at,
        vaults=len(record.vaults),
        items=_sum(vault.counts for vault in vaults),
        problem=record.problem,
        link=url,
    )


def _verdicts(groups: dict[str, int]) -> tuple[VerdictGroup, ...]:
    return tuple(
        VerdictGroup(verdict=ItemState(verdict), reason=reason, vms=vms)
        for group, vms in groups.items()
        for verdict, _, reason in [group.partition("/")]
    )


def item_status(record: ItemRecord) -> ItemStatus:
    """One VM's document."""
    return ItemStatus(
        migration_id=record.migration_id,
        vault_key=record.vault_key,
        name=record.item_name,
        vm_name=record.vm_name,
        item_id=record.item_id,
        vm_id=record.vm_id,
        state=record.state,
        reason=record.reason,
        message=record.message,
        remedy=remedy_of(record),
        retryable=retryable(record),
        warnings=record.warnings,
        findings=record.findings,
        verdict=record.verdict,
        cost=record.cost,
        source_policy=record.source_policy_id.rpartition("/")[2],
        target_policy=record.target_policy_id.rpartition("/")[2],
        operation_id=record.operation_id,
        job_id=record.job_id,
        written_at=record.written_at,
        settled_at=record.settled_at,
    )


def _sum(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    return dict(sorted(sum(map(Counter, counts), Counter[str]()).items()))
