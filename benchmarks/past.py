"""A ledger with a past: migrations that have ended, and some that run, with as many VMs as a benchmark wants.

What Azure shows of vaults and VMs is made up, and so is what became of the jobs. Everything else is the app's own: the
rules that make plans, records and states (package `migration`), and the client that writes them.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec

from clients.ledger import Ledger
from migration.cost import Price, PriceSource, Redundancy
from migration.cycle import share_of
from migration.lifecycle import advance
from migration.limits import Limits
from migration.model import (
    BackupPolicy,
    Disk,
    PolicyContent,
    PolicyType,
    ProtectedItem,
    Retention,
    Schedule,
    Vault,
    VirtualMachine,
)
from migration.opening import opened, vaults_of
from migration.plan import VaultFacts, plan_vault
from migration.records import IN_FLIGHT, ItemRecord, ItemState, MigrationRecord, Shares, Tally, VaultRecord
from migration.request import MigrationRequest, Target

SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"
REGION = "westeurope"
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
SURVEYED_AFTER = timedelta(minutes=1)
WRITTEN_AFTER = timedelta(minutes=2)
SETTLED_AFTER = timedelta(minutes=52)
SEEN_AFTER = timedelta(hours=1)  # when the last cycle looked
ONE_RUNS_OF = 10  # migrations

PRICE = Price(
    per_gb_month=Decimal("0.05"),
    currency="USD",
    source=PriceSource.SHIPPED_TABLE,
    region=REGION,
    redundancy=Redundancy.ZRS,
    as_of=FIRST.date(),
)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A vault's part of a migration: its record, and those of its VMs."""

    vault: VaultRecord
    items: Sequence[ItemRecord]


def migration_id(number: int) -> str:
    """The id of a migration of the past."""
    return f"past-{number:05}"


def runs(number: int) -> bool:
    """Whether that migration goes on: every tenth does, from the first on."""
    return number % ONE_RUNS_OF == 0


async def fill(ledger: Ledger, number: int, vaults: int, vms_per_vault: int) -> None:
    """Write one migration, of so many vaults with so many VMs each, as the app leaves it behind.

    In one that has ended all VMs have migrated; in one that runs half of them have, a quarter is in flight, a quarter
    waits. No orchestration follows those that run.
    """
    requested = FIRST + timedelta(hours=number)
    migration = _opened(number, vaults, requested)
    planned = [_surveyed(vault, migration.request, vms_per_vault) for vault in vaults_of(migration)]
    migration = advance(migration, [part.vault for part in planned], requested + SURVEYED_AFTER)
    parts = [_followed(part, requested, running=runs(number)) for part in planned]
    migration = advance(migration, [part.vault for part in parts], requested + SEEN_AFTER)
    await _write(ledger, migration, parts)


def _opened(number: int, vaults: int, requested: datetime) -> MigrationRecord:
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-backup"
    ids = tuple(f"{group}/providers/Microsoft.RecoveryServices/vaults/vault-{number:05}-{n:03}" for n in range(vaults))
    request = MigrationRequest(
        id=migration_id(number),
        mode="migrate",
        vaults=ids,
        target=Target(policy_name="EnhancedPolicy"),
        acknowledge_irreversible=True,
        approval="none",
    )
    return opened(request, ids, Limits(), requested)


# --- what Azure shows


def _facts(vault: VaultRecord, vms: int) -> VaultFacts:
    names = [f"vm-{number:05}" for number in range(vms)]
    compute = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{_group(vault)}/providers/Microsoft.Compute"
    machine_ids = {name: f"{compute}/virtualMachines/{name}" for name in names}
    disk_ids = {name: f"{compute}/disks/{name}-os" for name in names}
    return VaultFacts(
        vault=Vault(id=vault.vault_id, region=REGION),
        items=[_item(vault, name, machine_ids[name]) for name in names],
        policies=[
            _policy(vault, "DefaultPolicy", PolicyType.STANDARD),
            _policy(vault, "EnhancedPolicy", PolicyType.ENHANCED),
        ],
        running_jobs=(),
        machines=[VirtualMachine(id=machine_ids[name], managed_disks=True, disks=(disk_ids[name],)) for name in names],
        disks=[Disk(id=disk_ids[name], size_gb=128) for name in names],
        price=PRICE,
    )


