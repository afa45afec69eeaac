"""The vaults of a migration, side by side: in groups where they are many, so that no history grows with them."""

# The SDK leaves the functions it takes untyped, which makes its call_* methods partially unknown:
# pyright: reportUnknownMemberType=false

from collections.abc import Generator
from typing import Any

import msgspec
from azure.durable_functions import DurableOrchestrationContext

from migration.steps import VaultOrder, VaultsOrder, instance_of

GROUP = 50  # vaults that one history follows


def migrate_vaults(context: DurableOrchestrationContext) -> Generator[Any, Any, dict[str, Any]]:
    """Run migrate_vault for each of a few vaults, until all have finished."""
    order = msgspec.convert(context.get_input(), VaultsOrder)
    yield from each_vault(context, order)
    return {"finished": True}


def each_vault(context: DurableOrchestrationContext, order: VaultsOrder) -> Generator[Any, Any, None]:
    """Wait until every vault's controller has finished: one migrate_vault a vault, or one migrate_vaults a group."""
    migration_id, keys = order.migration_id, order.vault_keys
    if len(keys) <= GROUP:
        orders = [VaultOrder(migration_id=migration_id, vault_key=key) for key in keys]
        tasks = [
            context.call_sub_orchestrator(
                "migrate_vault", msgspec.to_builtins(one), instance_of(migration_id, one.vault_key)
            )
            for one in orders
        ]
    else:
        groups = [
            VaultsOrder(migration_id=migration_id, vault_keys=keys[start : start + GROUP])
            for start in range(0, len(keys), GROUP)
        ]
        tasks = [
            context.call_sub_orchestrator(
                "migrate_vaults", msgspec.to_builtins(group), f"{migration_id}:group-{number:02}"
            )
            for number, group in enumerate(groups)
        ]
    yield context.task_all(tasks)
