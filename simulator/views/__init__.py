"""State to wire: what an answer's body holds, in the order of members of the recordings named with each function.

Members that came or went with an api-version are decided here, by comparing dates as text.
"""

from simulator.views.arm import resource_group, subscription
from simulator.views.compute import disk, virtual_machine
from simulator.views.jobs import job, operation
from simulator.views.protection import item, policy
from simulator.views.vaults import guard_proxy, usage, vault, vault_config, vault_storage_config

__all__ = [
    "disk",
    "guard_proxy",
    "item",
    "job",
    "operation",
    "policy",
    "resource_group",
    "subscription",
    "usage",
    "vault",
    "vault_config",
    "vault_storage_config",
    "virtual_machine",
]
