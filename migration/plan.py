"""The plan of a vault: what would happen to each of its VMs, and a hash that execution is bound to."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

import msgspec

from migration.cost import CostAssumptions, CostRange, Price, add_up, estimate
from migration.model import BackupPolicy, Disk, Finding, ItemId, Job, PolicyType, ProtectedItem, Vault, VirtualMachine
from migration.policy import clone_name, enhanced_equal, fingerprint
from migration.preflight import Facts, Load, blocking, inspect
from migration.records import ItemRecord, ItemState, PlannedTarget, PlanSummary, Tally, VaultRecord
from migration.request import MigrationRequest, Target
from migration.scope import left_out, meant


@dataclass(frozen=True, kw_only=True)
class VaultFacts:
    """What a survey read.

    The vault's VM items and policies, the jobs running now, the subscription's VMs and disks, the price of snapshots
    in the vault's region, and how many VMs each target policy protects already, by lower-case name. `among` are the
    names of the items that a retry is about; None where the request is none.
    """

    vault: Vault
    items: Sequence[ProtectedItem]
    policies: Sequence[BackupPolicy]
    running_jobs: Iterable[Job]
    machines: Iterable[VirtualMachine]
    disks: Iterable[Disk]
    price: Price
    members: Mapping[str, int] = field(default_factory=dict[str, int])
    among: Set[str] | None = None


@dataclass(frozen=True, kw_only=True)
class VaultPlan:
    """A record for every VM item, by item name; the plan in numbers; the targets; the patterns that meant a VM."""

    records: tuple[ItemRecord, ...]
    summary: PlanSummary
    targets: tuple[PlannedTarget, ...]
    sources: dict[str, str]
    matched: tuple[str, ...]

    def recorded(self, vault: VaultRecord) -> VaultRecord:
        """The vault's record with this plan of it, and its VMs counted."""
        tally = Tally().plus(self.records)
        return msgspec.structs.replace(
            vault,
            surveyed=True,
            problem="",
            targets=self.targets,
            sources=self.sources,
            matched=self.matched,
            plan_hash=hash_vault_plan(self.records, self.targets, self.sources),
            plan=self.summary,
            vms=len(self.records),
            counts=tally.states,
            reasons=tally.reasons,
        )


# --- targets


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The target meant for a VM, and what of it stands in the vault: a clone may still have to be made."""

    name: str
    target: BackupPolicy | None
    standing: BackupPolicy | None


def by_name(policies: Iterable[BackupPolicy]) -> dict[str, BackupPolicy]:
    """Policies by lower-case name: names compare without case, as in the service."""
    return {policy.name.lower(): policy for policy in policies}


def choose(target: Target, source: BackupPolicy | None, policies: Iterable[BackupPolicy]) -> Choice:
    """The target that the request means for VMs of a source policy."""
    named = by_name(policies)
    if target.clone is not None:
        if source is None or source.policy_type is PolicyType.ENHANCED:
            return Choice(name="", target=None, standing=None)
        name = clone_name(source, target.clone)
        return Choice(name=name, target=enhanced_equal(source, target.clone), standing=named.get(name.lower()))
    if target.policies is not None:
        mapped = {name.lower(): enhanced for name, enhanced in target.policies.items()}
        name = mapped.get(source.name.lower(), "") if source else ""
    else:
        name = target.policy_name or ""
    policy = named.get(name.lower())
    return Choice(name=name, target=policy, standing=policy)


def standing_targets(target: Target, items: Iterable[ProtectedItem], policies: Sequence[BackupPolicy]) -> list[str]:
    """The names of the policies in the vault that VMs would move to: whose members are worth counting."""
    by_id = {policy.id.lower(): policy for policy in policies}
    sources = {item.policy_id.lower() for item in items}
    choices = [choose(target, by_id.get(source), policies) for source in sorted(sources)]
    return sorted({choice.standing.name for choice in choices if choice.standing})


# --- the plan


def plan_vault(record: VaultRecord, facts: VaultFacts, request: MigrationRequest) -> VaultPlan:
    """Every VM's verdict, in two looks: each by itself, then under what all ready ones together put on the vault."""
    lookup = _Lookup(facts, request)
    alone = [lookup.facts_of(item) for item in sorted(facts.items, key=lambda item: ItemId.parse(item.id).name)]
    out = {one.item.id: _left_out(one, facts.among, request) for one in alone}
    ready = [one for one in alone if out[one.item.id] is None and _state(inspect(one))[0] is ItemState.PLANNED]
    targets = _targets(ready)
    load = _load(ready, targets, facts.members)
    costs = {one.item.id: _cost(one, request.cost, facts.price) for one in ready}
    together = [replace(one, load=load, cost=costs.get(one.item.id)) for one in alone]
    records = tuple(_item_record(record, one, out[one.item.id]) for one in together)
    return VaultPlan(
        records=records,
        summary=_summary(records, facts.price),
        targets=targets,
        sources={one.source.name: fingerprint(one.source) for one in ready if one.source},
        matched=meant(request, facts.items, facts.policies, [one.vm for one in alone if one.vm]),
    )


def _left_out(one: Facts, among: Set[str] | None, request: MigrationRequest) -> str | None:
    if among is not None and ItemId.parse(one.item.id).name not in among:
        return f"nothing to retry after {request.retry_of}"
    return left_out(one.item, one.vm, one.source.name if one.source else "", request.items)


