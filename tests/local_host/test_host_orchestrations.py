"""What orchestrations can use: each feature of the SDK the host supports, run through the SDK's own replay."""

from datetime import timedelta
from typing import Any

import pytest
from host_scenarios import Scenarios, output, run

from local_host.clock import SkippingClock
from local_host.host import LocalHost

# The SDK warns of an event nobody waits for yet. In Azure nothing comes of it; here warnings are errors.
early_event = pytest.mark.filterwarnings("ignore:Potential duplicate Task completion:UserWarning")


@pytest.mark.parametrize("name", ["fan_out", "fan_out_async"])
async def test_fans_out_and_in(host: LocalHost, name: str):
    """task_all collects the results of plain and of coroutine activities."""
    assert await output(host, name, 50) == 2 * sum(range(50))


@pytest.mark.parametrize("value", [5, 0, "text", "12", "", [1, 2], [], {"a": None}, {}, 3.5, True, 2**60])
async def test_passes_every_kind_of_json_through(host: LocalHost, value: object):
    """Inputs and outputs come out as the JSON value they went in."""
    assert await output(host, "returns_at_once", value) == value


async def test_starts_without_an_input(host: LocalHost):
    """No input is None, not a JSON null's text."""
    assert (await run(host, "returns_at_once")).output is None


@pytest.mark.parametrize("value", [2, "ab", [1]])
async def test_decodes_activity_inputs_as_the_worker_does(host: LocalHost, value: Any):
    """An activity receives the value the orchestrator gave, through azure.functions' converters."""
    assert await output(host, "echo_through_activity", value) == {"input": value, "result": value * 2}


async def test_passes_payloads_beyond_four_megabytes(host: LocalHost):
    """No message limit of the transport applies."""
    text = "x" * 5_000_000
    assert await output(host, "returns_at_once", text) == text


async def test_runs_sub_orchestrations_under_given_ids(host: LocalHost):
    """Children have the ids they were given and know their parent."""
    assert await output(host, "families", instance_id="family") == [
        {"id": f"family-{n}", "parent": "family", "doubled": n * 2} for n in range(3)
    ]


async def test_gives_nameless_children_an_id_of_the_execution(host: LocalHost):
    """Without an id the child's is made of the parent's execution and the task's number, as DurableTask.Core does."""
    child = await output(host, "nameless_child", instance_id="parent-of-nameless")
    assert isinstance(child, dict)
    assert child["id"].endswith(":0")
    assert child["parent"] == "parent-of-nameless"


async def test_skips_the_time_of_durable_timers(host: LocalHost):
    """Under a skipping clock hours pass at once, and the orchestrator's time follows."""
    assert await output(host, "sleep_hours", 30) == 30 * 3600


async def test_fires_timers_in_their_order(host: LocalHost):
    """The earlier timer fires first, whichever was made first."""
    assert await output(host, "two_sleeps") == [None, 3600]


async def test_chains_timers_beyond_six_days(host: LocalHost):
    """The SDK splits a long timer; the host is told to let it."""
    assert await output(host, "sleep_past_short_timers") == 20


async def test_times_out_when_no_event_comes(host: LocalHost):
    """A timer wins against an event that is never raised."""
    assert await output(host, "wait_or_time_out") == "timed out"


@pytest.mark.parametrize(("data", "received"), [({"by": "ann"}, '{"by": "ann"}'), (None, "null")])
async def test_wakes_an_orchestration_with_an_event(host: LocalHost, clock: SkippingClock, data: object, received: str):
    """An event wins against a timer while the clock stands still; the cancelled timer holds nothing up."""
    with clock.standing_still():
        instance_id = await host.start("wait_or_time_out")
        await host.settled()
        await host.raise_event(instance_id, "approval", data)
        assert (await host.wait(instance_id)).output == received


