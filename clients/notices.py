"""The Event Grid topic that is told how migrations stand, through azure-eventgrid, with the app's identity.

A custom topic whose input schema is CloudEvents v1.0; the identity needs the role EventGrid Data Sender on it.
"""

# azure-eventgrid also takes the events of a library that is not installed, which makes `send` partially unknown:
# pyright: reportUnknownMemberType=false

import asyncio
from typing import TYPE_CHECKING

import msgspec
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.messaging import CloudEvent

from migration.notices import Notice

if TYPE_CHECKING:
    from azure.eventgrid.aio import EventGridPublisherClient


class NotTold(Exception):
    """The topic has not confirmed a notice. It may have taken it all the same: the same notice can be sent again."""


class NoticeTopic:
    """The topic at `endpoint`, an https URL as the portal shows it. An empty one is no topic."""

    def __init__(self, endpoint: str, credential: AsyncTokenCredential, timeout_seconds: float = 10) -> None:
        self._endpoint, self._credential, self._timeout_seconds = endpoint, credential, timeout_seconds
        self._client: EventGridPublisherClient | None = None

    @property
    def configured(self) -> bool:
        """Whether there is a topic to send to."""
        return bool(self._endpoint)

    async def send(self, notice: Notice) -> None:
        """Publish a notice. Raises NotTold for whatever goes wrong, a silence of `timeout_seconds` included."""
        event = CloudEvent(
            id=notice.id,
            type=notice.type,
            source=notice.source,
            subject=notice.subject,
            time=notice.time,
            data=msgspec.to_builtins(notice.data),
        )
        try:
            sdk = self._sdk()  # the first call imports it, which is no silence of the topic's
            async with asyncio.timeout(self._timeout_seconds):
                await sdk.send([event])
        except Exception as error:  # an odd answer makes the SDK raise ValueError, RecursionError, zlib.error, ...
            raise NotTold(f"{type(error).__name__}: {error}") from error

    def _sdk(self) -> "EventGridPublisherClient":
        if self._client is None:
            # Imported when the first notice is sent: it would lengthen every cold start, also without a topic.
            from azure.eventgrid.aio import EventGridPublisherClient

            # No retries: azure-core would sleep out a Retry-After in here, and whoever tells tries again anyway.
            self._client = EventGridPublisherClient(self._endpoint, self._credential, retry_total=0)
        return self._client

    async def close(self) -> None:
        """Close the connections."""
        if self._client:
            await self._client.close()
