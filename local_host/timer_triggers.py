"""Timer triggers: functions called on a schedule, by the real time.

Under a clock that skips they only run by hand (`POST /admin/functions/{name}`): a schedule has no end to skip to.
"""

import asyncio
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from azure.functions.meta import Datum
from croniter import croniter

from local_host.clock import Clock
from local_host.functions import TIMER, Function, Functions, Invoker
from local_host.settings import AppNotLoaded

log = logging.getLogger(__name__)

NOT_PAST_DUE = json.dumps({"IsPastDue": False, "Schedule": {"AdjustForDST": True}, "ScheduleStatus": None})
WITH_SECONDS = 6  # fields of an NCRONTAB expression; with five it has no seconds


@dataclass(frozen=True)
class Schedule:
    """When a timer function runs: an NCRONTAB expression, and whether the host's start counts too."""

    function: Function
    expression: str
    runs_on_startup: bool

    def next_after(self, time: datetime) -> datetime:
        return croniter(self.expression, time, second_at_beginning=_has_seconds(self.expression)).get_next(datetime)


def schedules(functions: Functions, environ: Mapping[str, str] = os.environ) -> list[Schedule]:
    """The schedules of all timer functions, with `%SETTING%` names resolved.

    Raises AppNotLoaded for a missing setting or an expression that is not NCRONTAB.
    """
    return [_schedule(function, environ) for function in functions.of_kind(TIMER)]


async def run_schedule(schedule: Schedule, invoker: Invoker, clock: Clock) -> None:
    """Call the function whenever it is due, until cancelled. A run longer than the interval delays the next."""
    if schedule.runs_on_startup:
        await _call(schedule.function, invoker)
    while True:
        now = clock.now()
        await asyncio.sleep((schedule.next_after(now) - now).total_seconds())
        await _call(schedule.function, invoker)


async def _call(function: Function, invoker: Invoker) -> None:
    try:
        await invoker.invoke(function, Datum(NOT_PAST_DUE, "json"))
    except Exception:
        log.exception("Timer function '%s' failed", function.name)


def _schedule(function: Function, environ: Mapping[str, str]) -> Schedule:
    expression: str = function.trigger["schedule"]
    if expression.startswith("%") and expression.endswith("%"):
        setting = expression.strip("%")
        if setting not in environ:
            raise AppNotLoaded(f"Timer function '{function.name}': the setting {setting} of its schedule is missing.")
        expression = environ[setting]
    if not croniter.is_valid(expression, second_at_beginning=_has_seconds(expression)):
        raise AppNotLoaded(f"Timer function '{function.name}': '{expression}' is not an NCRONTAB expression.")
    return Schedule(function, expression, str(function.trigger.get("runOnStartup")).lower() == "true")


def _has_seconds(expression: str) -> bool:
    return len(expression.split()) == WITH_SECONDS
