"""The rules that decide whether a VM may move, as one table: facts in, findings out.

A rule looks at the facts of one VM and answers with its evidence, or with None where it has nothing to say. Adding
a rule is adding a row here and a row in tests/migration/test_preflight.py; no other code knows a rule by name.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from migration.model import BackupPolicy, Finding, Job, PolicyType, ProtectedItem, Severity, VirtualMachine
from migration.policy import shrinks


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything known about one VM. `vm` is None where the VM no longer exists."""

    item: ProtectedItem
    vm: VirtualMachine | None
    source: BackupPolicy | None
    target: BackupPolicy | None
    target_name: str
    running_job: Job | None = None


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A row of the table: `evidence` answers None, or the sentence that becomes the finding's message.

    A `live` rule needs the item alone and is asked again just before the write.
    """

    code: str
    severity: Severity
    evidence: Callable[[Facts], str | None]
    remedy: str
    live: bool = False


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


def _unmanaged(facts: Facts) -> str | None:
    return "at least one disk is a page blob" if facts.vm and not facts.vm.managed_disks else None


def _source_unknown(facts: Facts) -> str | None:
    if facts.source is None and facts.item.policy_id:
        return f"the item's policy {facts.item.policy_id} is not in its vault's list"
    return None


def _target_standard(facts: Facts) -> str | None:
    if facts.target and facts.target.policy_type is not PolicyType.ENHANCED:
        return f"{facts.target_name} is a Standard policy"
    return None


def _retention(facts: Facts) -> str | None:
    if not (facts.source and facts.target):
        return None
    return "; ".join(map(str, shrinks(facts.source.retention, facts.target.retention))) or None


def _running_job(facts: Facts) -> str | None:
    job = facts.running_job
    return f"a {job.operation} job has run since {job.started_at:%Y-%m-%d %H:%M} UTC" if job else None


B, W = Severity.BLOCKS, Severity.WAITS

RULES: tuple[Rule, ...] = (
    Rule(
        code="AlreadyEnhanced",
        severity=Severity.INFORMS,
        evidence=_already_enhanced,
        remedy="Nothing to do.",
    ),
    Rule(
        code="ClassicVm",
        severity=B,
        evidence=lambda facts: "a classic (Azure Service Manager) VM" if facts.item.classic else None,
        remedy="Move the VM to Azure Resource Manager and protect it anew with an Enhanced policy.",
        live=True,
    ),
    Rule(
        code="SoftDeleted",
        severity=B,
        evidence=lambda facts: "the backup is soft-deleted" if facts.item.soft_deleted else None,
        remedy="Undelete the backup and resume protection first, or let it expire.",
        live=True,
    ),
    Rule(
        code="ProtectionStopped",
        severity=B,
        evidence=_stopped,
        remedy="Resume protection with the Standard policy first, or resume it directly with an Enhanced one.",
        live=True,
    ),
    Rule(
        code="ProtectionError",
        severity=B,
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
        evidence=lambda facts: (
            "the first backup has not been made" if facts.item.protection_state == "IRPending" else None
        ),
        remedy="Let the first backup finish, then plan again.",
        live=True,
    ),
    Rule(
        code="VmNotFound",
        severity=B,
        evidence=_vm_missing,
        remedy="The VM was deleted. Stop its protection, keeping or deleting the recovery points.",
    ),
    Rule(
        code="UnmanagedDisks",
        severity=B,
        evidence=_unmanaged,
        remedy="Convert the VM to managed disks first; Enhanced policies do not protect unmanaged ones.",
    ),
    Rule(
        code="SourcePolicyUnknown",
        severity=B,
        evidence=_source_unknown,
        remedy="Plan again; if it stays, assign the item an existing policy.",
    ),
    Rule(
        code="TargetNotFound",
        severity=B,
        evidence=lambda facts: (
            f"the vault has no policy {facts.target_name} for Azure VMs" if facts.target is None else None
        ),
        remedy="Create the policy in this vault or name another target.",
    ),
    Rule(
        code="TargetNotEnhanced",
        severity=B,
        evidence=_target_standard,
        remedy="Name an Enhanced policy; a Standard one can't be changed into one.",
    ),
    Rule(
        code="RetentionShrinks",
        severity=B,
        evidence=_retention,
        remedy="Choose or create an Enhanced policy that keeps at least as much on every tier.",
    ),
    Rule(
        code="BackupJobRunning",
        severity=W,
        evidence=_running_job,
        remedy="The migration starts this VM when the job has ended.",
    ),
)


def inspect(facts: Facts) -> tuple[Finding, ...]:
    """Every rule's finding on one VM, in the table's order. A VM that needs no move gets no other finding."""
    findings = _ask(RULES, facts)
    done = tuple(finding for finding in findings if finding.code == "AlreadyEnhanced")
    return done or findings


def inspect_live(item: ProtectedItem) -> tuple[Finding, ...]:
    """What the rules that need no more than the item say of it now."""
    facts = Facts(item=item, vm=None, source=None, target=None, target_name="")
    return _ask((rule for rule in RULES if rule.live), facts)


def _ask(rules: Iterable[Rule], facts: Facts) -> tuple[Finding, ...]:
    return tuple(
        Finding(code=rule.code, severity=rule.severity, message=message, remedy=rule.remedy)
        for rule in rules
        if (message := rule.evidence(facts)) is not None
    )


def blocking(findings: tuple[Finding, ...]) -> Finding | None:
    """The first finding that keeps the VM from moving."""
    return next((finding for finding in findings if finding.severity is Severity.BLOCKS), None)
