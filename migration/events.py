"""What an Event Grid event tells of a vault, and what the settings and the vault's tags want done about it.

Event Grid delivers at least once, in no order, and in bursts; the same words come in two schemas and in any casing.
Whoever may write to a subscription's resources makes these events, so nothing in one is trusted: ids are parsed, the
event's own id is kept as a hash.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, cast

import msgspec

from migration.limits import Limits
from migration.model import ItemId, Value, VaultId
from migration.request import MigrationRequest, PolicyName, Target
from migration.scope import within

MODE_TAG = "backup-migration"
POLICY_TAG = "backup-migration-policy"
EVENT_MIGRATIONS = "event-"  # what the ids of migrations that events open begin with
LONGEST_EVENT_ID = 1000

Mode = Literal["off", "plan", "migrate"]
Approval = Literal["required", "none"]


class Touched(Value, frozen=True):
    """Somebody wrote a vault, or an item of it; `item_name` is that item's key. `at` is the event's time."""

    vault_id: str
    kind: Literal["vault", "item"]
    event_id: str
    at: datetime
    item_name: str = ""


class Ignored(Value, frozen=True):
    """Nothing to do, and why. `malformed` where the event is none that Azure would send."""

    why: str
    malformed: bool = False


class EventRecord(Value, frozen=True):
    """An event in the ledger: pending until a plan, or the decision to make none, has `taken` it."""

    vault_key: str
    event_hash: str
    vault_id: str
    kind: Literal["vault", "item"]
    at: datetime
    received_at: datetime
    taken: bool = False
    outcome: str = ""
    etag: str = ""


class EventTerms(Value, frozen=True):
    """What the settings say of vaults that events lead to. A vault's tags say more; `scopes` is the allow-list."""

    mode: Mode = "plan"
    policy_name: str = "EnhancedPolicy"
    approval: Approval = "required"
    limits: Limits = Limits()
    scopes: tuple[str, ...] = ()


class Intent(Value, frozen=True):
    """What is to be done with a vault. `note` says why it is not what its tags seem to say."""

    mode: Mode
    policy_name: str
    note: str = ""


# --- reading events


def read_event(event: Mapping[str, object], own_client_id: str) -> Touched | Ignored:
    """What an event of either schema (Event Grid's own or CloudEvents 1.0) tells.

    `own_client_id` is the app's identity; its own writes are ignored. Empty where it is not known.
    """
    type_ = _text(event, "eventType") or _text(event, "type")
    if type_.lower() != "microsoft.resources.resourcewritesuccess":
        return Ignored(why="no write that succeeded") if type_ else _malformed("it has no type")
    data = _object(event.get("data"))
    if not data:
        return _malformed("it has no data")
    if _text(data, "status").lower() in ("failed", "canceled", "cancelled"):
        return Ignored(why="the operation did not succeed")
    if own_client_id and own_client_id.lower() in _callers(data):
        return Ignored(why="this app's own write")
    kind = _KINDS.get(_text(data, "operationName").lower())
    if kind is None:
        return Ignored(why="another operation")
    return _touched(kind, event)


_KINDS: Mapping[str, Literal["vault", "item"]] = {
    "microsoft.recoveryservices/vaults/write": "vault",
    "microsoft.recoveryservices/vaults/backupfabrics/protectioncontainers/protecteditems/write": "item",
}

_CALLER_CLAIMS = ("appid", "azp", "oid", "http://schemas.microsoft.com/identity/claims/objectidentifier")


def _touched(kind: Literal["vault", "item"], event: Mapping[str, object]) -> Touched | Ignored:
    event_id = _text(event, "id")
    if not 0 < len(event_id) <= LONGEST_EVENT_ID:
        return _malformed("it has no usable id")
    at = _time(_text(event, "eventTime") or _text(event, "time"))
    if at is None:
        return _malformed("it has no usable time")
    subject = _text(event, "subject")
    try:
        item = ItemId.parse(subject) if kind == "item" else None
        vault = VaultId.parse(item.vault if item else subject)
    except ValueError:
        return _malformed("its subject is not the resource of its operation")
    name = item.name if item else ""
    if not _KEY.fullmatch(name) or not name.isprintable():
        return _malformed("its item has a name that Azure gives to none")
    return Touched(vault_id=str(vault), kind=kind, event_id=event_id, at=at, item_name=name)


