"""One migration, from its plan to its end."""

# The SDK leaves the functions it takes untyped, which makes its call_* methods partially unknown:
# pyright: reportUnknownMemberType=false

from collections.abc import Generator
from typing import Any

import msgspec
from azure.durable_functions import DurableOrchestrationContext

from migration.records import MigrationState
from migration.steps import AdvanceOrder, MigrateOrder, Standing, Survey, VaultOrder
from orchestrations.sleep import first_line, sleep_until_nudged

OUTAGE_SECONDS = 60
MOST_OUTAGES = 60  # an hour of a storage account that does not answer


def migrate(context: DurableOrchestrationContext) -> Generator[Any, Any, dict[str, str]]:
    """
    1. Survey every vault; each writes its part of the plan to the ledger. Where one has to be asked again, wait, and
       begin anew: what is surveyed stays so.
    2. Ask the ledger where the migration stands: planned only, waiting for approval, approved, failed.
    3. While it waits for approval: sleep until somebody nudges or it is time to look, then ask again.
    4. Run one migrate_vault for each vault, side by side.
    5. Ask once more: every vault has finished, and so has the migration.

    An outage is waited out like in migrate_vault; one that does not end fails the migration.
    """
    order = msgspec.convert(context.get_input(), MigrateOrder)
    try:
        if not order.surveyed:
            wait = yield from _survey(context, order)
            if wait:
                return (yield from _again(context, order, wait))
            order = msgspec.structs.replace(order, surveyed=True)
        standing = yield from _advance(context, order)
        if standing.state is MigrationState.AWAITING_APPROVAL:
            return (yield from _again(context, msgspec.structs.replace(order, outages=0), standing.wait_seconds))
        if standing.state in (MigrationState.RUNNING, MigrationState.PAUSED):
            yield context.task_all(
                [
                    context.call_sub_orchestrator(
                        "migrate_vault", msgspec.to_builtins(vault), f"{order.migration_id}:{vault.vault_key}"
                    )
                    for vault in _vaults(order)
                ]
            )
            standing = yield from _advance(context, order)
        return {"state": standing.state}
    except Exception as outage:  # the clients have tried; now time has to pass
        told = first_line(outage)
        context.set_custom_status({"note": f"trying again in {OUTAGE_SECONDS} s: {told}"})
        order = msgspec.structs.replace(order, outages=order.outages + 1)
    if order.outages < MOST_OUTAGES:
        return (yield from _again(context, order, OUTAGE_SECONDS))
    standing = yield from _advance(context, order, problem=told)
    return {"state": standing.state}


def _again(
    context: DurableOrchestrationContext, order: MigrateOrder, seconds: int
) -> Generator[Any, Any, dict[str, str]]:
    """Sleep, or be nudged, and begin a new generation; its answer is nobody's."""
    yield from sleep_until_nudged(context, seconds)
    context.continue_as_new(msgspec.to_builtins(order))
    return {}


def _vaults(order: MigrateOrder) -> list[VaultOrder]:
    return [VaultOrder(migration_id=order.migration_id, vault_key=key) for key in order.vault_keys]


def _survey(context: DurableOrchestrationContext, order: MigrateOrder) -> Generator[Any, Any, int]:
    """Survey every vault; answers the seconds to wait before asking again, 0 when all are done."""
    answers = yield context.task_all(
        [context.call_activity("survey_vault", msgspec.to_builtins(vault)) for vault in _vaults(order)]
    )
    surveys = [msgspec.convert(answer, Survey) for answer in answers]
    return max((max(1, survey.stay_away_seconds) for survey in surveys if not survey.done), default=0)


def _advance(
    context: DurableOrchestrationContext, order: MigrateOrder, problem: str = ""
) -> Generator[Any, Any, Standing]:
    question = AdvanceOrder(migration_id=order.migration_id, problem=problem)
    answer = yield context.call_activity("advance_migration", msgspec.to_builtins(question))
    standing = msgspec.convert(answer, Standing)
    context.set_custom_status({"state": standing.state})
    return standing