def _group(vault: VaultRecord) -> str:
    """The resource group of a vault's VMs: the same VMs in each migration, which keeps Azurite quick to fill."""
    return f"rg-{vault.vault_id.rpartition('-')[2]}"


def _item(vault: VaultRecord, name: str, vm_id: str) -> ProtectedItem:
    container = f"iaasvmcontainerv2;{_group(vault)};{name}"
    return ProtectedItem(
        id=(
            f"{vault.vault_id}/backupFabrics/Azure/protectionContainers/IaasVMContainer;{container}"
            f"/protectedItems/VM;{container}"
        ),
        vm_id=vm_id,
        vm_name=name,
        policy_id=f"{vault.vault_id}/backupPolicies/DefaultPolicy",
        policy_type=PolicyType.STANDARD,
        protection_state="Protected",
    )


def _policy(vault: VaultRecord, name: str, policy_type: PolicyType) -> BackupPolicy:
    return BackupPolicy(
        id=f"{vault.vault_id}/backupPolicies/{name}",
        name=name,
        retention=Retention(daily=30),
        content=PolicyContent(
            policy_type=policy_type,
            schedule=Schedule(frequency="Daily", run_times=("2026-01-01T16:30:00Z",)),
            time_zone="UTC",
            instant_restore_days=2,
            kept="{}",
        ),
    )


# --- what the app makes of it


def _surveyed(vault: VaultRecord, request: MigrationRequest, vms: int) -> Part:
    """The vault as `survey_vault` plans it."""
    plan = plan_vault(vault, _facts(vault, vms), request)
    return Part(vault=plan.recorded(vault), items=plan.records)


def _followed(part: Part, requested: datetime, *, running: bool) -> Part:
    """The vault as its last cycle leaves it, or the latest of one that runs."""
    first_in_flight = len(part.items) // 2 if running else len(part.items)
    first_waiting = first_in_flight + (len(part.items) - first_in_flight + 1) // 2
    started = [_started(record, number, requested) for number, record in enumerate(part.items[:first_waiting])]
    migrated = [_migrated(record, number, requested) for number, record in enumerate(started[:first_in_flight])]
    items = [*migrated, *started[first_in_flight:], *part.items[first_waiting:]]
    tally = Tally().plus(items)
    vault = msgspec.structs.replace(
        part.vault,
        finished=not running,
        counts=tally.states,
        reasons=tally.reasons,
        checked_at=requested + SEEN_AFTER,
    )
    return Part(vault=vault, items=items)


def _started(record: ItemRecord, number: int, requested: datetime) -> ItemRecord:
    written = requested + WRITTEN_AFTER
    operation = f"00000000-0000-4000-9000-{number:012}"
    starting = record.to(ItemState.STARTING, claimed_at=written)
    return starting.to(ItemState.MIGRATING, operation_id=operation, written_at=written)


def _migrated(record: ItemRecord, number: int, requested: datetime) -> ItemRecord:
    job = f"00000000-0000-4000-8000-{number:012}"
    migrated = record.to(ItemState.MIGRATED, job_id=job, settled_at=requested + SETTLED_AFTER)
    return msgspec.structs.replace(migrated, uncounted=False)  # it is written together with the vault's counts


# --- writing it


async def _write(ledger: Ledger, migration: MigrationRecord, parts: Sequence[Part]) -> None:
    """The rows that the app writes, without those that it has deleted again and the readers of jobs."""
    identity = migration.migration_id
    await ledger.insert_migration(migration)
    shares = {part.vault.vault_key: share_of(part.items) for part in parts}
    await ledger.write_shares(Shares(migration_id=identity, vaults=shares))
    await ledger.insert_vaults([part.vault for part in parts])
    for part in parts:
        key = part.vault.vault_key
        vault = await ledger.read_vault(identity, key)
        await ledger.write_plan(vault, vault, part.items)
        held = [record.item_name for record in part.items if record.state in IN_FLIGHT]
        await asyncio.gather(*(ledger.claim(key, name, identity) for name in held))
