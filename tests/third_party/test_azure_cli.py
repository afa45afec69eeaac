"""The Azure CLI, as published, against the simulator: registered as a cloud, logged in by managed identity.

What each command asks for, and how often, was measured with azure-cli 2.91.0 against a fake endpoint before there was a
simulator; the expectations are those measurements.
"""

import asyncio
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.third_party.azure import (
    GROUP,
    GUARDS,
    ITEM,
    ITEM_WRITE,
    ITEMS,
    JOB_CANCEL,
    JOBS,
    MIGRATION_HOURS,
    OPERATION,
    PAGES,
    POLICIES,
    SIXTIES,
    SUBSCRIPTION,
    VAULT,
    VAULTS,
    VMS,
    Azure,
    container,
    item,
)
from tests.third_party.programs import Ended, run

IN_VAULT = f"-v {VAULT} -g {GROUP}"
OF_VMS = "--backup-management-type AzureIaasVM --workload-type VM"
VM_NAMES = "[].properties.friendlyName"


def native(vm: str) -> str:
    """A protected item by the names Azure gives it."""
    return f"{IN_VAULT} -c '{container(vm)}' -n '{item(vm)}'"


def friendly(vm: str) -> str:
    """A protected item by the VM's name."""
    return f"{IN_VAULT} -c {vm} -n {vm} {OF_VMS}"


@dataclass(frozen=True)
class AzureCli:
    """`az`, logged in to the simulated cloud."""

    azure: Azure
    home: Path

    async def __call__(self, words: str, query: str = "@") -> Ended:
        """Run `az` with these words; `query` is its JMESPath."""
        environment = {"REQUESTS_CA_BUNDLE": str(self.azure.ca), "AZURE_CORE_COLLECT_TELEMETRY": "no"}
        command = ["az", *shlex.split(words), "--query", query, "--output", "json"]
        return await run(command, environment | self.azure.identity, self.home)


@pytest.fixture(scope="module")
async def az(azure: Azure, home: Path) -> AzureCli:
    """Told where Azure is by one address, as the README says."""
    az = AzureCli(azure, home)
    for words in (
        f"cloud register -n Simulator --endpoint-resource-manager {azure.arm}",
        "cloud set -n Simulator",
        "login --identity",
    ):
        ended = await az(words)
        assert ended.code == 0, ended.err
    return az


@pytest.fixture(autouse=True)
async def only_this_test(azure: Azure) -> None:
    """Each test sees its own requests."""
    await azure.requests()


async def test_one_address_and_a_managed_identity_are_a_login(az: AzureCli) -> None:
    """The cloud's other addresses come from /metadata/endpoints, the token from the identity endpoint."""
    accounts = (await az("account list", "[].{id: id, cloud: cloudName, user: user.type}")).document()

    assert accounts == [{"id": SUBSCRIPTION, "cloud": "Simulator", "user": "servicePrincipal"}]


