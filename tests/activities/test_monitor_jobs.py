"""One look at a vault: what it costs, what it settles, what it starts, and what if Azure does not show itself."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from activities.change_policy import change_policy
from activities.monitor_jobs import DETAILS_PER_LOOK, monitor_jobs
from clients import Clients
from migration.cycle import STARTS_PER_CYCLE
from migration.limits import Share, together
from migration.records import ItemState, MigrationState, Shares
from migration.steps import CycleAnswer, VaultOrder
from simulator import Simulator
from simulator.events import BackupStarted, JobErrorTable, Migration, PolicyChangedElsewhere
from simulator.troubles import Trouble, TroubleKind
from tests.activities.ledgers import ORDER, control, found, given, item_order, some_limits, verdicts
from tests.builders import SUBSCRIPTION, VAULT, VAULT_KEY, a_migration, a_record, container
from tests.clients.canned import Canned, CannedAzure
from tests.clients.simulated import (
    ITEM_LIST,
    ITEM_READ,
    ITEM_WRITE,
    JOB_READ,
    VAULT_1,
    a_scenario,
    a_vm_group,
    meanwhile,
)
from tests.conftest import START
from tests.ledgers import write_plan

PLANNED, STARTING, MIGRATING, MIGRATED = (
    ItemState.PLANNED,
    ItemState.STARTING,
    ItemState.MIGRATING,
    ItemState.MIGRATED,
)
HOURS = timedelta(hours=1)

TWO = a_scenario(a_vm_group("web-01"), a_vm_group("web-02"))


def names(*vms: str) -> tuple[str, ...]:
    """Their items' names."""
    return tuple(a_record(vm).item_name for vm in vms)


async def migrating(clients: Clients, *vms: str, **limits: Any) -> None:
    """A migration that has just written these VMs."""
    await given(clients.ledger, *(a_record(vm) for vm in vms), limits=some_limits(**limits))
    for vm in vms:
        assert (await change_policy(clients, item_order(vm))).verdict == "written"


async def job_of(clients: Clients, vm: str = "web-01") -> str:
    """The id of a VM's only job."""
    jobs = (await clients.backup.jobs_since(VAULT_1, START)).jobs
    [job_id] = [job.id for job in jobs if job.container == container(vm)]
    return job_id


# --- what starts


@pytest.mark.parametrize("scenario", [TWO])
async def test_waiting_vms_are_started_within_the_limit(simulator: Simulator, clients: Clients) -> None:
    """The cycle names as many as may be in flight; it costs one job-list read and writes nothing to Azure.

    Whoever asks meanwhile sees them start, not only at the next look.
    """
    await given(clients.ledger, a_record("web-01"), a_record("web-02"), limits=some_limits(max_concurrent_per_vault=1))

    cycle = await monitor_jobs(clients, ORDER)

    assert cycle == CycleAnswer(start=names("web-01"), wait_seconds=60, soonest_seconds=48, finished=False, waiting=2)
    assert (await clients.ledger.read_vault("m1", VAULT_KEY)).counts == {"Planned": 1, "Starting": 1}
    assert simulator.log.counts() == {JOB_READ: 1}


@pytest.mark.parametrize("scenario", [TWO])
async def test_a_vm_with_a_running_backup_waits(simulator: Simulator, clients: Clients) -> None:
    """The other one starts; the busy one's turn comes when its job is over."""
    await given(clients.ledger, a_record("web-01"), a_record("web-02"))
    meanwhile(simulator, BackupStarted(vm="web-01", minutes=30))
    assert (await monitor_jobs(clients, ORDER)).start == names("web-02")

    simulator.clock.advance(timedelta(minutes=31))
    assert (await monitor_jobs(clients, ORDER)).start == names("web-01", "web-02")


