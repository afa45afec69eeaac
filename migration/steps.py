"""What crosses the durable seam: the input and the answer of each activity and orchestration, as plain JSON objects.

Small on purpose: references into the ledger, never its contents, so that an orchestration's history stays the same
size whatever the number of VMs.
"""

from datetime import datetime
from typing import Literal

from migration.model import Value
from migration.records import MigrationState

NUDGE = "nudge"
"""The event that wakes a sleeping orchestration. It carries nothing: what changed is in the ledger."""


class MigrateOrder(Value, frozen=True):
    """Input of `migrate`: the migration and its vaults, by key; whether all are surveyed; outages in a row."""

    migration_id: str
    vault_keys: tuple[str, ...]
    surveyed: bool = False
    outages: int = 0


class VaultOrder(Value, frozen=True):
    """Input of `migrate_vault`, `survey_vault`, `ensure_policy` and `monitor_jobs`.

    `no_writes_before` where the service asked to stay away.
    """

    migration_id: str
    vault_key: str
    no_writes_before: datetime | None = None


class Survey(Value, frozen=True):
    """Answer of `survey_vault`: done, or to be asked again after so many seconds."""

    done: bool
    stay_away_seconds: int = 0


class ItemOrder(Value, frozen=True):
    """Input of `preflight_item` and `change_policy`; the gate is for the latter."""

    migration_id: str
    vault_key: str
    item_name: str
    gate: "Gate | None" = None


class Standing(Value, frozen=True):
    """Answer of `advance_migration`: where the migration stands, and how long to wait before asking again."""

    state: MigrationState
    wait_seconds: int = 0


class AdvanceOrder(Value, frozen=True):
    """Input of `advance_migration`. A problem fails the migration."""

    migration_id: str
    problem: str = ""


class CycleOrder(Value, frozen=True):
    """Answer of `monitor_jobs`: which items start now, how long until the next look, whether the vault is done."""

    start: tuple[str, ...]
    wait_seconds: int
    finished: bool
    in_flight: int = 0
    waiting: int = 0
    note: str = ""


class Gate(Value, frozen=True):
    """Answer of `preflight_item`.

    `ready`: write it before `closes_at` (the app's clock); `settled`: it will never be written; `later`: ask again,
    after `stay_away_seconds`. `checked_at` is the service's time of the look.
    """

    verdict: Literal["ready", "settled", "later"]
    checked_at: datetime | None = None
    closes_at: datetime | None = None
    stay_away_seconds: int = 0


class Change(Value, frozen=True):
    """Answer of `change_policy`: `written` (or maybe so), `settled` without a write, or `later` as above."""

    verdict: Literal["written", "settled", "later"]
    stay_away_seconds: int = 0
