"""The commands. Each is one or two calls of the API and what is shown of their answers; the table at the end lists all.

start plan                                  a migration, or only its plan
list status items history export watch      what there is and how it stands
approve reject                              the word on a plan
pause resume cancel limits retry            the hand on a migration
health                                      is the server ready?
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import RenderableType

from operator_cli import __version__, reports
from operator_cli.documents import Document
from operator_cli.exits import MEANINGS, Exit
from operator_cli.exporting import WRITERS, destination
from operator_cli.options import (
    AsJson,
    AtMost,
    By,
    Comment,
    MigrationId,
    NewId,
    Parts,
    Session,
    Wait,
    Watch,
    by_or_login,
    command,
    limits_of,
    migration_id,
    wish_of,
)
from operator_cli.outcomes import outcome_of
from operator_cli.trouble import Trouble, trouble
from operator_cli.watching import unseen, view_of, watch
from operator_cli.wishes import Json, Wish, new_id, request_of, usage, word

File = Annotated[
    str, typer.Option("--file", metavar="FILE", help="The request as JSON instead of options; - is standard input.")
]
Approval = Annotated[
    Literal["required", "none"] | None,
    typer.Option(help="Whether a person must approve the plan; required if not said."),
]
Against = Annotated[
    str, typer.Option(metavar="ID", help="Also what differs from this migration's plan.", callback=migration_id)
]
State = Annotated[str, typer.Option(metavar="STATE", help="Only those in this state.")]
VaultKey = Annotated[str, typer.Option("--vault", metavar="KEY", help="Only this vault, by its name in status.")]


# --- beginning


def start(
    session: Session,
    wish: Wish,
    limits: Json,
    file: File = "",
    new: NewId = "",
    approval: Approval = None,
    yes_irreversible: Annotated[
        bool, typer.Option("--yes-irreversible", help="You know that a move can't be undone; else you are asked.")
    ] = False,
    watching: Watch = False,
    waiting: Wait = False,
) -> Exit:
    """Plan a migration and, once its plan is approved, carry it out."""
    request = _with_limits(request_of(wish, file, "migrate", new), limits)
    if approval:
        request["approval"] = approval
    if request.get("acknowledgeIrreversible") is not True:
        _confirm(
            "A VM that has moved to an Enhanced policy can't move back. Start this migration?",
            yes_irreversible,
            usage("This can't be undone, and nobody has said yes to that", "Give --yes-irreversible."),
        )
        request["acknowledgeIrreversible"] = True
    migration = _begun(session.api.start, request)
    return _followed(session, migration, watching, waiting)


def plan(
    session: Session,
    wish: Wish,
    limits: Json,
    of: Annotated[
        str,
        typer.Argument(metavar="ID", help="Show this migration's plan; without it, make one.", callback=migration_id),
    ] = "",
    file: File = "",
    new: NewId = "",
    against: Against = "",
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Ask for the plan and leave.")] = False,
) -> Exit:
    """Make a plan that nothing comes of, and show it; or show the plan of a migration."""
    if of and (file or new or no_wait or limits or not wish.empty):
        raise usage("This is a plan to show and one to make at once", "Give an ID, or what to plan.")
    if of:
        return _show_plan(session, session.api.plan(of, against))
    migration = _begun(session.api.start, _with_limits(request_of(wish, file, "plan", new), limits))
    if no_wait:
        return _told(session, migration)
    migration = watch(session.api, migration.text("id"), session.screen, unseen(), time.sleep)
    if migration.text("state") != "Completed":
        session.screen.show(migration, reports.status_report(migration))
        return outcome_of(migration)
    _show_plan(session, session.api.plan(migration.text("id"), against))
    return outcome_of(migration)


def retry(
    session: Session,
    limits: Json,
    of: MigrationId,
    new: NewId = "",
    mode: Annotated[Literal["plan", "migrate"] | None, typer.Option(help="As before, if not said.")] = None,
    approval: Approval = None,
    watching: Watch = False,
    waiting: Wait = False,
) -> Exit:
    """Start a new migration of what did not come through in one that has ended."""
    options = {"mode": mode, "approval": approval, "limits": limits}
    wish = {"id": new or new_id(), **{name: value for name, value in options.items() if value}}
    migration = _begun(lambda body: session.api.act(of, "retry", body), wish)
    return _followed(session, migration, watching, waiting)


# --- looking


def list_(
    session: Session,
    state: State = "",
    vault: Annotated[str, typer.Option(metavar="ID", help="Only those of this vault, by resource id.")] = "",
    subscription: Annotated[str, typer.Option(metavar="ID", help="Only those of this subscription.")] = "",
    since: Annotated[str, typer.Option(metavar="TIME", help="Only those asked for since (ISO 8601).")] = "",
    until: Annotated[str, typer.Option(metavar="TIME", help="Only those asked for until then.")] = "",
    at_most: AtMost = 50,
) -> Exit:
    """Show migrations, the newest first."""
    query = _said(state=state, vault=vault, subscription=subscription, since=since, until=until)
    migrations = session.api.migrations(query, at_most)
    session.screen.show(migrations, reports.list_report(migrations))
    return Exit.DONE


def status(session: Session, of: MigrationId) -> Exit:
    """Show where a migration stands."""
    migration = session.api.status(of)
    session.screen.show(migration, reports.status_report(migration))
    return Exit.DONE


def watch_(session: Session, of: MigrationId) -> Exit:
    """Show a migration's progress until it has ended. Ctrl-C ends the watching only."""
    return _watched(session, of, waiting=False)


