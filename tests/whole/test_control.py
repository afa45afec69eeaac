"""People at work on a running migration: pause, resume, cancel, other limits, another try."""

import aiohttp
import msgspec
import pytest

from clients import Clients
from local_host.host import LocalHost
from simulator import Simulator
from simulator.events import JobErrorTable, Migration, MigrationWillEnd
from simulator.scenario import Service
from simulator.troubles import Trouble, TroubleKind
from tests.clients.simulated import JOB_READ, a_scenario, a_vm_group, meanwhile
from tests.whole.callers import Json, a_body, act, ask, finish, items, pass_time, status_of, writes
from tests.whole.conftest import OneClock

FULL_SPEED = {"ramp": [], "pollSeconds": 60}
JOB_CANCEL = "Microsoft.RecoveryServices/vaults/backupJobs/cancel/action"
BROKEN = Migration(ends="Failed", error=JobErrorTable(code=1, title="UserErrorFsFreezeFailed", text="no"), minutes=5)


async def begin(http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, **limits: object) -> None:
    """Start a migration at full speed that needs no approval, and let it do what it does at once."""
    status, _ = await ask(http, "POST", "/api/migrations", a_body(simulator, limits={**FULL_SPEED, **limits}))
    assert status == 202
    await host.settled()


async def test_a_pause_holds_and_a_resume_goes_on_at_once(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock
) -> None:
    """A paused migration starts nothing however much time passes; a resumed one starts before any timer fires."""
    with clock.standing_still():
        await begin(http, host, simulator, maxConcurrentPerVault=3)
        paused = await act(http, "pause", {"by": "ada", "comment": "change freeze"})
        assert (paused["state"], paused["limits"]["maxConcurrentPerVault"]) == ("Paused", 3)
        for _ in range(9):
            await pass_time(host, clock, hours=1)
        assert (await status_of(http))["items"] == {"Migrated": 3, "Planned": 17}
        quiet = simulator.log.counts()[JOB_READ]
        await pass_time(host, clock, hours=1)
        assert simulator.log.counts()[JOB_READ] == quiet  # nothing is in flight, so nothing is looked at

        await act(http, "resume", {"by": "bob"})
        await host.settled()
        assert writes(simulator) == 6

    await host.wait("m1")
    document = await status_of(http)
    assert (document["state"], document["items"]) == ("Completed", {"Migrated": 20})
    assert [(one["by"], one["what"]) for one in document["interventions"]] == [("ada", "pause"), ("bob", "resume")]


async def test_a_lost_nudge_only_delays(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock, clients: Clients
) -> None:
    """What is in the ledger is found there at the next look, without anybody's event."""
    with clock.standing_still():
        await begin(http, host, simulator, maxConcurrentPerVault=3)
        await act(http, "pause")
        for _ in range(9):
            await pass_time(host, clock, hours=1)
        record = await clients.ledger.read_migration("m1")
        await clients.ledger.write_migration(record.to(type(record.state).RUNNING))
        await host.settled()
        assert writes(simulator) == 3

        await pass_time(host, clock, minutes=20)
        assert writes(simulator) == 6


async def test_a_cancelled_migration_starts_nothing_more_and_follows_what_runs(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock, clients: Clients
) -> None:
    """It goes on until the jobs in flight have ended, each settled by its own end, and leaves no claim."""
    with clock.standing_still():
        await begin(http, host, simulator, maxConcurrentPerVault=4)
        document = await act(http, "cancel", {"by": "ada"})
        assert (document["state"], document["cancellation"]["by"]) == ("Running", "ada")
    await host.wait("m1")

    document = await status_of(http)
    assert (document["state"], document["items"]) == ("Cancelled", {"Cancelled": 16, "Migrated": 4})
    assert (document["problem"], writes(simulator)) == ("cancelled by ada", 4)
    assert await clients.ledger.claims(document["vaults"][0]["key"], "m1") == []


