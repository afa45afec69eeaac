"""The one write: what its answers mean, and that it leaves once."""

from datetime import timedelta
from typing import Any

import pytest

from clients.arm import Refused, Throttled, Unavailable
from clients.backup import Accepted, BackupClient
from simulator import Simulator
from simulator.events import BackupStarted, Event, PolicyChangedElsewhere, ProtectionStopped, VmDeleted
from simulator.troubles import Trouble, TroubleKind
from tests.builders import ENHANCED, STANDARD, VAULT, container, item_id, vm_id
from tests.clients.canned import Canned, CannedAzure
from tests.clients.simulated import ITEM_READ, ITEM_WRITE, VAULT_1, a_scenario, a_vm_group, meanwhile
from tests.conftest import SCOPE, START, AnyToken

DAY_SECONDS = 24 * 3600
POLLS = {
    "Azure-AsyncOperation": f"https://management.azure.com{item_id()}/operationsStatus/operation-1?api-version=1&s=secret",
    "Location": f"https://management.azure.com{item_id()}/operationResults/operation-1?api-version=1&s=secret",
}


async def change(backup: BackupClient, name: str = "web-01", policy: str = ENHANCED) -> Any:
    """Ask for the change of a VM's policy."""
    return await backup.change_policy(item_id(name), vm_id(name), policy)


async def test_an_accepted_change_names_an_operation_that_can_be_asked_for(
    simulator: Simulator, backup: BackupClient
) -> None:
    """202 gives the operation's id, without its signed URL, and the service's time; the job runs at once."""
    simulator.clock.advance(timedelta(hours=1))

    accepted = await change(backup)

    assert isinstance(accepted, Accepted)
    assert accepted.at == START + timedelta(hours=1)
    assert "?" not in accepted.operation_id and "/" not in accepted.operation_id
    assert (await backup.get_operation(VAULT_1, accepted.operation_id)).succeeded is None
    [job] = (await backup.running_jobs(VAULT_1)).jobs
    assert (job.container, job.configures) == (container(), True)


async def test_the_client_does_not_wait_for_the_operation(simulator: Simulator, backup: BackupClient) -> None:
    """The SDK's poller would ask for hours: one PUT leaves, and nothing follows it."""
    await change(backup)
    assert simulator.log.counts() == {ITEM_WRITE: 1}


async def test_the_item_follows_when_the_job_has_ended(simulator: Simulator, backup: BackupClient) -> None:
    """The item keeps its policy while the job runs and shows the Enhanced one afterwards."""
    await change(backup)
    before, _ = await backup.get_item(item_id())
    simulator.clock.advance(timedelta(hours=2))
    after, _ = await backup.get_item(item_id())
    assert (before.policy_id, after.policy_id) == (STANDARD, ENHANCED)


