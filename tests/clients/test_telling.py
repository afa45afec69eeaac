"""A migration's state is told once where all goes well, at least once where it does not, and never in the way."""

import asyncio
import dataclasses
import logging
from collections.abc import AsyncIterator

import pytest

from clients import Clients
from clients.notices import NoticeTopic
from clients.telling import tell
from migration.records import MigrationRecord, MigrationState
from tests.builders import a_migration, a_vault
from tests.clients.canned import Canned
from tests.clients.topic import LocalTopic
from tests.conftest import AnyToken

WAITING = a_migration(state=MigrationState.AWAITING_APPROVAL)
VAULTS = [a_vault(counts={"Planned": 2})]


@pytest.fixture
async def topic() -> AsyncIterator[LocalTopic]:
    """A topic that takes everything until told otherwise."""
    async with LocalTopic() as topic:
        yield topic


@pytest.fixture
def notices(topic: LocalTopic) -> NoticeTopic:
    """The app's way to that topic."""
    return topic.notices


async def kept(clients: Clients, record: MigrationRecord = WAITING) -> MigrationRecord:
    """A migration as the ledger has it."""
    await clients.ledger.insert_migration(record)
    return await clients.ledger.read_migration(record.migration_id)


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What telling has warned of."""
    told = [entry for entry in caplog.records if entry.name == "clients.telling"]
    return [entry.getMessage() for entry in told if entry.levelno == logging.WARNING]


async def test_what_was_told_is_noted_and_not_told_again(clients: Clients, topic: LocalTopic) -> None:
    """The answer is the record as it is in the ledger, ready to be written again."""
    told = await tell(clients, await kept(clients), VAULTS)
    assert (topic.told, told.told) == (["m1/AwaitingApproval"], MigrationState.AWAITING_APPROVAL)
    assert await clients.ledger.read_migration("m1") == told

    assert await tell(clients, told, VAULTS) is told
    assert len(topic.requests) == 1
    await clients.ledger.write_migration(told.to(MigrationState.RUNNING))


async def test_what_is_not_due_is_not_sent(clients: Clients, topic: LocalTopic) -> None:
    """A migration that runs touches neither topic nor ledger."""
    running = await kept(clients, a_migration(state=MigrationState.RUNNING))
    assert await tell(clients, running, VAULTS) is running
    assert (topic.requests, await clients.ledger.read_migration("m1")) == ([], running)


async def test_without_a_topic_nothing_is_told_or_noted(clients: Clients, caplog: pytest.LogCaptureFixture) -> None:
    """Nor tried: a topic that is configured later is told of what waits then."""
    alone = dataclasses.replace(clients, notices=NoticeTopic("", AnyToken()))
    record = await kept(clients)
    assert await tell(alone, record, VAULTS) is record
    assert await clients.ledger.read_migration("m1") == record
    assert warnings_in(caplog) == []


async def test_the_link_is_to_the_apps_public_url(clients: Clients, topic: LocalTopic) -> None:
    """Where the app knows its address, receivers do too."""
    known = dataclasses.replace(clients, public_url="https://backup.example.com")
    await tell(known, await kept(clients), VAULTS)
    assert topic.events[0]["data"]["statusUrl"] == "https://backup.example.com/api/migrations/m1"


async def test_what_the_topic_does_not_take_stays_due(
    clients: Clients, topic: LocalTopic, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is raised: a warning names the migration, and the next telling sends the same event."""
    topic.answer = Canned(status=503)
    record = await kept(clients)
    assert await tell(clients, record, VAULTS) is record
    assert await clients.ledger.read_migration("m1") == record
    [warning] = warnings_in(caplog)
    assert "m1" in warning

    topic.answer = Canned()
    assert (await tell(clients, record, VAULTS)).told == MigrationState.AWAITING_APPROVAL
    assert topic.events[0] == topic.events[1]


async def test_a_decision_made_while_it_is_told_is_kept(clients: Clients, topic: LocalTopic) -> None:
    """The note is added to the record as it is by then, never written over what somebody did meanwhile."""
    record = await kept(clients)

    async def pass_on() -> None:
        await clients.ledger.write_migration(record.to(MigrationState.CANCELLED, problem="cancelled by ada"))

    topic.answer = Canned(first=pass_on)
    after = await tell(clients, record, VAULTS)
    assert (after.state, after.problem) == (MigrationState.CANCELLED, "cancelled by ada")
    assert after.told == MigrationState.AWAITING_APPROVAL

    topic.answer = Canned()
    assert (await tell(clients, after, VAULTS)).told == MigrationState.CANCELLED
    assert topic.told == ["m1/AwaitingApproval", "m1/Cancelled"]


async def test_several_may_tell_at_once(clients: Clients, topic: LocalTopic) -> None:
    """Who finds the record changed by another's note leaves it at that."""
    record = await kept(clients)
    everybody = asyncio.Barrier(10)

    async def meet() -> None:
        await everybody.wait()

    topic.answer = Canned(first=meet)
    await asyncio.gather(*(tell(clients, record, VAULTS) for _ in range(everybody.parties)))
    assert set(topic.told) == {"m1/AwaitingApproval"}
    assert (await clients.ledger.read_migration("m1")).told == MigrationState.AWAITING_APPROVAL
