"""What comes of the events of one vault: however many there are, one plan after they are over."""

# The SDK leaves the functions it takes untyped, which makes its call_* methods partially unknown:
# pyright: reportUnknownMemberType=false

from collections.abc import Generator
from datetime import timedelta
from typing import Any

import msgspec
from azure.durable_functions import DurableOrchestrationContext

from migration.events import event_migration_id
from migration.steps import WAITS_FOR_ITEMS, FollowOrder, FollowUp, Opening, OpenOrder, WatchOrder
from orchestrations.sleep import first_line, sleep_until_nudged

OUTAGE_SECONDS = 60


def watch_vault(context: DurableOrchestrationContext) -> Generator[Any, Any, dict[str, str]]:
    """
    1. Where the vault was empty: sleep long, or until an event nudges.
    2. Sleep until the burst of events is over and what they tell of is there to be read.
    3. Open a migration of the vault, as its tags and the settings say. It may be nothing; it may have to wait, because
       the vault throttles or another migration is at work on it.
    4. Run it.
    5. Ask what follows. Events came meanwhile: from 2. The vault was empty: from 1, once. Otherwise end.

    It never fails: an outage is waited out, and the events wait in the ledger. An event that comes after the last
    question waits there too, for the watchdog. The custom status names the migration that the watch is at; one that
    it does not name is the watchdog's.
    """
    order = msgspec.convert(context.get_input(), WatchOrder)
    yield from _sleep(context, order)
    order = msgspec.structs.replace(order, wait_seconds=0, for_items=False)
    try:
        if not order.migration_id:
            # The id stays the same in every try: the one before may have come as far as the ledger.
            opens = order.opens or event_migration_id(order.vault_key, context.current_utc_datetime)
            order = msgspec.structs.replace(order, opens=opens)
            opening = yield from _open(context, order)
            look_again = opening.look_again or order.look_again
            order = msgspec.structs.replace(order, opens="", look_again=look_again)
            if opening.wait_seconds:
                return _again(context, order, wait_seconds=opening.wait_seconds)
            if opening.migration:
                order = msgspec.structs.replace(order, migration_id=opening.migration.migration_id)
                context.set_custom_status({"runs": order.migration_id})
                migration = msgspec.to_builtins(opening.migration)
                yield context.call_sub_orchestrator("migrate", migration, order.migration_id)
        question = FollowOrder(vault_id=order.vault_id, migration_id=order.migration_id)
        answer = yield context.call_activity("follow_up", msgspec.to_builtins(question))
    except Exception as outage:  # the clients have tried; now time has to pass
        _show(context, order, note=f"trying again in {OUTAGE_SECONDS} s: {first_line(outage)}")
        return _again(context, order, wait_seconds=OUTAGE_SECONDS)
    follow_up = msgspec.convert(answer, FollowUp)
    led_to, look_again = order.migration_id, follow_up.look_again or order.look_again
    order = msgspec.structs.replace(order, migration_id="", look_again=False)
    if follow_up.touched:
        return _again(context, order, wait_seconds=order.delay_seconds, again=False)
    if look_again and not order.again:
        return _again(context, order, wait_seconds=order.delay_seconds, again=True, for_items=True)
    return {"migrationId": led_to}


def _sleep(context: DurableOrchestrationContext, order: WatchOrder) -> Generator[Any, Any, None]:
    if order.for_items:
        context.set_custom_status(WAITS_FOR_ITEMS)
        yield from sleep_until_nudged(context, order.recheck_seconds)
    _show(context, order, waits=f"{order.wait_seconds} s")
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=order.wait_seconds))


def _open(context: DurableOrchestrationContext, order: WatchOrder) -> Generator[Any, Any, Opening]:
    context.set_custom_status({"opens": order.opens})
    question = OpenOrder(vault_id=order.vault_id, migration_id=order.opens, again=order.again)
    answer = yield context.call_activity("open_migration", msgspec.to_builtins(question))
    return msgspec.convert(answer, Opening)


def _show(context: DurableOrchestrationContext, order: WatchOrder, **told: str) -> None:
    """Tell what goes on, and between two tries the migration that is being opened."""
    context.set_custom_status({**told, "opens": order.opens} if order.opens else told)


def _again(context: DurableOrchestrationContext, order: WatchOrder, **changes: Any) -> dict[str, str]:
    """Begin a new generation; its answer is nobody's."""
    context.continue_as_new(msgspec.to_builtins(msgspec.structs.replace(order, **changes)))
    return {}
