"""The command line as a program of its own in a terminal, as an operator has it."""

import asyncio
import codecs
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


class Terminal:
    """A running command line: what it has shown so far, and a keyboard."""

    def __init__(self, process: Process, screen: int) -> None:
        self.process = process
        self.shown = ""
        self._screen = screen
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a character may come in two reads

    async def until(self, text: str) -> None:
        """Read until this is on the screen. Raises AssertionError where the program ends before."""
        while text not in self.shown:
            assert await self._read(), self.shown

    async def end(self) -> int:
        """Read what comes until the program ends; its exit code."""
        while await self._read():
            pass
        return await self.process.wait()

    def type(self, text: str) -> None:
        """Press these keys."""
        os.write(self._screen, text.encode())

    async def _read(self) -> bool:
        try:
            read = await asyncio.to_thread(os.read, self._screen, 65536)
        except OSError:  # how Linux says that nobody has the terminal open any more
            return False
        self.shown += self._decoder.decode(read)
        return bool(read)


@asynccontextmanager
async def terminal(url: str, *args: str) -> AsyncGenerator[Terminal]:
    """Start the command line at a terminal of 120 by 40 characters."""
    inherited = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
    env: Mapping[str, str] = {
        **inherited,
        "BACKUP_MIGRATE_URL": url,
        "BACKUP_MIGRATE_BY": "ada",
        "NO_PROXY": "*",
        "TERM": "xterm-256color",
        "PYTHONUTF8": "1",
        "COLUMNS": "120",
        "LINES": "40",
        "PYTHONWARNINGS": "error",
    }
    screen, keyboard = os.openpty()
    command = (sys.executable, "-m", "operator_cli", *args)
    process = await asyncio.create_subprocess_exec(
        *command, stdin=keyboard, stdout=keyboard, stderr=keyboard, cwd=ROOT, env=env, start_new_session=True
    )
    os.close(keyboard)
    try:
        yield Terminal(process, screen)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(screen)
