"""The simulator's answers look like the service's: both are held to the table in shapes.py, member by member.

Where recordings lie beside the repository, the table itself is held to them, with the differences it tolerates listed
here and why. Where they do not, the table stands alone.
"""

import json
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from tests.simulator import shapes
from tests.simulator.estates import (
    API_VERSION,
    VAULT_PATH,
    Azure,
    StartAzure,
    a_policy,
    a_scenario,
    a_vm,
    item_path,
    operation_id,
    vm_path,
)
from tests.simulator.shapes import Shape, differences

RECORDINGS = Path(__file__).resolve().parents[3] / "shared" / "recordings"


# The simulator against the table


EVERYTHING = a_scenario(
    a_policy(
        "weekly", schedule="Weekly", days=["Sunday"], retention={"weekly": 4, "monthly": 2, "yearly": 1}, instant_days=5
    ),
    a_policy("v2-daily", type="Enhanced"),
    a_policy("v2-weekly", type="Enhanced", schedule="Weekly", days=["Monday"], retention={"weekly": 4}, instant_days=5),
    a_vm("ready", disk_gib=[128, 64]),
    a_vm("excluded", disk_gib=[128, 64], excluded_luns=[0]),
    a_vm("enhanced", policy="EnhancedPolicy", trusted_launch=True),
    a_vm("pending", protection="IRPending"),
    a_vm("stopped", protection="ProtectionStopped"),
    a_vm("deleted", protection="SoftDeleted"),
    a_vm("error", protection="ProtectionError"),
    a_vm("classic", classic=True),
    a_vm("unmanaged", disks="unmanaged"),
    a_vm("gone", vm_exists=False),
    a_vm("busy", running_backup_minutes=30),
    a_vm("failing", migration={"ends": "Failed", "minutes": 3}),
    vault='resource_guard = true\ntags = { owner = "test" }',
)


async def everything(start_azure: StartAzure) -> Azure:
    """Jobs that run, ended and failed, on items of every kind."""
    azure = await start_azure(EVERYTHING)
    await azure.change_policy("failing")
    azure.advance(minutes=10)
    await azure.change_policy("ready")
    return azure


@pytest.mark.parametrize("api_version", ["2024-04-01", API_VERSION, "2026-10-01"])
async def test_items_look_like_the_services(start_azure: StartAzure, api_version: str) -> None:
    """Every kind of item, in three api-versions, listed and fetched alike."""
    azure = await everything(start_azure)

    items = (await azure.get(f"{VAULT_PATH}/backupProtectedItems", api_version=api_version))["value"]

    assert len(items) == 12
    for item in items:
        assert differences(item, shapes.ITEM) == [], item["name"]
        assert await azure.get(item["id"], api_version=api_version) == item


async def test_policies_look_like_the_services(start_azure: StartAzure) -> None:
    """Built in, Standard weekly with long tiers, Enhanced daily, weekly and hourly; listed and fetched."""
    azure = await everything(start_azure)

    policies = (await azure.get(f"{VAULT_PATH}/backupPolicies"))["value"]

    assert len(policies) == 6
    for policy in policies:
        workload = policy["properties"]["backupManagementType"] == "AzureWorkload"
        shape = shapes.WORKLOAD_POLICY if workload else shapes.VM_POLICY
        assert differences(policy, shape) == [], policy["name"]
        assert differences(await azure.get(policy["id"]), shape) == []


async def test_jobs_look_like_the_services(start_azure: StartAzure) -> None:
    """Backup and ConfigureBackup, running, ended and failed: lists without extendedInfo, a GET with it."""
    azure = await everything(start_azure)

    jobs = (await azure.get(f"{VAULT_PATH}/backupJobs"))["value"]

    assert {job["properties"]["status"] for job in jobs} == {"InProgress", "Failed"}
    for job in jobs:
        assert differences(job, shapes.LISTED_JOB) == []
        assert differences(await azure.get(job["id"]), shapes.JOB) == []


async def test_operations_look_like_the_services(start_azure: StartAzure) -> None:
    """Running, succeeded, failed."""
    azure = await everything(start_azure)

    for vm in ("enhanced", "stopped", "ready"):
        answer = await azure.put_policy_of(vm, "v2-daily")
        if answer.status_code == 202:
            assert (
                differences(await azure.get(f"{VAULT_PATH}/backupOperations/{operation_id(answer)}"), shapes.OPERATION)
                == []
            )
    for operation in next(iter(azure.simulator.estate.vaults())).operations:
        assert differences(await azure.get(f"{VAULT_PATH}/backupOperations/{operation}"), shapes.OPERATION) == []


