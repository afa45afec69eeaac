"""The clocks durable timers go by."""

from datetime import UTC, datetime, timedelta

import pytest

from local_host.clock import SkippingClock, SystemClock

START = datetime(2026, 5, 1, tzinfo=UTC)


def test_skips_forward_only():
    """Time never runs back, whatever instant it is asked to skip to."""
    clock = SkippingClock(START)
    clock.skip_to(START - timedelta(days=1))
    assert clock.now() == START
    clock.skip_to(START + timedelta(days=1))
    assert clock.now() == START + timedelta(days=1)


def test_stands_still_until_the_last_hold_ends():
    """Blocks of standing still nest; the end of each is told."""
    clock = SkippingClock(START)
    told: list[bool] = []
    clock.subscribe(lambda: told.append(clock.skips))
    with clock.standing_still():
        with clock.standing_still():
            assert not clock.skips
        assert not clock.skips
    assert clock.skips
    assert told == [False, True]


def test_tells_when_it_was_advanced():
    """Timers that became due by hand must be looked at."""
    clock = SkippingClock(START)
    told: list[datetime] = []
    clock.subscribe(lambda: told.append(clock.now()))
    clock.advance(timedelta(hours=1))
    assert told == [START + timedelta(hours=1)]


def test_system_clock_can_not_be_moved():
    """Real time is aware, in UTC, and passes by itself."""
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    with pytest.raises(RuntimeError):
        clock.skip_to(START)
