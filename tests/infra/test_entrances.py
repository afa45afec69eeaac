"""What reaches the deployed app: the paths that are open without a token, and the events that Event Grid delivers."""

from typing import Any

from migration.events import Touched, read_event
from tests.events import ITEM, ITEM_WRITE, VAULT, VAULT_WRITE, an_event, some_data
from tests.infra.bicep import INFRA, Name, Text, read
from triggers.events import on_vault_event
from triggers.http import ROUTES

AUTH: dict[str, Any] = read(INFRA / "modules" / "easy-auth.bicep").resources["auth"].properties
SUBSCRIBED: dict[str, Any] = read(INFRA / "event-subscription.bicep").resources["vaultWrites"].properties
SUBJECTS = {VAULT_WRITE: VAULT, ITEM_WRITE: ITEM}


def test_the_authentication_leaves_open_what_needs_no_key() -> None:
    """The routes that are for everybody, and Event Grid's, which has a key of its own; all else needs a token."""
    everybodys = {f"/api/{route.path}" for route in ROUTES if route.anonymous}
    validation = AUTH["globalValidation"]
    assert set(validation["excludedPaths"]) == everybodys | {"/runtime/webhooks/EventGrid"}
    assert (validation["requireAuthentication"], validation["unauthenticatedClientAction"]) == (True, "Return401")
    assert AUTH["platform"] == {"enabled": True}


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