async def test_vaults_and_what_hangs_on_them_look_like_the_services(start_azure: StartAzure) -> None:
    """The vault itself, its settings, its Resource Guard."""
    azure = await everything(start_azure)

    proxies = (await azure.get(f"{VAULT_PATH}/backupResourceGuardProxies"))["value"]

    assert differences(await azure.get(VAULT_PATH), shapes.VAULT) == []
    assert differences(await azure.get(f"{VAULT_PATH}/backupconfig/vaultconfig"), shapes.VAULT_CONFIG) == []
    assert [differences(proxy, shapes.GUARD_PROXY) for proxy in proxies] == [[]]


async def test_virtual_machines_look_like_the_services(start_azure: StartAzure) -> None:
    """Managed, unmanaged, with a data disk, with Trusted Launch."""
    azure = await everything(start_azure)

    for vm in ("ready", "enhanced", "unmanaged"):
        assert differences(await azure.get(vm_path(vm)), shapes.VIRTUAL_MACHINE) == [], vm


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("ResourceRequestsThrottled", shapes.SHORT_ERROR),
        ("CloudDosAbsoluteLimitReached", shapes.LONG_ERROR),
        ("RestApiInternalError", shapes.SHORT_ERROR),
        ("CloudInternalError", shapes.SHORT_ERROR),
        ("CloudStorageUnexpectedError", shapes.SHORT_ERROR),
        ("LegacyCloudInternalError", shapes.LEGACY_ERROR),
        ("InternalServerError", shapes.SHORT_ERROR),
        ("InvalidGatewayHost", shapes.SHORT_ERROR),
        ("ServerTimeout", shapes.SHORT_ERROR),
        ("GatewayTimeout", shapes.SHORT_ERROR),
        ("AuthorizationFailed", shapes.SHORT_ERROR),
        ("LinkedAuthorizationFailed", shapes.SHORT_ERROR),
    ],
)
async def test_errors_look_like_the_services(start_azure: StartAzure, kind: str, shape: Shape) -> None:
    """Each trouble in the shape its recording has."""
    azure = await start_azure(a_scenario(a_vm()))
    await azure.control("POST", "troubles", {"kind": kind})

    assert differences((await azure.request("GET", item_path())).json(), shape) == []


# The table against the recordings


OLD_API = "gone since an api-version of 2023 or earlier"
VERSION_EXTRA = "an extra of the api-versions of 2022 and 2023 alone"
RESTORE = "of restores, which the simulator does not do"
IDENTITY = "an identity or key of the vault, which the simulator does not have"
NEW_SETTING = "a vault setting of 2026 that no migration reads"
DESCRIPTION = "a text the owner of the guard may give"

RECORDED: tuple[tuple[str, Shape], ...] = (
    ("item_get.json", shapes.ITEM),
    ("*item_list_*.json", shapes.ITEM),
    ("net2016_operationresults_200_item.json", shapes.ITEM),
    ("policy_get_*.json", shapes.VM_POLICY),
    ("policy_put_*.json", shapes.VM_POLICY),
    ("policy_list_*.json", shapes.VM_POLICY),
    ("ps2025_policy_get_v*.json", shapes.VM_POLICY),
    ("cli2026_policy_get_*.json", shapes.VM_POLICY),
    ("job_get_*.json", shapes.JOB),
    ("net2016_job_get.json", shapes.JOB),
    ("*item_*_job.json", shapes.JOB),
    ("*job_list_*.json", shapes.LISTED_JOB),
    ("backup_now_opstatus.json", shapes.OPERATION),
    ("*item_*_opstatus*.json", shapes.OPERATION),
    ("net2016_operationsstatus_succeeded.json", shapes.OPERATION),
    ("*vault_get.json", shapes.VAULT),
    ("vault_list_*.json", shapes.VAULT),
    ("*resource_guard_proxies_*.json", shapes.GUARD_PROXY),
    ("vault_backupconfig_get.json", shapes.VAULT_CONFIG),
    ("compute_vm_get_managed.json", shapes.VIRTUAL_MACHINE),
    ("compute_vm_get_datadisks.json", shapes.VIRTUAL_MACHINE),
    ("error_400_*.json", shapes.LONG_ERROR),
    ("error_404_vm_*.json", shapes.LONG_ERROR),
    ("error_404_operationstatus_*.json", shapes.SHORT_ERROR),
    ("error_403_*.json", shapes.SHORT_ERROR),
    ("error_409_*.json", shapes.SHORT_ERROR),
    ("error_429_*.json", shapes.SHORT_ERROR),
    ("error_500_[CIR]*.json", shapes.SHORT_ERROR),
    ("error_500_legacy_*.json", shapes.LEGACY_ERROR),
    ("error_50[234]_*.json", shapes.SHORT_ERROR),
)
"""Which recordings show which answer. A list stands for its entries."""