READS = {
    "vault list": ("backup vault list", "[].name", [VAULT, "vault-two"], [VAULTS]),
    "vault list of a group": (f"backup vault list -g {GROUP}", "[].name", [VAULT], [VAULTS]),
    "vault show": (f"backup vault show -n {VAULT} -g {GROUP}", "name", VAULT, [VAULTS]),
    "backup-properties show": (
        f"backup vault backup-properties show -n {VAULT} -g {GROUP}",
        "sort([].name)",
        ["vaultconfig", "vaultstorageconfig"],
        [
            "Microsoft.RecoveryServices/vaults/backupconfig/read",
            "Microsoft.RecoveryServices/vaults/backupstorageconfig/read",
        ],
    ),
    "item list": (f"backup item list {IN_VAULT}", VM_NAMES, VMS, [ITEMS] * PAGES),
    "item list of VMs": (f"backup item list {IN_VAULT} {OF_VMS}", VM_NAMES, VMS, [ITEMS] * PAGES),
    "item show by native names": (
        f"backup item show {native('sixty-01')}",
        "properties.[friendlyName, policyName, policyType]",
        ["sixty-01", "daily-60", ""],
        [ITEM],
    ),
    "item show by friendly name": (
        f"backup item show {friendly('sixty-02')}",
        "name",
        item("sixty-02"),
        [ITEMS] * PAGES,
    ),
    "policy list": (
        f"backup policy list {IN_VAULT}",
        "sort([].name)",
        ["DefaultPolicy", "EnhancedPolicy", "HourlyLogBackup", "daily-60"],
        [POLICIES],
    ),
    "policy list of Enhanced ones": (
        f"backup policy list {IN_VAULT} {OF_VMS} --policy-sub-type Enhanced",
        "[].name",
        ["EnhancedPolicy"],
        [POLICIES],
    ),
    "policy show": (
        f"backup policy show {IN_VAULT} -n daily-60",
        "[properties.protectedItemsCount, properties.policyType]",
        [2, None],
        [POLICIES],
    ),
    "policy list-associated-items": (
        f"backup policy list-associated-items {IN_VAULT} -n daily-60",
        VM_NAMES,
        SIXTIES,
        [ITEMS],
    ),
}
"""Command, JMESPath, what it must answer, and the actions it may ask for."""


@pytest.mark.parametrize(("words", "query", "answer", "actions"), READS.values(), ids=READS.keys())
async def test_a_command_that_reads_finds_what_is_there(
    az: AzureCli, words: str, query: str, answer: Any, actions: list[str]
) -> None:
    """One request for each list or resource and one for each further page, all answered 200."""
    found = (await az(words, query)).document()
    requests = await az.azure.requests()

    assert found == answer
    assert [request.action for request in requests] == actions
    assert {request.status for request in requests} == {200}


async def migrated(az: AzureCli, names: str) -> Ended:
    """Set the Enhanced policy; Azure's two hours pass when az has begun to look at the operation."""
    ended = asyncio.create_task(az(f"backup item set-policy {names} -p EnhancedPolicy"))
    await az.azure.asked_for(OPERATION, by=ended)
    await az.azure.advance(MIGRATION_HOURS)
    return await ended


async def test_set_policy_migrates_an_item_by_its_native_names(az: AzureCli) -> None:
    """Seven requests and one more for each five seconds that the operation goes on; it prints the finished job."""
    ended = await migrated(az, f"{native('app-01')} --yes")
    job = ended.document()["properties"]

    assert (job["operation"], job["status"], job["entityFriendlyName"]) == ("ConfigureBackup", "Completed", "app-01")
    assert job["extendedInfo"]["propertyBag"]["Policy Name"] == "EnhancedPolicy"
    assert await az.azure.actions() == [
        ITEM,
        POLICIES,
        GUARDS,
        POLICIES,
        ITEM_WRITE,
        OPERATION,
        OPERATION,
        JOBS,
    ]
    assert (await az.azure.item("app-01"))["policyType"] == "V2"


async def test_set_policy_by_friendly_name_never_asks_its_question(az: AzureCli) -> None:
    """The vault is listed for the name. A Standard policy has no policyType, so az warns and goes on unasked."""
    ended = await migrated(az, friendly("app-02"))
    actions = await az.azure.actions()

    assert ended.document()["properties"]["status"] == "Completed"
    assert "Unable to fetch policy type for either existing or new policy" in ended.err
    assert actions == [*[ITEMS] * PAGES, POLICIES, GUARDS, POLICIES, ITEM_WRITE, OPERATION, OPERATION, JOBS]
    assert (await az.azure.item("app-02"))["policyType"] == "V2"


async def test_there_is_no_way_back_to_standard(az: AzureCli) -> None:
    """Azure's refusal is az's error; nothing is polled."""
    ended = await az(f"backup item set-policy {native('enhanced-01')} -p DefaultPolicy --yes")

    assert ended.code == 1
    assert "(BMSUserErrorInvalidConfigureProtectionRequest)" in ended.err
    assert await az.azure.actions() == [ITEM, POLICIES, GUARDS, POLICIES, ITEM_WRITE]