async def test_a_backup_that_never_ends_blocks_its_vm(simulator: Simulator, clients: Clients) -> None:
    """After the hours that the request allows the VM is given up, with the job named."""
    await given(clients.ledger, a_record(), limits=some_limits(backup_job_wait_hours=2))
    meanwhile(simulator, BackupStarted(vm="web-01", minutes=600))
    simulator.clock.advance(3 * HOURS)

    cycle = await monitor_jobs(clients, ORDER)

    record = await found(clients.ledger)
    assert (record.state, record.reason) == (ItemState.BLOCKED, "BackupJobRunning")
    assert record.job_id == await job_of(clients)
    assert cycle.finished


async def test_blocking_a_vm_leaves_the_claim_of_another_migration(simulator: Simulator, clients: Clients) -> None:
    """The long-running job may be another migration's: its claim protects the VM from a third one."""
    await given(clients.ledger, a_record(), a_record("web-02"), limits=some_limits(backup_job_wait_hours=2))
    await clients.ledger.claim(VAULT_KEY, a_record().item_name, "m2")
    meanwhile(simulator, BackupStarted(vm="web-01", minutes=600))
    simulator.clock.advance(3 * HOURS)
    await monitor_jobs(clients, ORDER)
    assert (await found(clients.ledger)).state is ItemState.BLOCKED
    assert await clients.ledger.claims(VAULT_KEY, "m2") == [a_record().item_name]


async def test_more_than_a_cycle_may_start_go_on_at_once(clients: Clients) -> None:
    """A cycle starts a bounded number; the next one follows within a second."""
    waiting = [a_record(f"vm-{n:03}") for n in range(STARTS_PER_CYCLE + 10)]
    await given(clients.ledger, *waiting, limits=some_limits(max_concurrent_per_vault=100, stop_after_failures=100))
    cycle = await monitor_jobs(clients, ORDER)
    assert (len(cycle.start), cycle.wait_seconds, cycle.waiting) == (STARTS_PER_CYCLE, 1, len(waiting))


@pytest.mark.parametrize(
    ("state", "finished"),
    [(MigrationState.PAUSED, False), (MigrationState.CANCELLED, True), (MigrationState.FAILED, True)],
)
async def test_nothing_starts_unless_the_migration_runs(
    state: MigrationState, finished: bool, clients: Clients
) -> None:
    """A paused migration waits for its resumption; one that was ended has nothing more to do in a vault at rest."""
    await given(clients.ledger, a_record(), state=state)
    cycle = await monitor_jobs(clients, ORDER)
    assert (cycle.start, cycle.finished) == ((), finished)


# --- what is in flight


@pytest.mark.parametrize("scenario", [TWO])
async def test_while_jobs_run_a_look_costs_one_list(simulator: Simulator, clients: Clients) -> None:
    """However many VMs are in flight: one job-list read, no item, no operation, no job by itself."""
    await migrating(clients, "web-01", "web-02")
    asked = len(simulator.log.requests)
    simulator.clock.advance(timedelta(minutes=20))

    cycle = await monitor_jobs(clients, ORDER)

    assert [request.action for request in simulator.log.since(asked)] == [JOB_READ]
    assert cycle == CycleAnswer(start=(), wait_seconds=60, soonest_seconds=48, finished=False, in_flight=2)
    vault = await clients.ledger.read_vault("m1", VAULT_KEY)
    assert (vault.counts, vault.checked_at) == ({"Migrating": 2}, START + timedelta(minutes=20))


@pytest.mark.parametrize("scenario", [TWO])
async def test_vms_whose_jobs_ended_well_are_migrated(simulator: Simulator, clients: Clients) -> None:
    """Job and item agree: settled with the job's id, the claims given up, the vault finished; three lists in all."""
    await migrating(clients, "web-01", "web-02")
    asked = len(simulator.log.requests)
    simulator.clock.advance(2 * HOURS)

    cycle = await monitor_jobs(clients, ORDER)

    assert [request.action for request in simulator.log.since(asked)] == [JOB_READ, JOB_READ, ITEM_LIST]
    assert await verdicts(clients.ledger) == {"web-01": (MIGRATED, ""), "web-02": (MIGRATED, "")}
    record = await found(clients.ledger)
    assert (record.job_id, record.settled_at) == (await job_of(clients), START + 2 * HOURS)
    assert await clients.ledger.claims(VAULT_KEY, "m1") == []
    assert cycle == CycleAnswer(start=(), wait_seconds=0, finished=True)
    assert (await clients.ledger.read_vault("m1", VAULT_KEY)).finished


