"""The daily plan of every allowed vault, so that nothing depends on events arriving."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby

from migration.events import EventTerms, Intent, intent_of, request_of
from migration.model import Vault, VaultId
from migration.request import MOST_VAULTS, MigrationRequest


def subscriptions_in(scopes: Iterable[str]) -> tuple[str, ...]:
    """The subscriptions that an allow-list names, or that its vaults are in, each once."""
    return tuple({scope.split("/")[2].lower(): None for scope in scopes})


def audit_requests(vaults: Sequence[Vault], terms: EventTerms, day: datetime) -> list[MigrationRequest]:
    """The plans of a day, one or more a subscription, so that trouble in one spoils no other's.

    Their ids are told by the day and the subscription: `audit-20261102-11111111`, the next `audit-20261102-11111111-2`.
    There is one a policy that the vaults' tags name, and no more vaults in one than a migration takes. Vaults that are
    not allowed, or that are tagged `off`, are left out; EVENT_MODE is about events and is not asked.
    """
    wanted = [(intent_of(vault.id, vault.tags, _planning(terms)), VaultId.parse(vault.id)) for vault in vaults]
    pairs = sorted(
        ((intent.policy_name, vault) for intent, vault in wanted if intent.mode != "off"),
        key=lambda pair: (_name(pair[1], day), pair[0] != terms.policy_name, pair[0], str(pair[1]).lower()),
    )
    return [
        _request(f"{name}-{number}" if number > 1 else name, policy, chunk)
        for name, of_name in groupby(pairs, key=lambda pair: _name(pair[1], day))
        for number, (policy, chunk) in enumerate(_groups(of_name), 1)
    ]


def _name(vault: VaultId, day: datetime) -> str:
    return f"audit-{day:%Y%m%d}-{vault.subscription[:8].lower()}"


def _groups(pairs: Iterable[tuple[str, VaultId]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The vaults by policy, in the order they have, as many at once as a migration takes."""
    for policy, of_policy in groupby(pairs, key=lambda pair: pair[0]):
        ids = tuple(str(vault) for _, vault in of_policy)
        yield from ((policy, ids[start : start + MOST_VAULTS]) for start in range(0, len(ids), MOST_VAULTS))


def _request(name: str, policy: str, vaults: tuple[str, ...]) -> MigrationRequest:
    return request_of(name, vaults, Intent(mode="plan", policy_name=policy), "required")


def _planning(terms: EventTerms) -> EventTerms:
    return EventTerms(mode="plan", policy_name=terms.policy_name, scopes=terms.scopes)
