"""The durable HTTP API: through the SDK's own client, and as the management webhooks everyone can call."""

from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import azure.durable_functions as df
import pytest
from host_scenarios import run

from local_host.clock import SkippingClock
from local_host.host import LocalHost

WEBHOOKS = "/runtime/webhooks/durabletask"
STATUS = df.OrchestrationRuntimeStatus


async def test_client_starts_and_reads_a_status(client: df.DurableOrchestrationClient, host: LocalHost):
    """start_new takes name, id and input; get_status gives what came of it."""
    assert await client.start_new("generations", "by-client", 4) == "by-client"
    await host.wait("by-client")
    status = await client.get_status("by-client", show_input=True)
    assert (status.name, status.runtime_status, status.output) == ("generations", STATUS.Completed, 5)
    assert (status.input_, status.custom_status) == ("5", {"generation": 5})


async def test_client_gets_a_falsy_status_for_an_unknown_id(client: df.DurableOrchestrationClient):
    """An instance that does not exist has a status that is false."""
    assert not await client.get_status("nobody")


async def test_client_raises_for_an_unknown_orchestrator(client: df.DurableOrchestrationClient):
    """start_new of a name that is no orchestrator function raises with the reason."""
    with pytest.raises(Exception, match="'nobody' doesn't exist, is disabled, or is not an orchestrator function"):
        await client.start_new("nobody")


async def test_client_raises_for_a_running_id(
    client: df.DurableOrchestrationClient, host: LocalHost, clock: SkippingClock
):
    """start_new of an id whose instance runs raises; nothing is replaced."""
    with clock.standing_still():
        await client.start_new("sleep_hours", "still-running", 1)
        with pytest.raises(Exception, match="already exists"):
            await client.start_new("returns_at_once", "still-running", 1)
    assert (await host.wait("still-running")).output == 3600


@pytest.mark.parametrize(("data", "received"), [({"by": "ann"}, '{"by": "ann"}'), (None, "null")])
async def test_client_raises_events_encoded_twice(
    client: df.DurableOrchestrationClient, host: LocalHost, clock: SkippingClock, data: object, received: str
):
    """The orchestrator receives the data of raise_event as JSON text."""
    with clock.standing_still():
        instance_id = await client.start_new("wait_or_time_out")
        await host.settled()
        await client.raise_event(instance_id, "approval", data)
        assert (await host.wait(instance_id)).output == received


async def test_webhook_raises_events_as_they_are(http: aiohttp.ClientSession, host: LocalHost, clock: SkippingClock):
    """The orchestrator receives the JSON posted to raiseEvent."""
    with clock.standing_still():
        await host.start("wait_or_time_out", None, "event-by-hook")
        await host.settled()
        url = f"{WEBHOOKS}/instances/event-by-hook/raiseEvent/approval"
        async with http.post(url, json={"by": "bob"}) as answer:
            assert answer.status == 202
        assert (await host.wait("event-by-hook")).output == {"by": "bob"}


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [("{", "application/json", 400), ("x", "text/plain", 400)],
)
async def test_webhook_refuses_events_that_are_not_json(
    http: aiohttp.ClientSession, host: LocalHost, clock: SkippingClock, body: str, content_type: str, status: int
):
    """Event data is JSON, and says so."""
    with clock.standing_still():
        instance_id = await host.start("wait_or_time_out")
        url = f"{WEBHOOKS}/instances/{instance_id}/raiseEvent/approval"
        async with http.post(url, data=body, headers={"Content-Type": content_type}) as answer:
            assert answer.status == status
        await host.terminate(instance_id)


async def test_client_terminates(client: df.DurableOrchestrationClient, host: LocalHost, clock: SkippingClock):
    """terminate ends an instance at once, its reason is the output."""
    with clock.standing_still():
        await client.start_new("sleep_hours", "terminated", 1)
        await host.settled()
        await client.terminate("terminated", "no longer needed")
        status = await host.wait("terminated")
    assert (status.runtime_status, status.output) == ("Terminated", "no longer needed")


