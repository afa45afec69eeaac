"""The app's HTTP API as functions of documents. Everything wrong becomes Trouble, in a sentence for operators."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import parse_qsl, quote, urlsplit

import httpx

from operator_cli import __version__
from operator_cli.connection import Connection
from operator_cli.documents import Document
from operator_cli.exits import Exit
from operator_cli.trouble import Trouble, trouble

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 120.0
POLL_SECONDS = 10.0  # between two looks, where the server does not say
MOST_POLL_SECONDS = 600.0
LARGEST_PAGE = 1000  # what the API allows

CODES: Mapping[int, Exit] = {
    HTTPStatus.NOT_FOUND: Exit.NOT_FOUND,
    HTTPStatus.REQUEST_TIMEOUT: Exit.SERVER,
    HTTPStatus.TOO_MANY_REQUESTS: Exit.SERVER,
}
"""The exit code of an answer that is not 4xx as usual (refused) or anything else (the server's trouble)."""

HINTS: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: "Set BACKUP_MIGRATE_KEY to a function key, or BACKUP_MIGRATE_TOKEN to a bearer token.",
    HTTPStatus.FORBIDDEN: "The key or the token is good for something else.",
    HTTPStatus.NOT_FOUND: "Is it the right URL, and does this server's version know the call?",
}
"""What to do about answers that come from in front of the app, and so without a problem document."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A document and how many seconds the server wants to be left in peace before the next look."""

    document: Document
    retry_after: float


class Api:
    """The API at one server. Every call raises Trouble for what is not its document."""

    def __init__(self, connection: Connection) -> None:
        self._root = connection.root
        self._http = httpx.Client(
            headers={**connection.headers, "User-Agent": f"backup-migrate/{__version__}"},
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
        )

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    # --- calls

    def start(self, request: Mapping[str, Any]) -> Document:
        """Ask for a migration; answers its status document."""
        return self._ask("POST", "migrations", body=request, like_status=True).document

    def migrations(self, query: Mapping[str, str], at_most: int) -> Document:
        """The newest migrations that fit, as one list document."""
        return self._list("migrations", "migrations", query, at_most)

    def status(self, migration_id: str) -> Document:
        """The status document, whatever the migration came to."""
        return self._ask("GET", _of(migration_id), {"wait": "false"}, like_status=True).document

    def look(self, migration_id: str) -> Answer:
        """The status document, and when to look again."""
        return self._ask("GET", _of(migration_id), like_status=True)

    def act(self, migration_id: str, what: str, word: Mapping[str, Any]) -> Document:
        """Do something to a migration (`what` is the last part of the call's path); answers a status document."""
        return self._ask("POST", f"{_of(migration_id)}/{what}", body=word, like_status=True).document

    def plan(self, migration_id: str, against: str = "") -> Document:
        """The plan document, with the differences to another migration's plan where one is named."""
        return self._ask("GET", f"{_of(migration_id)}/plan", {"against": against} if against else {}).document

    def items(self, migration_id: str, query: Mapping[str, str], at_most: int) -> Document:
        """The VMs of a migration that fit, as one list document."""
        return self._list(f"{_of(migration_id)}/items", "items", query, at_most)

    def all_items(self, migration_id: str) -> Iterator[Document]:
        """Every VM of a migration, a page at a time."""
        continuation = ""
        while True:
            page = self._page(f"{_of(migration_id)}/items", {"pageSize": str(LARGEST_PAGE)}, continuation)
            yield from page.parts("items")
            continuation = _following(page, continuation)
            if not continuation:
                return

    def history(self, resource_id: str) -> Document:
        """Everything ever done to the VM of that resource id, or to that protected item."""
        return self._ask("GET", f"items/{quote(resource_id.strip('/'), safe='/;')}").document

    def health(self) -> Document:
        """The readiness document, of a server that is ready and of one that is not."""
        return self._ask("GET", "health/ready", like_health=True).document

    # --- lists

    def _list(self, path: str, of: str, query: Mapping[str, str], at_most: int) -> Document:
        """At most so many entries, from as many pages as it takes. `nextLink` leads on where there are more."""
        entries: list[Any] = []
        page = Document({})
        continuation = ""
        while len(entries) < at_most:
            page_size = str(min(at_most - len(entries), LARGEST_PAGE))
            page = self._page(path, {**query, "pageSize": page_size}, continuation)
            entries += [part.fields for part in page.parts(of)]
            continuation = _following(page, continuation)
            if not continuation:
                break
        return Document({**page.fields, of: entries})

    def _page(self, path: str, query: Mapping[str, str], continuation: str) -> Document:
        asked = {**query, "continuation": continuation} if continuation else query
        return self._ask("GET", path, asked).document

    # --- one exchange

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        like_status: bool = False,
        like_health: bool = False,
    ) -> Answer:
        """The document at a path. `like_status`, `like_health`: one of that kind is an answer whatever its HTTP code,
        by which the API says how a migration ended, or that the app is not ready."""
        try:
            response = self._http.request(method, f"{self._root}/{path}", params=query, json=body)
        except httpx.HTTPError as error:
            raise self._unreached(method, error) from error
        fields = _object(response)
        wanted = response.is_success or (like_status and "id" in fields) or (like_health and "checks" in fields)
        if not wanted:
            raise _refused(response, fields)
        if not fields:
            raise trouble(Exit.SERVER, f"{self._root} did not answer with a document", "Is it the right URL?")
        pause = _retry_after(response)
        return Answer(document=Document(fields), retry_after=POLL_SECONDS if pause is None else pause)

    def _unreached(self, method: str, error: httpx.HTTPError) -> Trouble:
        slow = isinstance(error, httpx.TimeoutException)
        title = f"{self._root} {'did not answer in time' if slow else 'can not be reached'}"
        never_sent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
        unknown = method == "POST" and not never_sent
        doubt = "It is not known whether this was carried out: look at the status before you try again."
        return trouble(Exit.SERVER, title, doubt if unknown else str(error))


def _of(migration_id: str) -> str:
    return f"migrations/{quote(migration_id, safe='')}"


def _following(page: Document, continuation: str) -> str:
    """What leads to the next page, empty after the last. Nothing else of the link is used: where the key is sent, is
    the operator's to say and not the server's."""
    try:
        following = dict(parse_qsl(urlsplit(page.text("nextLink")).query)).get("continuation", "")
    except ValueError:
        raise trouble(Exit.SERVER, "The server's link to the next page is none") from None
    if following and following == continuation:
        raise trouble(Exit.SERVER, "The server's list has no end", "Its next page is the page before.")
    return following


def _object(response: httpx.Response) -> dict[str, Any]:
    """The JSON object that was sent; empty where it is none."""
    try:
        sent = json.loads(response.content)
    except (ValueError, RecursionError):
        return {}
    return cast(dict[str, Any], sent) if isinstance(sent, dict) else {}


def _refused(response: httpx.Response, fields: dict[str, Any]) -> Trouble:
    status = response.status_code
    refused = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    code = CODES.get(status, Exit.REFUSED if refused else Exit.SERVER)
    if not isinstance(fields.get("title"), str):
        fields = {"title": f"The server answered {_name(status)}", "status": status, "detail": HINTS.get(status, "")}
    return Trouble(code, fields, _retry_after(response))


def _name(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds; None where the header is absent or a date, which the API never sends."""
    text = response.headers.get("Retry-After", "")
    return min(float(text), MOST_POLL_SECONDS) if text.isascii() and text.isdecimal() else None
