"""Whatever a server does, an operator gets a sentence and a script gets an exit code; and no secret gets out."""

import json
import socket

import pytest

from operator_cli.exits import Exit
from tests.operator_cli.answers import VAULT, a_status, an_item
from tests.operator_cli.conftest import Run, run_at
from tests.operator_cli.fake_api import FakeApi, Reply, problem

TROUBLES: dict[str, tuple[Reply, Exit, str]] = {
    "not valid": (
        problem(400, "The body is not valid", errors=[{"path": "$.mode", "message": "is required"}]),
        Exit.REFUSED,
        "$.mode: is required",
    ),
    "no key": (Reply(status=401, body=b""), Exit.REFUSED, "BACKUP_MIGRATE_KEY"),
    "another's key": (Reply(status=403, body=b"<html>no</html>"), Exit.REFUSED, "403 Forbidden"),
    "not there": (problem(404, "There is no such migration"), Exit.NOT_FOUND, "There is no such migration"),
    "no such call": (Reply(status=404, body=b""), Exit.NOT_FOUND, "version"),
    "not now": (problem(409, "Not now", detail="the migration is Running"), Exit.REFUSED, "the migration is Running"),
    "too often": (Reply(status=429, body=b""), Exit.SERVER, "429 Too Many Requests"),
    "broken": (Reply(status=500, body=b"Traceback (most recent call last)"), Exit.SERVER, "500 Internal Server Error"),
    "away": (problem(503, "The ledger does not answer", detail="Try again later."), Exit.SERVER, "Try again later."),
    "a code of its own": (Reply(status=599, body=b""), Exit.SERVER, "599"),
    "moved": (Reply(status=302, headers={"Location": "/login"}, body=b""), Exit.SERVER, "302 Found"),
    "a page": (Reply(body=b"<html>Your app is up</html>"), Exit.SERVER, "did not answer with a document"),
    "a list": (Reply(body=[1]), Exit.SERVER, "did not answer with a document"),
    "nothing": (Reply(body=b""), Exit.SERVER, "did not answer with a document"),
    "no text": (Reply(body=b"\xff\xfe\x00"), Exit.SERVER, "did not answer with a document"),
    "nested without end": (Reply(body=b"[" * 100_000), Exit.SERVER, "did not answer with a document"),
    "another kind of document": (Reply(body={"id": "m1", "state": 5}), Exit.SERVER, "state is not what it should be"),
    "counts that are none": (Reply(body=a_status(items={"Planned": "3"})), Exit.SERVER, "items is not"),
    "vaults that are none": (Reply(body=a_status(vaults=["v"])), Exit.SERVER, "vaults is not"),
    "a number that is none": (Reply(body=a_status(progress={"done": "many"})), Exit.SERVER, "done is not"),
    "a problem of no shape": (
        Reply(status=409, body={"title": "Not now", "detail": 5, "errors": [1, {"path": 2}]}),
        Exit.REFUSED,
        "Not now",
    ),
}


@pytest.mark.parametrize("case", TROUBLES)
async def test_trouble_is_an_exit_code_and_a_sentence(case: str, api: FakeApi, run: Run) -> None:
    """Nothing on standard output that could be taken for an answer, and never a traceback."""
    reply, code, words = TROUBLES[case]
    api.on("GET /migrations/m1", reply)
    result = await run("status", "m1")
    assert result.exit_code == code
    assert isinstance(result.exception, SystemExit)
    assert words in result.stderr
    assert "Traceback" not in result.output


async def test_with_json_the_problem_is_a_document_on_standard_error(api: FakeApi, run: Run) -> None:
    """The server's own, whole."""
    document = {"title": "The body is not valid", "status": 400, "errors": [{"path": "$.by", "message": "no"}], "x": 1}
    api.on("POST /migrations/m1/pause", Reply(status=400, body=document))
    result = await run("pause", "m1", "--json")
    assert (result.exit_code, result.stdout, json.loads(result.stderr)) == (4, "", document)


