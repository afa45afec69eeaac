"""A migration's own states: what ends its planning, its wait for approval and its run."""

from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from migration.cost import Budget, CostRange, Price, PriceSource, add_up
from migration.lifecycle import advance, fail
from migration.plan import hash_plan
from migration.records import MIGRATION_TRANSITIONS, Decision, MigrationRecord, MigrationState, PlanSummary, VaultRecord
from tests.builders import NOW, VAULT_KEY, a_migration, a_request, a_vault

SURVEYED = a_vault(surveyed=True, plan_hash="h", counts={"Planned": 3})
HASH = hash_plan({VAULT_KEY: "h"})


def waiting(**changes: object) -> MigrationRecord:
    """A migration whose plan awaits a decision."""
    return a_migration(
        state=MigrationState.AWAITING_APPROVAL,
        plan_hash=HASH,
        approval_deadline=NOW + timedelta(hours=1),
        **changes,
    )


def decision(**changes: object) -> Decision:
    """A yes to that plan."""
    plain = Decision(approved=True, plan_hash=HASH, approver="ada", comment="", decided_at=NOW)
    return msgspec.structs.replace(plain, **changes)


def test_planning_goes_on_until_every_vault_is_surveyed() -> None:
    """A plan with a vault missing is not offered to anybody."""
    record = a_migration()
    assert advance(record, [SURVEYED, a_vault()], NOW) is record


@pytest.mark.parametrize(
    ("request_", "state"),
    [
        (a_request(), MigrationState.AWAITING_APPROVAL),
        (a_request(approval="none"), MigrationState.RUNNING),
        (a_request(mode="plan"), MigrationState.COMPLETED),
    ],
)
def test_a_finished_plan_ends_waits_or_runs_as_the_request_says(request_: object, state: MigrationState) -> None:
    """Plan mode ends with the plan; a migration waits for approval unless the request does without."""
    after = advance(a_migration(request=request_), [SURVEYED], NOW)
    assert (after.state, after.plan_hash) == (state, HASH)


def test_a_plan_without_anything_to_do_is_complete() -> None:
    """Nobody is asked to approve nothing."""
    nothing = a_vault(surveyed=True, plan_hash="h", counts={"AlreadyEnhanced": 3})
    assert advance(a_migration(), [nothing], NOW).state is MigrationState.COMPLETED


@pytest.mark.parametrize(
    ("budget", "sizes", "state"),
    [
        (None, [128], MigrationState.AWAITING_APPROVAL),
        (Budget(monthly_increase=20), [128], MigrationState.AWAITING_APPROVAL),
        (Budget(monthly_increase=1), [128], MigrationState.FAILED),
        (Budget(monthly_increase=20), [128, None], MigrationState.FAILED),
    ],
)
def test_a_budget_stops_a_plan_that_may_exceed_it(
    budget: Budget | None, sizes: list[int | None], state: MigrationState
) -> None:
    """The high end counts, and a VM of unknown size can't be within any budget."""
    costs = [
        CostRange(low=Decimal(size) / 100, high=Decimal(size) / 10, currency="USD") if size else None for size in sizes
    ]
    price = Price(per_gb_month=Decimal("0.05"), currency="USD", source=PriceSource.REQUEST)
    plan = PlanSummary(estimate=add_up(costs, price))
    vault = msgspec.structs.replace(SURVEYED, plan=plan)
    assert advance(a_migration(request=a_request(budget=budget)), [vault], NOW).state is state


def test_a_vault_that_cannot_be_read_fails_the_migration() -> None:
    """A mistyped vault is an error that names it, not an empty success."""
    after = advance(a_migration(), [SURVEYED, a_vault(surveyed=True, problem="gone")], NOW)
    assert after.state is MigrationState.FAILED
    assert "vaults/vault-1: gone" in after.problem


@pytest.mark.parametrize(
    ("record", "later", "state"),
    [
        (waiting(), timedelta(), MigrationState.AWAITING_APPROVAL),
        (waiting(), timedelta(hours=1), MigrationState.REJECTED),
        (waiting(decision=decision()), timedelta(), MigrationState.RUNNING),
        (waiting(decision=decision(approved=False)), timedelta(), MigrationState.REJECTED),
        (waiting(decision=decision(plan_hash="other")), timedelta(), MigrationState.REJECTED),
    ],
)
def test_only_a_yes_to_this_plan_in_time_starts_it(
    record: MigrationRecord, later: timedelta, state: MigrationState
) -> None:
    """No word waits, too late or no rejects, and a yes to another plan is no yes."""
    assert advance(record, [SURVEYED], NOW + later).state is state


@pytest.mark.parametrize(
    ("vaults", "state"),
    [
        ([a_vault(finished=True), a_vault()], MigrationState.RUNNING),
        ([a_vault(finished=True), a_vault(finished=True)], MigrationState.COMPLETED),
        ([a_vault(finished=True), a_vault(finished=True, halted="5 failed")], MigrationState.HALTED),
    ],
)
def test_a_run_ends_with_its_last_vault(vaults: list[VaultRecord], state: MigrationState) -> None:
    """Halted says that somewhere VMs were left alone because too many had failed."""
    assert advance(a_migration(state=MigrationState.RUNNING), vaults, NOW).state is state


def test_an_ended_migration_stays_as_it_is() -> None:
    """Neither a late look nor a late failure changes what was recorded."""
    for state in set(MigrationState) - set(MIGRATION_TRANSITIONS):
        record = a_migration(state=state)
        assert advance(record, [SURVEYED], NOW) is record
        assert fail(record, "late", NOW) is record
