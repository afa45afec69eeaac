"""Vaults and their Resource Guard."""

from simulator import views
from simulator.calls import Answer, Call, page


def list_vaults(call: Call) -> Answer:
    """Of the subscription, or of one resource group where the path names one."""
    subscription = call.estate.subscription(call.parameters["subscription"])
    found = call.estate.vaults(subscription.id, call.parameters.get("group"))
    return page(call, found, views.vault, path=call.path)


def get_vault(call: Call) -> Answer:
    return Answer(body=views.vault(call.vault))


def list_guard_proxies(call: Call) -> Answer:
    """An empty list without a Resource Guard, never 404: the Azure CLI reads it before every policy change."""
    vault = call.vault
    linked = [views.guard_proxy(vault.id, vault.resource_guard, vault.created)] if vault.resource_guard else []
    return Answer(body={"value": linked})
