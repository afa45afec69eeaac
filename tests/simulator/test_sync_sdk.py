"""The SDK's synchronous client over every operation, its own poller included; in a thread."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any, TypeVar, cast

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.transport import RequestsTransport
from azure.mgmt.recoveryservicesbackup import RecoveryServicesBackupClient
from azure.mgmt.recoveryservicesbackup.models import ProtectedItemResource

from simulator import Simulator
from simulator.calls import POLL_SECONDS
from simulator.clock import Clock
from tests.simulator.estates import Azure, StartAzure

T = TypeVar("T")
ENHANCED = "EnhancedPolicy"


def of(resource: Any) -> dict[str, Any]:
    """A resource's properties, by their names on the wire."""
    return resource.properties


class AnyToken:
    """A credential that the simulator accepts."""

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        return AccessToken("any", 2**31)


class SimulatedSleep(RequestsTransport):
    """The client's transport, whose waits pass on the simulator's clock and take no time here."""

    def __init__(self, simulator: Simulator, clock: Clock) -> None:
        super().__init__(connection_verify=str(simulator.ca_path))
        self._clock = clock
        self.slept: list[float] = []

    def sleep(self, duration: float) -> None:
        self.slept.append(duration)
        self._clock.advance(timedelta(seconds=duration))


class Sync:
    """The synchronous client and the names of a vault's first VM."""

    def __init__(self, simulator: Simulator, clock: Clock) -> None:
        self.vault_id = next(iter(simulator.estate.vaults())).id
        _, _, subscription, _, self.group, *_, self.vault = self.vault_id.split("/")
        self.transport = SimulatedSleep(simulator, clock)
        self.sdk = RecoveryServicesBackupClient(
            cast(Any, AnyToken()),
            subscription,
            base_url=simulator.url,
            transport=self.transport,
            retry_total=0,
        )
        self.place = (self.vault, self.group)

    def first_item(self) -> Any:
        """The first protected item of the vault, as the list shows it."""
        return min(self.sdk.backup_protected_items.list(*self.place), key=lambda item: str(item.name))

    def names(self) -> tuple[str, str, str, str, str]:
        """How the item operations address that item."""
        parts = str(self.first_item().id).split("/")
        return (*self.place, parts[10], parts[12], parts[14])

    def job(self, job_id: str) -> dict[str, Any]:
        """The properties of a job."""
        return of(self.sdk.job_details.get(*self.place, job_id))

    def begin_change(self, **options: Any) -> Any:
        """Ask for the Enhanced policy; options go to the SDK."""
        properties = {
            "protectedItemType": "Microsoft.Compute/virtualMachines",
            "sourceResourceId": self.first_item().properties["sourceResourceId"],
            "policyId": f"{self.vault_id}/backupPolicies/{ENHANCED}",
        }
        body = cast(ProtectedItemResource, {"properties": properties})
        return self.sdk.protected_items.begin_create_or_update(*self.names(), body, **options)


@pytest.fixture
async def sync(start_azure: StartAzure) -> AsyncIterator[tuple[Azure, Sync]]:
    """Azure with one vault of twenty ready VMs, and the synchronous client for it."""
    azure = await start_azure("one-vault")
    client = Sync(azure.simulator, azure.clock)
    yield azure, client
    client.sdk.close()


async def in_thread(work: Callable[[], T]) -> T:
    """Run the blocking client beside the simulator's event loop."""
    return await asyncio.to_thread(work)


