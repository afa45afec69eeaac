"""VMs and their disks, read by list from the simulated Compute."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from clients.arm import ArmReader, Refused, Throttled
from clients.compute import ComputeClient
from simulator import Simulator
from simulator.scenario import Service
from simulator.troubles import Trouble, TroubleKind
from tests.builders import NOW, SUBSCRIPTION, vm_id
from tests.clients.canned import Canned, CannedAzure
from tests.clients.simulated import DISK_READ, VM_READ, a_scenario, a_vm_group
from tests.conftest import SCOPE, AnyToken


@pytest.fixture
async def compute(simulator: Simulator) -> AsyncIterator[ComputeClient]:
    """The app's client of Compute, facing the simulator."""
    client = ComputeClient(ArmReader(simulator.url, SCOPE, AnyToken()), simulator.clock.now)
    yield client
    await client.close()


@pytest.mark.parametrize(
    "scenario",
    [a_scenario(a_vm_group("plain"), a_vm_group("big", disk_gib=(128, 512)), a_vm_group("blob", disks="unmanaged"))],
)
async def test_vms_are_listed_with_the_kind_of_their_disks(compute: ComputeClient) -> None:
    """One list tells of every VM whether all its disks are managed."""
    machines = await compute.list_virtual_machines(SUBSCRIPTION)
    assert {machine.id: machine.managed_disks for machine in machines} == {
        vm_id("plain"): True,
        vm_id("big"): True,
        vm_id("blob"): False,
    }


async def test_one_unmanaged_data_disk_is_enough() -> None:
    """A VM whose system disk is managed and whose data disk is a page blob counts as unmanaged."""
    managed, blob = {"managedDisk": {"id": "disk"}}, {"vhd": {"uri": "https://account.blob.example/disk.vhd"}}
    machine = {"id": vm_id(), "properties": {"storageProfile": {"osDisk": managed, "dataDisks": [managed, blob]}}}
    async with CannedAzure(Canned(body={"value": [machine]})) as azure:
        [found] = await ComputeClient(azure.arm, lambda: NOW).list_virtual_machines(SUBSCRIPTION)
    assert found.managed_disks is False


@pytest.mark.parametrize(
    "scenario", [a_scenario(a_vm_group("web-{n:02}", count=7), service=Service(page_size=3))], ids=["pages of three"]
)
async def test_vms_are_read_to_the_last_page(simulator: Simulator, compute: ComputeClient) -> None:
    """nextLink is followed: one request a page, none a VM."""
    machines = await compute.list_virtual_machines(SUBSCRIPTION)
    assert sorted(machine.id for machine in machines) == [vm_id(f"web-{n:02}") for n in range(1, 8)]
    assert simulator.log.counts() == {VM_READ: 3}


async def test_a_subscription_that_is_not_there_is_refused(compute: ComputeClient) -> None:
    """Compute's refusals are the same errors as Azure Backup's."""
    with pytest.raises(Refused) as refused:
        await compute.list_virtual_machines("00000000-0000-4000-8000-000000000000")
    assert (refused.value.status, refused.value.code) == (404, "SubscriptionNotFound")


@pytest.mark.parametrize("kind", [TroubleKind.UNAVAILABLE, TroubleKind.ARM_ERROR])
async def test_a_passing_outage_is_survived(kind: TroubleKind, simulator: Simulator, compute: ComputeClient) -> None:
    """A read of Compute is tried again within the call too."""
    simulator.troubles.add(Trouble(kind=kind, times=1))
    assert len(await compute.list_virtual_machines(SUBSCRIPTION)) == 1


async def test_a_throttle_is_not_slept_out(simulator: Simulator, compute: ComputeClient) -> None:
    """429 is raised at once, after one request."""
    simulator.troubles.add(Trouble(kind=TroubleKind.TOO_MANY_REQUESTS, seconds=1200))
    with pytest.raises(Throttled) as throttled:
        await compute.list_virtual_machines(SUBSCRIPTION)
    assert throttled.value.seconds == 1200
    assert simulator.log.counts() == {VM_READ: 1}


async def test_vaults_surveyed_side_by_side_share_a_reading(compute: ComputeClient, simulator: Simulator) -> None:
    """The lists of a subscription are read once for all of its vaults, and again when they are no longer fresh."""
    await asyncio.gather(*(compute.list_disks(SUBSCRIPTION) for _ in range(5)))
    assert simulator.log.counts()[DISK_READ] == 1

    simulator.clock.advance(timedelta(minutes=6))
    await compute.list_disks(SUBSCRIPTION.upper())
    assert simulator.log.counts()[DISK_READ] == 2


async def test_a_disk_tells_its_size_and_whether_it_is_shared() -> None:
    """More than one share makes a shared disk; one without a number has one."""
    shared = {"id": "/disks/quorum", "properties": {"diskSizeGB": 256, "maxShares": 2}}
    own = {"id": "/disks/os", "properties": {"diskSizeGB": 128}}
    async with CannedAzure(Canned(body={"value": [shared, own]})) as azure:
        disks = await ComputeClient(azure.arm, lambda: NOW).list_disks(SUBSCRIPTION)
    assert [(disk.size_gb, disk.shared) for disk in disks] == [(256, True), (128, False)]
