"""One migration, from its plan to its end."""

# The SDK leaves the functions it takes untyped, which makes its call_* methods partially unknown:
# pyright: reportUnknownMemberType=false

from collections.abc import Generator
from typing import Any

import msgspec
from azure.durable_functions import DurableOrchestrationContext

from migration.records import MOVING, MigrationState
from migration.steps import AdvanceOrder, MigrateOrder, Standing, Survey, VaultOrder, VaultsOrder
from orchestrations.migrate_vaults import each_vault
from orchestrations.sleep import first_line, sleep_until_nudged

OUTAGE_SECONDS = 60
SURVEYS = 50  # vaults surveyed in one generation
MOST_OUTAGES = 60  # an hour of a storage account that does not answer


def migrate(context: DurableOrchestrationContext) -> Generator[Any, Any, dict[str, str]]:
    """
    1. Survey the vaults, a few in a generation; each writes its part of the plan to the ledger. Those that have to be
       asked again come after the others.
    2. Ask the ledger where the migration stands: planned only, waiting for approval, approved, failed.
    3. While it waits for approval: sleep until somebody nudges or it is time to look, then ask again.
    4. Run one migrate_vault for each vault, side by side (migrate_vaults).
    5. Ask once more: every vault has finished, and so has the migration.

    An outage is waited out like in migrate_vault; one that does not end fails the migration, as soon as the ledger can
    be told. So is one of the topic that the end is told to, which fails nothing.
    """
    order = msgspec.convert(context.get_input(), MigrateOrder)
    try:
        if order.outages >= MOST_OUTAGES:
            standing = yield from _advance(context, order, problem=order.trouble)
            return {"state": standing.state}
        if order.to_survey:
            order, wait = yield from _survey(context, order)
            return (yield from _again(context, order, wait))
        standing = yield from _advance(context, order)
        if standing.state is MigrationState.AWAITING_APPROVAL:
            return (yield from _again(context, msgspec.structs.replace(order, outages=0), standing.wait_seconds))
        if standing.state in MOVING:
            order = msgspec.structs.replace(order, outages=0)
            vaults = VaultsOrder(migration_id=order.migration_id, vault_keys=order.vault_keys)
            yield from each_vault(context, vaults)
            standing = yield from _advance(context, order)
        if standing.told:
            return {"state": standing.state}
        told = "the world is still to be told"
    except Exception as outage:  # the clients have tried; now time has to pass
        told = first_line(outage)
    context.set_custom_status({"note": f"trying again in {OUTAGE_SECONDS} s: {told}"})
    order = msgspec.structs.replace(order, outages=order.outages + 1, trouble=told)
    return (yield from _again(context, order, OUTAGE_SECONDS))


def _again(
    context: DurableOrchestrationContext, order: MigrateOrder, seconds: int
) -> Generator[Any, Any, dict[str, str]]:
    """Sleep, or be nudged, and begin a new generation; its answer is nobody's."""
    if seconds:
        yield from sleep_until_nudged(context, seconds)
    context.continue_as_new(msgspec.to_builtins(order))
    return {}


def _survey(context: DurableOrchestrationContext, order: MigrateOrder) -> Generator[Any, Any, tuple[MigrateOrder, int]]:
    """Survey some vaults; answers the order with those still to be surveyed, and the seconds to wait before that."""
    now, later = order.to_survey[:SURVEYS], order.to_survey[SURVEYS:]
    orders = [VaultOrder(migration_id=order.migration_id, vault_key=order.vault_keys[number]) for number in now]
    answers = yield context.task_all(
        [context.call_activity("survey_vault", msgspec.to_builtins(vault)) for vault in orders]
    )
    surveys = {number: msgspec.convert(answer, Survey) for number, answer in zip(now, answers, strict=True)}
    undone = tuple(number for number, survey in surveys.items() if not survey.done)
    wait = 0 if later else max((max(1, surveys[number].stay_away_seconds) for number in undone), default=0)
    return msgspec.structs.replace(order, to_survey=(*later, *undone), outages=0), wait


def _advance(
    context: DurableOrchestrationContext, order: MigrateOrder, problem: str = ""
) -> Generator[Any, Any, Standing]:
    question = AdvanceOrder(migration_id=order.migration_id, problem=problem)
    answer = yield context.call_activity("advance_migration", msgspec.to_builtins(question))
    standing = msgspec.convert(answer, Standing)
    context.set_custom_status({"state": standing.state})
    return standing
