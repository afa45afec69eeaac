"""The live gate: a VM that is not what the plan says does not move."""

from dataclasses import replace
from datetime import timedelta

import pytest

from activities.preflight_item import preflight_item
from clients import Clients
from migration.records import ItemState
from migration.steps import Gate
from simulator import Simulator
from simulator.events import Event, PolicyChangedElsewhere, ProtectionStopped
from simulator.troubles import Trouble, TroubleKind
from tests.activities.ledgers import found, given, item_order, unchanged
from tests.builders import STANDARD, a_record, vm_id
from tests.clients.canned import Canned, CannedAzure
from tests.clients.simulated import ITEM_READ, a_policy_table, a_scenario, a_vm_group, meanwhile
from tests.conftest import START

ESTATE = a_scenario(policies=[a_policy_table("other")])


@pytest.mark.parametrize(
    "scenario", [a_scenario(), a_scenario(a_vm_group(odd_casing=True))], ids=["plain", "odd casing"]
)
async def test_a_vm_as_planned_is_ready(simulator: Simulator, clients: Clients) -> None:
    """Ready, with the service's time of the look; the record stays as it is. One read of the item, nothing else."""
    await given(clients.ledger, a_record())
    record = await found(clients.ledger)
    simulator.clock.advance(timedelta(minutes=90))

    gate = await preflight_item(clients, item_order())

    assert gate.verdict == "ready"
    assert gate.checked_at == START + timedelta(minutes=90)
    assert gate.closes_at == START + timedelta(minutes=92)
    assert await unchanged(clients.ledger, record)
    assert simulator.log.counts() == {ITEM_READ: 1}


DRIFTS: dict[str, tuple[Event, str, str]] = {
    "another Standard policy": (
        PolicyChangedElsewhere(vm="web-01", policy="other"),
        "PolicyChanged",
        "planned with DefaultPolicy, now on other",
    ),
    "somebody migrated it": (
        PolicyChangedElsewhere(vm="web-01", policy="EnhancedPolicy"),
        "AlreadyMoved",
        "somebody has moved it to EnhancedPolicy already",
    ),
    "protection was stopped": (
        ProtectionStopped(vm="web-01"),
        "ProtectionStopped",
        "protection state is ProtectionStopped",
    ),
}


@pytest.mark.parametrize("scenario", [ESTATE])
@pytest.mark.parametrize("case", DRIFTS)
async def test_a_vm_that_changed_since_its_plan_drifts(case: str, simulator: Simulator, clients: Clients) -> None:
    """Whatever somebody did meanwhile, the VM is settled as Drifted with what was found, and not written."""
    event, reason, message = DRIFTS[case]
    await given(clients.ledger, a_record())
    meanwhile(simulator, event)

    gate = await preflight_item(clients, item_order())

    record = await found(clients.ledger)
    assert gate == Gate(verdict="settled")
    assert (record.state, record.reason, record.message) == (ItemState.DRIFTED, reason, message)


async def test_a_vm_that_was_replaced_drifts(clients: Clients) -> None:
    """The item now protects another VM than the one in the plan."""
    await given(clients.ledger, a_record(vm_id=vm_id("earlier")))
    await preflight_item(clients, item_order())
    record = await found(clients.ledger)
    assert (record.state, record.reason) == (ItemState.DRIFTED, "VmChanged")
    assert vm_id("earlier") in record.message and vm_id() in record.message


async def test_an_item_that_is_gone_drifts(clients: Clients) -> None:
    """404 means that somebody deleted the item."""
    await given(clients.ledger, a_record("nobody"))
    gate = await preflight_item(clients, item_order("nobody"))
    record = await found(clients.ledger, "nobody")
    assert (gate.verdict, record.state, record.reason) == ("settled", ItemState.DRIFTED, "ItemGone")


async def test_an_item_that_may_not_be_read_is_refused(simulator: Simulator, clients: Clients) -> None:
    """Another refusal settles the VM under the service's code."""
    simulator.troubles.add(Trouble(kind=TroubleKind.NOT_AUTHORIZED, action=ITEM_READ))
    await given(clients.ledger, a_record())
    gate = await preflight_item(clients, item_order())
    record = await found(clients.ledger)
    assert (gate.verdict, record.state, record.reason) == ("settled", ItemState.REFUSED, "AuthorizationFailed")
    assert "does not have authorization" in record.message


async def test_a_throttled_look_comes_later(simulator: Simulator, clients: Clients) -> None:
    """The VM stays planned, and the seconds to stay away are passed on; one request."""
    simulator.troubles.add(Trouble(kind=TroubleKind.TOO_MANY_REQUESTS, action=ITEM_READ, seconds=324))
    await given(clients.ledger, a_record())
    record = await found(clients.ledger)
    assert await preflight_item(clients, item_order()) == Gate(verdict="later", stay_away_seconds=324)
    assert await unchanged(clients.ledger, record)
    assert simulator.log.counts() == {ITEM_READ: 1}


async def test_an_outage_comes_later_too(clients: Clients) -> None:
    """Without an answer nothing is known of the VM, so nothing is decided."""
    await given(clients.ledger, a_record())
    record = await found(clients.ledger)
    async with CannedAzure(Canned(status=503, headers={"Retry-After": "1"})) as down:
        assert await preflight_item(replace(clients, backup=down.backup), item_order()) == Gate(verdict="later")
    assert await unchanged(clients.ledger, record)


@pytest.mark.parametrize(
    "state", [ItemState.STARTING, ItemState.MIGRATING, ItemState.DRIFTED, ItemState.CANCELLED, ItemState.MIGRATED]
)
async def test_a_vm_that_is_not_waiting_is_left_alone(state: ItemState, simulator: Simulator, clients: Clients) -> None:
    """A second delivery, or a cancellation in between: settled, without a request."""
    await given(clients.ledger, a_record(state=state))
    record = await found(clients.ledger)
    assert await preflight_item(clients, item_order()) == Gate(verdict="settled")
    assert await unchanged(clients.ledger, record)
    assert simulator.log.counts() == {}


async def test_looking_twice_says_the_same(clients: Clients) -> None:
    """A look changes nothing, so a second delivery is as good as the first."""
    await given(clients.ledger, a_record(source_policy_id=STANDARD))
    assert await preflight_item(clients, item_order()) == await preflight_item(clients, item_order())
