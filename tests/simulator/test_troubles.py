"""Trouble on demand: throttles, outages, lost answers, and what others do meanwhile. By scenario and at run time."""

from datetime import UTC, datetime

import pytest
from azure.core.rest import AsyncHttpResponse

from tests.simulator.estates import (
    VAULT_PATH,
    Azure,
    StartAzure,
    a_policy,
    a_scenario,
    a_vm,
    error_code,
    item_path,
    vm_path,
)

JOB_READ = "Microsoft.RecoveryServices/vaults/backupJobs/read"


async def job_list(azure: Azure) -> AsyncHttpResponse:
    return await azure.request("GET", f"{VAULT_PATH}/backupJobs")


# Limits


async def test_job_reads_have_an_hourly_bucket(start_azure: StartAzure) -> None:
    """List and GET share it; the text says the limit and the seconds until the window ends, and so does Retry-After."""
    azure = await start_azure(a_scenario(a_vm(), before=f'limits.requests_per_hour = {{ "{JOB_READ}" = 150 }}'))
    remaining = "x-ms-ratelimit-remaining-subscription-resource-requests"

    first = await job_list(azure)
    for _ in range(148):
        assert (await job_list(azure)).status_code == 200
    last = await azure.request("GET", f"{VAULT_PATH}/backupJobs/none")
    azure.advance(minutes=54, seconds=36)
    throttled = await job_list(azure)
    azure.advance(seconds=324)
    again = await job_list(azure)

    assert [answer.headers[remaining] for answer in (first, last, again)] == ["149", "0", "149"]
    assert (throttled.status_code, throttled.headers["Retry-After"]) == (429, "324")
    assert error_code(throttled) == "ResourceRequestsThrottled"
    assert throttled.json()["error"]["message"] == (
        f"Number of requests for action '{JOB_READ}' exceeded the limit of '150' for time interval '01:00:00'. "
        "Please try again after '324' seconds."
    )
    assert again.status_code == 200


async def test_other_actions_are_not_throttled_by_it(start_azure: StartAzure) -> None:
    """Each action has a bucket of its own, or none."""
    azure = await start_azure(a_scenario(a_vm(), before=f'limits.requests_per_hour = {{ "{JOB_READ}" = 1 }}'))

    assert [(await job_list(azure)).status_code for _ in range(2)] == [200, 429]
    assert (await azure.request("GET", item_path())).status_code == 200


async def test_changes_of_protection_have_a_limit_per_day(start_azure: StartAzure) -> None:
    """The 400 that is a throttle, CloudDosAbsoluteLimitReached, until the first change is a day old."""
    azure = await start_azure(a_scenario(a_vm("vm-{n}", count=3), before="limits.protection_changes_per_day = 2"))

    for n in (1, 2):
        assert (await azure.put_policy_of(f"vm-{n}")).status_code == 202
    refused = await azure.put_policy_of("vm-3")
    azure.advance(days=1)

    assert (refused.status_code, error_code(refused)) == (400, "CloudDosAbsoluteLimitReached")
    assert (await azure.put_policy_of("vm-3")).status_code == 202


# Troubles


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("ResourceRequestsThrottled", 429),
        ("CloudDosAbsoluteLimitReached", 400),
        ("RestApiInternalError", 500),
        ("InvalidGatewayHost", 502),
        ("ServerTimeout", 503),
        ("GatewayTimeout", 504),
        ("AuthorizationFailed", 403),
        ("LinkedAuthorizationFailed", 403),
    ],
)
async def test_a_trouble_strikes_as_often_as_told(start_azure: StartAzure, kind: str, status: int) -> None:
    """From the control API, for one action, twice; then everything is as before."""
    azure = await start_azure(a_scenario(a_vm()))
    await azure.control("POST", "troubles", {"kind": kind, "action": JOB_READ, "times": 2})

    assert (await azure.request("GET", item_path())).status_code == 200
    assert [(await job_list(azure)).status_code for _ in range(3)] == [status, status, 200]


async def test_a_trouble_can_be_of_the_scenario(start_azure: StartAzure) -> None:
    """[[troubles]]: the same words, from the first request on; `skip` lets some pass first."""
    trouble = f'[[troubles]]\nkind = "RestApiInternalError"\naction = "{JOB_READ}"\nskip = 1\ntimes = 1'
    azure = await start_azure(a_scenario(a_vm(), before=trouble))

    assert [(await job_list(azure)).status_code for _ in range(3)] == [200, 500, 200]


async def test_a_trouble_strikes_the_paths_it_names(start_azure: StartAzure) -> None:
    """`path` with * and without case."""
    azure = await start_azure(a_scenario(a_vm("one"), a_vm("two")))
    await azure.control("POST", "troubles", {"kind": "GatewayTimeout", "path": "*;ONE"})

    assert [(await azure.request("GET", item_path(vm))).status_code for vm in ("one", "two")] == [504, 200]


