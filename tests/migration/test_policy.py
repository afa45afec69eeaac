"""Retention compared tier by tier: whatever keeps less prunes recovery points; and how long snapshots may be kept."""

from typing import Any

import pytest

from migration.model import Retention, Schedule
from migration.policy import shrinks, snapshot_days

SAME = Retention(daily=30, weekly=84, monthly=360, yearly=3650)


@pytest.mark.parametrize(
    ("source", "target", "tiers"),
    [
        (SAME, SAME, []),
        (Retention(daily=30), SAME, []),
        (SAME, Retention(daily=29, weekly=84, monthly=360, yearly=3650), ["daily"]),
        (SAME, Retention(daily=30), ["weekly", "monthly", "yearly"]),
        (Retention(weekly=28), Retention(daily=180), ["weekly"]),
    ],
)
def test_a_tier_that_keeps_less_is_named(source: Retention, target: Retention, tiers: list[str]) -> None:
    """Equal or longer is fine on every tier; shorter or missing is named."""
    assert [shrink.tier for shrink in shrinks(source, target)] == tiers


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ({"frequency": "Daily"}, (1, 30)),
        ({"frequency": "Weekly"}, (5, 20)),
        *(
            ({"frequency": "Hourly", "interval_hours": hours}, (1, most))
            for hours, most in ((4, 17), (6, 22), (8, 22), (12, 30), (24, 30))
        ),
    ],
)
def test_snapshots_are_kept_as_long_as_the_schedule_allows(schedule: dict[str, Any], expected: tuple[int, int]) -> None:
    """The more backups a day, the fewer days of snapshots."""
    assert snapshot_days(Schedule(run_times=("2024-04-28T16:30:00Z",), **schedule)) == expected
