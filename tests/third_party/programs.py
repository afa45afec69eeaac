"""Other people's programs: run in an environment that holds nothing of this machine's but the search path."""

import asyncio
import json
import os
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.third_party.azure import CLIENTS


@dataclass(frozen=True)
class Ended:
    """How a program ended."""

    code: int
    out: str
    err: str

    def document(self) -> Any:
        """The JSON it printed; fails the test with the program's own words where it did not succeed."""
        assert self.code == 0, self.err or self.out
        return json.loads(self.out) if self.out else None


async def run(command: Sequence[str], environment: Mapping[str, str], home: Path, script: Path | None = None) -> Ended:
    """Run one of the installed clients to its end, `script` on its standard input; it ends with the test at the latest.

    It works in the folder of the clients, where Node.js looks for the packages of a script from standard input.
    """
    path = os.pathsep.join([str(CLIENTS / "bin"), os.environ["PATH"]])
    with open(script or os.devnull, "rb") as stdin:
        process = await asyncio.create_subprocess_exec(
            str(CLIENTS / "bin" / command[0]),
            *command[1:],
            env={"PATH": path, "HOME": str(home), "LANG": "C.UTF-8", **environment},
            cwd=CLIENTS,
            stdin=stdin if script else DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
        )
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Ended(process.returncode or 0, out.decode(), err.decode())
