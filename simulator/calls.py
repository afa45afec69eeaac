"""One request as a handler sees it, and the answer it gives back."""

import base64
import binascii
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import TypeVar, cast
from urllib.parse import quote, urlencode

from simulator import errors
from simulator.clock import client_seconds
from simulator.estate import Estate
from simulator.resources import Vault
from simulator.wire import JsonObject

T = TypeVar("T")

POLL_SECONDS = 60
"""The Retry-After of every long-running answer (net2016_item_put_202_retry_after.json), in simulated seconds."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` None is an empty body."""

    status: int = 200
    body: JsonObject | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Call:
    """`path`, `parameters` and `query` are decoded; names in `query` are lower-case."""

    method: str
    path: str
    parameters: dict[str, str]
    query: dict[str, str]
    body: JsonObject | None
    host: str
    now: datetime
    estate: Estate

    @property
    def api_version(self) -> str:
        return self.query["api-version"]

    @property
    def vault(self) -> Vault:
        """The vault of the path. Raises ServiceError 404."""
        of = self.parameters
        return self.estate.vault(of["subscription"], of["group"], of["vault"])

    def absolute(self, path: str, query: dict[str, str]) -> str:
        """A URL on the scheme and host of the request: what clients insist on for nextLink and for polls."""
        return f"https://{self.host}{quote(path, safe='/;')}?{urlencode(query, quote_via=quote)}"

    def properties(self) -> JsonObject:
        """`properties` of the body. Raises ServiceError 400."""
        properties = (self.body or {}).get("properties")
        if not isinstance(properties, dict):
            raise errors.malformed_body()
        return cast(JsonObject, properties)

    def retry_after(self) -> dict[str, str]:
        return {"Retry-After": str(client_seconds(self.estate.clock, POLL_SECONDS))}


Handler = Callable[[Call], Answer]


def page(call: Call, matching: Iterable[T], view: Callable[[T], JsonObject], *, path: str) -> Answer:
    """One page of a list, with an absolute nextLink while there is more. The token is opaque to clients: an offset."""
    size = call.estate.service.page_size
    if not size:
        return Answer(body={"value": [view(one) for one in matching]})
    offset = _offset(call.query.get("$skiptoken", ""))
    found = list(islice(matching, offset, offset + size + 1))
    body: JsonObject = {"value": [view(one) for one in found[:size]]}
    if len(found) > size:
        token = base64.urlsafe_b64encode(str(offset + size).encode()).decode()
        kept = {name: call.query[name] for name in ("api-version", "$filter") if name in call.query}
        body["nextLink"] = call.absolute(path, {**kept, "$skipToken": token})
    return Answer(body=body)


def _offset(token: str) -> int:
    """Raises ServiceError 400 for a token that no page gave out."""
    if not token:
        return 0
    try:
        offset = int(base64.urlsafe_b64decode(token))
    except (binascii.Error, ValueError) as malformed:
        raise errors.invalid_filter() from malformed
    if offset < 0:
        raise errors.invalid_filter()
    return offset
