"""A small app with one function per feature of the local host, what reaches its functions, and how to run one."""

import json
from collections import Counter
from datetime import timedelta
from queue import Queue
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from local_host.host import LocalHost
from local_host.instances import InstanceStatus

HOUR = timedelta(hours=1)

Context = Any  # DurableOrchestrationContext: its annotations allow less than it does


async def run(host: LocalHost, name: str, given: object = None, instance_id: str | None = None) -> InstanceStatus:
    """Start an orchestration and wait for its end."""
    return await host.wait(await host.start(name, given, instance_id))


async def output(host: LocalHost, name: str, given: object = None, instance_id: str | None = None) -> object:
    """The output of an orchestration that must complete."""
    status = await run(host, name, given, instance_id)
    assert status.runtime_status == "Completed", status
    return status.output


class Scenarios:
    """Builds the app; its functions note here what reaches them."""

    def __init__(self) -> None:
        self.attempts: Counter[str] = Counter()
        self.notes: Queue[str] = Queue()
        self.events: list[func.EventGridEvent | func.CloudEvent] = []
        self.timer_calls: Queue[func.TimerRequest] = Queue()

    def app(self) -> df.DFApp:
        """A fresh app object with all functions registered."""
        app = df.DFApp()
        for activity in (self.double, self.double_async, self.fail, self.fail_twice, self.note):
            app.activity_trigger(input_name="step")(activity)
        for orchestration in ORCHESTRATIONS:
            app.orchestration_trigger(context_name="context")(orchestration)
        app.route(route="echo/{vault}/{item?}", methods=["GET", "POST"])(self.echo)
        app.route(route="echo/{vault}/items", methods=["GET"])(self.items)
        app.route(route="echo/search", methods=["GET"])(self.search)
        app.route(route="numbers/{n:int}", methods=["GET"])(self.number)
        app.route(route="files/{*path}", methods=["GET"])(self.file)
        app.route(route="broken", methods=["GET"])(self.broken)
        app.route(route="nothing", methods=["GET"])(self.nothing)
        app.route(route="cookies", methods=["GET"])(self.cookies)
        started = app.durable_client_input(client_name="client")(self.start_by_http)
        app.route(route="start/{name}", methods=["POST"])(started)
        app.event_grid_trigger(arg_name="event")(self.on_event)
        app.timer_trigger(arg_name="timer", schedule="0 0 3 * * *")(self.nightly)
        return app

    # Activities

    def double(self, step: int) -> int:
        return step * 2

    async def double_async(self, step: int) -> int:
        return step * 2

    def fail(self, step: str) -> None:
        raise ValueError(f"no {step}")

    def fail_twice(self, step: str) -> int:
        self.attempts[step] += 1
        if self.attempts[step] < 3:
            raise RuntimeError(f"attempt {self.attempts[step]}")
        return self.attempts[step]

    def note(self, step: str) -> int:
        """How often it has run for `step`."""
        self.attempts[step] += 1
        self.notes.put(step)
        return self.attempts[step]

    # HTTP

    def echo(self, req: func.HttpRequest) -> func.HttpResponse:
        seen = {
            "url": req.url,
            "method": req.method,
            "params": dict(req.params),
            "route_params": dict(req.route_params),
            "header": req.headers.get("x-vault"),
            "body": req.get_body().decode(),
        }
        return func.HttpResponse(
            json.dumps(seen), status_code=203, mimetype="application/json", headers={"x-answer": "yes"}
        )

    def search(self, req: func.HttpRequest) -> str:
        return "search"

    def items(self, req: func.HttpRequest) -> str:
        return "items"

    def number(self, req: func.HttpRequest) -> str:
        return req.route_params["n"]

    def file(self, req: func.HttpRequest) -> str:
        return req.route_params["path"]

    def broken(self, req: func.HttpRequest) -> str:
        raise RuntimeError("broken")

    def nothing(self, req: func.HttpRequest) -> None:
        return None

    def cookies(self, req: func.HttpRequest) -> func.HttpResponse:
        response = func.HttpResponse("two")
        response.headers.add("Set-Cookie", "a=1; Path=/; HttpOnly")
        response.headers.add("Set-Cookie", "b=2")
        return response

    async def start_by_http(self, req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
        instance_id = await client.start_new(req.route_params["name"], req.params.get("id"), req.get_json())
        return client.create_check_status_response(req, instance_id)

    # Other triggers

    async def on_event(self, event: func.EventGridEvent) -> None:
        if event.subject == "broken":
            raise RuntimeError("broken event")
        self.events.append(event)

    def nightly(self, timer: func.TimerRequest) -> None:
        self.timer_calls.put(timer)


# Orchestrations


def fan_out(context: Context):
    calls = [context.call_activity("double", n) for n in range(context.get_input())]
    return sum((yield context.task_all(calls)))


def fan_out_async(context: Context):
    calls = [context.call_activity("double_async", n) for n in range(context.get_input())]
    return sum((yield context.task_all(calls)))


def families(context: Context):
    """Sub-orchestrations with given ids."""
    own_id = context.instance_id
    children = [context.call_sub_orchestrator("child", {"n": n}, f"{own_id}-{n}") for n in range(3)]
    return (yield context.task_all(children))


def child(context: Context):
    doubled = yield context.call_activity("double", context.get_input()["n"])
    return {"id": context.instance_id, "parent": context.parent_instance_id, "doubled": doubled}


def nameless_child(context: Context):
    return (yield context.call_sub_orchestrator("child", {"n": 1}))


def sleep_hours(context: Context):
    started = context.current_utc_datetime
    yield context.create_timer(started + context.get_input() * HOUR)
    return (context.current_utc_datetime - started).total_seconds()


def two_sleeps(context: Context):
    """Timers made in one turn, later one first."""
    now = context.current_utc_datetime
    first = yield context.task_any([context.create_timer(now + 2 * HOUR), context.create_timer(now + HOUR)])
    return [first.result, (context.current_utc_datetime - now).total_seconds()]


def sleep_past_short_timers(context: Context):
    """Longer than the six days of one timer: the SDK makes a chain of it."""
    started = context.current_utc_datetime
    yield context.create_timer(started + timedelta(days=20))
    return (context.current_utc_datetime - started).days


def wait_or_time_out(context: Context):
    timeout = context.create_timer(context.current_utc_datetime + HOUR)
    approval = context.wait_for_external_event("approval")
    if (yield context.task_any([approval, timeout])) == timeout:
        return "timed out"
    timeout.cancel()
    return approval.result


def wait_twice(context: Context):
    first = yield context.wait_for_external_event("first")
    second = yield context.wait_for_external_event("second")
    return [first, second]


def wait_again(context: Context):
    """Waits for an event that comes too late for the first wait, while that wait is still open."""
    timeout = context.create_timer(context.current_utc_datetime + HOUR)
    yield context.task_any([context.wait_for_external_event("late"), timeout])
    return (yield context.wait_for_external_event("late"))


def retry_until_it_works(context: Context):
    options = df.RetryOptions(60_000, 3)
    started = context.current_utc_datetime
    attempts = yield context.call_activity_with_retry("fail_twice", options, context.instance_id)
    after = yield context.call_activity("double", 1)
    return [attempts, after, (context.current_utc_datetime - started).total_seconds()]


def retry_in_vain(context: Context):
    started = context.current_utc_datetime
    try:
        yield context.call_activity_with_retry("fail", df.RetryOptions(60_000, 2), "luck")
    except Exception as error:
        waited = (context.current_utc_datetime - started).total_seconds()
        after = yield context.call_activity("double", 4)
        return [str(error).split(" \n ")[0], waited, after]


def retry_together(context: Context):
    options = df.RetryOptions(60_000, 3)
    calls = [context.call_activity_with_retry("fail_twice", options, f"{context.instance_id}-{n}") for n in range(3)]
    return (yield context.task_all(calls))


def retry_a_child(context: Context):
    try:
        yield context.call_sub_orchestrator_with_retry("fails", df.RetryOptions(60_000, 2), None, "retried-child")
    except Exception as error:
        return str(error)


def generations(context: Context):
    number = context.get_input()
    context.set_custom_status({"generation": number})
    yield context.call_activity("double", number)
    if number < 5:
        context.continue_as_new(number + 1)
        return None
    return number


def quiet_generations(context: Context):
    """Sets a status in its first generation only."""
    number = context.get_input()
    if number == 1:
        context.set_custom_status("from the first")
    yield context.call_activity("double", number)
    if number == 1:
        context.continue_as_new(2)


def fails(context: Context):
    yield context.call_activity("double", 1)
    raise KeyError("nothing there")


def lets_an_activity_fail(context: Context):
    yield context.call_activity("fail", "luck")


def catches_a_child(context: Context):
    try:
        yield context.call_sub_orchestrator("fails")
    except Exception as error:
        return str(error)


def big_status(context: Context):
    context.set_custom_status("x" * context.get_input())
    yield context.call_activity("double", 1)


def returns_at_once(context: Context):
    return context.get_input()


def echo_through_activity(context: Context):
    value = context.get_input()
    return {"input": value, "result": (yield context.call_activity("double", value))}


def nothing_to_wait_for(context: Context):
    return [(yield context.task_all([])), (yield context.call_activity("double", 1))]


def slide_a_window(context: Context):
    """Four sleeps of an hour, two at a time, the next started whenever one ends."""
    started = context.current_utc_datetime
    waiting = [f"{context.instance_id}-{n}" for n in range(4)]
    running: list[Any] = []
    while waiting or running:
        while waiting and len(running) < 2:
            running.append(context.call_sub_orchestrator("sleep_hours", 1, waiting.pop()))
        running.remove((yield context.task_any(running)))
    return (context.current_utc_datetime - started).total_seconds() / 3600


def leave_a_loser(context: Context):
    """Returns while the slower of two sub-orchestrations still runs."""
    quick = context.call_sub_orchestrator("sleep_hours", 1, f"{context.instance_id}-quick")
    slow = context.call_sub_orchestrator("sleep_hours", 5, f"{context.instance_id}-slow")
    yield context.task_any([quick, slow])
    return "won"


def continue_with_an_open_timer(context: Context):
    """Leaves a timer of five hours open, then continues as new."""
    if context.get_input() == 2:
        return context.current_utc_datetime.isoformat()
    context.create_timer(context.current_utc_datetime + HOUR)
    now = context.current_utc_datetime
    yield context.task_any([context.create_timer(now + HOUR), context.create_timer(now + 5 * HOUR)])
    context.continue_as_new(2)


def continue_with_a_cancelled_timer(context: Context):
    """The cancelled timer of the first generation is due while the second one waits for its own."""
    started = context.current_utc_datetime
    if context.get_input() == 2:
        yield context.create_timer(started + 3 * HOUR)
        return (context.current_utc_datetime - started).total_seconds() / 3600
    loser = context.create_timer(started + 2 * HOUR)
    yield context.task_any([loser, context.create_timer(started + HOUR)])
    loser.cancel()
    context.continue_as_new(2)


def drop_events(context: Context):
    """The first generation does not wait for the event that reaches it."""
    if context.get_input() == 1:
        yield context.wait_for_external_event("go")
        context.continue_as_new(2)
        return None
    timeout = context.create_timer(context.current_utc_datetime + HOUR)
    nudge = context.wait_for_external_event("nudge")
    if (yield context.task_any([nudge, timeout])) == timeout:
        return "dropped"
    timeout.cancel()
    return "kept"


def fail_while_others_run(context: Context):
    """One of two children fails at once, the other takes two hours."""
    started = context.current_utc_datetime
    try:
        yield context.task_all(
            [context.call_sub_orchestrator("fails"), context.call_sub_orchestrator("sleep_hours", 2)]
        )
    except Exception:
        caught = (context.current_utc_datetime - started).total_seconds() / 3600
        yield context.call_activity("double", 1)
        return [caught, (context.current_utc_datetime - started).total_seconds() / 3600]


def note_once(context: Context):
    return (yield context.call_activity("note", context.instance_id))


def call_unknown_activity(context: Context):
    try:
        yield context.call_activity("no_such_activity")
    except Exception:
        return "caught"


def call_unknown_child(context: Context):
    yield context.call_sub_orchestrator("no_such_orchestration")


def use_an_entity(context: Context):
    yield context.call_entity(df.EntityId("counter", "one"), "add", 1)


def signal_an_entity(context: Context):
    context.signal_entity(df.EntityId("counter", "one"), "add", 1)
    yield context.call_activity("double", 1)


def call_http(context: Context):
    yield context.call_http("GET", "http://localhost/")


ORCHESTRATIONS = (
    fan_out,
    fan_out_async,
    families,
    child,
    nameless_child,
    sleep_hours,
    two_sleeps,
    sleep_past_short_timers,
    wait_or_time_out,
    wait_twice,
    wait_again,
    retry_until_it_works,
    retry_in_vain,
    retry_together,
    retry_a_child,
    generations,
    quiet_generations,
    fails,
    lets_an_activity_fail,
    catches_a_child,
    big_status,
    returns_at_once,
    echo_through_activity,
    nothing_to_wait_for,
    slide_a_window,
    leave_a_loser,
    continue_with_an_open_timer,
    continue_with_a_cancelled_timer,
    drop_events,
    fail_while_others_run,
    note_once,
    call_unknown_activity,
    call_unknown_child,
    use_an_entity,
    signal_an_entity,
    call_http,
)