async def test_client_suspends_and_resumes(
    client: df.DurableOrchestrationClient, host: LocalHost, clock: SkippingClock
):
    """A suspended instance does nothing, whatever happens, until it is resumed."""
    with clock.standing_still():
        await client.start_new("sleep_hours", "suspended", 1)
        await host.settled()
        await client.suspend("suspended", "lunch")
        await host.settled()
        clock.advance(timedelta(hours=2))
        await host.settled()
        assert (await client.get_status("suspended")).runtime_status == STATUS.Suspended
        await client.resume("suspended", "back")
        assert (await host.wait("suspended")).output == 7200


async def test_client_raises_for_operations_on_unknown_ids(client: df.DurableOrchestrationClient):
    """An operation on an instance that does not exist is an error."""
    with pytest.raises(Exception, match="No instance with ID 'nobody' found"):
        await client.terminate("nobody", "")
    with pytest.raises(Exception, match="No instance with ID nobody found"):
        await client.raise_event("nobody", "approval")


async def test_client_raises_for_an_event_to_an_ended_instance(client: df.DurableOrchestrationClient, host: LocalHost):
    """An instance that has ended takes no events."""
    await run(host, "returns_at_once", 1, "ended")
    with pytest.raises(Exception, match="is gone"):
        await client.raise_event("ended", "approval")


async def test_client_purges(client: df.DurableOrchestrationClient, host: LocalHost):
    """A purged instance is forgotten; purging again finds nothing."""
    await run(host, "returns_at_once", 1, "purged")
    assert (await client.purge_instance_history("purged")).instances_deleted == 1
    assert (await client.purge_instance_history("purged")).instances_deleted == 0
    assert not await client.get_status("purged")


async def test_client_purges_by_filter(client: df.DurableOrchestrationClient, host: LocalHost):
    """Purging by status and time forgets exactly what matches."""
    await run(host, "fails", None, "purge-failed")
    await run(host, "returns_at_once", 1, "purge-not")
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    purged = await client.purge_instance_history_by(long_ago, runtime_status=[STATUS.Failed])
    assert purged.instances_deleted >= 1
    assert not await client.get_status("purge-failed")
    assert await client.get_status("purge-not")


async def test_client_lists(client: df.DurableOrchestrationClient, host: LocalHost):
    """get_status_by finds by prefix and status."""
    for n in range(3):
        await run(host, "returns_at_once", n, f"listed-{n}")
    await run(host, "fails", None, "listed-failed")
    found = await client.get_status_by(instance_id_prefix="listed-", runtime_status=[STATUS.Completed])
    assert [status.instance_id for status in found] == ["listed-0", "listed-1", "listed-2"]
    assert "listed-failed" in [status.instance_id for status in await client.get_status_all()]


async def test_list_gives_pages(http: aiohttp.ClientSession, host: LocalHost):
    """A page is as long as asked for; the header's token leads to the next."""
    for n in range(3):
        await run(host, "returns_at_once", n, f"paged-{n}")
    query = {"instanceIdPrefix": "paged-", "top": "2"}
    async with http.get(f"{WEBHOOKS}/instances", params=query) as first:
        assert [status["instanceId"] for status in await first.json()] == ["paged-0", "paged-1"]
    token = {"x-ms-continuation-token": first.headers["x-ms-continuation-token"]}
    async with http.get(f"{WEBHOOKS}/instances", params=query, headers=token) as second:
        assert [status["instanceId"] for status in await second.json()] == ["paged-2"]
    assert second.headers["x-ms-continuation-token"] == ""


@pytest.mark.parametrize("query", [{"runtimeStatus": "Asleep"}, {"createdTimeFrom": "yesterday"}, {"top": "many"}])
async def test_list_refuses_queries_it_does_not_understand(http: aiohttp.ClientSession, query: dict[str, str]):
    """A filter that can't be read is an error, not a filter left out."""
    async with http.get(f"{WEBHOOKS}/instances", params=query) as answer:
        assert answer.status == 400


