"""What the move does to the monthly bill for snapshots: sizes, retention and assumptions in, a range out.

The formula is Azure Backup's own ("Instant Restore", Learn, 06/2025), on used data, not on the disks' size:

    blob snapshots            used x churn x days                   Standard
    managed-disk snapshots    used + used x churn x (days - 1)      Enhanced; Standard too, of a Trusted Launch VM

`days` is how long snapshots are kept for instant restore. A VM that leaves blob snapshots pays for its first full copy
from then on, which outweighs everything else. Both kinds are counted at the price of managed-disk snapshots. Blob
snapshots have a price of their own, more than twice that in East US 2 by Azure Backup's support blog (12/2023): what a
VM saves by leaving them is understated, so the increase errs to the high side.

Money is Decimal: parts add up to their total however they are grouped. It is rounded where it becomes text, and where
it meets the budget, which a person took from such a text. What callers write are floats, which a type can bound.
GB mean what they mean for disks and Azure's meters: 2^30 bytes.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from itertools import product
from typing import Annotated

from msgspec import Meta

from migration.model import Value

CENT = Decimal("0.01")
RETAIL_CURRENCY = "USD"  # what Azure's prices are made in; its other currencies are rounded conversions

Share = Annotated[float, Meta(ge=0, le=1)]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$(?!\n)")]


# --- what a caller may assume


class CostAssumptions(Value, frozen=True):
    """What the estimate can't read from Azure. The churn is Azure Backup's typical range, the low share a guess."""

    used_share_low: Annotated[Share, Meta(description="Least share of the disks' size that holds data")] = 0.3
    used_share_high: Annotated[Share, Meta(description="Greatest share of the disks' size that holds data")] = 1.0
    daily_churn_low: Annotated[Share, Meta(description="Least share of the data that changes in a day")] = 0.02
    daily_churn_high: Annotated[Share, Meta(description="Greatest share of the data that changes in a day")] = 0.07
    price_per_gb_month: Annotated[
        Annotated[float, Meta(ge=0, le=1000)] | None,
        Meta(description="Your price of a GB of snapshots for a month; null: Azure's retail price"),
    ] = None
    currency: Annotated[
        Currency, Meta(description="Currency of your price, as in ISO 4217; Azure's retail prices are in USD")
    ] = RETAIL_CURRENCY

    def __post_init__(self) -> None:
        if self.used_share_low > self.used_share_high:
            raise ValueError("usedShareLow is above usedShareHigh")
        if self.daily_churn_low > self.daily_churn_high:
            raise ValueError("dailyChurnLow is above dailyChurnHigh")
        if self.price_per_gb_month is None and self.currency != RETAIL_CURRENCY:
            raise ValueError(f"retail prices are in {RETAIL_CURRENCY}: give pricePerGbMonth in {self.currency}")

    @property
    def price(self) -> "Price | None":
        """The caller's own price; None where Azure's retail price is wanted."""
        if self.price_per_gb_month is None:
            return None
        return Price(per_gb_month=_exact(self.price_per_gb_month), currency=self.currency, source=PriceSource.REQUEST)


class Budget(Value, frozen=True):
    """The greatest monthly increase that a caller agrees to."""

    monthly_increase: Annotated[float, Meta(ge=0, le=1e12, description="Greatest increase of the monthly bill")]
    currency: Annotated[
        Currency, Meta(description="Currency of that increase, as in ISO 4217; the estimate's must be the same")
    ] = RETAIL_CURRENCY


# --- prices


class Redundancy(StrEnum):
    """Where Azure keeps snapshots: an Enhanced policy's are zone-redundant if the region and the disk can do it."""

    ZRS = "ZRS"
    LRS = "LRS"


class PriceSource(StrEnum):
    """Who says so."""

    RETAIL_API = "retail-api"
    SHIPPED_TABLE = "shipped-table"
    REQUEST = "request"


ORIGINS: Mapping[PriceSource, str] = {
    PriceSource.RETAIL_API: "Azure's retail price on {as_of}",
    PriceSource.SHIPPED_TABLE: "from the price table of {as_of} that comes with this app",
    PriceSource.REQUEST: "as the request says",
}
"""How a price says where it is from."""


class Price(Value, frozen=True):
    """The price of a GB of snapshots for a month.

    `region` is where the VMs are; `priced_as` names the region whose price stands in where that one's is not known.
    A price from the request has neither, nor a date: the caller knows what it means.
    """

    per_gb_month: Decimal
    currency: str
    source: PriceSource
    region: str = ""
    priced_as: str = ""
    redundancy: Redundancy | None = None
    as_of: date | None = None

    def __str__(self) -> str:
        stand_in = f", priced as {self.priced_as}" if self.priced_as else ""
        where = f" in {self.region}{stand_in} ({self.redundancy} snapshots)" if self.region else ""
        origin = ORIGINS[self.source].format(as_of=self.as_of)
        return f"{self.per_gb_month} {self.currency} per GB and month{where}, {origin}"


# --- the estimate


