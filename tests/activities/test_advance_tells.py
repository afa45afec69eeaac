"""Advancing a migration tells the world of it, whatever happens in between, and is never held up by that."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from activities.advance_migration import advance_migration
from clients import Clients
from clients.notices import NoticeTopic
from migration.records import MigrationState
from migration.steps import AdvanceOrder
from tests.builders import a_migration, a_vault
from tests.clients.canned import Canned
from tests.clients.topic import LocalTopic

ORDER = AdvanceOrder(migration_id="m1")


@pytest.fixture
async def topic() -> AsyncIterator[LocalTopic]:
    """A topic that takes everything until told otherwise."""
    async with LocalTopic() as topic:
        yield topic


@pytest.fixture
def notices(topic: LocalTopic) -> NoticeTopic:
    """The app's way to that topic."""
    return topic.notices


@pytest.fixture(autouse=True)
async def surveyed(clients: Clients) -> None:
    """A migration whose plan is complete and needs an approval."""
    await clients.ledger.insert_migration(a_migration())
    await clients.ledger.insert_vaults([a_vault(surveyed=True, plan_hash="p", counts={"Planned": 2})])


async def state_and_told(clients: Clients) -> tuple[MigrationState, str]:
    """What the ledger knows."""
    record = await clients.ledger.read_migration("m1")
    return record.state, record.told


async def test_the_new_state_is_told_with_its_numbers(clients: Clients, topic: LocalTopic) -> None:
    """What is told is what the migration has just become, once."""
    for _ in range(2):
        await advance_migration(clients, ORDER)
    [event] = topic.events
    assert (event["data"]["state"], event["data"]["items"]) == ("AwaitingApproval", {"Planned": 2})
    assert event["data"]["planHash"] == (await clients.ledger.read_migration("m1")).plan_hash


async def test_a_failure_is_told(clients: Clients, topic: LocalTopic) -> None:
    """What no rule expects reaches whoever listens, with its problem."""
    await advance_migration(clients, AdvanceOrder(migration_id="m1", problem="the survey did not come back"))
    [event] = topic.events
    assert (event["type"], event["data"]["problem"]) == ("BackupMigration.Ended", "the survey did not come back")


@pytest.mark.parametrize("answer", [Canned(status=500), Canned(status=403), Canned(hang_up=True)])
async def test_a_topic_that_does_not_answer_is_tried_again(answer: Canned, clients: Clients, topic: LocalTopic) -> None:
    """The migration stands where it would stand anyway, and the next look at it tells what this one could not."""
    topic.answer = answer
    assert (await advance_migration(clients, ORDER)).state is MigrationState.AWAITING_APPROVAL
    assert await state_and_told(clients) == (MigrationState.AWAITING_APPROVAL, "")

    topic.answer = Canned()
    await advance_migration(clients, ORDER)
    assert await state_and_told(clients) == (MigrationState.AWAITING_APPROVAL, MigrationState.AWAITING_APPROVAL)
    assert topic.events[0] == topic.events[1]


async def test_a_crash_before_the_note_tells_the_same_event_again(clients: Clients, topic: LocalTopic) -> None:
    """The app dies when the event has arrived and the ledger does not know it yet; receivers see the same id twice."""

    async def crash() -> None:
        advancing.cancel()

    topic.answer = Canned(first=crash)
    advancing = asyncio.create_task(advance_migration(clients, ORDER))
    with pytest.raises(asyncio.CancelledError):
        await advancing
    assert await state_and_told(clients) == (MigrationState.AWAITING_APPROVAL, "")

    topic.answer = Canned()
    for _ in range(2):
        await advance_migration(clients, ORDER)
    assert await state_and_told(clients) == (MigrationState.AWAITING_APPROVAL, MigrationState.AWAITING_APPROVAL)
    assert topic.told == ["m1/AwaitingApproval", "m1/AwaitingApproval"]
    assert topic.events[0] == topic.events[1]
