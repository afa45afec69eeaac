"""The nouns: what there is in the simulated Azure. Data only; what changes it is in other modules.

    Subscription
      Vault            policies, protected items, jobs, operations
        BackupPolicy   Terms
        ProtectedItem  -> VirtualMachine by resource id; its Jobs
        Operation      -> Job
      VirtualMachine   -> Disk

Names and resource ids compare without case and are kept in the casing they were created with, as ARM does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from simulator.wire import JsonObject

# Policies


class PolicyType(StrEnum):
    STANDARD = "V1"
    ENHANCED = "V2"


WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Frequency(StrEnum):
    DAILY = "Daily"
    WEEKLY = "Weekly"
    HOURLY = "Hourly"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a VM policy promises. Retention counts are in the tier's own unit; 0 means the tier is not kept."""

    policy_type: PolicyType
    frequency: Frequency
    times: tuple[datetime, ...]
    """Only the time of day counts. For Hourly: the start of the window."""
    days: tuple[str, ...]
    interval_hours: int
    window_hours: int
    daily_days: int
    weekly_weeks: int
    monthly_months: int
    yearly_years: int
    instant_days: int

    def keeps_less_than(self, other: Terms) -> bool:
        """Whether moving from `other` to this shortens retention on any tier."""
        return (
            self.daily_days < other.daily_days
            or self.weekly_weeks < other.weekly_weeks
            or self.monthly_months < other.monthly_months
            or self.yearly_years < other.yearly_years
        )


@dataclass(slots=True)
class BackupPolicy:
    """A policy as the service returns it. `terms` is None for a workload policy, which protects no VM."""

    id: str
    name: str
    properties: JsonObject
    terms: Terms | None


# Virtual machines


class Storage(StrEnum):
    """What a VM's disks are: only managed ones can be protected by an Enhanced policy."""

    MANAGED = "managed"
    UNMANAGED = "unmanaged"
    CLASSIC = "classic"


@dataclass(frozen=True, slots=True)
class Disk:
    id: str
    name: str
    resource_group: str
    location: str
    size_gib: int
    max_shares: int = 1


@dataclass(frozen=True, slots=True)
class VirtualMachine:
    id: str
    name: str
    resource_group: str
    location: str
    size: str
    vm_id: str
    created: datetime
    storage: Storage
    trusted_launch: bool
    disks: tuple[Disk, ...]
    """The first is the system disk. Unmanaged ones are blobs and are not listed as resources."""


# What the service says about VMs and jobs


@dataclass(frozen=True, slots=True)
class HealthDetail:
    code: int
    title: str
    message: str
    recommendations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JobError:
    """One of a job's errorDetails: an integer code, the UserError name in the title (job_get_restore_failed.json)."""

    code: int
    title: str
    text: str
    recommendations: tuple[str, ...] = ()


# Jobs and operations


class JobStatus(StrEnum):
    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    WITH_WARNINGS = "CompletedWithWarnings"
    FAILED = "Failed"
    CANCELLING = "Cancelling"
    CANCELLED = "Cancelled"


RUNNING = frozenset((JobStatus.IN_PROGRESS, JobStatus.CANCELLING))
GOOD = frozenset((JobStatus.COMPLETED, JobStatus.WITH_WARNINGS))


class OperationStatus(StrEnum):
    """Note the other spelling of cancelled; the service has both."""

    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELED = "Canceled"


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """A task of a job and its share of the job's duration."""

    name: str
    share: float


@dataclass(frozen=True, slots=True)
class JobEnding:
    """What a job will come to; `after` None is a job that never ends."""

    after: timedelta | None
    status: JobStatus = JobStatus.COMPLETED
    errors: tuple[JobError, ...] = ()


AfterJob = Callable[["Job", datetime], None]


@dataclass(slots=True, eq=False)
class Job:
    id: str
    item: ProtectedItem
    label: str
    """The `operation` on the wire: Backup, ConfigureBackup."""
    started: datetime
    ending: JobEnding
    activity_id: str
    tasks: tuple[PlannedTask, ...] = ()
    cancellable: bool = False
    property_bag: dict[str, str] = field(default_factory=dict[str, str])
    internal_property_bag: dict[str, str] = field(default_factory=dict[str, str])
    status: JobStatus = JobStatus.IN_PROGRESS
    errors: tuple[JobError, ...] = ()
    ended: datetime | None = None
    then: AfterJob | None = None
    """Called when it ends, however it ends."""

    @property
    def running(self) -> bool:
        return self.status in RUNNING


