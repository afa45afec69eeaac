"""Reading requests and writing answers, the same way for every endpoint."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

import msgspec
from azure.durable_functions import DurableOrchestrationClient
from azure.functions import HttpRequest, HttpResponse
from msgspec import Meta

from clients import Clients
from clients.ledger import Missing
from migration.model import Value
from migration.request import MIGRATION_ID, Problem
from settings import Settings
from triggers.documents import ProblemDocument

MAX_BODY_BYTES = 1_000_000
V = TypeVar("V", bound=Value)

Endpoint = Callable[[Clients, Settings, HttpRequest, DurableOrchestrationClient], Awaitable[HttpResponse]]


class Declined(Exception):
    """The request gets this problem document for an answer."""

    def __init__(self, status: int, title: str, detail: str = "", errors: tuple[Problem, ...] = ()) -> None:
        super().__init__(title)
        self.document = ProblemDocument(status=status, title=title, detail=detail, errors=errors)


# --- reading requests


def migration_id_of(req: HttpRequest) -> str:
    text = req.route_params.get("id", "")
    try:
        return msgspec.convert(text, Annotated[str, Meta(pattern=MIGRATION_ID)])
    except msgspec.ValidationError:
        raise Missing(text) from None


def read_body(req: HttpRequest, kind: type[V]) -> V:
    body = req.get_body()
    if len(body) > MAX_BODY_BYTES:
        raise Declined(413, "The request is too large", detail=f"the limit is {MAX_BODY_BYTES} bytes")
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise invalid("", str(error), "body") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise invalid("$", f"not JSON: {error}", "body") from error


def read_query(req: HttpRequest, kind: type[V]) -> V:
    try:
        return msgspec.convert(dict(req.params), kind, strict=False)
    except msgspec.ValidationError as error:
        raise invalid("", str(error), "query") from error


def invalid(path: str, message: str, where: str) -> Declined:
    """A 400 from one of msgspec's messages, which end in " - at `$.path`" where a path is known."""
    text, _, at = message.partition(" - at `")
    problem = Problem(path=path or at.removesuffix("`") or "$", message=text)
    return Declined(400, f"The {where} is not valid", errors=(problem,))


# --- writing answers


def address_of(req: HttpRequest) -> str:
    return req.url.partition("?")[0]


def site_of(req: HttpRequest) -> str:
    parts = urlsplit(req.url)
    return f"{parts.scheme}://{parts.netloc}"


def as_json(document: Value, status_code: int = 200, headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(
        msgspec.json.encode(document), status_code=status_code, headers=headers, mimetype="application/json"
    )


def as_problem(document: ProblemDocument) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(document), status_code=document.status, mimetype="application/problem+json")
