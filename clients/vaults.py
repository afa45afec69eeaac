"""Recovery Services vaults themselves; what is in them is backup.py's."""

from collections.abc import Sequence

from clients import wire
from clients.allowed import check_allowed
from clients.arm import ArmReader
from migration.model import Vault, VaultId

API_VERSION = "2025-02-01"
SUBSCRIPTIONS_VERSION = "2022-12-01"


class VaultClient:
    """Microsoft.RecoveryServices vaults, read only."""

    def __init__(self, arm: ArmReader, allowed: Sequence[str] = ()) -> None:
        self._arm, self._allowed = arm, allowed

    async def ping(self) -> None:
        """Ask for the subscriptions that the app's identity may see. Raises ArmError."""
        async for _ in self._arm.pages("/subscriptions", SUBSCRIPTIONS_VERSION):
            return

    async def list_vaults(self, subscription: str) -> list[Vault]:
        """All vaults of a subscription that the app may see. Raises ArmError."""
        path = f"/subscriptions/{subscription}/providers/Microsoft.RecoveryServices/vaults"
        return [wire.vault(vault) async for page in self._arm.pages(path, API_VERSION) for vault in page.value]

    async def get_vault(self, vault: VaultId) -> Vault:
        """One vault. Raises ArmError; Refused with status 404 where it is gone, 403 beyond the allow-list."""
        check_allowed(vault, self._allowed)
        return wire.vault(await self._arm.one(str(vault), API_VERSION))
