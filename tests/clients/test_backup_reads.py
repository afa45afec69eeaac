"""What Azure Backup shows, read through the real SDK: items, policies, jobs, operations, and the service's time."""

from datetime import UTC, datetime, timedelta

import pytest

from clients.arm import Refused, Throttled, Unavailable
from clients.backup import Accepted, BackupClient
from migration.model import ItemId, PolicyType, Retention, same_id
from simulator import Simulator
from simulator.events import BackupStarted, JobErrorTable, Migration
from simulator.scenario import Service
from simulator.troubles import Trouble, TroubleKind
from tests.builders import ENHANCED, STANDARD, container, item_id, vm_id
from tests.clients.canned import Canned, CannedAzure
from tests.clients.simulated import (
    ITEM_LIST,
    ITEM_READ,
    ITEM_WRITE,
    JOB_READ,
    POLICY_READ,
    VAULT_1,
    a_policy_table,
    a_scenario,
    a_vm_group,
    meanwhile,
)
from tests.conftest import SCOPE, START, AnyToken, Simulate

# --- items

EVERY_KIND = a_scenario(
    a_vm_group("standard"),
    a_vm_group("enhanced", policy="EnhancedPolicy"),
    a_vm_group("stopped", protection="ProtectionStopped"),
    a_vm_group("deleted", protection="SoftDeleted"),
    a_vm_group("fresh", protection="IRPending"),
    a_vm_group("broken", protection="ProtectionError"),
    a_vm_group("classic", classic=True),
)


@pytest.mark.parametrize("scenario", [EVERY_KIND])
async def test_items_of_every_kind_are_listed(backup: BackupClient) -> None:
    """A vault's list holds stopped, soft-deleted and classic items too, each recognisable."""
    items = await backup.list_items(VAULT_1)

    assert {
        item.vm_name: (
            item.protection_state,
            item.policy_id.rpartition("/")[2],
            item.policy_type,
            item.classic,
            item.soft_deleted,
        )
        for item in items
    } == {
        "standard": ("Protected", "DefaultPolicy", PolicyType.STANDARD, False, False),
        "enhanced": ("Protected", "EnhancedPolicy", PolicyType.ENHANCED, False, False),
        "stopped": ("ProtectionStopped", "", PolicyType.STANDARD, False, False),
        "deleted": ("ProtectionStopped", "", PolicyType.STANDARD, False, True),
        "fresh": ("IRPending", "DefaultPolicy", PolicyType.STANDARD, False, False),
        "broken": ("ProtectionError", "DefaultPolicy", PolicyType.STANDARD, False, False),
        "classic": ("Protected", "DefaultPolicy", PolicyType.STANDARD, True, False),
    }


@pytest.mark.parametrize("scenario", [a_scenario(a_vm_group(odd_casing=True))])
async def test_ids_in_odd_casing_stay_as_they_are(backup: BackupClient) -> None:
    """The service's casing is kept, and compares equal to ours."""
    [item] = await backup.list_items(VAULT_1)
    assert item.vm_id.startswith("/Subscriptions/")
    assert item.vm_id != vm_id() and same_id(item.vm_id, vm_id())
    assert item.policy_id != STANDARD and same_id(item.policy_id, STANDARD)


@pytest.mark.parametrize("group", ["rg-web", "RG.Web_(1)", "rg-größe"])
async def test_an_item_is_read_by_the_names_in_its_id(group: str, simulate: Simulate) -> None:
    """Semicolons, brackets and letters beyond ASCII arrive whole: the item found is the same as the list's."""
    simulator = await simulate(a_scenario(a_vm_group(resource_group=group)))
    backup = BackupClient(simulator.url, SCOPE, AnyToken())
    [listed] = await backup.list_items(VAULT_1)
    item, _ = await backup.get_item(listed.id)
    await backup.close()
    assert item == listed
    assert ItemId.parse(item.id).job_container == f"iaasvmcontainerv2;{group.lower()};web-01"


