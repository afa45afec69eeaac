"""The composition root: reads the settings, builds the clients once, registers every function. Nothing else.

function            trigger
start_migration     HTTP POST /api/migrations
list_migrations     HTTP GET  /api/migrations
get_migration       HTTP GET  /api/migrations/{id}
list_items          HTTP GET  /api/migrations/{id}/items
get_plan            HTTP GET  /api/migrations/{id}/plan
approve_migration   HTTP POST /api/migrations/{id}/approve
reject_migration    HTTP POST /api/migrations/{id}/reject
pause_migration     HTTP POST /api/migrations/{id}/pause
resume_migration    HTTP POST /api/migrations/{id}/resume
cancel_migration    HTTP POST /api/migrations/{id}/cancel
change_limits       HTTP POST /api/migrations/{id}/limits
retry_migration     HTTP POST /api/migrations/{id}/retry
get_history         HTTP GET  /api/items/{*resourceId}
get_liveness        HTTP GET  /api/health/live
get_readiness       HTTP GET  /api/health/ready
get_openapi         HTTP GET  /api/openapi.json
get_swagger         HTTP GET  /api/swagger.json
on_vault_event      Event Grid, system topic of a subscription
audit_vaults        timer, AUDIT_SCHEDULE
purge_history       timer, every night
watchdog            timer, every five minutes
migrate             orchestration
migrate_vaults      orchestration
migrate_vault       orchestration
watch_vault         orchestration
survey_vault        activity
advance_migration   activity
ensure_policy       activity
monitor_jobs        activity
preflight_items     activity
change_policy       activity
cancel_job          activity
open_migration      activity
follow_up           activity
"""

import logging
import os
from collections.abc import Awaitable, Callable
from typing import Any, get_type_hints

import azure.durable_functions as df
import azure.functions as func
import msgspec
from azure.identity.aio import ManagedIdentityCredential

from activities.advance_migration import advance_migration
from activities.cancel_job import cancel_job
from activities.change_policy import change_policy
from activities.ensure_policy import ensure_policy
from activities.follow_up import follow_up
from activities.monitor_jobs import monitor_jobs
from activities.open_migration import open_migration
from activities.preflight_items import preflight_items
from activities.survey_vault import survey_vault
from clients import Clients
from clients.arm import ArmReader
from clients.backup import BackupClient
from clients.clock import utc_now
from clients.compute import ComputeClient
from clients.ledger import Ledger
from clients.notices import NoticeTopic
from clients.prices import PriceClient
from clients.vaults import VaultClient
from orchestrations.migrate import migrate
from orchestrations.migrate_vault import migrate_vault
from orchestrations.migrate_vaults import migrate_vaults
from orchestrations.watch_vault import watch_vault
from settings import Settings
from triggers import events, http, timers
from triggers.route import Route

ACTIVITIES = (
    survey_vault,
    advance_migration,
    ensure_policy,
    monitor_jobs,
    preflight_items,
    change_policy,
    cancel_job,
    open_migration,
    follow_up,
)


def connect(settings: Settings) -> Clients:
    """The clients of an app with these settings. Nothing is sent before the first call."""
    credential = ManagedIdentityCredential(client_id=settings.identity_client_id or None)
    arm = settings.arm_base_url, settings.arm_scope, credential
    reader = ArmReader(*arm)
    return Clients(
        backup=BackupClient(*arm, settings.allowed_scopes),
        vaults=VaultClient(reader, settings.allowed_scopes),
        compute=ComputeClient(reader, utc_now),
        prices=PriceClient(settings.retail_prices_url, utc_now),
        ledger=(
            Ledger.connected(settings.ledger_connection_string, settings.ledger_table_prefix)
            if settings.ledger_connection_string
            else Ledger.at(settings.ledger_uri, credential, settings.ledger_table_prefix)
        ),
        notices=NoticeTopic(settings.notice_topic_endpoint, credential),
        clock=utc_now,
        job_reads_per_hour=settings.job_reads_per_hour,
        public_url=settings.public_url,
        event_terms=settings.event_terms,
    )


def bind_activity(activity: Callable[[Clients, Any], Awaitable[Any]], clients: Clients) -> Callable[..., Any]:
    """The function Durable calls: plain JSON in and out, the activity's own types inside."""
    order_type = get_type_hints(activity)["order"]

    async def run(order: dict[str, Any]) -> Any:
        return msgspec.to_builtins(await activity(clients, msgspec.convert(order, order_type)))

    run.__name__ = activity.__name__
    return run


def bind_route(route: Route, clients: Clients, settings: Settings) -> Callable[..., Any]:
    """The function the HTTP trigger calls."""

    async def run(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
        return await http.answer(route, clients, settings, req, client)

    run.__name__ = route.endpoint.__name__
    return run


def bind_events(clients: Clients, settings: Settings) -> Callable[..., Any]:
    """The function the Event Grid trigger calls; it may be handed a CloudEvent as well."""

    async def run(event: func.EventGridEvent, client: df.DurableOrchestrationClient) -> None:
        await events.on_vault_event(clients, settings, event, client)

    run.__name__ = events.on_vault_event.__name__
    return run


def bind_timer(tick: timers.Tick, clients: Clients, settings: Settings) -> Callable[..., Any]:
    """The function a timer calls."""

    async def run(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:
        await tick(clients, settings, client)

    run.__name__ = tick.__name__
    return run


def register(app: df.DFApp, clients: Clients, settings: Settings) -> None:
    """Every function of the app, by call, so that orchestrations and activities stay plain functions."""
    for route in http.ROUTES:
        endpoint = app.durable_client_input(client_name="client")(bind_route(route, clients, settings))
        open_to_all = route.anonymous or settings.easy_auth
        level = func.AuthLevel.ANONYMOUS if open_to_all else func.AuthLevel.FUNCTION
        app.route(route=route.path, methods=[route.method], auth_level=level)(endpoint)
    on_event = app.durable_client_input(client_name="client")(bind_events(clients, settings))
    app.event_grid_trigger(arg_name="event")(on_event)  # pyright: ignore[reportUnknownMemberType] - its **kwargs
    for timer in timers.timers(settings):
        tick = app.durable_client_input(client_name="client")(bind_timer(timer.tick, clients, settings))
        app.timer_trigger(arg_name="timer", schedule=timer.schedule)(tick)
    for orchestration in (migrate, migrate_vaults, migrate_vault, watch_vault):
        app.orchestration_trigger(context_name="context")(orchestration)
    for activity in ACTIVITIES:
        app.activity_trigger(input_name="order")(bind_activity(activity, clients))


# The worker lets everything speak from INFO on, and azure-core's pipeline would tell two lines for each request.
logging.getLogger("azure").setLevel(logging.WARNING)

settings = Settings.from_env(os.environ)
clients = connect(settings)
app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)
register(app, clients, settings)
