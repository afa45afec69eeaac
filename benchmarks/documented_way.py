"""The way that documentation and samples show: a loop over VMs that waits for each.

For each VM: read the item, point it at the policy, write it with the SDK's poller and wait until the operation ends,
then follow the job that the operation names until it ends
(learn.microsoft.com/azure/backup/backup-azure-arm-userestapi-managejobs). Alone, or in several threads over one list.

`follow_job` is the other habit, that of `az backup job wait`: not to wait for the operation, but to look for the job in
the vault's list and to read it every thirty seconds until it ends.

It is the synchronous SDK as it comes. Where its pipeline sleeps (between polls, or because of a throttle), time is
skipped for it and for the simulated Azure, as for the app on its stage (module `stage`).
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, cast

from azure.core.credentials import AccessToken, TokenCredential
from azure.core.pipeline.transport import RequestsTransport
from azure.mgmt.recoveryservicesbackup import RecoveryServicesBackupClient

from benchmarks.skipping import SkippedTime

JOB_SECONDS = 30  # what `az backup job wait` sleeps between two reads
ENDED = ("Completed", "CompletedWithWarnings", "Failed", "Cancelled")
VM_ITEMS = "backupManagementType eq 'AzureIaasVM' and itemType eq 'VM'"
RUNNING_MIGRATIONS = (
    "backupManagementType eq 'AzureIaasVM' and operation eq 'ConfigureBackup' and status eq 'InProgress'"
)


class SkippingTransport(RequestsTransport):
    """The SDK's transport, whose sleep (polling, retries) is skipped."""

    def __init__(self, skipped: SkippedTime, ca: str) -> None:
        super().__init__(connection_verify=ca)  # pyright: ignore[reportUnknownMemberType] - its **kwargs
        self._skipped = skipped

    def sleep(self, duration: float) -> None:
        self._skipped.sleep(duration)


class AnyToken(TokenCredential):
    """A credential that the simulator accepts."""

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        return AccessToken("any", 2**31)


@dataclass(frozen=True)
class Item:
    """A protected item by the names that the SDK's calls take, and its VM."""

    vault: str
    group: str
    fabric: str
    container: str
    name: str
    vm_id: str

    @property
    def names(self) -> tuple[str, str, str, str, str]:
        return self.vault, self.group, self.fabric, self.container, self.name


@dataclass(frozen=True, kw_only=True)
class Loop:
    """The loop: over these vaults (resource ids of one subscription), in so many threads.

    `advance` skips the simulated Azure's time by so many seconds.
    """

    arm: str
    ca: str
    vaults: Sequence[str]
    threads: int
    follow_job: bool
    advance: Callable[[float], None]

    def run(self) -> None:
        """Migrate every VM. Raises what the SDK raises, and RuntimeError for a job that did not complete."""
        skipped = SkippedTime(self.threads, self.advance)
        with closing(self._client(skipped)) as client:
            items: SimpleQueue[Item] = SimpleQueue()
            for vault in self.vaults:
                for item in _items(client, vault):
                    items.put(item)
        with ThreadPoolExecutor(self.threads) as pool:
            workers = [pool.submit(self._work, items, skipped) for _ in range(self.threads)]
            for worker in workers:
                worker.result()

    def _work(self, items: SimpleQueue[Item], skipped: SkippedTime) -> None:
        migrate = _by_job if self.follow_job else _by_operation
        try:
            with closing(self._client(skipped)) as client:
                while True:
                    migrate(client, items.get_nowait(), skipped)
        except Empty:
            return
        finally:
            skipped.leave()

    def _client(self, skipped: SkippedTime) -> RecoveryServicesBackupClient:
        subscription = self.vaults[0].split("/")[2]
        return RecoveryServicesBackupClient(
            AnyToken(), subscription, base_url=self.arm, transport=SkippingTransport(skipped, self.ca)
        )


def _items(client: RecoveryServicesBackupClient, vault_id: str) -> list[Item]:
    group, vault = vault_id.split("/")[4], vault_id.split("/")[8]
    items: list[Item] = []
    for item in client.backup_protected_items.list(vault, group, filter=VM_ITEMS):
        fabric, container, name = str(item.id).split("/")[10:15:2]
        items.append(Item(vault, group, fabric, container, name, _properties(item)["sourceResourceId"]))
    return items


def _by_operation(client: RecoveryServicesBackupClient, item: Item, skipped: SkippedTime) -> None:
    """Write, wait for the operation, then for the job that it names."""
    body, operation = _changed(client, item), _Operation()
    client.protected_items.begin_create_or_update(*item.names, body, raw_response_hook=operation.hook).result()
    _wait_for_job(client, item, operation.job_id, skipped)


def _by_job(client: RecoveryServicesBackupClient, item: Item, skipped: SkippedTime) -> None:
    """Write, find the job in the list, and wait for it."""
    client.protected_items.begin_create_or_update(*item.names, _changed(client, item), polling=False)
    jobs = client.backup_jobs.list(item.vault, item.group, filter=RUNNING_MIGRATIONS)
    vm_name = item.vm_id.rpartition("/")[2]
    job = next(job for job in jobs if _properties(job)["entityFriendlyName"] == vm_name)
    _wait_for_job(client, item, str(job.name), skipped)


def _changed(client: RecoveryServicesBackupClient, item: Item) -> Any:
    """The item as it is, with the Enhanced policy."""
    shown = _properties(client.protected_items.get(*item.names))
    policies = str(shown["policyId"]).rpartition("/")[0]
    properties = {
        "protectedItemType": shown["protectedItemType"],
        "sourceResourceId": item.vm_id,
        "policyId": f"{policies}/EnhancedPolicy",
    }
    return {"properties": properties}


def _properties(resource: Any) -> Mapping[str, Any]:
    """By their names on the wire: the SDK's class for VMs is not the one that it reads them into."""
    return cast(Mapping[str, Any], resource.properties)


def _wait_for_job(client: RecoveryServicesBackupClient, item: Item, job_id: str, skipped: SkippedTime) -> None:
    def read_status() -> str:
        return _properties(client.job_details.get(item.vault, item.group, job_id))["status"]

    while (status := read_status()) not in ENDED:
        skipped.sleep(JOB_SECONDS)
    if status != "Completed":
        raise RuntimeError(f"the job of {item.name} ended as {status}")


class _Operation:
    """Reads the job's id off the answers of the poller, which keeps it to itself."""

    job_id = ""

    def hook(self, response: Any) -> None:
        if response.http_request.method == "GET":
            status: dict[str, Any] = response.http_response.json()
            properties: dict[str, Any] = status.get("properties") or {}
            self.job_id = properties.get("jobId", self.job_id)
