"""How every call to Azure Resource Manager is sent, and what its failures mean.

    ArmError
    ├── Refused       the request was understood and declined: trying again changes nothing
    ├── Throttled     come back after `seconds`: 429, and the 400s of Azure Backup that are throttles
    └── Unavailable   5xx, timeouts, broken connections: the outcome is unknown

Reads are repeated a few times within seconds. Writes never are (see `sent_once`): a 504 may hide a write that was
accepted (recorded: error_504_GatewayTimeout_item_put.json), so only the caller can decide what to do. Nobody waits
for a throttle inside a worker: durable timers wait.
"""

import logging
import re
from collections.abc import AsyncIterator, Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, cast
from urllib.parse import quote, unquote, urlencode, urlsplit

from aiohttp import (
    ClientConnectionError,
    ClientHandlerType,
    ClientOSError,
    ClientRequest,
    ClientResponse,
    ServerDisconnectedError,
)
from azure.core import AsyncPipelineClient
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.core.pipeline import PipelineResponse
from azure.core.pipeline.policies import AsyncRetryPolicy
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.mgmt.core import AsyncARMPipelineClient
from azure.mgmt.core.policies import AsyncARMChallengeAuthenticationPolicy

from clients.wire import Json, parts, text

log = logging.getLogger(__name__)

_AGAIN_AFTER = re.compile(r"try again after '(\d+)' seconds", re.IGNORECASE)
_DAY_SECONDS = 24 * 3600


class ArmError(Exception):
    """A call to Azure Resource Manager did not succeed."""


class Refused(ArmError):
    """The service declined: `status`, its `code` and its `message`."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code} ({status}): {message}")
        self.status, self.code, self.message = status, code, message


class Throttled(ArmError):
    """The service asks to stay away for `seconds`, and says so in its `message`."""

    def __init__(self, seconds: int, message: str) -> None:
        super().__init__(f"throttled for {seconds} s: {message}")
        self.seconds, self.message = seconds, message


class Unavailable(ArmError):
    """No usable answer; a write may or may not have been taken."""


class BriefRetry(AsyncRetryPolicy[HttpRequest, AsyncHttpResponse]):
    """azure-core's retry without its patience: it would sleep out a Retry-After of minutes inside the worker."""

    def is_retry(self, settings: dict[str, Any], response: PipelineResponse[Any, Any]) -> bool:
        """Retry what a second try within seconds may cure, and nothing that asks for time."""
        headers = cast(Mapping[str, str], response.http_response.headers)
        if response.http_response.status_code == 429 or headers.get("Retry-After"):
            return False
        return super().is_retry(settings, response)


@contextmanager
def arm_errors() -> Generator[None]:
    """Turn whatever azure-core raises inside into one of this module's errors."""
    try:
        yield
    except HttpResponseError as error:
        failure = _classify(error)
        if isinstance(failure, Throttled):
            _log_throttle(error, failure)
        raise failure from error
    except (AzureError, ValueError) as error:
        # ValueError: the SDK fails to parse an answer that the service sent, e.g. an unusual Retry-After on a 202.
        raise Unavailable(f"{type(error).__name__}: {error}") from error


def _classify(error: HttpResponseError) -> ArmError:
    response = cast(AsyncHttpResponse | None, error.response)
    status = response.status_code if response is not None else 0
    code, message = _code_and_message(response)
    if isinstance(error, ClientAuthenticationError) and not code:
        # No token: the answer is the identity endpoint's, and Azure Backup was never asked.
        return Unavailable(f"no token: {message or error.message}")
    if status == 429:
        return Throttled(_retry_seconds(response, message), message)
    if code.startswith("CloudDos"):
        # A daily limit of Azure Backup that answers 400 (recorded: error_400_CloudDosAbsoluteLimitReached.json).
        return Throttled(_DAY_SECONDS, message)
    if 400 <= status < 500 and status != 408:
        return Refused(status, code or f"Http{status}", message or error.reason or "")
    return Unavailable(f"{status} {code}: {message or error.message}")


