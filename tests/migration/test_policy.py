"""Retention compared tier by tier: whatever keeps less prunes recovery points."""

import pytest

from migration.model import Retention
from migration.policy import shrinks

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