async def test_an_answer_can_be_lost_although_the_change_was_accepted(start_azure: StartAzure) -> None:
    """accepted: 504, and yet the job runs and a second PUT meets a conflict."""
    azure = await start_azure(a_scenario(a_vm()))
    trouble = {"kind": "GatewayTimeout", "action": "*/protectedItems/write", "times": 1, "accepted": True}
    await azure.control("POST", "troubles", trouble)

    lost = await azure.put_policy_of()
    second = await azure.put_policy_of()

    assert (lost.status_code, error_code(lost)) == (504, "GatewayTimeout")
    assert [job["operation"] for job in await azure.jobs("status eq 'InProgress'")] == ["ConfigureBackup"]
    assert error_code(second) == "BMSUserErrorConflictingProtectionOperation"


async def test_an_answer_that_was_lost_for_good_started_nothing(start_azure: StartAzure) -> None:
    """Without accepted the same 504 means that nothing happened: from outside the two look alike."""
    azure = await start_azure(a_scenario(a_vm()))
    await azure.control("POST", "troubles", {"kind": "GatewayTimeout", "action": "*/protectedItems/write", "times": 1})

    assert (await azure.put_policy_of()).status_code == 504
    assert await azure.jobs() == []


async def test_the_same_seed_meets_the_same_troubles(start_azure: StartAzure) -> None:
    """A probability is thrown with the simulator's own dice: a run repeats, another seed differs."""
    trouble = f'[[troubles]]\nkind = "ServerTimeout"\naction = "{JOB_READ}"\nprobability = 0.5'

    async def statuses(seed: int) -> list[int]:
        azure = await start_azure(a_scenario(a_vm(), before=trouble), seed=seed)
        return [(await job_list(azure)).status_code for _ in range(40)]

    first = await statuses(1)
    assert first == await statuses(1)
    assert first != await statuses(2)
    assert set(first) == {200, 503}


async def test_latency_makes_answers_late_and_leaves_them_right(start_azure: StartAzure) -> None:
    """Latency is real seconds; the answer is the ordinary one."""
    azure = await start_azure(a_scenario(a_vm()))
    await azure.control("POST", "troubles", {"kind": "Latency", "seconds": 0.05, "action": JOB_READ})
    before = azure.simulator.log.counts().get(JOB_READ, 0)

    answer = await job_list(azure)

    assert (answer.status_code, before) == (200, 0)
    (trouble,) = (await azure.control("GET", "troubles"))["value"]
    assert trouble["struck"] == 1


async def test_troubles_can_be_seen_and_removed(start_azure: StartAzure) -> None:
    """Numbered; one by its number, or all."""
    azure = await start_azure(a_scenario(a_vm()))
    first = (await azure.control("POST", "troubles", {"kind": "ServerTimeout", "action": JOB_READ}))["number"]
    await azure.control("POST", "troubles", {"kind": "GatewayTimeout", "action": JOB_READ})

    assert (await job_list(azure)).status_code == 503
    await azure.control("DELETE", f"troubles?number={first}")
    assert (await job_list(azure)).status_code == 504
    await azure.control("DELETE", "troubles")
    assert (await job_list(azure)).status_code == 200


@pytest.mark.parametrize(
    ("place", "body"),
    [
        ("troubles", {"kind": "Earthquake"}),
        ("troubles", {"kind": "Latency", "colour": "red"}),
        ("events", {"event": "VmDeleted", "vm": "nobody"}),
        ("events", {"event": "Miracle", "vm": "vm"}),
        ("events", {"event": "MigrationWillEnd", "vm": "vm", "migration": {"ends": "Failed", "error": "NoSuchError"}}),
        ("clock/advance", {"seconds": "soon"}),
    ],
)
async def test_the_control_api_refuses_what_it_does_not_understand(
    start_azure: StartAzure, place: str, body: object
) -> None:
    """400 with a sentence, and nothing changes."""
    azure = await start_azure(a_scenario(a_vm()))

    answer = await azure.request("POST", f"/_simulator/{place}", body, api_version=None)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


# What others do


async def test_a_vm_can_be_deleted_meanwhile(start_azure: StartAzure) -> None:
    """The VM is 404, its running job fails with UserErrorVmNotFoundV2, its item says so and cannot be changed."""
    azure = await start_azure(a_scenario(a_vm()))
    operation = await azure.change_policy()

    await azure.control("POST", "events", {"event": "VmDeleted", "vm": "vm"})

    assert (await azure.request("GET", vm_path())).status_code == 404
    assert (await azure.operation(operation)).status == "Failed"
    (job,) = await azure.jobs()
    assert (job["status"], job["errorDetails"][0]["errorTitle"]) == ("Failed", "UserErrorVmNotFoundV2")
    assert (await azure.item())["properties"]["healthDetails"][0]["title"] == "UserErrorVmNotFoundV2"
    assert (await azure.put_policy_of()).status_code == 404


async def test_an_item_can_be_changed_by_someone_else(start_azure: StartAzure) -> None:
    """PolicyChangedElsewhere: the item has another policy, and no job tells why."""
    azure = await start_azure(a_scenario(a_policy("other"), a_vm()))

    await azure.control("POST", "events", {"event": "PolicyChangedElsewhere", "vm": vm_path(), "policy": "other"})

    assert await azure.policy_of() == "other"
    assert await azure.jobs() == []


