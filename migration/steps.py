"""What crosses the durable seam: the input and the answer of each activity and orchestration, as plain JSON objects.

Small on purpose: references into the ledger, never its contents, so that an orchestration's history stays the same
size whatever the number of VMs.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, cast

from migration.model import Value
from migration.records import MigrationState

NUDGE = "nudge"
"""The event that wakes a sleeping orchestration. It carries nothing: what changed is in the ledger."""


def instance_of(migration_id: str, vault_key: str) -> str:
    """The instance id of a vault's controller; the migration's own is its id."""
    return f"{migration_id}:{vault_key}"


def watch_of(vault_key: str) -> str:
    """The instance id of the watch over a vault: one at a time, so that a burst of events is one."""
    return f"watch:{vault_key}"


class MigrateOrder(Value, frozen=True):
    """Input of `migrate`: the migration and its vaults, by key; which of them, by number, are still to be surveyed.

    `outages` counts those in a row, `trouble` is what the last one said.
    """

    migration_id: str
    vault_keys: tuple[str, ...]
    to_survey: tuple[int, ...] = ()
    outages: int = 0
    trouble: str = ""


class VaultsOrder(Value, frozen=True):
    """Input of `migrate_vaults`: some of a migration's vaults, by key."""

    migration_id: str
    vault_keys: tuple[str, ...]


class VaultOrder(Value, frozen=True):
    """Input of `migrate_vault`, `survey_vault`, `ensure_policy` and `monitor_jobs`.

    `no_writes_before` where the service asked to stay away.
    """

    migration_id: str
    vault_key: str
    no_writes_before: datetime | None = None


class Ensured(Value, frozen=True):
    """Answer of `ensure_policy`: VMs may move, or no writes for so many seconds."""

    stay_away_seconds: int = 0


class Survey(Value, frozen=True):
    """Answer of `survey_vault`: done, or to be asked again after so many seconds."""

    done: bool
    stay_away_seconds: int = 0


class ItemsOrder(Value, frozen=True):
    """Input of `preflight_items`: items of a vault whose turn it is, by name."""

    migration_id: str
    vault_key: str
    item_names: tuple[str, ...]


class Gate(Value, frozen=True):
    """An item may be written until `closes_at`, the app's clock; `checked_at` is the service's time of the look."""

    checked_at: datetime
    closes_at: datetime


class ItemOrder(Value, frozen=True):
    """Input of `change_policy`."""

    migration_id: str
    vault_key: str
    item_name: str
    gate: Gate


class JobOrder(Value, frozen=True):
    """Input of `cancel_job`."""

    migration_id: str
    vault_key: str
    job_id: str


class Standing(Value, frozen=True):
    """Answer of `advance_migration`: where the migration stands, and how long to wait before asking again.

    `told` is False where the world is still to be told of it.
    """

    state: MigrationState
    wait_seconds: int = 0
    told: bool = True


class AdvanceOrder(Value, frozen=True):
    """Input of `advance_migration`. A problem fails the migration."""

    migration_id: str
    problem: str = ""


class CycleAnswer(Value, frozen=True):
    """Answer of `monitor_jobs`: which items start now, how long until the next look, whether the vault is done.

    `cancel` are the ids of jobs to cancel; a look sooner than `soonest_seconds` would cost others their share of the
    job reads.
    """

    start: tuple[str, ...]
    wait_seconds: int
    finished: bool
    cancel: tuple[str, ...] = ()
    soonest_seconds: int = 0
    in_flight: int = 0
    waiting: int = 0
    note: str = ""


class Preflight(Value, frozen=True):
    """Answer of `preflight_items`: the items that may be written, and until when; the others never will be.

    `later` where nothing could be seen of them: ask again, after `stay_away_seconds` where the service named some.
    """

    ready: tuple[str, ...] = ()
    gate: Gate | None = None
    later: bool = False
    stay_away_seconds: int = 0


class Change(Value, frozen=True):
    """Answer of `change_policy`: `written` (or maybe so), `settled` without a write, or `later`: ask again.

    Then nothing is to be written for `stay_away_seconds`.
    """

    verdict: Literal["written", "settled", "later"]
    stay_away_seconds: int = 0


# --- vaults that events tell of


WAITS_FOR_ITEMS = {"waits": "for items"}
"""The custom status of a watch that a nudge may wake; told to no other."""


def is_at(custom_status: object, migration_id: str) -> bool:
    """Whether the custom status of a watch says that it opens or runs this migration now."""
    if not isinstance(custom_status, Mapping):
        return False
    told = cast(Mapping[str, object], custom_status)
    return migration_id in (told.get("opens"), told.get("runs"))


class WatchOrder(Value, frozen=True):
    """Input of `watch_vault`: the vault, how long a burst of events is, how long to leave a vault without items alone.

    `wait_seconds` comes first in this generation, `for_items` where a nudge may end a longer sleep before that.
    `again` where this is the second look at a vault that was empty; `migration_id` where its plan is there already
    and only what follows has to be asked. `opens` is the migration that an earlier try may have opened, `look_again`
    where one found that the vault can't be read: both outlast an outage.
    """

    vault_id: str
    vault_key: str
    delay_seconds: int
    recheck_seconds: int
    wait_seconds: int
    for_items: bool = False
    again: bool = False
    migration_id: str = ""
    opens: str = ""
    look_again: bool = False


class OpenOrder(Value, frozen=True):
    """Input of `open_migration`. `again`: also where no event is pending."""

    vault_id: str
    migration_id: str
    again: bool = False


class Opening(Value, frozen=True):
    """Answer of `open_migration`: the migration to run, or to ask again after so many seconds, or nothing.

    `look_again` where the vault could not be read.
    """

    migration: MigrateOrder | None = None
    wait_seconds: int = 0
    look_again: bool = False


class FollowOrder(Value, frozen=True):
    """Input of `follow_up`: a vault, and the migration that events have led to; empty where they led to none."""

    vault_id: str
    migration_id: str


class FollowUp(Value, frozen=True):
    """Answer of `follow_up`: other events came meanwhile; the plan found nothing to look at, so look again later."""

    touched: bool
    look_again: bool
