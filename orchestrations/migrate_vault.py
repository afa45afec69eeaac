"""The controller of one vault: one cycle, then everything is forgotten but the ledger."""

# The SDK leaves the functions it takes untyped, which makes its call_* methods partially unknown:
# pyright: reportUnknownMemberType=false

from collections.abc import Generator
from datetime import timedelta
from typing import Any

import msgspec
from azure.durable_functions import DurableOrchestrationContext

from migration.steps import Change, CycleAnswer, Ensured, ItemOrder, ItemsOrder, JobOrder, Preflight, VaultOrder
from orchestrations.sleep import first_line, sleep_until_nudged

OUTAGE_SECONDS = 60
NEXT_BATCH_SECONDS = 30  # soon, but each look costs a read of the jobs


def migrate_vault(context: DurableOrchestrationContext) -> Generator[Any, Any, dict[str, Any]]:
    """
    1. Look at the vault's jobs; what ended is settled, and some items' turn has come. Where an operator has stopped the
       migration and wished it, cancel the jobs that can be.
    2. Make sure that source and target policies are still what was planned.
    3. Check those items live, all in one look.
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
    vault = {"migration_id": order.migration_id, "vault_key": order.vault_key}
    soon = max(NEXT_BATCH_SECONDS, cycle.soonest_seconds)
    answer = yield context.call_activity("ensure_policy", msgspec.to_builtins(order))
    ensured = msgspec.convert(answer, Ensured)
    if ensured.stay_away_seconds:
        return soon, ensured.stay_away_seconds
    items = ItemsOrder(**vault, item_names=cycle.start)
    answer = yield context.call_activity("preflight_items", msgspec.to_builtins(items))
    preflight = msgspec.convert(answer, Preflight)
    if preflight.later:
        return (soon if preflight.stay_away_seconds else cycle.wait_seconds), preflight.stay_away_seconds
    if not (preflight.ready and preflight.gate):
        return soon, 0
    writes = [ItemOrder(**vault, item_name=name, gate=preflight.gate) for name in preflight.ready]
    answers = yield context.task_all(
        [context.call_activity("change_policy", msgspec.to_builtins(one)) for one in writes]
    )
    changes = [msgspec.convert(one, Change) for one in answers]
    stay_away = max(change.stay_away_seconds for change in changes)
    if stay_away or all(change.verdict == "settled" for change in changes):
        return soon, stay_away  # what was not written holds a place that is other vaults' now
    return cycle.wait_seconds, stay_away
