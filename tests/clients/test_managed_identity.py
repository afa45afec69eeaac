"""The app's real credential: azure-identity's managed identity against App Service's identity endpoint, simulated."""

from collections.abc import AsyncIterator

import pytest
from azure.identity.aio import ManagedIdentityCredential

from clients.arm import Unavailable
from clients.backup import BackupClient
from simulator import Simulator
from tests.builders import ENHANCED, item_id, vm_id
from tests.clients.simulated import VAULT_1
from tests.conftest import SCOPE


@pytest.fixture
def client_id() -> str | None:
    """The user-assigned identity to use; None for the system-assigned one."""
    return None


@pytest.fixture
def secret(simulator: Simulator) -> str:
    """What the app says to the identity endpoint; by default what the endpoint expects."""
    return simulator.identity_header


@pytest.fixture
async def backup(
    simulator: Simulator, client_id: str | None, secret: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[BackupClient]:
    """The app's Azure Backup client with the identity of an App Service."""
    monkeypatch.setenv("IDENTITY_ENDPOINT", simulator.identity_endpoint)
    monkeypatch.setenv("IDENTITY_HEADER", secret)
    credential = ManagedIdentityCredential(client_id=client_id)
    client = BackupClient(simulator.url, SCOPE, credential)
    yield client
    await client.close()
    await credential.close()


@pytest.mark.parametrize("client_id", [None, "c11e0000-0000-4000-8000-000000000001"], ids=["system", "user"])
async def test_a_managed_identity_opens_azure_backup(backup: BackupClient) -> None:
    """The credential gets its token from the endpoint in the environment, and Resource Manager takes it."""
    [item] = await backup.list_items(VAULT_1)
    assert item.vm_name == "web-01"


@pytest.mark.parametrize("secret", ["wrong"])
async def test_an_identity_that_gets_no_token_is_an_outage_of_our_own(
    simulator: Simulator, backup: BackupClient
) -> None:
    """Azure Backup was not asked, so nothing was refused: another try may help, and no item is to blame."""
    with pytest.raises(Unavailable):
        await backup.get_item(item_id())
    assert isinstance(await backup.change_policy(item_id(), vm_id(), ENHANCED), Unavailable)
    assert simulator.log.counts() == {}
