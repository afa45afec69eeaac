"""The ledger's records: migrations, their vaults, their items; and the only ways their states may change."""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from migration.cost import CostRange, Estimate
from migration.limits import LimitChanges, Limits, Share, together
from migration.model import Finding, Instant, Value
from migration.request import MigrationRequest


class ItemState(StrEnum):
    """Where a VM is in its migration.

    `Planned`: it is to move; `Starting`: its write is on the way; `Migrating`: its job runs; `Migrated`: the job ended
    well and the item shows the target; `Failed`, `TimedOut`: the job failed, or was not over in time; `Blocked`: a
    finding forbids it; `Drifted`: it is no longer what the plan says; `Refused`: Azure declined the write; `Cancelled`:
    it was waiting when the migration stopped; `AlreadyEnhanced`: nothing to do; `Excluded`: the request leaves it out.
    """

    PLANNED = "Planned"
    STARTING = "Starting"
    MIGRATING = "Migrating"
    MIGRATED = "Migrated"
    FAILED = "Failed"
    TIMED_OUT = "TimedOut"
    BLOCKED = "Blocked"
    DRIFTED = "Drifted"
    REFUSED = "Refused"
    CANCELLED = "Cancelled"
    ALREADY_ENHANCED = "AlreadyEnhanced"
    EXCLUDED = "Excluded"


ITEM_TRANSITIONS: Mapping[ItemState, frozenset[ItemState]] = {
    ItemState.PLANNED: frozenset(
        {ItemState.STARTING, ItemState.BLOCKED, ItemState.DRIFTED, ItemState.REFUSED, ItemState.CANCELLED}
    ),
    ItemState.STARTING: frozenset({ItemState.MIGRATING, ItemState.REFUSED, ItemState.PLANNED}),
    ItemState.MIGRATING: frozenset({ItemState.MIGRATED, ItemState.FAILED, ItemState.TIMED_OUT}),
}
"""The only ways a VM's state may change; a state that is no key here is an end."""

IN_FLIGHT = frozenset({ItemState.STARTING, ItemState.MIGRATING})
FAILURES = frozenset({ItemState.FAILED, ItemState.TIMED_OUT, ItemState.REFUSED})


class MigrationState(StrEnum):
    """Where a migration is.

    `Planning`: its vaults are read; `AwaitingApproval`: somebody is to decide on its plan; `Running`: VMs move;
    `Paused`: nothing starts, jobs in flight are followed; `Halted`: too many VMs failed and the rest never started;
    `Completed`: every VM has its outcome, or the plan that was asked for is made; `Cancelled`: somebody stopped it;
    `Rejected`: somebody said no to its plan, or nobody yes in time; `Failed`: it could not go on.
    """

    PLANNING = "Planning"
    AWAITING_APPROVAL = "AwaitingApproval"
    RUNNING = "Running"
    PAUSED = "Paused"
    HALTED = "Halted"
    COMPLETED = "Completed"
    CANCELLED = "Cancelled"
    REJECTED = "Rejected"
    FAILED = "Failed"


MIGRATION_TRANSITIONS: Mapping[MigrationState, frozenset[MigrationState]] = {
    MigrationState.PLANNING: frozenset(
        {
            MigrationState.AWAITING_APPROVAL,
            MigrationState.RUNNING,
            MigrationState.COMPLETED,
            MigrationState.CANCELLED,
            MigrationState.FAILED,
        }
    ),
    MigrationState.AWAITING_APPROVAL: frozenset(
        {MigrationState.RUNNING, MigrationState.REJECTED, MigrationState.CANCELLED, MigrationState.FAILED}
    ),
    MigrationState.RUNNING: frozenset(
        {
            MigrationState.PAUSED,
            MigrationState.HALTED,
            MigrationState.COMPLETED,
            MigrationState.CANCELLED,
            MigrationState.FAILED,
        }
    ),
    MigrationState.PAUSED: frozenset(
        {
            MigrationState.RUNNING,
            MigrationState.HALTED,
            MigrationState.COMPLETED,
            MigrationState.CANCELLED,
            MigrationState.FAILED,
        }
    ),
}
"""The only ways a migration's state may change; a state that is no key here is an end."""


MOVING = frozenset({MigrationState.RUNNING, MigrationState.PAUSED})
"""A migration whose vaults have controllers."""


