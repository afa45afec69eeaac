"""The plan of a vault: what would happen to each of its VMs, and a hash that execution is bound to."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from migration.model import BackupPolicy, ItemId, Job, ProtectedItem, VirtualMachine
from migration.preflight import Facts, blocking, inspect
from migration.records import ItemRecord, ItemState, VaultRecord


@dataclass(frozen=True, kw_only=True)
class VaultFacts:
    """What a survey read: the vault's VM items and policies, the jobs running now, the subscription's VMs."""

    items: Iterable[ProtectedItem]
    policies: Iterable[BackupPolicy]
    running_jobs: Iterable[Job]
    machines: Iterable[VirtualMachine]


def plan_vault(vault: VaultRecord, facts: VaultFacts, target_name: str) -> list[ItemRecord]:
    """A record for every VM item of the vault, ready for the ledger, ordered by item name."""
    policies = {policy.id.lower(): policy for policy in facts.policies}
    machines = {machine.id.lower(): machine for machine in facts.machines}
    running = {job.container: job for job in facts.running_jobs}
    target = target_policy(policies.values(), target_name)
    records = [
        _plan_item(
            vault,
            Facts(
                item=item,
                vm=machines.get(item.vm_id.lower()),
                source=policies.get(item.policy_id.lower()),
                target=target,
                target_name=target_name,
                running_job=running.get(ItemId.parse(item.id).job_container),
            ),
        )
        for item in facts.items
    ]
    return sorted(records, key=lambda record: record.item_name)


def target_policy(policies: Iterable[BackupPolicy], name: str) -> BackupPolicy | None:
    """The policy of that name; policy names are unique in a vault whatever their casing."""
    return next((policy for policy in policies if policy.name.lower() == name.lower()), None)


def _plan_item(vault: VaultRecord, facts: Facts) -> ItemRecord:
    findings = inspect(facts)
    block = blocking(findings)
    if any(finding.code == "AlreadyEnhanced" for finding in findings):
        state, reason = ItemState.ALREADY_ENHANCED, "AlreadyEnhanced"
    elif block:
        state, reason = ItemState.BLOCKED, block.code
    else:
        state, reason = ItemState.PLANNED, ""
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
        state=state,
        reason=reason,
        message=block.message if block else "",
        findings=findings,
    )


def tally(records: Iterable[ItemRecord]) -> tuple[dict[str, int], dict[str, int]]:
    """How many VMs are in each state, and how many carry each reason."""
    records = list(records)
    states = Counter(record.state.value for record in records)
    reasons = Counter(record.reason for record in records if record.reason)
    return dict(sorted(states.items())), dict(sorted(reasons.items()))


def hash_vault_plan(records: Iterable[ItemRecord], target: BackupPolicy | None) -> str:
    """A hash over what matters in a vault's plan: each VM with its verdict and policies, and the target's content.

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
    return _digest([target.fingerprint if target else "", matter])


def hash_plan(vaults: Mapping[str, str]) -> str:
    """The whole plan's hash, from the hash of each vault's plan by vault key. This is what an approval names."""
    return _digest(sorted(vaults.items()))


def _digest(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value)).hexdigest()
