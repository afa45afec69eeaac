"""Looking at a migration until it has ended. Only looking: whoever stops watching stops nothing else."""

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager as Manager
from contextlib import contextmanager, nullcontext

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from operator_cli.api import POLL_SECONDS, Api
from operator_cli.documents import Document
from operator_cli.exits import Exit
from operator_cli.outcomes import has_ended
from operator_cli.reports import headline, next_action, states, vault_name
from operator_cli.screen import Screen, line, safe
from operator_cli.trouble import Trouble

PATIENCE = 60  # looks in a row that may fail before watching is given up: ten minutes of an outage at least
LEFT = ("Planned", "Starting", "Migrating")
BAR_WIDTH = 30
OTHER_LINES = 10  # of the live picture, besides a line for each vault

Look = Callable[[Document], None]
Wait = Callable[[float], None]


def watch(api: Api, migration_id: str, screen: Screen, view: Manager[Look], wait: Wait) -> Document:
    """Show the migration to `view` at each look, with the server's Retry-After between two, until it has ended.

    Answers the last status document. A server in trouble is asked again for a while. Raises Trouble where it stays in
    trouble, knows no such migration or refuses; KeyboardInterrupt, after a word on what goes on, where the operator has
    seen enough.
    """
    try:
        with view as show:
            for migration, pause in _looks(api, migration_id, screen):
                if migration is not None:
                    show(migration)
                    if has_ended(migration):
                        return migration
                wait(pause)
    except KeyboardInterrupt:
        screen.note(f"No longer watching; migration {migration_id} goes on.")
        screen.note(f"Watch again: backup-migrate watch {migration_id}. Stop it: backup-migrate cancel {migration_id}")
        raise
    raise AssertionError("looks come to an end only by an end or by trouble")


def _looks(api: Api, migration_id: str, screen: Screen) -> Iterator[tuple[Document | None, float]]:
    """What each look found, None where the server did not answer, and the seconds to wait before the next one."""
    failed = 0
    while True:
        try:
            answer = api.look(migration_id)
        except Trouble as trouble:
            failed += 1
            if trouble.code is not Exit.SERVER or failed >= PATIENCE:
                raise
            if failed == 1:
                screen.note(f"{trouble}; trying again")
            yield None, POLL_SECONDS if trouble.retry_after is None else trouble.retry_after
        else:
            failed = 0
            yield answer.document, answer.retry_after


def view_of(screen: Screen) -> Manager[Look]:
    """How to show progress: as documents, as a picture that moves, or as lines where no terminal is."""
    if screen.as_json:
        return nullcontext(_changes(lambda migration: screen.document(migration, in_a_line=True)))
    return _picture(screen) if screen.live else nullcontext(_lines(screen))


def unseen() -> Manager[Look]:
    """No view at all, for who only waits."""
    return nullcontext(lambda migration: None)


def _changes(show: Look) -> Look:
    """Shows what differs from the look before."""
    seen: list[Document] = []

    def look(migration: Document) -> None:
        if not seen or seen[-1].fields != migration.fields:
            show(migration)
        seen[:] = [migration]

    return look


def _lines(screen: Screen) -> Look:
    """Says in a line each when the migration's state changes and when a vault's counts do."""
    said: dict[str, str] = {}

    def say(about: str, text: str) -> None:
        if text and said.get(about) != text:
            said[about] = text
            screen.report([line(f"{about}: {text}")])

    def look(migration: Document) -> None:
        state = migration.text("state")
        changed = said.get(migration.text("id")) != state
        say(migration.text("id"), state)
        if changed and not has_ended(migration):
            screen.report(next_action(migration))
        for vault in migration.parts("vaults"):
            say(vault_name(vault), states(vault.counts("items")).plain)

    return look


@contextmanager
def _picture(screen: Screen) -> Generator[Look]:
    with Live(console=screen.out, transient=True, auto_refresh=False) as live:
        yield lambda migration: live.update(_drawn(migration, screen.out.height - OTHER_LINES), refresh=True)


def _drawn(migration: Document, most_vaults: int) -> Group:
    """The migration, and a bar for each vault: as many as the terminal has lines for, those not finished first."""
    vaults = sorted(migration.parts("vaults"), key=lambda vault: vault.flag("finished"))
    shown = vaults[: max(1, most_vaults)]
    bars = Table.grid(padding=(0, 2))
    for vault in shown:
        counts = vault.counts("items")
        total = sum(counts.values())
        left = sum(counts.get(state, 0) for state in LEFT)
        bar = ProgressBar(total=max(1, total), completed=total - left, width=BAR_WIDTH)
        bars.add_row(safe(vault_name(vault)), bar, states(counts))
    rest = len(vaults) - len(shown)
    more = [Text(f"and {rest} more vaults", style="dim")] if rest else []
    return Group(*headline(migration), bars, *more, *next_action(migration), Text("Ctrl-C stops watching only.", "dim"))
