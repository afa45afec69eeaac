"""How fast a migration may go and when it stops by itself: the limits, how they change, what they leave room for."""

from collections.abc import Iterable
from itertools import accumulate
from typing import Annotated, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from migration.model import Value

Concurrent = Annotated[int, Meta(ge=1, le=10_000, description="Most VMs in flight at once in the whole migration")]
ConcurrentPerVault = Annotated[int, Meta(ge=1, le=100, description="Most VMs in flight at once in a vault")]
Ramp = Annotated[
    tuple[Annotated[int, Meta(ge=1, le=10_000)], ...],
    Meta(max_length=20, description="Canary steps: how many VMs come through before the next step begins; empty: none"),
]
StopAfter = Annotated[int, Meta(ge=1, le=10_000, description="Failures after which nothing more starts")]
StopAfterPercent = Annotated[
    Annotated[int, Meta(ge=1, le=100)] | None,
    Meta(description="Failures after which nothing more starts, in percent of the planned VMs; null: no such limit"),
]
JobTimeout = Annotated[int, Meta(ge=1, le=120, description="A VM whose job takes more hours is TimedOut")]
BackupJobWait = Annotated[
    int, Meta(ge=1, le=120, description="Hours to wait for a running backup job before giving up on its VM")
]
PollSeconds = Annotated[int, Meta(ge=1, le=3600, description="Seconds between two looks at a vault's jobs")]

L = TypeVar("L", "Limits", "LimitChanges")

QUIET_SECONDS = 1200  # backing off makes no wait longer than this
IDLE_SECONDS = 60  # between two looks at the ledger alone, at first


class Limits(Value, frozen=True):
    """How fast a migration may go and when it stops by itself."""

    max_concurrent: Concurrent = 200
    max_concurrent_per_vault: ConcurrentPerVault = 20
    ramp: Ramp = (1, 5, 25)
    stop_after_failures: StopAfter = 5
    stop_after_failures_percent: StopAfterPercent = None
    job_timeout_hours: JobTimeout = 24
    backup_job_wait_hours: BackupJobWait = 12
    poll_seconds: PollSeconds = 300


class LimitChanges(Value, frozen=True):
    """Some of the limits, as a caller sends them: what is not named stays as it is."""

    max_concurrent: Concurrent | UnsetType = UNSET
    max_concurrent_per_vault: ConcurrentPerVault | UnsetType = UNSET
    ramp: Ramp | UnsetType = UNSET
    stop_after_failures: StopAfter | UnsetType = UNSET
    stop_after_failures_percent: StopAfterPercent | UnsetType = UNSET
    job_timeout_hours: JobTimeout | UnsetType = UNSET
    backup_job_wait_hours: BackupJobWait | UnsetType = UNSET
    poll_seconds: PollSeconds | UnsetType = UNSET

    def applied_to(self, limits: L) -> L:
        """Those limits, or earlier changes, with these on top."""
        named = {field: value for field, value in msgspec.structs.asdict(self).items() if value is not UNSET}
        return msgspec.structs.replace(limits, **named)


class Share(Value, frozen=True):
    """What the VMs of a vault, or of several, count for the limits."""

    in_flight: int = 0
    migrated: int = 0
    failed: int = 0


def together(shares: Iterable[Share]) -> Share:
    """The shares as one."""
    whole = tuple(shares)
    return Share(
        in_flight=sum(share.in_flight for share in whole),
        migrated=sum(share.migrated for share in whole),
        failed=sum(share.failed for share in whole),
    )


def room(limits: Limits, here: Share, others: Share) -> int:
    """How many VMs of a vault may start now, next to those of the migration's other vaults.

    The ramp's steps count what has come through: with (1, 5) one VM moves alone; when it has, five more may; when
    these have, as many as the other limits allow. A VM that fails is replaced by another one, so that a step waits
    for the former to settle well, or for too many failures to stop everything.
    """
    whole = together((here, others))
    free = [limits.max_concurrent_per_vault - here.in_flight, limits.max_concurrent - whole.in_flight]
    step = next((step for step in accumulate(limits.ramp) if step > whole.migrated), None)
    if step is not None:
        free.append(step - whole.migrated - whole.in_flight)
    return max(0, min(free))


def exhausted(limits: Limits, failed: int, planned: int) -> str:
    """Why nothing more may start after so many failures among so many VMs planned; empty where it may."""
    if failed >= limits.stop_after_failures:
        return f"{failed} VMs failed; the limit is {limits.stop_after_failures}"
    percent = limits.stop_after_failures_percent
    if percent is not None and failed and failed * 100 >= percent * planned:
        return f"{failed} of {planned} VMs failed; the limit is {percent} %"
    return ""


def pace(requested_seconds: int, readers: int, job_reads_per_hour: int, quiet_looks: int = 0) -> int:
    """Seconds between two looks at a vault, when so many vaults of its subscription are being looked at.

    `backupJobs/read` has one hourly bucket per subscription (recorded: 150, error_429_resource_requests_throttled_
    job_read.json). A look costs one read, and a second one when a job has ended; the details of a failed job, which
    the list leaves out, cost one more, which no pace foresees. Jobs take hours: after two looks that changed nothing
    the pace slows down, to a quarter at most.
    """
    return _backed_off(max(requested_seconds, -(-2 * readers * 3600 // job_reads_per_hour)), quiet_looks, most=2)


def idle_pace(requested_seconds: int, quiet_looks: int) -> int:
    """Seconds between two looks of a vault at the ledger alone, while it waits for others: room, people, the service.

    A nudge wakes it earlier; a lost one delays by this much.
    """
    return _backed_off(min(requested_seconds, IDLE_SECONDS), quiet_looks, most=4)


def _backed_off(seconds: int, quiet_looks: int, most: int) -> int:
    """Twice as long for each quiet look after the first, `most` times at most."""
    return max(seconds, min(seconds * 2 ** min(most, max(0, quiet_looks - 1)), QUIET_SECONDS))
