"""What the HTTP API answers, as types: the status of a migration, its items, and problems (RFC 9457)."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

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

MigrationName = Annotated[str, Meta(description="The migration, by the id in its URL")]
NextLink = Annotated[str, Meta(description="URL of the next page; empty on the last")]
PlanHash = Annotated[str, Meta(description="Hash of the plan, which an approval names; empty before the plan is made")]
States = Annotated[dict[str, int], Meta(description="Numbers of VMs, by their state")]
Reasons = Annotated[
    dict[str, int], Meta(description="Numbers of VMs, by the reason why they ended as they did or never started")
]
VaultKey = Annotated[str, Meta(description="Short name of the vault: what the items list takes for `vault`")]
VaultPath = Annotated[str, Meta(description="Resource id of the vault")]
Vms = Annotated[int, Meta(description="How many VMs")]


class VaultStatus(Value, frozen=True):
    """One vault in a migration."""

    key: VaultKey
    vault_id: VaultPath
    items: States
    reasons: Reasons
    finished: Annotated[bool, Meta(description="Whether nothing more will happen in the vault")]
    problem: Annotated[str, Meta(description="What keeps the app from going on in the vault; empty where nothing does")]
    halted: Annotated[str, Meta(description="Why nothing more starts in the vault; empty where more may")]
    checked_at: Annotated[
        Instant | None, Meta(description="When the app last looked at the vault's jobs; null before it did")
    ]


class Links(Value, frozen=True):
    """Absolute URLs, without keys: what to GET, and what to POST to."""

    self: Annotated[str, Meta(description="GET the status again")]
    items: Annotated[str, Meta(description="GET the VMs")]
    plan: Annotated[str, Meta(description="GET the plan")]
    approve: Annotated[str, Meta(description="POST a yes to the plan")]
    reject: Annotated[str, Meta(description="POST a no to the plan")]
    pause: Annotated[str, Meta(description="POST to start nothing more for now")]
    resume: Annotated[str, Meta(description="POST to go on after a pause")]
    cancel: Annotated[str, Meta(description="POST to start nothing more for good")]
    limits: Annotated[str, Meta(description="POST other limits")]
    retry: Annotated[str, Meta(description="POST to try again what did not come through, once the migration has ended")]


class MigrationHead(Value, frozen=True):
    """What a migration's status and its line in a list begin with."""

    id: MigrationName
    state: Annotated[MigrationState, Meta(description="Where it is")]
    mode: Annotated[str, Meta(description="`plan` or `migrate`, as requested")]
    requested_at: Annotated[Instant, Meta(description="When it was asked for")]
    requester: Annotated[str, Meta(description="Who was signed in and asked for it; empty where nobody signs in")]
    ended_at: Annotated[Instant | None, Meta(description="When it ended; null while it goes on")]
    items: States
    problem: Annotated[str, Meta(description="Why it ended as it did, or what there is to know; empty if nothing")]


class MigrationStatus(MigrationHead, frozen=True):
    """A migration as it stands."""

    request: Annotated[MigrationRequest, Meta(description="What was asked for")]
    limits: Annotated[Limits, Meta(description="The limits in force")]
    plan_hash: PlanHash
    approval_deadline: Annotated[
        Instant | None,
        Meta(description="When it is Rejected unless somebody decides; null before the plan, and if nobody is asked"),
    ]
    decision: Annotated[Decision | None, Meta(description="What somebody said to the plan; null before that")]
    cancellation: Annotated[Cancellation | None, Meta(description="Who stopped it for good; null where nobody did")]
    interventions: Annotated[
        tuple[Intervention, ...], Meta(description="What people did to it since, the latest last; the last few only")
    ]
    next_action: Annotated[str, Meta(description="What its operator should do now, in a sentence")]
    progress: Annotated[Progress, Meta(description="How far it has come, and when it may end")]
    reasons: Reasons
    vaults: Annotated[tuple[VaultStatus, ...], Meta(description="Each of its vaults, by key")]
    links: Annotated[Links, Meta(description="Where to ask for more, and what may be done to it")]


class MigrationSummary(MigrationHead, frozen=True):
    """A migration in a list."""

    vaults: Annotated[int, Meta(description="How many vaults it has")]
    link: Annotated[str, Meta(description="URL of its status")]


class MigrationList(Value, frozen=True):
    """A page of migrations."""

    migrations: Annotated[tuple[MigrationSummary, ...], Meta(description="Some of them, the latest request first")]
    next_link: NextLink


