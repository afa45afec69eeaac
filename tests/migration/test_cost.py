"""The cost of a move: Azure Backup's formula, the range over what is assumed, totals, the basis, the budget."""

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration.cost import (
    Budget,
    CostAssumptions,
    CostRange,
    Estimate,
    Price,
    PriceSource,
    Redundancy,
    add_up,
    basis,
    estimate,
    exceeds,
    total,
)


def a_price(**changes: Any) -> Price:
    """The price of East US."""
    plain = Price(
        per_gb_month=Decimal("0.05"),
        currency="USD",
        source=PriceSource.RETAIL_API,
        region="eastus",
        redundancy=Redundancy.ZRS,
        as_of=date(2026, 7, 24),
    )
    return msgspec.structs.replace(plain, **changes)


A_GB = a_price(per_gb_month=Decimal(1))
"""A price that turns money into GB."""


def certain(churn: float) -> CostAssumptions:
    """Full disks and one churn: nothing left to assume."""
    return CostAssumptions(used_share_low=1, daily_churn_low=churn, daily_churn_high=churn)


def change_of(disk_gb: int, **changes: Any) -> CostRange:
    """The change for a VM at the default retention of both policies, 2 and 7 days."""
    plain: dict[str, Any] = {
        "standard_days": 2,
        "enhanced_days": 7,
        "assumptions": certain(0.02),
        "price": a_price(),
        "trusted_launch": False,
    }
    return estimate(disk_gb, **{**plain, **changes})


def a_range(low: str, high: str, currency: str = "USD") -> CostRange:
    """A range of money."""
    return CostRange(low=Decimal(low), high=Decimal(high), currency=currency)


# --- the formula


def test_the_example_of_azure_backup_comes_out() -> None:
    """Instant Restore, Learn: 100 GB that change by 2 % a day, kept 5 days, are 10 GB of Standard snapshots and 108 GB
    of Enhanced ones."""
    moved = change_of(100, standard_days=5, enhanced_days=5, price=A_GB)
    assert moved.low == moved.high == 108 - 10


TABLE = [
    (128, 0.02, "0.26", {1: "6.40", 2: "6.53", 7: "7.17", 30: "10.11"}),
    (128, 0.05, "0.64", {1: "6.40", 2: "6.72", 7: "8.32", 30: "15.68"}),
    (512, 0.02, "1.02", {1: "25.60", 2: "26.11", 7: "28.67", 30: "40.45"}),
    (2048, 0.05, "10.24", {1: "102.40", 2: "107.52", 7: "133.12", 30: "250.88"}),
]
"""Used GB, daily churn, Standard at 2 days, Enhanced by days: the cost at 0.05 USD, worked out by hand."""


@pytest.mark.parametrize(
    ("used_gb", "churn", "standard", "days", "enhanced"),
    [(gb, churn, standard, days, cost) for gb, churn, standard, costs in TABLE for days, cost in costs.items()],
)
def test_the_change_is_what_enhanced_costs_above_standard(
    used_gb: int, churn: float, standard: str, days: int, enhanced: str
) -> None:
    """Standard's cost and the change add up to Enhanced's, for each size, churn and retention of the table."""
    moved = change_of(used_gb, enhanced_days=days, assumptions=certain(churn))
    before = used_gb * Decimal(str(churn)) * 2 * Decimal("0.05")
    assert (f"{before:.2f}", f"{before + moved.low:.2f}", f"{before + moved.high:.2f}") == (
        standard,
        enhanced,
        enhanced,
    )


@pytest.mark.parametrize(
    ("used_gb", "churn", "shown"),
    [(128, 0.02, "+6.91"), (128, 0.05, "+7.68"), (512, 0.02, "+27.65"), (2048, 0.05, "+122.88")],
)
def test_the_change_at_default_retention_reads_in_cents(used_gb: int, churn: float, shown: str) -> None:
    """From 2 days of Standard to 7 of Enhanced: rounded once, when it becomes text."""
    assert str(change_of(used_gb, assumptions=certain(churn))) == f"{shown} to {shown} USD a month"


def test_a_thousand_vms_cost_what_one_costs_a_thousand_times() -> None:
    """1,000 VMs with 128 GB of data each, at 2 %: 6,912 USD more a month, without a cent lost on the way."""
    change = change_of(128, assumptions=certain(0.02))
    assert add_up([change] * 1000, a_price()).monthly_change == a_range("6912", "6912")


def test_a_trusted_launch_vm_pays_only_for_more_days() -> None:
    """Its Standard snapshots are managed-disk ones already: the same retention costs nothing, longer its changes."""
    assert change_of(128, standard_days=5, enhanced_days=5, trusted_launch=True) == a_range("0", "0")
    longer = change_of(100, standard_days=2, enhanced_days=7, trusted_launch=True, price=A_GB)
    assert longer.low == longer.high == 100 * Decimal("0.02") * 5


# --- the range


