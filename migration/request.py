"""What a caller may ask for, and everything that can be wrong with it before anybody asks Azure."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from migration.cost import Budget, CostAssumptions
from migration.limits import LimitChanges
from migration.model import Value, VaultId
from migration.policy import CloneOptions

MIGRATION_ID = (
    r"^[A-Za-z0-9][A-Za-z0-9_-]{0,59}$(?!\n)"  # fits a table key, a URL and, with a vault's key, an instance id
)
POLICY_NAME = r"^[A-Za-z][A-Za-z0-9-]{2,149}$(?!\n)"  # what Azure Backup accepts as a policy's name
SUBSCRIPTION_ID = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$(?!\n)"
MOST_VAULTS = 500  # as many as Azure allows in a subscription

MigrationId = Annotated[str, Meta(pattern=MIGRATION_ID)]
PolicyName = Annotated[str, Meta(pattern=POLICY_NAME)]
Name = Annotated[str, Meta(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)")]
Pattern = Annotated[str, Meta(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)")]
Patterns = Annotated[tuple[Pattern, ...], Meta(max_length=2000)]
Tags = Annotated[dict[Name, Name], Meta(max_length=50)]


class SubscriptionScope(Value, frozen=True):
    """The vaults of a subscription that fit all of this."""

    id: Annotated[str, Meta(pattern=SUBSCRIPTION_ID, description="The subscription's id, without a path")]
    resource_groups: Annotated[
        Patterns, Meta(description="Globs over resource groups, one of which is the vault's; empty: in any group")
    ] = ()
    regions: Annotated[
        tuple[Name, ...], Meta(max_length=100, description="Regions by name, such as westeurope; empty: in any region")
    ] = ()
    vault_tags: Annotated[Tags, Meta(description="Tags that the vault carries, all of them; empty: any or none")] = {}


class Selection(Value, frozen=True):
    """Which VMs of those vaults: those that fit every field.

    A pattern that begins with a slash is the resource id of a VM or a protected item, any other a glob over the names
    of VMs.
    """

    include: Annotated[Patterns, Meta(description="Only VMs that one of these patterns means; empty: all")] = ()
    exclude: Annotated[
        Patterns, Meta(description="No VM that one of these patterns means, even if included; empty: none is left out")
    ] = ()
    source_policies: Annotated[
        tuple[PolicyName, ...],
        Meta(max_length=200, description="Only VMs on one of these Standard policies, by name; empty: on any"),
    ] = ()
    vm_tags: Annotated[Tags, Meta(description="Only VMs that carry all of these tags; empty: any or none")] = {}


class Target(Value, frozen=True):
    """The Enhanced policy each VM moves to: exactly one of the three, the others null or left out."""

    policy_name: Annotated[
        PolicyName | None, Meta(description="The policy of this name in the VM's vault; null: another of the three")
    ] = None
    policies: Annotated[
        Annotated[dict[PolicyName, PolicyName], Meta(min_length=1, max_length=200)] | None,
        Meta(description="From each Standard policy's name to an Enhanced one's; null: another of the three"),
    ] = None
    clone: Annotated[
        CloneOptions | None,
        Meta(
            description="The Enhanced equal of each Standard policy, made when the migration runs; "
            "null: another of the three"
        ),
    ] = None


class MigrationRequest(Value, frozen=True):
    """What a caller asks for: plan, or migrate, these VMs of these vaults to that Enhanced policy."""

    mode: Annotated[
        Literal["plan", "migrate"],
        Meta(description="`plan`: only say what would happen; `migrate`: carry it out once the plan is made"),
    ]
    target: Annotated[Target, Meta(description="Where the VMs move to")]
    vaults: Annotated[
        tuple[str, ...],
        Meta(max_length=MOST_VAULTS, description="Vaults by their resource ids; empty: those of the subscriptions"),
    ] = ()
    subscriptions: Annotated[
        tuple[SubscriptionScope, ...],
        Meta(max_length=100, description="Subscriptions whose vaults are meant, instead or besides; empty: none"),
    ] = ()
    items: Annotated[
        Selection, Meta(description="Which VMs of those vaults; the others are in the plan as Excluded")
    ] = Selection()
    id: Annotated[
        MigrationId | None, Meta(description="The new migration's id, which no other has; null: the app makes one")
    ] = None
    retry_of: Annotated[
        MigrationId | None,
        Meta(
            description="Id of a migration that has ended: only what it left Failed, TimedOut, Drifted, or Refused for "
            "a reason that can pass; null: this is no retry"
        ),
    ] = None
    acknowledge_irreversible: Annotated[
        bool, Meta(description="Must be true in mode migrate: no VM can be moved back to a Standard policy")
    ] = False
    accept_retention_loss: Annotated[
        bool, Meta(description="Whether a target may keep less than the source: recovery points are pruned then")
    ] = False
    approval: Annotated[
        Literal["required", "none"],
        Meta(description="`required`: the plan waits for somebody to approve its hash; `none`: it is carried out"),
    ] = "required"
    approval_timeout_hours: Annotated[
        int, Meta(ge=1, le=720, description="Hours after which a plan that nobody approved is Rejected")
    ] = 168
    limits: Annotated[
        LimitChanges, Meta(description="Limits of this migration; what is not named is as the app has it by default")
    ] = LimitChanges()
    cost: Annotated[CostAssumptions, Meta(description="What the estimate of the cost assumes")] = CostAssumptions()
    budget: Annotated[
        Budget | None,
        Meta(description="A plan whose estimate may exceed it is not carried out; null: whatever the plan costs"),
    ] = None


class Problem(Value, frozen=True):
    """Something wrong with what a caller sent."""

    path: Annotated[
        str, Meta(description="Where: a path such as $.vaults[0], or the name of a header or of a part of the URL")
    ]
    message: Annotated[str, Meta(description="What is wrong there")]


def retried(request: MigrationRequest, migration_id: str, vaults: Sequence[str], **changes: object) -> MigrationRequest:
    """The request that tries again, in these vaults, what did not come through in the migration of that id."""
    scope = {"vaults": tuple(vaults), "subscriptions": (), "items": Selection()}
    return msgspec.structs.replace(request, retry_of=migration_id, **scope, **changes)


def problems_of(request: MigrationRequest) -> list[Problem]:
    """What no field's own type can tell."""
    return [*_scope_problems(request), *_target_problems(request.target), *_consent_problems(request)]


