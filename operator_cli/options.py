"""The options that several commands share, and how a command gets what they say as one value."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from operator_cli.api import Api
from operator_cli.connection import connection_of
from operator_cli.exits import Exit
from operator_cli.screen import Screen
from operator_cli.trouble import Trouble
from operator_cli.wishes import Json, Wish, login_name, ramp_of

SERVER, LIMITS, SCOPE = "Server", "Limits", "What moves, and where to"  # the panels of --help
MIGRATION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")  # what the API takes for one


def migration_id(text: str) -> str:
    """The text where it can be a migration's id, or is empty. Raises BadParameter where it can't: exit code 2."""
    if text and not MIGRATION_ID.fullmatch(text):
        raise typer.BadParameter("an id has up to 60 letters, digits, hyphens and underscores")
    return text


def _option(panel: str, what: str, metavar: str | None = None, name: str | None = None) -> Any:
    """An option in a panel of --help, named like its parameter where no name is given."""
    return typer.Option(*([name] if name else []), metavar=metavar, help=what, rich_help_panel=panel)


def known_id(text: str) -> str:
    """The text where it can be a migration's id. Raises BadParameter where it can't: exit code 2."""
    if not text:
        raise typer.BadParameter("it is empty: is a variable of your shell not set?")
    return migration_id(text)


MigrationId = Annotated[str, typer.Argument(metavar="ID", help="The migration.", callback=known_id)]
NewId = Annotated[
    str, typer.Option("--id", metavar="ID", help="Id of the new migration; else it gets one.", callback=migration_id)
]
By = Annotated[
    str,
    typer.Option(
        "--by",
        envvar="BACKUP_MIGRATE_BY",
        metavar="NAME",
        help="Who does this; else your login name.",
        show_default=False,
    ),
]
Comment = Annotated[str, typer.Option("--comment", metavar="TEXT", help="Why.")]
Watch = Annotated[bool, typer.Option("--watch", help="Then show its progress until it has ended.")]
Wait = Annotated[bool, typer.Option("--wait", help="Then wait until it has ended, and say how.")]
AtMost = Annotated[int, typer.Option("--limit", min=1, metavar="N", help="Show at most so many.")]
Url = Annotated[str, _option(SERVER, "The server, or set BACKUP_MIGRATE_URL.", "URL")]
Key = Annotated[str, _option(SERVER, "Function key; better in BACKUP_MIGRATE_KEY.", "KEY")]
Token = Annotated[str, _option(SERVER, "Bearer token; better in BACKUP_MIGRATE_TOKEN.", "TOKEN")]
AsJson = Annotated[bool, typer.Option("--json", help="The server's documents and nothing else.")]


def by_or_login(by: str) -> str:
    """Who acts: as said, else as logged in; empty where nobody knows."""
    return by or login_name()


@dataclass(frozen=True, kw_only=True)
class Session:
    """What a command works with: the server, and where it shows what it was told."""

    api: Api
    screen: Screen


def session_of(ctx: typer.Context, url: Url = "", key: Key = "", token: Token = "", as_json: AsJson = False) -> Session:
    """The server that the options name, those of the command before those that stand before it or in the environment.

    Raises Trouble where they name none.
    """
    before = ctx.find_root().params
    api = Api(connection_of(url or before["url"], key or before["key"], token or before["token"]))
    ctx.call_on_close(api.close)
    return Session(api=api, screen=Screen(_wants_json(ctx, as_json)))


def limits_of(
    max_concurrent: Annotated[int | None, _option(LIMITS, "VMs in flight at once.")] = None,
    max_concurrent_per_vault: Annotated[int | None, _option(LIMITS, "VMs in flight at once in a vault.")] = None,
    ramp: Annotated[str | None, _option(LIMITS, "Canary steps; empty for none.", "1,5,25")] = None,
    stop_after_failures: Annotated[int | None, _option(LIMITS, "Failures that stop new starts.")] = None,
    stop_after_failures_percent: Annotated[int | None, _option(LIMITS, "The same, in percent.")] = None,
    job_timeout_hours: Annotated[int | None, _option(LIMITS, "Hours after which a job is TimedOut.")] = None,
    backup_job_wait_hours: Annotated[int | None, _option(LIMITS, "Hours to wait for a backup job.")] = None,
    poll_seconds: Annotated[int | None, _option(LIMITS, "Seconds between two looks at a vault.")] = None,
) -> Json:
    """The limits that were named, as the API takes them."""
    named = {
        "maxConcurrent": max_concurrent,
        "maxConcurrentPerVault": max_concurrent_per_vault,
        "ramp": None if ramp is None else ramp_of(ramp),
        "stopAfterFailures": stop_after_failures,
        "stopAfterFailuresPercent": stop_after_failures_percent,
        "jobTimeoutHours": job_timeout_hours,
        "backupJobWaitHours": backup_job_wait_hours,
        "pollSeconds": poll_seconds,
    }
    return {name: value for name, value in named.items() if value is not None}


def wish_of(
    vault: Annotated[list[str] | None, _option(SCOPE, "A vault's resource id; repeatable.", "ID")] = None,
    subscription: Annotated[list[str] | None, _option(SCOPE, "All its vaults; repeatable.", "ID")] = None,
    policy: Annotated[str, _option(SCOPE, "Target: the policy of this name in each vault.", "NAME")] = "",
    clone: Annotated[bool, _option(SCOPE, "Target: the Enhanced equal of each policy, made.", name="--clone")] = False,
    map_: Annotated[list[str] | None, _option(SCOPE, "Target: from A to B; repeatable.", "A=B", "--map")] = None,
    include: Annotated[list[str] | None, _option(SCOPE, "Only these VMs; repeatable.", "GLOB")] = None,
    exclude: Annotated[list[str] | None, _option(SCOPE, "Not these VMs; repeatable.", "GLOB")] = None,
    accept_retention_loss: Annotated[
        bool, _option(SCOPE, "Also where points are pruned.", name="--accept-retention-loss")
    ] = False,
) -> Wish:
    """Which VMs are to move, and where to."""
    return Wish(
        vaults=tuple(vault or ()),
        subscriptions=tuple(subscription or ()),
        policy=policy,
        clone=clone,
        maps=tuple(map_ or ()),
        include=tuple(include or ()),
        exclude=tuple(exclude or ()),
        accept_retention_loss=accept_retention_loss,
    )


Parts = dict[str, Callable[..., Any]]


def command(run: Callable[..., Exit], parts: Parts) -> Callable[..., None]:
    """The function that typer calls for `run`: where `run` takes a whole value, this takes the options it is made of.

    `parts` names, by parameter, what makes the value. One place for the end of every command: trouble is shown, as the
    document it is or in sentences, and becomes the exit code.
    """
    parts = {**parts, "session": session_of}
    own = {name: option for name, option in inspect.signature(run).parameters.items() if name not in parts}
    taken = {name: inspect.signature(part).parameters for name, part in parts.items()}

    def called(**given: Any) -> None:
        try:
            values = {name: part(**{option: given[option] for option in taken[name]}) for name, part in parts.items()}
            code = run(**values, **{option: given[option] for option in own})
        except Trouble as trouble:
            Screen(_wants_json(given["ctx"], given["as_json"])).trouble(trouble)
            code = trouble.code
        except (KeyboardInterrupt, typer.Abort):
            code = Exit.INTERRUPTED
        raise typer.Exit(code)

    options = dict(own)
    for part in taken.values():
        options |= part
    named = [option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in options.values()]
    called.__doc__ = run.__doc__
    called.__annotations__ = {option.name: option.annotation for option in named}
    vars(called)["__signature__"] = inspect.Signature(named)
    return called


def _wants_json(ctx: typer.Context, as_json: bool) -> bool:
    return as_json or bool(ctx.find_root().params["as_json"])
