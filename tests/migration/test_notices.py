"""Which state of a migration is told as what, and that the same state is always told by the same event."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from migration.notices import NOTICES, PROBLEM_CHARACTERS, Notice, due_notice
from migration.records import MIGRATION_TRANSITIONS, MigrationRecord, MigrationState
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
    assert set(MigrationState) - set(MIGRATION_TRANSITIONS) <= set(NOTICES)


@pytest.mark.parametrize("state", NOTICES)
def test_a_state_that_was_told_is_not_due_again(state: MigrationState) -> None:
    """Told once is enough; a state told earlier does not stand in for this one."""
    assert due_notice(a_migration(state=state, told=state), [], "") is None
    [other, *_] = [each for each in NOTICES if each is not state]
    assert due_notice(a_migration(state=state, told=other), [], "")


def test_an_event_is_known_by_migration_and_state() -> None:
    """The id is the same at every telling, and another for another state or migration."""
    first = notice_of(a_migration(state=MigrationState.HALTED))
    ids = {
        notice_of(a_migration(migration_id=migration_id, state=state)).id
        for migration_id in ("m1", "m2")
        for state in NOTICES
    }
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
