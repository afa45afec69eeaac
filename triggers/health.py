"""Is the app alive, and can it reach what it needs?"""

from collections.abc import Awaitable

from azure.core.exceptions import AzureError
from azure.functions import HttpResponse

from clients.arm import ArmError
from triggers.documents import Health, HealthCheck
from triggers.exchange import Call, as_json


async def get_liveness(call: Call) -> HttpResponse:
    """Whether the process answers.

    Nothing else is asked, and no key is needed.
    """
    return as_json(Health(status="ok", checks=()))


async def get_readiness(call: Call) -> HttpResponse:
    """Whether the ledger and Azure answer the app's identity.

    503 where one does not; `checks` say which, and why.
    """
    checks = (
        await _check("ledger", call.clients.ledger.ping()),
        await _check("azure", call.clients.vaults.ping()),
    )
    ready = all(check.ok for check in checks)
    return as_json(Health(status="ok" if ready else "failing", checks=checks), 200 if ready else 503)


async def _check(name: str, ping: Awaitable[None]) -> HealthCheck:
    try:
        await ping
    except (ArmError, AzureError) as error:
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        return HealthCheck(name=name, ok=False, detail=told[:300])
    return HealthCheck(name=name, ok=True, detail="")
