"""What a caller may send, and how each mistake is named."""

import pytest

from migration.cost import Budget
from migration.model import VaultId
from migration.policy import CloneOptions
from migration.request import SubscriptionScope, Target, problems_of
from tests.builders import SUBSCRIPTION, VAULT, a_request

ONE = SubscriptionScope(id=SUBSCRIPTION)
OTHER_CASE = SubscriptionScope(id=SUBSCRIPTION.upper())


def test_a_valid_request_has_no_problem() -> None:
    """The plain request of the builders passes, and one that names a subscription instead of vaults."""
    assert problems_of(a_request()) == []
    assert problems_of(a_request(vaults=(), subscriptions=(ONE,))) == []


@pytest.mark.parametrize(
    ("changes", "path", "says"),
    [
        ({"vaults": ("vault-1",)}, "$.vaults[0]", "not the resource id"),
        ({"vaults": (VAULT + "/backupPolicies/x",)}, "$.vaults[0]", "not the resource id"),
        ({"vaults": (VAULT, VAULT.upper())}, "$.vaults[1]", "named twice"),
        ({"acknowledge_irreversible": False}, "$.acknowledgeIrreversible", "can't be undone"),
        ({"vaults": ()}, "$.vaults", "at least one vault"),
        ({"budget": Budget(monthly_increase=1, currency="EUR")}, "$.budget.currency", "the estimate is in USD"),
        ({"subscriptions": (ONE, OTHER_CASE)}, "$.subscriptions[1].id", "named twice"),
        ({"target": Target()}, "$.target", "exactly one"),
        ({"target": Target(policies={"Gold": "A-1"} | {"gold": "B-1"})}, "$.target.policies.Gold", "mapped twice"),
        ({"target": Target(policy_name="A-1", clone=CloneOptions())}, "$.target", "exactly one"),
    ],
)
def test_a_mistake_is_named_by_its_path(changes: dict[str, object], path: str, says: str) -> None:
    """What no field's type can tell is found, and the problem says where."""
    problems = problems_of(a_request(**changes))
    assert problems[0].path == path
    assert says in problems[0].message


def test_a_plan_needs_no_acknowledgement() -> None:
    """Planning changes nothing, so it asks for nothing."""
    assert problems_of(a_request(mode="plan", acknowledge_irreversible=False)) == []


def test_a_vaults_key_does_not_depend_on_casing() -> None:
    """The service answers ids in varying case; the key must be the same."""
    assert VaultId.parse(VAULT).key == VaultId.parse(VAULT.upper()).key
    assert VaultId.parse(VAULT).key != VaultId.parse(VAULT.replace("rg-backup", "rg-other")).key
