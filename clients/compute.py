"""VMs as far as Azure Backup's rules need them. Read by list, one call per page and subscription, never per VM."""

from clients import wire
from clients.arm import ArmReader
from migration.model import VirtualMachine

API_VERSION = "2025-04-01"


class ComputeClient:
    """Microsoft.Compute, read only."""

    def __init__(self, arm: ArmReader) -> None:
        self._arm = arm

    async def list_virtual_machines(self, subscription: str) -> list[VirtualMachine]:
        """All VMs of a subscription that the app may see. Raises ArmError."""
        path = f"/subscriptions/{subscription}/providers/Microsoft.Compute/virtualMachines"
        return [wire.virtual_machine(vm) async for page in self._arm.pages(path, API_VERSION) for vm in page]

    async def close(self) -> None:
        """Close the connections."""
        await self._arm.close()
