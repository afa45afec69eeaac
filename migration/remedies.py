"""What to do about a VM that did not come through, by its reason; and which VMs another migration may try again.

The codes are the service's own (job error titles and the codes of refused writes) and those of migration.cycle. What
the rules find, in a plan or live, has its remedy in their own table: migration.preflight.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from migration.preflight import RULES
from migration.records import ItemRecord, ItemState, VaultRecord


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """A row of the table: what an operator should do, and whether a refused VM may be tried again after that."""

    advice: str
    retryable: bool = True


REMEDIES: Mapping[str, Remedy] = {
    # --- what this app decides
    "NoAnswer": Remedy(advice="See in the vault whether a change was begun after all, then retry."),
    "HeldByAnotherMigration": Remedy(advice="Wait for the migration that is named to end, then retry."),
    "VaultUnreadable": Remedy(advice="Give the app's identity its role on the vault again, then retry."),
    "NotVerified": Remedy(
        advice="Look at the VM's policy in the vault: the job ended well, the item does not show it."
    ),
    "JobTimeout": Remedy(advice="Look at the job in the vault; retry when it is over, with a higher jobTimeoutHours."),
    "NoJob": Remedy(
        advice="Look for the VM's jobs in the vault; retry if there is none and the policy is the old one."
    ),
    "JobCancelled": Remedy(advice="Somebody cancelled the job; retry when the VM may move."),
    "PolicyChanged": Remedy(advice="Somebody moved the VM to another policy; a retry plans it from there."),
    "AlreadyMoved": Remedy(advice="Nothing: it is where it was to go.", retryable=False),
    "SourceChanged": Remedy(advice="Compare the policy with what was approved; a retry plans from what it is now."),
    "TargetChanged": Remedy(advice="Compare the policy with what was approved; a retry plans from what it is now."),
    "VmChanged": Remedy(advice="The item protects another VM than the one planned; a retry plans that one."),
    "ItemGone": Remedy(advice="The VM is not protected in this vault any more; there is nothing to migrate."),
    "Stopped": Remedy(advice="It never started; a new migration of the same scope takes it up."),
    "BackupJobRunning": Remedy(advice="Look why a backup of the VM runs so long; a new migration takes it up."),
    "JobFailed": Remedy(advice="Look at the job in the vault, which tells why, then retry."),
    "OperationFailed": Remedy(advice="Look at the VM's jobs and alerts in the vault, then retry."),
    "OutsideAllowedScopes": Remedy(advice="The app may not touch this vault: add it to ALLOWED_SCOPES, then retry."),
    # --- what Azure Backup refuses
    "AuthorizationFailed": Remedy(advice="Give the app's identity the action named in the message, then retry."),
    "LinkedAuthorizationFailed": Remedy(
        advice="Give the app's identity the action named in the message on the resource it names (a VM: deploy with "
        "grantVmWrite; a Resource Guard: with resourceGuardIds), then retry."
    ),
    "BMSUserErrorObjectLocked": Remedy(advice="Wait until no job runs on the VM, then retry."),
    "BMSUserErrorConflictingProtectionOperation": Remedy(advice="Wait until the other change has ended, then retry."),
    "BMSUserErrorInvalidConfigureProtectionRequest": Remedy(
        advice="The item can't move as it is; the message says why.", retryable=False
    ),
    "BMSUserErrorInvalidPolicyInput": Remedy(
        advice="Azure Backup does not take the policy that was to be made: ask for other hours or instantRestoreDays."
    ),
    "UserErrorOperationDeniedOnImmutableItem": Remedy(
        advice="The vault is immutable: choose a target that keeps at least as long on every tier.", retryable=False
    ),
    "UserErrorResourceGuardOperationRequestMissing": Remedy(
        advice="The target keeps less than the source, which a Resource Guard protects: choose one that does not.",
        retryable=False,
    ),
    "ResourceNotFound": Remedy(advice="The VM no longer exists; stop its protection in the vault.", retryable=False),
    # --- how jobs fail
    "BackUpOperationFailedV2": Remedy(
        advice="The new policy's snapshot retention was applied to older recovery points: contact Microsoft Support."
    ),
    "UserErrorVmNotFoundV2": Remedy(advice="The VM no longer exists; stop its protection in the vault."),
    "UserErrorVmNotInDesirableState": Remedy(
        advice="Bring the VM to the provisioning state Succeeded (start or reapply it), then retry."
    ),
    "UserErrorGuestAgentVersionUnsupported": Remedy(advice="Update the VM agent in the guest, then retry."),
    "GuestAgentSnapshotTaskStatusError": Remedy(
        advice="See that the VM agent runs and reaches Azure (168.63.129.16), then retry."
    ),
    "UserErrorFsFreezeFailed": Remedy(advice="Check the file systems in the guest (fsck), then retry."),
    "UserErrorRequestDisallowedByPolicy": Remedy(
        advice="An Azure Policy forbids the snapshots' resource group or its tags: exempt it, then retry."
    ),
    "UserErrorMigrationFromTrustedLaunchVMToNonTrustedVMNotAllowed": Remedy(
        advice="A Trusted Launch VM of that name was protected here: stop protection with deletion, protect anew."
    ),
    "ExtensionFailedTimeoutVMNetworkUnresponsive": Remedy(
        advice="See that the VM runs and has network access to Azure, then retry."
    ),
    "UserErrorJobSuccessfullyCancelled": Remedy(advice="Somebody cancelled the job; retry when the VM may move."),
}

_RETRYABLE = frozenset({ItemState.FAILED, ItemState.TIMED_OUT, ItemState.DRIFTED})


def remedy_of(record: ItemRecord) -> str:
    """What to do about a VM that did not come through; empty where nothing is known.

    A VM that drifted, like one that was blocked, may carry the code of a rule.
    """
    remedy = REMEDIES.get(record.reason)
    return remedy.advice if remedy else next((rule.remedy for rule in RULES if rule.code == record.reason), "")


def any_retryable(vault: VaultRecord) -> bool:
    """Whether a vault may have VMs that another migration may try again, by its counts alone."""
    return any(vault.counts.get(state) for state in _RETRYABLE) or (
        bool(vault.counts.get(ItemState.REFUSED))
        and any(reason in REMEDIES and REMEDIES[reason].retryable for reason in vault.reasons)
    )


def retryable(record: ItemRecord) -> bool:
    """Whether another migration may try this VM again.

    What failed, timed out or drifted, unless the table says that it is pointless: its plan is made anew. What was
    refused only where the table says that a refusal of this kind can pass.
    """
    remedy = REMEDIES.get(record.reason)
    if remedy is not None and not remedy.retryable:
        return False
    return record.state in _RETRYABLE or (record.state is ItemState.REFUSED and remedy is not None)
