"""A round: some migrations, some faults, and what is left to complain about when everything has ended."""

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.conftest import PATIENCE_SECONDS
from tests.faults.books import policies_of, read_books, read_truth
from tests.faults.faults import FAULTS, Fault, Scene, Where
from tests.faults.invariants import violations
from tests.faults.stages import Json, Stage, Storage, in_process, processes
from tests.whole.callers import a_body

MOST_TRIES_TO_START = 200


@dataclass(frozen=True, kw_only=True)
class Round:
    """What is played. The same round has the same dice; processes still take turns as they like."""

    seed: int
    faults: tuple[str, ...]
    vaults: int = 1
    vms_per_vault: int = 20
    concurrent: int = 10
    stop_after_failures: int = 1000
    most_strikes: int = 40
    patience_seconds: float = PATIENCE_SECONDS

    def __str__(self) -> str:
        return f"{self.vaults}x{self.vms_per_vault} {'+'.join(self.faults) or 'no fault'} seed {self.seed}"

    @property
    def kinds(self) -> Sequence[Fault]:
        """Its faults."""
        return [FAULTS[name] for name in self.faults]

    @property
    def where(self) -> Where:
        """In this process if all of its faults can be there."""
        return "in process" if all("in process" in fault.where for fault in self.kinds) else "processes"


@dataclass(frozen=True, kw_only=True)
class Report:
    """How a round went: what was done, how the VMs ended, and everything that is not as promised."""

    counts: Counter[str]
    states: Counter[str]
    violations: tuple[str, ...]

    def __str__(self) -> str:
        return ", ".join(f"{count} {what}" for what, count in [*self.counts.items(), *sorted(self.states.items())])


def a_request(played: Round, stage: Stage, migration_id: str) -> Json:
    """The body that starts a migration of the round."""
    limits = {
        "maxConcurrentPerVault": played.concurrent,
        "ramp": [2],
        "pollSeconds": 600,
        "stopAfterFailures": played.stop_after_failures,
    }
    return a_body(stage.simulator, id=migration_id, limits=limits)


async def play(played: Round, storage: str) -> Report:
    """Play a round over that storage, or over one of its own where a fault asks for it."""
    dice = random.Random(played.seed)
    async with AsyncExitStack() as until:
        folder = Path(until.enter_context(tempfile.TemporaryDirectory(prefix="faults-")))
        own = None
        if any(fault.own_storage for fault in played.kinds):
            own = Storage(folder)
            until.push_async_callback(own.stop)
            await own.start()
        connection = own.connection_string if own else storage
        size = played.vaults, played.vms_per_vault
        twice = any(fault.twice for fault in played.kinds)
        stage = await until.enter_async_context(
            in_process(connection, size, dice, twice)
            if played.where == "in process"
            else processes(connection, size, dice, folder)
        )
        return await _play_on(played, Scene(stage=stage, storage=own, dice=dice))


async def _play_on(played: Round, scene: Scene) -> Report:
    stage = scene.stage
    before = policies_of(stage.simulator)
    for fault in played.kinds:
        fault.prepare(scene)
    stage.simulator.about_to_answer = Strikes(played, scene).answer
    names = [f"m{number + 1}" for number in range(max((fault.migrations for fault in played.kinds), default=1))]
    with stage.clock.standing_still():
        for name in names:
            await start(stage, a_request(played, stage, name))
    late = [name for name in names if not await stage.ended(name, played.patience_seconds)]
    stage.simulator.about_to_answer = lambda: None
    await asyncio.gather(*scene.begun)

    books = await read_books(stage.ledger, stage.instances, names)
    truth = read_truth(stage.simulator, before, scene.others)
    writes = [write for item in truth.values() for write in item.writes]
    done = Counter({"VMs": len(truth), "writes": len(writes), "taken": sum(item.accepted for item in truth.values())})
    done["429"] = sum(request.status == 429 for request in stage.simulator.log.requests)
    done["5xx"] = sum(request.status >= 500 for request in stage.simulator.log.requests)
    complaints = [f"{name} has not ended within {played.patience_seconds} s" for name in late]
    return Report(
        counts=Counter({what: count for what, count in (done + scene.counts).items() if count}),
        states=Counter(item.state.value for item in books.items),
        violations=(*stage.problems, *complaints, *violations(books, truth)),
    )


class Strikes:
    """Lets the faults of a round strike, each after a number of answers that the dice say."""

    def __init__(self, played: Round, scene: Scene) -> None:
        self._scene = scene
        self._left = {fault.name: played.most_strikes for fault in played.kinds if fault.strike}
        self._wait = {name: self._some(name) for name in self._left}

    def answer(self) -> None:
        """Azure is about to answer."""
        for name in [name for name, left in self._left.items() if left]:
            self._wait[name] -= 1
            strike = FAULTS[name].strike
            if self._wait[name] <= 0 and strike:
                self._wait[name] = self._some(name)
                self._left[name] -= strike(self._scene)

    def _some(self, name: str) -> int:
        return 1 + int(self._scene.dice.expovariate(1 / FAULTS[name].every))


async def start(stage: Stage, body: Json) -> None:
    """Ask for a migration as a caller does who does not give up: the same id again until it is taken."""
    answer: object = None
    for _ in range(MOST_TRIES_TO_START):
        await stage.ready()
        try:
            status, answer = await stage.post("/api/migrations", body)
        except aiohttp.ClientError as died:
            answer = died
            continue
        if status == 202:
            return
        if status != 503:
            break
    raise RuntimeError(f"the migration was not started: {answer}")
