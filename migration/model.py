"""What Azure Backup tells us, in its own words, and what we find about it.

Two spellings of the service end before they get here: `V1`/`V2` are `PolicyType`, and ids, whose casing the service
does not keep, are compared through `same_id`. Times are aware and UTC.
"""

import hashlib
import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Instant = Annotated[datetime, Meta(tz=True)]
"""A moment: aware, UTC by our making, ISO 8601 on the wire."""


class Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Base of everything that crosses a seam: immutable, by keyword, strict, camelCase on the wire."""


# --- what Azure Backup tells us


class PolicyType(StrEnum):
    """A backup policy's subtype; the wire says V1 (or nothing at all) and V2."""

    STANDARD = "Standard"
    ENHANCED = "Enhanced"


class Retention(Value, frozen=True):
    """Days that recovery points of each tier are kept; None where the policy has no such tier."""

    daily: int | None = None
    weekly: int | None = None
    monthly: int | None = None
    yearly: int | None = None


class Schedule(Value, frozen=True):
    """When a policy backs up. `run_times` are the service's own texts; an hourly schedule's window starts at the first.

    Days are set for a weekly schedule only, interval and window for an hourly one.
    """

    frequency: Literal["Hourly", "Daily", "Weekly"]
    run_times: tuple[str, ...]
    run_days: tuple[str, ...] = ()
    interval_hours: int = 0
    window_hours: int = 0


class PolicyContent(Value, frozen=True):
    """Everything in a policy that matters to a VM. `kept` is the wire JSON of retention, tiering and the snapshots'
    resource group, in one spelling: it is carried over to the letter and never taken apart."""

    policy_type: PolicyType
    schedule: Schedule
    time_zone: str
    instant_restore_days: int
    kept: str


class BackupPolicy(Value, frozen=True):
    """A policy for Azure VMs; `retention` says in days what its content keeps."""

    id: str
    name: str
    retention: Retention
    content: PolicyContent

    @property
    def policy_type(self) -> PolicyType:
        """Standard or Enhanced."""
        return self.content.policy_type


class Vault(Value, frozen=True):
    """A Recovery Services vault. `immutable` where its immutability is on, locked or not; `guarded` where multi-user
    authorization is."""

    id: str
    region: str
    tags: dict[str, str] = {}
    immutable: bool = False
    guarded: bool = False


class ProtectedItem(Value, frozen=True):
    """A protected item as the vault lists it. `policy_id` is empty where protection is stopped or soft-deleted.

    `excluded_disks` is the wire JSON of its selective-disk setting, `health` the titles of what is not well.
    """

    id: str
    vm_id: str
    vm_name: str
    policy_id: str
    policy_type: PolicyType
    protection_state: str
    classic: bool = False
    soft_deleted: bool = False
    last_backup_status: str = ""
    health: tuple[str, ...] = ()
    excluded_disks: str = ""


class VirtualMachine(Value, frozen=True):
    """What the item does not tell about its VM. `disks` are the ids of its managed disks."""

    id: str
    managed_disks: bool
    disks: tuple[str, ...] = ()
    provisioning_state: str = "Succeeded"
    trusted_launch: bool = False
    tags: dict[str, str] = {}


class Disk(Value, frozen=True):
    """A managed disk: its size as provisioned, and whether several VMs may attach it."""

    id: str
    size_gb: int
    shared: bool = False


class JobError(Value, frozen=True):
    """One of a job's errorDetails; the title carries the error's name, the code is a number."""

    title: str
    message: str
    recommendations: tuple[str, ...] = ()


class Job(Value, frozen=True):
    """A backup job. `container` is the lower-case container name without its `IaasVMContainer;` prefix."""

    id: str
    operation: str
    status: str
    container: str
    started_at: datetime
    ended_at: datetime | None = None
    errors: tuple[JobError, ...] = ()
    cancellable: bool = False

    @property
    def running(self) -> bool:
        """Whether the job still holds its VM."""
        return self.status in ("InProgress", "Cancelling")

    @property
    def configures(self) -> bool:
        """Whether this is a change of protection.

        The portal labels ours "Configure backup (Migrate policy)"; the
        service's string for it was never recorded, so the label is matched loosely.
        """
        return "configurebackup" in re.sub(r"[^a-z]", "", self.operation.lower())


