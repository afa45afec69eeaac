"""ARM's own: subscriptions, resource groups, tenants, and the description of the cloud that tools ask for first."""

from simulator import errors, views
from simulator.calls import Answer, Call, page
from simulator.principals import TENANT_ID


def list_subscriptions(call: Call) -> Answer:
    found = [views.subscription(each) for each in call.estate.subscriptions.values()]
    return Answer(body={"value": found, "count": {"type": "Total", "value": len(found)}})


def get_subscription(call: Call) -> Answer:
    return Answer(body=views.subscription(call.estate.subscription(call.parameters["subscription"])))


def list_groups(call: Call) -> Answer:
    subscription = call.estate.subscription(call.parameters["subscription"])
    groups = call.estate.resource_groups(subscription)
    return page(call, groups.items(), lambda each: views.resource_group(subscription, *each), path=call.path)


def get_group(call: Call) -> Answer:
    """Raises ServiceError 404."""
    subscription = call.estate.subscription(call.parameters["subscription"])
    wanted = call.parameters["group"]
    for name, location in call.estate.resource_groups(subscription).items():
        if name.lower() == wanted.lower():
            return Answer(body=views.resource_group(subscription, name, location))
    raise errors.resource_group_not_found(wanted)


def list_tenants(call: Call) -> Answer:
    return Answer(body={"value": [{"id": f"/tenants/{TENANT_ID}", "tenantId": TENANT_ID, "tenantCategory": "Home"}]})


def cloud_metadata(call: Call) -> Answer:
    """The members that `az cloud register` and the .NET SDK read; everything points back here. Not recorded."""
    here = f"https://{call.host}"
    return Answer(
        body={
            "name": "AzureSimulator",
            "portal": here,
            "authentication": {
                "loginEndpoint": f"{here}/",
                "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
                "tenant": "common",
                "identityProvider": "AAD",
            },
            "graph": here,
            "graphAudience": here,
            "media": here,
            "batch": here,
            "sqlManagement": here,
            "vmImageAliasDoc": here,
            "resourceManager": here,
            "suffixes": {"storage": "core.windows.net", "keyVaultDns": "vault.azure.net"},
        }
    )
