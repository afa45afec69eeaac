"""What an event tells of a vault, and what is wanted of it: both schemas, any casing, and whatever else is sent."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from migration.events import (
    EventTerms,
    Ignored,
    Intent,
    Mode,
    Touched,
    event_migration_id,
    intent_of,
    read_event,
    record_of,
    request_of,
)
from migration.model import VaultId
from migration.request import MigrationRequest, problems_of
from tests.builders import NOW, SUBSCRIPTION, VAULT
from tests.events import ITEM, ITEM_WRITE, OBJECT_ID, OWN, VAULT_WRITE, a_cloud_event, an_event, some_data

AT = datetime(2026, 11, 1, 10, 0, 0, 123456, tzinfo=UTC)
THE_VAULT = Touched(vault_id=VAULT, kind="vault", event_id="4db48cba-50a2-455a-93b4-de41a3b5b7f6", at=AT)
THE_ITEM = msgspec.structs.replace(THE_VAULT, kind="item", item_name="vm;iaasvmcontainerv2;rg-web;web-01")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (an_event(), THE_VAULT),
        (a_cloud_event(), THE_VAULT),
        (an_event(ITEM, some_data(ITEM_WRITE)), THE_ITEM),
        (a_cloud_event(ITEM, some_data(ITEM_WRITE)), THE_ITEM),
        (an_event(data=json.dumps(some_data())), THE_VAULT),
        (an_event(data=some_data(claims='{"appid": "somebody"}')), THE_VAULT),
        (an_event(data=some_data(claims=None)), THE_VAULT),
        (an_event(data=some_data(VAULT_WRITE.upper(), status="succeeded")), THE_VAULT),
        (an_event(eventType="microsoft.resources.RESOURCEWRITESUCCESS"), THE_VAULT),
        (an_event(eventTime="2026-11-01T12:00:00.1234567+02:00"), THE_VAULT),
    ],
)
def test_a_write_touches_its_vault(event: dict[str, Any], expected: Touched) -> None:
    """Either schema, either kind, objects or texts, any casing, any offset."""
    assert read_event(event, OWN) == expected


def test_the_casing_of_ids_makes_no_other_vault_or_item() -> None:
    """Azure spells `resourcegroups` and `Vaults` as it likes; the ledger's keys are the same."""
    found = read_event(an_event(ITEM.upper(), some_data(ITEM_WRITE)), OWN)
    assert isinstance(found, Touched)
    assert record_of(found, NOW).vault_key == VaultId.parse(VAULT).key
    assert found.item_name == THE_ITEM.item_name


@pytest.mark.parametrize(
    "event",
    [
        an_event(data=some_data(claims={"appid": OWN})),
        an_event(data=some_data(claims={"appid": OWN.upper()})),
        an_event(data=some_data(claims={"azp": OWN})),
        an_event(data=some_data(claims={OBJECT_ID: OWN})),
        an_event(data=some_data(claims=json.dumps({"oid": OWN}))),
        a_cloud_event(ITEM, some_data(ITEM_WRITE, claims={"appid": OWN})),
        an_event(eventType="Microsoft.Resources.ResourceDeleteSuccess"),
        an_event(eventType="Microsoft.Resources.ResourceActionSuccess"),
        an_event(eventType="Microsoft.Resources.ResourceWriteFailure"),
        an_event(eventType="Microsoft.Resources.ResourceWriteCancel"),
        an_event(data=some_data(status="Failed")),
        an_event(data=some_data(status="Canceled")),
        an_event(data=some_data("Microsoft.RecoveryServices/vaults/delete")),
        an_event(data=some_data("Microsoft.RecoveryServices/vaults/backupPolicies/write")),
        an_event(data=some_data("Microsoft.Compute/virtualMachines/write")),
    ],
)
def test_what_is_no_cause_for_a_plan_is_left_alone(event: dict[str, Any]) -> None:
    """Our own writes, deletes, what failed or was cancelled, and other resources: no word of warning either."""
    found = read_event(event, OWN)
    assert isinstance(found, Ignored)
    assert found.why and not found.malformed


def test_without_an_identity_of_its_own_no_claim_is_taken_for_it() -> None:
    """A system-assigned identity has no client id in the settings; an empty claim is not ours."""
    assert read_event(an_event(data=some_data(claims={"appid": ""})), "") == THE_VAULT


NESTED = '{"a":' * 100_000

