"""How a migration comes into being: its scope resolved, then the ledger, then the orchestration. Safe to do twice."""

import asyncio
import secrets
from collections.abc import Iterable
from datetime import datetime

import msgspec
from azure.durable_functions import DurableOrchestrationClient, OrchestrationRuntimeStatus

from clients import Clients
from clients.arm import Refused
from clients.tables import Missing
from migration.model import Vault
from migration.opening import opened, order_of, vaults_of
from migration.records import MigrationRecord
from migration.request import MigrationRequest, Problem
from migration.scope import resolve, subscriptions_of
from settings import Settings

ENDED = (
    OrchestrationRuntimeStatus.Completed,
    OrchestrationRuntimeStatus.Failed,
    OrchestrationRuntimeStatus.Terminated,
    OrchestrationRuntimeStatus.Canceled,
)


class Taken(Exception):
    """The id belongs to a migration that was asked for differently."""


class OutOfScope(Exception):
    """The request names vaults, or a migration to retry, that are not there; nothing was started."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        super().__init__("the request names what is not there")
        self.problems = tuple(problems)


class NotStarted(Exception):
    """The ledger has the migration, but Durable did not take its orchestration: ask again with the same id."""


async def start(
    clients: Clients,
    settings: Settings,
    client: DurableOrchestrationClient,
    request: MigrationRequest,
    requester: str = "",
) -> MigrationRecord:
    """Write the migration and its vaults to the ledger and start `migrate`; answers the record.

    The same request under the same id finds the migration that is there, and starts it if an earlier call came to
    nothing half-way. Raises Taken where the id stands for another request, OutOfScope where it names what is not
    there, NotStarted where it is half-way now, ArmError where Azure can't be asked.
    """
    now = clients.clock()
    request = msgspec.structs.replace(request, id=request.id or _new_id(now))
    await clients.ledger.prepare()
    record = await _known(clients, request)
    if record is None:
        record = opened(
            request, await _resolve(clients, settings, request), settings.default_limits, now, requester=requester
        )
        if not await clients.ledger.insert_migration(record):
            return await start(clients, settings, client, request, requester)  # somebody else was faster
    await ensure_started(clients, client, record)
    return record


async def ensure_started(clients: Clients, client: DurableOrchestrationClient, record: MigrationRecord) -> None:
    """Start the orchestration of a migration that has not ended, unless it is going on. Raises NotStarted.

    One that came to grief, in an outage that outlasted its patience, begins anew where the ledger says.
    """
    if record.ended or await _is_going_on(client, record.migration_id):
        return
    await clients.ledger.insert_vaults(vaults_of(record))
    try:
        await client.start_new("migrate", record.migration_id, msgspec.to_builtins(order_of(record)))
    except Exception as error:  # the SDK raises bare Exception for whatever its hub answers
        if not await _is_going_on(client, record.migration_id):  # somebody else was faster
            raise NotStarted(record.migration_id) from error


async def _is_going_on(client: DurableOrchestrationClient, migration_id: str) -> bool:
    """The same of a migration's orchestration. Raises NotStarted where the hub does not tell."""
    try:
        return await is_going_on(client, migration_id)
    except Exception as error:  # the SDK raises bare Exception here too
        raise NotStarted(migration_id) from error


async def is_going_on(client: DurableOrchestrationClient, instance_id: str) -> bool:
    """Whether the orchestration is there and has not ended, well or otherwise."""
    status = await client.get_status(instance_id)
    return bool(status) and status.runtime_status not in ENDED


async def _known(clients: Clients, request: MigrationRequest) -> MigrationRecord | None:
    try:
        known = await clients.ledger.read_migration(str(request.id))
    except Missing:
        return None
    if known.request != request:
        raise Taken(f"migration {request.id} exists and was asked for differently")
    return known


def _new_id(now: datetime) -> str:
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


async def _resolve(clients: Clients, settings: Settings, request: MigrationRequest) -> tuple[str, ...]:
    """The ids of the vaults that the request means now; the migration keeps to them whatever appears later.

    A vault outside the app's allow-list is like one that is not there.
    """
    if request.retry_of:
        await _check_ended(clients, request.retry_of)
    subscriptions = subscriptions_of(request)
    lists = await asyncio.gather(*(_visible(clients, subscription) for subscription in subscriptions))
    visible = {
        subscription.lower(): [vault for vault in vaults if settings.may_touch(vault.id)]
        for subscription, vaults in zip(subscriptions, lists, strict=True)
    }
    vaults, problems = resolve(request, visible)
    if problems:
        raise OutOfScope(problems)
    return tuple(vault.id for vault in vaults)


async def _check_ended(clients: Clients, migration_id: str) -> None:
    try:
        earlier = await clients.ledger.read_migration(migration_id)
    except Missing:
        raise OutOfScope([Problem(path="$.retryOf", message="there is no such migration")]) from None
    if not earlier.ended:
        raise OutOfScope([Problem(path="$.retryOf", message=f"the migration is {earlier.state}")])


async def _visible(clients: Clients, subscription: str) -> list[Vault]:
    try:
        return await clients.vaults.list_vaults(subscription)
    except Refused:  # no such subscription, or no role in it: nothing of it is visible
        return []