async def test_an_item_that_is_gone_is_refused_with_404(backup: BackupClient) -> None:
    """404 is a refusal that the caller may look for."""
    with pytest.raises(Refused) as refused:
        await backup.get_item(item_id("nobody"))
    assert refused.value.status == 404
    assert refused.value.code == "BMSUserErrorDataSourceObjectNotFound"


async def test_the_time_of_a_look_is_the_services(simulator: Simulator, backup: BackupClient) -> None:
    """It is taken from the answer's Date header, whatever the local clock says."""
    simulator.clock.advance(timedelta(days=30, hours=5))
    _, now = await backup.get_item(item_id())
    assert now == START + timedelta(days=30, hours=5)
    assert (await backup.running_jobs(VAULT_1)).now == now


@pytest.mark.parametrize(
    "scenario", [a_scenario(a_vm_group("web-{n:02}", count=7), service=Service(page_size=2))], ids=["pages of two"]
)
async def test_a_list_is_read_to_its_last_page(simulator: Simulator, backup: BackupClient) -> None:
    """nextLink is followed; nothing is lost or doubled between the pages."""
    items = await backup.list_items(VAULT_1)
    assert [item.vm_name for item in items] == [f"web-{n:02}" for n in range(1, 8)]
    assert simulator.log.counts()[ITEM_LIST] == 4

    assert {policy.name for policy in await backup.list_policies(VAULT_1)} == {"DefaultPolicy", "EnhancedPolicy"}

    for item in items[:5]:
        await backup.change_policy(item.id, item.vm_id, ENHANCED)
    jobs = await backup.running_jobs(VAULT_1)
    assert {job.container for job in jobs.jobs} == {ItemId.parse(item.id).job_container for item in items[:5]}


# --- policies


@pytest.mark.parametrize(
    "scenario",
    [
        a_scenario(
            policies=[
                a_policy_table(
                    "weekly",
                    schedule="Weekly",
                    days=["Sunday"],
                    instant_days=5,
                    retention={"weekly": 12, "monthly": 24, "yearly": 7},
                )
            ]
        )
    ],
    ids=["a weekly policy"],
)
async def test_only_policies_for_vms_are_listed(backup: BackupClient) -> None:
    """Type and retention of each VM policy, in days a tier; the vault's SQL policy is not among them."""
    policies = {policy.name: policy for policy in await backup.list_policies(VAULT_1)}
    assert {name: (policy.policy_type, policy.retention) for name, policy in policies.items()} == {
        "DefaultPolicy": (PolicyType.STANDARD, Retention(daily=30)),
        "EnhancedPolicy": (PolicyType.ENHANCED, Retention(daily=30)),
        "weekly": (PolicyType.STANDARD, Retention(weekly=84, monthly=720, yearly=2555)),
    }


async def test_a_policy_reads_the_same_by_name_and_from_the_list(backup: BackupClient) -> None:
    """A GET counts the items, a list never does; the fingerprints agree."""
    listed = await backup.list_policies(VAULT_1)
    found = [await backup.get_policy(VAULT_1, policy.name.upper()) for policy in listed]
    assert [policy and policy[0] for policy in found] == listed


async def test_a_missing_policy_is_none(simulator: Simulator, backup: BackupClient) -> None:
    """The service says 404 with an empty object (ps2025_policy_get_404_empty_body.json)."""
    assert await backup.get_policy(VAULT_1, "nothing") is None
    assert simulator.log.requests[-1].status == 404


@pytest.mark.parametrize(
    "scenario", [a_scenario(troubles=[Trouble(kind=TroubleKind.NOT_AUTHORIZED, action=POLICY_READ)])]
)
async def test_a_policy_that_may_not_be_read_is_not_missing(backup: BackupClient) -> None:
    """Any refusal but 404 is raised."""
    with pytest.raises(Refused) as refused:
        await backup.get_policy(VAULT_1, "EnhancedPolicy")
    assert (refused.value.status, refused.value.code) == (403, "AuthorizationFailed")


# --- jobs


