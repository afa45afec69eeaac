"""The JavaScript SDK, as published: @azure/arm-recoveryservices, @azure/arm-recoveryservicesbackup, @azure/identity."""

import asyncio
from pathlib import Path

from tests.third_party.azure import (
    GROUP,
    ITEM,
    ITEM_OPERATION,
    ITEM_WRITE,
    ITEMS,
    JOBS,
    MIGRATION_HOURS,
    PAGES,
    POLICIES,
    SUBSCRIPTION,
    VAULT,
    VAULTS,
    VMS,
    Azure,
)
from tests.third_party.programs import run

SCRIPT = Path(__file__).with_name("javascript_sdk.mjs")


async def test_a_migration_in_the_words_of_the_javascript_sdk(azure: Azure, home: Path) -> None:
    """Lists by page, a change answered 202, its operation InProgress until the job has ended, then the new policy."""
    words = [azure.arm, SUBSCRIPTION, GROUP, VAULT, "app-01", "EnhancedPolicy"]
    command = ["node", "--input-type=module", "-", *words]
    running = asyncio.create_task(
        run(command, {"NODE_EXTRA_CA_CERTS": str(azure.ca), **azure.identity}, home, script=SCRIPT)
    )
    await azure.asked_for(ITEM_OPERATION, by=running)
    await azure.advance(MIGRATION_HOURS)
    told = (await running).document()
    requests = await azure.requests()
    known = await azure.item("app-01")

    assert told["vaults"] == [VAULT, "vault-two"]
    assert told["vms"] == VMS
    assert (told["policyType"], told["accepted"]) == ("V2", 202)
    assert (told["states"][0], told["states"][-1]) == ("InProgress", "Succeeded")
    assert (told["job"]["operation"], told["job"]["status"]) == ("ConfigureBackup", "Completed")
    assert told["jobs"] == [job["id"] for job in known["jobs"]]
    assert told["policyAfter"] == "EnhancedPolicy"
    assert known["policyType"] == "V2"

    polls = len(told["states"])
    assert [request.action for request in requests] == [
        VAULTS,
        *[ITEMS] * PAGES,
        POLICIES,
        ITEM_WRITE,
        *[ITEM_OPERATION] * polls,
        JOBS,
        JOBS,
        ITEM,
    ]
    assert {request.api_version for request in requests} == {"2023-06-01", "2026-07-01"}
