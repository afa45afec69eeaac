"""What a vault is set to: soft delete, storage redundancy, usage."""

from simulator import views
from simulator.calls import Answer, Call
from simulator.filters import parse_filter

_USAGE_FILTERS = frozenset(("type",))


def get_config(call: Call) -> Answer:
    return Answer(body=views.vault_config(call.vault))


def get_storage_config(call: Call) -> Answer:
    return Answer(body=views.vault_storage_config(call.vault))


def list_usage(call: Call) -> Answer:
    """Protected items, or containers where the filter asks for them: for VMs the same number."""
    parse_filter(call.query.get("$filter", ""), _USAGE_FILTERS)
    return Answer(body={"value": [views.usage(call.vault)]})
