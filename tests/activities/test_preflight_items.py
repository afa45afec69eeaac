"""The live gate: a VM that is not what the plan says does not move."""

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from activities.preflight_items import OPEN_FOR, preflight_items
from clients import Clients
from clients.backup import ITEMS_PER_PAGE
from migration.records import ItemState
from migration.steps import Gate, ItemsOrder, Preflight
from simulator import Simulator
from simulator.events import Event, PolicyChangedElsewhere, ProtectionStopped
from simulator.troubles import Trouble, TroubleKind
from tests.activities.ledgers import found, given, unchanged, verdicts
from tests.builders import STANDARD, VAULT_KEY, a_record, vm_id
from tests.clients.canned import Canned, CannedAzure
from tests.clients.simulated import ITEM_LIST, ITEM_READ, a_policy_table, a_scenario, a_vm_group, meanwhile
from tests.conftest import START

NOBODY = Preflight(gate=Gate(checked_at=START, closes_at=START + OPEN_FOR))


def order(*names: str) -> ItemsOrder:
    """The order for these VMs; for web-01 where none is named."""
    items = tuple(a_record(name).item_name for name in names or ("web-01",))
    return ItemsOrder(migration_id="m1", vault_key=VAULT_KEY, item_names=items)


def ready(*names: str) -> Preflight:
    """These VMs may be written, looked at when the test began."""
    return msgspec.structs.replace(NOBODY, ready=tuple(a_record(name).item_name for name in names))


ESTATE = a_scenario(policies=[a_policy_table("other")])


@pytest.mark.parametrize(
    "scenario", [a_scenario(), a_scenario(a_vm_group(odd_casing=True))], ids=["plain", "odd casing"]
)
async def test_a_vm_as_planned_is_ready(simulator: Simulator, clients: Clients) -> None:
    """Ready, with the service's time of the look; the record stays as it is. One read of the item, nothing else."""
    await given(clients.ledger, a_record())
    record = await found(clients.ledger)
    simulator.clock.advance(timedelta(minutes=90))

    preflight = await preflight_items(clients, order())

    assert preflight.ready == (record.item_name,)
    assert preflight.gate == Gate(checked_at=START + timedelta(minutes=90), closes_at=START + timedelta(minutes=92))
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

    assert await preflight_items(clients, order()) == NOBODY

    record = await found(clients.ledger)
    assert (record.state, record.reason, record.message) == (ItemState.DRIFTED, reason, message)


async def test_a_vm_that_was_replaced_drifts(clients: Clients) -> None:
    """The item now protects another VM than the one in the plan."""
    await given(clients.ledger, a_record(vm_id=vm_id("earlier")))
    await preflight_items(clients, order())
    record = await found(clients.ledger)
    assert (record.state, record.reason) == (ItemState.DRIFTED, "VmChanged")
    assert vm_id("earlier") in record.message and vm_id() in record.message


async def test_an_item_that_is_gone_drifts(clients: Clients) -> None:
    """404 means that somebody deleted the item."""
    await given(clients.ledger, a_record("nobody"))
    assert await preflight_items(clients, order("nobody")) == NOBODY
    record = await found(clients.ledger, "nobody")
    assert (record.state, record.reason) == (ItemState.DRIFTED, "ItemGone")


async def test_an_item_that_may_not_be_read_is_refused(simulator: Simulator, clients: Clients) -> None:
    """Another refusal settles the VM under the service's code."""
    simulator.troubles.add(Trouble(kind=TroubleKind.NOT_AUTHORIZED, action=ITEM_READ))
    await given(clients.ledger, a_record())
    assert await preflight_items(clients, order()) == NOBODY
    record = await found(clients.ledger)
    assert (record.state, record.reason) == (ItemState.REFUSED, "AuthorizationFailed")
    assert "does not have authorization" in record.message


async def test_a_throttled_look_comes_later(simulator: Simulator, clients: Clients) -> None:
    """The VM stays planned, and the seconds to stay away are passed on; one request."""
    simulator.troubles.add(Trouble(kind=TroubleKind.TOO_MANY_REQUESTS, action=ITEM_READ, seconds=324))
    await given(clients.ledger, a_record())
    record = await found(clients.ledger)
    assert await preflight_items(clients, order()) == Preflight(later=True, stay_away_seconds=324)
    assert await unchanged(clients.ledger, record)
    assert simulator.log.counts() == {ITEM_READ: 1}


