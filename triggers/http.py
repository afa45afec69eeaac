"""The HTTP API under /api: the table of endpoints, and what becomes of whatever goes wrong in one.

Every answer is a document of documents.py; everything wrong is a problem document that names the field. An endpoint
that refuses has started and written nothing.
"""

import logging
from typing import Any

import msgspec
from azure.core.exceptions import AzureError
from azure.durable_functions import DurableOrchestrationClient
from azure.functions import HttpRequest, HttpResponse

from clients import Clients
from clients.arm import ArmError
from clients.tables import Missing, Stale
from migration.interventions import NotNow
from migration.model import Value
from migration.request import MigrationRequest
from settings import Settings
from triggers.control import (
    Approval,
    NewLimits,
    Rejection,
    Retry,
    Stop,
    Word,
    approve_migration,
    cancel_migration,
    change_limits,
    pause_migration,
    reject_migration,
    resume_migration,
    retry_migration,
)
from triggers.documents import (
    Health,
    ItemHistory,
    ItemList,
    MigrationList,
    MigrationStatus,
    PlanDocument,
    ProblemDocument,
)
from triggers.exchange import Call, Declined, as_problem, invalid, site_of
from triggers.health import get_liveness, get_readiness
from triggers.identity import signed_in
from triggers.items import ItemQuery, get_history, list_items
from triggers.migrations import MigrationQuery, StatusQuery, get_migration, list_migrations, start_migration
from triggers.openapi import openapi, swagger
from triggers.plans import PlanQuery, get_plan
from triggers.route import Route
from triggers.starting import NotStarted, OutOfScope, Taken

log = logging.getLogger(__name__)


async def get_openapi(call: Call) -> HttpResponse:
    """This API's description, as OpenAPI 3.1.

    Made from the types that check requests. No key is needed.
    """
    return _description(openapi(ROUTES, site_of(call.req), call.settings.easy_auth))


async def get_swagger(call: Call) -> HttpResponse:
    """This API's description, as Swagger 2.0.

    For custom connectors of Logic Apps and Power Platform, which take nothing newer. No key is needed.
    """
    return _description(swagger(ROUTES, site_of(call.req), call.settings.easy_auth))


def _description(document: dict[str, Any]) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(document), mimetype="application/json")


_STATUS: dict[int, type[Value]] = {200: MigrationStatus, 202: MigrationStatus}
_GONE: dict[int, type[Value]] = {404: ProblemDocument}
_CONFLICT: dict[int, type[Value]] = {409: ProblemDocument}
_CONTROL = {202: MigrationStatus, **_GONE, **_CONFLICT}

ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="migrations",
        endpoint=start_migration,
        body=MigrationRequest,
        idempotency_key=True,
        answers={202: MigrationStatus, **_CONFLICT},
    ),
    Route(
        method="GET", path="migrations", endpoint=list_migrations, query=MigrationQuery, answers={200: MigrationList}
    ),
    Route(
        method="GET",
        path="migrations/{id}",
        endpoint=get_migration,
        query=StatusQuery,
        answers={**_STATUS, 409: MigrationStatus, 500: MigrationStatus, **_GONE},
    ),
    Route(
        method="GET",
        path="migrations/{id}/items",
        endpoint=list_items,
        query=ItemQuery,
        answers={200: ItemList, **_GONE},
        csv=True,
    ),
    Route(
        method="GET",
        path="migrations/{id}/plan",
        endpoint=get_plan,
        query=PlanQuery,
        answers={200: PlanDocument, **_GONE, **_CONFLICT},
        csv=True,
    ),
    Route(method="POST", path="migrations/{id}/approve", endpoint=approve_migration, body=Approval, answers=_CONTROL),
    Route(method="POST", path="migrations/{id}/reject", endpoint=reject_migration, body=Rejection, answers=_CONTROL),
    Route(method="POST", path="migrations/{id}/pause", endpoint=pause_migration, body=Word, answers=_CONTROL),
    Route(method="POST", path="migrations/{id}/resume", endpoint=resume_migration, body=Word, answers=_CONTROL),
    Route(
        method="POST",
        path="migrations/{id}/cancel",
        endpoint=cancel_migration,
        body=Stop,
        answers={200: MigrationStatus, **_CONTROL},
    ),
    Route(method="POST", path="migrations/{id}/limits", endpoint=change_limits, body=NewLimits, answers=_CONTROL),
    Route(
        method="POST",
        path="migrations/{id}/retry",
        endpoint=retry_migration,
        body=Retry,
        idempotency_key=True,
        answers=_CONTROL,
    ),
    Route(method="GET", path="items/{*resourceId}", endpoint=get_history, answers={200: ItemHistory, **_GONE}),
    Route(method="GET", path="health/live", endpoint=get_liveness, answers={200: Health}, anonymous=True),
    Route(method="GET", path="health/ready", endpoint=get_readiness, answers={200: Health, 503: Health}),
    Route(method="GET", path="openapi.json", endpoint=get_openapi, answers={}, anonymous=True),
    Route(method="GET", path="swagger.json", endpoint=get_swagger, answers={}, anonymous=True),
)


async def answer(
    route: Route, clients: Clients, settings: Settings, req: HttpRequest, durable: DurableOrchestrationClient
) -> HttpResponse:
    """A route's answer, or the problem document that stands for what went wrong."""
    try:
        caller = "" if route.anonymous or not settings.easy_auth else signed_in(req)
        call = Call(clients=clients, settings=settings, req=req, durable=durable, caller=caller)
        return await route.endpoint(call)
    except Declined as declined:
        return as_problem(declined.document)
    except Missing:
        return as_problem(ProblemDocument(status=404, title="There is no such migration"))
    except Taken as taken:
        return as_problem(ProblemDocument(status=409, title="This id is taken", detail=str(taken)))
    except OutOfScope as unknown:
        return as_problem(invalid("body", *unknown.problems).document)
    except NotNow as refusal:
        return as_problem(ProblemDocument(status=409, title="The migration is not there for this", detail=str(refusal)))
    except NotStarted as half_way:
        log.warning("migration %s was not started: %s", half_way, half_way.__cause__)
        detail = f"Ask again with the id {half_way}; it will be started once."
        return as_problem(ProblemDocument(status=503, title="The migration is recorded but not started", detail=detail))
    except Stale:
        return as_problem(ProblemDocument(status=409, title="The migration changed meanwhile", detail="Look again."))
    except ArmError as error:
        log.warning("Azure does not answer: %s", error)
        return as_problem(ProblemDocument(status=503, title="Azure does not answer", detail="Try again later."))
    except AzureError as error:
        log.warning("the ledger does not answer: %s", error)
        return as_problem(ProblemDocument(status=503, title="The ledger does not answer", detail="Try again later."))
