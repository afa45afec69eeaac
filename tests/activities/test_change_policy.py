"""The one write of each VM: claimed before it leaves, recorded after it, and never sent twice."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from activities.change_policy import change_policy
from clients import Clients
from clients.tables import Stale
from migration.cycle import HELD_ELSEWHERE
from migration.records import ItemState, MigrationState
from migration.steps import Change, Gate
from simulator import Simulator
from simulator.events import BackupStarted, ProtectionStopped
from simulator.troubles import Trouble, TroubleKind
from tests.activities.ledgers import found, given, item_order, unchanged
from tests.builders import ENHANCED, VAULT_KEY, a_migration, a_record, item_id, vm_id
from tests.clients.canned import Canned, CannedAzure
from tests.clients.simulated import ITEM_WRITE, VAULT_1, meanwhile
from tests.conftest import START
from tests.ledgers import write_plan

ITEM = a_record().item_name


async def holder(clients: Clients) -> str:
    """The migration that holds the VM; empty where none does."""
    for migration in ("m1", "m2"):
        if ITEM in await clients.ledger.claims(VAULT_KEY, migration):
            return migration
    return ""


async def test_an_accepted_write_is_followed_by_its_operation(simulator: Simulator, clients: Clients) -> None:
    """The VM is Migrating, with the operation, the times of look and write, and its claim."""
    await given(clients.ledger, a_record())
    simulator.clock.advance(timedelta(seconds=7))

    assert await change_policy(clients, item_order()) == Change(verdict="written")

    record = await found(clients.ledger)
    assert record.state is ItemState.MIGRATING
    assert (record.claimed_at, record.written_at) == (START, START + timedelta(seconds=7))
    assert (await clients.backup.get_operation(VAULT_1, record.operation_id)).succeeded is None
    assert await holder(clients) == "m1"
    assert simulator.log.counts()[ITEM_WRITE] == 1


async def test_the_claim_is_in_the_ledger_before_the_write_leaves(clients: Clients) -> None:
    """When Azure receives the PUT, the row says Starting and the item is claimed: a crash now can be recovered from."""
    await given(clients.ledger, a_record())
    seen: list[Any] = []

    async def look() -> None:
        record = await found(clients.ledger)
        seen.append((record.state, record.claimed_at, record.operation_id, await holder(clients)))

    async with CannedAzure(Canned(status=202, body=None, first=look)) as azure:
        await change_policy(replace(clients, backup=azure.backup), item_order())

    assert seen == [(ItemState.STARTING, START, "", "m1")]


async def test_the_write_names_the_vm_and_the_target(simulator: Simulator, clients: Clients) -> None:
    """What the plan says is what Azure gets: the item ends on the planned policy."""
    await given(clients.ledger, a_record())
    await change_policy(clients, item_order())
    simulator.clock.advance(timedelta(hours=2))
    item, _ = await clients.backup.get_item(item_id())
    assert (item.policy_id, item.vm_id) == (ENHANCED, vm_id())


async def test_a_second_delivery_writes_nothing(simulator: Simulator, clients: Clients) -> None:
    """Activities are delivered at least once; the write leaves once."""
    await given(clients.ledger, a_record())
    await change_policy(clients, item_order())
    record = await found(clients.ledger)
    assert await change_policy(clients, item_order()) == Change(verdict="settled")
    assert await unchanged(clients.ledger, record)
    assert simulator.log.counts() == {ITEM_WRITE: 1}


async def test_two_deliveries_at_once_write_once(simulator: Simulator, clients: Clients) -> None:
    """Both find the VM planned; the row's ETag lets one of them through."""
    await given(clients.ledger, a_record())
    answers = await asyncio.gather(*(change_policy(clients, item_order()) for _ in range(2)), return_exceptions=True)
    assert Change(verdict="written") in answers
    assert any(isinstance(answer, Stale) or answer == Change(verdict="settled") for answer in answers)
    assert simulator.log.counts() == {ITEM_WRITE: 1}
    assert (await found(clients.ledger)).state is ItemState.MIGRATING


