"""What an Event Grid topic receives from the app, and what its refusals and silences become."""

import asyncio
import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from azure.identity.aio import ManagedIdentityCredential

from clients.notices import NoticeTopic, NotTold
from migration.notices import Notice, due_notice
from migration.records import MigrationState
from settings import Settings
from simulator import Simulator
from tests.builders import NOW, a_migration, a_vault
from tests.clients.canned import Canned
from tests.clients.topic import LocalTopic
from tests.conftest import PATIENCE_SECONDS, AnyToken
from tests.whole.conftest import function_app

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
async def topic() -> AsyncIterator[LocalTopic]:
    """A topic that takes everything."""
    async with LocalTopic() as topic:
        yield topic


def a_notice() -> Notice:
    """The notice of a plan that awaits approval."""
    record = a_migration(state=MigrationState.AWAITING_APPROVAL, approval_deadline=NOW, plan_hash="p" * 64)
    notice = due_notice(record, [a_vault(counts={"Planned": 2})], "https://backup.example.com")
    assert notice
    return notice


async def test_a_notice_arrives_as_a_batch_of_cloud_events(topic: LocalTopic) -> None:
    """One POST to the endpoint with the app's token: a list of one CloudEvent 1.0, attribute by attribute."""
    await topic.notices.send(a_notice())
    [request] = topic.requests

    assert (request.method, request.target) == ("POST", "/api/events?api-version=2018-01-01")
    assert request.headers["Content-Type"] == "application/cloudevents-batch+json; charset=utf-8"
    assert request.headers["Authorization"] == "Bearer any"
    assert request.body == [
        {
            "specversion": "1.0",
            "id": "m1/AwaitingApproval",
            "type": "BackupMigration.AwaitingApproval",
            "source": "/backup-migration/migrations",
            "subject": "m1",
            "time": "2026-10-26T08:00:00.000Z",
            "data": {
                "id": "m1",
                "state": "AwaitingApproval",
                "mode": "migrate",
                "planHash": "p" * 64,
                "items": {"Planned": 2},
                "problem": "",
                "approvalDeadline": "2026-11-02T08:00:00Z",
                "statusUrl": "https://backup.example.com/api/migrations/m1",
            },
        }
    ]


async def test_the_readme_shows_such_an_event(topic: LocalTopic) -> None:
    """The documented example has the attributes and the data that arrive, no more and no less."""
    await topic.notices.send(a_notice())
    [example] = re.findall(r"```jsonc\n(.+?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    shown, [event] = json.loads(example), topic.events
    assert (set(shown), set(shown["data"])) == (set(event), set(event["data"]))
    assert (shown["specversion"], shown["type"], shown["source"]) == (
        event["specversion"],
        event["type"],
        event["source"],
    )


async def test_the_apps_identity_gets_a_token_for_event_grid(
    topic: LocalTopic, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The managed identity is asked for Event Grid's audience, not for that of the app's other calls."""
    monkeypatch.setenv("IDENTITY_ENDPOINT", simulator.identity_endpoint)
    monkeypatch.setenv("IDENTITY_HEADER", simulator.identity_header)
    async with ManagedIdentityCredential() as credential:
        notices = NoticeTopic(topic.endpoint, credential, PATIENCE_SECONDS)
        await notices.send(a_notice())
        await notices.close()

    claims = topic.requests[0].headers["Authorization"].split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(claims + "=="))["aud"] == "https://eventgrid.azure.net"


async def test_the_app_tells_the_topic_of_its_settings(topic: LocalTopic) -> None:
    """A topic and a public URL where they are set, neither where they are not."""
    ledger = {"LEDGER_STORAGE": "UseDevelopmentStorage=true"}
    told = {"NOTICE_TOPIC_ENDPOINT": topic.endpoint, "PUBLIC_URL": "https://backup.example.com"}
    for environ, expected in ((ledger, (False, "")), ({**ledger, **told}, (True, "https://backup.example.com"))):
        clients = function_app.connect(Settings.from_env(environ))
        assert (clients.notices.configured, clients.public_url) == expected
        await clients.close()


REFUSALS = {
    "a bad request": Canned(status=400, body={"error": {"code": "BadRequest", "message": "no"}}),
    "no token that counts": Canned(status=401, body=None),
    "no role on the topic": Canned(status=403, body={"error": {"code": "Forbidden", "message": "no"}}),
    "no such topic": Canned(status=404, body=None),
    "an event too large": Canned(status=413, body="too large"),
    "a throttle": Canned(status=429, headers={"Retry-After": "3600"}),
    "an error page": Canned(status=500, body="<html>"),
    "an outage that names its length": Canned(status=503, headers={"Retry-After": "3600"}),
    "a redirect": Canned(status=308),
    "a redirect to what is no URL": Canned(status=308, headers={"Location": "http://["}),
    "an answer that is not JSON": Canned(body="}", headers={"Content-Type": "application/json"}),
    "an answer without a bottom": Canned(body="[" * 100_000, headers={"Content-Type": "application/json"}),
    "an answer that is not compressed": Canned(status=400, body="xxx", headers={"Content-Encoding": "gzip"}),
    "a closed connection": Canned(hang_up=True),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_whatever_goes_wrong_is_one_error_at_once(case: str, topic: LocalTopic) -> None:
    """One request and one kind of error: nobody sleeps out a Retry-After; the next notice is sent as ever."""
    topic.answer = REFUSALS[case]
    with pytest.raises(NotTold):
        await topic.notices.send(a_notice())
    assert len(topic.requests) == 1

    topic.answer = Canned()
    await topic.notices.send(a_notice())
    assert len(topic.requests) == 2


async def test_nobody_listening_is_the_same_error() -> None:
    """A refused connection."""
    async with LocalTopic() as gone:
        pass
    notices = NoticeTopic(gone.endpoint, AnyToken(), PATIENCE_SECONDS)
    with pytest.raises(NotTold):
        await notices.send(a_notice())
    await notices.close()


async def test_a_topic_that_is_silent_is_not_waited_for(topic: LocalTopic) -> None:
    """A connection that is taken and never answered ends with the patience, and with the same error."""
    never = asyncio.Event()
    topic.answer = Canned(first=lambda: _wait(never))
    notices = NoticeTopic(topic.endpoint, AnyToken(), timeout_seconds=0.1)
    with pytest.raises(NotTold, match="TimeoutError"):
        await notices.send(a_notice())
    await notices.close()


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


async def test_an_identity_without_a_token_is_the_same_error(topic: LocalTopic) -> None:
    """Nothing is sent, and nothing else is raised."""

    class NoToken(AnyToken):
        async def get_token(self, *scopes: str, **_: object) -> AccessToken:
            raise ClientAuthenticationError("no identity")

    notices = NoticeTopic(topic.endpoint, NoToken(), PATIENCE_SECONDS)
    with pytest.raises(NotTold, match="no identity"):
        await notices.send(a_notice())
    await notices.close()
    assert topic.requests == []


def test_an_app_without_a_topic_does_not_load_the_sdk() -> None:
    """The cold start of an app that tells nobody does not pay for telling."""
    program = "import sys, function_app; sys.exit('azure.eventgrid' in sys.modules)"
    environ = {"LEDGER_STORAGE": "UseDevelopmentStorage=true", "AZURE_FUNCTIONS_DURABLE_STRICT_TYPING": "1"}
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env={**os.environ, **environ}, check=False)
    assert loaded.returncode == 0