async def test_a_job_that_ended_well_is_not_believed_alone(simulator: Simulator, clients: Clients) -> None:
    """An item that shows another policy is given some time to follow, and then counts as failed."""
    await migrating(clients, "web-01")
    simulator.clock.advance(2 * HOURS)
    [job] = (await clients.backup.jobs_since(VAULT_1, START)).jobs
    assert job.ended_at
    meanwhile(simulator, PolicyChangedElsewhere(vm="web-01", policy="DefaultPolicy"))

    simulator.clock.advance(job.ended_at + timedelta(minutes=29) - simulator.clock.now())
    await monitor_jobs(clients, ORDER)
    assert await verdicts(clients.ledger) == {"web-01": (MIGRATING, "")}

    simulator.clock.advance(timedelta(minutes=2))
    await monitor_jobs(clients, ORDER)
    assert await verdicts(clients.ledger) == {"web-01": (ItemState.FAILED, "NotVerified")}
    assert "the item shows DefaultPolicy" in (await found(clients.ledger)).message


ERROR = JobErrorTable(code=400227, title="UserErrorX", text="The VM said no.", recommendations=("Ask it again.",))


@pytest.mark.parametrize(
    "scenario", [a_scenario(a_vm_group("web-01", migration=Migration(ends="Failed", error=ERROR, minutes=10)))]
)
async def test_a_failed_job_tells_why(simulator: Simulator, clients: Clients) -> None:
    """Name, text and advice of the job's error are in the row, and the VM is free again."""
    await migrating(clients, "web-01")
    simulator.clock.advance(HOURS)
    cycle = await monitor_jobs(clients, ORDER)
    record = await found(clients.ledger)
    assert (record.state, record.reason) == (ItemState.FAILED, "UserErrorX")
    assert record.message == "The VM said no. Ask it again."
    assert record.job_id
    assert await clients.ledger.claims(VAULT_KEY, "m1") == []
    assert cycle.finished


def a_failed_job(vm: str, explained: bool) -> dict[str, Any]:
    """A failed migration job on the wire, as a list without errors has it, or by itself."""
    listed: dict[str, Any] = {
        "containerName": container(vm),
        "operation": "ConfigureBackup",
        "status": "Failed",
        "startTime": "2026-11-02T08:00:00Z",
        "endTime": "2026-11-02T08:10:00Z",
    }
    details = [{"errorTitle": "UserErrorX", "errorString": "The VM said no.", "recommendations": []}]
    return {"name": f"job-{vm}", "properties": {**listed, **({"errorDetails": details} if explained else {})}}


def answers_to_a_look(jobs: list[str], explained: list[str]) -> list[Canned]:
    """No running job, these failed ones, the details of some of them."""
    nothing = Canned(body={"value": []})
    listed = Canned(body={"value": [a_failed_job(vm, explained=False) for vm in jobs]})
    return [nothing, listed, *(Canned(body=a_failed_job(vm, explained=True)) for vm in explained)]


async def test_a_failed_job_that_the_list_does_not_explain_is_asked_by_itself(clients: Clients) -> None:
    """A list may leave the errors out; the job by itself has them."""
    await given(clients.ledger, a_record(state=MIGRATING, claimed_at=START))

    async with CannedAzure(*answers_to_a_look(["web-01"], ["web-01"])) as azure:
        await monitor_jobs(replace(clients, backup=azure.backup), ORDER)

    record = await found(clients.ledger)
    assert (record.state, record.reason, record.job_id) == (ItemState.FAILED, "UserErrorX", "job-web-01")