def items(
    session: Session,
    of: MigrationId,
    state: State = "",
    vault: VaultKey = "",
    reason: Annotated[str, typer.Option(metavar="REASON", help="Only those for this reason.")] = "",
    finding: Annotated[str, typer.Option(metavar="CODE", help="Only those with this finding.")] = "",
    text: Annotated[str, typer.Option(metavar="TEXT", help="Only VMs with this in their names.")] = "",
    at_most: AtMost = 100,
) -> Exit:
    """Show a migration's VMs, and what to do about those that did not move."""
    query = _said(state=state, vault=vault, reason=reason, finding=finding, text=text)
    found = session.api.items(of, query, at_most)
    session.screen.show(found, reports.items_report(found))
    return Exit.DONE


def history(
    session: Session,
    resource: Annotated[str, typer.Argument(metavar="RESOURCE", help="Resource id of the VM or its protected item.")],
) -> Exit:
    """Show everything ever done to one VM, the newest first."""
    if not resource.strip("/") or any(part in ("", ".", "..") for part in resource.strip("/").split("/")):
        raise usage("This is no resource id", "It looks like /subscriptions/.../virtualMachines/web-1.")
    found = session.api.history(resource)
    session.screen.show(found, reports.history_report(found))
    return Exit.DONE


def export(
    session: Session,
    of: MigrationId,
    form: Annotated[Literal["csv", "json"] | None, typer.Option("--format", help="csv if not said.")] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Else standard output.")] = None,
) -> Exit:
    """Write all of a migration's VMs as CSV or JSON."""
    write = WRITERS[form or ("json" if session.screen.as_json else "csv")]
    with destination(output) as stream:
        write(session.api.all_items(of), stream)
    return Exit.DONE


def health(session: Session) -> Exit:
    """Show whether the server is ready for work."""
    found = session.api.health()
    session.screen.show(found, reports.health_report(found))
    return Exit.DONE if found.text("status") == "ok" else Exit.SERVER


# --- deciding


