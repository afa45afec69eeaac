"""A migration goes from state to state in the ledger, as its vaults, its approval and the hour say."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from activities.advance_migration import LONGEST_WAIT_SECONDS, advance_migration
from clients import Clients
from clients.ledger import Ledger
from migration.records import Decision, MigrationRecord, MigrationState
from migration.steps import AdvanceOrder, Standing
from simulator import Simulator
from tests.builders import VAULT_KEY, a_migration, a_request, a_vault
from tests.conftest import START

ORDER = AdvanceOrder(migration_id="m1")
SURVEYED: dict[str, Any] = {"surveyed": True, "plan_hash": "p", "counts": {"Planned": 2}}


async def begin(ledger: Ledger, migration: MigrationRecord, **vault: Any) -> None:
    """A migration of one vault in the ledger."""
    await ledger.insert_migration(migration)
    await ledger.insert_vaults([a_vault(**vault)])


async def update_vault(ledger: Ledger, **changes: Any) -> None:
    """What a survey or a controller writes."""
    vault = await ledger.read_vault("m1", VAULT_KEY)
    await ledger.write_vault(msgspec.structs.replace(vault, **changes))


async def decide(ledger: Ledger, approved: bool) -> None:
    """Somebody's word on the plan as it stands."""
    record = await ledger.read_migration("m1")
    decision = Decision(approved=approved, plan_hash=record.plan_hash, approver="Zoë", comment="", decided_at=START)
    await ledger.write_migration(msgspec.structs.replace(record, decision=decision))


async def test_a_migration_goes_its_way(clients: Clients) -> None:
    """Planning, awaiting approval, running, completed: each when what it waits for has happened, not before."""
    await begin(clients.ledger, a_migration())
    assert (await advance_migration(clients, ORDER)).state is MigrationState.PLANNING

    await update_vault(clients.ledger, **SURVEYED)
    assert (await advance_migration(clients, ORDER)).state is MigrationState.AWAITING_APPROVAL
    waiting = await clients.ledger.read_migration("m1")
    assert waiting.plan_hash
    assert waiting.approval_deadline == START + timedelta(hours=168)
    assert (await advance_migration(clients, ORDER)).state is MigrationState.AWAITING_APPROVAL

    await decide(clients.ledger, approved=True)
    assert await advance_migration(clients, ORDER) == Standing(state=MigrationState.RUNNING)
    assert await advance_migration(clients, ORDER) == Standing(state=MigrationState.RUNNING)

    await update_vault(clients.ledger, finished=True)
    assert await advance_migration(clients, ORDER) == Standing(state=MigrationState.COMPLETED)
    assert (await clients.ledger.read_migration("m1")).ended_at == START


@pytest.mark.parametrize(
    ("request_changes", "vault", "state"),
    [
        ({"mode": "plan"}, SURVEYED, MigrationState.COMPLETED),
        ({"approval": "none"}, SURVEYED, MigrationState.RUNNING),
        ({}, {**SURVEYED, "counts": {"Blocked": 2}}, MigrationState.COMPLETED),
        ({}, {"surveyed": True, "problem": "403 AuthorizationFailed"}, MigrationState.FAILED),
    ],
    ids=["only a plan", "no approval asked for", "nothing to migrate", "a vault with a problem"],
)
async def test_a_finished_plan_leads_where_the_request_says(
    request_changes: dict[str, Any], vault: dict[str, Any], state: MigrationState, clients: Clients
) -> None:
    """A plan may be all that was wanted, may need nobody's word, may be empty, or may have a hole."""
    await begin(clients.ledger, a_migration(request=a_request(**request_changes)), **vault)
    assert (await advance_migration(clients, ORDER)).state is state
    assert (await clients.ledger.read_migration("m1")).state is state


async def test_a_rejected_plan_ends_the_migration(clients: Clients) -> None:
    """The one who rejected it is named."""
    await begin(clients.ledger, a_migration(), **SURVEYED)
    await advance_migration(clients, ORDER)
    await decide(clients.ledger, approved=False)
    assert (await advance_migration(clients, ORDER)).state is MigrationState.REJECTED
    assert "Zoë" in (await clients.ledger.read_migration("m1")).problem


async def test_the_wait_for_approval_ends_with_its_deadline(simulator: Simulator, clients: Clients) -> None:
    """Asked again every quarter of an hour at most, in time for the deadline, and rejected after it."""
    await begin(clients.ledger, a_migration(request=a_request(approval_timeout_hours=1)), **SURVEYED)
    assert (await advance_migration(clients, ORDER)).wait_seconds == LONGEST_WAIT_SECONDS

    simulator.clock.advance(timedelta(minutes=59, seconds=30))
    assert (await advance_migration(clients, ORDER)).wait_seconds == 31

    simulator.clock.advance(timedelta(seconds=30))
    assert await advance_migration(clients, ORDER) == Standing(state=MigrationState.REJECTED)


async def test_a_halted_vault_halts_the_migration(clients: Clients) -> None:
    """The limit of failures that was reached is the migration's problem."""
    await begin(clients.ledger, a_migration(state=MigrationState.RUNNING), finished=True, halted="5 VMs failed")
    assert (await advance_migration(clients, ORDER)).state is MigrationState.HALTED
    assert "5 VMs failed" in (await clients.ledger.read_migration("m1")).problem


@pytest.mark.parametrize("state", [MigrationState.PLANNING, MigrationState.AWAITING_APPROVAL, MigrationState.RUNNING])
async def test_a_problem_fails_the_migration(state: MigrationState, clients: Clients) -> None:
    """Whatever no rule expects ends it, with the problem in the ledger."""
    await begin(clients.ledger, a_migration(state=state))
    order = AdvanceOrder(migration_id="m1", problem="the survey did not come back")
    assert await advance_migration(clients, order) == Standing(state=MigrationState.FAILED)
    record = await clients.ledger.read_migration("m1")
    assert (record.problem, record.ended_at) == ("the survey did not come back", START)


@pytest.mark.parametrize("problem", ["", "late trouble"])
@pytest.mark.parametrize("state", [MigrationState.COMPLETED, MigrationState.CANCELLED, MigrationState.REJECTED])
async def test_an_ended_migration_stays_as_it_is(state: MigrationState, problem: str, clients: Clients) -> None:
    """Nothing is written to it any more, not even a problem."""
    await begin(clients.ledger, a_migration(state=state))
    record = await clients.ledger.read_migration("m1")
    assert await advance_migration(clients, AdvanceOrder(migration_id="m1", problem=problem)) == Standing(state=state)
    assert await clients.ledger.read_migration("m1") == record


async def test_a_new_state_is_a_line_in_the_log(clients: Clients, caplog: pytest.LogCaptureFixture) -> None:
    """Once each, with the VMs by state: the alerts and the operators' workbook live on these lines."""
    caplog.set_level("INFO")
    await begin(clients.ledger, a_migration(), **{**SURVEYED, "counts": {"Planned": 2, "Blocked": 1}})
    for _ in range(2):
        await advance_migration(clients, ORDER)
    await advance_migration(clients, AdvanceOrder(migration_id="m1", problem="the survey did not come back"))

    assert [record.message for record in caplog.records if record.name == "activities.advance_migration"] == [
        'migration m1 is now AwaitingApproval with VMs {"Blocked":1,"Planned":2}',
        'migration m1 is now Failed with VMs {"Blocked":1,"Planned":2}',
    ]
