"""The rules that decide whether a VM may move, as one table: facts in, findings out.

A rule looks at the facts of one VM and answers with its evidence, or with None where it has nothing to say. Adding
a rule is adding a row here and a row in tests/migration/test_preflight.py; no other code knows a rule by name, but
for AlreadyEnhanced, which is no obstacle but an end.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from migration.cost import CostRange
from migration.model import (
    BackupPolicy,
    Disk,
    Finding,
    Job,
    PolicyType,
    ProtectedItem,
    Severity,
    Vault,
    VirtualMachine,
)
from migration.policy import fingerprint, shrinks, snapshot_days

POLICY_CAPACITY = 100  # VMs per policy; the portal's limit, which the API does not enforce
DAILY_CHANGES = 1000  # configured or modified protections per vault and day
DAILY_POLICY_WRITES = 50  # policies made or edited per vault and day


@dataclass(frozen=True, kw_only=True)
class Load:
    """What the plan as a whole would put on the vault: the same for each of its VMs.

    `members` counts the VMs that each target policy (by lower-case name) protects now and would protect in addition.
    """

    changes: int = 0
    new_policies: int = 0
    members: dict[str, tuple[int, int]]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything known about one VM.

    `vm` is None where the VM no longer exists, `target` where there is no policy for it to move to. `unseen_disks` are
    disks of the VM that no list showed. `standing` is the policy of the target's name that the vault has: None for a
    clone that is still to be made.
    """

    item: ProtectedItem
    vm: VirtualMachine | None = None
    disks: tuple[Disk, ...] = ()
    unseen_disks: tuple[str, ...] = ()
    source: BackupPolicy | None = None
    target: BackupPolicy | None = None
    target_name: str = ""
    standing: BackupPolicy | None = None
    vault: Vault | None = None
    running_job: Job | None = None
    retention_loss_accepted: bool = False
    cost: CostRange | None = None
    load: Load | None = None


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A row of the table: `evidence` answers None, or the sentence that becomes the finding's message.

    `when` says in words what it looks for. A `live` rule needs the item alone and is asked again just before the write.
    """

    code: str
    severity: Severity
    when: str
    evidence: Callable[[Facts], str | None]
    remedy: str
    live: bool = False


# --- evidence


def _already_enhanced(facts: Facts) -> str | None:
    # The policy wins over the item: older api-versions leave the item's own policyType out.
    policy_type = facts.source.policy_type if facts.source else facts.item.policy_type
    if policy_type is PolicyType.ENHANCED:
        return f"protected by the Enhanced policy {facts.source.name if facts.source else facts.item.policy_id}"
    return None


def _stopped(facts: Facts) -> str | None:
    if facts.item.soft_deleted:  # the service calls these ProtectionStopped too; SoftDeleted says it better
        return None
    if facts.item.protection_state in ("ProtectionStopped", "ProtectionPaused", "BackupsSuspended"):
        return f"protection state is {facts.item.protection_state}"
    return None


def _vm_missing(facts: Facts) -> str | None:
    if facts.vm or facts.item.classic or facts.item.soft_deleted:
        return None
    return f"there is no VM {facts.item.vm_id}"


def _shared_disks(facts: Facts) -> str | None:
    names = [disk.id.rpartition("/")[2] for disk in facts.disks if disk.shared]
    return f"shared disks: {', '.join(names)}" if names else None


def _source_unknown(facts: Facts) -> str | None:
    if facts.source is None and facts.item.policy_id:
        return f"the item's policy {facts.item.policy_id} is not in its vault's list"
    return None


def _target_missing(facts: Facts) -> str | None:
    if facts.target or not facts.source:
        return None
    if not facts.target_name:
        return f"the request maps no Enhanced policy to {facts.source.name}"
    return f"the vault has no policy {facts.target_name} for Azure VMs"


def _target_standard(facts: Facts) -> str | None:
    if facts.target and facts.target.policy_type is not PolicyType.ENHANCED:
        return f"{facts.target_name} is a Standard policy"
    return None


def _target_differs(facts: Facts) -> str | None:
    # Where the target is a policy that stands in the vault, the two are one.
    if facts.standing and facts.target and fingerprint(facts.standing) != fingerprint(facts.target):
        return (
            f"{facts.target_name} exists and is not the Enhanced equal of {facts.source.name if facts.source else ''}"
        )
    return None


def _retention_loss(facts: Facts) -> str:
    if not (facts.source and facts.target):
        return ""
    return "; ".join(map(str, shrinks(facts.source.retention, facts.target.retention)))


def _retention(facts: Facts) -> str | None:
    return None if facts.retention_loss_accepted else _retention_loss(facts) or None


def _retention_accepted(facts: Facts) -> str | None:
    loss = _retention_loss(facts) if facts.retention_loss_accepted else ""
    return f"accepted in the request: {loss}" if loss else None


def _immutable(facts: Facts) -> str | None:
    if facts.vault and facts.vault.immutable and _retention_loss(facts):
        return "the vault is immutable and the target keeps less"
    return None


def _guarded(facts: Facts) -> str | None:
    if not (facts.vault and facts.vault.guarded and facts.source and facts.target):
        return None
    days_now, days_then = facts.source.content.instant_restore_days, facts.target.content.instant_restore_days
    weaker = [*map(str, shrinks(facts.source.retention, facts.target.retention))]
    if days_then < days_now:
        weaker.append(f"snapshots are kept {days_now} days now, {days_then} by the target")
    return f"multi-user authorization guards the vault, and {'; '.join(weaker)}" if weaker else None


def _instant_restore(facts: Facts) -> str | None:
    if not facts.target or not facts.target.retention.daily:
        return None
    instant = facts.target.content.instant_restore_days
    if instant >= facts.target.retention.daily:
        return f"snapshots would be kept {instant} days, vaulted recovery points {facts.target.retention.daily}"
    return None


def _snapshot_days(facts: Facts) -> str | None:
    if not facts.target or facts.standing:  # what stands, Azure has accepted
        return None
    days, (fewest, most) = facts.target.content.instant_restore_days, snapshot_days(facts.target.content.schedule)
    if not fewest <= days <= most:
        frequency = facts.target.content.schedule.frequency.lower()
        return f"snapshots would be kept {days} days; its {frequency} schedule allows {fewest} to {most}"
    return None


def _full(facts: Facts) -> str | None:
    now, more = facts.load.members.get(facts.target_name.lower(), (0, 0)) if facts.load else (0, 0)
    if now + more > POLICY_CAPACITY:
        return f"{facts.target_name} would protect {now + more} VMs; {POLICY_CAPACITY} is the recommended most"
    return None


def _daily_quota(facts: Facts) -> str | None:
    if facts.load and facts.load.changes > DAILY_CHANGES:
        return f"{facts.load.changes} VMs of this vault would move; Azure takes {DAILY_CHANGES} changes a day"
    return None


def _policy_quota(facts: Facts) -> str | None:
    if facts.load and facts.load.new_policies > DAILY_POLICY_WRITES:
        return f"{facts.load.new_policies} policies would be made; Azure takes {DAILY_POLICY_WRITES} a day in a vault"
    return None


def _running_job(facts: Facts) -> str | None:
    job = facts.running_job
    return f"a {job.operation} job has run since {job.started_at:%Y-%m-%d %H:%M} UTC" if job else None


def _last_backup(facts: Facts) -> str | None:
    status = facts.item.last_backup_status
    return f"the last backup ended as {status}" if status not in ("", "Completed", "Healthy") else None


# --- the table

B, W = Severity.BLOCKS, Severity.WARNS

RULES: tuple[Rule, ...] = (
    Rule(
        code="AlreadyEnhanced",
        severity=Severity.INFORMS,
        when="The VM's policy is an Enhanced one already.",
        evidence=_already_enhanced,
        remedy="Nothing to do.",
    ),
    Rule(
        code="ClassicVm",
        severity=B,
        when="The VM is one of Azure Service Manager, not of Azure Resource Manager.",
        evidence=lambda facts: "a classic (Azure Service Manager) VM" if facts.item.classic else None,
        remedy="Move the VM to Azure Resource Manager and protect it anew with an Enhanced policy.",
        live=True,
    ),
    Rule(
        code="SoftDeleted",
        severity=B,
        when="The backup was deleted, and is kept until its grace period ends.",
        evidence=lambda facts: "the backup is soft-deleted" if facts.item.soft_deleted else None,
        remedy="Undelete the backup and resume protection first, or let it expire.",
        live=True,
    ),
    Rule(
        code="ProtectionStopped",
        severity=B,
        when="Backups were stopped, paused or suspended, and the recovery points kept.",
        evidence=_stopped,
        remedy="Resume protection with the Standard policy first, or resume it directly with an Enhanced one.",
        live=True,
    ),
    Rule(
        code="ProtectionError",
        severity=B,
        when="Azure Backup says itself that the protection does not work.",
        evidence=lambda facts: (
            f"protection state is {facts.item.protection_state}"
            if facts.item.protection_state in ("ProtectionError", "Invalid")
            else None
        ),
        remedy="Repair the protection in the vault; the item's health details name the cause.",
        live=True,
    ),
    Rule(
        code="InitialBackupPending",
        severity=B,
        when="The VM is protected, and nothing has been backed up so far.",
        evidence=lambda facts: (
            "the first backup has not been made" if facts.item.protection_state == "IRPending" else None
        ),
        remedy="Let the first backup finish, then plan again.",
        live=True,
    ),
    Rule(
        code="VmNotFound",
        severity=B,
        when="No VM of this id is in the subscription's list: it was deleted or moved, or the app may not read it.",
        evidence=_vm_missing,
        remedy="The VM was deleted. Stop its protection, keeping or deleting the recovery points.",
    ),
    Rule(
        code="VmFailedState",
        severity=B,
        when="The last change of the VM in Azure failed, so that its provisioning state is Failed.",
        evidence=lambda facts: (
            "the VM's provisioning state is Failed" if facts.vm and facts.vm.provisioning_state == "Failed" else None
        ),
        remedy="Repair the VM first: Azure Backup refuses VMs in this state (UserErrorVmNotInDesirableState).",
    ),
    Rule(
        code="UnmanagedDisks",
        severity=B,
        when="A disk of the VM is a blob in a storage account, not a managed disk.",
        evidence=lambda facts: "at least one disk is a page blob" if facts.vm and not facts.vm.managed_disks else None,
        remedy="Convert the VM to managed disks first; Enhanced policies do not protect unmanaged ones.",
    ),
    Rule(
        code="SharedDisk",
        severity=B,
        when="A disk of the VM may be attached to several VMs at once.",
        evidence=_shared_disks,
        remedy="Detach the shared disk, change the policy, attach it again: Enhanced policies leave it out.",
    ),
    Rule(
        code="DiskUnknown",
        severity=B,
        when="A managed disk of the VM is in no list that the app may read.",
        evidence=lambda facts: (
            f"not in the subscription's list of disks: {', '.join(facts.unseen_disks)}" if facts.unseen_disks else None
        ),
        remedy="Whether these disks are shared can't be told: let the app's identity read them (disks/read).",
    ),
    Rule(
        code="SourcePolicyUnknown",
        severity=B,
        when="The policy that the item names is not among its vault's policies for VMs.",
        evidence=_source_unknown,
        remedy="Plan again; if it stays, assign the item an existing policy.",
    ),
    Rule(
        code="TargetNotFound",
        severity=B,
        when="The vault has no policy of the target's name, or the request maps the VM's policy to none.",
        evidence=_target_missing,
        remedy="Create the policy in this vault, name another target, or ask for clones.",
    ),
    Rule(
        code="TargetNotEnhanced",
        severity=B,
        when="The policy named as the target is a Standard one.",
        evidence=_target_standard,
        remedy="Name an Enhanced policy; a Standard one can't be changed into one.",
    ),
    Rule(
        code="TargetDiffers",
        severity=B,
        when="A clone is asked for, and a policy of its name stands in the vault and says something else.",
        evidence=_target_differs,
        remedy="Ask for clones with another suffix, or name the existing policy as the target.",
    ),
    Rule(
        code="RetentionShrinks",
        severity=B,
        when="On at least one tier the target keeps recovery points for a shorter time than the VM's policy.",
        evidence=_retention,
        remedy="Choose a target that keeps at least as much on every tier: Azure prunes the points that exist. "
        "acceptRetentionLoss in the request lets it happen.",
    ),
    Rule(
        code="RetentionLossAccepted",
        severity=W,
        when="The target keeps less on at least one tier, and the request says acceptRetentionLoss.",
        evidence=_retention_accepted,
        remedy="Recovery points older than the target keeps are pruned within a day of the change.",
    ),
    Rule(
        code="VaultImmutable",
        severity=B,
        when="The vault is immutable, and the target keeps less on at least one tier.",
        evidence=_immutable,
        remedy="An immutable vault accepts no shorter retention: choose a target that keeps at least as much.",
    ),
    Rule(
        code="ResourceGuardApprovalNeeded",
        severity=B,
        when="A Resource Guard protects the vault, and the target keeps less, or snapshots for fewer days.",
        evidence=_guarded,
        remedy="Choose a target that weakens nothing, which needs no approval by the Resource Guard's owner.",
    ),
    Rule(
        code="InstantRestoreExceedsRetention",
        severity=B,
        when="The target would keep snapshots for as long as daily recovery points, or longer.",
        evidence=_instant_restore,
        remedy="Azure Backup refuses this: keep snapshots for fewer days than vaulted recovery points.",
    ),
    Rule(
        code="SnapshotDaysOutOfRange",
        severity=B,
        when="A clone would keep snapshots for more or fewer days than Azure takes for its schedule.",
        evidence=_snapshot_days,
        remedy="Ask for a clone with an instantRestoreDays that its schedule allows.",
    ),
    Rule(
        code="PolicyWriteQuota",
        severity=B,
        when="The plan would make more policies in the vault than Azure takes in a day.",
        evidence=_policy_quota,
        remedy="Migrate the vault in parts of at most 50 source policies a day, or name existing targets.",
    ),
    Rule(
        code="PolicyFull",
        severity=W,
        when="With the VMs of the plan the target would protect more than Azure recommends.",
        evidence=_full,
        remedy="Spread the VMs over several Enhanced policies by mapping source policies to different targets.",
    ),
    Rule(
        code="VaultDailyQuota",
        severity=W,
        when="The plan moves more VMs of the vault than Azure takes changes of protection in a day.",
        evidence=_daily_quota,
        remedy="The migration of this vault takes more than a day: it pauses when Azure says so and goes on by itself.",
    ),
    Rule(
        code="BackupJobRunning",
        severity=Severity.WAITS,
        when="A backup job of the VM runs now.",
        evidence=_running_job,
        remedy="The migration starts this VM when the job has ended.",
    ),
    Rule(
        code="LastBackupFailed",
        severity=W,
        when="The VM's latest backup did not end well.",
        evidence=_last_backup,
        remedy="The migration makes a backup too and may fail alike: look at the job that failed first.",
    ),
    Rule(
        code="HealthActionRequired",
        severity=W,
        when="Azure Backup's pre-check asks for something to be done on the VM.",
        evidence=lambda facts: f"backup pre-check: {', '.join(facts.item.health)}" if facts.item.health else None,
        remedy="Follow the recommendations in the item's health details; the migration's own backup may fail else.",
    ),
    Rule(
        code="CostIncrease",
        severity=Severity.INFORMS,
        when="The VM's snapshots may cost more under the target.",
        evidence=lambda facts: f"snapshots: {facts.cost}" if facts.cost and facts.cost.high > 0 else None,
        remedy="An estimate from the size of the disks; what it rests on is in the plan. A budget can bound it.",
    ),
    Rule(
        code="DiskExclusions",
        severity=Severity.INFORMS,
        when="The backup leaves some of the VM's disks out.",
        evidence=lambda facts: (
            f"selective disk backup: {facts.item.excluded_disks}" if facts.item.excluded_disks else None
        ),
        remedy="The setting should survive the change of policy; it is compared afterwards, and a change is a warning.",
    ),
    Rule(
        code="TrustedLaunch",
        severity=Severity.INFORMS,
        when="The VM's security type is Trusted Launch.",
        evidence=lambda facts: "a Trusted Launch VM" if facts.vm and facts.vm.trusted_launch else None,
        remedy="Its snapshots are managed-disk snapshots already, so that the move costs next to nothing.",
    ),
)


def inspect(facts: Facts) -> tuple[Finding, ...]:
    """Every rule's finding on one VM, in the table's order. A VM that needs no move gets no other finding."""
    findings = _ask(RULES, facts)
    done = tuple(finding for finding in findings if finding.code == "AlreadyEnhanced")
    return done or findings


def inspect_live(item: ProtectedItem) -> tuple[Finding, ...]:
    """What the rules that need no more than the item say of it now."""
    return _ask((rule for rule in RULES if rule.live), Facts(item=item))


def _ask(rules: Iterable[Rule], facts: Facts) -> tuple[Finding, ...]:
    return tuple(
        Finding(code=rule.code, severity=rule.severity, message=message, remedy=rule.remedy)
        for rule in rules
        if (message := rule.evidence(facts)) is not None
    )


def blocking(findings: tuple[Finding, ...]) -> Finding | None:
    """The first finding that keeps the VM from moving."""
    return next((finding for finding in findings if finding.severity is Severity.BLOCKS), None)
