"""HTTP as a caller of the app, and of the simulator's control API, sees it."""

import ssl
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from local_stack.stack import Stack

Json = dict[str, Any]


class Caller:
    """An HTTP client of the running stack."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._session = aiohttp.ClientSession()
        self._tls = ssl.create_default_context(cafile=stack.ca)

    async def __aenter__(self) -> "Caller":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def post(self, path: str, body: Json) -> Json:
        """The answer's document. Raises RuntimeError with the app's own words for anything but success."""
        async with self._session.post(self._stack.url + path, json=body) as response:
            document = await response.json(content_type=None)
            if response.status >= 400:
                raise RuntimeError(f"POST {path} answered {response.status}: {document}")
            return document

    async def get(self, url: str) -> Json:
        """The document at a path of the app, or at an absolute URL it gave. Raises RuntimeError like `post`."""
        absolute = url if url.startswith("http") else self._stack.url + url
        async with self._session.get(absolute) as response:
            document = await response.json(content_type=None)
            if response.status >= 400:
                raise RuntimeError(f"GET {url} answered {response.status}: {document}")
            return document

    async def items(self, migration: Json) -> AsyncIterator[Json]:
        """Every VM of a migration, page by page."""
        url = f"{migration['links']['items']}?pageSize=1000"
        while url:
            page = await self.get(url)
            for item in page["items"]:
                yield item
            url = page["nextLink"]

    async def simulator(self, place: str) -> Json:
        """A document of the simulator's control API."""
        async with self._session.get(f"{self._stack.control}/{place}", ssl=self._tls) as response:
            response.raise_for_status()
            return await response.json(content_type=None)
