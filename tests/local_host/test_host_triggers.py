"""Triggers without a response: Event Grid, timers, and any function run by hand."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import aiohttp
import azure.functions as func
import pytest
from host_scenarios import Scenarios, output

from local_host.clock import SystemClock
from local_host.functions import Functions, Invoker
from local_host.host import LocalHost
from local_host.settings import AppNotLoaded
from local_host.timer_triggers import run_schedule, schedules
from tests.conftest import PATIENCE_SECONDS

EVENT_GRID = "/runtime/webhooks/eventgrid?functionName=on_event"


def an_event(**changed: Any) -> dict[str, Any]:
    """An event in Event Grid's own schema."""
    return {
        "id": "1",
        "topic": "/subscriptions/s",
        "subject": "vault",
        "eventType": "Microsoft.Resources.ResourceWriteSuccess",
        "eventTime": "2026-01-01T00:00:00Z",
        "data": {"n": 1},
        "dataVersion": "1",
        **changed,
    }


async def test_event_grid_validates_the_subscription(http: aiohttp.ClientSession):
    """The validation event is answered with its code."""
    event = an_event(data={"validationCode": "ABC"})
    headers = {"aeg-event-type": "SubscriptionValidation"}
    async with http.post(EVENT_GRID, json=[event], headers=headers) as answer:
        assert await answer.json() == {"validationResponse": "ABC"}


async def test_event_grid_allows_cloud_event_senders(http: aiohttp.ClientSession):
    """The OPTIONS handshake of CloudEvents names the origin it allows."""
    async with http.options(EVENT_GRID, headers={"WebHook-Request-Origin": "eventgrid.azure.net"}) as answer:
        assert answer.status == 200
        assert answer.headers["WebHook-Allowed-Origin"] == "eventgrid.azure.net"


async def test_event_grid_calls_the_function_once_per_event(http: aiohttp.ClientSession, scenarios: Scenarios):
    """A batch is delivered event by event."""
    scenarios.events.clear()
    async with http.post(EVENT_GRID, json=[an_event(id=str(n)) for n in range(3)]) as answer:
        assert answer.status == 202
    assert sorted(event.id for event in scenarios.events) == ["0", "1", "2"]
    assert scenarios.events[0].get_json() == {"n": 1}


async def test_event_grid_delivers_cloud_events(http: aiohttp.ClientSession, scenarios: Scenarios):
    """A CloudEvent reaches the function as one."""
    scenarios.events.clear()
    event = {"specversion": "1.0", "id": "c1", "source": "/s", "type": "t", "subject": "vault", "data": {"n": 2}}
    headers = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
    async with http.post(EVENT_GRID, json=event, headers=headers) as answer:
        assert answer.status == 202
    [received] = scenarios.events
    assert isinstance(received, func.CloudEvent)
    assert (received.id, received.source) == ("c1", "/s")


async def test_event_grid_answers_500_if_one_event_fails(http: aiohttp.ClientSession, scenarios: Scenarios):
    """A failure makes Event Grid deliver the batch again; the other events have been handled."""
    scenarios.events.clear()
    async with http.post(EVENT_GRID, json=[an_event(subject="broken"), an_event(id="2")]) as answer:
        assert answer.status == 500
    assert [event.id for event in scenarios.events] == ["2"]


@pytest.mark.parametrize(("name", "status"), [("nobody", 404), ("nightly", 404)])
async def test_event_grid_knows_its_functions(http: aiohttp.ClientSession, name: str, status: int):
    """Only functions with an Event Grid trigger can be delivered to."""
    async with http.post(f"/runtime/webhooks/eventgrid?functionName={name}", json=[an_event()]) as answer:
        assert answer.status == status


async def test_event_grid_refuses_what_is_not_json(http: aiohttp.ClientSession):
    """A delivery that can't be read is an error of the sender."""
    async with http.post(EVENT_GRID, data="{") as answer:
        assert answer.status == 400


async def test_runs_a_timer_function_by_hand(http: aiohttp.ClientSession, scenarios: Scenarios):
    """The admin endpoint accepts at once and calls the function as its timer would."""
    async with http.post("/admin/functions/nightly", json={}) as answer:
        assert answer.status == 202
    called = await asyncio.to_thread(scenarios.timer_calls.get, timeout=PATIENCE_SECONDS)
    assert called.past_due is False


