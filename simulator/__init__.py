"""A stateful fake of Azure: Recovery Services vaults, protected items, policies, jobs, VMs, disks, managed identity.

It knows nothing of the application that uses it, so it cannot share its mistakes. In tests it runs in the process:

    async with Simulator("one-vault", clock=ManualClock(start), seed=1) as simulator:
        ...                                     # simulator.url, .ca_path, .identity_endpoint, .log, .estate
        simulator.clock.advance(timedelta(hours=2))

From a shell: `python -m simulator --scenario demo` (see README.md beside this file).
"""

from simulator.clock import Clock, ManualClock, RealClock
from simulator.scenario import Scenario, ScenarioError, load_scenario, read_scenario
from simulator.server import Simulator

__all__ = [
    "Clock",
    "ManualClock",
    "RealClock",
    "Scenario",
    "ScenarioError",
    "Simulator",
    "load_scenario",
    "read_scenario",
]