@early_event
async def test_keeps_an_early_event_for_a_later_wait(host: LocalHost):
    """An event raised before the orchestrator waits for it is delivered when it does."""
    instance_id = await host.start("wait_twice")
    await host.settled()
    await host.raise_event(instance_id, "second", 2)
    await host.settled()
    await host.raise_event(instance_id, "first", 1)
    assert (await host.wait(instance_id)).output == ["1", "2"]


async def test_advances_time_by_hand(host: LocalHost, clock: SkippingClock):
    """While the clock stands still a timer fires only when the test has moved the time far enough."""
    with clock.standing_still():
        instance_id = await host.start("sleep_hours", 2)
        await host.settled()
        clock.advance(timedelta(hours=1))
        await host.settled()
        status = await host.status(instance_id)
        assert status is not None and status.runtime_status == "Running"
        clock.advance(timedelta(hours=1))
        assert (await host.wait(instance_id)).output == 7200


async def test_retries_an_activity(host: LocalHost):
    """Attempts follow one another after the interval, and later tasks keep their ids in step."""
    assert await output(host, "retry_until_it_works", instance_id="retried") == [3, 2, 120]


async def test_gives_up_after_the_last_attempt(host: LocalHost):
    """After the last attempt the failure reaches the orchestrator at once, which can go on."""
    assert await output(host, "retry_in_vain") == ["Activity function 'fail' failed:  ValueError: no luck", 60, 8]


async def test_retries_calls_side_by_side(host: LocalHost):
    """Retried calls inside task_all each count for themselves."""
    assert await output(host, "retry_together", instance_id="together") == [3, 3, 3]


async def test_retries_a_sub_orchestration(host: LocalHost):
    """A failed child is started again under its id; its last failure reaches the parent."""
    assert "nothing there" in str(await output(host, "retry_a_child"))


async def test_continues_as_new(host: LocalHost):
    """Each generation starts with the input of the one before, under the same id."""
    status = await run(host, "generations", 1)
    assert (status.output, status.input, status.custom_status) == (5, "5", {"generation": 5})


async def test_keeps_the_status_over_generations(host: LocalHost):
    """A generation that sets no custom status keeps the last one's."""
    assert (await run(host, "quiet_generations", 1)).custom_status == "from the first"


async def test_keeps_the_history_of_the_present_generation_only(host: LocalHost):
    """continue_as_new empties the history."""
    instance_id = await host.start("generations", 1)
    await host.wait(instance_id)
    names = [event.get("Input") for event in await host.history(instance_id) if event["EventType"] == 0]
    assert names == ['"5"']


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("fails", "Orchestrator function 'fails' failed: 'nothing there'"),
        ("lets_an_activity_fail", "Activity function 'fail' failed:  ValueError: no luck"),
    ],
)
async def test_fails_with_the_reason_as_output(host: LocalHost, name: str, reason: str):
    """An unhandled exception fails the instance and becomes its output."""
    status = await run(host, name)
    assert status.runtime_status == "Failed"
    assert reason in status.output


async def test_lets_a_parent_catch_a_failed_child(host: LocalHost):
    """The child's failure reaches the parent as an exception with its reason."""
    assert "Orchestrator function 'fails' failed" in str(await output(host, "catches_a_child"))


async def test_waits_for_nothing(host: LocalHost):
    """An empty task_all gives None at once."""
    assert await output(host, "nothing_to_wait_for") == [None, 2]


async def test_delivers_activities_twice_on_demand(host: LocalHost):
    """With the fault option each activity runs twice and its second result counts; without it once."""
    async with LocalHost(Scenarios().app(), clock=SkippingClock(), deliver_activities_twice=True) as faulty:
        assert await output(faulty, "note_once", instance_id="note") == 2
        # Its first attempt fails and is delivered again: only the second and third delivery are seen.
        assert await output(faulty, "retry_until_it_works", instance_id="retried") == [4, 2, 60]
    assert await output(host, "note_once", instance_id="note") == 1