class CostRange(Value, frozen=True):
    """By how much a monthly bill changes, not rounded; negative where it falls."""

    low: Annotated[Decimal, Meta(description="The change at least, a decimal number in a text")]
    high: Annotated[Decimal, Meta(description="The change at most, a decimal number in a text")]
    currency: Annotated[str, Meta(description="Currency of the change, as in ISO 4217")]

    def __add__(self, other: "CostRange") -> "CostRange":
        if self.currency != other.currency:
            raise ValueError(f"{self.currency} and {other.currency} don't add up")
        return CostRange(low=self.low + other.low, high=self.high + other.high, currency=self.currency)

    def __str__(self) -> str:
        return f"{_cents(self.low):+,} to {_cents(self.high):+,} {self.currency} a month"


class Estimate(Value, frozen=True):
    """The change for a number of VMs, the prices it was made with, and how many VMs it leaves out."""

    monthly_change: CostRange
    vms: int
    vms_without_size: int
    prices: tuple[Price, ...]


def estimate(
    disk_gb: int,
    *,
    standard_days: int,
    enhanced_days: int,
    assumptions: CostAssumptions,
    price: Price,
    trusted_launch: bool,
) -> CostRange:
    """The change for one VM: the least and the greatest over the corners of what is assumed.

    `disk_gb` is the size of all its disks together; the days are each policy's instant restore retention, at least 1.
    A Trusted Launch VM pays for its full copy already, so for it only a change of the days counts.
    """
    before = _managed_disk_gb if trusted_launch else _blob_gb
    used = (disk_gb * _exact(share) for share in (assumptions.used_share_low, assumptions.used_share_high))
    churn = map(_exact, (assumptions.daily_churn_low, assumptions.daily_churn_high))
    changes = [
        _managed_disk_gb(gb, rate, enhanced_days) - before(gb, rate, standard_days) for gb, rate in product(used, churn)
    ]
    return CostRange(
        low=min(changes) * price.per_gb_month, high=max(changes) * price.per_gb_month, currency=price.currency
    )


def _blob_gb(used: Decimal, churn: Decimal, days: int) -> Decimal:
    return used * churn * days


def _managed_disk_gb(used: Decimal, churn: Decimal, days: int) -> Decimal:
    return used + used * churn * (days - 1)


def add_up(changes: Iterable[CostRange | None], price: Price) -> Estimate:
    """The estimate for VMs that share a price, as those of a vault do; None stands for a VM of unknown size."""
    every = list(changes)
    known = [change for change in every if change is not None]
    return Estimate(
        monthly_change=sum(known, _nothing(price.currency)),
        vms=len(known),
        vms_without_size=len(every) - len(known),
        prices=(price,),
    )


def total(estimates: Iterable[Estimate], currency: str) -> Estimate:
    """All vaults' estimates as one. Raises ValueError where one is in another currency."""
    parts = list(estimates)
    return Estimate(
        monthly_change=sum((part.monthly_change for part in parts), _nothing(currency)),
        vms=sum(part.vms for part in parts),
        vms_without_size=sum(part.vms_without_size for part in parts),
        prices=tuple(dict.fromkeys(price for part in parts for price in part.prices)),
    )


def _nothing(currency: str) -> CostRange:
    return CostRange(low=Decimal(0), high=Decimal(0), currency=currency)


def basis(of: Estimate, assumptions: CostAssumptions) -> tuple[str, ...]:
    """What an estimate rests on, a sentence a line, for whoever approves the plan."""
    return (
        f"Snapshots of {_vms(of.vms)}: an Enhanced policy keeps a full copy of the used data and the "
        "changes of each further day, a Standard policy the changes alone, unless the VM is a Trusted Launch one.",
        f"Used data: {_percent(assumptions.used_share_low)} to {_percent(assumptions.used_share_high)} of the size of "
        "the disks.",
        f"Daily change: {_percent(assumptions.daily_churn_low)} to {_percent(assumptions.daily_churn_high)} of the "
        "used data.",
        *(f"Price of all snapshots, before and after: {price}." for price in of.prices),
        *([f"Left out: {_vms(of.vms_without_size)} whose disk size is not known."] if of.vms_without_size else []),
        "Not counted: the old snapshots until they expire, one to three more that Azure Backup may hold while it "
        "cleans up, and vault storage, which the same retention leaves as it is.",
    )


def exceeds(change: CostRange, budget: Budget) -> str | None:
    """Why a change is above the budget, in a sentence; None where it is not, even at its high end.

    Both are compared in cents, as people saw them: who was shown 28.67 and grants 28.67 has granted it. Amounts in
    different currencies can't be compared, which keeps to the safe side.
    """
    granted = _cents(_exact(budget.monthly_increase))
    if change.currency != budget.currency:
        return f"an estimate in {change.currency} can't be held against a budget of {granted:,} {budget.currency}"
    excess = _cents(change.high) - granted
    if excess <= 0:
        return None
    return f"{change} is up to {excess:,} {budget.currency} above the budget of {granted:,} {budget.currency} a month"


def _exact(number: float) -> Decimal:
    """The decimal that the caller wrote, not the binary fraction nearest to it."""
    return Decimal(str(number))


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP) + 0  # the sum has no minus before a zero


def _vms(count: int) -> str:
    return "1 VM" if count == 1 else f"{count} VMs"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
