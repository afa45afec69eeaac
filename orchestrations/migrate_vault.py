"""The controller of one vault: one cycle, then everything is forgotten but the ledger."""

# The SDK leaves the functions it takes untyped, which makes its call_* methods partially unknown:
# pyright: reportUnknownMemberType=false

from collections.abc import Generator
from datetime import timedelta
from typing import Any, TypeVar

import msgspec
from azure.durable_functions import DurableOrchestrationContext

from migration.steps import Change, CycleAnswer, Ensured, Gate, ItemOrder, JobOrder, VaultOrder
from orchestrations.sleep import first_line, sleep_until_nudged

A = TypeVar("A", Gate, Change)
OUTAGE_SECONDS = 60
NEXT_BATCH_SECONDS = 30  # soon, but each look costs a read of the jobs


def migrate_vault(context: DurableOrchestrationContext) -> Generator[Any, Any, dict[str, Any]]:
    """
    1. Look at the vault's jobs; what ended is settled, and some items' turn has come. Where an operator has stopped the
       migration and wished it, cancel the jobs that can be.
    2. Make sure that source and target policies are still what was planned.
    3. Check each of those items live, all at once.
    4. Write the new policy to those that passed, all at once.
    5. Sleep until the next look, or a nudge, and begin a new generation; or end when the vault is done.

    It never fails: what an outage interrupts, the next cycle finds in the ledger and in Azure.
    """
    order = msgspec.convert(context.get_input(), VaultOrder)
    try:
        answer = yield context.call_activity("monitor_jobs", msgspec.to_builtins(order))
        cycle = msgspec.convert(answer, CycleAnswer)
        context.set_custom_status({"inFlight": cycle.in_flight, "waiting": cycle.waiting, "note": cycle.note})
        if cycle.finished:
            return {"finished": True}
        if cycle.cancel:
            jobs = [
                JobOrder(migration_id=order.migration_id, vault_key=order.vault_key, job_id=job) for job in cycle.cancel
            ]
            yield context.task_all([context.call_activity("cancel_job", msgspec.to_builtins(job)) for job in jobs])
        wait, stay_away = yield from _start(context, order, cycle)
        if stay_away:
            until = context.current_utc_datetime + timedelta(seconds=stay_away)
            order = msgspec.structs.replace(order, no_writes_before=until)
    except Exception as outage:  # the clients have tried; now time has to pass
        context.set_custom_status({"note": f"trying again in {OUTAGE_SECONDS} s: {first_line(outage)}"})
        wait = OUTAGE_SECONDS
    yield from sleep_until_nudged(context, wait)
    context.continue_as_new(msgspec.to_builtins(order))
    return {"finished": False}


def _start(
    context: DurableOrchestrationContext, order: VaultOrder, cycle: CycleAnswer
) -> Generator[Any, Any, tuple[int, int]]:
    """Gate and write the items whose turn it is; answers the seconds to the next look, and those to stay away.

    A service that takes no writes now is no reason not to look: the jobs that run are followed at their pace.
    """
    if not cycle.start:
        return cycle.wait_seconds, 0
    soon = max(NEXT_BATCH_SECONDS, cycle.soonest_seconds)
    answer = yield context.call_activity("ensure_policy", msgspec.to_builtins(order))
    ensured = msgspec.convert(answer, Ensured)
    if ensured.stay_away_seconds:
        return soon, ensured.stay_away_seconds
    items = [
        ItemOrder(migration_id=order.migration_id, vault_key=order.vault_key, item_name=name) for name in cycle.start
    ]
    gates = yield from _each(context, "preflight_item", items, Gate)
    ready = [
        msgspec.structs.replace(item, gate=gate)
        for item, gate in zip(items, gates, strict=True)
        if gate.verdict == "ready"
    ]
    changes = yield from _each(context, "change_policy", ready, Change)
    outcomes = [gate for gate in gates if gate.verdict != "ready"] + changes
    stay_away = max(outcome.stay_away_seconds for outcome in outcomes)
    if stay_away or all(outcome.verdict == "settled" for outcome in outcomes):
        return soon, stay_away  # what was not written holds a place that is other vaults' now
    return cycle.wait_seconds, stay_away


def _each(
    context: DurableOrchestrationContext, activity: str, items: list[ItemOrder], answer: type[A]
) -> Generator[Any, Any, list[A]]:
    if not items:
        return []
    tasks = [context.call_activity(activity, msgspec.to_builtins(item)) for item in items]
    answers = yield context.task_all(tasks)
    return [msgspec.convert(one, answer) for one in answers]
