"""How every orchestration here waits: for a durable timer or a nudge, once a generation; and what it tells of why."""

from collections.abc import Generator
from datetime import timedelta
from typing import Any, cast

from azure.durable_functions import DurableOrchestrationContext
from azure.durable_functions.models.Task import TimerTask

from migration.steps import NUDGE


def first_line(error: Exception) -> str:
    """What a failed activity said, without the traceback that Durable hangs on it."""
    return (str(error).splitlines() or [type(error).__name__])[0].strip()[:500]


def sleep_until_nudged(context: DurableOrchestrationContext, seconds: int) -> Generator[Any, Any, None]:
    """Sleep `seconds`, or until somebody raises the event `nudge`.

    The event carries nothing: what changed is in the ledger, so that a lost nudge only delays. The losing timer is
    cancelled, because an orchestration does not end or continue as new while a timer is open.
    """
    timer = cast(TimerTask, context.create_timer(context.current_utc_datetime + timedelta(seconds=seconds)))
    nudge = context.wait_for_external_event(NUDGE)
    first = yield context.task_any([timer, nudge])
    if first is nudge:
        timer.cancel()
