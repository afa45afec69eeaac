"""From a request's scope to vaults, from a selection to VMs; what means nothing is an error that names it."""

from typing import Any

import pytest

from migration.lifecycle import advance
from migration.model import Vault
from migration.records import MigrationState
from migration.request import Selection, SubscriptionScope, Target
from migration.scope import left_out, meant, resolve, subscriptions_of, unmatched
from tests.builders import (
    NOW,
    SUBSCRIPTION,
    VAULT,
    a_migration,
    a_policy,
    a_request,
    a_vault,
    a_vm,
    an_item,
    item_id,
    vm_id,
)

OTHER = SUBSCRIPTION.replace("1111", "9999")
SHOP = Vault(id=VAULT, region="westeurope", tags={"Stage": "prod"})
TEST = Vault(id=VAULT.replace("rg-backup", "rg-test"), region="northeurope", tags={"stage": "test"})
VISIBLE = {SUBSCRIPTION: [SHOP, TEST]}


@pytest.mark.parametrize(
    ("scope", "found"),
    [
        ({}, [SHOP, TEST]),
        ({"resource_groups": ("RG-Back*",)}, [SHOP]),
        ({"regions": ("West Europe",)}, [SHOP]),
        ({"vault_tags": {"stage": "test"}}, [TEST]),
        ({"vault_tags": {"stage": "prod"}, "regions": ("northeurope",)}, []),
        ({"vault_tags": {"stage": "Prod"}}, []),
    ],
)
def test_a_subscription_means_the_vaults_that_fit_all_its_filters(scope: dict[str, Any], found: list[Vault]) -> None:
    """Resource groups by glob, regions by either spelling, tags by name without case and value with it."""
    request = a_request(vaults=(), subscriptions=(SubscriptionScope(id=SUBSCRIPTION.upper(), **scope),))
    vaults, problems = resolve(request, VISIBLE)
    assert vaults == found
    assert [problem.path for problem in problems] == ([] if found else ["$.subscriptions[0]"])


def test_a_vault_named_and_found_is_one_vault() -> None:
    """A vault that a subscription's filter finds too is migrated once."""
    request = a_request(vaults=(VAULT.upper(),), subscriptions=(SubscriptionScope(id=SUBSCRIPTION),))
    assert resolve(request, VISIBLE) == ([SHOP, TEST], [])


def test_a_vault_that_is_not_there_is_named() -> None:
    """A mistyped vault is an error at its place in the request."""
    request = a_request(vaults=(VAULT, VAULT + "x"))
    _, problems = resolve(request, VISIBLE)
    assert [problem.path for problem in problems] == ["$.vaults[1]"]


def test_every_subscription_is_listed_once() -> None:
    """Vaults named one by one cost one list a subscription, not one call a vault."""
    request = a_request(
        vaults=(VAULT, TEST.id, VAULT.replace(SUBSCRIPTION, OTHER)), subscriptions=(SubscriptionScope(id=OTHER),)
    )
    assert subscriptions_of(request) == (SUBSCRIPTION, OTHER)


@pytest.mark.parametrize(
    ("selection", "reason"),
    [
        (Selection(), None),
        (Selection(include=("WEB-*",)), None),
        (Selection(include=(vm_id().upper(),)), None),
        (Selection(include=(item_id(),)), None),
        (Selection(include=("sql-*",)), "not included"),
        (Selection(include=("web-*",), exclude=("*-01",)), "excluded by *-01"),
        (Selection(source_policies=("defaultpolicy",)), None),
        (Selection(source_policies=("Gold",)), "its policy is DefaultPolicy"),
        (Selection(vm_tags={"wave": "1"}), None),
        (Selection(vm_tags={"wave": "2"}), "the VM does not carry the tags"),
    ],
)
def test_a_selection_tells_why_it_leaves_a_vm_out(selection: Selection, reason: str | None) -> None:
    """By name, by the id of the VM or of its item, by policy and by tag; exclusion wins."""
    assert left_out(an_item(), a_vm(tags={"Wave": "1"}), "DefaultPolicy", selection) == reason


NAMED = a_request(
    items=Selection(
        include=("web-*", "sqk-*"), exclude=("old",), source_policies=("defaultpolicy", "Godl"), vm_tags={"wave": "1"}
    ),
    target=Target(policies={"DefaultPolicy": "EnhancedPolicy", "Sliver": "EnhancedPolicy"}),
)
TYPOS = ["$.items.include[1]", "$.items.exclude[0]", "$.items.sourcePolicies[1]", "$.target.policies.Sliver"]


def test_whatever_a_request_names_has_to_be_somewhere() -> None:
    """Patterns, policies and tags with a typo are found, in whichever vault they should have meant something."""
    found = meant(NAMED, [an_item()], [a_policy()], [a_vm(tags={"Wave": "1"})])
    assert [problem.path for problem in unmatched(NAMED, found)] == TYPOS
    assert [problem.path for problem in unmatched(NAMED, [*found, *TYPOS])] == []


def test_a_name_that_means_nothing_fails_the_plan() -> None:
    """A glob with a typo must not look like a migration with nothing to do."""
    request = a_request(items=Selection(include=("web-*", "sqk-*")))
    vaults = [a_vault(surveyed=True, matched=("$.items.include[0]",)), a_vault(surveyed=True)]
    after = advance(a_migration(request=request), vaults, NOW)
    assert (after.state, after.problem) == (
        MigrationState.FAILED,
        "$.items.include[1]: sqk-* is nowhere in these vaults",
    )


def test_a_filter_that_fits_no_vault_is_named() -> None:
    """One good resource group does not hide that another one is mistyped."""
    scope = SubscriptionScope(id=SUBSCRIPTION, resource_groups=("rg-*", "gr-*"), regions=("westeurope", "mars"))
    _, problems = resolve(a_request(vaults=(), subscriptions=(scope,)), VISIBLE)
    assert [problem.path for problem in problems] == [
        "$.subscriptions[0].resourceGroups[1]",
        "$.subscriptions[0].regions[1]",
    ]
