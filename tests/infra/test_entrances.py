"""What reaches the deployed app: the paths that are open without a token, and the events that Event Grid delivers."""

from typing import Any

from migration.events import Touched, read_event
from tests.events import ITEM, ITEM_WRITE, VAULT, VAULT_WRITE, an_event, some_data
from tests.infra.bicep import INFRA, Call, Choice, Name, Text, parts_of, read
from triggers.events import on_vault_event
from triggers.http import ROUTES

EASY_AUTH = read(INFRA / "modules" / "easy-auth.bicep")
AUTH: Any = EASY_AUTH.variables["on"].value
SUBSCRIBED: dict[str, Any] = read(INFRA / "event-subscription.bicep").resources["vaultWrites"].properties
SUBJECTS = {VAULT_WRITE: VAULT, ITEM_WRITE: ITEM}


def test_the_authentication_leaves_open_what_needs_no_key() -> None:
    """The routes that are for everybody, and Event Grid's, which has a key of its own; all else needs a token."""
    everybodys = {f"/api/{route.path}" for route in ROUTES if route.anonymous}
    validation = AUTH["globalValidation"]
    assert set(validation["excludedPaths"]) == everybodys | {"/runtime/webhooks/EventGrid"}
    assert (validation["requireAuthentication"], validation["unauthenticatedClientAction"]) == (True, "Return401")
    assert AUTH["platform"] == {"enabled": True}


def test_without_an_application_the_authentication_is_switched_off() -> None:
    """The module is deployed either way: left out, it would stay on where an earlier deployment had it on."""
    assert EASY_AUTH.resources["auth"].properties == Choice(
        Call("empty", (Name("entraClientId"),)), Name("off"), Name("on")
    )
    assert EASY_AUTH.variables["off"].value == {"platform": {"enabled": False}}
    assert read(INFRA / "main.bicep").modules["easyAuth"].condition is None


def test_the_events_that_are_delivered_are_those_the_app_reads() -> None:
    """Each event that the filter lets through is of use to the app, and no other kind of event is."""
    [type_] = SUBSCRIBED["filter"]["includedEventTypes"]
    [operations] = SUBSCRIBED["filter"]["advancedFilters"]
    assert operations["key"] == "data.operationName"
    assert set(operations["values"]) == set(SUBJECTS)
    for operation, subject in SUBJECTS.items():
        event = an_event(subject, some_data(operation), eventType=type_)
        assert isinstance(read_event(event, ""), Touched)


def test_they_are_delivered_to_the_function_that_reads_them() -> None:
    """The destination is the Event Grid function of the app, one event a call, as the function takes them."""
    destination = SUBSCRIBED["destination"]
    assert destination["properties"]["resourceId"] == Text(
        (Name("functionAppId"), f"/functions/{on_vault_event.__name__}")
    )
    assert (destination["endpointType"], destination["properties"]["maxEventsPerBatch"]) == ("AzureFunction", 1)
    assert SUBSCRIBED["eventDeliverySchema"] == "EventGridSchema"


def test_each_app_has_an_event_subscription_of_its_own_which_its_alerts_watch() -> None:
    """Named after the app: two environments that share a topic take nothing from each other."""
    name = Text(("vault-writes-", Name("appName")))
    subscription, alerts = read(INFRA / "event-subscription.bicep"), read(INFRA / "modules" / "alerts.bicep")
    assert subscription.resources["vaultWrites"].body["name"] == name
    assert subscription.variables["appName"].value == Call("last", (Call("split", (Name("functionAppId"), "/")),))
    assert name in parts_of(alerts.resources["lostEvents"].properties)
    main = read(INFRA / "main.bicep")
    assert main.modules["alerts"].params["appName"] == main.outputs["AZURE_FUNCTION_APP_NAME"].value
