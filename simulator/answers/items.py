"""Protected items: list, get, change of policy, and the operations that follow."""

import base64
import hashlib
from datetime import timedelta

import msgspec

from simulator import errors, views
from simulator.calls import Answer, Call, page
from simulator.filters import ItemFilter
from simulator.jobs import start_backup, start_operation
from simulator.limits import spend
from simulator.protection import PolicyChange, change_policy
from simulator.resources import JobEnding, Operation, OperationStatus, ProtectedItem, ProtectionState, Vault
from simulator.wire import JsonObject

_ITEM_TYPES = frozenset(
    ("microsoft.compute/virtualmachines", "microsoft.classiccompute/virtualmachines", "azureiaasvmprotecteditem")
)
"""protectedItemType of a PUT, lower-case; PowerShell sends the last (ps2025_item_suspend_put_*.json)."""


class _WantedProtection(msgspec.Struct, frozen=True, rename="camel"):
    """`properties` of a PUT, as far as they matter: a change of policy leaves everything else as it is."""

    protected_item_type: str
    policy_id: str
    resource_guard_operation_requests: tuple[str, ...] | None = None


def list_items(call: Call) -> Answer:
    vault = call.vault
    wanted = ItemFilter.parse(call.query.get("$filter", ""))

    def view(item: ProtectedItem) -> JsonObject:
        return views.item(item, vault.id, call.api_version, call.now)

    return page(call, filter(wanted, vault.items.values()), view, path=f"{vault.id}/backupProtectedItems")


def get_item(call: Call) -> Answer:
    vault, item = _item(call)
    return Answer(body=views.item(item, vault.id, call.api_version, call.now))


def put_item(call: Call) -> Answer:
    """A change of policy: 202, an empty body and where to poll. Raises ServiceError for a refusal."""
    vault, item = _item(call)
    item.puts_received += 1
    try:
        wanted = msgspec.convert(call.properties(), _WantedProtection)
    except msgspec.ValidationError as wrong:
        raise errors.invalid_protection_request(f"The request is not valid: {wrong}.") from wrong
    target = vault.policy_by_id(wanted.policy_id)
    if wanted.protected_item_type.lower() not in _ITEM_TYPES or target is None or target.terms is None:
        raise errors.invalid_protection_request(
            f"'{wanted.policy_id}' is no policy for virtual machines of this vault."
        )
    spend(vault.protection_changes, call.estate.limits.protection_changes_per_day, call.now)
    change = PolicyChange(
        call.estate, vault, item, target, target.terms, wanted.resource_guard_operation_requests or ()
    )
    return accepted(call, item.id, change_policy(change, call.now))


def backup_now(call: Call) -> Answer:
    """An on-demand backup: 202, and an operation that succeeds at once and names the job (backup_now_*.json)."""
    vault, item = _item(call)
    if item.state is ProtectionState.STOPPED:
        raise errors.invalid_protection_request("Protection of the item is stopped.")
    if call.estate.vm(item.vm_id) is None:
        raise errors.vm_no_longer_exists()
    if any(job.running for job in item.jobs):
        raise errors.object_locked()
    ends = JobEnding(call.estate.jitter(timedelta(minutes=call.estate.service.backup_minutes)))
    job = start_backup(call.estate, vault, item, call.now, ends)
    operation = start_operation(call.estate, vault, call.now, job, shows_item=False)
    operation.status, operation.shows_job = OperationStatus.SUCCEEDED, True
    return accepted(call, item.id, operation)


def accepted(call: Call, resource_id: str, operation: Operation) -> Answer:
    """202 and the two signed URLs below the resource (item_set_policy_put.json)."""
    return Answer(202, None, {**poll_headers(call, resource_id, operation), **call.retry_after()})


def poll_headers(call: Call, resource_id: str, operation: Operation) -> dict[str, str]:
    """Signed anew on each answer (ps2026_vault_operationstatus_inprogress_retry_after.json)."""
    return {
        "Azure-AsyncOperation": _signed(call, f"{resource_id}/operationsStatus/{operation.id}"),
        "Location": _signed(call, f"{resource_id}/operationResults/{operation.id}"),
    }


_CERTIFICATE = base64.urlsafe_b64encode(hashlib.shake_256(b"certificate").digest(1446)).decode()
"""As long as the real `c`: it makes URLs longer than 2 kB, which proxies and tables stumble over."""


def _signed(call: Call, path: str) -> str:
    ticks = str(int(call.now.timestamp() * 10_000_000) + 621_355_968_000_000_000)
    signature = base64.urlsafe_b64encode(hashlib.sha256(f"{path}{ticks}".encode()).digest()).decode()
    query = {"api-version": call.api_version, "t": ticks, "c": _CERTIFICATE, "s": signature, "h": signature[:43]}
    return call.absolute(path, query)


def item_operation_status(call: Call) -> Answer:
    _item(call)
    return operation_status(call)


def operation_status(call: Call) -> Answer:
    """Also at vault level, unsigned: what the Azure CLI polls."""
    operation = find_operation(call)
    running = operation.status is OperationStatus.IN_PROGRESS
    return Answer(body=views.operation(operation), headers=call.retry_after() if running else {})


def item_operation_result(call: Call) -> Answer:
    """202 `{}` while it runs, then the item, or 204 for an operation without a result (net2016_operationresults_*)."""
    vault, item = _item(call)
    operation = find_operation(call)
    if operation.status is OperationStatus.IN_PROGRESS:
        return Answer(202, {}, {**poll_headers(call, item.id, operation), **call.retry_after()})
    if operation.error is not None:
        raise errors.operation_failed(operation.error.title, operation.error.text)
    if not operation.shows_item:
        return Answer(204, None, call.retry_after())
    return Answer(body=views.item(item, vault.id, call.api_version, call.now))


def operation_result(call: Call) -> Answer:
    """At vault level: 202 while it runs, then 204."""
    operation = find_operation(call)
    if operation.status is OperationStatus.IN_PROGRESS:
        return Answer(202, {}, call.retry_after())
    return Answer(204, None, call.retry_after())


def find_operation(call: Call) -> Operation:
    """Raises ServiceError 404."""
    operation = call.vault.operations.get(call.parameters["operation"].lower())
    if operation is None:
        raise errors.operation_not_found()
    return operation


def _item(call: Call) -> tuple[Vault, ProtectedItem]:
    """Raises ServiceError 404."""
    vault = call.vault
    item = vault.item(call.parameters["container"], call.parameters["item"])
    if item is None:
        raise errors.item_not_found()
    return vault, item