async def test_protection_can_be_stopped_and_backups_started_meanwhile(start_azure: StartAzure) -> None:
    """ProtectionStopped clears the policy; BackupStarted runs a job for its minutes; JobsEnd ends it at once."""
    azure = await start_azure(a_scenario(a_vm("one"), a_vm("two")))

    await azure.control("POST", "events", {"event": "ProtectionStopped", "vm": "one"})
    await azure.control("POST", "events", {"event": "BackupStarted", "vm": "two", "minutes": 600})
    assert (await azure.item("one"))["properties"]["protectionState"] == "ProtectionStopped"
    assert [job["status"] for job in await azure.jobs()] == ["InProgress"]
    await azure.control(
        "POST", "events", {"event": "JobsEnd", "vm": "two", "status": "Failed", "error": "BackUpOperationFailedV2"}
    )

    assert [job["status"] for job in await azure.jobs()] == ["Failed"]
    assert (await azure.item("two"))["properties"]["lastBackupStatus"] == "Failed"


async def test_a_migrations_end_can_be_decided_before_it_starts(start_azure: StartAzure) -> None:
    """MigrationWillEnd: at run time what a scenario says with `migration`."""
    azure = await start_azure(a_scenario(a_vm()))
    end = {"ends": "Failed", "error": "UserErrorFsFreezeFailed", "minutes": 3}
    await azure.control("POST", "events", {"event": "MigrationWillEnd", "vm": "vm", "migration": end})

    operation = await azure.change_policy()
    azure.advance(minutes=4)

    assert (await azure.operation(operation)).status == "Failed"


async def test_events_of_a_scenario_happen_at_their_minute(start_azure: StartAzure) -> None:
    """[[events]] with after_minutes, by the simulated clock; after_minutes works at run time, too."""
    event = '[[events]]\nevent = "VmDeleted"\nvm = "vm"\nafter_minutes = 30'
    azure = await start_azure(a_scenario(a_vm(), a_vm("other"), before=event))
    await azure.control("POST", "events", {"event": "VmDeleted", "vm": "other", "after_minutes": 45})
    seen: list[list[int]] = []

    for minutes in (29, 2, 15):
        azure.advance(minutes=minutes)
        seen.append([(await azure.request("GET", vm_path(vm))).status_code for vm in ("vm", "other")])

    assert seen == [[200, 200], [404, 200], [404, 404]]


# Control


async def test_the_control_api_hands_out_the_scenario_and_the_state(start_azure: StartAzure) -> None:
    """Expectations by item id; per item the policy, its type, PUTs and jobs."""
    azure = await start_azure("one-vault")
    scenario = await azure.control("GET", "scenario")
    state = await azure.control("GET", "state")

    assert scenario["scenario"] == "one-vault"
    assert len(scenario["vaults"]) == 1
    assert scenario["expectations"].keys() == state["items"].keys()
    assert {each["state"] for each in scenario["expectations"].values()} == {"Migrated"}
    (first, *_) = state["items"].values()
    assert (first["policy"], first["policyType"], first["putsReceived"], first["jobs"]) == (
        "DefaultPolicy",
        "V1",
        0,
        [],
    )


async def test_the_request_log_counts_by_arm_action(start_azure: StartAzure) -> None:
    """Numbered, with method, path, action, status and simulated time; the control API itself is not in it."""
    azure = await start_azure(a_scenario(a_vm()))
    await azure.item()
    await job_list(azure)
    await job_list(azure)

    (last,) = (await azure.control("GET", "requests?since=2"))["value"]
    summary = await azure.control("GET", "requests/summary")
    await azure.control("DELETE", "requests")

    assert last == {
        "n": 3,
        "method": "GET",
        "path": f"{VAULT_PATH}/backupJobs?api-version=2025-02-01",
        "action": JOB_READ,
        "status": 200,
        "time": "2026-05-04T12:00:00Z",
    }
    assert summary == {
        JOB_READ: 2,
        "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/read": 1,
    }
    assert (await azure.control("GET", "requests"))["value"] == []
    await azure.item()
    assert [each["n"] for each in (await azure.control("GET", "requests?since=3"))["value"]] == [4]
    assert (await azure.control("GET", "requests?since=4"))["value"] == []


async def test_the_control_api_advances_the_clock(start_azure: StartAzure) -> None:
    """By seconds; what became due has happened."""
    azure = await start_azure(a_scenario(a_vm(running_backup_minutes=30)))

    advanced = await azure.control("POST", "clock/advance", {"seconds": 3600})

    assert advanced == {"time": "2026-05-04T13:00:00Z"}
    assert azure.clock.now() == datetime(2026, 5, 4, 13, tzinfo=UTC)
    assert [job["status"] for job in await azure.jobs()] == ["Completed"]


async def test_an_unknown_place_of_the_control_api_lists_the_known_ones(start_azure: StartAzure) -> None:
    """404 with a sentence that helps."""
    azure = await start_azure(a_scenario(a_vm()))

    answer = await azure.request("GET", "/_simulator/nothing", api_version=None)

    assert answer.status_code == 404
    assert "GET /_simulator/state" in answer.json()["error"]["message"]
