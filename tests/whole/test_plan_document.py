"""The plan as its readers get it: grouped, line by line, against another; and what its budget stops."""

import csv
from io import StringIO

import aiohttp
import pytest

from local_host.host import LocalHost
from simulator import Simulator
from tests.whole.callers import Json, a_body, ask, finish, writes


async def plan_of(http: aiohttp.ClientSession, migration: str = "m1", query: str = "") -> Json:
    """The plan document."""
    status, document = await ask(http, "GET", f"/api/migrations/{migration}/plan{query}")
    assert status == 200, document
    return document


async def test_the_plan_groups_by_verdict_and_finding_and_says_what_it_costs(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator
) -> None:
    """Twenty VMs of 128 GB: their first full copies are the bill, as a range with its basis."""
    await finish(http, host, a_body(simulator, mode="plan"))
    plan = await plan_of(http)

    assert plan["verdicts"] == [{"verdict": "Planned", "reason": "", "vms": 20}]
    assert plan["vaults"][0]["targets"][0]["name"] == "EnhancedPolicy"
    assert 0 < float(plan["monthlyChange"]["low"]) < float(plan["monthlyChange"]["high"])
    assert plan["monthlyChange"]["currency"] == "USD"
    assert any("churn" in line or "Daily change" in line for line in plan["costBasis"])
    assert plan["planHash"]


async def test_the_plan_as_csv_has_a_line_for_every_vm(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator
) -> None:
    """A spreadsheet's worth: each VM once, with target and cost."""
    await finish(http, host, a_body(simulator, mode="plan"))
    async with http.get("/api/migrations/m1/plan", headers={"Accept": "text/csv"}) as response:
        lines = list(csv.DictReader(StringIO(await response.text())))
        assert response.content_type == "text/csv"

    assert len({line["itemId"] for line in lines}) == 20
    assert {(line["verdict"], line["targetPolicy"]) for line in lines} == {("Planned", "EnhancedPolicy")}
    assert all(float(line["monthlyChangeHigh"]) > 0 for line in lines)


async def test_the_plan_stays_what_it_was_while_it_is_carried_out(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator
) -> None:
    """What was approved can be read afterwards."""
    await finish(http, host, a_body(simulator, id="before", mode="plan"))
    await finish(http, host, a_body(simulator))

    assert (await plan_of(http))["verdicts"] == (await plan_of(http, "before"))["verdicts"]
    assert (await plan_of(http))["planHash"] == (await plan_of(http, "before"))["planHash"]


async def test_two_plans_are_compared_vm_by_vm(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator
) -> None:
    """After the migration a new plan says of each VM what became of it; the same estate twice has no difference."""
    await finish(http, host, a_body(simulator, id="first", mode="plan"))
    await finish(http, host, a_body(simulator, id="again", mode="plan"))
    assert (await plan_of(http, "again", "?against=first"))["differences"] == []

    await finish(http, host, a_body(simulator))
    await finish(http, host, a_body(simulator, id="after", mode="plan"))
    differences = (await plan_of(http, "after", "?against=first"))["differences"]

    verdicts = {(one["before"], one["after"]) for one in differences if one["aspect"] == "verdict"}
    assert verdicts == {("Planned", "AlreadyEnhanced")}
    assert len({one["itemId"] for one in differences}) == 20


async def test_a_plan_over_budget_is_not_carried_out(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator
) -> None:
    """The high end of the estimate counts; nobody is asked and nothing is written."""
    document = await finish(http, host, a_body(simulator, budget={"monthlyIncrease": 1}))

    assert (document["state"], writes(simulator)) == ("Failed", 0)
    assert "above the budget of 1.00 USD a month" in document["problem"]
    assert (await plan_of(http))["overBudget"] == document["problem"]


async def test_a_plan_within_its_budget_runs(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator
) -> None:
    """A budget is a ceiling, not a question."""
    document = await finish(http, host, a_body(simulator, budget={"monthlyIncrease": 10_000}))
    assert document["items"] == {"Migrated": 20}


@pytest.mark.parametrize("query", ["?against=none", "?against=a/b", "?with=x"])
async def test_a_plan_is_compared_only_with_one_that_exists(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, query: str
) -> None:
    """400 that names the parameter."""
    await finish(http, host, a_body(simulator, mode="plan"))
    status, problem = await ask(http, "GET", f"/api/migrations/m1/plan{query}")
    assert (status, problem["title"]) == (400, "The query is not valid")
