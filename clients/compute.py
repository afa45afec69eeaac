"""VMs and their disks as far as Azure Backup's rules need them.

Read by list, one call a page and subscription, never per VM; and the vaults of a subscription, surveyed side by side,
share one reading.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from clients import wire
from clients.arm import ArmReader
from clients.clock import Clock
from migration.model import Disk, VirtualMachine

VMS_API_VERSION = "2025-04-01"
DISKS_API_VERSION = "2025-01-02"
SHARED_FOR = timedelta(minutes=1)  # long enough for vaults surveyed side by side, too short to plan on old news
T = TypeVar("T")


class ComputeClient:
    """Microsoft.Compute, read only."""

    def __init__(self, arm: ArmReader, clock: Clock) -> None:
        self._arm = arm
        self._machines = _Shared[VirtualMachine](clock)
        self._disks = _Shared[Disk](clock)

    async def list_virtual_machines(self, subscription: str) -> list[VirtualMachine]:
        """All VMs of a subscription that the app may see. Raises ArmError."""
        path = f"/subscriptions/{subscription}/providers/Microsoft.Compute/virtualMachines"
        return await self._machines.get(subscription, lambda: self._read(path, VMS_API_VERSION, wire.virtual_machine))

    async def list_disks(self, subscription: str) -> list[Disk]:
        """All managed disks of a subscription that the app may see. Raises ArmError."""
        path = f"/subscriptions/{subscription}/providers/Microsoft.Compute/disks"
        return await self._disks.get(subscription, lambda: self._read(path, DISKS_API_VERSION, wire.disk))

    async def _read(self, path: str, api_version: str, kind: Callable[[wire.Json], T]) -> list[T]:
        return [kind(resource) async for page in self._arm.pages(path, api_version) for resource in page.value]

    async def close(self) -> None:
        """Close the connections."""
        await self._arm.close()


class _Shared(Generic[T]):
    """One reading for all who ask for the same list within a while, and for those who ask while it is being read."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._readings: dict[str, tuple[datetime, list[T]]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def get(self, subscription: str, read: Callable[[], Awaitable[list[T]]]) -> list[T]:
        key = subscription.lower()
        async with self._locks.setdefault(key, asyncio.Lock()):
            known = self._readings.get(key)
            if known and self._clock() - known[0] <= SHARED_FOR:
                return known[1]
            reading = await read()
            self._readings[key] = (self._clock(), reading)
            return reading
