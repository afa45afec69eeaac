"""The estate: everything in the simulated Azure, found by id, with its clock, its agenda and its dice."""

import random
import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from simulator import errors
from simulator.agenda import Agenda
from simulator.clock import Clock
from simulator.limits import Limits
from simulator.resources import Disk, Storage, Subscription, Vault, VirtualMachine
from simulator.scenario import Service


class Estate:
    """Everything in the simulated Azure, its clock, its agenda and its dice."""

    def __init__(self, clock: Clock, service: Service, limits: Limits, *, seed: int) -> None:
        self.clock = clock
        self.service = service
        self.limits = limits
        self.agenda = Agenda()
        self.random = random.Random(seed)
        self.subscriptions: dict[str, Subscription] = {}
        self._vaults: dict[str, Vault] = {}
        self._vms: dict[str, VirtualMachine] = {}
        self._disks: dict[str, Disk] = {}

    def settle(self) -> datetime:
        """Let everything happen that is due by now, each at its own moment. Returns now."""
        now = self.clock.now()
        self.agenda.run(until=now)
        return now

    def new_id(self) -> str:
        """A GUID from the seeded dice, so that a run repeats."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def jitter(self, duration: timedelta) -> timedelta:
        """The duration give or take a tenth, in whole milliseconds."""
        return timedelta(milliseconds=int(duration / timedelta(milliseconds=1) * self.random.uniform(0.9, 1.1)))

    def subscription(self, subscription_id: str) -> Subscription:
        """Raises ServiceError 404."""
        found = self.subscriptions.get(subscription_id.lower())
        if found is None:
            raise errors.subscription_not_found(subscription_id)
        return found

    def resource_groups(self, subscription: Subscription) -> dict[str, str]:
        """Name -> location of the groups that hold something: groups are no state of their own."""
        scope = f"/subscriptions/{subscription.id}/".lower()
        held = [*self._vaults.values(), *self._vms.values(), *self._disks.values()]
        groups: dict[str, tuple[str, str]] = {}
        for each in held:
            if each.id.lower().startswith(scope):
                groups.setdefault(each.resource_group.lower(), (each.resource_group, each.location))
        return dict(groups.values())

    def add_vault(self, vault: Vault) -> None:
        self._vaults[vault.id.lower()] = vault

    def vault(self, subscription_id: str, resource_group: str, name: str) -> Vault:
        """Raises ServiceError 404."""
        subscription = self.subscription(subscription_id)
        found = self._vaults.get(vault_id(subscription.id, resource_group, name).lower())
        if found is None:
            raise errors.resource_not_found("Microsoft.RecoveryServices/vaults", name, resource_group)
        return found

    def vaults(self, subscription_id: str | None = None, resource_group: str | None = None) -> Iterator[Vault]:
        for vault in self._vaults.values():
            in_subscription = subscription_id is None or vault.subscription.id.lower() == subscription_id.lower()
            if in_subscription and (resource_group is None or vault.resource_group.lower() == resource_group.lower()):
                yield vault

    def add_vm(self, vm: VirtualMachine) -> None:
        self._vms[vm.id.lower()] = vm
        if vm.storage is Storage.MANAGED:
            for disk in vm.disks:
                self._disks[disk.id.lower()] = disk

    def delete_vm(self, resource_id: str) -> bool:
        """Remove a VM as someone in the portal would; its disks stay. False if there was none."""
        return self._vms.pop(resource_id.lower(), None) is not None

    def vm(self, resource_id: str) -> VirtualMachine | None:
        return self._vms.get(resource_id.lower())

    def vms(self) -> Iterable[VirtualMachine]:
        return self._vms.values()

    def disk(self, resource_id: str) -> Disk | None:
        return self._disks.get(resource_id.lower())

    def disks(self) -> Iterable[Disk]:
        return self._disks.values()


def vault_id(subscription_id: str, resource_group: str, name: str) -> str:
    return (
        f"/subscriptions/{subscription_id}/resourceGroups/{resource_group}"
        f"/providers/Microsoft.RecoveryServices/vaults/{name}"
    )
