"""The allow-list: a vault beyond it is refused before anything is sent, whoever began what and whenever."""

from collections.abc import Sequence

from clients.arm import Refused
from migration.model import VaultId
from migration.scope import within


def check_allowed(vault: VaultId, allowed: Sequence[str]) -> None:
    """Raises Refused where the vault is in none of these subscriptions and none of these vaults; none allows all."""
    if not within(str(vault), allowed):
        raise Refused(403, "OutsideAllowedScopes", f"ALLOWED_SCOPES does not have the vault {vault.name}")
