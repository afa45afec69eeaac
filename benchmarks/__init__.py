"""Numbers that hold the design to its promise, each from a program that anyone can run again.

    python -m benchmarks [NAME ...]     measures all or the named ones; `make bench` is the same

A benchmark is a module of this package:

    its docstring          what is measured and how; the first line is shown before it begins
    MINUTES                about how long it takes
    GOALS                  what it must reach, by measure; the same table is in docs/performance.md
    async def measure()    measures and answers a Report; its sizes are parameters, so that tests can make it tiny

What they share is in `measures`; `results` keeps what they answered, in results.json and in the tables of
docs/performance.md. They start the app as a user would, on the local stack, and count from outside: what reaches the
simulated Azure, what Linux says of the process. Ratios and counts are what to compare; times are those of one machine.
"""

import os

os.environ["AZURE_FUNCTIONS_DURABLE_STRICT_TYPING"] = "1"  # as in production; the SDK reads it at import
