"""From a scenario to an estate: vaults with their built-in policies, VMs and disks, protected items, running jobs."""

import itertools
from datetime import datetime, timedelta
from functools import partial

from simulator import errors
from simulator.clock import Clock
from simulator.estate import Estate, vault_id
from simulator.events import Event
from simulator.happenings import check, let_happen
from simulator.incidents import HEALTHY, VM_NOT_FOUND
from simulator.jobs import start_backup
from simulator.policies import vm_policy
from simulator.policy_outlines import PolicyOutline, built_in_policies, outlined
from simulator.principals import TENANT_ID
from simulator.resources import (
    Disk,
    JobEnding,
    PolicyType,
    ProtectedItem,
    ProtectionState,
    Storage,
    Subscription,
    Vault,
    VirtualMachine,
)
from simulator.scenario import PolicyTable, Scenario, ScenarioError, VaultTable, VmGroup
from simulator.schedules import keep_schedule


def populate(scenario: Scenario, clock: Clock, *, seed: int) -> Estate:
    """The estate at the clock's now. Raises ScenarioError for a policy the service would refuse."""
    estate = Estate(clock, scenario.service, scenario.limits, seed=seed)
    now = clock.now()
    for table in scenario.subscriptions:
        estate.subscriptions[table.id.lower()] = Subscription(table.id, table.name, TENANT_ID)
    for table in scenario.vaults:
        _add_vault(estate, table, now)
    for vault in estate.vaults():
        for policy in vault.policies.values():
            keep_schedule(estate, vault, policy, now)
    for event in scenario.events:
        _foresee(estate, event, now)
    return estate


def _foresee(estate: Estate, event: Event, now: datetime) -> None:
    """Raises ScenarioError for an event that cannot happen."""
    try:
        check(estate, event)
    except ValueError as impossible:
        raise ScenarioError(f"[[events]] {type(event).__name__}: {impossible}.") from impossible
    estate.agenda.at(now + timedelta(minutes=event.after_minutes), partial(let_happen, estate, event))


def _add_vault(estate: Estate, table: VaultTable, now: datetime) -> None:
    subscription = estate.subscription(table.subscription)
    born = now - timedelta(days=400)
    resource_id = vault_id(subscription.id, table.resource_group, table.name)
    guard = (
        f"/subscriptions/{subscription.id}/resourceGroups/rg-security/providers/Microsoft.DataProtection"
        "/resourceGuards/backup-guard"
    )
    vault = Vault(
        id=resource_id,
        name=table.name,
        subscription=subscription,
        resource_group=table.resource_group,
        location=table.location,
        created=born,
        tags=table.tags,
        resource_guard=guard if table.resource_guard else None,
        immutable=table.immutable,
    )
    for policy in built_in_policies(resource_id, born):
        vault.policies[policy.name.lower()] = policy
    for policy in table.policies:
        try:
            made = vm_policy(resource_id, policy.name, outlined(_outline(policy), day=born))
        except (errors.ServiceError, ValueError) as refused:
            raise ScenarioError(
                f"Vault '{table.name}', policy '{policy.name}': the service would refuse it ({refused})."
            ) from refused
        vault.policies[policy.name.lower()] = made
    estate.add_vault(vault)
    for group in table.vms:
        for number in range(1, group.count + 1):
            _add_protected_vm(estate, vault, group, group.name.format(n=number), now)


def _outline(table: PolicyTable) -> PolicyOutline:
    hour, _, minute = table.at.partition(":")
    return PolicyOutline(
        policy_type=PolicyType.ENHANCED if table.type == "Enhanced" else PolicyType.STANDARD,
        frequency=table.schedule,
        hour=int(hour),
        minute=int(minute),
        days=tuple(table.days),
        interval_hours=table.interval_hours,
        window_hours=table.window_hours,
        daily_days=table.retention.daily,
        weekly_weeks=table.retention.weekly,
        monthly_months=table.retention.monthly,
        yearly_years=table.retention.yearly,
        instant_days=table.instant_days,
        time_zone=table.time_zone,
    )


def _add_protected_vm(estate: Estate, vault: Vault, group: VmGroup, name: str, now: datetime) -> None:
    vm = _vm(estate, vault, group, name)
    if group.vm_exists:
        estate.add_vm(vm)
    item = _item(estate, vault, group, vm, now)
    vault.add_item(item)
    if group.running_backup_minutes is not None:
        ends = JobEnding(timedelta(minutes=group.running_backup_minutes))
        start_backup(estate, vault, item, now, ends)


def _vm(estate: Estate, vault: Vault, group: VmGroup, name: str) -> VirtualMachine:
    scope = f"/subscriptions/{vault.subscription.id}/resourceGroups/{group.resource_group}/providers"
    provider = "Microsoft.ClassicCompute" if group.classic else "Microsoft.Compute"
    disk_names = itertools.chain([f"{name}_OsDisk"], (f"{name}_DataDisk_{lun}" for lun in itertools.count()))
    return VirtualMachine(
        id=f"{scope}/{provider}/virtualMachines/{name}",
        name=name,
        resource_group=group.resource_group,
        location=vault.location,
        size=group.size,
        vm_id=estate.new_id(),
        created=vault.created,
        storage=Storage.CLASSIC if group.classic else Storage(group.disks),
        trusted_launch=group.trusted_launch,
        disks=tuple(
            Disk(
                id=f"{scope}/Microsoft.Compute/disks/{disk_name}",
                name=disk_name,
                resource_group=group.resource_group,
                location=vault.location,
                size_gib=gib,
                max_shares=2 if group.shared_disk and place == len(group.disk_gib) - 1 else 1,
            )
            for place, (gib, disk_name) in enumerate(zip(group.disk_gib, disk_names, strict=False))
        ),
    )


def _item(estate: Estate, vault: Vault, group: VmGroup, vm: VirtualMachine, now: datetime) -> ProtectedItem:
    kind = "iaasvmcontainer" if group.classic else "iaasvmcontainerv2"
    container_name = f"{kind};{vm.resource_group.lower()};{vm.name.lower()}"
    soft_deleted = group.protection == "SoftDeleted"
    stopped = soft_deleted or group.protection == "ProtectionStopped"
    pending = group.protection == "IRPending"
    last_backup = None if pending else now - timedelta(hours=estate.random.uniform(2, 23))
    item = ProtectedItem(
        id=f"{vault.id}/backupFabrics/Azure/protectionContainers/IaasVMContainer;{container_name}"
        f"/protectedItems/VM;{container_name}",
        name=f"VM;{container_name}",
        container_name=container_name,
        friendly_name=vm.name,
        vm_id=vm.id,
        vm_name=vm.name,
        classic=group.classic,
        location=vault.location,
        gib=sum(group.disk_gib),
        policy=None if stopped else vault.policy(group.policy),
        state=ProtectionState.STOPPED if stopped else ProtectionState(group.protection),
        data_id=str(estate.random.randrange(10**13, 10**15)),
        healthy=group.vm_exists and group.protection != "ProtectionError",
        health=() if pending else ((HEALTHY,) if group.vm_exists else (VM_NOT_FOUND,)),
        last_backup_status="" if pending else ("Completed" if group.vm_exists else "Failed"),
        last_backup=last_backup,
        last_recovery_point=last_backup and last_backup + timedelta(seconds=3),
        soft_deleted=now - timedelta(days=1) if soft_deleted else None,
        disk_exclusion=(
            {"diskLunList": list(group.excluded_luns), "isInclusionList": False} if group.excluded_luns else None
        ),
        odd_casing=group.odd_casing,
        ending=group.migration.ending(),
        expect=group.expect,
    )
    return item