class ItemRecord(Value, frozen=True, omit_defaults=True):
    """One VM in one migration: what was planned, what was done, how it ended. Times are the service's clock.

    `verdict` is the state it was planned in, `container` how jobs name the VM's container, `tries` how many writes
    came to nothing, `conflict_since` when Azure first declined one because something else was at work on the VM,
    `uncounted` whether it has come to its end and its vault's counts do not have that yet.
    """

    migration_id: str
    vault_key: str
    item_name: str
    item_id: str
    container: str
    vm_id: str
    vm_name: str
    source_policy_id: str
    target_policy_id: str
    state: ItemState
    verdict: ItemState = ItemState.PLANNED
    cost: CostRange | None = None
    excluded_disks: str = ""
    findings: tuple[Finding, ...] = ()
    reason: str = ""
    message: str = ""
    warnings: tuple[str, ...] = ()
    tries: int = 0
    conflict_since: Instant | None = None
    operation_id: str = ""
    job_id: str = ""
    claimed_at: Instant | None = None
    written_at: Instant | None = None
    settled_at: Instant | None = None
    uncounted: bool = False
    etag: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to the VM in this migration."""
        return self.state not in ITEM_TRANSITIONS

    def to(self, state: ItemState, **changes: object) -> "ItemRecord":
        """The record in another state. Raises ValueError for a change that the transition table does not know."""
        if state not in ITEM_TRANSITIONS.get(self.state, frozenset()):
            raise ValueError(f"{self.item_name}: {self.state} can't become {state}")
        return msgspec.structs.replace(self, state=state, uncounted=state not in ITEM_TRANSITIONS, **changes)


class Tally(Value, frozen=True):
    """How many VMs are in each state, and how many carry each reason."""

    states: dict[str, int] = {}
    reasons: dict[str, int] = {}

    def plus(self, records: Iterable[ItemRecord]) -> "Tally":
        """With these VMs too."""
        states, reasons = Counter(self.states), Counter(self.reasons)
        for record in records:
            states[record.state.value] += 1
            reasons[record.reason] += bool(record.reason)
        return Tally(states=dict(sorted((+states).items())), reasons=dict(sorted((+reasons).items())))


class PlanSummary(Value, frozen=True):
    """A vault's plan in numbers: VMs by "verdict/reason" and by finding, and what the move does to the bill."""

    verdicts: dict[str, int] = {}
    findings: dict[str, int] = {}
    estimate: Estimate | None = None


class PlannedTarget(Value, frozen=True):
    """An Enhanced policy that VMs of a vault move to."""

    name: Annotated[str, Meta(description="The policy, by its name in the vault")]
    fingerprint: Annotated[str, Meta(description="Hash of what the policy says: no VM moves once that is another")]
    made_from: Annotated[
        str, Meta(description="The Standard policy whose Enhanced equal is to be made; empty where the policy exists")
    ] = ""


class VaultRecord(Value, frozen=True, omit_defaults=True):
    """One vault in one migration: its part of the plan, and where its controller stands.

    `sources` are the fingerprints of the policies that planned VMs are on, by name; `matched` what the request names
    and this vault has; `vms` how many VMs the plan has, `counts` and `reasons` what has become of them;
    `quiet_looks` how many looks in a row changed nothing.
    """

    migration_id: str
    vault_key: str
    vault_id: str
    surveyed: bool = False
    finished: bool = False
    problem: str = ""
    halted: str = ""
    halted_at: Instant | None = None
    plan: PlanSummary = PlanSummary()
    targets: tuple[PlannedTarget, ...] = ()
    sources: dict[str, str] = {}
    matched: tuple[str, ...] = ()
    plan_hash: str = ""
    vms: int = 0
    counts: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    reasons: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    checked_at: Instant | None = None
    quiet_looks: int = 0
    unreadable_since: Instant | None = None
    policies_refused_since: Instant | None = None
    etag: str = ""

    @property
    def ended(self) -> Tally:
        """The VMs that have come to their end, as far as they are counted."""
        states = {state: count for state, count in self.counts.items() if ItemState(state) not in ITEM_TRANSITIONS}
        return Tally(states=states, reasons=self.reasons)

    def counting(self, records: Iterable[ItemRecord]) -> "VaultRecord":
        """The record with these VMs counted too, which have come to their end."""
        counted = Tally(states=self.counts, reasons=self.reasons).plus(record for record in records if record.ended)
        return msgspec.structs.replace(self, counts=counted.states, reasons=counted.reasons)


