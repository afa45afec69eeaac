"""Azure's public address, led to the simulator: for programs that know no other cloud.

An HTTP proxy for one destination. It answers CONNECT for management.azure.com by speaking TLS itself, with a
certificate of the simulator's authority, and hands everything on to the simulator. Any other destination is refused:
the program under test reaches nothing but the simulator.
"""

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import trustme

HOST = "management.azure.com"
_CHUNK = 65_536


@asynccontextmanager
async def public_azure(arm: str, authority: Path) -> AsyncGenerator[str, None]:
    """The proxy's address, for HTTPS_PROXY. `authority` is the simulator's TLS folder, `arm` its own address."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issuer = trustme.CA.from_pem((authority / "ca.pem").read_bytes(), (authority / "ca.key").read_bytes())
    issuer.issue_cert(HOST).configure_cert(tls)
    trust = ssl.create_default_context(cafile=authority / "ca.pem")
    simulator = urlsplit(arm)

    async def lead(client: StreamReader, to_client: StreamWriter) -> None:
        if await _destination(client) != f"{HOST}:443":
            to_client.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
            await _close(to_client)
            return
        to_client.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await to_client.start_tls(tls)
        azure, to_azure = await asyncio.open_connection(simulator.hostname, simulator.port, ssl=trust)
        await asyncio.gather(_pass_on(client, to_azure), _pass_on(azure, to_client))

    async with await asyncio.start_server(lead, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"


async def _destination(client: StreamReader) -> str:
    """Host and port that a CONNECT names."""
    request = await client.readuntil(b"\r\n\r\n")
    return request.split(maxsplit=2)[1].decode()


async def _pass_on(source: StreamReader, sink: StreamWriter) -> None:
    """Until the source ends; TLS knows no half-closed connection, so the sink is closed then."""
    with suppress(ConnectionError):
        while received := await source.read(_CHUNK):
            sink.write(received)
            await sink.drain()
    await _close(sink)


async def _close(sink: StreamWriter) -> None:
    sink.close()
    with suppress(ConnectionError, ssl.SSLError):
        await sink.wait_closed()
