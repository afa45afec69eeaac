"""What ARM does around every resource (tokens, api-versions, headers); vaults, VMs, disks, the managed identity."""

import base64
import json
import ssl

import pytest
from aiohttp import ClientSession
from azure.core.exceptions import ClientAuthenticationError, ResourceNotFoundError
from azure.core.rest import HttpRequest
from azure.identity.aio import ManagedIdentityCredential
from azure.mgmt.recoveryservicesbackup.aio import RecoveryServicesBackupClient

from simulator import Simulator
from tests.simulator.estates import (
    GROUP,
    SUBSCRIPTION,
    VAULT,
    VAULT_PATH,
    StartAzure,
    a_scenario,
    a_vm,
    error_code,
    vm_path,
)


async def without_token(simulator: Simulator, path: str) -> tuple[int, dict[str, object], str]:
    """Status, body and WWW-Authenticate of a bare GET."""
    ssl_context = ssl.create_default_context(cafile=str(simulator.ca_path))
    async with ClientSession() as session, session.get(simulator.url + path, ssl=ssl_context) as answer:
        return answer.status, await answer.json(), answer.headers.get("WWW-Authenticate", "")


async def test_a_request_without_a_token_is_401(start_azure: StartAzure) -> None:
    """With ARM's challenge, and before anything else is looked at."""
    azure = await start_azure(a_scenario(a_vm()))

    status, body, challenge = await without_token(azure.simulator, f"{VAULT_PATH}?api-version=2025-02-01")

    assert (status, body["error"]["code"]) == (401, "AuthenticationFailed")  # type: ignore[index] - an error object
    assert challenge.startswith("Bearer authorization_uri=")


async def test_a_request_without_an_api_version_is_400(start_azure: StartAzure) -> None:
    """MissingApiVersionParameter; any version that is there is taken."""
    azure = await start_azure(a_scenario(a_vm()))

    missing = await azure.request("GET", VAULT_PATH, api_version=None)

    assert (missing.status_code, error_code(missing)) == (400, "MissingApiVersionParameter")
    for version in ("2016-06-01", "2030-01-01-preview"):
        assert (await azure.request("GET", VAULT_PATH, api_version=version)).status_code == 200


async def test_an_unknown_path_is_404_and_logged_as_unsupported(start_azure: StartAzure) -> None:
    """So that a missing endpoint is seen in the log and not guessed at."""
    azure = await start_azure(a_scenario(a_vm()))

    answer = await azure.request("GET", f"{VAULT_PATH}/backupEngines")

    assert (answer.status_code, error_code(answer)) == (404, "InvalidResourceType")
    assert azure.simulator.log.requests[-1].action == "unsupported"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (VAULT_PATH + "x", "ResourceNotFound"),
        (VAULT_PATH.replace(SUBSCRIPTION, "00000000-0000-0000-0000-000000000000"), "SubscriptionNotFound"),
        (vm_path("nobody"), "ResourceNotFound"),
        (vm_path().replace("virtualMachines/vm", "disks/none"), "ResourceNotFound"),
    ],
)
async def test_what_does_not_exist_is_arms_404(start_azure: StartAzure, path: str, code: str) -> None:
    """The gateway's shape and header (vault_get_404.json)."""
    azure = await start_azure(a_scenario(a_vm()))

    answer = await azure.request("GET", path)

    assert (answer.status_code, error_code(answer)) == (404, code)
    assert answer.headers["x-ms-failure-cause"] == "gateway"


async def test_a_malformed_body_is_400(start_azure: StartAzure) -> None:
    """InvalidRequestContent, for text that is no JSON object."""
    azure = await start_azure(a_scenario(a_vm()))

    for content in (b"{", b"[1]", b'"text"'):
        request = HttpRequest("PUT", f"{VAULT_PATH}/backupPolicies/p?api-version=2025-02-01", content=content)
        answer = await azure.sdk.send_request(request)
        assert (answer.status_code, error_code(answer)) == (400, "InvalidRequestContent")


async def test_the_date_header_is_the_simulated_time(start_azure: StartAzure) -> None:
    """Clients that compare service times with service times stay right on a fast clock."""
    azure = await start_azure(a_scenario(a_vm()))
    azure.advance(hours=1, minutes=2)

    answer = await azure.request("GET", VAULT_PATH)

    assert answer.headers["Date"] == "Mon, 04 May 2026 13:02:00 GMT"
    assert answer.headers["x-ms-request-id"]


# Subscriptions, vaults


