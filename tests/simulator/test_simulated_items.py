"""Protected items over the wire, through the real SDK: lists, filters, pages, spelling."""

import pytest
from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest
from azure.mgmt.recoveryservicesbackup.models import AzureIaaSComputeVMProtectedItem

from tests.simulator.estates import (
    FABRIC,
    GROUP,
    VAULT,
    VAULT_PATH,
    StartAzure,
    a_policy,
    a_scenario,
    a_vm,
    item_path,
    names,
    vm_path,
)

VM_ITEMS = "backupManagementType eq 'AzureIaasVM' and itemType eq 'VM'"


async def test_the_sdk_reads_an_item_it_finds_in_the_list(start_azure: StartAzure) -> None:
    """A listed item can be fetched by the names in its own id, and its wire properties are those of a VM."""
    azure = await start_azure(a_scenario(a_vm()))

    listed = [item async for item in azure.sdk.backup_protected_items.list(VAULT, GROUP, filter=VM_ITEMS)]
    container, _, name = (listed[0].id or "").split("/")[-3:]
    fetched = await azure.sdk.protected_items.get(VAULT, GROUP, FABRIC, container, name)

    assert len(listed) == 1
    assert fetched == listed[0]
    vm = AzureIaaSComputeVMProtectedItem(fetched.properties or {})
    assert (vm.friendly_name, vm.protection_state, vm.policy_name) == ("vm", "Protected", "DefaultPolicy")
    assert vm.virtual_machine_id == vm_path()


async def test_the_list_has_stopped_and_soft_deleted_items_with_no_policy(start_azure: StartAzure) -> None:
    """Both are ProtectionStopped, policyId and policyName empty; only the deleted one has deferred-delete members."""
    azure = await start_azure(
        a_scenario(a_vm("stopped", protection="ProtectionStopped"), a_vm("deleted", protection="SoftDeleted"))
    )

    stopped, deleted = (await azure.get(f"{VAULT_PATH}/backupProtectedItems"))["value"]

    for item in (stopped, deleted):
        assert item["properties"]["protectionState"] == "ProtectionStopped"
        assert (item["properties"]["policyId"], item["properties"]["policyName"]) == ("", "")
    assert "isScheduledForDeferredDelete" not in stopped["properties"]
    assert deleted["properties"]["isScheduledForDeferredDelete"] is True
    assert deleted["properties"]["deferredDeleteTimeRemaining"] == "13.00:00:00.0000000"
    assert deleted["properties"]["softDeleteRetentionPeriod"] == 14


async def test_a_classic_vm_has_a_classic_container_and_type(start_azure: StartAzure) -> None:
    """Its container kind has no v2 and its protectedItemType names Microsoft.ClassicCompute."""
    azure = await start_azure(a_scenario(a_vm(classic=True)))

    item = await azure.get(item_path(kind="iaasvmcontainer"))

    assert item["properties"]["protectedItemType"] == "Microsoft.ClassicCompute/virtualMachines"
    assert item["properties"]["containerName"] == "iaasvmcontainer;rg-vms;vm"
    assert "/Microsoft.ClassicCompute/" in item["properties"]["virtualMachineId"]


async def test_an_item_without_a_backup_says_so_in_the_services_own_way(start_azure: StartAzure) -> None:
    """Never backed up is lastBackupStatus "" and the year 2001, with no lastRecoveryPoint and no healthDetails."""
    azure = await start_azure(a_scenario(a_vm(protection="IRPending")))

    properties = (await azure.item())["properties"]

    assert properties["protectionState"] == "IRPending"
    assert (properties["lastBackupStatus"], properties["lastBackupTime"]) == ("", "2001-01-01T00:00:00Z")
    assert not {"lastRecoveryPoint", "healthDetails"} & properties.keys()


@pytest.mark.parametrize(
    ("api_version", "standard", "enhanced"),
    [("2024-04-01", None, None), ("2025-02-01", "", "V2"), ("2026-10-01", "", "V2")],
)
async def test_the_items_policy_type_depends_on_the_api_version(
    start_azure: StartAzure, api_version: str, standard: str | None, enhanced: str | None
) -> None:
    """Absent through 2024-04-01; from 2025-02-01 "" is Standard and "V2" Enhanced."""
    azure = await start_azure(a_scenario(a_vm("one"), a_vm("two", policy="EnhancedPolicy")))

    items = (await azure.get(f"{VAULT_PATH}/backupProtectedItems", api_version=api_version))["value"]

    assert [item["properties"].get("policyType") for item in items] == [standard, enhanced]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("$filter=policyName%20eq%20'weekly'", ["two"]),
        ("%24filter=policyName+eq+%27weekly%27", ["two"]),
        ("%24filter=backupManagementType+eq+%27AzureIaasVM%27+and+policyName+eq+%27defaultpolicy%27", ["one"]),
        ("$filter=backupManagementType eq 'AzureWorkload'".replace(" ", "%20"), []),
        ("", ["one", "two"]),
    ],
)
async def test_a_filter_is_understood_however_it_is_encoded(
    start_azure: StartAzure, query: str, found: list[str]
) -> None:
    """PowerShell sends $filter and %20, the CLI %24filter and +; names and values compare without case."""
    azure = await start_azure(
        a_scenario(
            a_policy("weekly", schedule="Weekly", days=["Sunday"], retention={"weekly": 4}, instant_days=5),
            a_vm("one"),
            a_vm("two", policy="weekly"),
        )
    )

    answer = await azure.sdk.send_request(
        HttpRequest("GET", f"{azure.simulator.url}{VAULT_PATH}/backupProtectedItems?api-version=2025-02-01&{query}")
    )

    assert [item["properties"]["friendlyName"] for item in answer.json()["value"]] == found