def counts_of(vaults: Iterable[VaultRecord]) -> Counter[str]:
    """VMs by state, over all these vaults."""
    return sum((Counter(vault.counts) for vault in vaults), Counter[str]())


def halts_of(vaults: Iterable[VaultRecord]) -> str:
    """Why failures let nothing more start in vaults that had VMs left to start; empty where they do not."""
    halted = [f"{vault.vault_id}: {vault.halted}" for vault in vaults if vault.halted]
    return "; ".join(halted[:20])


class Shares(Value, frozen=True, omit_defaults=True):
    """What each vault of a migration counts for the limits that all its vaults share, by vault key.

    Whoever starts VMs counts them here first, so that the vaults together never exceed the limits. `halted` says why
    nothing more starts in any of them: once said it stays so, whatever becomes of the limits.
    """

    migration_id: str
    vaults: dict[str, Share] = {}
    halted: str = ""
    etag: str = ""

    def others(self, vault_key: str) -> Share:
        """The shares of all other vaults as one."""
        return together(share for key, share in self.vaults.items() if key != vault_key)


class Decision(Value, frozen=True):
    """A person's word on a plan."""

    approved: Annotated[bool, Meta(description="Whether it was a yes")]
    plan_hash: Annotated[str, Meta(description="Hash of the plan that was decided on")]
    approver: Annotated[str, Meta(description="Who decided")]
    comment: Annotated[str, Meta(description="Why; empty where nothing was said")]
    decided_at: Annotated[Instant, Meta(description="When the app was told")]


class Intervention(Value, frozen=True, omit_defaults=True):
    """What a person did to a migration meanwhile."""

    what: Annotated[
        Literal["pause", "resume", "cancel", "limits"],
        Meta(description="`pause`, `resume` or `cancel` the migration, or change its `limits`"),
    ]
    by: Annotated[str, Meta(description="Who did it")]
    comment: Annotated[str, Meta(description="Why; empty where nothing was said")]
    at: Annotated[Instant, Meta(description="When the app was told")]
    limits: Annotated[LimitChanges, Meta(description="The limits that were changed; empty if none were")] = (
        LimitChanges()
    )


class Cancellation(Value, frozen=True):
    """A person's word that nothing more is to start."""

    by: Annotated[str, Meta(description="Whose word it was")]
    cancel_jobs: Annotated[
        bool, Meta(description="Whether running jobs are to be cancelled too, where Azure allows it")
    ]
    at: Annotated[Instant, Meta(description="When the app was told")]


class Control(StrEnum):
    """What a migration's state means for its vaults."""

    GO = "go"
    HOLD = "hold"
    STOP = "stop"


class MigrationRecord(Value, frozen=True, omit_defaults=True):
    """One migration: the request as accepted and the vaults it meant then, its state, its plan's hash, who decided.

    `requester` is who was signed in, `started_at` when VMs began to move. `limits` are those in force, `planned` is the
    number of VMs to move, `interventions` the latest ones, `told` the stage that the world was last told of
    (migration.notices).
    """

    migration_id: str
    state: MigrationState
    request: MigrationRequest
    vaults: tuple[str, ...]
    requested_at: Instant
    requester: str = ""
    started_at: Instant | None = None
    limits: Limits = Limits()
    planned: int = 0
    plan_hash: str = ""
    approval_deadline: Instant | None = None
    decision: Decision | None = None
    cancellation: Cancellation | None = None
    interventions: tuple[Intervention, ...] = ()
    problem: str = ""
    ended_at: Instant | None = None
    told: str = ""
    etag: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state not in MIGRATION_TRANSITIONS

    @property
    def control(self) -> Control:
        """What its vaults may do now: start VMs, only follow those in flight, or come to their end."""
        if self.cancellation:
            return Control.STOP
        return _CONTROL.get(self.state, Control.STOP)

    def to(self, state: MigrationState, **changes: object) -> "MigrationRecord":
        """The record in another state. Raises ValueError for a change that the transition table does not know."""
        if state not in MIGRATION_TRANSITIONS.get(self.state, frozenset()):
            raise ValueError(f"{self.migration_id}: {self.state} can't become {state}")
        return msgspec.structs.replace(self, state=state, **changes)


_CONTROL = {MigrationState.RUNNING: Control.GO, MigrationState.PAUSED: Control.HOLD}
