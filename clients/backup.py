"""Azure Backup: vault items, policies and jobs, through azure-mgmt-recoveryservicesbackup; lists of items without it.

Which call asks what, and what a write's answer means. How answers read is in wire.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from typing import Any, cast

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline import PipelineResponse
from azure.mgmt.recoveryservicesbackup.aio import RecoveryServicesBackupClient
from azure.mgmt.recoveryservicesbackup.models import ProtectedItemResource, ProtectionPolicyResource

from clients import wire
from clients.allowed import check_allowed
from clients.arm import ArmReader, BriefRetry, Refused, Throttled, Unavailable, arm_errors, sent_once, service_time
from migration.model import BackupPolicy, ItemId, Job, OperationOutcome, ProtectedItem, Value, VaultId

ITEMS_VERSION = "2025-02-01"
VM_ITEMS = "backupManagementType eq 'AzureIaasVM' and itemType eq 'VM'"
VM_POLICIES = "backupManagementType eq 'AzureIaasVM'"
RUNNING_JOBS = "backupManagementType eq 'AzureIaasVM' and status eq 'InProgress'"
# `eq` means "not before" here, and the clock has twelve hours (net2016_job_list_time_filter.json).
JOBS_SINCE = "backupManagementType eq 'AzureIaasVM' and startTime eq '{:%Y-%m-%d %I:%M:%S %p}'"


ITEMS_PER_PAGE = 200  # of a list; Azure Backup documents none, and no recorded list was longer than one page
_GONE = Refused(404, "ItemNotFound", "the vault's list does not have the item any more")


class Accepted(Value, frozen=True):
    """The service took the write; `operation_id` names the operation that ends with the job."""

    operation_id: str
    at: datetime


class Jobs(Value, frozen=True):
    """Jobs of a vault, and the service's time of that look."""

    now: datetime
    jobs: tuple[Job, ...]


@dataclass(frozen=True, kw_only=True)
class Items:
    """Items by the ids that were asked for, or why the service does not show one.

    `now` is the service's time of the first look, None where it showed nothing.
    """

    now: datetime | None
    items: dict[str, ProtectedItem | Refused]


