"""How limits change, what they leave room for, when they stop a migration, and the pace they allow."""

import msgspec
import pytest

from migration.limits import LimitChanges, Limits, Share, exhausted, idle_pace, pace, room


def test_what_is_not_named_stays_as_it_is() -> None:
    """A change may set a limit to nothing, which is not the same as leaving it out."""
    limits = Limits(ramp=(2,), stop_after_failures_percent=3)
    changes = msgspec.json.decode('{"maxConcurrent": 7, "stopAfterFailuresPercent": null}', type=LimitChanges)
    assert changes.applied_to(limits) == Limits(ramp=(2,), max_concurrent=7, stop_after_failures_percent=None)
    assert LimitChanges().applied_to(limits) == limits


def test_changes_pile_up() -> None:
    """The later one wins, field by field."""
    later, earlier = LimitChanges(max_concurrent=7), LimitChanges(max_concurrent=9, ramp=())
    assert later.applied_to(earlier) == LimitChanges(max_concurrent=7, ramp=())


def test_every_limit_can_be_changed() -> None:
    """Both types name the same limits, with the same bounds."""
    whole, some = msgspec.json.schema(Limits)["$defs"]["Limits"], msgspec.json.schema(LimitChanges)["$defs"]
    assert list(whole["properties"]) == list(some["LimitChanges"]["properties"])
    for name, of_changes in some["LimitChanges"]["properties"].items():
        of_limits = {key: value for key, value in whole["properties"][name].items() if key != "default"}
        assert of_changes == of_limits


ROOM: dict[str, tuple[Limits, Share, Share, int]] = {
    "nothing limits but the vault": (Limits(ramp=()), Share(), Share(), 20),
    "the vault is full": (Limits(ramp=()), Share(in_flight=20), Share(), 0),
    "the vault is over full since its limit was lowered": (Limits(ramp=()), Share(in_flight=30), Share(), 0),
    "other vaults leave little": (Limits(ramp=(), max_concurrent=25), Share(in_flight=2), Share(in_flight=20), 3),
    "a canary": (Limits(ramp=(1, 5)), Share(), Share(), 1),
    "a canary that has failed is replaced": (Limits(ramp=(1, 5)), Share(failed=1), Share(), 1),
    "the canary flies elsewhere": (Limits(ramp=(1, 5)), Share(), Share(in_flight=1), 0),
    "the canary has come through": (Limits(ramp=(1, 5)), Share(), Share(migrated=1), 5),
    "some of the second step have": (Limits(ramp=(1, 5)), Share(migrated=3, in_flight=1), Share(migrated=1), 1),
    "the last step has": (Limits(ramp=(1, 5)), Share(migrated=6), Share(), 20),
}


@pytest.mark.parametrize("case", ROOM)
def test_the_tightest_limit_says_how_many_may_start(case: str) -> None:
    """Vault, migration and ramp, each counting what it is about."""
    limits, here, others, expected = ROOM[case]
    assert room(limits, here, others) == expected


TENTH = Limits(stop_after_failures=50, stop_after_failures_percent=10)


@pytest.mark.parametrize(
    ("limits", "failed", "planned", "expected"),
    [
        (Limits(), 4, 5, ""),
        (Limits(), 5, 5000, "5 VMs failed; the limit is 5"),
        (TENTH, 9, 100, ""),
        (TENTH, 10, 100, "10 of 100 VMs failed; the limit is 10 %"),
        (Limits(stop_after_failures_percent=1), 0, 0, ""),
    ],
)
def test_failures_stop_a_migration_by_count_or_by_share(
    limits: Limits, failed: int, planned: int, expected: str
) -> None:
    """Whichever limit is reached first; no failure, no stop."""
    assert exhausted(limits, failed, planned) == expected


@pytest.mark.parametrize(
    ("requested", "readers", "budget", "expected"), [(300, 1, 150, 300), (60, 5, 150, 240), (1, 2, 90_000, 1)]
)
def test_the_pace_keeps_all_vaults_within_the_budget(requested: int, readers: int, budget: int, expected: int) -> None:
    """Two reads a look at most, for every vault of the subscription, out of one hourly bucket."""
    assert pace(requested, readers, budget) == expected


def test_a_quiet_vault_is_looked_at_less_and_less() -> None:
    """Never more rarely than every twenty minutes for that, nor more often than asked for."""
    assert [pace(120, 1, 150, quiet) for quiet in range(6)] == [120, 120, 240, 480, 480, 480]
    assert [idle_pace(300, quiet) for quiet in range(8)] == [60, 60, 120, 240, 480, 960, 960, 960]
    assert idle_pace(5, 1) == 5
    assert pace(600, 1, 150, quiet_looks=9) == 1200
    assert pace(3600, 1, 150, quiet_looks=9) == 3600