@pytest.mark.parametrize(
    ("cancellable", "expected"),
    [(True, {"Cancelled": 2, "Failed": 2}), (False, {"Cancelled": 2, "Migrated": 2})],
)
@pytest.mark.parametrize("scenario", [a_scenario(a_vm_group("web-{n}", count=4))])
async def test_jobs_are_cancelled_where_wished_and_possible(
    cancellable: bool,
    expected: dict[str, int],
    http: aiohttp.ClientSession,
    host: LocalHost,
    simulator: Simulator,
    clock: OneClock,
) -> None:
    """A cancelled job leaves its VM on the Standard policy; one that can't be cancelled is followed to its end."""
    simulator.estate.service = msgspec.structs.replace(Service(), migration_cancellable=cancellable)
    with clock.standing_still():
        await begin(http, host, simulator, maxConcurrentPerVault=2)
        await act(http, "cancel", {"cancelJobs": True})
        await host.settled()
        asked = simulator.log.counts().get(JOB_CANCEL, 0)
        assert asked == (2 if cancellable else 0)
    await host.wait("m1")

    assert (await status_of(http))["items"] == expected
    moved = [item.policy.name for vault in simulator.estate.vaults() for item in vault.items.values() if item.policy]
    assert moved.count("EnhancedPolicy") == expected.get("Migrated", 0)


async def test_a_plan_that_waits_is_cancelled_at_once(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock
) -> None:
    """Nothing is in flight, so the answer is the end; and the orchestration ends with it."""
    with clock.standing_still():
        await ask(http, "POST", "/api/migrations", a_body(simulator, approval="required"))
        await host.settled()
        status, document = await ask(http, "POST", "/api/migrations/m1/cancel", {"by": "ada"})
        assert (status, document["state"]) == (200, "Cancelled")
        assert (await host.wait("m1")).output == {"state": "Cancelled"}

    status, problem = await ask(http, "POST", "/api/migrations/m1/cancel")
    assert (status, problem["detail"]) == (409, "the migration is Cancelled")
    assert writes(simulator) == 0


async def test_new_limits_count_from_the_next_look(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock
) -> None:
    """More room is used at once, less room stops nothing that flies."""
    with clock.standing_still():
        await begin(http, host, simulator, maxConcurrentPerVault=2)
        assert writes(simulator) == 2
        document = await act(http, "limits", {"limits": {"maxConcurrentPerVault": 7}, "by": "ada"})
        assert document["limits"]["maxConcurrentPerVault"] == 7
        await host.settled()
        assert writes(simulator) == 7

        await act(http, "limits", {"limits": {"maxConcurrent": 1}})
        await pass_time(host, clock, minutes=5)
        assert (await status_of(http))["items"]["Migrating"] == 7
    await host.wait("m1")
    assert (await status_of(http))["items"] == {"Migrated": 20}


WRONG: dict[str, tuple[str, Json, str]] = {
    "no limits": ("limits", {"by": "ada"}, "$.limits"),
    "a limit out of range": ("limits", {"limits": {"maxConcurrent": 0}}, "$.limits.maxConcurrent"),
    "a canary of nobody": ("limits", {"limits": {"ramp": [1, 0]}}, "$.limits.ramp[1]"),
    "an unknown limit": ("limits", {"limits": {"speed": 9}}, "$.limits"),
    "a name with a line break": ("pause", {"by": "a\nb"}, "$.by"),
    "an unknown field": ("resume", {"force": True}, "$.force"),
    "a word for a truth": ("cancel", {"cancelJobs": "yes"}, "$.cancelJobs"),
    "an id that is none": ("retry", {"id": "a/b"}, "$.id"),
    "another mode": ("retry", {"mode": "force"}, "$.mode"),
}


@pytest.mark.parametrize("case", WRONG)
async def test_a_wrong_word_changes_nothing(
    case: str, http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock
) -> None:
    """The answer names the field, and the migration is what it was."""
    what, body, path = WRONG[case]
    with clock.standing_still():
        await begin(http, host, simulator)
        before = await status_of(http)
        status, problem = await ask(http, "POST", f"/api/migrations/m1/{what}", body)
        assert (status, [error["path"] for error in problem["errors"]]) == (400, [path])
        assert await status_of(http) == before


@pytest.mark.parametrize("what", ["pause", "resume", "limits", "cancel"])
async def test_what_has_ended_can_t_be_changed(
    what: str, http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator
) -> None:
    """A 409 that names the state; a migration that never was is a 404."""
    await finish(http, host, a_body(simulator, mode="plan"))
    body = {"limits": {}} if what == "limits" else None
    status, problem = await ask(http, "POST", f"/api/migrations/m1/{what}", body)
    assert (status, problem["detail"]) == (409, "the migration is Completed")
    assert (await ask(http, "POST", f"/api/migrations/m2/{what}", body))[0] == 404


