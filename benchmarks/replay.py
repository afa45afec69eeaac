"""What the last replay of a generation costs, at the longest histories that the app's orchestrations come to.

Durable Functions replays a generation's history in each of its turns. These histories are recorded as the golden ones
are (tests/histories), from the app's own orchestrations, with as many answers as they ever wait for, and each answer in
a turn of its own. That makes the longest history; Azure hands over up to 32 answers in one turn. What is timed is what
the Functions worker does in the last turn: the history as JSON in, the SDK's replay, the decision as JSON out. It is
pure computation, so its CPU time is taken, which a busy machine hardly lengthens.
"""

import json
import statistics
import time
import warnings
from collections.abc import Sequence

import azure.functions as func
from azure.durable_functions.orchestrator import Orchestrator

from benchmarks.measures import Measure, Report, percentile, under
from migration.cycle import STARTS_PER_CYCLE
from migration.steps import Ensured, MigrateOrder, VaultOrder, VaultsOrder
from orchestrations.migrate import SURVEYS
from orchestrations.migrate_vaults import GROUP
from tests.histories.engine import recorded
from tests.histories.recordings import Generation
from tests.histories.replay import present_orchestrations, trigger_body
from tests.histories.situations import COMPLETED, FINISHED, RUNNING, SURVEYED, WRITTEN, Situation, all_ready, starting

MINUTES = 0.5
LAST = "replay of the last turn"
GOALS = {f"{LAST}, median": under(10)}


def longest(starts: int, surveys: int, group: int) -> list[Situation]:
    """For each orchestration the situation with its longest history: so many VMs start, vaults are surveyed and run."""
    items = [f"VM;iaasvmcontainerv2;rg-workload-{number:03};vm-{number:03}" for number in range(starts)]
    vaults = tuple(f"vault-{number:03}-0123456789" for number in range(max(surveys, group)))
    return [
        Situation(
            name="migrate",
            shows="all vaults are surveyed and migrated in one generation",
            orchestration="migrate",
            order=MigrateOrder(migration_id="m1", vault_keys=vaults[:group], to_survey=tuple(range(surveys))),
            answers={
                "survey_vault": [SURVEYED],
                "advance_migration": [RUNNING, COMPLETED],
                "monitor_jobs": [FINISHED],
            },
        ),
        Situation(
            name="migrate_vaults",
            shows="a full group of vaults",
            orchestration="migrate_vaults",
            order=VaultsOrder(migration_id="m1", vault_keys=vaults[:group]),
            answers={"monitor_jobs": [FINISHED]},
        ),
        Situation(
            name="migrate_vault",
            shows="as many VMs start as one generation starts, and all of them are written",
            orchestration="migrate_vault",
            order=VaultOrder(migration_id="m1", vault_key=vaults[0]),
            answers={
                "monitor_jobs": [starting(*items), FINISHED],
                "ensure_policy": [Ensured()],
                "preflight_items": [all_ready],
                "change_policy": [WRITTEN],
            },
        ),
    ]


async def measure(
    repeats: int = 300, starts: int = STARTS_PER_CYCLE, surveys: int = SURVEYS, group: int = GROUP
) -> Report:
    """Record each situation, and replay the last turn of its longest generation so many times."""
    measures = [one for situation in longest(starts, surveys, group) for one in _measured(situation, repeats)]
    return Report(
        benchmark="replay",
        conditions={
            "VMs that start in a cycle": starts,
            "vaults surveyed in a generation": surveys,
            "vaults of a group": group,
            "replays timed": repeats,
        },
        measures=measures,
    )


def _measured(situation: Situation, repeats: int) -> Sequence[Measure]:
    present = present_orchestrations()
    generations = recorded(situation, present).generations
    own = [generation for generation in generations if generation.orchestration == situation.orchestration]
    bodies = max((_bodies(generation) for generation in own), key=lambda texts: len(texts[-1]))
    function = Orchestrator.create(present[situation.orchestration])
    taken: list[float] = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Potential duplicate Task completion")  # the SDK's word for an early nudge
        for _ in range(repeats):
            began = time.process_time()
            function(func.OrchestrationContext(bodies[-1]))
            taken.append(1000 * (time.process_time() - began))
    case, median = situation.orchestration, f"{LAST}, median"
    return (
        Measure("events in the history", len(json.loads(bodies[-1])["history"]), "", case),
        Measure("turns of the generation", len(bodies), "", case),
        Measure("history as JSON", len(bodies[-1]) / 1024, "KiB", case),
        Measure(median, statistics.median(taken), "ms", case, GOALS[median]),
        Measure(f"{LAST}, 99 of 100 within", percentile(taken, 0.99), "ms", case),
    )


def _bodies(generation: Generation) -> list[str]:
    """What the worker is sent in each turn."""
    return [json.dumps(trigger_body(generation, history)) for history, _ in generation.turns()]