def _scope_problems(request: MigrationRequest) -> Iterator[Problem]:
    if not request.vaults and not request.subscriptions:
        yield Problem(path="$.vaults", message="name at least one vault, or a subscription in $.subscriptions")
    seen: set[str] = set()
    for index, vault in enumerate(request.vaults):
        path = f"$.vaults[{index}]"
        try:
            key = str(VaultId.parse(vault)).lower()
        except ValueError as error:
            yield Problem(path=path, message=str(error))
            continue
        if key in seen:
            yield Problem(path=path, message="this vault is named twice")
        seen.add(key)
    subscriptions: set[str] = set()
    for index, scope in enumerate(request.subscriptions):
        if scope.id.lower() in subscriptions:
            yield Problem(path=f"$.subscriptions[{index}].id", message="this subscription is named twice")
        subscriptions.add(scope.id.lower())


def _target_problems(target: Target) -> Iterator[Problem]:
    named = [field for field in ("policy_name", "policies", "clone") if getattr(target, field) is not None]
    if len(named) != 1:
        yield Problem(path="$.target", message="name exactly one of policyName, policies and clone")
    sources = [name.lower() for name in target.policies or ()]
    for name in target.policies or ():
        if sources.count(name.lower()) > 1:
            yield Problem(path=f"$.target.policies.{name}", message="this policy is mapped twice, in another casing")


def _consent_problems(request: MigrationRequest) -> Iterator[Problem]:
    if request.budget and request.budget.currency != request.cost.currency:
        message = f"the estimate is in {request.cost.currency}; set $.cost.currency and a price to have it in another"
        yield Problem(path="$.budget.currency", message=message)
    if request.mode == "migrate" and not request.acknowledge_irreversible:
        yield Problem(
            path="$.acknowledgeIrreversible",
            message="a migration can't be undone: set this to true to start one, or ask for mode 'plan'",
        )
