"""App Service's managed-identity endpoint: plain http on a port of its own, guarded by a header.

The tokens are unsigned JWTs: the simulated ARM accepts any bearer token, clients read tid and exp from it. They expire
in wall time, because client libraries compare it with their own clock.
"""

import base64
import json
from datetime import timedelta

from simulator.calls import Answer
from simulator.clock import wall_clock
from simulator.principals import CLIENT_ID, PRINCIPAL_ID, TENANT_ID

API_VERSION = "2019-08-01"
PATH = "/msi/token"
_LIFETIME = timedelta(hours=24)


def identity_answer(method: str, path: str, query: dict[str, str], header: str | None, *, secret: str) -> Answer:
    """A token for `resource`, or App Service's error: 401 for the header, 400 for the query."""
    if (method, path.lower()) != ("GET", PATH):
        return _error(404, "Not found.")
    if header != secret:
        return _error(401, "Invalid X-IDENTITY-HEADER.")
    resource = query.get("resource")
    if query.get("api-version") != API_VERSION or not resource:
        return _error(400, "The parameters api-version=2019-08-01 and resource are required.")
    client_id = query.get("client_id", CLIENT_ID)
    now = int(wall_clock().timestamp())
    expires = now + int(_LIFETIME.total_seconds())
    claims: dict[str, object] = {
        "aud": resource,
        "iss": f"https://sts.windows.net/{TENANT_ID}/",
        "iat": now,
        "nbf": now,
        "exp": expires,
        "appid": client_id,
        "idtyp": "app",
        "oid": PRINCIPAL_ID,
        "sub": PRINCIPAL_ID,
        "tid": TENANT_ID,
        "ver": "1.0",
    }
    return Answer(
        body={
            "access_token": token(claims),
            "client_id": client_id,
            "expires_on": str(expires),
            "resource": resource,
            "token_type": "Bearer",
        }
    )


def token(claims: dict[str, object]) -> str:
    """An unsigned JWT; the last part is there because some clients count the dots."""
    header = {"alg": "none", "typ": "JWT"}
    return ".".join([_part(header), _part(claims), "unsigned"])


def _part(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def _error(status: int, message: str) -> Answer:
    return Answer(status, {"statusCode": status, "message": message})
