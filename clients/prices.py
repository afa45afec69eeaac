"""What a GB of snapshots costs: the Azure Retail Prices API where it can be asked, else the table in prices.json.

A plan never fails, and hardly waits, for a price: whatever goes wrong here ends in the shipped table, and the price
says where it is from and of which day.

The meter is that of Standard HDD, on which Azure keeps every incremental snapshot whatever disk it is of ("Understand
Azure Disks billing", Learn). Premium SSD has snapshots under the same meter name at almost three times the price, and
bills have called the ZRS meter both "ZRS Snapshots" and "Snapshots ZRS Snapshots": product and SKU name it, the meter's
name does not. From api-version 2023-01-01-preview the filter's values are case-sensitive.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlencode

import msgspec
from azure.core import AsyncPipelineClient
from azure.core.exceptions import AzureError
from azure.core.rest import AsyncHttpResponse, HttpRequest

from clients.clock import Clock
from migration.cost import RETAIL_CURRENCY, Price, PriceSource, Redundancy
from migration.model import Value

API_VERSION = "2023-01-01-preview"
PRODUCT = "Standard HDD Managed Disks"
UNIT = "1 GB/Month"

KEPT = timedelta(hours=24)
SILENCE_AFTER_FAILURE = timedelta(minutes=15)  # else every vault of a survey would wait for the same timeout
_REGION = re.compile(r"[a-z0-9]+")


class RetailPrice(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A row of the API's answer, as far as it is looked at. `sku_name` is "Snapshots ZRS" or "Snapshots LRS"."""

    currency_code: str
    retail_price: float
    arm_region_name: str
    product_name: str
    sku_name: str
    unit_of_measure: str
    type: str
    tier_minimum_units: float


class RetailPage(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """A page of the API's answer."""

    items: list[RetailPrice]
    next_page_link: str | None = None


class ShippedPrices(Value, frozen=True):
    """The table in prices.json; a region that is not in it is priced as `stand_in`."""

    as_of: date
    currency: str
    meter: str
    stand_in: str
    per_gb_month: Mapping[str, Mapping[Redundancy, Annotated[float, msgspec.Meta(gt=0)]]]

    def price(self, region: str) -> Price:
        """The price of a region, zone-redundant if the table has that."""
        known = region if region in self.per_gb_month else self.stand_in
        redundancy = next(kind for kind in Redundancy if kind in self.per_gb_month[known])
        return Price(
            per_gb_month=Decimal(str(self.per_gb_month[known][redundancy])),
            currency=self.currency,
            source=PriceSource.SHIPPED_TABLE,
            region=region,
            priced_as="" if known == region else known,
            redundancy=redundancy,
            as_of=self.as_of,
        )


SHIPPED = msgspec.json.decode(Path(__file__).with_name("prices.json").read_bytes(), type=ShippedPrices)


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """What the API answered for a region, and when."""

    price: Price
    since: datetime


class PriceClient:
    """Snapshot prices by region, asked for once a day. An empty `base_url` asks for none, ever."""

    def __init__(self, base_url: str, clock: Clock, timeout_seconds: float = 5) -> None:
        self._base_url, self._clock, self._timeout_seconds = base_url, clock, timeout_seconds
        # No policies: the API wants no token, and a retry would only make the plan wait.
        self._client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] = AsyncPipelineClient(base_url, policies=[])
        self._kept: dict[str, _Kept] = {}
        self._silent_until: datetime | None = None
        self._one_at_a_time = asyncio.Lock()  # the vaults of a region ask at the same moment; one answer serves all

    async def snapshot_price(self, region: str) -> Price:
        """The retail price of snapshots in a region, in USD. `region` is a location's name, `eastus` or `East US`.

        Never raises: an API that is off, broken, slow or without an answer leaves the shipped table's price.
        """
        region = region.replace(" ", "").lower()
        async with self._one_at_a_time:
            return self._remembered(region) or await self._asked(region)

    def _remembered(self, region: str) -> Price | None:
        kept = self._kept.get(region)
        return kept.price if kept and self._clock() - kept.since < KEPT else None

    async def _asked(self, region: str) -> Price:
        now = self._clock()
        silent = self._silent_until is not None and now < self._silent_until
        if not self._base_url or silent or not _REGION.fullmatch(region):
            return SHIPPED.price(region)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                found = await self._retail_price(region, now)
        except (AzureError, ValueError, TimeoutError):  # ValueError: an answer that is no such page
            self._silent_until = now + SILENCE_AFTER_FAILURE
            return SHIPPED.price(region)
        price = found or SHIPPED.price(region)
        self._kept[region] = _Kept(price=price, since=now)
        return price

    async def _retail_price(self, region: str, now: datetime) -> Price | None:
        """The API's price: zone-redundant where the region has it, else locally redundant, None where neither."""
        for redundancy in Redundancy:
            async for row in self._rows(region, redundancy):
                if _is_snapshot_price(row, region, redundancy):
                    return Price(
                        per_gb_month=Decimal(str(row.retail_price)),
                        currency=row.currency_code,
                        source=PriceSource.RETAIL_API,
                        region=region,
                        redundancy=redundancy,
                        as_of=now.date(),
                    )
        return None

    async def _rows(self, region: str, redundancy: Redundancy) -> AsyncIterator[RetailPrice]:
        wanted = {
            "serviceName": "Storage",
            "armRegionName": region,
            "productName": PRODUCT,
            "skuName": _sku(redundancy),
        }
        query = {
            "api-version": API_VERSION,
            "$filter": " and ".join(f"{name} eq '{value}'" for name, value in wanted.items()),
        }
        url: str | None = f"{self._base_url}/api/retail/prices?{urlencode(query, quote_via=quote, safe='$')}"
        while url:
            response = await self._client.send_request(HttpRequest("GET", url))
            response.raise_for_status()
            page = msgspec.json.decode(response.content, type=RetailPage)
            for row in page.items:
                yield row
            url = page.next_page_link

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _sku(redundancy: Redundancy) -> str:
    return f"Snapshots {redundancy}"


def _is_snapshot_price(row: RetailPrice, region: str, redundancy: Redundancy) -> bool:
    """Whether a row is the price looked for: it is not taken on trust that the filter was understood."""
    return (
        row.arm_region_name == region
        and row.product_name == PRODUCT
        and row.sku_name == _sku(redundancy)
        and row.unit_of_measure == UNIT
        and row.type == "Consumption"
        and row.currency_code == RETAIL_CURRENCY
        and row.tier_minimum_units == 0
        and row.retail_price > 0
    )