def approve(
    session: Session,
    of: MigrationId,
    plan_hash: Annotated[
        str, typer.Option("--hash", metavar="HASH", help="Of the plan you have read; asks nothing.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="To the plan as it is now, whatever it says.")] = False,
    by: By = "",
    comment: Comment = "",
    watching: Watch = False,
    waiting: Wait = False,
) -> Exit:
    """Show a plan, ask, and approve it: the migration begins."""
    approver = _decider(by)
    decided = plan_hash or _agreed(session, of, yes)
    migration = session.api.act(of, "approve", {"planHash": decided, "approver": approver, "comment": comment})
    return _followed(session, migration, watching, waiting)


def reject(session: Session, of: MigrationId, by: By = "", comment: Comment = "") -> Exit:
    """Say no to a plan: the migration ends, and nothing was written."""
    return _told(session, session.api.act(of, "reject", {"approver": _decider(by), "comment": comment}))


def pause(session: Session, of: MigrationId, by: By = "", comment: Comment = "") -> Exit:
    """Start nothing more until resumed; jobs in flight are followed."""
    return _told(session, session.api.act(of, "pause", word(by_or_login(by), comment)))


def resume(session: Session, of: MigrationId, by: By = "", comment: Comment = "") -> Exit:
    """Go on after a pause."""
    return _told(session, session.api.act(of, "resume", word(by_or_login(by), comment)))


def cancel(
    session: Session,
    of: MigrationId,
    cancel_jobs: Annotated[bool, typer.Option("--cancel-jobs", help="Also ask Azure to cancel running jobs.")] = False,
    by: By = "",
    comment: Comment = "",
) -> Exit:
    """Start nothing more, and end when what is in flight has ended."""
    return _told(session, session.api.act(of, "cancel", word(by_or_login(by), comment, cancelJobs=cancel_jobs)))


def limits(session: Session, limits: Json, of: MigrationId, by: By = "", comment: Comment = "") -> Exit:
    """Change a migration's limits from the next look on; without any, show those in force."""
    change = word(by_or_login(by), comment, limits=limits)
    migration = session.api.act(of, "limits", change) if limits else session.api.status(of)
    session.screen.show(migration, reports.limits_report(migration))
    return Exit.DONE


# --- what commands share


def _begun(begin: Callable[[Json], Document], wish: Json) -> Document:
    """A migration that was set going. Raises Trouble that says how to find it where nobody knows whether it was."""
    try:
        return begin(wish)
    except Trouble as unsure:
        if unsure.code is not Exit.SERVER:
            raise
        found_by = f"Its id is {wish['id']}: see backup-migrate status {wish['id']}. With --id it is begun only once."
        detail = " ".join(part for part in (unsure.document.get("detail"), found_by) if isinstance(part, str) and part)
        raise Trouble(unsure.code, {**unsure.document, "detail": detail}) from unsure


def _with_limits(request: Json, limits: Json) -> Json:
    """The request with limits of the options on top of its own. Raises Trouble where its own are none."""
    own = request.get("limits", {})
    if not isinstance(own, dict):
        raise usage("The limits in the file are no JSON object")
    return {**request, "limits": {**own, **limits}} if limits else request


def _said(**query: str) -> dict[str, str]:
    return {name: value for name, value in query.items() if value}


def _decider(by: str) -> str:
    approver = by_or_login(by)
    if not approver:
        raise usage("Nobody knows who you are", "Say who decides with --by.")
    return approver


def _confirm(question: str, yes: bool, unasked: Exception) -> None:
    """Go on only with the operator's yes, in an option or at the terminal. Raises `unasked` where there is none."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise unasked
    if not typer.confirm(question, err=True):
        raise trouble(Exit.NOT_CONFIRMED, "Nothing was sent")


def _agreed(session: Session, migration_id: str, yes: bool) -> str:
    """The hash of the plan that was shown, once the operator agrees to it."""
    unasked = usage("Nobody has said yes to this plan", "Give the --hash of the plan that was read, or --yes.")
    if not yes and (session.screen.as_json or not sys.stdin.isatty()):
        raise unasked
    shown = session.api.plan(migration_id)
    if not session.screen.as_json:
        session.screen.report(reports.plan_report(shown))
    _confirm(f"Approve this plan, which moves {reports.planned(shown)} VMs for good?", yes, unasked)
    return shown.text("planHash")


def _show_plan(session: Session, shown: Document) -> Exit:
    session.screen.show(shown, reports.plan_report(shown))
    return Exit.DONE


def _told(session: Session, migration: Document) -> Exit:
    """Say in short where a migration stands now."""
    session.screen.show(migration, _brief(migration))
    return Exit.DONE


def _brief(migration: Document) -> Iterator[RenderableType]:
    yield from reports.headline(migration)
    yield from reports.next_action(migration)


def _followed(session: Session, migration: Document, watching: bool, waiting: bool) -> Exit:
    """Leave a migration that was set going to itself, or stay with it to its end."""
    if watching or waiting:
        return _watched(session, migration.text("id"), waiting=not watching)
    return _told(session, migration)


def _watched(session: Session, migration_id: str, waiting: bool) -> Exit:
    screen = session.screen
    migration = watch(session.api, migration_id, screen, unseen() if waiting else view_of(screen), time.sleep)
    if waiting or not screen.as_json:  # as JSON, the last look has shown it
        screen.show(migration, reports.status_report(migration))
    return outcome_of(migration)


# --- the table


@dataclass(frozen=True, kw_only=True)
class Row:
    """A command: its name, its function, and what is made of options for it besides the session."""

    name: str
    run: Callable[..., Exit]
    parts: Parts = field(default_factory=dict[str, Callable[..., Any]])


COMMANDS: tuple[Row, ...] = (
    Row(name="start", run=start, parts={"wish": wish_of, "limits": limits_of}),
    Row(name="plan", run=plan, parts={"wish": wish_of, "limits": limits_of}),
    Row(name="list", run=list_),
    Row(name="status", run=status),
    Row(name="watch", run=watch_),
    Row(name="items", run=items),
    Row(name="history", run=history),
    Row(name="export", run=export),
    Row(name="approve", run=approve),
    Row(name="reject", run=reject),
    Row(name="pause", run=pause),
    Row(name="resume", run=resume),
    Row(name="cancel", run=cancel),
    Row(name="limits", run=limits, parts={"limits": limits_of}),
    Row(name="retry", run=retry, parts={"limits": limits_of}),
    Row(name="health", run=health),
)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit()


def _from(variable: str, name: str, what: str) -> Any:
    """An option of the program itself, which the environment can give too."""
    return typer.Option(name, envvar=variable, metavar=name.removeprefix("--").upper(), help=what, show_default=False)


def _program(
    url: Annotated[str, _from("BACKUP_MIGRATE_URL", "--url", "The server.")] = "",
    key: Annotated[str, _from("BACKUP_MIGRATE_KEY", "--key", "A function key.")] = "",
    token: Annotated[str, _from("BACKUP_MIGRATE_TOKEN", "--token", "A bearer token.")] = "",
    as_json: AsJson = False,
    version: Annotated[
        bool, typer.Option("--version", help="Say which version this is.", callback=_say_version, is_eager=True)
    ] = False,
) -> None:
    """Move Azure VM backups from Standard to Enhanced policies: plan, approve, watch, report."""


def _build() -> typer.Typer:
    codes = "\n\n".join(f"{code.value:>3}  {meaning}" for code, meaning in MEANINGS.items())
    program = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    program.callback(epilog=f"Exit codes:\n\n{codes}")(_program)
    for row in COMMANDS:
        program.command(row.name)(command(row.run, row.parts))
    return program


app = _build()