async def test_client_function_answers_with_the_management_urls(http: aiohttp.ClientSession, host: LocalHost):
    """create_check_status_response points to webhooks of this host that work."""
    async with http.post("/api/start/generations?id=by-http", json=5) as answer:
        urls: dict[str, Any] = await answer.json()
        assert answer.status == 202
        assert answer.headers["Location"] == urls["statusQueryGetUri"]
    await host.wait("by-http")
    async with http.get(urls["statusQueryGetUri"]) as status:
        assert status.status == 200
        assert (await status.json())["output"] == 5
    async with http.delete(urls["purgeHistoryDeleteUri"]) as purged:
        assert await purged.json() == {"instancesDeleted": 1}


async def test_webhook_starts_an_instance(http: aiohttp.ClientSession, host: LocalHost):
    """An orchestration can be started over HTTP with an object as its input."""
    async with http.post(f"{WEBHOOKS}/orchestrators/returns_at_once/by-hook", json={"a": 1}) as answer:
        assert answer.status == 202
        assert (await answer.json())["id"] == "by-hook"
    assert (await host.wait("by-hook")).output == {"a": 1}


async def test_webhook_refuses_an_input_that_is_not_json(http: aiohttp.ClientSession):
    """The body of a start is JSON."""
    async with http.post(f"{WEBHOOKS}/orchestrators/returns_at_once", data="{") as answer:
        assert answer.status == 400


async def test_status_is_accepted_while_running(http: aiohttp.ClientSession, host: LocalHost, clock: SkippingClock):
    """A running instance answers 202 with where to ask again and when."""
    with clock.standing_still():
        await host.start("sleep_hours", 1, "asked")
        await host.settled()
        async with http.get(f"{WEBHOOKS}/instances/asked") as answer:
            assert answer.status == 202
            assert answer.headers["Location"].endswith(f"{WEBHOOKS}/instances/asked")
            assert (await answer.json())["runtimeStatus"] == "Running"
        await host.terminate("asked")


async def test_status_of_a_failure_is_an_error_on_request(http: aiohttp.ClientSession, host: LocalHost):
    """A failed instance answers 200, or 500 if the caller asks for that."""
    await run(host, "fails", None, "failed")
    url = f"{WEBHOOKS}/instances/failed"
    async with http.get(url) as answer:
        assert answer.status == 200
    async with http.get(url, params={"returnInternalServerErrorOnFailure": "true"}) as answer:
        assert answer.status == 500


async def test_status_shows_the_history_on_request(http: aiohttp.ClientSession, host: LocalHost):
    """showHistory adds the events, by name, without the starts and ends of turns."""
    await run(host, "generations", 5, "with-history")
    async with http.get(f"{WEBHOOKS}/instances/with-history", params={"showHistory": "true"}) as answer:
        events = (await answer.json())["historyEvents"]
    assert [event["EventType"] for event in events] == [
        "ExecutionStarted",
        "TaskScheduled",
        "TaskCompleted",
        "ExecutionCompleted",
    ]


async def test_status_is_dated_by_the_clock(host: LocalHost, clock: SkippingClock):
    """Created and updated times are the injected clock's."""
    before = clock.now()
    status = await run(host, "sleep_hours", 2)
    assert status.created_time == before.replace(microsecond=0)
    assert status.last_updated_time - status.created_time == timedelta(hours=2)


@pytest.mark.parametrize(
    ("method", "path", "feature"),
    [
        ("POST", "/instances/ended/rewind", "rewinding"),
        ("POST", "/instances/ended/restart", "restarting"),
        ("GET", "/entities/counter/one", "entities"),
    ],
)
async def test_refuses_what_it_does_not_support(http: aiohttp.ClientSession, method: str, path: str, feature: str):
    """Unsupported operations are refused with a text that names them."""
    async with http.request(method, WEBHOOKS + path) as answer:
        assert answer.status == 501
        assert feature in (await answer.json())["Message"]
