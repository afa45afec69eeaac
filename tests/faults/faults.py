"""The faults, as a table: what each does, and where it can. The tests and the soak play rounds of them."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

import aiohttp

from simulator.troubles import Trouble, TroubleKind
from tests.faults.azure import let_jobs_go_wrong, operate
from tests.faults.books import Others
from tests.faults.stages import InProcess, Processes, Stage, Storage

Where = Literal["in process", "processes"]
ANYWHERE: tuple[Where, ...] = ("in process", "processes")
WRITE = "*/protectedItems/write"


@dataclass(kw_only=True)
class Scene:
    """A round while it is played: its stage, its dice, and what was done so far."""

    stage: Stage
    storage: Storage | None
    dice: random.Random
    others: Others = field(default_factory=Others)
    counts: Counter[str] = field(default_factory=Counter[str])
    begun: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something go on beside the round, which waits for its end."""
        self.begun.append(asyncio.create_task(work))


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A kind of misfortune.

    `prepare` happens before the migrations begin, `strike` again and again, on the average at one in `every` answers
    of Azure, and answers whether it did anything. `migrations` run over the same vaults; `twice`: each activity runs
    twice; `own_storage`: an Azurite that can be stopped.
    """

    name: str
    does: str
    where: tuple[Where, ...] = ANYWHERE
    migrations: int = 1
    twice: bool = False
    own_storage: bool = False
    prepare: Callable[[Scene], None] = lambda scene: None
    strike: Callable[[Scene], bool] | None = None
    every: int = 15


# --- strikes


def _kill(scene: Scene) -> bool:
    """Before the answer reaches the worker, or while the worker is busy with it."""
    stage = scene.stage
    assert isinstance(stage, Processes)
    if not stage.listening:
        return False
    scene.counts["kills"] += 1
    if scene.dice.random() < 0.5:
        stage.kill()
    else:
        asyncio.get_running_loop().call_later(scene.dice.uniform(0, 0.05), stage.kill)
    return True


def _restart_storage(scene: Scene) -> bool:
    if not all(task.done() for task in scene.begun):
        return False
    scene.begin(_restart(scene))
    return True


async def _restart(scene: Scene) -> None:
    assert scene.storage
    await scene.storage.stop()
    await scene.storage.start()
    scene.counts["restarts"] += 1


def _jump_clock(scene: Scene) -> bool:
    """The app's clock goes wrong by hours, either way; sometimes everybody's time goes on at once."""
    stage, dice = scene.stage, scene.dice
    scene.counts["jumps"] += 1
    if isinstance(stage, InProcess) and dice.random() < 0.7:
        stage.skew = timedelta(hours=dice.uniform(-6, 6))
    else:
        stage.clock.advance(timedelta(hours=dice.uniform(0, 3)))
    return True


def _storm(scene: Scene) -> bool:
    """So many requests in a row are answered 429, of one kind or of every kind."""
    dice = scene.dice
    action = dice.choice(["*", WRITE, "*/backupJobs/read", "*/protectedItems/read", "*/backupPolicies/read"])
    seconds = dice.choice([60, 600])
    scene.stage.simulator.troubles.add(
        Trouble(kind=TroubleKind.TOO_MANY_REQUESTS, action=action, times=dice.randint(3, 30), seconds=seconds)
    )
    scene.counts["storms"] += 1
    return True


def _operate(scene: Scene) -> bool:
    did = operate(scene.stage.simulator, scene.dice, scene.others)
    if did:
        scene.counts[did] += 1
    return bool(did)


def _meddle(scene: Scene) -> bool:
    """Somebody changes limits, pauses and resumes, all in one breath; it ends with a resume."""
    if not all(task.done() for task in scene.begun):
        return False
    few, many = scene.dice.randint(1, 3), scene.dice.randint(5, 50)
    scene.begin(
        _intervene(
            scene,
            ("limits", {"limits": {"maxConcurrent": few, "ramp": []}}),
            ("pause", {"by": "meddler"}),
            ("limits", {"limits": {"maxConcurrent": many}}),
            ("resume", {"by": "meddler"}),
        )
    )
    return True


async def _intervene(scene: Scene, *words: tuple[str, dict[str, Any]]) -> None:
    """Say each until it is heard; a migration that has ended does not mind."""
    for what, body in words:
        heard = False
        while not heard:
            await scene.stage.ready()
            with suppress(aiohttp.ClientError):
                status, _ = await scene.stage.post(f"/api/migrations/m1/{what}", body)
                heard = status < 500
        scene.counts["interventions"] += 1


# --- preparations


def _outages(scene: Scene) -> None:
    """A tenth of everything is 500, a tenth 504; of the writes that get no other answer, a fifth were taken."""
    for kind in (TroubleKind.PROVIDER_ERROR, TroubleKind.GATEWAY_TIMEOUT):
        scene.stage.simulator.troubles.add(Trouble(kind=kind, probability=0.1))
        scene.stage.simulator.troubles.add(Trouble(kind=kind, action=WRITE, probability=0.1, accepted=True))


def _day_limit(scene: Scene) -> None:
    """Now and then a write is answered by a quota that is only renewed tomorrow."""
    scene.stage.simulator.troubles.add(
        Trouble(kind=TroubleKind.DAY_LIMIT, action=WRITE, probability=0.05, times=scene.dice.randint(1, 5))
    )


def _bad_jobs(scene: Scene) -> None:
    scene.counts["bad jobs"] += let_jobs_go_wrong(scene.stage.simulator, scene.dice, share=0.15)


FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault(name="kill", does="kill -9 of the worker, again and again", where=("processes",), strike=_kill),
        Fault(name="twice", does="every activity is delivered twice", where=("in process",), twice=True),
        Fault(
            name="storage",
            does="the ledger's storage stops and starts again",
            own_storage=True,
            strike=_restart_storage,
            every=50,
        ),
        Fault(name="throttles", does="storms of 429", strike=_storm, every=35),
        Fault(name="day limit", does="a day's quota of changes is spent", prepare=_day_limit),
        Fault(name="outages", does="500 and 504 on a fifth of all calls, accepted writes too", prepare=_outages),
        Fault(name="clock", does="clocks jump by hours", strike=_jump_clock),
        Fault(name="rivals", does="two migrations over the same vaults", migrations=2),
        Fault(name="meddler", does="somebody pauses, resumes and changes limits meanwhile", strike=_meddle),
        Fault(name="operator", does="somebody changes policies, VMs and jobs meanwhile", strike=_operate),
        Fault(name="bad jobs", does="a seventh of the jobs end badly", prepare=_bad_jobs),
    )
}
"""By name."""