async def test_a_look_asks_a_bounded_number_of_failed_jobs(clients: Clients) -> None:
    """Each costs a read of the budget; those left over are settled by the next look, with their errors too."""
    vms = [f"bad-{n:02}" for n in range(DETAILS_PER_LOOK + 2)]
    first, later = vms[:DETAILS_PER_LOOK], vms[DETAILS_PER_LOOK:]
    flying = [a_record(vm, state=MIGRATING, claimed_at=START) for vm in vms]
    await given(clients.ledger, *flying, limits=some_limits(stop_after_failures=100))

    async with CannedAzure(*answers_to_a_look(vms, first), *answers_to_a_look(later, later)) as azure:
        facing = replace(clients, backup=azure.backup)
        await monitor_jobs(facing, ORDER)
        settled = await verdicts(clients.ledger)
        assert {settled[vm] for vm in first} == {(ItemState.FAILED, "UserErrorX")}
        assert {settled[vm] for vm in later} == {(MIGRATING, "")}

        assert (await monitor_jobs(facing, ORDER)).finished
    assert set((await verdicts(clients.ledger)).values()) == {(ItemState.FAILED, "UserErrorX")}


@pytest.mark.parametrize(
    "scenario", [a_scenario(a_vm_group("web-01", migration=Migration(ends="CompletedWithWarnings", error=ERROR)))]
)
async def test_a_job_with_warnings_migrates_its_vm(simulator: Simulator, clients: Clients) -> None:
    """Migrated, with the warning for whoever operates the VM."""
    await migrating(clients, "web-01")
    simulator.clock.advance(2 * HOURS)
    await monitor_jobs(clients, ORDER)
    record = await found(clients.ledger)
    assert (record.state, record.warnings) == (MIGRATED, ("UserErrorX: The VM said no.",))


@pytest.mark.parametrize(
    "scenario", [a_scenario(a_vm_group("web-01", migration=Migration(ends="OperationFailed", error=ERROR)))]
)
async def test_an_operation_that_failed_without_a_job_tells_why(simulator: Simulator, clients: Clients) -> None:
    """Where no job ever appears, the operation is asked after a while."""
    await migrating(clients, "web-01")
    simulator.clock.advance(timedelta(minutes=2))
    await monitor_jobs(clients, ORDER)
    assert await verdicts(clients.ledger) == {"web-01": (MIGRATING, "")}

    simulator.clock.advance(timedelta(minutes=4))
    await monitor_jobs(clients, ORDER)
    assert await verdicts(clients.ledger) == {"web-01": (ItemState.FAILED, "UserErrorX")}


@pytest.mark.parametrize("scenario", [TWO])
async def test_a_forgotten_operation_does_not_blind_the_vault(simulator: Simulator, clients: Clients) -> None:
    """One VM's operation that the service no longer knows keeps no other VM from being settled."""
    lost = a_record("web-02", state=MIGRATING, claimed_at=START, operation_id="00000000-0000-4000-8000-000000000000")
    await given(clients.ledger, a_record("web-01"), lost)
    await change_policy(clients, item_order("web-01"))
    simulator.clock.advance(2 * HOURS)
    cycle = await monitor_jobs(clients, ORDER)
    assert await verdicts(clients.ledger) == {"web-01": (MIGRATED, ""), "web-02": (MIGRATING, "")}
    assert (cycle.in_flight, cycle.note) == (1, "")