async def test_a_failed_migration_is_printed_and_called_success(az: AzureCli) -> None:
    """az prints the failed operation and exits with 0, as it does with the real service."""
    ended = await migrated(az, f"{native('doomed-01')} --yes")
    operation = ended.document()

    assert operation["status"] == "Failed"
    assert operation["error"]["code"] == "UserErrorVmNotInDesirableState"
    assert (await az.azure.item("doomed-01"))["policyType"] == "V1"


async def running_backup(az: AzureCli, vm: str) -> str:
    """The id of a Backup job that has just begun."""
    job = (await az(f"backup protection backup-now {IN_VAULT} -c {vm} -i {vm} {OF_VMS}")).document()
    assert job["properties"]["status"] == "InProgress"
    await az.azure.requests()
    return job["name"]


@pytest.mark.timeout(120)  # from its second look on, az sleeps 30 seconds after each, even the one that shows the end
async def test_job_wait_returns_when_the_job_has_ended(az: AzureCli) -> None:
    """A running job is read twice at first and again every half a minute."""
    job = await running_backup(az, "app-03")

    waiting = asyncio.create_task(az(f"backup job wait {IN_VAULT} -n {job}", "properties.status"))
    await az.azure.asked_for(JOBS, by=waiting, times=2)
    await az.azure.advance(hours=2)

    assert (await waiting).document() == "Completed"
    assert await az.azure.actions() == [JOBS] * 3


async def test_job_wait_for_a_finished_job_returns_at_once(az: AzureCli) -> None:
    """One request."""
    job = await running_backup(az, "app-04")
    await az.azure.advance(hours=2)

    assert (await az(f"backup job wait {IN_VAULT} -n {job}", "properties.status")).document() == "Completed"
    assert await az.azure.actions() == [JOBS]


async def test_job_stop_cancels_a_backup(az: AzureCli) -> None:
    """One request; a little later the job shows how it ended (job_get_backup_completedwithwarnings.json)."""
    job = await running_backup(az, "app-05")

    stopped = await az(f"backup job stop {IN_VAULT} -n {job}")
    actions = await az.azure.actions()
    await az.azure.advance(hours=0.5)
    shown = await az(f"backup job show {IN_VAULT} -n {job}", "properties.[status, errorDetails[0].errorTitle]")

    assert stopped.code == 0, stopped.err
    assert actions == [JOB_CANCEL]
    assert shown.document() == ["CompletedWithWarnings", "UserErrorJobSuccessfullyCancelled"]


async def test_job_list_understands_the_filters_of_az(az: AzureCli) -> None:
    """Operation, status, and times in the 12-hour clock; a list that matches nothing is empty."""
    job = await running_backup(az, "app-06")
    running = f"backup job list {IN_VAULT} --operation Backup --status InProgress"
    window = "--start-date {0} --end-date {0}"

    listed = await az(running, "[].name")
    long_ago = await az(f"{running} {window.format('01-01-2020')}", "[].name")
    requests = await az.azure.requests()

    assert listed.document() == [job]
    assert long_ago.document() == []
    assert {(request.action, request.status) for request in requests} == {(JOBS, 200)}


async def test_a_migration_is_in_the_job_list_while_it_runs(az: AzureCli) -> None:
    """Its job ConfigureBackup, InProgress; az waits for the operation meanwhile."""
    changing = asyncio.create_task(az(f"backup item set-policy {native('app-07')} -p EnhancedPolicy --yes"))
    await az.azure.asked_for(OPERATION, by=changing)
    jobs = await az(
        f"backup job list {IN_VAULT} --operation ConfigureBackup --status InProgress",
        "[].properties.entityFriendlyName",
    )
    await az.azure.advance(MIGRATION_HOURS)

    assert jobs.document() == ["app-07"]
    assert (await changing).document()["properties"]["status"] == "Completed"
