"""Simulated vaults in the ids of tests/builders.py: `vault-1` in one subscription, its VMs in `rg-web`."""

from collections.abc import Sequence
from typing import Any

import msgspec

from migration.model import VaultId
from simulator import Simulator
from simulator.events import Event
from simulator.happenings import let_happen
from simulator.scenario import PolicyTable, Scenario, Service, SubscriptionTable, VaultTable, VmGroup
from simulator.troubles import Trouble
from tests.builders import SUBSCRIPTION, VAULT

VAULT_1 = VaultId.parse(VAULT)

ITEM_READ = "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/read"
ITEM_WRITE = "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/write"
ITEM_LIST = "Microsoft.RecoveryServices/vaults/backupProtectedItems/read"
JOB_READ = "Microsoft.RecoveryServices/vaults/backupJobs/read"
POLICY_READ = "Microsoft.RecoveryServices/vaults/backupPolicies/read"
VAULT_READ = "Microsoft.RecoveryServices/vaults/read"
VM_READ = "Microsoft.Compute/virtualMachines/read"
DISK_READ = "Microsoft.Compute/disks/read"


def a_vm_group(name: str = "web-01", **changes: Any) -> VmGroup:
    """A VM whose backup can move: managed disks, protected by DefaultPolicy."""
    plain = VmGroup(name=name, resource_group="rg-web")
    return msgspec.structs.replace(plain, **changes)


def a_policy_table(name: str, **keys: Any) -> PolicyTable:
    """A policy of the vault's own, Standard and daily for 30 days unless told otherwise."""
    plain = {"name": name, "type": "Standard", "schedule": "Daily", "retention": {"daily": 30}}
    return msgspec.convert({**plain, **keys}, PolicyTable)


def a_scenario(
    *vms: VmGroup,
    policies: Sequence[PolicyTable] = (),
    troubles: Sequence[Trouble] = (),
    service: Service | None = None,
) -> Scenario:
    """One vault with these VMs, or with one that is ready."""
    vault = VaultTable(
        name=VAULT_1.name,
        subscription=SUBSCRIPTION,
        resource_group=VAULT_1.resource_group,
        policies=list(policies),
        vms=list(vms or [a_vm_group()]),
    )
    return Scenario(
        title="test",
        service=service or Service(),
        troubles=tuple(troubles),
        subscriptions=[SubscriptionTable(id=SUBSCRIPTION, name="Test")],
        vaults=[vault],
    )


def meanwhile(simulator: Simulator, *events: Event) -> None:
    """Let somebody else do this now, by the simulator's clock."""
    for event in events:
        let_happen(simulator.estate, event, simulator.estate.settle())
