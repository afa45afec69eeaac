"""What an operator asks for, as the bodies that the API takes. What they may say is the server's to judge."""

import getpass
import json
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, cast

from operator_cli.exits import Exit
from operator_cli.trouble import Trouble, trouble

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """The common case of a request, as options say it: which VMs, and where to."""

    vaults: Sequence[str] = ()
    subscriptions: Sequence[str] = ()
    policy: str = ""
    clone: bool = False
    maps: Sequence[str] = ()
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    accept_retention_loss: bool = False

    @property
    def empty(self) -> bool:
        """Whether no option was used."""
        return self == Wish()

    def request(self) -> Json:
        """The request, without its mode. Raises Trouble where it names no VMs, or not exactly one target."""
        targets = [target for target in (self._named(), self._mapped(), self._cloned()) if target]
        if len(targets) != 1:
            raise usage("It is not clear where the VMs are to move", "Give one of --policy, --clone and --map.")
        if not self.vaults and not self.subscriptions:
            raise usage("It is not clear which VMs are to move", "Give --vault, --subscription or --file.")
        selection = {"include": list(self.include), "exclude": list(self.exclude)}
        parts: Json = {
            "vaults": list(self.vaults),
            "subscriptions": [{"id": subscription} for subscription in self.subscriptions],
            "items": {name: patterns for name, patterns in selection.items() if patterns},
            "acceptRetentionLoss": self.accept_retention_loss,
        }
        return {"target": targets[0], **{name: value for name, value in parts.items() if value}}

    def _named(self) -> Json:
        return {"policyName": self.policy} if self.policy else {}

    def _cloned(self) -> Json:
        return {"clone": {}} if self.clone else {}

    def _mapped(self) -> Json:
        pairs = dict(_pair(text) for text in self.maps)
        if len(pairs) != len(self.maps):
            raise usage("--map names a Standard policy twice")
        return {"policies": pairs} if pairs else {}


def request_of(wish: Wish, file: str, mode: Literal["plan", "migrate"], migration_id: str) -> Json:
    """The request that options or a file say, in that mode and under that id, or under a new one.

    An id of our own makes it safe to ask again where the answer was lost. Raises Trouble where the wish can't be read,
    is in a file and in options, or where a file that asks for a plan is to migrate.
    """
    if file and not wish.empty:
        raise usage("The request is in the file", "Give --file, or the options that say what to move, not both.")
    request = _from_file(file) if file else wish.request()
    if mode == "migrate" and request.get("mode", mode) != mode:
        raise usage("The file asks for something else than to migrate", "Set its mode to migrate, or use plan.")
    return {**request, "mode": mode, "id": migration_id or request.get("id") or new_id()}


def new_id() -> str:
    """An id for a migration: when it was asked for, and something that makes it unique."""
    now = datetime.now(UTC)  # noqa: TID251 - this is the one place that reads the clock
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def ramp_of(text: str) -> list[int]:
    """The canary steps in `1,5,25`; none in an empty text. Raises Trouble for anything else."""
    steps = [step.strip() for step in text.split(",")] if text.strip() else []
    if not all(step.isascii() and step.isdecimal() and len(step) < 10 for step in steps):
        raise usage("--ramp is not numbers with commas between them", "It looks like 1,5,25.")
    return [int(step) for step in steps]


def word(by: str, comment: str, **more: Any) -> Json:
    """Who does something, why, and what else belongs to it; what is empty is left out."""
    parts = {"by": by, "comment": comment, **more}
    return {name: value for name, value in parts.items() if value}


def login_name() -> str:
    """Who is at this terminal; empty where the system does not know."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def usage(title: str, detail: str = "") -> Trouble:
    """A command that is not right; nothing was sent."""
    return trouble(Exit.USAGE, title, detail)


def _pair(text: str) -> tuple[str, str]:
    standard, equals, enhanced = text.partition("=")
    if not (standard and equals and enhanced):
        raise usage("--map names no two policies", "It looks like Gold=GoldEnhanced.")
    return standard, enhanced


def _from_file(file: str) -> Json:
    """The JSON object in a file, or in standard input for `-`."""
    try:
        if file == "-":
            text = sys.stdin.read()
        else:
            with open(file, encoding="utf-8") as stream:
                text = stream.read()
        request = json.loads(text)
    except OSError as error:
        raise usage(f"{file} can't be read", error.strerror or "") from error
    except (ValueError, RecursionError) as error:
        raise usage(f"{file} is not JSON", str(error)) from error
    if not isinstance(request, dict):
        raise usage(f"{file} holds no JSON object")
    return cast(Json, request)