async def test_two_migrations_at_once_write_once(simulator: Simulator, clients: Clients) -> None:
    """Both planned the same VM; one gets it, the other is told who has it."""
    await given(clients.ledger, a_record())
    await clients.ledger.insert_migration(a_migration(migration_id="m2", state=MigrationState.RUNNING))
    await write_plan(clients.ledger, "m2", VAULT_KEY, [a_record(migration_id="m2")])
    orders = [item_order(), msgspec.structs.replace(item_order(), migration_id="m2")]

    answers = await asyncio.gather(*(change_policy(clients, order) for order in orders))

    assert sorted(answer.verdict for answer in answers) == ["settled", "written"]
    ours, theirs = await found(clients.ledger), await clients.ledger.read_item("m2", VAULT_KEY, ITEM)
    assert {ours.state, theirs.state} == {ItemState.MIGRATING, ItemState.REFUSED}
    assert simulator.log.counts() == {ITEM_WRITE: 1}


@pytest.mark.parametrize(
    "state", [ItemState.STARTING, ItemState.MIGRATING, ItemState.CANCELLED, ItemState.DRIFTED, ItemState.REFUSED]
)
async def test_only_a_planned_vm_is_written(state: ItemState, simulator: Simulator, clients: Clients) -> None:
    """A first delivery that died after its claim left Starting: whether its write was taken is for the cycle to see."""
    await given(clients.ledger, a_record(state=state))
    record = await found(clients.ledger)
    assert await change_policy(clients, item_order()) == Change(verdict="settled")
    assert await unchanged(clients.ledger, record)
    assert simulator.log.counts() == {}


async def test_a_vm_of_another_migration_is_left_to_it(simulator: Simulator, clients: Clients) -> None:
    """Refused in the ledger with the holder's name; nothing is sent, and the holder keeps its claim."""
    await given(clients.ledger, a_record())
    await clients.ledger.insert_migration(a_migration(migration_id="m2", state=MigrationState.RUNNING))
    await write_plan(clients.ledger, "m2", VAULT_KEY, [a_record(migration_id="m2")])
    await clients.ledger.claim(VAULT_KEY, ITEM, "m2")

    assert await change_policy(clients, item_order()) == Change(verdict="settled")

    record = await found(clients.ledger)
    assert (record.state, record.reason) == (ItemState.REFUSED, HELD_ELSEWHERE)
    assert "m2" in record.message
    assert await holder(clients) == "m2"
    assert simulator.log.counts() == {}


async def test_a_claim_of_an_earlier_try_is_our_own(simulator: Simulator, clients: Clients) -> None:
    """A throttled try leaves its claim; the next one goes on from there."""
    await given(clients.ledger, a_record())
    await clients.ledger.claim(VAULT_KEY, ITEM, "m1")
    assert await change_policy(clients, item_order()) == Change(verdict="written")


async def test_a_refused_write_settles_the_vm_and_frees_it(simulator: Simulator, clients: Clients) -> None:
    """The service's code and message are in the row, and another migration may have the VM."""
    await given(clients.ledger, a_record())
    meanwhile(simulator, ProtectionStopped(vm="web-01"))

    assert await change_policy(clients, item_order()) == Change(verdict="settled")

    record = await found(clients.ledger)
    assert (record.state, record.reason) == (ItemState.REFUSED, "BMSUserErrorInvalidConfigureProtectionRequest")
    assert record.message == "Protection of the item is stopped."
    assert record.settled_at is not None
    assert await holder(clients) == ""


async def test_a_conflicting_write_may_be_our_own(simulator: Simulator, clients: Clients) -> None:
    """Another change of protection runs, perhaps by a lost try of ours: Starting, for the cycle to see whose it is."""
    await given(clients.ledger, a_record(tries=1))
    await clients.backup.change_policy(item_id(), vm_id(), ENHANCED)

    assert await change_policy(clients, item_order()) == Change(verdict="written")

    record = await found(clients.ledger)
    assert (record.state, record.operation_id, record.claimed_at) == (ItemState.STARTING, "", START)
    assert await holder(clients) == "m1"


async def test_a_conflict_with_somebody_else_is_never_told_as_ours(simulator: Simulator, clients: Clients) -> None:
    """Without an earlier try the change that runs is not ours: planned again, and the next gate sees what became."""
    await given(clients.ledger, a_record())
    await clients.backup.change_policy(item_id(), vm_id(), ENHANCED)

    assert await change_policy(clients, item_order()) == Change(verdict="later")

    record = await found(clients.ledger)
    assert (record.state, record.claimed_at, record.conflict_since) == (ItemState.PLANNED, None, START)


async def test_a_vm_that_another_job_took_waits_again(simulator: Simulator, clients: Clients) -> None:
    """A backup began since the cycle looked: the VM is planned as before, and since when it waits is noted."""
    await given(clients.ledger, a_record())
    meanwhile(simulator, BackupStarted(vm="web-01"))

    assert await change_policy(clients, item_order()) == Change(verdict="later")

    record = await found(clients.ledger)
    assert msgspec.structs.replace(record, etag="") == a_record(conflict_since=START)


