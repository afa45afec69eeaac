"""One builder a type: a plain, valid value, of which each test changes only what it is about."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from migration.model import (
    BackupPolicy,
    Disk,
    Job,
    PolicyContent,
    PolicyType,
    ProtectedItem,
    Retention,
    Schedule,
    Vault,
    VirtualMachine,
)
from migration.records import ItemRecord, ItemState, MigrationRecord, MigrationState, VaultRecord
from migration.request import MigrationRequest

NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"
VAULT = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-backup/providers/Microsoft.RecoveryServices/vaults/vault-1"
VAULT_KEY = "vault-1-11111111"
STANDARD = f"{VAULT}/backupPolicies/DefaultPolicy"
ENHANCED = f"{VAULT}/backupPolicies/EnhancedPolicy"


def ago(**duration: float) -> datetime:
    """That long before NOW."""
    return NOW - timedelta(**duration)


def vm_id(name: str = "web-01") -> str:
    """The resource id of a VM."""
    return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-web/providers/Microsoft.Compute/virtualMachines/{name}"


def container(name: str = "web-01") -> str:
    """How jobs name the container of a VM."""
    return f"iaasvmcontainerv2;rg-web;{name}"


def item_id(name: str = "web-01") -> str:
    """The resource id of a VM's protected item."""
    inner = container(name)
    return f"{VAULT}/backupFabrics/Azure/protectionContainers/IaasVMContainer;{inner}/protectedItems/VM;{inner}"


def an_item(name: str = "web-01", **changes: Any) -> ProtectedItem:
    """A protected VM on a Standard policy."""
    plain = ProtectedItem(
        id=item_id(name),
        vm_id=vm_id(name),
        vm_name=name,
        policy_id=STANDARD,
        policy_type=PolicyType.STANDARD,
        protection_state="Protected",
    )
    return msgspec.structs.replace(plain, **changes)


def a_vm(name: str = "web-01", **changes: Any) -> VirtualMachine:
    """A VM with managed disks."""
    return msgspec.structs.replace(VirtualMachine(id=vm_id(name), managed_disks=True), **changes)


def a_disk(name: str = "web-01-os", **changes: Any) -> Disk:
    """A managed disk of 128 GB."""
    return msgspec.structs.replace(Disk(id=disk_id(name), size_gb=128), **changes)


def disk_id(name: str = "web-01-os") -> str:
    """The resource id of a disk."""
    return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-web/providers/Microsoft.Compute/disks/{name}"


def the_vault(**changes: Any) -> Vault:
    """The vault as Azure describes it."""
    return msgspec.structs.replace(Vault(id=VAULT, region="westeurope"), **changes)


def some_content(**changes: Any) -> PolicyContent:
    """A Standard policy's content: daily, thirty days."""
    plain = PolicyContent(
        policy_type=PolicyType.STANDARD,
        schedule=Schedule(frequency="Daily", run_times=("2024-04-28T16:30:00Z",)),
        time_zone="UTC",
        instant_restore_days=2,
        kept="{}",
    )
    return msgspec.structs.replace(plain, **changes)


def a_policy(**changes: Any) -> BackupPolicy:
    """The Standard policy every vault is born with."""
    plain = BackupPolicy(id=STANDARD, name="DefaultPolicy", retention=Retention(daily=30), content=some_content())
    return msgspec.structs.replace(plain, **changes)


def an_enhanced_policy(**changes: Any) -> BackupPolicy:
    """The Enhanced policy every vault is born with."""
    content = some_content(policy_type=PolicyType.ENHANCED)
    return msgspec.structs.replace(a_policy(id=ENHANCED, name="EnhancedPolicy", content=content), **changes)


def a_job(name: str = "web-01", **changes: Any) -> Job:
    """A migration job of a VM, running for half an hour."""
    plain = Job(
        id=f"job-{name}",
        operation="ConfigureBackup",
        status="InProgress",
        container=container(name),
        started_at=ago(minutes=30),
    )
    return msgspec.structs.replace(plain, **changes)


def a_request(**changes: Any) -> MigrationRequest:
    """A migration of one vault, acknowledged."""
    plain = msgspec.convert(
        {
            "mode": "migrate",
            "vaults": [VAULT],
            "target": {"policyName": "EnhancedPolicy"},
            "acknowledgeIrreversible": True,
        },
        MigrationRequest,
    )
    return msgspec.structs.replace(plain, **changes)


def a_migration(**changes: Any) -> MigrationRecord:
    """A migration that is being planned."""
    plain = MigrationRecord(
        migration_id="m1", state=MigrationState.PLANNING, request=a_request(), vaults=(VAULT,), requested_at=NOW
    )
    return msgspec.structs.replace(plain, **changes)


def a_vault(**changes: Any) -> VaultRecord:
    """A vault of that migration, not surveyed yet."""
    plain = VaultRecord(migration_id="m1", vault_key=VAULT_KEY, vault_id=VAULT)
    return msgspec.structs.replace(plain, **changes)


def a_record(name: str = "web-01", state: ItemState = ItemState.PLANNED, **changes: Any) -> ItemRecord:
    """A VM's record. In flight, its write was half an hour ago."""
    plain = ItemRecord(
        migration_id="m1",
        vault_key=VAULT_KEY,
        item_name=f"vm;{container(name)}",
        item_id=item_id(name),
        container=container(name),
        vm_id=vm_id(name),
        vm_name=name,
        source_policy_id=STANDARD,
        target_policy_id=ENHANCED,
        state=state,
        claimed_at=ago(minutes=30) if state in (ItemState.STARTING, ItemState.MIGRATING) else None,
        written_at=ago(minutes=30) if state is ItemState.MIGRATING else None,
        operation_id="operation-1" if state is ItemState.MIGRATING else "",
    )
    return msgspec.structs.replace(plain, **changes)
