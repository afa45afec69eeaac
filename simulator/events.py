"""What others do to the estate meanwhile (delete a VM, change a policy), and how migrations will go wrong: the words.

An event names its VM by name, or by the resource id of the VM or of its protected item. A scenario lists events with
the minute they happen at ([[events]]); the control API lets them happen at once. What they do is in happenings.py.
"""

from typing import Literal

import msgspec

from simulator.incidents import JOB_ERRORS
from simulator.resources import JobError, JobStatus, MigrationEnding


class JobErrorTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A job error in full, where a name of incidents.py does not do."""

    code: int
    title: str
    text: str
    recommendations: tuple[str, ...] = ()


class Migration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a change to an Enhanced policy ends. OperationFailed: no job ever appears. Never: the job does not end."""

    ends: Literal["Completed", "CompletedWithWarnings", "Failed", "Cancelled", "Never", "OperationFailed"] = "Completed"
    error: str | JobErrorTable | None = None
    minutes: float | None = None

    def ending(self) -> MigrationEnding:
        """Raises ValueError for an unknown error name."""
        fails = self.ends in ("Failed", "OperationFailed")
        error = self.error or ("BackUpOperationFailedV2" if fails else None)
        no_ending = self.ends in ("Never", "OperationFailed")
        return MigrationEnding(
            status=JobStatus.COMPLETED if no_ending else JobStatus(self.ends),
            errors=(job_error(error),) if error else (),
            minutes=self.minutes,
            never=self.ends == "Never",
            without_job=self.ends == "OperationFailed",
        )


def job_error(error: str | JobErrorTable) -> JobError:
    """Raises ValueError for an unknown name."""
    if isinstance(error, JobErrorTable):
        return JobError(error.code, error.title, error.text, error.recommendations)
    if error not in JOB_ERRORS:
        raise ValueError(f"error '{error}' is not one of {', '.join(sorted(JOB_ERRORS))}")
    return JOB_ERRORS[error]


class VmDeleted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="event"):
    """Someone deletes the VM; its item stays, and a job that runs on it fails."""

    vm: str
    after_minutes: float = 0


class PolicyChangedElsewhere(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="event"):
    """Someone moves the item to another policy of the vault; no job of ours."""

    vm: str
    after_minutes: float = 0
    policy: str


class ProtectionStopped(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="event"):
    """Someone stops protection and keeps the data."""

    vm: str
    after_minutes: float = 0


class BackupStarted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="event"):
    """Someone starts an on-demand backup."""

    vm: str
    after_minutes: float = 0
    minutes: float = 40


class MigrationWillEnd(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="event"):
    """Changes of this VM to an Enhanced policy end like this from now on."""

    vm: str
    after_minutes: float = 0
    migration: Migration


class JobsEnd(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="event"):
    """The jobs that run on the VM end now."""

    vm: str
    after_minutes: float = 0
    status: Literal["Completed", "CompletedWithWarnings", "Failed", "Cancelled"] = "Completed"
    error: str | JobErrorTable | None = None


Event = VmDeleted | PolicyChangedElsewhere | ProtectionStopped | BackupStarted | MigrationWillEnd | JobsEnd
