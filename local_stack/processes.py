"""Child processes that say when they are ready, end with their parent, and leave no riddle when they fail."""

import asyncio
import ctypes
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, TypeVar

READY_SECONDS = 60
STOP_SECONDS = 5
_PR_SET_PDEATHSIG = 1
T = TypeVar("T")


class StackError(Exception):
    """Something the user has to know, in one sentence."""


class Child:
    """A running child process."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name, self.process, self.log = name, process, log

    @staticmethod
    async def start(name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> "Child":
        """Start a program; its stderr goes to a log file in `folder`. Raises StackError where there is none such."""
        log = folder / f"{name}.log"
        try:
            with log.open("wb") as stderr:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    env={**os.environ, **environment},
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=stderr,
                    preexec_fn=_end_with_parent(),
                    start_new_session=True,  # Ctrl-C reaches the parent alone, which ends its children in order
                )
        except FileNotFoundError as error:
            raise StackError(f"{name} can't be started: there is no program {command[0]}") from error
        return Child(name, process, log)

    async def announcement(self) -> dict[str, Any]:
        """The JSON line that one of our programs prints when it is ready. Raises StackError where it ends instead."""
        assert self.process.stdout is not None
        line = await self._patiently(self.process.stdout.readline())
        if not line:
            raise StackError(await self._last_words())
        return json.loads(line)

    async def listening(self, port: int) -> None:
        """Return when somebody listens on a port. Raises StackError where the child ends instead."""
        await self._patiently(self._connected(port))

    async def _connected(self, port: int) -> None:
        while True:
            if self.process.returncode is not None:
                raise StackError(await self._last_words())
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            await writer.wait_closed()
            return

    async def _patiently(self, awaited: Coroutine[Any, Any, T]) -> T:
        try:
            return await asyncio.wait_for(awaited, READY_SECONDS)
        except TimeoutError as error:
            raise StackError(f"{self.name} was not ready after {READY_SECONDS} seconds; see {self.log}") from error

    def tell_output(self, hear: Callable[[str], None], until: AsyncExitStack) -> None:
        """Hand each line of the standard output to `hear` from now on, until the exit stack is closed."""
        telling = asyncio.create_task(self._tell_output(hear))

        async def end() -> None:
            telling.cancel()
            with suppress(asyncio.CancelledError):
                await telling

        until.push_async_callback(end)

    async def _tell_output(self, hear: Callable[[str], None]) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            hear(line.decode(errors="replace"))

    async def stop(self) -> None:
        """End the process: politely, then not."""
        if self.process.returncode is not None:
            return
        self.process.terminate()
        try:
            await asyncio.wait_for(self.process.communicate(), STOP_SECONDS)
        except TimeoutError:
            self.process.kill()
            await self.process.communicate()

    async def _last_words(self) -> str:
        await self.process.wait()
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return f"{self.name}: {lines[-1] if lines else f'ended with exit code {self.process.returncode}'}"


def _end_with_parent() -> Callable[[], None] | None:
    """Linux ends the child when this process dies, however it dies; elsewhere an orderly end has to do."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
