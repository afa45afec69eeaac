"""What Azure Backup says about VMs and jobs: health details and job errors by name.

Codes and texts marked with a file are recorded; the others follow Azure Backup's troubleshooting articles, and their
integer codes are assumed.
"""

from simulator.resources import HealthDetail, JobError

HEALTHY = HealthDetail(400239, "IaasVmHealthGreenDefault", "Backup pre-check status of this virtual machine is OK.")
"""item_list_protected_completed.json"""

VM_NOT_FOUND = HealthDetail(
    400136,
    "UserErrorVmNotFoundV2",
    "Virtual machine doesn't exist.",
    (
        "Please make sure that virtual machine exists or select a different virtual machine. "
        "For more details, please refer to http://aka.ms/UserErrorVmNotFoundV2",
    ),
)
"""item_list_action_required.json"""

CANCELLED = JobError(400158, "UserErrorJobSuccessfullyCancelled", "Job is cancelled.")
"""job_get_backup_completedwithwarnings.json"""

_JOB_ERRORS = (
    CANCELLED,
    # job_get_restore_failed.json
    JobError(
        400003,
        "RestoreOperationFailed",
        "Restore failed with an internal error.",
        ("Please retry the operation in a few minutes. If the problem persists, please contact Microsoft support.",),
    ),
    # item_list_action_suggested.json
    JobError(
        400039,
        "GuestAgentSnapshotTaskStatusError",
        "Could not communicate with the VM agent for snapshot status.",
        (
            "Please retry the backup operation. If the issue repeats, follow the instructions at "
            "http://go.microsoft.com/fwlink/?LinkId=800034.",
        ),
    ),
    JobError(VM_NOT_FOUND.code, VM_NOT_FOUND.title, VM_NOT_FOUND.message, VM_NOT_FOUND.recommendations),
    JobError(
        400227,
        "UserErrorVmNotInDesirableState",
        "VM is not in a state that allows backups.",
        ("Make sure the VM is running or stopped and its provisioning state is not Failed, then retry.",),
    ),
    JobError(
        400224,
        "UserErrorFsFreezeFailed",
        "Failed to freeze one or more mount-points of the VM to take a file-system consistent snapshot.",
        ("Check the file systems of the VM and retry the operation.",),
    ),
    JobError(
        400280,
        "UserErrorRequestDisallowedByPolicy",
        "An invalid policy is configured on the VM which is preventing Snapshot operation.",
        ("Exclude the resource group of the restore points from the assigned Azure Policy and retry.",),
    ),
    JobError(
        400001,
        "BackUpOperationFailedV2",
        "Backup failed with an internal error.",
        ("Please contact Microsoft support if the problem persists.",),
    ),
)

JOB_ERRORS = {error.title: error for error in _JOB_ERRORS}
"""Name -> the whole error: what a scenario's `error = "..."` may say."""