class _Lookup:
    """Joins what was read in lists: item to policy, VM, disks and running job, whatever the casing of their ids."""

    def __init__(self, facts: VaultFacts, request: MigrationRequest) -> None:
        self._vault, self._request = facts.vault, request
        self._policies = {policy.id.lower(): policy for policy in facts.policies}
        self._machines = {machine.id.lower(): machine for machine in facts.machines}
        self._disks = {disk.id.lower(): disk for disk in facts.disks}
        self._running = {job.container: job for job in facts.running_jobs}
        self._choices = {
            source: choose(request.target, self._policies.get(source), facts.policies)
            for source in {item.policy_id.lower() for item in facts.items}
        }

    def facts_of(self, item: ProtectedItem) -> Facts:
        """Everything known about one VM by itself."""
        vm = self._machines.get(item.vm_id.lower())
        choice = self._choices[item.policy_id.lower()]
        disks = {name: self._disks.get(name.lower()) for name in (vm.disks if vm else ())}
        return Facts(
            item=item,
            vm=vm,
            disks=tuple(disk for disk in disks.values() if disk),
            unseen_disks=tuple(name.rpartition("/")[2] for name, disk in disks.items() if disk is None),
            source=self._policies.get(item.policy_id.lower()),
            target=choice.target,
            target_name=choice.name,
            standing=choice.standing,
            vault=self._vault,
            running_job=self._running.get(ItemId.parse(item.id).job_container),
            retention_loss_accepted=self._request.accept_retention_loss,
        )


def _targets(ready: Iterable[Facts]) -> tuple[PlannedTarget, ...]:
    """The distinct targets of the ready VMs. A clone that is to be made names the source it is made from."""
    targets: dict[str, PlannedTarget] = {}
    for one in ready:
        if one.target and one.source:
            made_from = "" if one.standing else one.source.name
            targets[one.target_name.lower()] = PlannedTarget(
                name=one.target_name, fingerprint=fingerprint(one.target), made_from=made_from
            )
    return tuple(targets[name] for name in sorted(targets))


def _load(ready: Sequence[Facts], targets: Iterable[PlannedTarget], members: Mapping[str, int]) -> Load:
    more = Counter(one.target_name.lower() for one in ready)
    return Load(
        changes=len(ready),
        new_policies=sum(bool(target.made_from) for target in targets),
        members={name: (members.get(name, 0), count) for name, count in more.items()},
    )


def _state(findings: tuple[Finding, ...]) -> tuple[ItemState, str, str]:
    """State, reason and message of a VM with these findings."""
    block = blocking(findings)
    if any(finding.code == "AlreadyEnhanced" for finding in findings):
        return ItemState.ALREADY_ENHANCED, "AlreadyEnhanced", ""
    return (ItemState.BLOCKED, block.code, block.message) if block else (ItemState.PLANNED, "", "")


def _item_record(vault: VaultRecord, facts: Facts, left_out_because: str | None) -> ItemRecord:
    findings = inspect(facts)
    state, reason, message = _state(findings)
    if left_out_because and state is not ItemState.ALREADY_ENHANCED:
        state, reason, message = ItemState.EXCLUDED, "Excluded", left_out_because
    item_id = ItemId.parse(facts.item.id)
    return ItemRecord(
        migration_id=vault.migration_id,
        vault_key=vault.vault_key,
        item_name=item_id.name,
        item_id=facts.item.id,
        container=item_id.job_container,
        vm_id=facts.item.vm_id,
        vm_name=facts.item.vm_name,
        source_policy_id=facts.item.policy_id,
        target_policy_id=facts.target.id if facts.target else "",
        excluded_disks=facts.item.excluded_disks,
        state=state,
        verdict=state,
        cost=facts.cost if state is ItemState.PLANNED else None,
        reason=reason,
        message=message,
        findings=findings,
    )


def _cost(facts: Facts, assumptions: CostAssumptions, price: Price) -> CostRange | None:
    """The change of one VM's bill; None where its disks' size is not known."""
    size = sum(disk.size_gb for disk in facts.disks)
    if not (size and facts.source and facts.target) or facts.unseen_disks:
        return None
    return estimate(
        size,
        standard_days=facts.source.content.instant_restore_days,
        enhanced_days=facts.target.content.instant_restore_days,
        assumptions=assumptions,
        price=price,
        trusted_launch=facts.vm is not None and facts.vm.trusted_launch,
    )


def _summary(records: Sequence[ItemRecord], price: Price) -> PlanSummary:
    verdicts = Counter(f"{record.verdict}/{record.reason}" for record in records)
    meant_ones = [record for record in records if record.verdict is not ItemState.EXCLUDED]
    findings = Counter(finding.code for record in meant_ones for finding in record.findings)
    planned = [record.cost for record in records if record.state is ItemState.PLANNED]
    return PlanSummary(
        verdicts=dict(sorted(verdicts.items())),
        findings=dict(sorted(findings.items())),
        estimate=add_up(planned, price),
    )


def hash_vault_plan(records: Iterable[ItemRecord], targets: Iterable[PlannedTarget], sources: Mapping[str, str]) -> str:
    """A hash over what matters in a vault's plan: each VM with its verdict and policies, and what those policies say.

    Findings that only wait (a running job) are left out: they pass by themselves and change nothing that was decided.
    """
    matter = [
        (
            record.item_id.lower(),
            record.vm_id.lower(),
            record.state,
            record.source_policy_id.lower(),
            record.target_policy_id.lower(),
        )
        for record in sorted(records, key=lambda record: record.item_name)
    ]
    prints = sorted((target.name.lower(), target.fingerprint) for target in targets)
    return _digest([matter, prints, sorted((name.lower(), value) for name, value in sources.items())])


def hash_plan(vaults: Mapping[str, str]) -> str:
    """The whole plan's hash, from the hash of each vault's plan by vault key. This is what an approval names."""
    return _digest(sorted(vaults.items()))


def _digest(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value)).hexdigest()
