"""Any Standard policy has an Enhanced equal that the service's own rules accept and that keeps what it keeps."""

from typing import Any

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st

from clients import wire
from migration.policy import CloneOptions, HourlySchedule, clone_name, enhanced_equal, fingerprint, shrinks
from simulator.policies import echoed, read_terms
from tests.builders import VAULT

DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
MONTHS = ["January", "April", "July", "October"]


def tier(draw: st.DrawFn, time: str, unit: str, most: int, least: int = 1) -> dict[str, Any]:
    """How long one tier keeps."""
    count = draw(st.integers(least, most))
    return {"retentionTimes": [time], "retentionDuration": {"count": count, "durationType": unit}}


@st.composite
def standard_policies(draw: st.DrawFn) -> dict[str, Any]:
    """Any Standard policy as the service returns it: daily or weekly, with any of the longer tiers."""
    time = f"2024-04-28T{draw(st.integers(0, 23)):02}:{draw(st.sampled_from(['00', '30']))}:00Z"
    weekly = draw(st.booleans())
    days = draw(st.lists(st.sampled_from(DAYS), min_size=1, max_size=7, unique=True))
    retention: dict[str, Any] = {"retentionPolicyType": "LongTermRetentionPolicy"}
    instant = 5 if weekly else draw(st.integers(1, 5))
    if not weekly:
        retention["dailySchedule"] = tier(draw, time, "Days", 9999, least=7)
    if weekly or draw(st.booleans()):
        retention["weeklySchedule"] = {"daysOfTheWeek": days, **tier(draw, time, "Weeks", 5163, least=1)}
    by_week = {
        "retentionScheduleFormatType": "Weekly",
        "retentionScheduleWeekly": {"daysOfTheWeek": days[:1], "weeksOfTheMonth": ["First"]},
    }
    if draw(st.booleans()):
        retention["monthlySchedule"] = {**by_week, **tier(draw, time, "Months", 1188)}
    if draw(st.booleans()):
        retention["yearlySchedule"] = {"monthsOfYear": MONTHS[:1], **by_week, **tier(draw, time, "Years", 99)}
    return {
        "backupManagementType": "AzureIaasVM",
        "instantRPDetails": draw(
            st.sampled_from([{}, {"azureBackupRGNamePrefix": "rg-", "azureBackupRGNameSuffix": None}])
        ),
        "schedulePolicy": {
            "schedulePolicyType": "SimpleSchedulePolicy",
            "scheduleRunFrequency": "Weekly" if weekly else "Daily",
            "scheduleRunTimes": [time],
            "scheduleWeeklyFrequency": 0,
            **({"scheduleRunDays": days} if weekly else {}),
        },
        "retentionPolicy": retention,
        "instantRpRetentionRangeInDays": instant,
        "timeZone": draw(st.sampled_from(["UTC", "W. Europe Standard Time"])),
        "protectedItemsCount": draw(st.integers(0, 100)),
        **draw(
            st.sampled_from(
                [
                    {},
                    {
                        "tieringPolicy": {
                            "ArchivedRP": {"tieringMode": "DoNotTier", "duration": 0, "durationType": "Invalid"}
                        }
                    },
                ]
            )
        ),
    }


def options() -> st.SearchStrategy[CloneOptions]:
    """Any way to derive: hourly or not, with snapshots kept longer or not."""
    hourly = st.builds(
        HourlySchedule, interval_hours=st.sampled_from([4, 6, 8, 12]), window_hours=st.sampled_from([12, 24])
    )
    return st.builds(CloneOptions, hourly=st.none() | hourly)


def read(properties: dict[str, Any], name: str = "Gold") -> Any:
    """A policy with these properties, as the client reads it."""
    return wire.policy({"id": f"{VAULT}/backupPolicies/{name}", "name": name, "properties": properties})


@given(standard_policies(), options())
def test_the_enhanced_equal_is_accepted_and_keeps_every_tier(properties: dict[str, Any], how: CloneOptions) -> None:
    """The service's rules take it, each tier keeps as many days, and what comes back is what was planned."""
    read_terms(properties)  # the policy this test made up is a valid one itself
    source = read(properties)
    clone = enhanced_equal(source, how)
    body = dict(wire.policy_body(clone)["properties"])

    kept = echoed(body, read_terms(body))
    assert shrinks(source.retention, read(kept).retention) == ()
    assert read(kept).retention == source.retention
    assert fingerprint(read(kept, clone.name)) == fingerprint(clone)
    assert body["timeZone"] == properties["timeZone"]
    assert body["retentionPolicy"] == properties["retentionPolicy"]


@given(standard_policies())
def test_only_the_type_changes_where_nothing_else_is_asked_for(properties: dict[str, Any]) -> None:
    """Same hours, same days, same snapshots: a clone is no occasion for surprises."""
    source = read(properties)
    clone = enhanced_equal(source, CloneOptions())
    assert msgspec.structs.replace(clone.content, policy_type=source.policy_type) == source.content


def test_an_hourly_schedule_begins_at_the_sources_time() -> None:
    """The first backup of the day stays where it was, and retention's times stay true."""
    source = read(
        {
            "schedulePolicy": {"scheduleRunFrequency": "Daily", "scheduleRunTimes": ["2024-04-28T16:30:00Z"]},
            "retentionPolicy": {},
        }
    )
    hourly = CloneOptions(hourly=HourlySchedule(interval_hours=4, window_hours=12))
    assert wire.policy_body(enhanced_equal(source, hourly))["properties"]["schedulePolicy"] == {
        "schedulePolicyType": "SimpleSchedulePolicyV2",
        "scheduleRunFrequency": "Hourly",
        "hourlySchedule": {
            "interval": 4,
            "scheduleWindowStartTime": "2024-04-28T16:30:00Z",
            "scheduleWindowDuration": 12,
        },
    }


@given(st.text("abc-", min_size=3, max_size=150))
def test_a_clones_name_is_one_the_service_takes(name: str) -> None:
    """Long names are cut, the suffix stays."""
    assume(name[0] != "-")
    policy = read({"schedulePolicy": {"scheduleRunFrequency": "Daily"}, "retentionPolicy": {}}, name)
    clone = clone_name(policy, CloneOptions())
    assert len(clone) <= 150
    assert clone.endswith("-enhanced")