@dataclass(slots=True, eq=False)
class Operation:
    id: str
    started: datetime
    job: Job | None
    shows_item: bool
    """Whether operationResults ends in the item (a policy change) or in 204 (a triggered backup, a cancel)."""
    status: OperationStatus = OperationStatus.IN_PROGRESS
    error: JobError | None = None
    shows_job: bool = False


# Vaults and what they protect

SOFT_DELETE_DAYS = 14


class ProtectionState(StrEnum):
    PROTECTED = "Protected"
    IR_PENDING = "IRPending"
    STOPPED = "ProtectionStopped"
    PAUSED = "ProtectionPaused"
    ERROR = "ProtectionError"
    SUSPENDED = "BackupsSuspended"


@dataclass(frozen=True, slots=True)
class MigrationEnding:
    """How a Standard to Enhanced change of this item ends; `minutes` overrides the size-based duration."""

    status: JobStatus = JobStatus.COMPLETED
    errors: tuple[JobError, ...] = ()
    minutes: float | None = None
    never: bool = False
    """The job does not end."""
    without_job: bool = False
    """The operation fails with the first of the errors, and no job ever appears."""


class Expectation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a migration over the scenario should make of a VM, in the words of whoever runs it. Only handed out."""

    state: str
    finding: str | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    id: str
    name: str
    tenant_id: str


@dataclass(slots=True, eq=False)
class ProtectedItem:
    id: str
    name: str
    container_name: str
    friendly_name: str
    vm_id: str
    vm_name: str
    classic: bool
    location: str
    gib: int
    policy: BackupPolicy | None
    state: ProtectionState
    data_id: str
    healthy: bool = True
    health: tuple[HealthDetail, ...] = ()
    last_backup_status: str = ""
    last_backup: datetime | None = None
    last_recovery_point: datetime | None = None
    soft_deleted: datetime | None = None
    disk_exclusion: JsonObject | None = None
    odd_casing: bool = False
    ending: MigrationEnding = field(default_factory=MigrationEnding)
    expect: Expectation | None = None
    puts_received: int = 0
    puts_accepted: int = 0
    operation: Operation | None = None
    """The configure-protection operation that runs, if any: a second one is refused."""
    jobs: list[Job] = field(default_factory=list["Job"])


@dataclass(slots=True, eq=False)
class Vault:
    id: str
    name: str
    subscription: Subscription
    resource_group: str
    location: str
    created: datetime
    tags: dict[str, str]
    resource_guard: str | None = None
    immutable: bool = False
    policies: dict[str, BackupPolicy] = field(default_factory=dict[str, BackupPolicy])
    items: dict[tuple[str, str], ProtectedItem] = field(default_factory=dict[tuple[str, str], ProtectedItem])
    jobs: dict[str, Job] = field(default_factory=dict[str, "Job"])
    operations: dict[str, Operation] = field(default_factory=dict[str, "Operation"])
    policy_writes: deque[datetime] = field(default_factory=deque[datetime])
    protection_changes: deque[datetime] = field(default_factory=deque[datetime])

    def policy(self, name: str) -> BackupPolicy | None:
        return self.policies.get(name.lower())

    def policy_by_id(self, policy_id: str) -> BackupPolicy | None:
        """The policy of this vault with that resource id; another vault's policy is None."""
        above = f"{self.id}/backupPolicies/"
        return self.policy(policy_id[len(above) :]) if policy_id.lower().startswith(above.lower()) else None

    def item(self, container: str, name: str) -> ProtectedItem | None:
        return self.items.get((container.lower(), name.lower()))

    def items_of(self, policy: BackupPolicy) -> int:
        """How many items the policy protects: the count a policy GET shows and a list never does."""
        return sum(1 for item in self.items.values() if item.policy is policy)

    def add_item(self, item: ProtectedItem) -> None:
        container = item.id.split("/")[-3]
        self.items[container.lower(), item.name.lower()] = item