async def test_a_conflict_that_does_not_pass_is_a_refusal(simulator: Simulator, clients: Clients) -> None:
    """A 409 is waited out like a running backup job, never for ever: then the VM is settled, and free."""
    await given(clients.ledger, a_record(conflict_since=START - timedelta(hours=13)))
    meanwhile(simulator, BackupStarted(vm="web-01"))

    assert await change_policy(clients, item_order()) == Change(verdict="settled")

    record = await found(clients.ledger)
    assert (record.state, record.reason) == (ItemState.REFUSED, "BMSUserErrorObjectLocked")
    assert await holder(clients) == ""


@pytest.mark.parametrize(
    ("kind", "seconds"), [(TroubleKind.TOO_MANY_REQUESTS, 324), (TroubleKind.DAY_LIMIT, 24 * 3600)]
)
async def test_a_throttled_write_comes_later(
    kind: TroubleKind, seconds: int, simulator: Simulator, clients: Clients
) -> None:
    """Surely not taken: planned again, and the seconds to stay away are passed on."""
    simulator.troubles.add(Trouble(kind=kind, action=ITEM_WRITE, seconds=324))
    await given(clients.ledger, a_record())

    assert await change_policy(clients, item_order()) == Change(verdict="later", stay_away_seconds=seconds)

    record = await found(clients.ledger)
    assert msgspec.structs.replace(record, etag="") == a_record()
    assert simulator.log.counts() == {ITEM_WRITE: 1}


@pytest.mark.parametrize("taken", [True, False])
async def test_a_write_without_an_answer_stays_open(taken: bool, simulator: Simulator, clients: Clients) -> None:
    """A 504 says nothing about the write, which is not repeated: Starting, still claimed, one PUT."""
    simulator.troubles.add(Trouble(kind=TroubleKind.GATEWAY_TIMEOUT, action=ITEM_WRITE, accepted=taken))
    await given(clients.ledger, a_record())

    assert await change_policy(clients, item_order()) == Change(verdict="written")

    record = await found(clients.ledger)
    assert (record.state, record.claimed_at, record.operation_id) == (ItemState.STARTING, START, "")
    assert await holder(clients) == "m1"
    assert simulator.log.counts() == {ITEM_WRITE: 1}


async def test_a_gate_closes(simulator: Simulator, clients: Clients) -> None:
    """A write that was ordered long ago, and waited in a queue, needs another look first."""
    await given(clients.ledger, a_record())
    order = msgspec.structs.replace(item_order(), gate=Gate(checked_at=START, closes_at=START))
    simulator.clock.advance(timedelta(seconds=1))
    assert await change_policy(clients, order) == Change(verdict="later")
    assert simulator.log.counts() == {}


@pytest.mark.parametrize("state", [MigrationState.PAUSED, MigrationState.CANCELLED, MigrationState.FAILED])
async def test_a_migration_that_stopped_writes_no_more(
    simulator: Simulator, clients: Clients, state: MigrationState
) -> None:
    """Writes that were ordered before it stopped stay where they are."""
    await given(clients.ledger, a_record(), state=state)
    assert await change_policy(clients, item_order()) == Change(verdict="later")
    assert simulator.log.counts() == {}


@pytest.mark.parametrize(
    ("ended", "state", "verdict"),
    [
        (MigrationState.COMPLETED, ItemState.MIGRATED, "written"),
        (MigrationState.HALTED, ItemState.MIGRATING, "settled"),
        (MigrationState.RUNNING, ItemState.MIGRATED, "settled"),
    ],
)
async def test_the_claim_of_a_dead_migration_is_taken_over(
    clients: Clients, ended: MigrationState, state: ItemState, verdict: str
) -> None:
    """Only where the holder has ended and has nothing of this VM in flight."""
    await given(clients.ledger, a_record())
    await clients.ledger.insert_migration(a_migration(migration_id="m0", state=ended))
    await write_plan(clients.ledger, "m0", VAULT_KEY, [a_record(state=state, migration_id="m0")])
    await clients.ledger.claim(VAULT_KEY, ITEM, "m0")

    assert (await change_policy(clients, item_order())).verdict == verdict

    assert await clients.ledger.claims(VAULT_KEY, "m1") == ([ITEM] if verdict == "written" else [])