async def test_an_outage_comes_later_too(clients: Clients) -> None:
    """Without an answer nothing is known of the VM, so nothing is decided."""
    await given(clients.ledger, a_record())
    record = await found(clients.ledger)
    async with CannedAzure(Canned(status=503, headers={"Retry-After": "1"})) as down:
        assert await preflight_items(replace(clients, backup=down.backup), order()) == Preflight(later=True)
    assert await unchanged(clients.ledger, record)


@pytest.mark.parametrize(
    "state", [ItemState.STARTING, ItemState.MIGRATING, ItemState.DRIFTED, ItemState.CANCELLED, ItemState.MIGRATED]
)
async def test_a_vm_that_is_not_waiting_is_left_alone(state: ItemState, simulator: Simulator, clients: Clients) -> None:
    """A second delivery, or a cancellation in between: nothing to write, without a request."""
    await given(clients.ledger, a_record(state=state))
    record = await found(clients.ledger)
    assert await preflight_items(clients, order()) == Preflight()
    assert await unchanged(clients.ledger, record)
    assert simulator.log.counts() == {}


async def test_looking_twice_says_the_same(clients: Clients) -> None:
    """A look changes nothing, so a second delivery is as good as the first."""
    await given(clients.ledger, a_record(source_policy_id=STANDARD))
    assert await preflight_items(clients, order()) == await preflight_items(clients, order()) == ready("web-01")


THREE = ("web-01", "web-02", "web-03")


@pytest.mark.parametrize("scenario", [a_scenario(*(a_vm_group(name) for name in THREE))])
async def test_vms_are_looked_at_together(simulator: Simulator, clients: Clients) -> None:
    """One list for all whose turn it is; each is judged by itself, and who was not asked for is left alone."""
    await given(clients.ledger, *(a_record(name) for name in THREE))
    meanwhile(simulator, ProtectionStopped(vm="web-02"), ProtectionStopped(vm="web-03"))

    assert await preflight_items(clients, order("web-01", "web-02")) == ready("web-01")

    assert simulator.log.counts() == {ITEM_LIST: 1}
    states = {name: state for name, (state, _) in (await verdicts(clients.ledger)).items()}
    assert states == {"web-01": ItemState.PLANNED, "web-02": ItemState.DRIFTED, "web-03": ItemState.PLANNED}


@pytest.mark.parametrize("scenario", [a_scenario(*(a_vm_group(name) for name in THREE))])
async def test_few_vms_of_a_large_vault_are_looked_at_one_by_one(simulator: Simulator, clients: Clients) -> None:
    """A list of many pages would be more calls than the items themselves."""
    await given(clients.ledger, *(a_record(name) for name in THREE))
    vault = await clients.ledger.read_vault("m1", VAULT_KEY)
    await clients.ledger.write_vault(msgspec.structs.replace(vault, vms=2 * ITEMS_PER_PAGE))
    assert await preflight_items(clients, order("web-01", "web-02")) == ready("web-01", "web-02")
    assert simulator.log.counts() == {ITEM_READ: 2}


@pytest.mark.parametrize("scenario", [a_scenario(a_vm_group("web-01"), a_vm_group("web-02"))])
async def test_a_list_that_one_vm_spoils_is_done_without(simulator: Simulator, clients: Clients) -> None:
    """The service answers the whole list with a refusal because of one VM: the others are looked at all the same."""
    simulator.troubles.add(Trouble(kind=TroubleKind.NOT_AUTHORIZED, action=ITEM_LIST))
    await given(clients.ledger, a_record("web-01"), a_record("web-02"), a_record("gone"))
    assert await preflight_items(clients, order("gone", "web-01", "web-02")) == ready("web-01", "web-02")
    assert simulator.log.counts() == {ITEM_LIST: 1, ITEM_READ: 3}
    assert (await found(clients.ledger, "gone")).reason == "ItemGone"
