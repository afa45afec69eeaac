"""What a row of the table of endpoints says: everything the API's description needs to know."""

from dataclasses import dataclass
from typing import Literal

from migration.model import Value
from triggers.exchange import Endpoint


@dataclass(frozen=True, kw_only=True)
class Route:
    """A row: what an endpoint takes, and which document each of its status codes comes with.

    What any endpoint may answer is not repeated in `answers`: 400 to a wrong body, query or path, 413 to a body too
    large, 401 where the caller is not known, 503 where the ledger or Azure is away (openapi.py).
    """

    method: Literal["GET", "POST"]
    path: str
    endpoint: Endpoint
    answers: dict[int, type[Value]]
    body: type[Value] | None = None
    query: type[Value] | None = None
    csv: bool = False
    idempotency_key: bool = False
    anonymous: bool = False
