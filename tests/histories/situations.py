"""The table of situations: every way through every orchestration. A new row, then `python -m tests.histories.record`.

A row says with which input an orchestration is started, what its activities answer, and what ends its sleeps. The
orchestrations are the app's own, and so are the children they start: their activities answer from the same row.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from migration.records import MigrationState
from migration.steps import (
    Change,
    CycleAnswer,
    Ensured,
    FollowUp,
    Gate,
    MigrateOrder,
    Opening,
    Preflight,
    Standing,
    Survey,
    VaultOrder,
    VaultsOrder,
    WatchOrder,
)
from orchestrations.migrate import MOST_OUTAGES
from orchestrations.migrate_vaults import GROUP


@dataclass(frozen=True, kw_only=True)
class Situation:
    """One row.

    `answers` are given by name of the activity, one after the other, the last for ever; an exception is raised, a
    function is asked. `wakes` says what ends each sleep, one after the other and then always the timer.
    `together`: the answers that are awaited come in one episode, the last one first; otherwise each in its own.
    `nudged_before`: a nudge is there already when the first episode begins.
    """

    name: str
    shows: str
    orchestration: str
    order: msgspec.Struct
    answers: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])
    wakes: tuple[Literal["nudge", "timer"], ...] = ()
    together: bool = False
    nudged_before: bool = False


def by_item(**answers: msgspec.Struct) -> Callable[[dict[str, Any]], Any]:
    """An answer for each item, by its name."""
    return lambda order: msgspec.to_builtins(answers[order["itemName"]])


def all_ready(order: dict[str, Any]) -> Any:
    """Every item whose turn it is may be written."""
    return msgspec.to_builtins(Preflight(ready=tuple(order["itemNames"]), gate=GATE))


def opens(order: dict[str, Any]) -> Any:
    """The migration that was asked for, its one vault surveyed already."""
    return msgspec.to_builtins(
        Opening(migration=MigrateOrder(migration_id=order["migrationId"], vault_keys=("v1",))),
    )


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
AWAY = RuntimeError("no answer")

TWO_VAULTS = MigrateOrder(migration_id="m1", vault_keys=("v1", "v2"), to_survey=(0, 1))
MANY = tuple(f"v{number:02}" for number in range(GROUP + 1))
VAULT = VaultOrder(migration_id="m1", vault_key="v1")

SURVEYED = Survey(done=True)
NOT_SURVEYED = Survey(done=False, stay_away_seconds=3600)
COMPLETED = Standing(state=MigrationState.COMPLETED)
WAITING = Standing(state=MigrationState.AWAITING_APPROVAL, wait_seconds=900)
RUNNING = Standing(state=MigrationState.RUNNING)
PAUSED = Standing(state=MigrationState.PAUSED)
REJECTED = Standing(state=MigrationState.REJECTED)
FAILED = Standing(state=MigrationState.FAILED)

FINISHED = CycleAnswer(start=(), wait_seconds=300, finished=True)
IDLE = CycleAnswer(start=(), wait_seconds=300, finished=False, in_flight=1, note="1 job runs")
GATE = Gate(checked_at=NOON, closes_at=NOON)
WRITTEN = Change(verdict="written")
CHANGE_SETTLED = Change(verdict="settled")
CHANGE_LATER = Change(verdict="later", stay_away_seconds=3600)

WATCH = WatchOrder(vault_id="vault 1", vault_key="v1", delay_seconds=1800, recheck_seconds=86_400, wait_seconds=1800)
NOTHING_FOLLOWS = FollowUp(touched=False, look_again=False)
TOUCHED = FollowUp(touched=True, look_again=False)
EMPTY = FollowUp(touched=False, look_again=True)

EVERY_VERDICT: dict[str, list[Any]] = {
    "preflight_items": [Preflight(ready=("a", "c", "e"), gate=GATE)],
    "change_policy": [by_item(a=WRITTEN, c=CHANGE_SETTLED, e=CHANGE_LATER)],
}


def starting(*names: str) -> CycleAnswer:
    """A cycle in which these items' turn has come."""
    return CycleAnswer(start=names, wait_seconds=300, finished=False, waiting=len(names))