@pytest.mark.parametrize(
    "scenario", [a_scenario(a_vm_group("web-01"), a_vm_group("web-02", running_backup_minutes=45))]
)
async def test_running_jobs_are_those_that_have_not_ended(simulator: Simulator, backup: BackupClient) -> None:
    """A backup and a change of protection both run; ended ones are left out."""
    await backup.change_policy(item_id(), vm_id(), ENHANCED)
    running = (await backup.running_jobs(VAULT_1)).jobs
    assert {(job.operation, job.container, job.configures) for job in running} == {
        ("ConfigureBackup", container("web-01"), True),
        ("Backup", container("web-02"), False),
    }
    assert all(job.running and job.started_at == START and job.ended_at is None for job in running)

    simulator.clock.advance(timedelta(hours=3))
    assert (await backup.running_jobs(VAULT_1)).jobs == ()


@pytest.mark.parametrize("hour", [0, 1, 11, 12, 13, 23])
async def test_jobs_since_a_time_are_those_that_started_then_or_later(
    hour: int, simulator: Simulator, backup: BackupClient
) -> None:
    """The filter's clock has twelve hours: midnight and noon are both 12, and must not be mixed up."""
    moment = datetime(2026, 11, 3, hour, 0, 30, tzinfo=UTC)
    started: list[datetime] = []
    for at in (moment - timedelta(hours=12), moment - timedelta(seconds=1), moment, moment + timedelta(hours=12)):
        simulator.clock.advance(at - simulator.clock.now())
        meanwhile(simulator, BackupStarted(vm="web-01", minutes=1))
        started.append(at)

    jobs = (await backup.jobs_since(VAULT_1, moment)).jobs

    assert sorted(job.started_at for job in jobs) == started[2:]


async def test_jobs_since_a_time_in_another_zone_are_the_same(simulator: Simulator, backup: BackupClient) -> None:
    """The service reads the filter as UTC, so that is what it is given."""
    meanwhile(simulator, BackupStarted(vm="web-01"))
    elsewhere = START.astimezone(datetime.strptime("+0530", "%z").tzinfo)
    assert len((await backup.jobs_since(VAULT_1, elsewhere)).jobs) == 1
    assert not (await backup.jobs_since(VAULT_1, elsewhere + timedelta(seconds=1))).jobs


ERROR = JobErrorTable(code=400227, title="UserErrorX", text="The VM said no.", recommendations=("Ask it again.",))


@pytest.mark.parametrize(
    "scenario", [a_scenario(a_vm_group(migration=Migration(ends="Failed", error=ERROR, minutes=5)))]
)
async def test_a_failed_job_tells_its_errors_and_what_to_do(simulator: Simulator, backup: BackupClient) -> None:
    """Name, text and recommendations of each error, from the job by itself."""
    await backup.change_policy(item_id(), vm_id(), ENHANCED)
    simulator.clock.advance(timedelta(minutes=6))

    [listed] = (await backup.jobs_since(VAULT_1, START)).jobs
    job = await backup.get_job(VAULT_1, listed.id)

    assert (job.status, job.ended_at) == ("Failed", START + timedelta(minutes=5))
    [error] = job.errors
    assert (error.title, error.message, error.recommendations) == ("UserErrorX", "The VM said no.", ("Ask it again.",))


# --- operations


@pytest.mark.parametrize(
    "scenario",
    [
        a_scenario(
            a_vm_group("good", migration=Migration(minutes=10)),
            a_vm_group("bad", migration=Migration(ends="Failed", error=ERROR, minutes=10)),
            a_vm_group("jobless", migration=Migration(ends="OperationFailed", error=ERROR)),
        )
    ],
)
async def test_an_operation_tells_its_job_when_it_has_ended(simulator: Simulator, backup: BackupClient) -> None:
    """Running: nothing. Succeeded: the job. Failed: the error, with a job or without."""
    operations: dict[str, str] = {}
    for name in ("good", "bad", "jobless"):
        accepted = await backup.change_policy(item_id(name), vm_id(name), ENHANCED)
        assert isinstance(accepted, Accepted)
        operations[name] = accepted.operation_id
    running = await backup.get_operation(VAULT_1, operations["good"])
    assert (running.succeeded, running.job_id, running.error) == (None, "", None)

    simulator.clock.advance(timedelta(minutes=11))
    good, bad, jobless = [await backup.get_operation(VAULT_1, operation) for operation in operations.values()]

    jobs = {job.container: job.id for job in (await backup.jobs_since(VAULT_1, START)).jobs}
    assert (good.succeeded, good.job_id) == (True, jobs[container("good")])
    assert bad.succeeded is False and bad.error and bad.error.title == "UserErrorX"
    assert jobless.succeeded is False and jobless.error and jobless.error.message == "The VM said no."
    assert (jobless.job_id, container("jobless") in jobs) == ("", False)


