"""Records as columns and back, without a table: nothing is lost, whatever the text."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.rows import COLUMN_CHARACTERS, from_row, to_row
from migration.model import Finding, Severity, Value
from migration.records import Decision, ItemRecord, ItemState, MigrationRecord, MigrationState, VaultRecord
from migration.request import Limits
from tests.builders import NOW, VAULT, a_migration, a_record, a_request, a_vault

FINDING = Finding(code="BackupJobRunning", severity=Severity.WAITS, message='It\'s "busy"', remedy="Wait.\nOr not.")
RECORDS: dict[str, Value] = {
    "an item at its defaults": a_record(),
    "an item with every field set": a_record(
        state=ItemState.MIGRATED,
        findings=(FINDING, FINDING),
        reason="NotVerified",
        message="line one\r\nline two",
        warnings=("one", "two, 'quoted'"),
        unanswered=2,
        operation_id="operation-1",
        job_id="job-1",
        claimed_at=NOW,
        written_at=datetime(2026, 11, 2, 8, 0, 0, 123456, tzinfo=UTC),
        settled_at=datetime.max.replace(tzinfo=UTC),
        etag="W/\"datetime'2026'\"",
    ),
    "a vault at its defaults": a_vault(),
    "a vault with every field set": a_vault(
        surveyed=True,
        finished=True,
        problem="403 AuthorizationFailed",
        halted="5 VMs of this vault failed",
        target_fingerprint="f" * 64,
        plan_hash="p" * 64,
        counts={"Planned": 7, "Blocked": 1},
        reasons={"RetentionShrinks": 1},
        checked_at=NOW,
        etag="e",
    ),
    "a migration at its defaults": a_migration(),
    "a migration with every field set": a_migration(
        state=MigrationState.HALTED,
        request=a_request(id="m1", approval="none", limits=Limits(poll_seconds=60, max_concurrent_per_vault=3)),
        plan_hash="p" * 64,
        approval_deadline=NOW,
        decision=Decision(approved=True, plan_hash="p" * 64, approver="Zoë", comment="Go 🚀", decided_at=NOW),
        problem="5 VMs of this vault failed",
        ended_at=NOW,
        etag="e",
    ),
}


def there_and_back(record: Value) -> Value:
    """The record as its columns, through JSON as the table's wire does it, and read again."""
    row: dict[str, Any] = json.loads(json.dumps(to_row(record)))
    etag: str = record.etag  # pyright: ignore[reportAttributeAccessIssue] - every record of the ledger has one
    return from_row({"PartitionKey": "p", "RowKey": "r", **row}, etag, type(record))


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_survives_its_row(name: str) -> None:
    """Every field comes back as it was: texts, times to the microsecond, lists, objects, numbers, flags."""
    assert there_and_back(RECORDS[name]) == RECORDS[name]


@pytest.mark.parametrize("kind", [ItemRecord, VaultRecord, MigrationRecord])
def test_the_full_records_leave_no_field_at_its_default(kind: type[Value]) -> None:
    """A field added to a record must be set in the list above, or nothing shows that it survives."""
    full = next(record for name, record in RECORDS.items() if "every field" in name and type(record) is kind)
    plain = next(record for name, record in RECORDS.items() if "defaults" in name and type(record) is kind)
    optional = {field.name for field in msgspec.structs.fields(kind) if not field.required}
    assert {name for name in optional if getattr(full, name) == getattr(plain, name)} == set()


texts = st.text(max_size=60) | st.sampled_from(
    ["'", "''", '"', "\\", "\r\n", "\x00", "🦄" * 9, "ß\u2028", "[1]", "{}", "3"]
)


@given(reason=texts, message=texts, vm_name=texts, warnings=st.lists(texts, max_size=3).map(tuple))
def test_any_text_survives_its_row(reason: str, message: str, vm_name: str, warnings: tuple[str, ...]) -> None:
    """Quotes, newlines, astral characters and texts that look like JSON are just text."""
    record = a_record(reason=reason, message=message, warnings=warnings)
    record = msgspec.structs.replace(record, vm_name=vm_name)
    assert there_and_back(record) == record


@pytest.mark.parametrize("length", [COLUMN_CHARACTERS, COLUMN_CHARACTERS + 1, 12 * COLUMN_CHARACTERS])
@pytest.mark.parametrize("character", ["x", "🦄"])
def test_a_long_text_is_continued_in_further_columns(character: str, length: int) -> None:
    """No column is longer than Table Storage takes, 64 KiB of UTF-16; the columns join in the order of their numbers."""
    message = "".join(f"{character}{n}" for n in range(length))[:length]
    row = to_row(a_record(message=message))
    columns = [name for name in row if name.startswith("message")]
    assert len(columns) == -(-length // COLUMN_CHARACTERS)
    assert all(len(str(row[name]).encode("utf-16-le")) <= 64 * 1024 for name in columns)
    shuffled = {name: row[name] for name in sorted(row, reverse=True)}
    assert from_row(shuffled, "", ItemRecord) == a_record(message=message)


def test_times_sort_as_text() -> None:
    """A storage browser and a filter compare times as text."""
    earlier, later = to_row(a_record(settled_at=NOW)), to_row(a_record(settled_at=NOW.replace(hour=23)))
    assert earlier["settledAt"] == "2026-11-02T08:00:00Z"
    assert earlier["settledAt"] < later["settledAt"]


def test_a_row_shows_each_field_in_a_column_of_its_own() -> None:
    """The state can be filtered on and read by eye; defaults and the ETag take no column."""
    row = to_row(a_record(message="m", etag="e"))
    assert (row["state"], row["vmName"], row["message"]) == ("Planned", "web-01", "m")
    assert not {"etag", "reason", "findings", "jobId"} & set(row)


@pytest.mark.parametrize(
    "wrong", [{"state": "Elsewhere"}, {"surprise": "1"}, {"claimedAt": "yesterday"}], ids=["state", "field", "time"]
)
def test_a_row_that_is_not_ours_is_refused(wrong: dict[str, str]) -> None:
    """An unknown state, an unknown column or a malformed time is an error that names it, never half a record."""
    with pytest.raises(msgspec.ValidationError, match=next(iter(wrong))):
        from_row({**to_row(a_record()), **wrong}, "", ItemRecord)


def test_a_request_of_500_vaults_fits() -> None:
    """The largest request is longer than a column and comes back whole."""
    vaults = tuple(f"{VAULT}-{n:03}" for n in range(500))
    record = a_migration(request=a_request(vaults=vaults))
    assert "request_1" in to_row(record)
    assert there_and_back(record) == record
