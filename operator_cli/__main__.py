"""`backup-migrate`, or `python -m operator_cli` from a clone."""

import io
import sys

from operator_cli.program import app


def main() -> None:
    """Run the command line of this process; ends it with one of the exit codes of operator_cli.exits."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what a terminal of few characters lacks is spelled out
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="backup-migrate")


if __name__ == "__main__":
    main()