class OperationOutcome(Value, frozen=True):
    """What an operation's status says once it has ended; `succeeded` is None while it runs."""

    succeeded: bool | None
    job_id: str = ""
    error: JobError | None = None


# --- ids

VAULT_ID = re.compile(
    r"/subscriptions/(?P<subscription>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"/resourceGroups/(?P<resource_group>[\w.()-]{1,90})"
    r"/providers/Microsoft\.RecoveryServices/vaults/(?P<name>[a-z][a-z0-9-]{1,49})",
    re.IGNORECASE,
)
_PART = r"[^/\\#?\x00-\x1f\x7f-\x9f]+"  # what fits a path and a table's key
ITEM_ID = re.compile(
    rf"(?P<vault>/subscriptions/{_PART}/resourceGroups/{_PART}/providers/Microsoft\.RecoveryServices/vaults/{_PART})"
    rf"/backupFabrics/(?P<fabric>{_PART})/protectionContainers/(?P<container>{_PART})/protectedItems/(?P<item>{_PART})",
    re.IGNORECASE,
)


VM_ID = re.compile(
    rf"/subscriptions/(?P<subscription>{_PART})/resourceGroups/(?P<resource_group>{_PART})"
    rf"/providers/Microsoft\.(?:Classic)?Compute/virtualMachines/(?P<name>{_PART})",
    re.IGNORECASE,
)


class VmId(Value, frozen=True):
    """The parts of a virtual machine's resource id, classic or not."""

    subscription: str
    resource_group: str
    name: str

    @staticmethod
    def parse(text: str) -> "VmId":
        """The VM a resource id names. Raises ValueError where it names none."""
        match = VM_ID.fullmatch(text)
        if not match:
            raise ValueError("not the resource id of a virtual machine")
        return VmId(**match.groupdict())

    @property
    def place(self) -> str:
        """Its resource group as a key, lower case."""
        return f"{self.subscription}:{self.resource_group}".lower()


class VaultId(Value, frozen=True):
    """The parts of a Recovery Services vault's resource id, in the caller's casing."""

    subscription: str
    resource_group: str
    name: str

    @staticmethod
    def parse(text: str) -> "VaultId":
        """The vault a resource id names. Raises ValueError where it names none."""
        match = VAULT_ID.fullmatch(text)
        if not match:
            raise ValueError("not the resource id of a Recovery Services vault")
        return VaultId(**match.groupdict())

    def __str__(self) -> str:
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.RecoveryServices/vaults/{self.name}"
        )

    @property
    def key(self) -> str:
        """A short name for the vault, unique and safe in table keys and instance ids: name and hash of the id."""
        return f"{self.name.lower()[:24]}-{hashlib.sha256(str(self).lower().encode()).hexdigest()[:8]}"


class ItemId(Value, frozen=True):
    """The parts of a protected item's resource id, as the service gave them: names are taken from it, never built."""

    vault: str
    fabric: str
    container: str
    item: str

    @staticmethod
    def parse(text: str) -> "ItemId":
        """Raises ValueError where the text is no protected item's id."""
        match = ITEM_ID.fullmatch(text)
        if not match:
            raise ValueError(f"not a protected item's id: {text}")
        return ItemId(**match.groupdict())

    @property
    def name(self) -> str:
        """The item's name as a key: unique in its vault, lower case."""
        return self.item.lower()

    @property
    def job_container(self) -> str:
        """How jobs name this item's container: lower case, without the `IaasVMContainer;` prefix."""
        return self.container.lower().removeprefix("iaasvmcontainer;")


def same_id(one: str, other: str) -> bool:
    """Whether two resource ids are the same; the service answers in varying case."""
    return one.lower() == other.lower()


# --- findings


class Severity(StrEnum):
    """What a finding means for its VM.

    `blocks`: the VM is not moved; `waits`: it is moved when that has passed; `warns`: it is moved, and somebody should
    know before; `informs`: it is moved, or need not be.
    """

    BLOCKS = "blocks"
    WAITS = "waits"
    WARNS = "warns"
    INFORMS = "informs"


class Finding(Value, frozen=True):
    """A preflight rule's verdict on one VM."""

    code: Annotated[str, Meta(description="Which rule found it")]
    severity: Annotated[Severity, Meta(description="What it means for the VM")]
    message: Annotated[str, Meta(description="What was found, with the evidence")]
    remedy: Annotated[str, Meta(description="What an operator can do about it, or should know")]