@pytest.mark.parametrize("scenario", [a_scenario(a_vm_group("web-01", migration=Migration(ends="Never")))])
async def test_a_job_that_does_not_end_times_out(simulator: Simulator, clients: Clients) -> None:
    """After the hours that the request allows the VM is TimedOut with its job, which Azure goes on with."""
    await migrating(clients, "web-01", job_timeout_hours=4)
    simulator.clock.advance(5 * HOURS)
    cycle = await monitor_jobs(clients, ORDER)
    assert await verdicts(clients.ledger) == {"web-01": (ItemState.TIMED_OUT, "JobTimeout")}
    assert (await found(clients.ledger)).job_id
    assert cycle.finished


@pytest.mark.parametrize("state", [MigrationState.PAUSED, MigrationState.CANCELLED])
async def test_what_is_in_flight_is_followed_whatever_happens(
    state: MigrationState, simulator: Simulator, clients: Clients
) -> None:
    """A pause or a cancellation stops no job: the VM is watched to its end."""
    await migrating(clients, "web-01")
    await control(clients.ledger, state)
    assert not (await monitor_jobs(clients, ORDER)).finished
    simulator.clock.advance(2 * HOURS)
    assert (await monitor_jobs(clients, ORDER)).finished
    assert await verdicts(clients.ledger) == {"web-01": (MIGRATED, "")}


@pytest.mark.parametrize(
    "scenario",
    [
        a_scenario(
            a_vm_group("bad-{n}", count=2, migration=Migration(ends="Failed", error=ERROR, minutes=5)),
            a_vm_group("good-1"),
        )
    ],
)
async def test_too_many_failures_halt_the_vault(simulator: Simulator, clients: Clients) -> None:
    """Nothing more starts, the note says why, and the vault is finished as soon as nothing is in flight."""
    await given(
        clients.ledger,
        *(a_record(vm) for vm in ("bad-1", "bad-2", "good-1")),
        limits=some_limits(stop_after_failures=2),
    )
    for vm in ("bad-1", "bad-2"):
        await change_policy(clients, item_order(vm))
    simulator.clock.advance(HOURS)

    cycle = await monitor_jobs(clients, ORDER)

    assert (cycle.start, cycle.finished, cycle.waiting) == ((), True, 0)
    assert cycle.note == "2 VMs failed; the limit is 2"
    vault = await clients.ledger.read_vault("m1", VAULT_KEY)
    assert (vault.halted, vault.reasons) == (cycle.note, {"Stopped": 1, "UserErrorX": 2})


# --- what the vaults of a migration share


OTHER = "vault-2-22222222"


async def test_a_canary_elsewhere_holds_a_vault_back_without_a_look(simulator: Simulator, clients: Clients) -> None:
    """Where nothing may start, Azure is not asked; when the canary has come through, it is this vault's turn."""
    await given(clients.ledger, a_record(), limits=some_limits(ramp=(1, 5)))
    shares = Shares(migration_id="m1", vaults={OTHER: Share(in_flight=1)})
    await clients.ledger.write_shares(shares)

    cycle = await monitor_jobs(clients, ORDER)
    assert (cycle.start, cycle.waiting, cycle.wait_seconds) == ((), 1, 60)
    assert simulator.log.counts() == {}

    shares = await clients.ledger.read_shares("m1")
    await clients.ledger.write_shares(msgspec.structs.replace(shares, vaults={OTHER: Share(migrated=1)}))
    assert (await monitor_jobs(clients, ORDER)).start == names("web-01")
    assert (await clients.ledger.read_shares("m1")).vaults[VAULT_KEY] == Share(in_flight=1)


async def test_vaults_that_decide_at_once_share_what_there_is(clients: Clients) -> None:
    """However many controllers look at the same moment, together they never start more than the migration may."""
    keys = [f"vault-{n}-0000000{n}" for n in range(8)]
    await clients.ledger.insert_migration(
        a_migration(state=MigrationState.RUNNING, limits=some_limits(max_concurrent=5), planned=16)
    )
    for key in keys:
        await write_plan(clients.ledger, "m1", key, [a_record(vm, vault_key=key) for vm in ("web-01", "web-02")])

    cycles = await asyncio.gather(
        *(monitor_jobs(clients, VaultOrder(migration_id="m1", vault_key=key)) for key in keys)
    )

    assert sum(len(cycle.start) for cycle in cycles) == 5
    whole = together((await clients.ledger.read_shares("m1")).vaults.values())
    assert whole.in_flight == 5


