"""The daily plan of every allowed vault, so that nothing depends on events arriving."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby

from migration.events import EventTerms, Intent, intent_of, request_of
from migration.model import Vault, VaultId
from migration.request import MOST_VAULTS, MigrationRequest


def subscriptions_in(scopes: Iterable[str]) -> tuple[str, ...]:
    """The subscriptions that an allow-list names, or that its vaults are in, each once."""
    return tuple({scope.split("/")[2].lower(): None for scope in scopes})


def audit_requests(vaults: Sequence[Vault], terms: EventTerms, day: datetime) -> list[MigrationRequest]:
    """The plans of a day, their ids told by the day alone: the first is `audit-20261102`, the next `audit-20261102-2`.

    One a policy that the vaults' tags name, and no more vaults in one than a migration takes. Vaults that are not
    allowed, or that are tagged `off`, are left out; EVENT_MODE is about events and is not asked.
    """
    wanted = [(intent_of(vault.id, vault.tags, _planning(terms)), vault.id) for vault in vaults]
    by_policy = sorted(
        ((intent.policy_name, str(VaultId.parse(vault))) for intent, vault in wanted if intent.mode != "off"),
        key=lambda pair: (pair[0] != terms.policy_name, pair[0], pair[1].lower()),
    )
    groups = [
        (policy, tuple(ids[start : start + MOST_VAULTS]))
        for policy, pairs in groupby(by_policy, key=lambda pair: pair[0])
        for ids in [[vault for _, vault in pairs]]
        for start in range(0, len(ids), MOST_VAULTS)
    ]
    name = f"audit-{day:%Y%m%d}"
    return [
        request_of(f"{name}-{number}" if number > 1 else name, ids, Intent(mode="plan", policy_name=policy), "required")
        for number, (policy, ids) in enumerate(groups, 1)
    ]


def _planning(terms: EventTerms) -> EventTerms:
    return EventTerms(mode="plan", policy_name=terms.policy_name, scopes=terms.scopes)