async def test_a_forgotten_operation_is_refused(backup: BackupClient) -> None:
    """An operation the service does not know is a refusal, not an outage."""
    with pytest.raises(Refused) as refused:
        await backup.get_operation(VAULT_1, "00000000-0000-4000-8000-000000000000")
    assert refused.value.status == 404


# --- trouble


@pytest.mark.parametrize("kind", [TroubleKind.PROVIDER_ERROR, TroubleKind.UNAVAILABLE, TroubleKind.GATEWAY_TIMEOUT])
async def test_a_read_survives_a_passing_outage(kind: TroubleKind, simulator: Simulator, backup: BackupClient) -> None:
    """500, 503 and 504 on a read are met with a second try within the call."""
    simulator.troubles.add(Trouble(kind=kind, times=1))
    [item] = await backup.list_items(VAULT_1)
    assert item.vm_name == "web-01"
    assert [request.status for request in simulator.log.requests][1:] == [200]


async def test_a_read_gives_up_after_a_few_tries() -> None:
    """An outage that lasts becomes Unavailable after four requests: longer waits are durable timers'."""
    # The header cuts the pauses between the tries, which are seconds otherwise.
    outage = Canned(status=503, body={"error": {"code": "ServerTimeout"}}, headers={"x-ms-retry-after-ms": "1"})
    async with CannedAzure(outage) as azure:
        with pytest.raises(Unavailable, match="503 ServerTimeout"):
            await azure.backup.running_jobs(VAULT_1)
        assert len(azure.requests) == 4


async def test_a_throttled_read_answers_at_once(simulator: Simulator, backup: BackupClient) -> None:
    """429 with an hour to wait is raised with the seconds after one request; nobody sleeps in the worker."""
    simulator.troubles.add(Trouble(kind=TroubleKind.TOO_MANY_REQUESTS, action=JOB_READ, seconds=3600))
    with pytest.raises(Throttled) as throttled:
        await backup.running_jobs(VAULT_1)
    assert throttled.value.seconds == 3600
    assert simulator.log.counts() == {JOB_READ: 1}


async def test_an_outage_that_names_a_time_answers_at_once() -> None:
    """503 with Retry-After asks for time as well: one request, no sleep."""
    async with CannedAzure(Canned(status=503, headers={"Retry-After": "600"})) as azure:
        with pytest.raises(Unavailable):
            await azure.backup.running_jobs(VAULT_1)
        assert len(azure.requests) == 1


async def test_reading_writes_nothing(simulator: Simulator, backup: BackupClient) -> None:
    """Every read is a GET."""
    await backup.list_items(VAULT_1)
    await backup.get_item(item_id())
    await backup.list_policies(VAULT_1)
    await backup.get_policy(VAULT_1, "EnhancedPolicy")
    await backup.running_jobs(VAULT_1)
    assert {request.method for request in simulator.log.requests} == {"GET"}
    assert simulator.log.counts()[ITEM_READ] == 1
    assert ITEM_WRITE not in simulator.log.counts()


async def test_items_read_one_by_one_are_as_old_as_the_first() -> None:
    """The time of a look at several is that of the earliest answer: what came later began later."""
    item = {"id": item_id(), "properties": {"policyId": STANDARD}}
    late = {"Date": "Mon, 02 Nov 2026 09:00:00 GMT"}
    async with CannedAzure(Canned(body=item), Canned(body=item, headers=late)) as azure:
        seen = await azure.backup.get_items(VAULT_1, [item_id("a"), item_id("b")], out_of=1000)
    assert seen.now is not None
    assert seen.now < datetime(2026, 11, 2, 9, tzinfo=UTC)
