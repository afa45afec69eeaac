"""The plans of a day: which vaults, in which migrations, under which names."""

from datetime import UTC, datetime

import msgspec
import pytest

from migration.audit import audit_requests, subscriptions_in
from migration.events import EventTerms
from migration.model import Vault
from migration.request import MOST_VAULTS, problems_of
from migration.scope import within
from tests.builders import SUBSCRIPTION, VAULT

DAY = datetime(2026, 11, 2, 5, tzinfo=UTC)
SCOPE = f"/subscriptions/{SUBSCRIPTION}"
OTHER = "/subscriptions/99999999-2222-4333-8444-555555555555"


def a_vault(number: int = 1, **tags: str) -> Vault:
    """A vault with tags, whose names are written with underscores here."""
    return Vault(
        id=VAULT.replace("vault-1", f"vault-{number}"),
        region="westeurope",
        tags={name.replace("_", "-"): value for name, value in tags.items()},
    )


def test_all_vaults_are_in_the_plan_of_the_day() -> None:
    """One that only plans, its id told by day and subscription, the vaults in one order whatever the list's."""
    [request] = audit_requests([a_vault(2), a_vault(1)], EventTerms(mode="migrate"), DAY)

    assert (request.id, request.mode, request.acknowledge_irreversible) == ("audit-20261102-11111111", "plan", False)
    assert request.vaults == (a_vault(1).id, a_vault(2).id)
    assert problems_of(request) == []
    assert audit_requests([a_vault(1), a_vault(2)], EventTerms(), DAY) == [request]


def test_a_vault_that_is_tagged_off_or_not_allowed_is_left_out() -> None:
    """EVENT_MODE is no reason: it is about events, and the audit has a switch of its own."""
    vaults = [a_vault(1), a_vault(2, backup_migration="off"), a_vault(3, backup_migration="migrate")]
    [request] = audit_requests(vaults, EventTerms(mode="off", scopes=(SCOPE,)), DAY)
    assert request.vaults == (a_vault(1).id, a_vault(3).id)
    assert audit_requests(vaults, EventTerms(scopes=(OTHER,)), DAY) == []


def test_each_policy_has_a_plan_of_its_own() -> None:
    """The settings' policy first, then those that tags name."""
    vaults = [a_vault(1, backup_migration_policy="A-Gold"), a_vault(2), a_vault(3, backup_migration_policy="A-Gold")]
    requests = audit_requests(vaults, EventTerms(), DAY)
    assert [(request.id, request.target.policy_name, len(request.vaults)) for request in requests] == [
        ("audit-20261102-11111111", "EnhancedPolicy", 1),
        ("audit-20261102-11111111-2", "A-Gold", 2),
    ]


@pytest.mark.parametrize(
    ("other", "names"),
    [
        (OTHER, ["audit-20261102-11111111", "audit-20261102-99999999", "audit-20261102-99999999-2"]),
        (f"{SCOPE[:-1]}6", ["audit-20261102-11111111", "audit-20261102-11111111-2"]),
    ],
)
def test_each_subscription_has_plans_of_its_own(other: str, names: list[str]) -> None:
    """Unless two begin alike, which no id tells apart; then they share, and no name stands for two plans."""
    here, gold = a_vault(1), a_vault(2, backup_migration_policy="A-Gold")
    there = [msgspec.structs.replace(vault, id=vault.id.replace(SCOPE, other)) for vault in (here, gold)]
    requests = audit_requests([here, *there], EventTerms(), DAY)
    assert [request.id for request in requests] == names


def test_no_plan_has_more_vaults_than_a_migration_takes() -> None:
    """The others are in the next one, and none is in two."""
    vaults = [a_vault(number) for number in range(MOST_VAULTS + 1)]
    requests = audit_requests(vaults, EventTerms(), DAY)
    assert [len(request.vaults) for request in requests] == [MOST_VAULTS, 1]
    assert len({vault for request in requests for vault in request.vaults}) == len(vaults)


def test_an_allow_list_names_subscriptions_by_itself_or_by_its_vaults() -> None:
    """Each once, whatever the casing."""
    assert subscriptions_in([SCOPE.upper(), VAULT, OTHER]) == (SUBSCRIPTION, OTHER.rpartition("/")[2])


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        ((), True),
        ((SCOPE,), True),
        ((SCOPE.upper(),), True),
        ((VAULT.lower(),), True),
        ((OTHER, VAULT), True),
        ((OTHER,), False),
        ((f"{VAULT}1",), False),
        ((VAULT[:-1],), False),
        ((SCOPE[:-1],), False),
    ],
)
def test_a_vault_is_within_what_names_it_or_its_subscription(scopes: tuple[str, ...], expected: bool) -> None:
    """By whole parts of the id, in any casing; no scopes allow all."""
    assert within(VAULT, scopes) is expected
