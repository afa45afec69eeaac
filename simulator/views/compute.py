"""Virtual machines and disks."""

from simulator.resources import Disk, Storage, VirtualMachine
from simulator.wire import JsonObject, time_text


def virtual_machine(of: VirtualMachine) -> JsonObject:
    """compute_vm_get_managed.json, compute_vm_get_datadisks.json; an unmanaged disk is the swagger's `vhd`."""
    disks = [_vm_disk(of, disk, lun - 1) for lun, disk in enumerate(of.disks)]
    security: JsonObject = (
        {"securityProfile": {"securityType": "TrustedLaunch", "uefiSettings": {"secureBootEnabled": True}}}
        if of.trusted_launch
        else {}
    )
    return {
        "name": of.name,
        "id": of.id,
        "type": "Microsoft.Compute/virtualMachines",
        "location": of.location,
        "tags": {},
        "properties": {
            "hardwareProfile": {"vmSize": of.size},
            "provisioningState": "Succeeded",
            "vmId": of.vm_id,
            **security,
            "storageProfile": {
                "imageReference": {
                    "publisher": "MicrosoftWindowsServer",
                    "offer": "WindowsServer",
                    "sku": "2022-datacenter-g2",
                    "version": "latest",
                    "exactVersion": "20348.2402.240405",
                },
                "osDisk": {"osType": "Windows", **disks[0]},
                "dataDisks": disks[1:],
            },
            "osProfile": {
                "computerName": of.name,
                "adminUsername": "operator",
                "windowsConfiguration": {"provisionVMAgent": True, "enableAutomaticUpdates": True},
                "secrets": [],
                "allowExtensionOperations": True,
                "requireGuestProvisionSignal": True,
            },
            "networkProfile": {
                "networkInterfaces": [
                    {
                        "id": of.id.replace(
                            "Microsoft.Compute/virtualMachines/", "Microsoft.Network/networkInterfaces/"
                        )
                        + "-nic"
                    }
                ]
            },
            "timeCreated": time_text(of.created).replace("Z", "+00:00"),
        },
    }


def _vm_disk(of: VirtualMachine, disk: Disk, lun: int) -> JsonObject:
    kind: JsonObject
    if of.storage is Storage.MANAGED:
        kind = {"managedDisk": {"storageAccountType": "Premium_LRS", "id": disk.id}}
    else:
        kind = {"vhd": {"uri": f"https://unmanageddisks.blob.core.windows.net/vhds/{disk.name}.vhd"}}
    place: JsonObject = {} if lun < 0 else {"lun": lun}
    detach: JsonObject = {} if lun < 0 else {"toBeDetached": False}
    return {
        **place,
        "name": disk.name,
        "createOption": "FromImage" if lun < 0 else "Empty",
        "caching": "ReadWrite" if lun < 0 else "None",
        **kind,
        "deleteOption": "Detach",
        "diskSizeGB": disk.size_gib,
        **detach,
    }


def disk(of: Disk, owner: VirtualMachine | None) -> JsonObject:
    """Microsoft.Compute/disks; not recorded, the swagger's members that matter to a backup."""
    shared: JsonObject = {"maxShares": of.max_shares} if of.max_shares > 1 else {}
    managed_by: JsonObject = {"managedBy": owner.id} if owner else {}
    return {
        "name": of.name,
        "id": of.id,
        "type": "Microsoft.Compute/disks",
        "location": of.location,
        **managed_by,
        "sku": {"name": "Premium_LRS", "tier": "Premium"},
        "properties": {
            "creationData": {"createOption": "Empty"},
            "diskSizeGB": of.size_gib,
            "diskSizeBytes": of.size_gib * 1024**3,
            "diskState": "Attached" if owner else "Unattached",
            "networkAccessPolicy": "AllowAll",
            "publicNetworkAccess": "Enabled",
            "provisioningState": "Succeeded",
            **shared,
        },
    }