def test_the_defaults_are_azure_backups_churn_and_disks_from_a_third_to_full() -> None:
    """128 GB: at least 38.4 GB that change by 2 %, at most 128 GB that change by 7 %."""
    moved = change_of(128, assumptions=CostAssumptions(), price=A_GB)
    assert moved.low == Decimal("38.4") * (1 + Decimal("0.02") * 4)
    assert moved.high == 128 * (1 + Decimal("0.07") * 4)


def test_more_churn_makes_a_move_to_short_retention_cheaper() -> None:
    """From 5 days to 1 the changes weigh on the Standard side alone: the low end is at the high churn."""
    assumptions = CostAssumptions(used_share_low=1, daily_churn_low=0.02, daily_churn_high=0.07)
    moved = change_of(100, standard_days=5, enhanced_days=1, assumptions=assumptions, price=A_GB)
    assert (moved.low, moved.high) == (100 - 35, 100 - 10)


def test_a_move_can_save_money() -> None:
    """Half of the data changing every day, 5 days of it cost more than one full copy: the range is below zero."""
    moved = change_of(100, standard_days=5, enhanced_days=1, assumptions=certain(0.5), price=A_GB)
    assert str(moved) == "-150.00 to -150.00 USD a month"


shares = st.decimals(0, 1, places=3).map(float)
ends = st.tuples(shares, shares).map(sorted)
assumed = st.builds(
    lambda used, churn: CostAssumptions(
        used_share_low=used[0], used_share_high=used[1], daily_churn_low=churn[0], daily_churn_high=churn[1]
    ),
    ends,
    ends,
)
sizes = st.integers(0, 100_000)
machines = st.fixed_dictionaries(
    {
        "standard_days": st.integers(1, 5),
        "enhanced_days": st.integers(1, 30),
        "assumptions": assumed,
        "trusted_launch": st.booleans(),
    }
)


@given(sizes, machines)
def test_the_low_end_is_never_above_the_high_end(disk_gb: int, machine: dict[str, Any]) -> None:
    """Whatever is assumed, and whether the move costs or saves."""
    moved = change_of(disk_gb, **machine)
    assert moved.low <= moved.high


@given(sizes, machines, st.integers(0, 30))
def test_longer_enhanced_retention_never_costs_less(disk_gb: int, machine: dict[str, Any], days: int) -> None:
    """Both ends grow, or stay, with the days that Enhanced snapshots are kept."""
    moved = change_of(disk_gb, **machine)
    longer = change_of(disk_gb, **{**machine, "enhanced_days": machine["enhanced_days"] + days})
    assert (longer.low >= moved.low, longer.high >= moved.high) == (True, True)


@given(sizes, machines, st.integers(1, 9))
def test_the_change_grows_with_the_size(disk_gb: int, machine: dict[str, Any], times: int) -> None:
    """In proportion: a disk three times as big changes the bill three times as much, up or down."""
    moved, bigger = change_of(disk_gb, **machine), change_of(disk_gb * times, **machine)
    assert (bigger.low, bigger.high) == (moved.low * times, moved.high * times)


# --- what a caller may assume


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"usedShareLow": 0.9, "usedShareHigh": 0.5}, "usedShareLow is above usedShareHigh"),
        ({"dailyChurnLow": 0.1}, "dailyChurnLow is above dailyChurnHigh"),
        ({"usedShareHigh": 1.5}, "Expected `float` <= 1.0 - at `$.usedShareHigh`"),
        ({"pricePerGbMonth": -1}, "Expected `float` >= 0.0 - at `$.pricePerGbMonth`"),
        ({"currency": "EUR"}, "retail prices are in USD: give pricePerGbMonth in EUR"),
        ({"pricePerGbMonth": 0.05, "currency": "euro"}, "- at `$.currency`"),
    ],
)
def test_impossible_assumptions_are_refused(body: dict[str, object], error: str) -> None:
    """Shares outside 0 to 1, ends in the wrong order, another currency without a price in it."""
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.convert(body, CostAssumptions)
    assert error in str(refused.value)


def test_a_price_of_the_callers_own_is_taken_as_written() -> None:
    """Exactly the decimal of the request, in its currency; without one, the retail price is wanted."""
    own = msgspec.json.decode(b'{"pricePerGbMonth": 0.043, "currency": "EUR"}', type=CostAssumptions).price
    assert own == Price(per_gb_month=Decimal("0.043"), currency="EUR", source=PriceSource.REQUEST)
    assert CostAssumptions().price is None


# --- totals


@given(st.lists(st.tuples(sizes, machines), max_size=6), st.integers(0, 6))
def test_a_total_is_the_sum_of_its_parts_however_they_are_grouped(
    vms: list[tuple[int, dict[str, Any]]], cut: int
) -> None:
    """VM by VM or vault by vault: the same amounts, to the last digit."""
    changes = [change_of(disk_gb, **machine) for disk_gb, machine in vms]
    vaults = [add_up(changes[:cut], a_price()), add_up(changes[cut:], a_price())]
    assert total(vaults, "USD") == add_up(changes, a_price())
    assert add_up(changes, a_price()).monthly_change.high == sum(change.high for change in changes)


