"""What a caller may ask for, and everything that can be wrong with it."""

from typing import Annotated, Literal

from msgspec import Meta

from migration.model import Value, VaultId

MIGRATION_ID = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,59}$"  # fits a table key, a URL and, with a vault's key, an instance id
POLICY_NAME = r"^[A-Za-z][A-Za-z0-9-]{2,149}$"  # what Azure Backup accepts as a policy's name


class Limits(Value, frozen=True):
    """How fast a migration may go and when it stops by itself."""

    max_concurrent_per_vault: Annotated[int, Meta(ge=1, le=100, description="VMs in flight at once in a vault")] = 20
    poll_seconds: Annotated[int, Meta(ge=1, le=3600, description="Time between two looks at a vault's jobs")] = 300
    job_timeout_hours: Annotated[int, Meta(ge=1, le=120, description="A VM whose job takes longer is TimedOut")] = 24
    backup_job_wait_hours: Annotated[
        int, Meta(ge=1, le=120, description="A VM whose running backup job is older than this is Blocked")
    ] = 12
    stop_after_failures: Annotated[
        int, Meta(ge=1, le=10_000, description="Failures in a vault after which nothing more starts there")
    ] = 5


class Target(Value, frozen=True):
    """The Enhanced policy that every VM moves to: a policy of this name in its own vault."""

    policy_name: Annotated[str, Meta(pattern=POLICY_NAME)]


class MigrationRequest(Value, frozen=True):
    """What a caller asks for: plan, or migrate, these vaults' Azure VM items to that Enhanced policy."""

    mode: Literal["plan", "migrate"]
    vaults: Annotated[tuple[str, ...], Meta(min_length=1, max_length=500)]
    target: Target
    id: Annotated[str, Meta(pattern=MIGRATION_ID)] | None = None
    acknowledge_irreversible: bool = False
    approval: Literal["required", "none"] = "required"
    approval_timeout_hours: Annotated[int, Meta(ge=1, le=720)] = 168
    limits: Limits = Limits()


class Problem(Value, frozen=True):
    """Something wrong with what a caller sent: where (a path into the body) and what."""

    path: str
    message: str


def problems_of(request: MigrationRequest) -> list[Problem]:
    """What no field alone can tell: vault ids that are none, vaults named twice, a migration not acknowledged."""
    problems: list[Problem] = []
    seen: set[str] = set()
    for index, vault in enumerate(request.vaults):
        try:
            key = str(VaultId.parse(vault)).lower()
            message = "this vault is named twice" if key in seen else ""
            seen.add(key)
        except ValueError as error:
            message = str(error)
        if message:
            problems.append(Problem(path=f"$.vaults[{index}]", message=message))
    if request.mode == "migrate" and not request.acknowledge_irreversible:
        problems.append(
            Problem(
                path="$.acknowledgeIrreversible",
                message="a migration can't be undone: set this to true to start one, or ask for mode 'plan'",
            )
        )
    return problems
