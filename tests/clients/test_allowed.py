"""The allow-list at the only place where Azure is reached: whatever was begun before it was narrowed."""

import pytest

from clients.arm import ArmReader, Refused
from clients.backup import BackupClient
from clients.vaults import VaultClient
from simulator import Simulator
from tests.builders import ENHANCED, SUBSCRIPTION, VAULT, an_enhanced_policy, item_id, vm_id
from tests.clients.simulated import VAULT_1, a_scenario
from tests.conftest import SCOPE, AnyToken

ELSEWHERE = (f"{VAULT}-other", "/subscriptions/99999999-2222-4333-8444-555555555555")


@pytest.mark.parametrize("scenario", [a_scenario()])
async def test_nothing_is_written_beyond_it(simulator: Simulator) -> None:
    """No policy of an item, no policy of a vault; nothing is sent, and the reason says what to do about it."""
    backup = BackupClient(simulator.url, SCOPE, AnyToken(), ELSEWHERE)
    refused = await backup.change_policy(item_id(), vm_id(), ENHANCED)
    with pytest.raises(Refused, match="ALLOWED_SCOPES does not have the vault vault-1"):
        await backup.make_policy(VAULT_1, an_enhanced_policy())
    await backup.close()

    assert isinstance(refused, Refused)
    assert refused.code == "OutsideAllowedScopes"
    assert list(simulator.log.requests) == []


@pytest.mark.parametrize("scenario", [a_scenario()])
async def test_no_vault_is_planned_beyond_it(simulator: Simulator) -> None:
    """A survey begins with the vault itself, and ends there."""
    reader = ArmReader(simulator.url, SCOPE, AnyToken())
    with pytest.raises(Refused):
        await VaultClient(reader, ELSEWHERE).get_vault(VAULT_1)
    await reader.close()
    assert list(simulator.log.requests) == []


@pytest.mark.parametrize("scenario", [a_scenario()])
@pytest.mark.parametrize("allowed", [(), (VAULT.upper(),), (f"/SUBSCRIPTIONS/{SUBSCRIPTION}",)])
async def test_what_is_allowed_goes_on_as_ever(allowed: tuple[str, ...], simulator: Simulator) -> None:
    """By no list at all, by the vault, by its subscription, in any casing."""
    backup = BackupClient(simulator.url, SCOPE, AnyToken(), allowed)
    answer = await backup.change_policy(item_id(), vm_id(), ENHANCED)
    await backup.close()
    assert not isinstance(answer, Refused)