TOLERATED: dict[str, dict[str, str]] = {
    "item_list_ConfiguredRPGenerationFrequency.json": {"properties.ConfiguredRPGenerationFrequency": VERSION_EXTRA},
    "item_list_action_*.json": {
        "properties.kpisHealths": OLD_API,
        "properties.vaultId": OLD_API,
        "properties.softDeleteRetentionPeriod": OLD_API,
    },
    "item_list_protection_error_and_classic.json": {
        "properties.isArchiveEnabled": OLD_API,
        "properties.vaultId": OLD_API,
        "properties.softDeleteRetentionPeriod": OLD_API,
    },
    "net2016_operationresults_200_item.json": {
        "properties.extendedInfo": OLD_API,
        "properties.healthStatus": OLD_API,
        "properties.isArchiveEnabled": OLD_API,
        "properties.protectedItemDataId": OLD_API,
        "properties.softDeleteRetentionPeriod": OLD_API,
        "properties.sourceResourceId": OLD_API,
        "properties.vaultId": OLD_API,
    },
    "job_get_actionsinfo_int.json": {
        "properties.extendedInfo.estimatedRemainingDuration": RESTORE,
        "properties.extendedInfo.progressPercentage": RESTORE,
        "properties.extendedInfo.tasksList[].taskExecutionDetails": RESTORE,
    },
    "job_get_restore_*.json": {
        "properties.extendedInfo.dynamicErrorMessage": RESTORE,
        "properties.extendedInfo.estimatedRemainingDuration": RESTORE,
        "properties.extendedInfo.progressPercentage": RESTORE,
    },
    "job_get_negative_duration.json": {
        "properties.containerName": OLD_API,
        "properties.extendedInfo.dynamicErrorMessage": OLD_API,
    },
    "net2016_job_*.json": {"properties.containerName": OLD_API},
    "ps2025_vault_get.json": {
        "identity": IDENTITY,
        "properties.securitySettings.sourceScanConfiguration": NEW_SETTING,
    },
    "vault_list_*.json": {"identity": IDENTITY, "properties.encryption": IDENTITY},
    "resource_guard_proxies_list.json": {"properties.description": DESCRIPTION},
    "error_409_*.json": {"error.details": "which subscription to register; the simulator's are registered"},
}


def entries(body: Any) -> list[Any]:
    return body["value"] if isinstance(body.get("value"), list) else [body]


def shape_of(entry: Any, shape: Shape) -> Shape:
    """Lists of policies mix VM and workload ones."""
    mixed = shape is shapes.VM_POLICY and entry["properties"]["backupManagementType"] == "AzureWorkload"
    return shapes.WORKLOAD_POLICY if mixed else shape


def tolerated_in(name: str) -> dict[str, str]:
    return {
        path: reason for pattern, paths in TOLERATED.items() if fnmatch(name, pattern) for path, reason in paths.items()
    }


@pytest.mark.parametrize(("pattern", "shape"), RECORDED, ids=[pattern for pattern, _ in RECORDED])
def test_the_table_fits_the_recordings(pattern: str, shape: Shape) -> None:
    """Every member the real service sent is in the table with its type, and nothing the table promises is missing."""
    for file in RECORDINGS.glob(pattern):
        body = json.loads(file.read_text(encoding="utf-8"))["response_body"]
        for entry in entries(body):
            found = differences(entry, shape_of(entry, shape), tolerated=tolerated_in(file.name))
            assert found == [], file.name


def test_every_row_of_the_recordings_table_is_used() -> None:
    """A pattern that names no file, where there are files, is a mistake in the table."""
    names = [file.name for file in RECORDINGS.glob("*.json")]
    patterns = [pattern for pattern, _ in RECORDED] + list(TOLERATED)

    assert not names or [pattern for pattern in patterns if not any(fnmatch(name, pattern) for name in names)] == []


@pytest.mark.parametrize(
    ("body", "difference"),
    [
        ({"id": 1, "name": "n", "type": "t"}, "id is integer, not text"),
        ({"id": "i", "name": "n"}, "missing type"),
        ({"id": "i", "name": "n", "type": "t", "more": {"x": []}}, "unknown more.x (list)"),
    ],
)
def test_a_difference_is_found(body: object, difference: str) -> None:
    """The comparison can fail: on a type, on what is missing, on what is too much."""
    assert differences(body, shapes.RESOURCE) == [difference]
