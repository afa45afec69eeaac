"""Which stage of a migration is told as what, and that the same stage is always told by the same event."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from migration.notices import HALTING, NOTICES, PROBLEM_CHARACTERS, Notice, due_notice
from migration.records import MIGRATION_TRANSITIONS, Cancellation, MigrationRecord, MigrationState, VaultRecord
from tests.builders import NOW, a_migration, a_request, a_vault

STATES = {
    MigrationState.PLANNING: None,
    MigrationState.AWAITING_APPROVAL: "BackupMigration.AwaitingApproval",
    MigrationState.RUNNING: None,
    MigrationState.PAUSED: None,
    MigrationState.HALTED: "BackupMigration.Halted",
    MigrationState.COMPLETED: "BackupMigration.Ended",
    MigrationState.CANCELLED: "BackupMigration.Ended",
    MigrationState.REJECTED: "BackupMigration.Ended",
    MigrationState.FAILED: "BackupMigration.Ended",
}


def at(stage: str, **changes: Any) -> tuple[MigrationRecord, list[VaultRecord]]:
    """A migration that has come to this stage, and its vault."""
    state = MigrationState.RUNNING if stage == HALTING else MigrationState(stage)
    return a_migration(state=state, **changes), [a_vault(halted="1 of 2 VMs failed" if stage == HALTING else "")]


def notice_of(record: MigrationRecord, public_url: str = "", **vault: Any) -> Notice:
    """The notice of a migration of one vault that is due one."""
    notice = due_notice(record, [a_vault(**vault)], public_url)
    assert notice
    return notice


@pytest.mark.parametrize("state", STATES)
def test_a_state_is_told_by_its_type_of_event(state: MigrationState) -> None:
    """What waits for a person, and every end; what goes on by itself is not told."""
    notice = due_notice(a_migration(state=state), [], "")
    assert (notice and notice.type) == STATES[state]


def test_every_end_is_told() -> None:
    """A state added to the transition table is told, or its absence is decided on here."""
    assert set(STATES) == set(MigrationState)
    assert set(MigrationState) - set(MIGRATION_TRANSITIONS) <= set(NOTICES) <= {*MigrationState, HALTING}


@pytest.mark.parametrize("stage", NOTICES)
def test_a_stage_that_was_told_is_not_due_again(stage: str) -> None:
    """Told once is enough; a stage told earlier does not stand in for this one."""
    assert due_notice(*at(stage, told=stage), "") is None
    [other, *_] = [each for each in NOTICES if each != stage]
    assert due_notice(*at(stage, told=other), "")


STOPPED = {"halted": "1 of 2 VMs failed", "halted_at": NOW, "checked_at": NOW + timedelta(hours=1)}
HALTS: dict[str, tuple[MigrationRecord, list[VaultRecord], bool]] = {
    "the vault that halts follows jobs": (a_migration(state=MigrationState.RUNNING), [a_vault(**STOPPED)], True),
    "another vault does": (
        a_migration(state=MigrationState.RUNNING),
        [a_vault(finished=True, **STOPPED), a_vault()],
        True,
    ),
    "it is paused besides": (a_migration(state=MigrationState.PAUSED), [a_vault(**STOPPED)], True),
    "the last job has ended": (
        a_migration(state=MigrationState.RUNNING),
        [a_vault(finished=True, **STOPPED), a_vault(finished=True)],
        False,
    ),
    "somebody has cancelled it": (
        a_migration(state=MigrationState.RUNNING, cancellation=Cancellation(by="ada", cancel_jobs=False, at=NOW)),
        [a_vault(**STOPPED)],
        False,
    ),
    "nothing has failed": (a_migration(state=MigrationState.RUNNING), [a_vault()], False),
}


@pytest.mark.parametrize("case", HALTS)
def test_a_halt_is_told_while_it_goes_on(case: str) -> None:
    """Before its end, which is told by itself; by why nothing more starts, and when that was found."""
    record, vaults, told = HALTS[case]
    notice = due_notice(record, vaults, "")
    assert bool(notice) == told
    if notice:
        assert (notice.id, notice.type, notice.time) == ("m1/Halting", "BackupMigration.Halting", NOW)
        assert notice.data.state is record.state
        assert notice.data.problem == f"{vaults[0].vault_id}: 1 of 2 VMs failed"


def test_an_event_is_known_by_migration_and_stage() -> None:
    """The id is the same at every telling, and another for another stage or migration."""
    first = notice_of(a_migration(state=MigrationState.HALTED))
    notices = [due_notice(*at(stage, migration_id=name), "") for name in ("m1", "m2") for stage in NOTICES]
    ids = {notice.id for notice in notices if notice}
    assert (first.id, first.subject, first.source) == ("m1/Halted", "m1", "/backup-migration/migrations")
    assert notice_of(a_migration(state=MigrationState.HALTED)) == first
    assert len(ids) == 2 * len(NOTICES)


def test_an_event_says_when_its_state_began() -> None:
    """The wait for approval as many hours before its deadline as the request allows; an end when it came."""
    later = NOW + timedelta(hours=5)
    waiting = a_migration(
        state=MigrationState.AWAITING_APPROVAL,
        request=a_request(approval_timeout_hours=3),
        approval_deadline=NOW + timedelta(hours=3),
    )
    assert notice_of(waiting).time == NOW
    rejected = msgspec.structs.replace(waiting, state=MigrationState.REJECTED, ended_at=later)
    assert notice_of(rejected).time == later
    assert notice_of(a_migration(state=MigrationState.FAILED, ended_at=later)).time == later


def test_the_data_says_what_a_person_needs_first() -> None:
    """Counts over all vaults, the plan's hash, the problem and the deadline; no list of VMs or vaults."""
    record = a_migration(
        state=MigrationState.AWAITING_APPROVAL, plan_hash="p" * 64, problem="none yet", approval_deadline=NOW
    )
    vaults = [a_vault(counts={"Planned": 7, "Blocked": 1}), a_vault(counts={"Planned": 2})]
    notice = due_notice(record, vaults, "https://backup.example.com")
    assert notice
    assert msgspec.to_builtins(notice.data) == {
        "id": "m1",
        "state": "AwaitingApproval",
        "mode": "migrate",
        "planHash": "p" * 64,
        "items": {"Blocked": 1, "Planned": 9},
        "problem": "none yet",
        "approvalDeadline": "2026-11-02T08:00:00Z",
        "statusUrl": "https://backup.example.com/api/migrations/m1",
    }


def test_an_app_that_does_not_know_its_address_links_nowhere() -> None:
    """Without a public URL there is no guessing."""
    assert notice_of(a_migration(state=MigrationState.FAILED)).data.status_url == ""


def test_a_notice_stays_small() -> None:
    """A problem that quotes page after page of Azure's is cut; five hundred vaults weigh no more than one."""
    record = a_migration(state=MigrationState.FAILED, problem="x" * 1_000_000)
    notice = due_notice(record, [a_vault(counts={"Planned": 2000})] * 500, "")
    assert notice
    assert (len(notice.data.problem), notice.data.items) == (PROBLEM_CHARACTERS, {"Planned": 1_000_000})
    assert len(msgspec.json.encode(notice)) < 3000
