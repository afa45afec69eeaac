"""Reading requests and writing answers, the same way for every endpoint."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar, cast
from urllib.parse import urlsplit

import msgspec
from azure.durable_functions import DurableOrchestrationClient
from azure.functions import HttpRequest, HttpResponse

from clients import Clients
from clients.tables import Missing
from migration.model import Value
from migration.records import MigrationRecord
from migration.request import MigrationId, Problem
from settings import Settings
from triggers.documents import ProblemDocument, migration_status

MAX_BODY_BYTES = 1_000_000
KEY = "code"
POLL_SECONDS = 10  # what a caller who waits for a migration is asked to leave between two looks
HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9a-fA-F:.]{2,45}\](:[0-9]{1,5})?")
V = TypeVar("V", bound=Value)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request and all an endpoint needs to answer it. `caller` is who was signed in; empty with function keys."""

    clients: Clients
    settings: Settings
    req: HttpRequest
    durable: DurableOrchestrationClient
    caller: str = ""


Endpoint = Callable[[Call], Awaitable[HttpResponse]]


class Declined(Exception):
    """The request gets this problem document for an answer."""

    def __init__(self, status: int, title: str, detail: str = "", errors: tuple[Problem, ...] = ()) -> None:
        super().__init__(title)
        self.document = ProblemDocument(status=status, title=title, detail=detail, errors=errors)


# --- reading requests


def header(req: HttpRequest, name: str) -> str:
    """A header's text, whatever the casing of its name; empty where it was not sent."""
    return cast(Mapping[str, str], req.headers).get(name.lower(), "")


def wants_csv(req: HttpRequest) -> bool:
    """Whether the caller asks for CSV rather than JSON."""
    return "text/csv" in header(req, "accept").lower()


def migration_id_of(req: HttpRequest) -> str:
    """The id in the path. Raises Missing for one that can't be any migration's."""
    text = req.route_params.get("id", "")
    try:
        return msgspec.convert(text, MigrationId)
    except msgspec.ValidationError:
        raise Missing(text) from None


def read_body(req: HttpRequest, kind: type[V]) -> V:
    """The body as a value of that kind; none at all is an empty object. Raises Declined with all that is wrong."""
    body = req.get_body() or b"{}"
    if len(body) > MAX_BODY_BYTES:
        raise Declined(413, "The request is too large", detail=f"the limit is {MAX_BODY_BYTES} bytes")
    try:
        return _read(msgspec.json.decode(body), kind, "body")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid("body", Problem(path="$", message=f"not JSON: {error}")) from error


def read_query(req: HttpRequest, kind: type[V]) -> V:
    """The query as a value of that kind. Raises Declined with everything that is wrong with it.

    A function key that the caller sent as `code` is the host's, which has checked it.
    """
    sent = {name: value for name, value in req.params.items() if name != KEY}
    return _read(sent, kind, "query", strict=False)


def invalid(where: str, *problems: Problem) -> Declined:
    """The 400 that names what is wrong with a body, a query or a header."""
    return Declined(400, f"The {where} is not valid", errors=problems)


def _read(sent: object, kind: type[V], where: str, strict: bool = True) -> V:
    try:
        return msgspec.convert(sent, kind, strict=strict)
    except msgspec.ValidationError as error:
        fields = _field_problems(cast(dict[str, object], sent), kind, strict) if isinstance(sent, dict) else []
        raise invalid(where, *(fields or [_problem_of(error, "$")])) from error


def _field_problems(sent: Mapping[str, object], kind: type[Value], strict: bool) -> list[Problem]:
    """What is wrong with each field by itself: msgspec stops at the first, a caller would rather mend all at once."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    problems = [Problem(path=f"$.{name}", message="there is no such field") for name in sent if name not in fields]
    for name, field in fields.items():
        if name not in sent:
            if field.required:
                problems.append(Problem(path=f"$.{name}", message="is required"))
            continue
        try:
            msgspec.convert(sent[name], field.type, strict=strict)
        except msgspec.ValidationError as error:
            problems.append(_problem_of(error, f"$.{name}"))
    return problems


def _problem_of(error: msgspec.ValidationError, root: str) -> Problem:
    """From one of msgspec's messages, which end in " - at `$.path`", or in " - at `key` in `$.path`"."""
    text, _, at = str(error).partition(" - at `")
    path = at.removeprefix("key` in `").removesuffix("`")
    return Problem(path=root + path.removeprefix("$"), message=text)


# --- writing answers


def site_of(req: HttpRequest) -> str:
    """Scheme and host that the caller used, also where a gateway stands in between and says so in X-Forwarded-*."""
    try:
        parts = urlsplit(req.url)
    except ValueError:
        raise Declined(400, "The Host header is not valid") from None
    if not HOST.fullmatch(parts.netloc):
        raise Declined(400, "The Host header is not valid")
    host = header(req, "x-forwarded-host").split(",")[0].strip()
    scheme = header(req, "x-forwarded-proto").split(",")[0].strip().lower()
    return "{}://{}".format(
        scheme if scheme in ("http", "https") else parts.scheme, host if HOST.fullmatch(host) else parts.netloc
    )


def address_of(req: HttpRequest) -> str:
    """The URL as the caller asked for it, without its query."""
    return site_of(req) + urlsplit(req.url).path


def url_of(req: HttpRequest, migration_id: str) -> str:
    """Where a migration's status lives."""
    return f"{site_of(req)}/api/migrations/{migration_id}"


async def status_answer(call: Call, record: MigrationRecord, status_code: int) -> HttpResponse:
    """An answer with the status document of a migration; a 202 says where and when to ask again."""
    vaults = await call.clients.ledger.read_vaults(record.migration_id)
    url = url_of(call.req, record.migration_id)
    headers = {"Location": url, "Retry-After": str(POLL_SECONDS)} if status_code == 202 else {}
    return as_json(migration_status(record, vaults, url, call.clients.clock()), status_code, headers)


def as_json(document: Value, status_code: int = 200, headers: dict[str, str] | None = None) -> HttpResponse:
    """An answer with a document."""
    return HttpResponse(
        msgspec.json.encode(document), status_code=status_code, headers=headers, mimetype="application/json"
    )


def as_problem(document: ProblemDocument) -> HttpResponse:
    """An answer with a problem document."""
    return HttpResponse(msgspec.json.encode(document), status_code=document.status, mimetype="application/problem+json")
