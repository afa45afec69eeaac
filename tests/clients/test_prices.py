"""Snapshot prices from a small Azure Retail Prices API, and from the shipped table wherever that API fails."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from clients.prices import KEPT, SHIPPED, SILENCE_AFTER_FAILURE, PriceClient
from migration.cost import Price, PriceSource, Redundancy
from simulator import Clock
from tests.clients.canned import Canned
from tests.conftest import PATIENCE_SECONDS, START

Row = dict[str, Any]


def a_row(**changes: Any) -> Row:
    """A row as the API gives it: the zone-redundant snapshots of East US."""
    return {
        "currencyCode": "USD",
        "tierMinimumUnits": 0.0,
        "retailPrice": 0.055,
        "unitPrice": 0.055,
        "armRegionName": "eastus",
        "location": "US East",
        "effectiveStartDate": "2021-06-01T00:00:00Z",
        "meterId": "11111111-2222-4333-8444-555555555555",
        "meterName": "ZRS Snapshots",
        "productId": "DZH318Z0BP88",
        "skuId": "DZH318Z0BP88/0000",
        "productName": "Standard HDD Managed Disks",
        "skuName": "Snapshots ZRS",
        "serviceName": "Storage",
        "serviceFamily": "Storage",
        "unitOfMeasure": "1 GB/Month",
        "type": "Consumption",
        "isPrimaryMeterRegion": True,
        "armSkuName": "",
        **changes,
    }


def lrs(**changes: Any) -> Row:
    """The locally redundant ones."""
    return a_row(**{"skuName": "Snapshots LRS", "meterName": "LRS Snapshots", "retailPrice": 0.045, **changes})


class RetailPrices:
    """The API: answers with the rows that a filter names, letter by letter, a page of `page_size` at a time.

    `answer` takes the place of all that, `thinks_until` delays either; `asked` are the filters that arrived.
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.page_size = 100
        self.ignores_filters = False
        self.answer: Canned | None = None
        self.thinks_until: asyncio.Event | None = None
        self.asked: list[str] = []

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """One answer."""
        assert (request.method, request.path) == ("GET", "/api/retail/prices")
        assert request.query["api-version"] == "2023-01-01-preview"
        assert "Authorization" not in request.headers
        self.asked.append(request.query["$filter"])
        if self.thinks_until:
            await self.thinks_until.wait()
        if not self.answer:
            return self._page(request)
        if self.answer.hang_up:
            assert request.transport
            request.transport.close()
        return self.answer.response()

    def _page(self, request: web.BaseRequest) -> web.Response:
        wanted = re.findall(r"(\w+) eq '([^']*)'", request.query["$filter"])
        assert wanted
        found = [row for row in self.rows if self.ignores_filters or all(row[name] == text for name, text in wanted)]
        start = int(request.query.get("$skip", "0"))
        page, rest = found[start : start + self.page_size], found[start + self.page_size :]
        following = str(request.url.update_query({"$skip": str(start + self.page_size)}))
        return web.json_response(
            {
                "BillingCurrency": "USD",
                "CustomerEntityId": "Default",
                "CustomerEntityType": "Retail",
                "Items": page,
                "NextPageLink": following if rest else None,
                "Count": len(page),
            }
        )


@pytest.fixture
def api() -> RetailPrices:
    """An API without a price."""
    return RetailPrices()


