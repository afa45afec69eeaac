"""The app's connections to the outside world: Azure Resource Manager, the ledger's tables, a topic, and the clock.

The only package that talks to a network. What comes back are the core's values; refusals and throttles included.
"""

from dataclasses import dataclass

from clients.backup import BackupClient
from clients.clock import Clock
from clients.compute import ComputeClient
from clients.ledger import Ledger
from clients.notices import NoticeTopic
from clients.prices import PriceClient
from clients.vaults import VaultClient
from migration.events import EventTerms


@dataclass(frozen=True, kw_only=True)
class Clients:
    """Everything an activity or a trigger may reach, made once in function_app.

    `job_reads_per_hour` is what the app may spend of each subscription's budget of job reads, `public_url` where people
    reach the app, empty where that is not known, `event_terms` what the settings say of vaults that events tell of.
    """

    backup: BackupClient
    vaults: VaultClient
    compute: ComputeClient
    prices: PriceClient
    ledger: Ledger
    notices: NoticeTopic
    clock: Clock
    job_reads_per_hour: int
    public_url: str
    event_terms: EventTerms

    async def close(self) -> None:
        """Close every connection; the Functions host never asks for it, programs and tests do."""
        await self.backup.close()
        await self.compute.close()
        await self.prices.close()
        await self.ledger.close()
        await self.notices.close()