async def test_a_filter_the_service_does_not_know_is_refused(start_azure: StartAzure) -> None:
    """A name that is no filter of the list is a 400, not an empty list."""
    azure = await start_azure(a_scenario(a_vm()))

    with pytest.raises(HttpResponseError) as refused:
        _ = [item async for item in azure.sdk.backup_protected_items.list(VAULT, GROUP, filter="color eq 'red'")]

    assert (refused.value.status_code, refused.value.error.code) == (400, "BMSUserErrorInvalidInput")  # type: ignore[union-attr] - ARM errors have it


async def test_pages_are_linked_by_absolute_urls_that_keep_the_filter(start_azure: StartAzure) -> None:
    """Page size 2 over 5 matching items is three pages; nextLink is on the host asked, and the SDK follows it."""
    azure = await start_azure(
        a_scenario(a_vm("vm-{n}", count=5), a_vm("x", policy="EnhancedPolicy"), before="service.page_size = 2")
    )

    first = await azure.get(f"{VAULT_PATH}/backupProtectedItems", query="$filter=policyName%20eq%20'DefaultPolicy'")
    listed = [
        item
        async for item in azure.sdk.backup_protected_items.list(VAULT, GROUP, filter="policyName eq 'DefaultPolicy'")
    ]

    assert first["nextLink"].startswith(f"{azure.simulator.url}{VAULT_PATH}/backupProtectedItems?")
    assert len(first["value"]) == 2
    assert [item.name for item in listed] == [names(f"vm-{n}")[1] for n in range(1, 6)]
    assert azure.simulator.log.counts()["Microsoft.RecoveryServices/vaults/backupProtectedItems/read"] == 4


async def test_paths_compare_without_case_and_answers_are_canonical(start_azure: StartAzure) -> None:
    """`/Subscriptions/`, `resourcegroups` and a trailing slash find the same item, whose id has one spelling."""
    azure = await start_azure(a_scenario(a_vm()))
    odd = item_path().replace("/subscriptions/", "/Subscriptions/").replace("/resourceGroups/", "/resourcegroups/")

    assert (await azure.get(odd.replace("VM%3B", "vm%3B") + "/"))["id"] == (await azure.item())["id"]
    assert "/protectionContainers/" in (await azure.item())["id"]


async def test_some_items_come_back_in_odd_casing(start_azure: StartAzure) -> None:
    """With odd_casing policyId and virtualMachineId are spelled unlike the ids of policy and VM."""
    azure = await start_azure(a_scenario(a_vm(odd_casing=True)))

    properties = (await azure.item())["properties"]

    assert properties["policyId"].startswith("/Subscriptions/")
    assert properties["policyId"].lower() == f"{VAULT_PATH}/backupPolicies/DefaultPolicy".lower()
    assert "/resourcegroups/" in properties["virtualMachineId"]


async def test_an_unknown_item_is_the_providers_404(start_azure: StartAzure) -> None:
    """An item that is not in the vault is BMSUserErrorDataSourceObjectNotFound (azure-rest-api-specs issue 23842)."""
    azure = await start_azure(a_scenario(a_vm()))

    with pytest.raises(HttpResponseError) as missing:
        await azure.sdk.protected_items.get(VAULT, GROUP, FABRIC, *names("nobody"))

    assert missing.value.status_code == 404
    assert missing.value.error.code == "BMSUserErrorDataSourceObjectNotFound"  # type: ignore[union-attr] - ARM errors have it


async def test_disk_exclusion_is_shown_and_survives_a_change_of_policy(start_azure: StartAzure) -> None:
    """A PUT that does not mention the exclusion leaves it as it was."""
    azure = await start_azure(a_scenario(a_vm(disk_gib=[128, 64], excluded_luns=[0])))
    exclusion = {"diskExclusionProperties": {"diskLunList": [0], "isInclusionList": False}}
    assert (await azure.item())["properties"]["extendedProperties"] == exclusion

    await azure.change_policy()
    azure.advance(hours=5)

    assert await azure.policy_of() == "EnhancedPolicy"
    assert (await azure.item())["properties"]["extendedProperties"] == exclusion
