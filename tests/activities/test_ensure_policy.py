"""The target policy must still be the one that was planned with, or nothing of the vault moves."""

from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from activities.ensure_policy import REFUSED_SECONDS, ensure_policy
from activities.survey_vault import survey_vault
from clients import Clients
from migration.records import ItemState
from migration.steps import Ensured
from simulator import Simulator
from simulator.troubles import Trouble, TroubleKind
from tests.activities.ledgers import ORDER, found, given, verdicts
from tests.builders import ENHANCED, STANDARD, VAULT_KEY
from tests.clients.simulated import POLICY_READ, a_scenario, a_vm_group

ESTATE = a_scenario(a_vm_group("web-{n:02}", count=2), a_vm_group("stopped", protection="ProtectionStopped"))
PLANNED = {
    "stopped": (ItemState.BLOCKED, "ProtectionStopped"),
    "web-01": (ItemState.PLANNED, ""),
    "web-02": (ItemState.PLANNED, ""),
}
DRIFTED = {
    "stopped": (ItemState.BLOCKED, "ProtectionStopped"),
    "web-01": (ItemState.DRIFTED, "TargetChanged"),
    "web-02": (ItemState.DRIFTED, "TargetChanged"),
}


@pytest.fixture
async def surveyed(clients: Clients) -> Clients:
    """The clients, with the vault's plan in the ledger."""
    await given(clients.ledger)
    await survey_vault(clients, ORDER)
    return clients


@pytest.mark.parametrize("scenario", [ESTATE])
@pytest.mark.parametrize("days", [7, 180])
async def test_an_edited_source_stops_its_vms(simulator: Simulator, surveyed: Clients, days: int) -> None:
    """A source that keeps more than the plan saw would lose more than was approved; one that keeps less is another."""
    policy = await ask(simulator, "GET", policy=STANDARD)
    policy["properties"]["retentionPolicy"]["dailySchedule"]["retentionDuration"]["count"] = days
    await ask(simulator, "PUT", policy, policy=STANDARD)

    await ensure_policy(surveyed, ORDER)

    assert (await found(surveyed.ledger)).reason == "SourceChanged"
    assert {state for state, _ in (await verdicts(surveyed.ledger)).values()} == {ItemState.BLOCKED, ItemState.DRIFTED}


async def ask(simulator: Simulator, method: str, body: object = None, policy: str = ENHANCED) -> Any:
    """What the policy's owner does in the portal."""
    async with (
        aiohttp.ClientSession(simulator.url, headers={"Authorization": "Bearer owner"}) as session,
        session.request(method, policy, params={"api-version": "2025-02-01"}, json=body) as answer,
    ):
        assert answer.status == 200
        return await answer.json() if answer.content_length else None


@pytest.mark.parametrize("scenario", [ESTATE])
async def test_an_unchanged_target_lets_the_vms_go(simulator: Simulator, surveyed: Clients) -> None:
    """One read, and nothing is written."""
    vault, asked = await surveyed.ledger.read_vault("m1", VAULT_KEY), len(simulator.log.requests)
    await ensure_policy(surveyed, ORDER)
    assert await verdicts(surveyed.ledger) == PLANNED
    assert await surveyed.ledger.read_vault("m1", VAULT_KEY) == vault
    assert [request.action for request in simulator.log.since(asked)] == [POLICY_READ]


@pytest.mark.parametrize("scenario", [ESTATE])
async def test_an_item_more_on_the_target_is_no_change(simulator: Simulator, surveyed: Clients) -> None:
    """The policy's count of items grows while VMs move to it; that is not an edit."""
    policy = await ask(simulator, "GET")
    await ask(simulator, "PUT", policy)
    await ensure_policy(surveyed, ORDER)
    assert await verdicts(surveyed.ledger) == PLANNED


@pytest.mark.parametrize("scenario", [ESTATE])
async def test_an_edited_target_stops_the_vault(simulator: Simulator, surveyed: Clients) -> None:
    """Whatever waited becomes Drifted, with the reason; what was blocked stays so."""
    policy = await ask(simulator, "GET")
    policy["properties"]["retentionPolicy"]["dailySchedule"]["retentionDuration"]["count"] = 7
    await ask(simulator, "PUT", policy)

    await ensure_policy(surveyed, ORDER)

    assert await verdicts(surveyed.ledger) == DRIFTED
    assert (await found(surveyed.ledger)).message == "EnhancedPolicy is not the policy that was planned"


@pytest.mark.parametrize("scenario", [ESTATE])
async def test_a_deleted_target_stops_the_vault(simulator: Simulator, surveyed: Clients) -> None:
    """No VM is sent to a policy that is gone; a second delivery finds nothing left to do."""
    await ask(simulator, "DELETE")
    await ensure_policy(surveyed, ORDER)
    await ensure_policy(surveyed, ORDER)
    assert await verdicts(surveyed.ledger) == DRIFTED
    assert (await found(surveyed.ledger)).message == "EnhancedPolicy was deleted since the plan was made"


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [(TroubleKind.TOO_MANY_REQUESTS, 60), (TroubleKind.DAY_LIMIT, 86_400), (TroubleKind.PROVIDER_ERROR, 60)],
)
async def test_policies_that_can_not_be_read_now_hold_the_writes_back(
    kind: TroubleKind, seconds: int, simulator: Simulator, surveyed: Clients
) -> None:
    """For as long as Azure says, shown on the vault; no VM drifts because of it."""
    simulator.troubles.add(Trouble(kind=kind, action=POLICY_READ))
    assert await ensure_policy(surveyed, ORDER) == Ensured(stay_away_seconds=seconds)
    assert (await surveyed.ledger.read_vault("m1", VAULT_KEY)).problem
    assert await verdicts(surveyed.ledger) == {"web-01": (ItemState.PLANNED, "")}


async def test_a_role_that_does_not_come_back_is_not_waited_for_for_ever(
    simulator: Simulator, surveyed: Clients
) -> None:
    """As long as a job may take; then the waiting VMs are refused, by Azure's own code."""
    trouble = simulator.troubles.add(Trouble(kind=TroubleKind.NOT_AUTHORIZED, action=POLICY_READ))
    assert (await ensure_policy(surveyed, ORDER)).stay_away_seconds == REFUSED_SECONDS
    simulator.troubles.remove(trouble)
    assert await ensure_policy(surveyed, ORDER) == Ensured()
    simulator.clock.advance(timedelta(hours=30))

    simulator.troubles.add(Trouble(kind=TroubleKind.NOT_AUTHORIZED, action=POLICY_READ))
    assert (await ensure_policy(surveyed, ORDER)).stay_away_seconds == REFUSED_SECONDS
    simulator.clock.advance(timedelta(hours=25))
    assert await ensure_policy(surveyed, ORDER) == Ensured()
    assert await verdicts(surveyed.ledger) == {"web-01": (ItemState.REFUSED, "AuthorizationFailed")}