READS: dict[str, Callable[[Sync], Any]] = {
    "items": lambda sync: len(list(sync.sdk.backup_protected_items.list(*sync.place))) == 20,
    "an item": lambda sync: sync.sdk.protected_items.get(*sync.names()).id == sync.first_item().id,
    "policies": lambda sync: {policy.name for policy in sync.sdk.backup_policies.list(*sync.place)} >= {ENHANCED},
    "a policy": lambda sync: sync.sdk.protection_policies.get(*sync.place, ENHANCED).name == ENHANCED,
    "jobs": lambda sync: list(sync.sdk.backup_jobs.list(*sync.place)) == [],
    "resource guards": lambda sync: list(sync.sdk.resource_guard_proxies.get(*sync.place)) == [],
    "the vault's configuration": lambda sync: sync.sdk.backup_resource_vault_configs.get(*sync.place).name,
    "its storage": lambda sync: sync.sdk.backup_resource_storage_configs_non_crr.get(*sync.place).name,
    "its usage": lambda sync: list(sync.sdk.backup_usage_summaries.list(*sync.place)),
}


@pytest.mark.parametrize("what", READS)
async def test_the_synchronous_client_reads(sync: tuple[Azure, Sync], what: str) -> None:
    """Every read that the asynchronous client makes elsewhere works for the other one too."""
    assert await in_thread(lambda: READS[what](sync[1]))


async def test_the_synchronous_client_follows_a_change_to_its_end(sync: tuple[Azure, Sync]) -> None:
    """PUT, operation status, operation result, job, and the item that shows the target."""
    azure, client = sync
    operations: list[str] = []

    def note(response: Any) -> None:
        operations.append(response.http_response.headers["Azure-AsyncOperation"].partition("?")[0].rpartition("/")[2])

    await in_thread(lambda: client.begin_change(polling=False, raw_response_hook=note))
    names, [operation] = await in_thread(client.names), operations
    running = await in_thread(lambda: client.sdk.protected_item_operation_statuses.get(*names, operation))
    early = await in_thread(lambda: client.sdk.protected_item_operation_results.get(*names, operation))
    azure.advance(hours=5)
    ended = await in_thread(lambda: client.sdk.backup_operation_statuses.get(*client.place, operation))
    result = await in_thread(lambda: client.sdk.protected_item_operation_results.get(*names, operation))
    job = await in_thread(lambda: client.job(of(ended)["jobId"]))

    assert (running.status, early) == ("InProgress", None)
    assert (ended.status, job["status"]) == ("Succeeded", "Completed")
    assert of(result)["policyName"] == ENHANCED


async def test_the_synchronous_poller_reports_how_a_change_ended(sync: tuple[Azure, Sync]) -> None:
    """The way the documentation shows: begin, and wait for the item, as often and as long as the answers say."""
    azure, client = sync
    begun = azure.clock.now()
    item = await in_thread(lambda: client.begin_change().result())
    assert item.properties["policyName"] == ENHANCED
    assert set(client.transport.slept) == {POLL_SECONDS}
    assert (azure.clock.now() - begun).total_seconds() == len(client.transport.slept) * POLL_SECONDS > 0


async def test_the_synchronous_client_writes_policies_and_runs_backups(sync: tuple[Azure, Sync]) -> None:
    """A policy is made, edited and deleted; a backup is begun and cancelled."""
    azure, client = sync
    policies = client.sdk.protection_policies
    body = (await in_thread(lambda: policies.get(*client.place, ENHANCED))).as_dict()

    made = await in_thread(lambda: policies.create_or_update(*client.place, "copy", cast(Any, body)))
    assert made and made.name == "copy"
    await in_thread(lambda: policies.begin_delete(*client.place, "copy").result())
    with pytest.raises(HttpResponseError):
        await in_thread(lambda: policies.get(*client.place, "copy"))

    request = {"properties": {"objectType": "IaasVMBackupRequest"}}
    names = await in_thread(client.names)
    await in_thread(lambda: client.sdk.backups.trigger(*names, cast(Any, request)))
    [job] = await in_thread(lambda: list(client.sdk.backup_jobs.list(*client.place)))
    await in_thread(lambda: client.sdk.job_cancellations.trigger(*client.place, str(job.name)))
    azure.advance(hours=5)
    cancelled = await in_thread(lambda: client.job(str(job.name)))
    assert cancelled["status"] in ("Cancelled", "CompletedWithWarnings")
