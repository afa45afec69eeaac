"""The .NET SDK, as Microsoft ships it inside a program: the Azure MCP Server's command line.

That program (version 3.0.0) is Azure.ResourceManager.RecoveryServices and .RecoveryServicesBackup with a command in
front of each call. It knows public Azure only, so it is led to the simulator by its proxy setting.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.third_party.azure import (
    GROUP,
    ITEM,
    ITEM_WRITE,
    ITEMS,
    JOBS,
    MIGRATION_HOURS,
    PAGES,
    POLICIES,
    POLICY_WRITE,
    SUBSCRIPTION,
    VAULT,
    VAULT_PATH,
    VAULTS,
    VMS,
    Azure,
    container,
    item,
    vm_id,
)
from tests.third_party.programs import run
from tests.third_party.public_azure import public_azure

BACKUP_VERSION, VAULTS_VERSION = "2025-02-01", "2026-05-01"


@dataclass(frozen=True)
class AzureMcp:
    """`azmcp azurebackup`, with the managed identity that the simulator gives out."""

    azure: Azure
    home: Path
    proxy: str

    async def __call__(self, *words: str, vault: str = VAULT) -> Any:
        """The results of a command on the vault. Fails the test where the command does not succeed."""
        place = ["--subscription", SUBSCRIPTION, "--resource-group", GROUP, "--vault", vault, "--vault-type", "rsv"]
        environment = {
            "HTTPS_PROXY": self.proxy,
            "SSL_CERT_FILE": str(self.azure.ca),
            "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
            "AZURE_MCP_COLLECT_TELEMETRY": "false",
            **self.azure.identity,
        }
        ended = await run(["azmcp", "azurebackup", *words, *place], environment, self.home)
        return ended.document()["results"]


@pytest.fixture
async def azmcp(azure: Azure, home: Path) -> AsyncIterator[AzureMcp]:
    """Each test sees its own requests."""
    await azure.requests()
    async with public_azure(azure.arm, azure.ca.parent) as proxy:
        yield AzureMcp(azure, home, proxy)


async def test_a_vault_is_read(azmcp: AzureMcp) -> None:
    """One request, at the api-version of the vaults' client."""
    (vault,) = (await azmcp("vault", "get"))["vaults"]
    requests = await azmcp.azure.requests()

    assert vault["id"] == VAULT_PATH
    assert (vault["provisioningState"], vault["immutabilityState"]) == ("Succeeded", "Disabled")
    assert [(request.action, request.api_version) for request in requests] == [(VAULTS, VAULTS_VERSION)]


async def test_every_page_of_the_items_is_read(azmcp: AzureMcp) -> None:
    """nextLink is followed to the end; the items' types, times and states are what the SDK's models expect."""
    items = (await azmcp("protecteditem", "get"))["protectedItems"]
    requests = await azmcp.azure.requests()

    assert [one["details"]["friendlyName"] for one in items] == VMS
    assert {one["details"]["protectionState"] for one in items} == {"Protected"}
    assert [(request.action, request.api_version) for request in requests] == [(ITEMS, BACKUP_VERSION)] * PAGES


async def test_policies_show_their_type(azmcp: AzureMcp) -> None:
    """Only an Enhanced policy names it, V2."""
    policies = (await azmcp("policy", "get"))["policies"]

    assert {policy["name"]: policy["details"].get("policyType") for policy in policies} == {
        "HourlyLogBackup": None,
        "DefaultPolicy": None,
        "EnhancedPolicy": "V2",
        "daily-60": None,
    }
    assert await azmcp.azure.actions() == [POLICIES]


async def test_an_item_is_migrated_and_its_job_followed(azmcp: AzureMcp) -> None:
    """The change is sent once; the job is found in the job list while it runs and read until it has ended."""
    changing = asyncio.create_task(
        azmcp("protecteditem", "update-protection", "--datasource-id", vm_id("app-01"), "--policy", "EnhancedPolicy")
    )
    await azmcp.azure.asked_for(JOBS, by=changing)
    await azmcp.azure.advance(MIGRATION_HOURS)
    result = (await changing)["result"]
    actions = await azmcp.azure.actions()
    known = await azmcp.azure.item("app-01")

    assert (result["status"], result["protectedItemName"]) == ("Completed", item("app-01"))
    assert [result["jobId"]] == [job["id"] for job in known["jobs"]]
    assert (known["policyType"], known["putsAccepted"]) == ("V2", 1)
    assert actions[:4] == [VAULTS, ITEM, ITEM_WRITE, JOBS]
    assert set(actions[4:]) == {JOBS}


async def test_an_item_is_read_after_its_migration(azmcp: AzureMcp) -> None:
    """By its two names; the item of an Enhanced policy says V2 at this api-version."""
    names = ["--container", container("enhanced-01"), "--protected-item", item("enhanced-01")]

    (found,) = (await azmcp("protecteditem", "get", *names))["protectedItems"]

    assert found["policyName"] == "EnhancedPolicy"
    assert found["details"]["policyType"] == "V2"
    assert await azmcp.azure.actions() == [ITEM]


DAILY = ["--schedule-frequency", "Daily", "--schedule-times", "16:30", "--daily-retention-days", "30"]
HOURLY = [
    *["--schedule-frequency", "Hourly", "--hourly-interval-hours", "4", "--hourly-window-start-time", "08:00"],
    *["--hourly-window-duration-hours", "12", "--schedule-times", "08:00", "--daily-retention-days", "30"],
]
WEEKLY = [
    *["--schedule-frequency", "Weekly", "--schedule-days-of-week", "Sunday", "--schedule-times", "16:30"],
    *["--weekly-retention-weeks", "12", "--weekly-retention-days-of-week", "Sunday"],
]


@pytest.mark.parametrize(
    ("policy", "policy_type", "terms"),
    [
        ("standard-daily", "V1", ["--policy-sub-type", "Standard", *DAILY]),
        ("standard-weekly", "V1", ["--policy-sub-type", "Standard", *WEEKLY]),
        ("enhanced-daily", "V2", ["--policy-sub-type", "Enhanced", *DAILY]),
        ("enhanced-hourly", "V2", ["--policy-sub-type", "Enhanced", *HOURLY]),
        ("enhanced-weekly", "V2", ["--policy-sub-type", "Enhanced", *WEEKLY]),
    ],
)
async def test_a_policy_that_dotnet_writes_is_accepted(
    azmcp: AzureMcp, policy: str, policy_type: str, terms: list[str]
) -> None:
    """Times with seven decimals, a location, instant restore days left to Azure; read back, it is what was asked."""
    await azmcp("policy", "create", "--policy", policy, "--workload-type", "VM", *terms)
    (found,) = (await azmcp("policy", "get", "--policy", policy))["policies"]

    assert found["details"].get("policyType", "V1") == policy_type
    assert found["scheduleFrequency"] == terms[3]
    assert await azmcp.azure.actions() == [VAULTS, POLICY_WRITE, POLICIES]
