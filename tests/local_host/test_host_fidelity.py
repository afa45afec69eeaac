"""Behaviour of Durable Functions v1 that surprises, and that this host must share so that Azure brings no surprise.

README.md of local_host tells which of these rest on reading the extension's code only.
"""

import pytest
from host_scenarios import output, run

from local_host.clock import SkippingClock
from local_host.host import LocalHost
from local_host.instances import AlreadyRunning, StartRefused


async def test_serialises_a_window_of_task_any(host: LocalHost):
    """Four hours of work, two at a time: not two hours, because after the first window tasks start one by one."""
    assert await output(host, "slide_a_window", instance_id="window") == 3


async def test_runs_on_until_open_tasks_have_ended(host: LocalHost, clock: SkippingClock):
    """An orchestration that has returned stays Running while a sub-orchestration it started is open."""
    before = clock.now()
    assert await output(host, "leave_a_loser", instance_id="loser") == "won"
    assert (clock.now() - before).total_seconds() == 5 * 3600


async def test_continues_as_new_only_without_open_timers(host: LocalHost, clock: SkippingClock):
    """An uncancelled timer keeps the old generation until it has fired."""
    before = clock.now()
    await output(host, "continue_with_an_open_timer", 1)
    assert (clock.now() - before).total_seconds() == 5 * 3600


async def test_forgets_the_cancelled_timers_of_a_past_generation(host: LocalHost):
    """A cancelled timer holds nothing up and does not fire in the next generation."""
    assert await output(host, "continue_with_a_cancelled_timer", 1) == 3


@pytest.mark.filterwarnings("ignore:Potential duplicate Task completion:UserWarning")
async def test_drops_events_nobody_waited_for(host: LocalHost, clock: SkippingClock):
    """continue_as_new loses the events a generation has received and not waited for."""
    with clock.standing_still():
        instance_id = await host.start("drop_events", 1)
        await host.settled()
        await host.raise_event(instance_id, "nudge")
        await host.settled()
        await host.raise_event(instance_id, "go")
        await host.settled()
    assert (await host.wait(instance_id)).output == "dropped"


async def test_gives_an_event_to_the_newest_wait(host: LocalHost):
    """A wait left behind by a timeout does not take the event from the wait that follows it."""
    instance_id = await host.start("wait_again")
    await host.settled()
    await host.raise_event(instance_id, "late", "here")
    assert (await host.wait(instance_id)).output == '"here"'


async def test_issues_nothing_new_until_a_failed_task_all_is_over(host: LocalHost):
    """task_all raises with the first failure, but the next activity starts only when all others have ended."""
    assert await output(host, "fail_while_others_run") == [0, 2]


async def test_limits_the_custom_status(host: LocalHost):
    """A custom status beyond 16 KB of UTF-16 fails the orchestration; one below passes."""
    assert (await run(host, "big_status", 8_000)).runtime_status == "Completed"
    status = await run(host, "big_status", 9_000)
    assert status.runtime_status == "Failed"
    assert "must not exceed 16 KB" in status.output


async def test_refuses_the_id_of_a_running_instance(host: LocalHost, clock: SkippingClock):
    """An id can be started again only when its instance has ended."""
    with clock.standing_still():
        await host.start("sleep_hours", 1, "one-at-a-time")
        with pytest.raises(AlreadyRunning):
            await host.start("sleep_hours", 1, "one-at-a-time")
    await host.wait("one-at-a-time")
    assert await output(host, "returns_at_once", "again", "one-at-a-time") == "again"


async def test_refuses_to_start_an_unknown_orchestrator(host: LocalHost):
    """Starting a name that is no orchestrator function is an error that lists those that are."""
    with pytest.raises(StartRefused, match=r"'nobody' doesn't exist.*known orchestrator functions: big_status"):
        await host.start("nobody")


@pytest.mark.parametrize("bad_id", ["@entity", "a/b", "a\\b", "a?b", "a#b", "x" * 101, "tab\t"])
async def test_refuses_unusable_instance_ids(host: LocalHost, bad_id: str):
    """Ids the extension refuses are refused."""
    with pytest.raises(StartRefused, match="instance id"):
        await host.start("returns_at_once", 1, bad_id)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("call_unknown_activity", "'no_such_activity' doesn't exist, is disabled, or is not an activity function"),
        (
            "call_unknown_child",
            "'no_such_orchestration' doesn't exist, is disabled, or is not an orchestrator function",
        ),
        ("use_an_entity", "call_entity (entities) is not supported by the local host"),
        ("signal_an_entity", "signal_entity (entities) is not supported by the local host"),
        ("call_http", "call_http (durable HTTP) is not supported by the local host"),
    ],
)
async def test_fails_what_it_can_not_carry_out(host: LocalHost, name: str, reason: str):
    """Unknown names and unsupported features fail the orchestration with a text that names them."""
    status = await run(host, name)
    assert status.runtime_status == "Failed"
    assert reason in status.output