REFUSALS: dict[str, tuple[Event | None, str, int, str]] = {
    "back to Standard": (
        PolicyChangedElsewhere(vm="web-01", policy="EnhancedPolicy"),
        STANDARD,
        400,
        "BMSUserErrorInvalidConfigureProtectionRequest",
    ),
    "a policy that is not there": (
        None,
        f"{VAULT}/backupPolicies/nothing",
        400,
        "BMSUserErrorInvalidConfigureProtectionRequest",
    ),
    "protection was stopped": (
        ProtectionStopped(vm="web-01"),
        ENHANCED,
        400,
        "BMSUserErrorInvalidConfigureProtectionRequest",
    ),
    "the VM was deleted": (VmDeleted(vm="web-01"), ENHANCED, 404, "ResourceNotFound"),
    "a backup runs": (BackupStarted(vm="web-01"), ENHANCED, 409, "BMSUserErrorObjectLocked"),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_a_refusal_is_a_value(case: str, simulator: Simulator, backup: BackupClient) -> None:
    """What the service declines comes back with its status, code and message; nothing is raised, nothing repeated."""
    event, policy, status, code = REFUSALS[case]
    if event:
        meanwhile(simulator, event)

    refused = await change(backup, policy=policy)

    assert isinstance(refused, Refused)
    assert (refused.status, refused.code) == (status, code)
    assert refused.message
    assert simulator.log.counts() == {ITEM_WRITE: 1}


async def test_a_second_change_conflicts_with_the_first(simulator: Simulator, backup: BackupClient) -> None:
    """While one change runs the service answers another with 409 and a code of its own."""
    await change(backup)
    refused = await change(backup)
    assert isinstance(refused, Refused)
    assert (refused.status, refused.code) == (409, "BMSUserErrorConflictingProtectionOperation")


async def test_a_throttled_change_names_the_seconds(simulator: Simulator, backup: BackupClient) -> None:
    """429 on the write is a value too, after one request and without a sleep."""
    simulator.troubles.add(Trouble(kind=TroubleKind.TOO_MANY_REQUESTS, action=ITEM_WRITE, seconds=324))
    throttled = await change(backup)
    assert isinstance(throttled, Throttled)
    assert throttled.seconds == 324
    assert simulator.log.counts() == {ITEM_WRITE: 1}


async def test_the_daily_limit_is_a_throttle_although_it_says_400(simulator: Simulator, backup: BackupClient) -> None:
    """CloudDosAbsoluteLimitReached lifts after a day."""
    simulator.troubles.add(Trouble(kind=TroubleKind.DAY_LIMIT, action=ITEM_WRITE))
    throttled = await change(backup)
    assert isinstance(throttled, Throttled)
    assert throttled.seconds == DAY_SECONDS


OUTAGES = [
    TroubleKind.PROVIDER_ERROR,
    TroubleKind.LEGACY_CLOUD_ERROR,
    TroubleKind.BAD_GATEWAY,
    TroubleKind.UNAVAILABLE,
    TroubleKind.GATEWAY_TIMEOUT,
]


@pytest.mark.parametrize("hidden", [False, True], ids=["not taken", "taken"])
@pytest.mark.parametrize("kind", OUTAGES)
async def test_an_outage_on_the_write_is_unknown_and_never_repeated(
    kind: TroubleKind, hidden: bool, simulator: Simulator, backup: BackupClient
) -> None:
    """A 5xx may hide an accepted write (error_504_GatewayTimeout_item_put.json): exactly one PUT leaves."""
    simulator.troubles.add(Trouble(kind=kind, action=ITEM_WRITE, accepted=hidden))

    answer = await change(backup)

    assert isinstance(answer, Unavailable)
    assert simulator.log.counts() == {ITEM_WRITE: 1}
    assert len((await backup.running_jobs(VAULT_1)).jobs) == hidden


async def test_nobody_listening_is_unknown_too() -> None:
    """A refused connection is Unavailable, as a value."""
    async with CannedAzure(Canned()) as azure:
        url = azure.url
    nobody = BackupClient(url, SCOPE, AnyToken())
    answer = await change(nobody)
    await nobody.close()
    assert isinstance(answer, Unavailable)


async def test_a_connection_that_breaks_after_the_write_does_not_repeat_it() -> None:
    """The service may have taken a write whose connection broke: one PUT, and the outcome is unknown."""
    async with CannedAzure(Canned(hang_up=True)) as azure:
        answer = await change(azure.backup)
        assert isinstance(answer, Unavailable)
        assert [method for method, _ in azure.requests] == ["PUT"]


@pytest.mark.parametrize("header", ["Mon, 02 Nov 2026 08:01:00 GMT", "", "soon", "60.5"])
async def test_an_unusual_retry_after_on_the_answer_is_no_crash(header: str) -> None:
    """The SDK wants whole seconds on the 202; whatever it says, the write is accepted or unknown, and left alone."""
    async with CannedAzure(Canned(status=202, body=None, headers={**POLLS, "Retry-After": header})) as azure:
        answer = await change(azure.backup)
        assert isinstance(answer, Accepted | Unavailable)
        assert len(azure.requests) == 1


@pytest.mark.parametrize(
    ("headers", "operation"),
    [
        (POLLS, "operation-1"),
        ({"Azure-AsyncOperation": POLLS["Azure-AsyncOperation"]}, "operation-1"),
        ({"Location": POLLS["Location"]}, "operation-1"),
        ({}, ""),
    ],
    ids=["both", "Azure-AsyncOperation", "Location", "neither"],
)
async def test_the_operation_is_named_by_whichever_url_there_is(headers: dict[str, str], operation: str) -> None:
    """Both URLs of a 202 end in the operation's id; without any the write is accepted all the same."""
    async with CannedAzure(Canned(status=202, body=None, headers=headers)) as azure:
        accepted = await change(azure.backup)
        assert isinstance(accepted, Accepted)
        assert accepted.operation_id == operation


@pytest.mark.parametrize("date", ["", "yesterday"])
async def test_an_answer_without_a_usable_time_is_no_crash(date: str) -> None:
    """An accepted write whose Date header can't be read is unknown: a value, never an exception."""
    async with CannedAzure(Canned(status=202, body=None, headers={**POLLS, "Date": date})) as azure:
        assert isinstance(await change(azure.backup), Unavailable)


@pytest.mark.parametrize("scenario", [a_scenario(a_vm_group("web-01"), a_vm_group("web-02"))])
async def test_one_change_does_not_touch_another_vm(simulator: Simulator, backup: BackupClient) -> None:
    """Two VMs of a vault are changed independently."""
    assert isinstance(await change(backup, "web-01"), Accepted)
    assert isinstance(await change(backup, "web-02"), Accepted)
    assert {job.container for job in (await backup.running_jobs(VAULT_1)).jobs} == {
        container("web-01"),
        container("web-02"),
    }
    assert ITEM_READ not in simulator.log.counts()
