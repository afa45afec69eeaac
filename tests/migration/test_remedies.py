"""What to do about a VM that did not come through, and whether to try it again."""

import re
from pathlib import Path

import pytest

from migration.records import ItemState
from migration.remedies import REMEDIES, any_retryable, remedy_of, retryable
from tests.builders import a_record, a_vault

ROOT = Path(__file__).resolve().parent.parent.parent
STATE = ItemState


@pytest.mark.parametrize(
    ("state", "reason", "expected"),
    [
        (STATE.FAILED, "UserErrorFsFreezeFailed", True),
        (STATE.FAILED, "UserErrorNeverHeardOf", True),
        (STATE.TIMED_OUT, "JobTimeout", True),
        (STATE.DRIFTED, "PolicyChanged", True),
        (STATE.DRIFTED, "AlreadyMoved", False),
        (STATE.REFUSED, "AuthorizationFailed", True),
        (STATE.REFUSED, "NoAnswer", True),
        (STATE.REFUSED, "UserErrorOperationDeniedOnImmutableItem", False),
        (STATE.REFUSED, "SomethingNew", False),
        (STATE.MIGRATED, "", False),
        (STATE.BLOCKED, "ClassicVm", False),
        (STATE.CANCELLED, "Stopped", False),
        (STATE.PLANNED, "", False),
    ],
)
def test_what_can_pass_may_be_tried_again(state: ItemState, reason: str, expected: bool) -> None:
    """What failed, timed out or drifted unless it is pointless; what was refused only where it is known to pass."""
    assert retryable(a_record(state=state, reason=reason)) is expected


def test_a_vault_has_something_to_retry_by_its_counts() -> None:
    """Without reading its VMs."""
    assert any_retryable(a_vault(counts={"Failed": 1}))
    assert any_retryable(a_vault(counts={"Refused": 1}, reasons={"NoAnswer": 1}))
    assert not any_retryable(a_vault(counts={"Refused": 1}, reasons={"SomethingNew": 1}))
    assert not any_retryable(a_vault(counts={"Migrated": 9, "Blocked": 2}, reasons={"ClassicVm": 2}))


def test_every_reason_that_the_app_gives_has_its_remedy() -> None:
    """Whatever a record is settled with, in cycle.py or in an activity, the operator is told what to do."""
    sources = [ROOT / "migration" / "cycle.py", *(ROOT / "activities").glob("*.py")]
    code = "\n".join(source.read_text() for source in sources)
    given = set(re.findall(r'reason="(\w+)"|(?:DRIFTED|BLOCKED|REFUSED), "(\w+)"|drift = "(\w+)"|title="(\w+)"', code))
    reasons = {reason for groups in given for reason in groups if reason}
    assert len(reasons) > 10
    assert reasons <= set(REMEDIES)
    assert remedy_of(a_record(reason="JobTimeout")).startswith("Look at the job")
    assert remedy_of(a_record(reason="SomethingNew")) == ""


def test_what_a_rule_found_live_has_the_remedy_of_the_rule() -> None:
    """A VM that drifted because a rule holds now is told what to do about that."""
    assert "Undelete" in remedy_of(a_record(state=ItemState.DRIFTED, reason="SoftDeleted"))


def test_advice_reads_as_advice() -> None:
    """A sentence each."""
    assert all(remedy.advice[0].isupper() and remedy.advice.endswith(".") for remedy in REMEDIES.values())