async def test_failures_elsewhere_halt_this_vault(clients: Clients) -> None:
    """The limit is the migration's, and a vault that has nothing in flight needs no look to know."""
    await given(clients.ledger, a_record(), limits=some_limits(stop_after_failures=3))
    await clients.ledger.write_shares(Shares(migration_id="m1", vaults={OTHER: Share(failed=3)}))

    cycle = await monitor_jobs(clients, ORDER)

    assert (cycle.finished, cycle.note) == (True, "3 VMs failed; the limit is 3")
    assert await verdicts(clients.ledger) == {"web-01": (ItemState.CANCELLED, "Stopped")}


async def test_a_halt_stays_a_halt(clients: Clients) -> None:
    """Whoever raises the limit afterwards does not unsay that too many had failed."""
    await given(clients.ledger, a_record(), limits=some_limits(stop_after_failures=3))
    await clients.ledger.write_shares(Shares(migration_id="m1", vaults={OTHER: Share(failed=3)}))
    await monitor_jobs(clients, ORDER)
    migration = await clients.ledger.read_migration("m1")
    await clients.ledger.write_migration(msgspec.structs.replace(migration, limits=some_limits()))

    await monitor_jobs(clients, ORDER)

    assert (await clients.ledger.read_vault("m1", VAULT_KEY)).halted == "3 VMs failed; the limit is 3"


async def test_vaults_with_nothing_to_say_leave_the_shares_alone(clients: Clients) -> None:
    """Hundreds of controllers that wait for one canary must not fight over one row."""
    keys = [f"vault-{n}-0000000{n}" for n in range(9)]
    await clients.ledger.insert_migration(
        a_migration(state=MigrationState.RUNNING, limits=some_limits(ramp=(1,)), planned=9)
    )
    for key in keys:
        await write_plan(clients.ledger, "m1", key, [a_record(vault_key=key)])
    await asyncio.gather(*(monitor_jobs(clients, VaultOrder(migration_id="m1", vault_key=key)) for key in keys))
    shares = (await clients.ledger.read_shares("m1")).vaults
    assert [share.in_flight for share in shares.values()] == [1]


async def test_a_late_delivery_does_not_count_what_is_over(simulator: Simulator, clients: Clients) -> None:
    """Two deliveries of one look at once: the one that comes later finds the vault's record moved, and stops."""
    await given(clients.ledger, a_record())
    outcomes = await asyncio.gather(*(monitor_jobs(clients, ORDER) for _ in range(2)), return_exceptions=True)
    assert [outcome.start for outcome in outcomes if isinstance(outcome, CycleAnswer)]
    assert (await clients.ledger.read_shares("m1")).vaults[VAULT_KEY] == Share(in_flight=1)


# --- the pace


async def test_everybody_who_looks_at_a_subscription_slows_everybody_down(
    simulator: Simulator, clients: Clients
) -> None:
    """150 reads an hour are shared by all vaults of all migrations that are being looked at, and by no others."""
    await migrating(clients, "web-01")
    now = clients.clock()
    for reader, minutes in (("m1|b", 5), ("m2|a", 5), ("m2|b", 5), ("m3|a", 5), ("m0|a", -5)):
        await clients.ledger.note_reader(SUBSCRIPTION, reader, until=now + timedelta(minutes=minutes))
    await clients.ledger.note_reader("99999999-2222-4333-8444-555555555555", "m4|a", until=now + timedelta(hours=1))

    assert (await monitor_jobs(clients, ORDER)).wait_seconds == 240