async def test_runs_an_activity_by_hand(http: aiohttp.ClientSession, scenarios: Scenarios):
    """The `input` of the body is the activity's input."""
    async with http.post("/admin/functions/note", json={"input": '"by hand"'}) as answer:
        assert answer.status == 202
    while await asyncio.to_thread(scenarios.notes.get, timeout=PATIENCE_SECONDS) != "by hand":
        """Notes of other tests."""


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("nobody", "{}", 404),
        ("fan_out", "{}", 400),
        ("broken", "{}", 400),
        ("nightly", "{", 400),
        ("note", "[]", 400),
        ("note", '{"input": 1}', 400),
    ],
)
async def test_refuses_runs_by_hand_that_make_no_sense(http: aiohttp.ClientSession, name: str, body: str, status: int):
    """Orchestrators and HTTP functions have their own ways in; the body is an object with a text."""
    async with http.post(f"/admin/functions/{name}", data=body) as answer:
        assert answer.status == status


async def test_counts_what_ran(http: aiohttp.ClientSession, host: LocalHost):
    """Each call of an activity and each turn of an orchestration is an execution; the longest history is kept."""

    async def counted() -> dict[str, dict[str, int]]:
        async with http.get("/admin/host/executions") as answer:
            return await answer.json()

    before = (await counted())["executions"]
    await output(host, "echo_through_activity", "any")
    after = await counted()

    name = "echo_through_activity"
    assert after["executions"][name] - before.get(name, 0) == 2
    assert after["longestHistories"][name] == 6


async def test_lists_functions_and_tells_its_state(http: aiohttp.ClientSession):
    """The admin API shows every function with its bindings, and that the host runs."""
    async with http.get("/admin/functions") as answer:
        listed = {function["name"]: function["config"]["bindings"] for function in await answer.json()}
    assert listed["nightly"][0]["schedule"] == "0 0 3 * * *"
    async with http.get("/admin/host/status") as answer:
        assert (await answer.json())["state"] == "Running"


async def test_calls_a_timer_function_at_startup():
    """run_on_startup calls the function when the host starts."""
    called = asyncio.Event()
    app = func.FunctionApp()

    async def on_timer(timer: func.TimerRequest) -> None:
        called.set()

    app.timer_trigger(arg_name="timer", schedule="0 0 3 * * *", run_on_startup=True)(on_timer)
    async with LocalHost(app), asyncio.timeout(PATIENCE_SECONDS):
        await called.wait()


class AlmostDue(SystemClock):
    """A clock that always stands just before the next full minute."""

    def now(self) -> datetime:
        return datetime(2026, 1, 1, 12, 0, 59, 999_000, tzinfo=UTC)


async def test_calls_a_timer_function_on_its_schedule():
    """The function is called whenever it is due, and one failure does not end that."""
    calls = asyncio.Semaphore(0)

    async def on_timer(timer: func.TimerRequest) -> None:
        calls.release()
        raise RuntimeError("this run failed")

    [schedule] = schedules(_timer_app("0 * * * * *", on_timer), {})
    async with asyncio.timeout(PATIENCE_SECONDS):
        running = asyncio.create_task(run_schedule(schedule, Invoker(ThreadPoolExecutor(), ""), AlmostDue()))
        await calls.acquire()
        await calls.acquire()
    running.cancel()


@pytest.mark.parametrize(
    ("expression", "due"),
    [
        ("0 30 3 * * *", datetime(2026, 1, 2, 3, 30, tzinfo=UTC)),
        ("30 3 * * *", datetime(2026, 1, 2, 3, 30, tzinfo=UTC)),
        ("*/15 * * * * *", datetime(2026, 1, 1, 12, 0, 15, tzinfo=UTC)),
        ("%AUDIT%", datetime(2026, 1, 1, 13, tzinfo=UTC)),
    ],
)
def test_reads_ncrontab(expression: str, due: datetime):
    """Six fields begin with the seconds, five have none, and %NAME% is a setting."""
    [schedule] = schedules(_timer_app(expression), {"AUDIT": "0 0 * * * *"})
    assert schedule.next_after(datetime(2026, 1, 1, 12, tzinfo=UTC)) == due


@pytest.mark.parametrize(
    ("expression", "reason"),
    [("%MISSING%", "the setting MISSING of its schedule is missing"), ("daily", "is not an NCRONTAB expression")],
)
def test_refuses_schedules_it_can_not_read(expression: str, reason: str):
    """A wrong schedule is found when the app is loaded, not when it should run."""
    with pytest.raises(AppNotLoaded, match=reason):
        schedules(_timer_app(expression), {})


def does_nothing(timer: func.TimerRequest) -> None: ...


def _timer_app(expression: str, function: Callable[[func.TimerRequest], Any] = does_nothing) -> Functions:
    app = func.FunctionApp()
    app.timer_trigger(arg_name="timer", schedule=expression)(function)
    return Functions(app)