_KEY = re.compile(r"[^/\\#?]{0,512}")  # what the ledger takes as a key, of anybody's making


def _callers(data: Mapping[str, object]) -> set[str]:
    claims = _object(data.get("claims"))
    return {_text(claims, name).lower() for name in _CALLER_CLAIMS}


def _malformed(why: str) -> Ignored:
    return Ignored(why=why, malformed=True)


def _text(of: Mapping[str, object], name: str) -> str:
    value = of.get(name)
    return value if isinstance(value, str) else ""


def _object(value: object) -> Mapping[str, object]:
    """An object, which some events carry as JSON text."""
    if isinstance(value, str):
        try:
            value = cast(object, msgspec.json.decode(value))
        except (ValueError, RecursionError):  # besides what is no JSON: half a character, and endless nesting
            return {}
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


# --- the event as a record


def record_of(touched: Touched, received_at: datetime) -> EventRecord:
    """The row that remembers an event."""
    return EventRecord(
        vault_key=VaultId.parse(touched.vault_id).key,
        event_hash=hashlib.sha256(touched.event_id.encode("utf-8", "surrogatepass")).hexdigest()[:32],
        vault_id=touched.vault_id,
        kind=touched.kind,
        at=touched.at,
        received_at=received_at,
    )


# --- what to do


def intent_of(vault_id: str, tags: Mapping[str, str], terms: EventTerms) -> Intent:
    """What the allow-list, a vault's tags and the settings want, in this order.

    A tag that nobody can read never makes more happen than a plan.
    """
    if not within(vault_id, terms.scopes):
        return Intent(mode="off", policy_name=terms.policy_name, note="not among the allowed scopes")
    mode_tag, policy_tag = _tag(tags, MODE_TAG), _tag(tags, POLICY_TAG)
    mode, policy = _MODES.get(mode_tag.lower(), "plan") if mode_tag else terms.mode, policy_tag or terms.policy_name
    if mode == "off":
        note = f"the tag {MODE_TAG} is off" if mode_tag else "events are off"
        return Intent(mode=mode, policy_name=terms.policy_name, note=note)
    if not _is(PolicyName, policy):
        return Intent(mode="plan", policy_name=terms.policy_name, note=f"the tag {POLICY_TAG} names no policy")
    if mode_tag and mode_tag.lower() not in _MODES:
        return Intent(mode="plan", policy_name=policy, note=f"the tag {MODE_TAG} is none of {', '.join(_MODES)}")
    return Intent(mode=mode, policy_name=policy)


_MODES: Mapping[str, Mode] = {"off": "off", "plan": "plan", "migrate": "migrate"}


def request_of(migration_id: str, vaults: tuple[str, ...], intent: Intent, approval: Approval) -> MigrationRequest:
    """The request that stands for an intent. Configuring `migrate` is the acknowledgement that it can't be undone."""
    migrates = intent.mode == "migrate"
    return MigrationRequest(
        id=migration_id,
        mode="migrate" if migrates else "plan",
        vaults=vaults,
        target=Target(policy_name=intent.policy_name),
        acknowledge_irreversible=migrates,
        approval=approval,
    )


def event_migration_id(vault_key: str, now: datetime) -> str:
    """The id of a migration that events open: readable, and the same whenever the same minute is told again."""
    return f"{EVENT_MIGRATIONS}{vault_key}-{now.astimezone(UTC):%Y%m%d-%H%M}"


def _tag(tags: Mapping[str, str], name: str) -> str:
    """A tag's value; Azure compares the names of tags without case."""
    return next((value.strip() for tag, value in tags.items() if tag.lower() == name), "")


def _is(kind: Any, value: str) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True