SITUATIONS = (
    Situation(
        name="migrate_plan_only",
        shows="the vaults are surveyed, and that was all",
        orchestration="migrate",
        order=TWO_VAULTS,
        answers={"advance_migration": [COMPLETED]},
    ),
    Situation(
        name="migrate_answers_together",
        shows="the surveys are answered in one episode, in another order",
        orchestration="migrate",
        order=TWO_VAULTS,
        answers={"advance_migration": [COMPLETED]},
        together=True,
    ),
    Situation(
        name="migrate_nudged_to_approval",
        shows="it sleeps until somebody approves, and runs",
        orchestration="migrate",
        order=TWO_VAULTS,
        answers={"advance_migration": [WAITING, RUNNING, COMPLETED], "monitor_jobs": [FINISHED]},
        wakes=("nudge",),
    ),
    Situation(
        name="migrate_looks_for_approval",
        shows="nobody nudges: it looks by itself, twice",
        orchestration="migrate",
        order=TWO_VAULTS,
        answers={"advance_migration": [WAITING, WAITING, REJECTED]},
    ),
    Situation(
        name="migrate_nudged_before",
        shows="a nudge that came before the sleep ends it at once",
        orchestration="migrate",
        order=TWO_VAULTS,
        answers={"advance_migration": [WAITING, REJECTED]},
        nudged_before=True,
    ),
    Situation(
        name="migrate_surveys_again",
        shows="one vault asks to stay away for an hour, then for no time at all: it sleeps and surveys again",
        orchestration="migrate",
        order=TWO_VAULTS,
        answers={
            "survey_vault": [SURVEYED, NOT_SURVEYED, SURVEYED, Survey(done=False), SURVEYED],
            "advance_migration": [COMPLETED],
        },
    ),
    Situation(
        name="migrate_outages",
        shows="a survey and the ledger are away and come back, before and after the vaults have run",
        orchestration="migrate",
        order=TWO_VAULTS,
        answers={
            "survey_vault": [AWAY, SURVEYED],
            "advance_migration": [AWAY, RUNNING, AWAY, COMPLETED],
            "monitor_jobs": [FINISHED],
        },
    ),
    Situation(
        name="migrate_failed",
        shows="the last outage that is waited out was one before; the migration fails",
        orchestration="migrate",
        order=msgspec.structs.replace(TWO_VAULTS, outages=MOST_OUTAGES - 1),
        answers={"survey_vault": [AWAY], "advance_migration": [FAILED]},
    ),
    Situation(
        name="migrate_failed_unheard",
        shows="the ledger does not even take that the migration failed, and is told later",
        orchestration="migrate",
        order=msgspec.structs.replace(TWO_VAULTS, to_survey=(), outages=MOST_OUTAGES - 1),
        answers={"advance_migration": [AWAY, AWAY, FAILED]},
    ),
    Situation(
        name="migrate_several_vaults",
        shows="a whole migration: three vaults side by side, each with a batch, paused once before it runs",
        orchestration="migrate",
        order=msgspec.structs.replace(TWO_VAULTS, vault_keys=("v1", "v2", "v3"), to_survey=(0, 1, 2)),
        answers={
            "advance_migration": [PAUSED, COMPLETED],
            "monitor_jobs": [starting("a"), starting("b"), IDLE, FINISHED],
            "preflight_items": [all_ready],
            "change_policy": [WRITTEN],
        },
    ),
    Situation(
        name="migrate_tells_later",
        shows="the topic does not take the notice of the end: it is asked again",
        orchestration="migrate",
        order=TWO_VAULTS,
        answers={"advance_migration": [msgspec.structs.replace(COMPLETED, told=False), COMPLETED]},
    ),
    Situation(
        name="migrate_surveys_in_turns",
        shows="more vaults than a generation surveys, one of the first of which comes again",
        orchestration="migrate",
        order=MigrateOrder(migration_id="m1", vault_keys=MANY, to_survey=tuple(range(len(MANY)))),
        answers={"survey_vault": [NOT_SURVEYED, SURVEYED], "advance_migration": [COMPLETED]},
    ),
    Situation(
        name="migrate_groups",
        shows="more vaults than a history follows: a migrate_vaults for each group",
        orchestration="migrate",
        order=MigrateOrder(migration_id="m1", vault_keys=MANY),
        answers={"advance_migration": [RUNNING, COMPLETED], "monitor_jobs": [FINISHED]},
    ),
    Situation(
        name="migrate_vaults_group",
        shows="a group of two vaults",
        orchestration="migrate_vaults",
        order=VaultsOrder(migration_id="m1", vault_keys=("v1", "v2")),
        answers={"monitor_jobs": [IDLE, FINISHED]},
    ),
    Situation(
        name="migrate_vault_finished",
        shows="nothing to do in this vault",
        orchestration="migrate_vault",
        order=VAULT,
        answers={"monitor_jobs": [FINISHED]},
    ),
    Situation(
        name="migrate_vault_idle",
        shows="jobs run: one look an interval",
        orchestration="migrate_vault",
        order=VAULT,
        answers={"monitor_jobs": [IDLE, IDLE, FINISHED]},
    ),
    Situation(
        name="migrate_vault_nudged",
        shows="a nudge ends the sleep, later the timer does",
        orchestration="migrate_vault",
        order=VAULT,
        answers={"monitor_jobs": [IDLE, IDLE, FINISHED]},
        wakes=("nudge", "timer"),
    ),
    Situation(
        name="migrate_vault_nudged_before",
        shows="a nudge that came before the sleep ends it at once",
        orchestration="migrate_vault",
        order=VAULT,
        answers={"monitor_jobs": [IDLE, FINISHED]},
        nudged_before=True,
    ),
    Situation(
        name="migrate_vault_batch",
        shows="gates and writes of every verdict; the longest stay-away is handed on",
        orchestration="migrate_vault",
        order=VAULT,
        answers={"monitor_jobs": [starting("a", "b", "c", "d", "e"), IDLE, FINISHED], **EVERY_VERDICT},
    ),
    Situation(
        name="migrate_vault_batch_together",
        shows="the same, with each fan-out's answers in one episode, in another order",
        orchestration="migrate_vault",
        order=VAULT,
        answers={"monitor_jobs": [starting("a", "b", "c", "d", "e"), IDLE, FINISHED], **EVERY_VERDICT},
        together=True,
    ),
    Situation(
        name="migrate_vault_all_written",
        shows="two batches of writes, and the poll interval after each",
        orchestration="migrate_vault",
        order=VAULT,
        answers={
            "monitor_jobs": [starting("a", "b"), starting("c"), FINISHED],
            "preflight_items": [all_ready],
            "change_policy": [WRITTEN],
        },
    ),
    Situation(
        name="migrate_vault_none_ready",
        shows="every gate settles its item: nothing is written, the next batch comes soon",
        orchestration="migrate_vault",
        order=VAULT,
        answers={"monitor_jobs": [starting("a", "b"), FINISHED], "preflight_items": [Preflight(gate=GATE)]},
    ),
    Situation(
        name="migrate_vault_stays_away",
        shows="the service takes no writes for a day: every later look is told until when",
        orchestration="migrate_vault",
        order=VAULT,
        answers={
            "monitor_jobs": [starting("a"), IDLE, FINISHED],
            "preflight_items": [Preflight(later=True, stay_away_seconds=86_400)],
        },
    ),
    Situation(
        name="migrate_vault_cancels",
        shows="the migration was stopped: jobs are cancelled, then followed",
        orchestration="migrate_vault",
        order=VAULT,
        answers={"monitor_jobs": [msgspec.structs.replace(IDLE, cancel=("job-1", "job-2")), IDLE, FINISHED]},
    ),
    Situation(
        name="migrate_vault_cancel_away",
        shows="an outage of cancel_job, for the second of two jobs",
        orchestration="migrate_vault",
        order=VAULT,
        answers={
            "monitor_jobs": [msgspec.structs.replace(IDLE, cancel=("job-1", "job-2")), FINISHED],
            "cancel_job": [None, AWAY],
        },
    ),
    Situation(
        name="migrate_vault_jobs_away",
        shows="an outage of monitor_jobs",
        orchestration="migrate_vault",
        order=VAULT,
        answers={"monitor_jobs": [AWAY, FINISHED]},
    ),
    Situation(
        name="migrate_vault_policies_away",
        shows="an outage of ensure_policy",
        orchestration="migrate_vault",
        order=VAULT,
        answers={"monitor_jobs": [starting("a"), FINISHED], "ensure_policy": [AWAY]},
    ),
    Situation(
        name="migrate_vault_policies_throttled",
        shows="the policies can't be read for a while: nothing is written until then",
        orchestration="migrate_vault",
        order=VAULT,
        answers={
            "monitor_jobs": [starting("a"), IDLE, FINISHED],
            "ensure_policy": [Ensured(stay_away_seconds=600)],
        },
    ),
    Situation(
        name="migrate_vault_gate_away",
        shows="an outage of preflight_items",
        orchestration="migrate_vault",
        order=VAULT,
        answers={"monitor_jobs": [starting("a", "b", "c"), FINISHED], "preflight_items": [AWAY]},
    ),
    Situation(
        name="migrate_vault_write_away",
        shows="an outage of change_policy, for the first of two items",
        orchestration="migrate_vault",
        order=VAULT,
        answers={
            "monitor_jobs": [starting("a", "b"), FINISHED],
            "preflight_items": [all_ready],
            "change_policy": [AWAY, WRITTEN],
        },
    ),
    Situation(
        name="watch_vault_plans",
        shows="a burst of events is over: the vault is planned",
        orchestration="watch_vault",
        order=WATCH,
        answers={"open_migration": [opens], "advance_migration": [COMPLETED], "follow_up": [NOTHING_FOLLOWS]},
    ),
    Situation(
        name="watch_vault_touched_again",
        shows="an event came while the plan was made, and leads to another",
        orchestration="watch_vault",
        order=WATCH,
        answers={"open_migration": [opens], "advance_migration": [COMPLETED], "follow_up": [TOUCHED, NOTHING_FOLLOWS]},
    ),
    Situation(
        name="watch_vault_empty",
        shows="a vault without items is looked at once more, a day later",
        orchestration="watch_vault",
        order=WATCH,
        answers={"open_migration": [opens], "advance_migration": [COMPLETED], "follow_up": [EMPTY]},
    ),
    Situation(
        name="watch_vault_nudged_to_items",
        shows="an event ends the wait for items",
        orchestration="watch_vault",
        order=WATCH,
        answers={"open_migration": [opens], "advance_migration": [COMPLETED], "follow_up": [EMPTY, NOTHING_FOLLOWS]},
        wakes=("timer", "nudge"),
    ),
    Situation(
        name="watch_vault_waits",
        shows="another migration is at work on the vault; then its tags say that nothing is to be done",
        orchestration="watch_vault",
        order=WATCH,
        answers={"open_migration": [Opening(wait_seconds=1800), Opening()], "follow_up": [NOTHING_FOLLOWS]},
    ),
    Situation(
        name="watch_vault_unreadable",
        shows="a vault that may not be read is looked at once more",
        orchestration="watch_vault",
        order=WATCH,
        answers={"open_migration": [Opening(look_again=True)], "follow_up": [NOTHING_FOLLOWS]},
    ),
    Situation(
        name="watch_vault_outages",
        shows="the ledger is away before the plan, and after it",
        orchestration="watch_vault",
        order=WATCH,
        answers={
            "open_migration": [AWAY, opens],
            "advance_migration": [COMPLETED],
            "follow_up": [AWAY, NOTHING_FOLLOWS],
        },
    ),
)
