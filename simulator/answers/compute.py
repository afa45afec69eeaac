"""Virtual machines and managed disks of Microsoft.Compute, read only."""

from collections.abc import Iterable, Iterator

from simulator import errors, views
from simulator.calls import Answer, Call, page
from simulator.resources import Disk, Storage, VirtualMachine
from simulator.wire import JsonObject


def list_vms(call: Call) -> Answer:
    """Of the subscription or of a resource group. Classic VMs are not among them: another provider has those."""
    scope = _scope(call)
    found = (vm for vm in call.estate.vms() if vm.storage is not Storage.CLASSIC and _below(scope, vm))
    return page(call, found, views.virtual_machine, path=call.path)


def get_vm(call: Call) -> Answer:
    """Raises ServiceError 404 for a VM that was deleted."""
    name, group = call.parameters["vm"], call.parameters["group"]
    vm = call.estate.vm(f"{_scope(call)}providers/Microsoft.Compute/virtualMachines/{name}")
    if vm is None:
        raise errors.resource_not_found("Microsoft.Compute/virtualMachines", name, group)
    return Answer(body=views.virtual_machine(vm))


def list_disks(call: Call) -> Answer:
    scope = _scope(call)
    owners = {disk.id: vm for vm in call.estate.vms() for disk in vm.disks}

    def view(disk: Disk) -> JsonObject:
        return views.disk(disk, owners.get(disk.id))

    return page(call, _disks_below(scope, call.estate.disks()), view, path=call.path)


def get_disk(call: Call) -> Answer:
    """Raises ServiceError 404."""
    name, group = call.parameters["disk"], call.parameters["group"]
    disk = call.estate.disk(f"{_scope(call)}providers/Microsoft.Compute/disks/{name}")
    if disk is None:
        raise errors.resource_not_found("Microsoft.Compute/disks", name, group)
    owner = next((vm for vm in call.estate.vms() if disk in vm.disks), None)
    return Answer(body=views.disk(disk, owner))


def _scope(call: Call) -> str:
    subscription = call.estate.subscription(call.parameters["subscription"])
    group = call.parameters.get("group")
    return f"/subscriptions/{subscription.id}/" + (f"resourceGroups/{group}/" if group else "")


def _below(scope: str, resource: VirtualMachine | Disk) -> bool:
    return resource.id.lower().startswith(scope.lower())


def _disks_below(scope: str, disks: Iterable[Disk]) -> Iterator[Disk]:
    return (disk for disk in disks if _below(scope, disk))