async def test_a_finished_vault_slows_nobody_down(simulator: Simulator, clients: Clients) -> None:
    """It is forgotten with its last look."""
    await migrating(clients, "web-01")
    await monitor_jobs(clients, ORDER)
    assert len(await clients.ledger.readers(SUBSCRIPTION, clients.clock())) == 1
    simulator.clock.advance(2 * HOURS)
    assert (await monitor_jobs(clients, ORDER)).finished
    assert await clients.ledger.readers(SUBSCRIPTION, clients.clock()) == []


async def test_a_quiet_vault_is_looked_at_less_and_less(simulator: Simulator, clients: Clients) -> None:
    """Jobs take hours; what changes brings the pace back."""
    await migrating(clients, "web-01")
    waits = [(await monitor_jobs(clients, ORDER)).wait_seconds for _ in range(4)]
    assert waits == [60, 120, 240, 240]
    assert (await clients.ledger.read_vault("m1", VAULT_KEY)).quiet_looks == 4


# --- writes without an answer


async def test_a_write_whose_answer_was_lost_is_adopted(simulator: Simulator, clients: Clients) -> None:
    """The job shows that the write was taken: followed like any other, and never written again."""
    simulator.troubles.add(Trouble(kind=TroubleKind.GATEWAY_TIMEOUT, action=ITEM_WRITE, times=1, accepted=True))
    await migrating(clients, "web-01")
    assert await verdicts(clients.ledger) == {"web-01": (STARTING, "")}

    simulator.clock.advance(2 * HOURS)
    await monitor_jobs(clients, ORDER)
    await monitor_jobs(clients, ORDER)

    assert await verdicts(clients.ledger) == {"web-01": (MIGRATED, "")}
    assert simulator.log.counts()[ITEM_WRITE] == 1


async def test_a_write_that_was_not_taken_is_repeated_after_a_while(simulator: Simulator, clients: Clients) -> None:
    """Only when neither a job nor the item has shown it for long is the VM planned again."""
    simulator.troubles.add(Trouble(kind=TroubleKind.GATEWAY_TIMEOUT, action=ITEM_WRITE, times=1))
    await migrating(clients, "web-01")

    simulator.clock.advance(timedelta(minutes=10))
    assert (await monitor_jobs(clients, ORDER)).start == ()
    assert await verdicts(clients.ledger) == {"web-01": (STARTING, "")}

    simulator.clock.advance(timedelta(minutes=6))
    assert (await monitor_jobs(clients, ORDER)).start == names("web-01")
    assert (await found(clients.ledger)).tries == 1
    assert (await change_policy(clients, item_order())).verdict == "written"
    assert (await found(clients.ledger)).state is MIGRATING


# --- a vault that can't be read


async def test_a_throttled_look_comes_later(simulator: Simulator, clients: Clients) -> None:
    """The throttle sets the wait and is noted on the vault; no record changes, nothing starts, nothing is finished."""
    await migrating(clients, "web-01")
    record = await found(clients.ledger)
    simulator.troubles.add(Trouble(kind=TroubleKind.TOO_MANY_REQUESTS, action=JOB_READ, seconds=324, times=1))

    cycle = await monitor_jobs(clients, ORDER)

    assert (cycle.start, cycle.wait_seconds, cycle.finished, cycle.in_flight) == ((), 324, False, 1)
    assert "throttled for 324 s" in cycle.note
    assert (await clients.ledger.read_vault("m1", VAULT_KEY)).problem == cycle.note
    assert await found(clients.ledger) == record

    await monitor_jobs(clients, ORDER)
    assert (await clients.ledger.read_vault("m1", VAULT_KEY)).problem == ""


async def test_a_short_throttle_does_not_quicken_the_pace(simulator: Simulator, clients: Clients) -> None:
    """The vault's own interval is the least."""
    await given(clients.ledger, a_record(), limits=some_limits(poll_seconds=600))
    simulator.troubles.add(Trouble(kind=TroubleKind.TOO_MANY_REQUESTS, action=JOB_READ, seconds=5))
    assert (await monitor_jobs(clients, ORDER)).wait_seconds == 600


