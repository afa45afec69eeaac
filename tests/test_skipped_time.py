"""How the benchmarks skip time: only waits, never work, and everybody's at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from benchmarks.skipping import HurriedClock, SkippedTime

HOUR = 3600.0


def test_threads_that_all_sleep_wake_up_in_the_order_of_their_times() -> None:
    """Time jumps to where the first wakes up, then to the next; Azure is taken along by as much, and by no more."""
    jumps: list[float] = []
    woken: list[str] = []
    skipped = SkippedTime(2, jumps.append)

    def sleep(name: str, hours: float) -> None:
        skipped.sleep(hours * HOUR)
        woken.append(name)
        skipped.leave()

    with ThreadPoolExecutor(2) as pool:
        for sleeping in [pool.submit(sleep, "late", 3), pool.submit(sleep, "early", 1)]:
            sleeping.result()

    assert woken == ["early", "late"]
    assert [round(jump / HOUR, 1) for jump in jumps] == [1, 2]


def test_nothing_is_skipped_while_a_thread_works() -> None:
    """Who sleeps while another thread works, sleeps as long as it is on the wall."""
    jumps: list[float] = []

    SkippedTime(2, jumps.append).sleep(0.01)

    assert not jumps


def test_who_is_done_holds_up_nobody() -> None:
    """The last thread that is left skips its sleep."""
    jumps: list[float] = []
    skipped = SkippedTime(2, jumps.append)

    skipped.leave()
    skipped.sleep(HOUR)

    assert len(jumps) == 1


def test_nobody_sleeps_out_the_hours_of_an_azure_that_is_gone() -> None:
    """Where the simulated Azure does not answer any more, every sleeper is told."""

    def advance(seconds: float) -> None:
        raise ConnectionRefusedError

    skipped = SkippedTime(2, advance)
    with ThreadPoolExecutor(2) as pool:
        sleeping = [pool.submit(skipped.sleep, hours * HOUR) for hours in (1, 2)]

        for sleeper in sleeping:
            with pytest.raises(RuntimeError, match="gone"):
                sleeper.result()


def test_the_workers_clock_takes_azure_along() -> None:
    """A skip moves both by the same; an instant that has passed moves neither."""
    jumps: list[float] = []
    clock = HurriedClock(jumps.append)
    begun = clock.now()

    clock.skip_to(begun + timedelta(hours=2))
    clock.skip_to(begun + timedelta(hours=1))

    assert len(jumps) == 1
    assert jumps[0] == pytest.approx(2 * HOUR, abs=60)
    assert clock.now() - begun >= timedelta(hours=2)
