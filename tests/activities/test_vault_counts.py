"""A look reads few of a vault's VMs and knows the others by number: who is read, and who is counted."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

import msgspec
import pytest

from activities.change_policy import change_policy
from activities.monitor_jobs import Visit, monitor_jobs
from activities.preflight_items import OPEN_FOR, preflight_items
from clients import Clients
from clients.tables import Stale
from migration.limits import Share
from migration.records import ItemState, MigrationState, Shares
from migration.steps import ItemsOrder
from simulator import Simulator
from simulator.events import BackupStarted, ProtectionStopped
from simulator.troubles import Trouble, TroubleKind
from tests.activities.ledgers import ORDER, found, given, item_order, some_limits, verdicts
from tests.builders import VAULT_KEY, a_migration, a_record, a_vault
from tests.clients.canned import Canned, CannedAzure
from tests.clients.simulated import ITEM_LIST, ITEM_READ, JOB_READ, a_scenario, a_vm_group, meanwhile
from tests.conftest import START

HOURS = timedelta(hours=1)
THREE = a_scenario(a_vm_group("web-01"), a_vm_group("web-02"), a_vm_group("web-03"))
ONE_AT_A_TIME = some_limits(max_concurrent_per_vault=1)


def names(*vms: str) -> tuple[str, ...]:
    """Their items' names."""
    return tuple(a_record(vm).item_name for vm in vms)


async def written(clients: Clients, *vms: str) -> None:
    """Write these VMs."""
    for vm in vms:
        assert (await change_policy(clients, item_order(vm))).verdict == "written"


# --- who is read


@pytest.mark.parametrize("scenario", [THREE])
async def test_a_queue_of_busy_vms_is_read_on(simulator: Simulator, clients: Clients) -> None:
    """The first free one starts, however many before it are being backed up."""
    await given(clients.ledger, *(a_record(vm) for vm in ("web-01", "web-02", "web-03")), limits=ONE_AT_A_TIME)
    meanwhile(simulator, BackupStarted(vm="web-01", minutes=60), BackupStarted(vm="web-02", minutes=60))
    assert (await monitor_jobs(clients, ORDER)).start == names("web-03")


@pytest.mark.parametrize("scenario", [THREE])
async def test_a_queue_of_declined_vms_is_read_on(clients: Clients) -> None:
    """Those that Azure has declined let all others go first, also those further on."""
    declined = [a_record(vm, conflict_since=START) for vm in ("web-01", "web-02")]
    await given(clients.ledger, *declined, a_record("web-03"), limits=ONE_AT_A_TIME)
    assert (await monitor_jobs(clients, ORDER)).start == names("web-03")


async def test_a_vm_that_went_back_to_wait_meanwhile_counts_once(clients: Clients) -> None:
    """It may be met among those in flight and among those that wait, which are read a moment later."""
    flying = a_record(state=ItemState.STARTING)
    visit = Visit(clients=clients, migration=a_migration(), vault=a_vault(vms=2), records=[flying], stay_away_seconds=0)
    told = visit.told_of([a_record(), a_record("web-02")])
    assert [record.state for record in told.records] == [ItemState.STARTING, ItemState.PLANNED]
    assert told.rest.waiting == 0


async def test_a_halt_elsewhere_reaches_a_vault_without_room(clients: Clients) -> None:
    """Who waits there is told at once, not when something has ended."""
    flying = a_record("web-02", ItemState.MIGRATING, claimed_at=START)
    await given(clients.ledger, a_record(), flying, limits=ONE_AT_A_TIME)
    await clients.ledger.write_shares(Shares(migration_id="m1", halted="5 VMs failed"))
    await monitor_jobs(clients, ORDER)
    assert (await verdicts(clients.ledger))["web-01"] == (ItemState.CANCELLED, "Stopped")


# --- who is counted


async def test_what_a_step_has_settled_is_counted_by_the_next_look(simulator: Simulator, clients: Clients) -> None:
    """Between two looks a VM drifts; the vault's counts have it once, whoever looks how often."""
    await given(clients.ledger, a_record())
    meanwhile(simulator, ProtectionStopped(vm="web-01"))
    await preflight_items(clients, ItemsOrder(migration_id="m1", vault_key=VAULT_KEY, item_names=names("web-01")))
    assert (await found(clients.ledger)).uncounted
    for _ in range(2):
        assert (await monitor_jobs(clients, ORDER)).finished
        assert (await clients.ledger.read_vault("m1", VAULT_KEY)).counts == {"Drifted": 1}
    assert not (await found(clients.ledger)).uncounted


@pytest.mark.parametrize("scenario", [THREE])
async def test_a_vault_that_is_given_up_counts_those_that_had_ended(simulator: Simulator, clients: Clients) -> None:
    """Who is over stays what it is, in the rows and in the counts."""
    records = [
        a_record("web-01", ItemState.MIGRATING, claimed_at=START),
        a_record("web-02", ItemState.MIGRATED),
        a_record("web-03"),
    ]
    await given(clients.ledger, *records, unreadable_since=START)
    simulator.troubles.add(Trouble(kind=TroubleKind.NOT_AUTHORIZED, action=JOB_READ))
    simulator.clock.advance(25 * HOURS)
    assert (await monitor_jobs(clients, ORDER)).finished
    counts = (await clients.ledger.read_vault("m1", VAULT_KEY)).counts
    assert counts == {"Migrated": 1, "Refused": 1, "TimedOut": 1}


