"""One migration, from its plan to its end."""

# The SDK leaves the functions it takes untyped, which makes its call_* methods partially unknown:
# pyright: reportUnknownMemberType=false

from collections.abc import Generator
from typing import Any

import msgspec
from azure.durable_functions import DurableOrchestrationContext, RetryOptions

from migration.records import MigrationState
from migration.steps import AdvanceOrder, MigrateOrder, Standing, Survey, VaultOrder
from orchestrations.sleep import sleep_until_nudged

OUTAGE = RetryOptions(first_retry_interval_in_milliseconds=15_000, max_number_of_attempts=5)


def migrate(context: DurableOrchestrationContext) -> Generator[Any, Any, dict[str, str]]:
    """
    1. Survey every vault; each writes its part of the plan to the ledger. Where the service asks to stay away, do so
       and begin again: what is surveyed stays so.
    2. Ask the ledger where the migration stands: planned only, waiting for approval, approved, failed.
    3. While it waits for approval: sleep until somebody nudges or it is time to look, then ask again.
    4. Run one migrate_vault for each vault, side by side.
    5. Ask once more: every vault has finished, and so has the migration.
    """
    order = msgspec.convert(context.get_input(), MigrateOrder)
    try:
        if not order.surveyed:
            stay_away = yield from _survey(context, order)
            if stay_away:
                yield from sleep_until_nudged(context, stay_away)
                context.continue_as_new(msgspec.to_builtins(order))
                return {"state": MigrationState.PLANNING}
        standing = yield from _advance(context, order)
        if standing.state is MigrationState.AWAITING_APPROVAL:
            yield from sleep_until_nudged(context, standing.wait_seconds)
            context.continue_as_new(msgspec.to_builtins(msgspec.structs.replace(order, surveyed=True)))
            return {"state": standing.state}
        if standing.state is MigrationState.RUNNING:
            yield context.task_all(
                [
                    context.call_sub_orchestrator(
                        "migrate_vault", msgspec.to_builtins(vault), f"{order.migration_id}:{vault.vault_key}"
                    )
                    for vault in _vaults(order)
                ]
            )
            standing = yield from _advance(context, order)
    except Exception as error:  # the one place that meets what nothing below could deal with
        standing = yield from _advance(context, order, problem=str(error)[:2000])
    return {"state": standing.state}


def _vaults(order: MigrateOrder) -> list[VaultOrder]:
    return [VaultOrder(migration_id=order.migration_id, vault_key=key) for key in order.vault_keys]


def _survey(context: DurableOrchestrationContext, order: MigrateOrder) -> Generator[Any, Any, int]:
    """Survey every vault; answers the seconds to wait before asking again, 0 when all are done."""
    answers = yield context.task_all(
        [
            context.call_activity_with_retry("survey_vault", OUTAGE, msgspec.to_builtins(vault))
            for vault in _vaults(order)
        ]
    )
    surveys = [msgspec.convert(answer, Survey) for answer in answers]
    return max((survey.stay_away_seconds for survey in surveys if not survey.done), default=0)


def _advance(
    context: DurableOrchestrationContext, order: MigrateOrder, problem: str = ""
) -> Generator[Any, Any, Standing]:
    question = AdvanceOrder(migration_id=order.migration_id, problem=problem)
    answer = yield context.call_activity_with_retry("advance_migration", OUTAGE, msgspec.to_builtins(question))
    standing = msgspec.convert(answer, Standing)
    context.set_custom_status({"state": standing.state})
    return standing