async def test_nobody_there_is_trouble() -> None:
    """A port on which nothing listens: it is held, so that nobody else can."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        result = await run_at(f"http://127.0.0.1:{held.getsockname()[1]}", "status", "m1")
    assert (result.exit_code, "can not be reached" in result.stderr) == (5, True)


async def test_an_answer_that_was_lost_leaves_a_trace(api: FakeApi, run: Run) -> None:
    """Who does not know whether a migration was started is told the id that finds it, and that asking again is safe."""
    api.on("POST /migrations", problem(503, "The ledger does not answer"))
    result = await run("start", "--yes-irreversible", "--vault", VAULT, "--clone")
    [body] = api.bodies()
    assert result.exit_code == 5
    assert f"backup-migrate status {body['id']}" in result.stderr


async def test_a_list_without_end_is_trouble(api: FakeApi, run: Run) -> None:
    """A server whose next page is the same page again does not keep the program busy for ever."""
    api.on("GET /migrations/m1/items", {"items": [an_item()], "nextLink": "?continuation=c"})
    result = await run("items", "m1")
    assert (result.exit_code, "no end" in result.stderr) == (5, True)


# --- where the server is, and who asks

WHERE: dict[str, str] = {"a host": "", "with a slash": "/", "with the path": "/api", "with both": "/api/"}


@pytest.mark.parametrize("case", WHERE)
async def test_a_url_may_name_the_host_or_the_api(case: str, api: FakeApi) -> None:
    """Both mean the calls under /api."""
    api.on("GET /migrations/m1", a_status())
    result = await run_at(api.url + WHERE[case], "status", "m1")
    assert (result.exit_code, [call.path for call in api.calls]) == (0, ["/migrations/m1"])


@pytest.mark.parametrize("place", ["before", "after"])
async def test_the_server_may_be_named_on_either_side_of_the_command(place: str, api: FakeApi) -> None:
    """An option beats the environment wherever it stands."""
    api.on("GET /migrations/m1", a_status())
    options, words = ["--url", api.url, "--json"], ["status", "m1"]
    result = await run_at("http://wrong.invalid", *(options + words if place == "before" else words + options))
    assert (result.exit_code, json.loads(result.stdout)) == (0, a_status())


async def test_keys_travel_in_headers(api: FakeApi, run: Run) -> None:
    """The function key and the token each in theirs, nothing in the URL, nothing on the screen."""
    api.on("GET /migrations/m1", a_status())
    result = await run("status", "m1", BACKUP_MIGRATE_KEY="s3cret", BACKUP_MIGRATE_TOKEN="t0ken")
    [call] = api.calls
    assert (call.headers["x-functions-key"], call.headers["Authorization"]) == ("s3cret", "Bearer t0ken")
    assert call.query == {"wait": "false"}
    assert "s3cret" not in result.output and "t0ken" not in result.output


async def test_a_key_is_not_sent_in_the_clear(run: Run) -> None:
    """Plain http is for the machine itself; elsewhere whoever listens would have the key."""
    result = await run_at("http://backup.example.invalid", "status", "m1", "--key", "s3cret")
    assert (result.exit_code, "plain http" in result.stderr, "s3cret" in result.output) == (2, True, False)


async def test_an_empty_id_is_a_mistake(api: FakeApi, run: Run) -> None:
    """A variable of the shell that is not set must not ask for another thing."""
    assert (await run("status", "")).exit_code == 2
    assert api.calls == []


async def test_a_key_goes_to_no_other_server(api: FakeApi, run: Run) -> None:
    """Neither a redirect nor a link to the next page leads it away."""
    async with FakeApi() as other:
        elsewhere = f"{other.url}/api/migrations/m1"
        link = {"items": [], "nextLink": f"{elsewhere}/items?continuation=c"}
        api.on("GET /migrations/m1/items", link, {"items": []})
        api.on("GET /migrations/m1", Reply(status=307, headers={"Location": elsewhere}, body=b""))
        await run("items", "m1", BACKUP_MIGRATE_KEY="s3cret")
        await run("status", "m1", BACKUP_MIGRATE_KEY="s3cret")
        assert (len(api.calls), other.calls) == (3, [])


BAD_CONNECTIONS: dict[str, tuple[str, str]] = {
    "no URL": ("", "k"),
    "no scheme": ("myapp.azurewebsites.net", "k"),
    "another scheme": ("ftp://myapp.azurewebsites.net", "k"),
    "no host": ("https://", "k"),
    "a port that is none": ("https://myapp:99999", "k"),
    "a space": ("https://my app", "k"),
    "brackets": ("https://[myapp", "k"),
    "a key in the URL": ("https://myapp.azurewebsites.net/api?code=s3cret", "k"),
    "a password in the URL": ("https://me:s3cret@myapp.azurewebsites.net", "k"),
    "a key with a line break": ("https://myapp.azurewebsites.net", "s3cret\r\nX: y"),
    "a key with an umlaut": ("https://myapp.azurewebsites.net", "s3cret\u00e4"),
}


@pytest.mark.parametrize("case", BAD_CONNECTIONS)
async def test_a_connection_that_can_t_be_is_refused_without_repeating_a_secret(case: str) -> None:
    """Exit code 2 and a sentence, before anything is sent."""
    url, key = BAD_CONNECTIONS[case]
    result = await run_at(url, "status", "m1", BACKUP_MIGRATE_KEY=key)
    assert (result.exit_code, isinstance(result.exception, SystemExit)) == (2, True)
    assert result.stderr and "s3cret" not in result.output