@pytest.fixture
async def url(api: RetailPrices) -> AsyncIterator[str]:
    """Where that API is."""
    runner = web.ServerRunner(web.Server(api.serve), handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def prices(url: str, clock: Clock) -> AsyncIterator[PriceClient]:
    """The app's client of that API."""
    client = PriceClient(url, clock.now, PATIENCE_SECONDS)
    yield client
    await client.close()


def retail(amount: str, redundancy: Redundancy = Redundancy.ZRS) -> Price:
    """A price that the API gave for East US."""
    return Price(
        per_gb_month=Decimal(amount),
        currency="USD",
        source=PriceSource.RETAIL_API,
        region="eastus",
        redundancy=redundancy,
        as_of=START.date(),
    )


# --- from the API


async def test_the_price_of_zone_redundant_snapshots_is_found(api: RetailPrices, prices: PriceClient) -> None:
    """Exactly as the API writes it, with the day it was asked for, in one request."""
    api.rows = [lrs(), a_row()]
    assert await prices.snapshot_price("eastus") == retail("0.055")
    assert len(api.asked) == 1


@pytest.mark.parametrize("region", ["eastus", "East US", "EastUS"])
async def test_a_region_is_asked_for_by_its_name(region: str, api: RetailPrices, prices: PriceClient) -> None:
    """The filter's values are case-sensitive, and resources carry either name of their location."""
    api.rows = [a_row()]
    assert await prices.snapshot_price(region) == retail("0.055")


async def test_a_region_without_zones_has_the_locally_redundant_price(api: RetailPrices, prices: PriceClient) -> None:
    """No ZRS row in that region: the LRS row is asked for next."""
    api.rows = [lrs(), a_row(armRegionName="westeurope")]
    assert await prices.snapshot_price("eastus") == retail("0.045", Redundancy.LRS)
    assert [re.findall(r"Snapshots (\w+)", asked) for asked in api.asked] == [["ZRS"], ["LRS"]]


async def test_the_meter_may_have_either_of_its_names(api: RetailPrices, prices: PriceClient) -> None:
    """Bills have shown the Standard HDD meter as "Snapshots ZRS Snapshots"."""
    api.rows = [a_row(meterName="Snapshots ZRS Snapshots")]
    assert await prices.snapshot_price("eastus") == retail("0.055")


async def test_pages_are_followed_until_the_price_is_there(api: RetailPrices, prices: PriceClient) -> None:
    """NextPageLink, page by page, and no page more."""
    api.page_size = 1
    api.rows = [a_row(unitOfMeasure="10K"), a_row(tierMinimumUnits=100.0), a_row(), a_row(retailPrice=1.0)]
    assert await prices.snapshot_price("eastus") == retail("0.055")
    assert len(api.asked) == 3


@pytest.mark.parametrize(
    "other",
    [
        {"productName": "Premium SSD Managed Disks"},
        {"productName": "Standard SSD Managed Disks", "meterName": "Snapshots ZRS Snapshots"},
        {"skuName": "E10 ZRS"},
        {"armRegionName": "westus"},
        {"unitOfMeasure": "1/Month"},
        {"type": "Reservation"},
        {"currencyCode": "EUR"},
        {"tierMinimumUnits": 50.0},
        {"retailPrice": 0.0},
    ],
    ids=str,
)
async def test_no_other_row_passes_for_the_price(
    other: dict[str, object], api: RetailPrices, prices: PriceClient
) -> None:
    """Even from an API that ignores its filter: each of these rows comes first, and is passed over."""
    api.ignores_filters = True
    api.rows = [a_row(**{"retailPrice": 9.0, **other}), a_row()]
    assert await prices.snapshot_price("eastus") == retail("0.055")


# --- from the shipped table


def test_the_shipped_table_is_dated_and_has_its_own_stand_in() -> None:
    """Every region of the table has a price of its own, and the stand-in is one of them."""
    assert SHIPPED.stand_in in SHIPPED.per_gb_month
    for region in SHIPPED.per_gb_month:
        price = SHIPPED.price(region)
        assert (price.region, price.priced_as, price.as_of) == (region, "", SHIPPED.as_of)
        assert price.per_gb_month > 0
    assert SHIPPED.currency == "USD"


def test_a_region_that_the_table_lacks_is_priced_as_another_and_says_so() -> None:
    """The price names the region it is for and the one it is from."""
    price = SHIPPED.price("mars")
    assert (price.region, price.priced_as) == ("mars", SHIPPED.stand_in)
    assert price.per_gb_month == SHIPPED.price(SHIPPED.stand_in).per_gb_month


async def test_no_api_is_asked_where_none_is_set(clock: Clock) -> None:
    """An empty URL means never ask."""
    prices = PriceClient("", clock.now)
    assert await prices.snapshot_price("East US") == SHIPPED.price("eastus")
    await prices.close()


async def test_an_api_that_does_not_know_the_region_leaves_the_table(api: RetailPrices, prices: PriceClient) -> None:
    """Two empty answers are an answer: remembered for the day like a price."""
    assert await prices.snapshot_price("mars") == SHIPPED.price("mars")
    assert await prices.snapshot_price("mars") == SHIPPED.price("mars")
    assert len(api.asked) == 2


@pytest.mark.parametrize("region", ["", "east'us", "../eastus", "é"])
async def test_what_is_no_regions_name_is_not_sent(region: str, api: RetailPrices, prices: PriceClient) -> None:
    """Nothing but letters and digits gets into a filter."""
    assert await prices.snapshot_price(region) == SHIPPED.price(region)
    assert api.asked == []


BROKEN = {
    "an outage": Canned(status=500, body="Internal Server Error"),
    "an outage that looks like an answer": Canned(status=500, body={"Items": [a_row()]}),
    "a throttle": Canned(status=429, headers={"Retry-After": "60"}),
    "a bad request": Canned(status=400, body={"Error": {"Code": "BadRequest"}}),
    "a redirect": Canned(status=302, headers={"Location": "/elsewhere"}),
    "a proxy's page": Canned(body="<html>Welcome</html>"),
    "nothing": Canned(body=None),
    "a list": Canned(body=[]),
    "an object without items": Canned(body={"Count": 0}),
    "a row without a price": Canned(body={"Items": [{"armRegionName": "eastus"}]}),
    "a price that is a text": Canned(body={"Items": [a_row(retailPrice="free")]}),
    "a price beyond numbers": Canned(body='{"Items": [{"retailPrice": 1e999}]}'),
    "an answer without a bottom": Canned(body='{"BillingCurrency": ' + "[" * 100_000),
    "a next page that is nowhere": Canned(body={"Items": [], "NextPageLink": "nowhere"}),
}


@pytest.mark.parametrize("trouble", BROKEN)
async def test_a_broken_answer_leaves_the_table(trouble: str, api: RetailPrices, prices: PriceClient) -> None:
    """Whatever comes back, the plan gets a price and its date, after a single try."""
    api.answer = BROKEN[trouble]
    assert await prices.snapshot_price("eastus") == SHIPPED.price("eastus")
    assert len(api.asked) == 1


async def test_an_api_that_is_not_there_leaves_the_table(clock: Clock) -> None:
    """A connection refused is a failure like any other."""
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        prices = PriceClient(f"http://127.0.0.1:{nobody_listens.getsockname()[1]}", clock.now, PATIENCE_SECONDS)
        assert await prices.snapshot_price("eastus") == SHIPPED.price("eastus")
        await prices.close()


async def test_an_api_that_hangs_up_leaves_the_table(api: RetailPrices, prices: PriceClient) -> None:
    """aiohttp itself repeats a read whose connection broke, once; nothing else is asked."""
    api.answer = Canned(hang_up=True)
    assert await prices.snapshot_price("eastus") == SHIPPED.price("eastus")
    assert len(set(api.asked)) == 1


async def test_a_slow_api_is_given_up(api: RetailPrices, url: str, clock: Clock) -> None:
    """When the time is over the table's price is taken, while the API is still thinking."""
    api.thinks_until = asyncio.Event()
    prices = PriceClient(url, clock.now, timeout_seconds=0.05)
    assert await prices.snapshot_price("eastus") == SHIPPED.price("eastus")
    api.thinks_until.set()
    await prices.close()


# --- remembered


async def test_a_price_is_asked_for_once_a_day(api: RetailPrices, prices: PriceClient, clock: Clock) -> None:
    """The second question is answered from memory; after 24 hours the API is asked again."""
    api.rows = [a_row()]
    first = await prices.snapshot_price("eastus")
    api.rows = [a_row(retailPrice=0.06)]

    clock.advance(KEPT - timedelta(seconds=1))
    assert await prices.snapshot_price("eastus") == first
    assert len(api.asked) == 1

    clock.advance(timedelta(seconds=1))
    assert (await prices.snapshot_price("eastus")).per_gb_month == Decimal("0.06")
    assert len(api.asked) == 2


async def test_each_region_has_its_own_price(api: RetailPrices, prices: PriceClient) -> None:
    """What is remembered of one region is not taken for another."""
    api.rows = [a_row(), a_row(armRegionName="westeurope", retailPrice=0.066)]
    found = [(await prices.snapshot_price(region)).per_gb_month for region in ("eastus", "westeurope", "eastus")]
    assert found == [Decimal("0.055"), Decimal("0.066"), Decimal("0.055")]
    assert len(api.asked) == 2


async def test_vaults_that_ask_together_are_one_question(api: RetailPrices, prices: PriceClient) -> None:
    """A survey of many vaults in a region starts at one moment; one answer serves all."""
    api.rows = [a_row()]
    found = await asyncio.gather(*(prices.snapshot_price("eastus") for _ in range(20)))
    assert found == [retail("0.055")] * 20
    assert len(api.asked) == 1


async def test_a_failing_api_is_left_alone_for_a_while(api: RetailPrices, prices: PriceClient, clock: Clock) -> None:
    """For no region is it asked again before a quarter of an hour, so that no vault waits for it; then it counts."""

    api.answer = Canned(status=503)
    await prices.snapshot_price("eastus")
    api.answer, api.rows = None, [a_row()]

    clock.advance(SILENCE_AFTER_FAILURE - timedelta(seconds=1))
    assert await prices.snapshot_price("eastus") == SHIPPED.price("eastus")
    assert await prices.snapshot_price("westeurope") == SHIPPED.price("westeurope")
    assert len(api.asked) == 1

    clock.advance(timedelta(seconds=1))
    assert await prices.snapshot_price("eastus") == retail("0.055")
