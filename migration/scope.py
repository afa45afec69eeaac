"""From the scope of a request to the vaults it means, and from a selection to the VMs it means.

A name that stands for nothing is an error that names it, never an empty success: a mistyped vault must not look like a
vault with nothing to do.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from migration.model import BackupPolicy, ProtectedItem, Vault, VaultId, VirtualMachine
from migration.request import MOST_VAULTS, MigrationRequest, Problem, Selection, SubscriptionScope


def subscriptions_of(request: MigrationRequest) -> tuple[str, ...]:
    """The subscriptions whose vaults have to be listed to resolve the request, each once."""
    ids = [VaultId.parse(vault).subscription for vault in request.vaults]
    ids += [scope.id for scope in request.subscriptions]
    return tuple({subscription.lower(): subscription for subscription in ids}.values())


def resolve(request: MigrationRequest, visible: Mapping[str, Sequence[Vault]]) -> tuple[list[Vault], list[Problem]]:
    """The vaults a request means, out of those visible by subscription (lower case), and what means nothing."""
    by_id = {vault.id.lower(): vault for vaults in visible.values() for vault in vaults}
    found: dict[str, Vault] = {}
    problems: list[Problem] = []
    for index, name in enumerate(request.vaults):
        vault = by_id.get(str(VaultId.parse(name)).lower())
        if vault is None:
            message = "there is no such vault, or the app may not touch it"
            problems.append(Problem(path=f"$.vaults[{index}]", message=message))
        else:
            found[vault.id.lower()] = vault
    for index, scope in enumerate(request.subscriptions):
        fitting = [vault for vault in visible[scope.id.lower()] if _fits(vault, scope)]
        if not fitting:
            message = "no vault of this subscription fits, or the app may not touch those that do"
            problems.append(Problem(path=f"$.subscriptions[{index}]", message=message))
            continue
        problems += _dead_filters(f"$.subscriptions[{index}]", scope, visible[scope.id.lower()])
        found |= {vault.id.lower(): vault for vault in fitting}
    if len(found) > MOST_VAULTS:
        problems.append(Problem(path="$", message=f"{len(found)} vaults fit; a migration takes {MOST_VAULTS}"))
    return sorted(found.values(), key=lambda vault: vault.id.lower()), problems


def within(vault_id: str, scopes: Iterable[str]) -> bool:
    """Whether a vault is one of these resource ids or in one of these groups or subscriptions; no scopes allow all."""
    allowed = [scope.lower() for scope in scopes]
    own = vault_id.lower()
    return not allowed or any(own == scope or own.startswith(f"{scope}/") for scope in allowed)


def _dead_filters(path: str, scope: SubscriptionScope, vaults: Sequence[Vault]) -> list[Problem]:
    """The resource groups and regions of a scope in which the subscription has no vault."""
    groups = [VaultId.parse(vault.id).resource_group for vault in vaults]
    regions = {_region(vault.region) for vault in vaults}
    dead = [
        *(
            (f"{path}.resourceGroups[{index}]", pattern)
            for index, pattern in enumerate(scope.resource_groups)
            if not any(_globs(pattern, group) for group in groups)
        ),
        *(
            (f"{path}.regions[{index}]", region)
            for index, region in enumerate(scope.regions)
            if _region(region) not in regions
        ),
    ]
    return [Problem(path=at, message=f"no vault of this subscription is in {name}") for at, name in dead]


def _fits(vault: Vault, scope: SubscriptionScope) -> bool:
    group = VaultId.parse(vault.id).resource_group
    return (
        (not scope.resource_groups or any(_globs(pattern, group) for pattern in scope.resource_groups))
        and (not scope.regions or _region(vault.region) in map(_region, scope.regions))
        and _carries(vault.tags, scope.vault_tags)
    )


def _region(name: str) -> str:
    return name.replace(" ", "").lower()  # "West Europe" and "westeurope" are one


def _globs(pattern: str, name: str) -> bool:
    return fnmatchcase(name.lower(), pattern.lower())


def _carries(tags: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Tag names compare without case, their values with it, as in Azure."""
    own = {name.lower(): value for name, value in tags.items()}
    return all(own.get(name.lower()) == value for name, value in wanted.items())


# --- the VMs of a vault


def matching(patterns: Iterable[str], item: ProtectedItem) -> list[str]:
    """Those of the patterns that mean this VM."""
    ids = (item.id.lower(), item.vm_id.lower())
    return [
        pattern
        for pattern in patterns
        if (pattern.lower() in ids if pattern.startswith("/") else _globs(pattern, item.vm_name))
    ]


def left_out(item: ProtectedItem, vm: VirtualMachine | None, policy_name: str, selection: Selection) -> str | None:
    """Why the selection leaves a VM out, or None where it is in."""
    return next(_reasons(item, vm, policy_name, selection), None)


def _reasons(item: ProtectedItem, vm: VirtualMachine | None, policy_name: str, selection: Selection) -> Iterator[str]:
    excluding = matching(selection.exclude, item)
    if excluding:
        yield f"excluded by {excluding[0]}"
    if selection.include and not matching(selection.include, item):
        yield "not included"
    if selection.source_policies and policy_name.lower() not in map(str.lower, selection.source_policies):
        yield f"its policy is {policy_name or 'none'}"
    if selection.vm_tags and not _carries(vm.tags if vm else {}, selection.vm_tags):
        yield "the VM does not carry the tags"


def meant(
    request: MigrationRequest,
    items: Sequence[ProtectedItem],
    policies: Iterable[BackupPolicy],
    machines: Iterable[VirtualMachine],
) -> tuple[str, ...]:
    """What the request names and a vault has, as paths into the request; `machines` are those of its items."""
    names, tags = {policy.name.lower() for policy in policies}, [machine.tags for machine in machines]
    has: Mapping[str, Callable[[str], bool]] = {
        "include": lambda pattern: any(matching((pattern,), item) for item in items),
        "exclude": lambda pattern: any(matching((pattern,), item) for item in items),
        "sourcePolicies": lambda name: name.lower() in names,
        "vmTags": lambda name: any(_carries(own, {name: request.items.vm_tags[name]}) for own in tags),
        "policies": lambda name: name.lower() in names,
    }
    return tuple(path for field, path, name in _named(request) if has[field](name))


def unmatched(request: MigrationRequest, found: Iterable[str]) -> list[Problem]:
    """What the request names and none of its vaults has: a typo must not look like nothing to do.

    A retry is about fewer vaults than the migration that proved its names.
    """
    if request.retry_of:
        return []
    known = set(found)
    return [
        Problem(path=path, message=f"{name} is nowhere in these vaults")
        for _, path, name in _named(request)
        if path not in known
    ]


def _named(request: MigrationRequest) -> Iterator[tuple[str, str, str]]:
    """Everything in a request that has to mean something in one of its vaults: its field, its path, its name."""
    lists = {
        "include": request.items.include,
        "exclude": request.items.exclude,
        "sourcePolicies": request.items.source_policies,
    }
    for field, names in lists.items():
        yield from ((field, f"$.items.{field}[{index}]", name) for index, name in enumerate(names))
    yield from (("vmTags", f"$.items.vmTags.{name}", name) for name in request.items.vm_tags)
    yield from (("policies", f"$.target.policies.{name}", name) for name in request.target.policies or ())