HOSTILE = {
    "nothing": {},
    "no data": an_event(data={}),
    "data that is a list": an_event(data=[1]),
    "data that is a text": an_event(data="{"),
    "data without a bottom": an_event(data=NESTED),
    "data with half a character": an_event(data='{"status": "\ud800"}'),
    "a type that is a number": an_event(eventType=1),
    "no id": an_event(id=""),
    "an id that is an object": an_event(id={}),
    "an endless id": an_event(id="x" * 1001),
    "no time": an_event(eventTime=None),
    "a time that is none": an_event(eventTime="yesterday"),
    "a time before all times": an_event(eventTime="0001-01-01T00:00:00+14:00"),
    "no subject": an_event(""),
    "a subject that is a list": an_event(subject=[VAULT]),  # type: ignore[arg-type] - what others send
    "another resource": an_event(VAULT.replace("Microsoft.RecoveryServices", "Microsoft.KeyVault")),
    "a child for a vault": an_event(ITEM),
    "a vault for an item": an_event(VAULT, some_data(ITEM_WRITE)),
    "a path that goes up": an_event(VAULT.replace("vault-1", "..")),
    "a query behind the vault": an_event(f"{VAULT}?x=1"),
    "a line break behind the vault": an_event(f"{VAULT}\n"),
    "a subscription that is none": an_event(VAULT.replace(SUBSCRIPTION, "all")),
    "an item with a line break": an_event(f"{ITEM}\nx", some_data(ITEM_WRITE)),
    "an item with half a character": an_event(f"{ITEM}\ud800", some_data(ITEM_WRITE)),
    "an item that is no key": an_event(f"{ITEM}?#", some_data(ITEM_WRITE)),
    "an item with a backslash": an_event(f"{ITEM}\\", some_data(ITEM_WRITE)),
    "an endless item": an_event(ITEM + "x" * 512, some_data(ITEM_WRITE)),
    "an item in no vault": an_event(ITEM.replace(SUBSCRIPTION, "all"), some_data(ITEM_WRITE)),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_azure_would_not_send_is_told_apart(case: str) -> None:
    """It is ignored with a word of warning that repeats nothing of it, and never raises."""
    found = read_event(HOSTILE[case], OWN)
    assert isinstance(found, Ignored)
    assert found.malformed
    assert VAULT not in found.why


@pytest.mark.parametrize("claims", [NESTED, '{"appid": "\ud800"}', "{"])
def test_claims_that_nobody_can_read_are_nobodys(claims: str) -> None:
    """The rest of the event counts: whatever somebody sent, a plan more does no harm."""
    assert read_event(an_event(data=some_data(claims=claims)), OWN) == THE_VAULT


def test_an_event_is_remembered_by_a_hash_of_its_id() -> None:
    """The id is anybody's text; the row's key is ours. The same id is the same row, another is another."""
    ids = ("a", "a", "b", "a/b\\c#?", "\ud800")
    records = [record_of(msgspec.structs.replace(THE_VAULT, event_id=name), NOW) for name in ids]
    hashes = [record.event_hash for record in records]
    assert hashes[0] == hashes[1] and len(set(hashes)) == 4
    assert all(len(one) == 32 and one.isalnum() for one in hashes)
    assert (records[0].taken, records[0].received_at, records[0].at) == (False, NOW, AT)


# --- what is wanted


@pytest.mark.parametrize(
    ("tags", "mode", "expected"),
    [
        ({}, "plan", ("plan", "EnhancedPolicy", False)),
        ({}, "off", ("off", "EnhancedPolicy", True)),
        ({}, "migrate", ("migrate", "EnhancedPolicy", False)),
        ({"backup-migration": "migrate"}, "plan", ("migrate", "EnhancedPolicy", False)),
        ({"backup-migration": "migrate"}, "off", ("migrate", "EnhancedPolicy", False)),
        ({"Backup-Migration": " OFF "}, "migrate", ("off", "EnhancedPolicy", True)),
        ({"backup-migration": "plan"}, "migrate", ("plan", "EnhancedPolicy", False)),
        ({"backup-migration": ""}, "migrate", ("migrate", "EnhancedPolicy", False)),
        ({"backup-migration": "yes"}, "migrate", ("plan", "EnhancedPolicy", True)),
        ({"backup-migration": "yes"}, "off", ("plan", "EnhancedPolicy", True)),
        ({"BACKUP-MIGRATION-POLICY": "Gold"}, "migrate", ("migrate", "Gold", False)),
        ({"backup-migration-policy": "../Gold"}, "migrate", ("plan", "EnhancedPolicy", True)),
        ({"backup-migration": "off", "backup-migration-policy": "?"}, "plan", ("off", "EnhancedPolicy", True)),
        ({"backup-migration-x": "migrate"}, "plan", ("plan", "EnhancedPolicy", False)),
    ],
)
def test_the_tags_of_a_vault_win(tags: dict[str, str], mode: Mode, expected: tuple[str, str, bool]) -> None:
    """Over the settings, in any casing of their names; a word that nobody can read makes no more than a plan."""
    intent = intent_of(VAULT, tags, EventTerms(mode=mode))
    assert (intent.mode, intent.policy_name, bool(intent.note)) == expected


def test_the_allow_list_wins_over_the_tags() -> None:
    """A tag lets nobody out of what the app's owner allowed."""
    terms = EventTerms(scopes=("/subscriptions/99999999-2222-4333-8444-555555555555",))
    assert intent_of(VAULT, {"backup-migration": "migrate"}, terms).mode == "off"
    allowed = msgspec.structs.replace(terms, scopes=(f"/SUBSCRIPTIONS/{SUBSCRIPTION}",))
    assert intent_of(VAULT, {"backup-migration": "migrate"}, allowed).mode == "migrate"


@pytest.mark.parametrize("mode", ["plan", "migrate"])
def test_what_events_ask_for_is_a_request_like_any_other(mode: Mode) -> None:
    """Nothing is wrong with it, it survives the wire, and only a migration acknowledges."""
    longest = VaultId.parse(VAULT.replace("vault-1", "v" * 50))
    name = event_migration_id(longest.key, NOW)
    request = request_of(name, (VAULT,), Intent(mode=mode, policy_name="Gold"), "required")

    assert name == f"event-{longest.key}-20261102-0800"
    assert problems_of(request) == []
    assert msgspec.json.decode(msgspec.json.encode(request), type=MigrationRequest) == request
    assert (request.mode, request.acknowledge_irreversible) == (mode, mode == "migrate")
    assert (request.target.policy_name, request.approval) == ("Gold", "required")