async def test_vaults_are_listed_by_subscription_and_by_group(start_azure: StartAzure) -> None:
    """The demo has three vaults: two in one subscription, one in the other."""
    azure = await start_azure("demo")
    first, second = (subscription.id for subscription in azure.simulator.scenario.subscriptions)
    vaults = "providers/Microsoft.RecoveryServices/vaults"

    async def listed(scope: str) -> list[str]:
        return [vault["name"] for vault in (await azure.get(f"/subscriptions/{scope}/{vaults}"))["value"]]

    assert await listed(first) == ["vault-shop", "vault-office"]
    assert await listed(second) == ["vault-dev"]
    assert await listed(f"{first}/resourceGroups/RG-BACKUP") == ["vault-shop"]
    subscriptions = (await azure.get("/subscriptions"))["value"]
    assert [each["subscriptionId"] for each in subscriptions] == [first, second]
    assert (await azure.get(f"/subscriptions/{first}"))["displayName"] == "Production"


async def test_resource_groups_are_those_that_hold_something(start_azure: StartAzure) -> None:
    """Of vaults, VMs and disks; one that holds nothing is ResourceGroupNotFound."""
    azure = await start_azure(a_scenario(a_vm("one"), a_vm("gone", resource_group="rg-gone", vm_exists=False)))
    groups = f"/subscriptions/{SUBSCRIPTION}/resourceGroups"

    assert [group["name"] for group in (await azure.get(groups))["value"]] == [GROUP, "rg-vms"]
    assert (await azure.get(f"{groups}/RG-VMS"))["location"] == "westeurope"
    missing = await azure.request("GET", f"{groups}/rg-gone")
    assert (missing.status_code, error_code(missing)) == (404, "ResourceGroupNotFound")


async def test_a_vault_tells_its_settings(start_azure: StartAzure) -> None:
    """Soft delete, redundancy, usage: through the SDK where it has a method."""
    azure = await start_azure(a_scenario(a_vm("vm-{n}", count=3)))

    config = await azure.sdk.backup_resource_vault_configs.get(VAULT, GROUP)
    storage = await azure.get(f"{VAULT_PATH}/backupstorageconfig/vaultstorageconfig")
    usage = [each async for each in azure.sdk.backup_usage_summaries.list(VAULT, GROUP)]

    assert config.properties is not None and config.properties.soft_delete_feature_state == "Enabled"
    assert storage["properties"]["storageType"] == "GeoRedundant"
    assert [each.current_value for each in usage] == [3]


async def test_the_cloud_describes_itself_without_a_token(start_azure: StartAzure) -> None:
    """/metadata/endpoints: the endpoints a command-line tool registers a cloud from, all pointing here."""
    azure = await start_azure(a_scenario(a_vm()))

    status, body, _ = await without_token(azure.simulator, "/metadata/endpoints?api-version=2022-09-01")

    assert (status, body["resourceManager"]) == (200, azure.simulator.url)


async def test_lists_of_vaults_and_vms_are_paged_too(start_azure: StartAzure) -> None:
    """With a page size every list has a nextLink, and following it to the end finds each one once."""
    azure = await start_azure(a_scenario(a_vm("vm-{n}", count=5), before="service.page_size = 2"))
    found: list[str] = []
    url = vm_path("").rstrip("/").replace("/resourceGroups/rg-vms", "") + "?api-version=2024-07-01"

    while url:
        answer = (await azure.sdk.send_request(HttpRequest("GET", url))).json()
        found += [vm["name"] for vm in answer["value"]]
        url = answer.get("nextLink", "")

    assert found == [f"vm-{n}" for n in range(1, 6)]


@pytest.mark.parametrize("token", ["x", "LTE=", "bm8="])
async def test_a_page_that_was_never_given_out_is_refused(start_azure: StartAzure, token: str) -> None:
    """A $skipToken of the client's own making is a 400."""
    azure = await start_azure(a_scenario(a_vm("vm-{n}", count=3), before="service.page_size = 2"))

    answer = await azure.request("GET", f"{VAULT_PATH}/backupProtectedItems", query=f"$skipToken={token}")

    assert (answer.status_code, error_code(answer)) == (400, "BMSUserErrorInvalidInput")


# Virtual machines and disks


async def test_a_vm_shows_whether_its_disks_are_managed(start_azure: StartAzure) -> None:
    """managedDisk.id on each managed disk, vhd.uri and no managedDisk on an unmanaged one; data disks have luns."""
    azure = await start_azure(a_scenario(a_vm("new", disk_gib=[128, 32, 64]), a_vm("old", disks="unmanaged")))

    new, old = await azure.get(vm_path("new")), await azure.get(vm_path("old"))

    disks = new["properties"]["storageProfile"]
    assert [disk["lun"] for disk in disks["dataDisks"]] == [0, 1]
    for disk in (disks["osDisk"], *disks["dataDisks"]):
        assert (await azure.get(disk["managedDisk"]["id"]))["properties"]["diskSizeGB"] == disk["diskSizeGB"]
    assert "managedDisk" not in old["properties"]["storageProfile"]["osDisk"]
    assert old["properties"]["storageProfile"]["osDisk"]["vhd"]["uri"].endswith(".vhd")