@pytest.mark.parametrize("vms", [1, 3])
@pytest.mark.parametrize("state", [MigrationState.RUNNING, MigrationState.CANCELLED])
async def test_counts_that_are_wrong_are_mended(vms: int, state: MigrationState, clients: Clients) -> None:
    """Somebody's hand in the table: one look counts anew, the next goes on, and nobody who waits is forgotten."""
    await given(clients.ledger, a_record("web-01", ItemState.DRIFTED), a_record("web-02"), state=state)
    vault = await clients.ledger.read_vault("m1", VAULT_KEY)
    await clients.ledger.write_vault(msgspec.structs.replace(vault, vms=vms))

    with pytest.raises(Stale):
        await monitor_jobs(clients, ORDER)
    cycle = await monitor_jobs(clients, ORDER)

    vault = await clients.ledger.read_vault("m1", VAULT_KEY)
    running = state is MigrationState.RUNNING
    assert vault.counts == {"Drifted": 1, ("Starting" if running else "Cancelled"): 1}
    assert cycle.finished is not running


@pytest.mark.parametrize("scenario", [THREE])
async def test_claims_that_a_crash_left_are_released_by_the_next_who_settles(
    simulator: Simulator, clients: Clients
) -> None:
    """Days before the vault has finished: another migration may want the VM."""
    ended, waiting = a_record("web-01", ItemState.MIGRATED), a_record("web-03")
    await given(clients.ledger, ended, a_record("web-02"), waiting, limits=ONE_AT_A_TIME)
    await clients.ledger.claim(VAULT_KEY, ended.item_name, "m1")
    await clients.ledger.claim(VAULT_KEY, waiting.item_name, "m1")  # its write is on the way, for all we know
    await written(clients, "web-02")
    simulator.clock.advance(2 * HOURS)

    assert not (await monitor_jobs(clients, ORDER)).finished

    assert await clients.ledger.claims(VAULT_KEY, "m1") == [waiting.item_name]


async def test_who_starts_vms_knows_that_the_others_have_not_moved(clients: Clients) -> None:
    """A vault whose count stays the same reads the shares once more, when they were written while it looked."""
    await given(clients.ledger, a_record())
    assert (await monitor_jobs(clients, ORDER)).start  # counted; the service then took no writes for a while

    async def halt() -> None:
        shares = await clients.ledger.read_shares("m1")
        vaults = {**shares.vaults, "other": Share(failed=9)}
        await clients.ledger.write_shares(msgspec.structs.replace(shares, vaults=vaults, halted="9 VMs failed"))

    async with CannedAzure(Canned(body={"value": []}, first=halt)) as azure:
        assert (await monitor_jobs(replace(clients, backup=azure.backup), ORDER)).start == ()


# --- what Azure does not show


@pytest.mark.parametrize("scenario", [THREE])
async def test_a_vm_that_azure_does_not_show_holds_up_no_other(simulator: Simulator, clients: Clients) -> None:
    """The list is refused because of one VM, and so is that VM: the others are settled, it keeps its place."""
    await given(clients.ledger, a_record("web-01"), a_record("web-02"))
    await written(clients, "web-01", "web-02")
    simulator.clock.advance(2 * HOURS)
    simulator.troubles.add(Trouble(kind=TroubleKind.NOT_AUTHORIZED, action=ITEM_LIST))
    simulator.troubles.add(Trouble(kind=TroubleKind.NOT_AUTHORIZED, action=ITEM_READ, path="*web-02"))

    await monitor_jobs(clients, ORDER)
    simulator.clock.advance(HOURS)
    await monitor_jobs(clients, ORDER)
    assert await verdicts(clients.ledger) == {"web-01": (ItemState.MIGRATED, ""), "web-02": (ItemState.MIGRATING, "")}

    simulator.clock.advance(24 * HOURS)
    await monitor_jobs(clients, ORDER)
    record = await found(clients.ledger, "web-02")
    assert (record.state, record.reason) == (ItemState.FAILED, "NotVerified")
    assert "can't be read: AuthorizationFailed" in record.message


# --- the gate's clocks


async def test_the_gate_closes_by_when_the_look_began(clients: Clients) -> None:
    """A look of many pages is as old as its first."""
    await given(clients.ledger, a_record())
    ticks: Iterator[int] = count()
    ticking = replace(clients, clock=lambda: START + timedelta(minutes=10 * next(ticks)))
    order = ItemsOrder(migration_id="m1", vault_key=VAULT_KEY, item_names=names("web-01"))
    gate: Any = (await preflight_items(ticking, order)).gate
    assert gate.closes_at == START + OPEN_FOR


async def test_what_the_gate_settles_is_stamped_by_the_service(simulator: Simulator, clients: Clients) -> None:
    """The app's own clock may be anywhere."""
    await given(clients.ledger, a_record())
    meanwhile(simulator, ProtectionStopped(vm="web-01"))
    order = ItemsOrder(migration_id="m1", vault_key=VAULT_KEY, item_names=names("web-01"))
    await preflight_items(replace(clients, clock=lambda: START + 99 * HOURS), order)
    assert (await found(clients.ledger)).settled_at == START