def _log_throttle(error: HttpResponseError, throttled: Throttled) -> None:
    request = cast(AsyncHttpResponse, error.response).request
    path = unquote(urlsplit(request.url).path)  # not the query, in which a nextLink may carry anything
    message = throttled.message
    log.info("Azure asks to stay away for %s s from %s %s: %s", throttled.seconds, request.method, path, message)


def _code_and_message(response: AsyncHttpResponse | None) -> tuple[str, str]:
    """From any recorded error shape: {"error": {code, message}}, the legacy {ErrorCode, Message}, {}, or text."""
    try:
        body: Any = response.json() if response is not None else None
    except ValueError:
        return "", response.text() if response is not None else ""
    if not isinstance(body, Mapping):
        return "", ""
    body = cast(Json, body)
    error, legacy = body.get("error"), body.get("Message")
    if isinstance(error, Mapping):
        return text(cast(Json, error), "code"), text(cast(Json, error), "message")
    message = text(cast(Json, legacy), "Value") if isinstance(legacy, Mapping) else text(body, "Message")
    return text(body, "ErrorCode"), message


def _retry_seconds(response: AsyncHttpResponse | None, message: str) -> int:
    header = response.headers.get("Retry-After", "") if response is not None else ""
    named = _AGAIN_AFTER.search(message)
    seconds = int(header) if header.isdecimal() else int(named[1]) if named else 60
    return min(seconds, _DAY_SECONDS)  # whatever a gateway may dream up


async def sent_once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """A middleware for writes: aiohttp repeats a PUT by itself when the connection breaks under it.

    It can't know that the service may have taken the first one. The error raised instead is of a kind that aiohttp
    does not repeat.
    """
    try:
        return await handler(request)
    except (ClientOSError, ServerDisconnectedError) as error:
        raise ClientConnectionError(str(error)) from error


def service_time(headers: Mapping[str, str]) -> datetime:
    """The service's clock when it sent an answer with these headers. Raises Unavailable where they do not say."""
    date = headers.get("Date")
    if date is None:
        raise Unavailable("the answer carries no Date header")
    return parsedate_to_datetime(date).astimezone(UTC)


class Page(NamedTuple):
    """A page of a list as the service sent it, and its headers."""

    value: list[Json]
    headers: Mapping[str, str]


class ArmReader:
    """Plain GETs of Azure Resource Manager, following nextLink.

    For reads outside Azure Backup, where the generated clients for Compute would add 14 MB and a sixth of the app's
    cold start to say GET; and for its one list of thousands, of which a generated client makes a model each.
    """

    def __init__(self, base_url: str, scope: str, credential: AsyncTokenCredential) -> None:
        policies = [BriefRetry(), AsyncARMChallengeAuthenticationPolicy(credential, scope)]
        self._client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] = AsyncARMPipelineClient(
            base_url=base_url, policies=policies
        )
        self._base_url = base_url

    async def pages(self, path: str, api_version: str, filter_text: str = "") -> AsyncIterator[Page]:
        """Each page of a list. Raises ArmError."""
        query = {"api-version": api_version, **({"$filter": filter_text} if filter_text else {})}
        url: str | None = f"{self._base_url}{quote(path)}?{urlencode(query, quote_via=quote)}"
        while url:
            body, headers = await self._get(url)
            yield Page(parts(body, "value"), headers)
            url = body.get("nextLink")

    async def one(self, path: str, api_version: str) -> Json:
        """The resource at a path. Raises ArmError."""
        return (await self._get(f"{self._base_url}{quote(path)}?api-version={api_version}"))[0]

    async def _get(self, url: str) -> tuple[Json, Mapping[str, str]]:
        with arm_errors():
            response = await self._client.send_request(HttpRequest("GET", url))
            response.raise_for_status()
            return cast(Json, response.json()), response.headers

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