@pytest.mark.parametrize("scenario", [a_scenario(a_vm_group("bad-{n}", count=3, migration=BROKEN), a_vm_group("ok-1"))])
async def test_a_retry_takes_up_what_did_not_come_through_and_nothing_else(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clients: Clients
) -> None:
    """Failed and Drifted VMs are planned anew; what was migrated, and what was never tried, is left out."""
    meanwhile(simulator, MigrationWillEnd(vm="bad-2", migration=Migration()))
    first = await finish(http, host, a_body(simulator, limits={"ramp": [1], "stopAfterFailures": 1}))
    assert (first["state"], first["items"]) == ("Halted", {"Cancelled": 3, "Failed": 1})
    [failed] = await items(http, query="?state=Failed")
    assert (failed["retryable"], failed["remedy"]) == (True, "Check the file systems in the guest (fsck), then retry.")

    meanwhile(simulator, MigrationWillEnd(vm=failed["vmName"], migration=Migration()))
    status, document = await ask(http, "POST", "/api/migrations/m1/retry", {"id": "m2", "limits": {"ramp": []}})
    assert (status, document["request"]["retryOf"], document["limits"]["stopAfterFailures"]) == (202, "m1", 1)
    await host.wait("m2")

    again = await status_of(http, "m2")
    assert (again["state"], again["items"]) == ("Completed", {"Excluded": 3, "Migrated": 1})
    assert [item["vmName"] for item in await items(http, "m2", "?state=Migrated")] == [failed["vmName"]]


async def test_a_retry_needs_something_to_retry(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock
) -> None:
    """A migration that goes on, one in which all went well, and one that never was, are no cause for another."""
    with clock.standing_still():
        await begin(http, host, simulator)
        status, problem = await ask(http, "POST", "/api/migrations/m1/retry")
        assert (status, problem["detail"]) == (409, "the migration is Running")
        body = a_body(simulator, id="m2", retryOf="m1")
        status, problem = await ask(http, "POST", "/api/migrations", body)
        assert (status, problem["errors"]) == (400, [{"path": "$.retryOf", "message": "the migration is Running"}])
    await host.wait("m1")

    status, problem = await ask(http, "POST", "/api/migrations/m1/retry")
    assert (status, problem["title"]) == (409, "There is nothing to retry")
    assert (await ask(http, "POST", "/api/migrations/m9/retry"))[0] == 404


@pytest.mark.parametrize("scenario", ["fleet:4x10"])
async def test_all_vaults_together_keep_to_the_limits(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock
) -> None:
    """One canary in the whole migration, then three, then never more than twelve at once; none are left behind."""
    most = 0
    with clock.standing_still():
        await begin(http, host, simulator, ramp=[1, 3], maxConcurrent=12)
        assert writes(simulator) == 1
        while (await status_of(http))["state"] == "Running":
            await pass_time(host, clock, minutes=5)
            flying = sum(
                job.running for vault in simulator.estate.vaults() for item in vault.items.values() for job in item.jobs
            )
            most = max(most, flying)
            migrated = (await status_of(http))["items"].get("Migrated", 0)
            assert flying <= (1 if migrated < 1 else 3 if migrated < 4 else 12)
    assert most > 6
    assert (await status_of(http))["items"] == {"Migrated": 40}


@pytest.mark.parametrize(
    "scenario", [a_scenario(a_vm_group("web-{n}", count=2), a_vm_group("bad-{n}", count=3, migration=BROKEN))]
)
async def test_a_vault_that_forbids_itself_for_too_long_is_given_up(
    http: aiohttp.ClientSession,
    host: LocalHost,
    simulator: Simulator,
    clock: OneClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A role taken away for good ends the migration, with a reason for each VM; the log tells of it at once, once."""
    with clock.standing_still():
        await begin(http, host, simulator, maxConcurrentPerVault=1, jobTimeoutHours=2)
        simulator.troubles.add(Trouble(kind=TroubleKind.NOT_AUTHORIZED, action=JOB_READ))
    await host.wait("m1")

    document = await status_of(http)
    assert document["state"] == "Completed"
    assert document["items"] == {"Refused": 4, "TimedOut": 1}
    assert document["reasons"] == {"VaultUnreadable": 5}
    [line] = [record.getMessage() for record in caplog.records if record.name == "activities.monitor_jobs"]
    assert "can't be read: AuthorizationFailed (403)" in line