@pytest.mark.parametrize("action", [JOB_READ, ITEM_READ])
async def test_a_vault_that_may_not_be_read_is_asked_again(action: str, simulator: Simulator, clients: Clients) -> None:
    """Lost permissions may come back, and jobs in flight must be followed: no end, and the reason in the note."""
    await migrating(clients, "web-01")
    simulator.clock.advance(2 * HOURS)
    number = simulator.troubles.add(Trouble(kind=TroubleKind.NOT_AUTHORIZED, action=action))

    cycle = await monitor_jobs(clients, ORDER)

    assert (cycle.finished, cycle.wait_seconds) == (False, 60)
    assert "AuthorizationFailed" in cycle.note
    assert await verdicts(clients.ledger) == {"web-01": (MIGRATING, "")}

    simulator.troubles.remove(number)
    assert (await monitor_jobs(clients, ORDER)).finished


async def test_a_vault_that_lets_itself_be_read_again_in_time_is_followed(
    simulator: Simulator, clients: Clients
) -> None:
    """A role that comes back within the time a job may take costs nothing but that time."""
    await migrating(clients, "web-01", job_timeout_hours=3)
    number = simulator.troubles.add(Trouble(kind=TroubleKind.NOT_AUTHORIZED, action=JOB_READ))
    for _ in range(3):
        assert not (await monitor_jobs(clients, ORDER)).finished
        simulator.clock.advance(HOURS)
    simulator.troubles.remove(number)
    await monitor_jobs(clients, ORDER)
    assert await verdicts(clients.ledger) == {"web-01": (MIGRATED, "")}


async def test_a_cancelled_migration_ends_although_its_vault_is_gone(clients: Clients) -> None:
    """With nothing in flight there is nothing to look at: a vault nobody can read must not keep it from ending."""
    await given(clients.ledger, a_record(), state=MigrationState.CANCELLED, vault_id=VAULT + "-deleted")
    assert (await monitor_jobs(clients, ORDER)).finished


# --- what a crash leaves behind


async def test_a_finished_vault_holds_no_claim(clients: Clients) -> None:
    """Claims that a crash left are given up at the end; those of another migration stay."""
    await given(clients.ledger, a_record(state=MIGRATED), a_record("web-02", state=ItemState.DRIFTED))
    await clients.ledger.claim(VAULT_KEY, a_record("web-02").item_name, "m1")
    await clients.ledger.claim(VAULT_KEY, a_record("web-03").item_name, "m2")
    assert (await monitor_jobs(clients, ORDER)).finished
    assert await clients.ledger.claims(VAULT_KEY, "m1") == []
    assert await clients.ledger.claims(VAULT_KEY, "m2") == [a_record("web-03").item_name]


async def test_a_look_delivered_twice_decides_the_same(simulator: Simulator, clients: Clients) -> None:
    """The second delivery meets settled records and answers as the first did."""
    await migrating(clients, "web-01")
    simulator.clock.advance(2 * HOURS)
    first = await monitor_jobs(clients, ORDER)
    record = await found(clients.ledger)
    assert await monitor_jobs(clients, ORDER) == first
    assert await found(clients.ledger) == record


async def test_a_vm_of_a_planned_migration_is_not_touched_by_another(clients: Clients) -> None:
    """A cycle reads and writes the rows of its own migration only."""
    await given(clients.ledger, a_record())
    other = msgspec.structs.replace(a_record(), migration_id="m2")
    await clients.ledger.insert_migration(a_migration(migration_id="m2"))
    await write_plan(clients.ledger, "m2", VAULT_KEY, [other])
    await monitor_jobs(clients, ORDER)
    [read] = await clients.ledger.read_items("m2", VAULT_KEY)
    assert msgspec.structs.replace(read, etag="") == other