def test_vms_of_unknown_size_are_counted_apart() -> None:
    """They add nothing to the amounts, and the estimate says how many there are."""
    vault = add_up([a_range("1", "2"), None, a_range("3", "4"), None, None], a_price())
    assert vault == Estimate(monthly_change=a_range("4", "6"), vms=2, vms_without_size=3, prices=(a_price(),))


def test_a_total_names_each_price_once() -> None:
    """Vaults of one region share a price; those of another bring theirs."""
    west = a_price(region="westeurope", priced_as="eastus")
    vaults = [add_up([a_range("1", "2")], price) for price in (a_price(), west, a_price())]
    assert total(vaults, "USD").prices == (a_price(), west)


def test_nothing_to_move_costs_nothing() -> None:
    """A plan without VMs, or without vaults, is an estimate of zero."""
    assert total([add_up([], a_price())], "USD").monthly_change == a_range("0", "0")
    assert total([], "EUR").monthly_change == a_range("0", "0", "EUR")


def test_amounts_in_different_currencies_do_not_add_up() -> None:
    """A request has one currency; two in one sum are a mistake of ours."""
    with pytest.raises(ValueError, match="EUR and USD"):
        total([add_up([a_range("1", "2")], a_price())], "EUR")


def test_an_estimate_crosses_a_seam_unchanged() -> None:
    """Amounts and prices survive plain JSON to the last digit."""
    before = total([add_up([change_of(127, assumptions=CostAssumptions()), None], a_price())], "USD")
    assert msgspec.convert(msgspec.to_builtins(before), Estimate) == before
    assert msgspec.json.decode(msgspec.json.encode(before), type=Estimate) == before


# --- the basis


@pytest.mark.parametrize(
    ("price", "text"),
    [
        (a_price(), "0.05 USD per GB and month in eastus (ZRS snapshots), Azure's retail price on 2026-07-24"),
        (
            a_price(source=PriceSource.SHIPPED_TABLE, region="qatarcentral", priced_as="eastus"),
            "0.05 USD per GB and month in qatarcentral, priced as eastus (ZRS snapshots), "
            "from the price table of 2026-07-24 that comes with this app",
        ),
        (
            CostAssumptions(price_per_gb_month=0.043, currency="EUR").price,
            "0.043 EUR per GB and month, as the request says",
        ),
    ],
)
def test_a_price_says_where_it_is_from(price: Price, text: str) -> None:
    """Amount, region, whose price stands in for it, redundancy, source and date."""
    assert str(price) == text


def test_the_basis_states_every_assumption() -> None:
    """Whoever approves the plan reads how many VMs, which shares, which price and what is left out."""
    of = add_up([a_range("1", "2"), a_range("3", "4"), None], a_price())
    vms, used, churn, price, left_out, not_counted = basis(of, CostAssumptions(daily_churn_high=0.055))
    assert vms.startswith("Snapshots of 2 VMs: ")
    assert "30 % to 100 %" in used
    assert "2 % to 5.5 %" in churn
    assert str(a_price()) in price
    assert left_out == "Left out: 1 VM whose disk size is not known."
    assert not_counted.startswith("Not counted: ")


def test_the_basis_leaves_nothing_out_that_is_not() -> None:
    """A line about VMs of unknown size appears only where there are some."""
    lines = basis(add_up([a_range("1", "2")], a_price()), CostAssumptions())
    assert not any(line.startswith("Left out") for line in lines)
    assert lines[0].startswith("Snapshots of 1 VM: ")


# --- the budget


@pytest.mark.parametrize(
    ("change", "budget", "sentence"),
    [
        (a_range("1", "9.99"), Budget(monthly_increase=10), None),
        (a_range("1", "10"), Budget(monthly_increase=10), None),
        (a_range("1", "28.672"), Budget(monthly_increase=28.67), None),
        (a_range("-9", "-1"), Budget(monthly_increase=0), None),
        (
            a_range("1000", "6912.3"),
            Budget(monthly_increase=5000),
            "+1,000.00 to +6,912.30 USD a month is up to 1,912.30 USD above the budget of 5,000.00 USD a month",
        ),
        (
            a_range("1", "28.675"),
            Budget(monthly_increase=28.67),
            "+1.00 to +28.68 USD a month is up to 0.01 USD above the budget of 28.67 USD a month",
        ),
        (
            a_range("0", "0"),
            Budget(monthly_increase=10, currency="EUR"),
            "an estimate in USD can't be held against a budget of 10.00 EUR",
        ),
    ],
)
def test_a_budget_is_held_against_the_high_end(change: CostRange, budget: Budget, sentence: str | None) -> None:
    """In cents as they were shown; equal is within the budget; another currency never is."""
    assert exceeds(change, budget) == sentence


def test_a_saving_too_small_to_see_is_shown_as_nothing() -> None:
    """No minus sign before a zero."""
    assert str(a_range("-0.001", "0.001")) == "+0.00 to +0.00 USD a month"
