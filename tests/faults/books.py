"""What the ledger and the task hub say after a migration, and what is true in the simulated Azure: plain values."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import unquote

from clients.ledger import Ledger
from local_host.instances import InstanceQuery, Instances, InstanceStatus
from migration.records import ItemRecord, MigrationRecord, VaultRecord
from simulator import Simulator
from simulator.resources import GOOD, Job, PolicyType, ProtectedItem, Vault

CONFIGURES = "ConfigureBackup"
"""The label of the jobs that change a policy."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim that is still there."""

    vault_key: str
    item_name: str
    migration_id: str


@dataclass(frozen=True, kw_only=True)
class Books:
    """Everything the app wrote about its migrations, and every orchestration of the hub."""

    migrations: tuple[MigrationRecord, ...]
    vaults: tuple[VaultRecord, ...]
    items: tuple[ItemRecord, ...]
    claims: tuple[Claim, ...]
    instances: tuple[InstanceStatus, ...]


@dataclass(frozen=True, kw_only=True)
class TrueJob:
    """A job that changed the policy of a VM; `ended` None while it runs, `good` where it ended well."""

    id: str
    started: datetime
    ended: datetime | None
    good: bool


@dataclass(frozen=True, kw_only=True)
class Write:
    """A change of policy that the app sent, in the order of arrival, and the status it was answered with."""

    number: int
    at: datetime
    status: int


@dataclass(frozen=True, kw_only=True)
class TrueItem:
    """A protected item at the end, and what was done to it.

    `policy_before` is that of the start. `accepted` counts the app's writes that Azure took, `jobs` are those of the
    app's writes; `jobs_of_others` those of other people's. `touched`: they changed its policy or its protection
    meanwhile, so that its policy says nothing about the app.
    """

    id: str
    vault_id: str
    policy_before: str
    policy: str
    enhanced: bool
    accepted: int
    touched: bool = False
    jobs: tuple[TrueJob, ...] = ()
    jobs_of_others: tuple[TrueJob, ...] = ()
    writes: tuple[Write, ...] = ()


Truth = Mapping[str, TrueItem]
"""The protected items by their ids in lower case."""


@dataclass
class Others:
    """What other people did to items meanwhile; ids in lower case."""

    touched: set[str] = field(default_factory=set[str])
    jobs: set[str] = field(default_factory=set[str])
    """Ids of jobs that their changes of policy made."""
    accepted: list[str] = field(default_factory=list[str])
    """An item's id for each of their changes of policy that Azure took."""


async def read_books(ledger: Ledger, instances: Instances, migration_ids: Collection[str]) -> Books:
    """Read all of it. Raises Missing for a migration that the ledger does not have."""
    migrations = [await ledger.read_migration(migration_id) for migration_id in migration_ids]
    vaults = [vault for migration_id in migration_ids for vault in await ledger.read_vaults(migration_id)]
    return Books(
        migrations=tuple(migrations),
        vaults=tuple(vaults),
        items=tuple([item for migration_id in migration_ids async for item in ledger.all_items(migration_id)]),
        claims=tuple(
            [
                Claim(vault_key=vault.vault_key, item_name=name, migration_id=vault.migration_id)
                for vault in vaults
                for name in await ledger.claims(vault.vault_key, vault.migration_id)
            ]
        ),
        instances=tuple(await every_instance(instances)),
    )


async def every_instance(instances: Instances) -> list[InstanceStatus]:
    """The status of every orchestration of a hub."""
    found, token = await instances.list_page(InstanceQuery())
    while token:
        more, token = await instances.list_page(InstanceQuery(continuation_token=token))
        found += more
    return found


def policies_of(simulator: Simulator) -> dict[str, str]:
    """The policy of every item now, by the item's id in lower case."""
    return {
        item.id.lower(): item.policy.id if item.policy else ""
        for vault in simulator.estate.vaults()
        for item in vault.items.values()
    }


def read_truth(simulator: Simulator, policies_before: Mapping[str, str], others: Others) -> Truth:
    """The state of the simulated Azure now, with every write it was sent."""
    simulator.estate.settle()
    writes: dict[str, list[Write]] = {}
    for request in simulator.log.requests:
        if request.method == "PUT":
            path = unquote(request.path.partition("?")[0]).lower()
            writes.setdefault(path, []).append(Write(number=request.number, at=request.at, status=request.status))
    return {
        item.id.lower(): _true_item(vault, item, policies_before[item.id.lower()], writes, others)
        for vault in simulator.estate.vaults()
        for item in vault.items.values()
    }


def _true_item(
    vault: Vault, item: ProtectedItem, before: str, writes: Mapping[str, list[Write]], others: Others
) -> TrueItem:
    key = item.id.lower()
    configured = [job for job in item.jobs if job.label == CONFIGURES]
    return TrueItem(
        id=item.id,
        vault_id=vault.id,
        policy_before=before,
        policy=item.policy.id if item.policy else "",
        enhanced=bool(item.policy and item.policy.terms and item.policy.terms.policy_type is PolicyType.ENHANCED),
        accepted=item.puts_accepted - others.accepted.count(key),
        touched=key in others.touched,
        jobs=tuple(_true_job(job) for job in configured if job.id not in others.jobs),
        jobs_of_others=tuple(_true_job(job) for job in configured if job.id in others.jobs),
        writes=tuple(writes.get(key, ())),
    )


def _true_job(job: Job) -> TrueJob:
    return TrueJob(id=job.id, started=job.started, ended=job.ended, good=job.status in GOOD)