async def test_a_shared_disk_and_trusted_launch_are_visible(start_azure: StartAzure) -> None:
    """maxShares on the disk, securityType on the VM."""
    azure = await start_azure(a_scenario(a_vm(disk_gib=[128, 64], shared_disk=True, trusted_launch=True)))

    vm = await azure.get(vm_path())
    shared = await azure.get(vm["properties"]["storageProfile"]["dataDisks"][0]["managedDisk"]["id"])
    own = await azure.get(vm["properties"]["storageProfile"]["osDisk"]["managedDisk"]["id"])

    assert (shared["properties"]["maxShares"], own["properties"].get("maxShares")) == (2, None)
    assert shared["managedBy"] == vm["id"]
    assert vm["properties"]["securityProfile"]["securityType"] == "TrustedLaunch"


async def test_vm_and_disk_lists_have_what_is_there_and_no_classic_vm(start_azure: StartAzure) -> None:
    """By subscription and by group; a deleted VM is in none, and an unmanaged disk is no resource."""
    azure = await start_azure(
        a_scenario(
            a_vm("one"),
            a_vm("two", resource_group="rg-two"),
            a_vm("old", classic=True),
            a_vm("blob", disks="unmanaged"),
            a_vm("gone", vm_exists=False),
        )
    )
    scope = f"/subscriptions/{SUBSCRIPTION}"

    async def listed(path: str) -> list[str]:
        return [each["name"] for each in (await azure.get(path))["value"]]

    assert await listed(f"{scope}/providers/Microsoft.Compute/virtualMachines") == ["one", "two", "blob"]
    assert await listed(f"{scope}/resourceGroups/RG-TWO/providers/Microsoft.Compute/virtualMachines") == ["two"]
    assert await listed(f"{scope}/providers/Microsoft.Compute/disks") == ["one_OsDisk", "two_OsDisk"]
    assert await listed(f"{scope}/resourceGroups/rg-two/providers/Microsoft.Compute/disks") == ["two_OsDisk"]


# The managed identity


async def test_azure_identity_gets_a_token_and_the_sdk_uses_it(
    start_azure: StartAzure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ManagedIdentityCredential finds the endpoint in the environment, as on App Service."""
    azure = await start_azure(a_scenario(a_vm()))
    monkeypatch.setenv("IDENTITY_ENDPOINT", azure.simulator.identity_endpoint)
    monkeypatch.setenv("IDENTITY_HEADER", azure.simulator.identity_header)

    async with (
        ManagedIdentityCredential() as credential,
        RecoveryServicesBackupClient(
            credential, SUBSCRIPTION, base_url=azure.simulator.url, connection_verify=str(azure.simulator.ca_path)
        ) as sdk,
    ):
        items = [item async for item in sdk.backup_protected_items.list(VAULT, GROUP)]
        token = await credential.get_token("https://management.azure.com/.default")

    assert len(items) == 1
    part = token.token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    assert claims["aud"] == "https://management.azure.com"
    assert {"tid", "oid"} <= claims.keys()
    assert claims["exp"] == token.expires_on


async def test_the_identity_endpoint_wants_its_header(start_azure: StartAzure, monkeypatch: pytest.MonkeyPatch) -> None:
    """401 with App Service's shape; the credential reports it as an authentication error."""
    azure = await start_azure(a_scenario(a_vm()))
    monkeypatch.setenv("IDENTITY_ENDPOINT", azure.simulator.identity_endpoint)
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")

    async with ManagedIdentityCredential() as credential:
        with pytest.raises(ClientAuthenticationError):
            await credential.get_token("https://management.azure.com/.default")

    query = "?api-version=2019-08-01&resource=https://management.azure.com"
    async with ClientSession() as session, session.get(azure.simulator.identity_endpoint + query) as answer:
        assert answer.status == 401
        assert (await answer.json())["statusCode"] == 401


@pytest.mark.parametrize("query", ["", "?api-version=2017-09-01&resource=r", "?api-version=2019-08-01"])
async def test_the_identity_endpoint_wants_version_and_resource(start_azure: StartAzure, query: str) -> None:
    """400 otherwise."""
    azure = await start_azure(a_scenario(a_vm()))
    headers = {"X-IDENTITY-HEADER": azure.simulator.identity_header}

    async with (
        ClientSession() as session,
        session.get(azure.simulator.identity_endpoint + query, headers=headers) as answer,
    ):
        assert answer.status == 400


async def test_the_sdk_raises_its_own_error_for_a_missing_vault(start_azure: StartAzure) -> None:
    """ResourceNotFoundError, made from ARM's body."""
    azure = await start_azure(a_scenario(a_vm()))

    with pytest.raises(ResourceNotFoundError) as missing:
        _ = [item async for item in azure.sdk.backup_protected_items.list("nothing", GROUP)]

    assert missing.value.error is not None and missing.value.error.code == "ResourceNotFound"