class BackupClient:
    """Azure Backup over any number of subscriptions, one SDK client each, made when first needed.

    Nothing is written to vaults beyond those `allowed`, resource ids of subscriptions and vaults; none is all.
    """

    def __init__(
        self, base_url: str, scope: str, credential: AsyncTokenCredential, allowed: Sequence[str] = ()
    ) -> None:
        self._base_url, self._scope, self._credential, self._allowed = base_url, scope, credential, allowed
        self._by_subscription: dict[str, RecoveryServicesBackupClient] = {}
        self._reader = ArmReader(base_url, scope, credential)

    def _sdk(self, subscription: str) -> RecoveryServicesBackupClient:
        client = self._by_subscription.get(subscription.lower())
        if client is None:
            client = RecoveryServicesBackupClient(
                self._credential,
                subscription,
                base_url=self._base_url,
                credential_scopes=[self._scope],
                retry_policy=BriefRetry(),
            )
            self._by_subscription[subscription.lower()] = client
        return client

    async def list_items(self, vault: VaultId) -> list[ProtectedItem]:
        """Every Azure VM item of a vault: stopped, soft-deleted and classic ones too. Raises ArmError."""
        return (await self._listed(vault))[0]

    async def _listed(self, vault: VaultId) -> tuple[list[ProtectedItem], datetime]:
        """The items, and the time of the first page.

        Without the SDK, whose models would be most of the CPU time of a large vault's migration (benchmarks.scale).
        """
        pages = [page async for page in self._reader.pages(f"{vault}/backupProtectedItems", ITEMS_VERSION, VM_ITEMS)]
        return [wire.protected_item(item) for page in pages for item in page.value], service_time(pages[0].headers)

    async def get_items(self, vault: VaultId, item_ids: Sequence[str], out_of: int) -> Items:
        """These items of a vault of so many, in as few calls as that takes: one by one, or the vault's list.

        An item that the service does not show is answered as its refusal. Raises Throttled and Unavailable.
        """
        if len(item_ids) > ceil(out_of / ITEMS_PER_PAGE):
            try:
                listed, now = await self._listed(vault)
            except Refused:  # the whole list, because of one VM (error_404_vm_no_longer_exists.json)
                pass
            else:
                by_id = {item.id.lower(): item for item in listed}
                return Items(now=now, items={id_: by_id.get(id_.lower(), _GONE) for id_ in item_ids})
        return await self._one_by_one(item_ids)

    async def _one_by_one(self, item_ids: Sequence[str]) -> Items:
        times: list[datetime] = []
        found: dict[str, ProtectedItem | Refused] = {}
        for item_id in item_ids:
            try:
                found[item_id], time = await self.get_item(item_id)
            except Refused as refused:
                found[item_id] = refused
            else:
                times.append(time)
        return Items(now=min(times, default=None), items=found)

    async def get_item(self, item_id: str) -> tuple[ProtectedItem, datetime]:
        """One item, and the service's time of that look. Raises ArmError; Refused with status 404 where it is gone."""
        seen = _ServiceTime()
        vault, item = _vault_of(item_id), ItemId.parse(item_id)
        with arm_errors():
            found = await self._sdk(vault.subscription).protected_items.get(
                vault.name,
                vault.resource_group,
                item.fabric,
                item.container,
                item.item,
                raw_response_hook=seen.hook,
            )
            return wire.protected_item(found), seen.now()

    async def list_policies(self, vault: VaultId) -> list[BackupPolicy]:
        """The vault's policies for Azure VMs. Raises ArmError."""
        with arm_errors():
            pages = self._sdk(vault.subscription).backup_policies.list(
                vault.name, vault.resource_group, filter=VM_POLICIES
            )
            # The vault's SQL policies come along where a service version ignores the filter.
            return [wire.policy(policy.as_dict()) async for policy in pages if wire.protects_vms(policy)]

    async def get_policy(self, vault: VaultId, name: str) -> tuple[BackupPolicy, int] | None:
        """One policy by name, and how many items it protects, which no list tells. Raises ArmError.

        None where the vault has none of that name (a 404 with an empty body).
        """
        try:
            with arm_errors():
                found = await self._sdk(vault.subscription).protection_policies.get(
                    vault.name, vault.resource_group, name
                )
                body = found.as_dict()
                return wire.policy(body), wire.members(body)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    async def make_policy(self, vault: VaultId, policy: BackupPolicy) -> BackupPolicy:
        """Make an Enhanced policy of this name and content; answers it as the service keeps it. Raises ArmError.

        Where the service takes its time (202), Unavailable is raised: another try finds the policy made.
        """
        check_allowed(vault, self._allowed)
        with arm_errors():
            made = await self._sdk(vault.subscription).protection_policies.create_or_update(
                vault.name,
                vault.resource_group,
                policy.name,
                cast(ProtectionPolicyResource, wire.policy_body(policy)),
                retry_total=0,
                middlewares=(sent_once,),
            )
        if made is None:
            raise Unavailable(f"the policy {policy.name} is still being made")
        return wire.policy(made.as_dict())

    async def running_jobs(self, vault: VaultId) -> Jobs:
        """The jobs running in a vault now. Raises ArmError."""
        return await self._jobs(vault, RUNNING_JOBS)

    async def jobs_since(self, vault: VaultId, since: datetime) -> Jobs:
        """The jobs that started at `since` or later, ended or not. Raises ArmError."""
        return await self._jobs(vault, JOBS_SINCE.format(since.astimezone(UTC)))

    async def _jobs(self, vault: VaultId, filter_text: str) -> Jobs:
        seen = _ServiceTime()
        with arm_errors():
            pages = self._sdk(vault.subscription).backup_jobs.list(
                vault.name, vault.resource_group, filter=filter_text, raw_response_hook=seen.hook
            )
            jobs = tuple([wire.job(job) async for job in pages])
            return Jobs(now=seen.now(), jobs=jobs)

    async def get_job(self, vault: VaultId, job_id: str) -> Job:
        """One job with its errors and their recommendations. Raises ArmError."""
        with arm_errors():
            found = await self._sdk(vault.subscription).job_details.get(vault.name, vault.resource_group, job_id)
            return wire.job(found)

    async def cancel_job(self, vault: VaultId, job_id: str) -> None:
        """Ask for a job's cancellation; asking twice does no harm. Raises ArmError, Refused where it can't be."""
        with arm_errors():
            await self._sdk(vault.subscription).job_cancellations.trigger(vault.name, vault.resource_group, job_id)

    async def get_operation(self, vault: VaultId, operation_id: str) -> OperationOutcome:
        """How an operation stands. It says nothing of its job before it has ended. Raises ArmError."""
        with arm_errors():
            found = await self._sdk(vault.subscription).backup_operation_statuses.get(
                vault.name, vault.resource_group, operation_id
            )
            return wire.operation(found)

    async def change_policy(
        self, item_id: str, vm_id: str, policy_id: str
    ) -> Accepted | Refused | Throttled | Unavailable:
        """Point an item at another policy: one PUT, never repeated here, answered as a value.

        The SDK's poller would follow the operation for the hours that the job takes and never show the job, so it is
        told not to poll and only the operation's id is kept. The answer's URLs are signed, 4 kB long and short-lived;
        the id alone can be asked for at any time.
        """
        seen = _ServiceTime()
        vault, item = _vault_of(item_id), ItemId.parse(item_id)
        properties = {
            "protectedItemType": "Microsoft.Compute/virtualMachines",
            "sourceResourceId": vm_id,
            "policyId": policy_id,
        }
        try:
            check_allowed(vault, self._allowed)
            with arm_errors():
                await self._sdk(vault.subscription).protected_items.begin_create_or_update(
                    vault.name,
                    vault.resource_group,
                    item.fabric,
                    item.container,
                    item.item,
                    cast(ProtectedItemResource, {"properties": properties}),
                    polling=False,
                    retry_total=0,
                    middlewares=(sent_once,),
                    raw_response_hook=seen.hook,
                )
                return Accepted(operation_id=seen.operation_id(), at=seen.now())
        except (Refused, Throttled, Unavailable) as error:
            return error

    async def close(self) -> None:
        """Close the connections."""
        await self._reader.close()
        for client in self._by_subscription.values():
            await client.close()


class _ServiceTime:
    """Reads headers off the first raw answer of a call: the service's clock, and the operation a write began."""

    def __init__(self) -> None:
        self._headers: Mapping[str, str] = {}

    def hook(self, response: PipelineResponse[Any, Any]) -> None:
        self._headers = self._headers or cast(Mapping[str, str], response.http_response.headers)

    def now(self) -> datetime:
        return service_time(self._headers)

    def operation_id(self) -> str:
        url = self._headers.get("Azure-AsyncOperation") or self._headers.get("Location") or ""
        return url.partition("?")[0].rpartition("/")[2]


def _vault_of(item_id: str) -> VaultId:
    return VaultId.parse(ItemId.parse(item_id).vault)
