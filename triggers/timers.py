"""What happens by the clock: the daily audit, the purge of old histories, and the watchdog.

Schedules are NCRONTAB, in UTC, and literal: a binding expression (%NAME%) whose setting is missing would keep the
function, and in some hosts the app, from being indexed. What is switched off returns at once.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from azure.durable_functions import DurableOrchestrationClient, OrchestrationRuntimeStatus

from clients import Clients
from clients.arm import ArmError
from clients.tables import Stale
from migration.audit import audit_requests, subscriptions_in
from migration.events import EVENT_MIGRATIONS
from migration.limits import idle_pace, pace
from migration.model import Vault, VaultId
from migration.records import MigrationRecord, MigrationState, VaultRecord
from migration.stalls import Stall, stall_of
from migration.steps import instance_of, is_at, watch_of
from settings import Settings
from triggers.events import ensure_watched
from triggers.nudging import nudge_instance
from triggers.starting import ENDED, NotStarted, OutOfScope, Taken, ensure_started, start

log = logging.getLogger(__name__)

WATCHDOG_MINUTES = 5
YOUNG = timedelta(minutes=10)  # what was opened just now is being started by whoever opened it
REMEMBERED = timedelta(days=3)  # how long an event is; Event Grid gives a delivery up after one day
SLICE = timedelta(hours=6)  # of histories purged in one call: a call over all of them times out and starves the app
SLICES = 40  # in one night

Tick = Callable[[Clients, Settings, DurableOrchestrationClient], Awaitable[None]]


# --- audit


async def audit_vaults(clients: Clients, settings: Settings, client: DurableOrchestrationClient) -> None:
    """Plan every allowed vault; a second time on the same day finds the first.

    What can't be planned is logged and keeps nothing else from its plan. Raises AzureError of the ledger.
    """
    if not settings.audit_schedule:
        return
    vaults: list[Vault] = []
    for subscription in subscriptions_in(settings.allowed_scopes):
        try:
            vaults += await clients.vaults.list_vaults(subscription)
        except ArmError as trouble:
            log.warning("subscription %s is not audited: %s", subscription, trouble)
    for request in audit_requests(vaults, settings.event_terms, clients.clock()):
        try:
            await start(clients, settings, client, request)
        except Taken:
            log.warning("%s was planned already, over other vaults", request.id)
        except (OutOfScope, ArmError) as trouble:
            log.warning("%s was not started: %s", request.id, trouble)
        except NotStarted as half_way:
            log.warning("%s was not started, which the watchdog will do: %s", half_way, half_way.__cause__)


# --- purge


async def purge_history(clients: Clients, settings: Settings, client: DurableOrchestrationClient) -> None:
    """Forget the histories of orchestrations that ended and were created long ago, a slice of time after the other.

    The ledger keeps everything but events of long ago that something has come of. What has not ended is not in any
    slice, however old. Raises AzureError and Stale of the ledger, and what Durable's client raises where its hub does
    not answer; the next night goes on.
    """
    await clients.ledger.prepare()
    await clients.ledger.forget_events(clients.clock() - REMEMBERED)
    before = clients.clock() - timedelta(days=settings.purge_after_days)
    ended: list[OrchestrationRuntimeStatus] = list(ENDED)
    purged = 0
    for _ in range(SLICES):
        # One page, in no order that is promised: its oldest begins a slice, so that no empty one is ever asked for.
        page = await client.get_status_by(created_time_to=before, runtime_status=ended)
        times = [status.created_time for status in page if status.created_time]
        if not times:
            break
        oldest = min(times)
        until = min(before, oldest + SLICE)
        purged += (await client.purge_instance_history_by(oldest, until, ended)).instances_deleted
    log.info("%s histories were purged", purged)


# --- watchdog


async def watchdog(clients: Clients, settings: Settings, client: DurableOrchestrationClient) -> None:
    """See that whatever the ledger says should go on does: orchestrations, vaults' controllers, watches over vaults.

    Raises AzureError of the ledger, and what Durable's client raises where its hub does not answer.
    """
    await clients.ledger.prepare()
    now = clients.clock()
    stalls = {(stall.migration_id, stall.vault_key): stall for stall in await clients.ledger.read_stalls()}
    for migration in await clients.ledger.unfinished_migrations():
        if now - migration.requested_at > YOUNG:
            await _see_it_started(clients, client, migration)
        if migration.state in (MigrationState.RUNNING, MigrationState.PAUSED):
            for vault in await clients.ledger.read_vaults(migration.migration_id):
                known = stalls.pop((migration.migration_id, vault.vault_key), None)
                stall = await _stall(clients, migration, vault, known)
                if stall is None and known:
                    await clients.ledger.forget_stall(known)
                elif stall and stall is not known:
                    await _heed(clients, client, stall)
    for of_an_ended_migration in stalls.values():
        await clients.ledger.forget_stall(of_an_ended_migration)
    waited = timedelta(minutes=settings.event_delay_minutes + WATCHDOG_MINUTES)
    for vault_id in await clients.ledger.waiting_vaults(now - waited):
        await ensure_watched(settings, client, vault_id)


async def _see_it_started(clients: Clients, client: DurableOrchestrationClient, migration: MigrationRecord) -> None:
    """Start the orchestration of a migration where it has ended before it, unless a watch is just at it."""
    if migration.migration_id.startswith(EVENT_MIGRATIONS) and await _is_watched(client, migration):
        return
    try:
        await ensure_started(clients, client, migration)
    except NotStarted as failure:
        log.warning("migration %s was not started: %s", failure, failure.__cause__)


async def _is_watched(client: DurableOrchestrationClient, migration: MigrationRecord) -> bool:
    """Whether the watch that opened the migration starts it itself. One that has left it waits for its end."""
    watch = await client.get_status(watch_of(VaultId.parse(migration.vaults[0]).key))
    return bool(watch) and watch.runtime_status not in ENDED and is_at(watch.custom_status, migration.migration_id)


async def _heed(clients: Clients, client: DurableOrchestrationClient, stall: Stall) -> None:
    try:
        await clients.ledger.write_stall(stall)
    except Stale:
        return  # another watchdog is at it
    if stall.told:
        log.error(
            "migration %s is stuck in vault %s: nothing has looked at it since %s, in spite of a nudge",
            stall.migration_id,
            stall.vault_key,
            stall.moved_at,
        )
    await nudge_instance(client, instance_of(stall.migration_id, stall.vault_key))


async def _stall(clients: Clients, migration: MigrationRecord, vault: VaultRecord, known: Stall | None) -> Stall | None:
    """How the vault's stall stands, by the interval that its controller reckons with; asked for only where it counts.

    That interval is never shorter than the one that was requested.
    """
    now, requested = clients.clock(), migration.limits.poll_seconds
    if stall_of(vault, known, migration, requested, now) is None:
        return None
    readers = await clients.ledger.readers(VaultId.parse(vault.vault_id).subscription.lower(), now)
    looking = pace(requested, len(readers) + 1, clients.job_reads_per_hour, vault.quiet_looks)
    interval = max(looking, idle_pace(requested, vault.quiet_looks))
    return stall_of(vault, known, migration, interval, now)


# --- the table


@dataclass(frozen=True, kw_only=True)
class Timer:
    """A row of the table of timers."""

    tick: Tick
    schedule: str


def timers(settings: Settings) -> tuple[Timer, ...]:
    """Every timer and its schedule."""
    return (
        Timer(tick=audit_vaults, schedule=settings.audit_schedule or "0 0 5 * * *"),
        Timer(tick=purge_history, schedule="0 30 2 * * *"),
        Timer(tick=watchdog, schedule=f"0 */{WATCHDOG_MINUTES} * * * *"),
    )
