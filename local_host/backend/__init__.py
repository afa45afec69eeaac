"""The durable backend: instances, their histories, queues and timers, in memory.

durabletask's in-memory backend does the work; `hub` overrides what it gets wrong (README.md lists why), `timers` fires
durable timers by the injected clock, `in_process` and `server` are the two ways to reach a hub. Run alone, in a process
of its own, with ``python -m local_host.backend``.
"""