class ItemStatus(Value, frozen=True):
    """One VM in a migration. Times are the service's clock."""

    migration_id: Annotated[str, Meta(description="Which migration")]
    vault_key: VaultKey
    name: Annotated[str, Meta(description="The VM's protected item, by its name in the vault, lower case")]
    vm_name: Annotated[str, Meta(description="Which VM, by its name in Azure")]
    item_id: Annotated[str, Meta(description="Resource id of the VM's protected item")]
    vm_id: Annotated[str, Meta(description="Resource id of the VM; empty where the item does not tell")]
    state: Annotated[ItemState, Meta(description="Where it is")]
    reason: Annotated[
        str, Meta(description="Code of why it ended as it did, or is not planned: Azure's or the app's; empty if none")
    ]
    message: Annotated[str, Meta(description="That reason in words; empty if there are none")]
    remedy: Annotated[str, Meta(description="What an operator can do about that reason; empty where nothing is known")]
    retryable: Annotated[bool, Meta(description="Whether a retry would take it up again")]
    warnings: Annotated[
        tuple[str, ...], Meta(description="What else happened to a VM that came through; empty: nothing")
    ]
    findings: Annotated[tuple[Finding, ...], Meta(description="What the plan's rules found on it; empty: nothing")]
    verdict: Annotated[ItemState, Meta(description="The state that its plan gave it")]
    cost: Annotated[
        CostRange | None,
        Meta(
            description="What its move does to the monthly bill for snapshots; "
            "null where it does not move, or where the size of its disks is not known"
        ),
    ]
    source_policy: Annotated[str, Meta(description="The policy it had when it was planned, by name; empty: none")]
    target_policy: Annotated[str, Meta(description="The policy it moves to, by name; empty: none was found")]
    operation_id: Annotated[str, Meta(description="Azure's id of the write's operation; empty where none is known")]
    job_id: Annotated[str, Meta(description="Azure Backup's id of the migration job; empty where none is known")]
    written_at: Annotated[Instant | None, Meta(description="When Azure took the write; null where it did not")]
    settled_at: Annotated[
        Instant | None, Meta(description="When it came to its end; null before that, and where its plan was the end")
    ]


class ItemList(Value, frozen=True):
    """A page of a migration's VMs."""

    items: Annotated[tuple[ItemStatus, ...], Meta(description="Some of them, by vault and name")]
    next_link: NextLink


class ItemHistory(Value, frozen=True):
    """What every migration that planned a VM made of it."""

    items: Annotated[tuple[ItemStatus, ...], Meta(description="The VM in each of them, the latest migration first")]


class HealthCheck(Value, frozen=True):
    """Whether something the app needs answers."""

    name: Annotated[str, Meta(description="What was asked: ledger, azure")]
    ok: Annotated[bool, Meta(description="Whether it answers the app's identity")]
    detail: Annotated[str, Meta(description="What it said where it does not; empty where it does")]


class Health(Value, frozen=True):
    """Whether the app can work."""

    status: Annotated[
        Literal["ok", "failing"], Meta(description="`ok`: all that was asked answers; `failing`: something does not")
    ]
    checks: Annotated[tuple[HealthCheck, ...], Meta(description="What was asked, one by one; empty: nothing was")]


class VerdictGroup(Value, frozen=True):
    """How many VMs share a verdict and its reason."""

    verdict: Annotated[ItemState, Meta(description="The state that the plan gave them")]
    reason: Annotated[str, Meta(description="Code of why; empty for VMs that are to move")]
    vms: Vms


class FindingGroup(Value, frozen=True):
    """How many VMs a rule found something on."""

    code: Annotated[str, Meta(description="Which rule")]
    severity: Annotated[Severity, Meta(description="What it means for those VMs")]
    remedy: Annotated[str, Meta(description="What an operator can do about it, or should know")]
    vms: Vms


class VaultPlan(Value, frozen=True):
    """A vault's part of the plan."""

    key: VaultKey
    vault_id: VaultPath
    verdicts: Annotated[tuple[VerdictGroup, ...], Meta(description="Its VMs in groups")]
    targets: Annotated[
        tuple[PlannedTarget, ...], Meta(description="The policies that its VMs move to; empty: none move")
    ]
    monthly_change: Annotated[
        CostRange | None,
        Meta(description="What that does to the monthly bill for snapshots; null before it is planned"),
    ]


class PlanDocument(Value, frozen=True):
    """What would happen, why, and what it would cost: grouped, because people read reasons, not thousands of VMs."""

    id: MigrationName
    state: Annotated[MigrationState, Meta(description="Where the migration is")]
    plan_hash: PlanHash
    verdicts: Annotated[tuple[VerdictGroup, ...], Meta(description="All VMs in groups")]
    findings: Annotated[tuple[FindingGroup, ...], Meta(description="What the rules found; empty: nothing")]
    monthly_change: Annotated[CostRange, Meta(description="What the plan does to the monthly bill for snapshots")]
    cost_basis: Annotated[tuple[str, ...], Meta(description="What that estimate rests on, a sentence each")]
    over_budget: Annotated[
        str, Meta(description="Why it costs more than the budget; empty where it does not, or where there is none")
    ]
    vaults: Annotated[tuple[VaultPlan, ...], Meta(description="The plan of each vault, by key")]
    differences: Annotated[
        tuple[Difference, ...] | None,
        Meta(description="What is not the same in the other plan; empty: nothing; null where none was named"),
    ] = None


class ProblemDocument(Value, frozen=True):
    """What went wrong, as RFC 9457 problem details."""

    title: Annotated[str, Meta(description="What went wrong, in a few words")]
    status: Annotated[int, Meta(description="The answer's HTTP status code")]
    detail: Annotated[str, Meta(description="More about it, or what to do; empty if there is no more")] = ""
    errors: Annotated[
        tuple[Problem, ...], Meta(description="What is wrong with the request, and where; empty if the request is not")
    ] = ()
    type: Annotated[str, Meta(description="A URI for the kind of problem; about:blank: its status code says it")] = (
        "about:blank"
    )


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
