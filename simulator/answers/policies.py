"""Backup policies: list, get, create or change, delete."""

from datetime import timedelta

from simulator import errors, views
from simulator.answers.items import find_operation
from simulator.calls import Answer, Call, page
from simulator.filters import parse_filter
from simulator.jobs import finish_operation, start_operation
from simulator.limits import spend
from simulator.policies import vm_policy
from simulator.resources import BackupPolicy, OperationStatus
from simulator.schedules import keep_schedule
from simulator.wire import JsonObject

_KNOWN_FILTERS = frozenset(("backupmanagementtype", "workloadtype"))


def list_policies(call: Call) -> Answer:
    """Every policy with 0 protected items, as recorded in 902 lists of 902."""
    vault = call.vault
    wanted = parse_filter(call.query.get("$filter", ""), _KNOWN_FILTERS)
    management_type = wanted.get("backupmanagementtype", "").lower()

    def matches(policy: BackupPolicy) -> bool:
        return management_type in ("", str(policy.properties["backupManagementType"]).lower())

    def view(policy: BackupPolicy) -> JsonObject:
        return views.policy(policy, 0)

    return page(call, filter(matches, vault.policies.values()), view, path=f"{vault.id}/backupPolicies")


def get_policy(call: Call) -> Answer:
    """Raises ServiceError 404 with an empty object."""
    policy = call.vault.policy(call.parameters["policy"])
    if policy is None:
        raise errors.policy_not_found()
    return Answer(body=views.policy(policy, call.vault.items_of(policy)))


def put_policy(call: Call) -> Answer:
    """200 with the whole policy (policy_put_v2_hourly.json), or 202 for one with items where the scenario says so.

    Items of a changed policy follow it at once. Its type cannot be changed.
    """
    vault = call.vault
    spend(vault.policy_writes, call.estate.limits.policy_writes_per_day, call.now)
    made = vm_policy(vault.id, call.parameters["policy"], call.properties())
    existing = vault.policy(made.name)
    if existing is None:
        vault.policies[made.name.lower()] = made
        keep_schedule(call.estate, vault, made, call.now)
        return Answer(body=views.policy(made, 0))
    if existing.terms is None or made.terms is None or existing.terms.policy_type is not made.terms.policy_type:
        raise errors.invalid_policy()
    existing.properties, existing.terms = made.properties, made.terms
    protected_items = vault.items_of(existing)
    if call.estate.service.policy_put_takes_time and protected_items:
        return _accepted(call, existing)
    return Answer(body=views.policy(existing, protected_items))


def _accepted(call: Call, policy: BackupPolicy) -> Answer:
    """The swagger's 202; its status URL is named `operations`, not operationsStatus. No recording has it."""
    operation = start_operation(call.estate, call.vault, call.now, None, shows_item=False)
    seconds = timedelta(seconds=call.estate.service.policy_change_seconds)
    call.estate.agenda.at(call.now + seconds, lambda _: finish_operation(operation))
    query = {"api-version": call.api_version}
    urls = {
        "Azure-AsyncOperation": call.absolute(f"{policy.id}/operations/{operation.id}", query),
        "Location": call.absolute(f"{policy.id}/operationResults/{operation.id}", query),
    }
    return Answer(202, None, {**urls, **call.retry_after()})


def put_result(call: Call) -> Answer:
    """202 while items follow the policy, then the policy."""
    if find_operation(call).status is OperationStatus.IN_PROGRESS:
        return Answer(202, {}, call.retry_after())
    return get_policy(call)


def delete_policy(call: Call) -> Answer:
    """200 empty, 204 when there was none; refused while items use it."""
    vault = call.vault
    policy = vault.policy(call.parameters["policy"])
    if policy is None:
        return Answer(204)
    if vault.items_of(policy):
        raise errors.policy_in_use()
    del vault.policies[policy.name.lower()]
    return Answer(200)
