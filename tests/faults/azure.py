"""The simulated Azure of a round: what there is in it, and what other people do to it meanwhile."""

import copy
import random
from collections.abc import Callable, Sequence
from typing import Any

from aiohttp import web

from simulator import Scenario, Simulator
from simulator.errors import ServiceError
from simulator.events import (
    BackupStarted,
    Event,
    JobsEnd,
    Migration,
    MigrationWillEnd,
    PolicyChangedElsewhere,
    ProtectionStopped,
    VmDeleted,
)
from simulator.happenings import let_happen
from simulator.policies import vm_policy
from simulator.protection import PolicyChange, change_policy
from simulator.resources import Frequency, PolicyType, ProtectedItem, Vault
from simulator.scenario import (
    PolicyTable,
    PolicyVisible,
    PrecautionaryBackup,
    Retention,
    Service,
    SubscriptionTable,
    VaultTable,
    VmGroup,
)
from tests.faults.books import Others

SUBSCRIPTION = "fa017000-0000-4000-8000-000000000001"
STANDARD, ANOTHER_STANDARD, ENHANCED = "DefaultPolicy", "AnotherPolicy", "EnhancedPolicy"
BAD_ENDS = ("CompletedWithWarnings", "Failed", "Cancelled", "OperationFailed")


class WatchedSimulator(Simulator):
    """An Azure that tells, whenever it has done what a request asks and is about to answer."""

    about_to_answer: Callable[[], None] = staticmethod(lambda: None)

    async def _arm(self, request: web.BaseRequest) -> web.StreamResponse:
        response = await super()._arm(request)
        self.about_to_answer()
        return response


def an_estate(vaults: int, items: int, dice: random.Random) -> Scenario:
    """So many vaults of so many ready VMs, in a service whose unrecorded habits are as the dice say."""
    return Scenario(
        title=f"{vaults} vaults of {items} VMs",
        service=Service(
            page_size=dice.choice([0, items // 3 + 1, 200]),
            policy_visible=dice.choice(list(PolicyVisible)),
            precautionary_backup=dice.choice(list(PrecautionaryBackup)),
            early_job_id=dice.choice([False, True]),
        ),
        subscriptions=[SubscriptionTable(id=SUBSCRIPTION, name="Faults")],
        vaults=[_a_vault(number, items) for number in range(1, vaults + 1)],
    )


def _a_vault(number: int, items: int) -> VaultTable:
    group = f"rg-{number:02}"
    retention = Retention(daily=30)
    another = PolicyTable(
        name=ANOTHER_STANDARD, type="Standard", schedule=Frequency.DAILY, at="03:30", retention=retention
    )
    vms = VmGroup(name=f"vm-{number:02}-{{n:04}}", count=items, resource_group=group)
    return VaultTable(
        name=f"vault-{number:02}", subscription=SUBSCRIPTION, resource_group=group, policies=[another], vms=[vms]
    )


def let_jobs_go_wrong(simulator: Simulator, dice: random.Random, share: float) -> int:
    """Make the migrations of that share of the VMs end badly, each in its own way; answers of how many."""
    unlucky = [item for _, item in everything(simulator) if dice.random() < share]
    for item in unlucky:
        migration = Migration(ends=dice.choice(BAD_ENDS))
        let_happen(simulator.estate, MigrationWillEnd(vm=item.id, migration=migration), simulator.estate.settle())
    return len(unlucky)


def everything(simulator: Simulator) -> list[tuple[Vault, ProtectedItem]]:
    """Every item with its vault."""
    return [(vault, item) for vault in simulator.estate.vaults() for item in vault.items.values()]


# --- what an operator does


def operate(simulator: Simulator, dice: random.Random, others: Others) -> str:
    """Do something to one VM, or to its vault, that Azure would let an operator do now; says what, or nothing."""
    simulator.estate.settle()
    vault, item = dice.choice(everything(simulator))
    action = dice.choices(ACTIONS, weights=[weight for weight, _ in ACTION_TABLE])[0]
    return action(simulator, vault, item, others)


def _move_to_another_standard(simulator: Simulator, vault: Vault, item: ProtectedItem, others: Others) -> str:
    event = PolicyChangedElsewhere(vm=item.id, policy=ANOTHER_STANDARD)
    return _where_free(simulator, item, others, event, "moved to another Standard policy")


def _stop_protection(simulator: Simulator, vault: Vault, item: ProtectedItem, others: Others) -> str:
    return _where_free(simulator, item, others, ProtectionStopped(vm=item.id), "stopped")


def _where_free(simulator: Simulator, item: ProtectedItem, others: Others, event: Event, what: str) -> str:
    """A change that Azure takes only while no other change of the item runs; only of items still on Standard."""
    if item.operation is not None or _policy_type(item) is not PolicyType.STANDARD:
        return ""
    others.touched.add(item.id.lower())
    _happen(simulator, event)
    return what


def move_to_enhanced(simulator: Simulator, vault: Vault, item: ProtectedItem, others: Others) -> str:
    """Make the same change as the app does, with a job of its own."""
    target = vault.policy(ENHANCED)
    assert target and target.terms
    try:
        operation = change_policy(
            PolicyChange(simulator.estate, vault, item, target, target.terms, ()), simulator.clock.now()
        )
    except ServiceError:
        return ""
    others.touched.add(item.id.lower())
    others.accepted.append(item.id.lower())
    others.jobs.update({operation.job.id} if operation.job else ())
    return "moved to Enhanced"


def _start_backup(simulator: Simulator, vault: Vault, item: ProtectedItem, others: Others) -> str:
    if any(job.running for job in item.jobs) or simulator.estate.vm(item.vm_id) is None:
        return ""
    _happen(simulator, BackupStarted(vm=item.id))
    return "backed up"


def _cancel_jobs(simulator: Simulator, vault: Vault, item: ProtectedItem, others: Others) -> str:
    if not any(job.running for job in item.jobs):
        return ""
    _happen(simulator, JobsEnd(vm=item.id, status="Cancelled"))
    return "cancelled"


def _delete_vm(simulator: Simulator, vault: Vault, item: ProtectedItem, others: Others) -> str:
    _happen(simulator, VmDeleted(vm=item.id))
    return "deleted"


def _edit_policy(simulator: Simulator, vault: Vault, item: ProtectedItem, others: Others) -> str:
    """The source keeps its recovery points a day longer: what waits in this vault is planned on another policy."""
    policy = vault.policy(STANDARD)
    assert policy
    properties: dict[str, Any] = copy.deepcopy(policy.properties)
    properties["retentionPolicy"]["dailySchedule"]["retentionDuration"]["count"] += 1
    made = vm_policy(vault.id, policy.name, properties)
    policy.properties, policy.terms = made.properties, made.terms
    return "edited"


ACTION_TABLE = (
    (20, _move_to_another_standard),
    (20, move_to_enhanced),
    (10, _stop_protection),
    (20, _start_backup),
    (15, _cancel_jobs),
    (14, _delete_vm),
    (1, _edit_policy),
)
"""How often, and what."""
ACTIONS: Sequence[Callable[[Simulator, Vault, ProtectedItem, Others], str]] = [action for _, action in ACTION_TABLE]


def _happen(simulator: Simulator, event: Event) -> None:
    let_happen(simulator.estate, event, simulator.estate.settle())


def _policy_type(item: ProtectedItem) -> PolicyType | None:
    return item.policy.terms.policy_type if item.policy and item.policy.terms else None
