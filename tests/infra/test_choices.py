"""What was chosen of what Azure would take as well: a value for each, and why it is that one and no other.

Neither types nor rules tell a switch that is on from one that is off. What depends on the app's code is held against
the code in the tests of roles, entrances, queries and settings."""

from typing import Any

import pytest

from tests.infra.bicep import INFRA, Value, parse, read

CHOSEN: tuple[tuple[str, str, str, str], ...] = (
    ("main", "tags", "union(resourceTags, { 'azd-env-name': environmentName })", "azd finds its own by this tag"),
    ("main", "group.tags", "tags", "a policy that asks for tags asks resource groups too"),
    ("app", "plan.sku", "{ name: 'FC1', tier: 'FlexConsumption' }", "the plan that settings and host.json are for"),
    ("app", "plan.properties", "{ reserved: true }", "Linux, and the only kind of Flex Consumption"),
    ("app", "app.kind", "'functionapp,linux'", "as above"),
    (
        "app",
        "app.identity",
        "{ type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }",
        "the one that has the roles; a system-assigned one has none",
    ),
    (
        "app",
        "app.properties.siteConfig",
        "{ minTlsVersion: '1.2', scmMinTlsVersion: '1.2', http20Enabled: true }",
        "each of them taken by Flex Consumption; another one may end the deployment",
    ),
    (
        "app",
        "app.properties.functionAppConfig.runtime",
        "{ name: 'python', version: '3.12' }",
        "what the documents, the settings and the package are made for",
    ),
    (
        "app",
        "app.properties.functionAppConfig.deployment.storage",
        """{
            type: 'blobContainer'
            value: '${blobEndpoint}${packageContainerName}'
            authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identityId }
        }""",
        "the endpoint ends with a slash; the identity is the one with the role on that storage",
    ),
    ("app", "scmPublishing.name", "'scm'", "publishing with a password is off,"),
    ("app", "ftpPublishing.name", "'ftp'", "both ways of it"),
    (
        "app",
        "settings.AzureWebJobsStorage__accountName",
        "storageAccountName",
        "beside the endpoints: docs/host.md, host storage",
    ),
    (
        "easy-auth",
        "on.identityProviders.azureActiveDirectory.registration",
        """{
            clientId: entraClientId
            openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
        }""",
        "this tenant's tokens only: any tenant's would be as good otherwise",
    ),
    (
        "easy-auth",
        "on.identityProviders.azureActiveDirectory.validation",
        """{
            allowedAudiences: ['api://${entraClientId}', entraClientId]
            defaultAuthorizationPolicy: { allowedApplications: union([entraClientId], allowedCallers) }
        }""",
        "an empty list of applications would let every application in",
    ),
    ("easy-auth", "on.identityProviders.azureActiveDirectory.enabled", "true", "the only provider"),
    ("storage", "account.kind", "'StorageV2'", "blobs, queues and tables in one"),
    ("events", "isNew", "empty(existingSystemTopicName)", "Azure allows one topic a subscription"),
    ("events", "topic.if", "isNew", "an existing one is somebody else's, and stays as it is"),
    ("events", "existingTopic.if", "!isNew", "as above"),
    ("events", "topic.location", "'global'", "topics of a subscription are in no region"),
    (
        "events",
        "topic.properties",
        "{ source: subscription().id, topicType: 'Microsoft.Resources.Subscriptions' }",
        "what is written in the subscription; a group's topic would tell of that group only",
    ),
    ("events", "topic.identity", "{ type: 'SystemAssigned' }", "the dead letters are written by it"),
    ("event-subscription", "vaultWrites.properties.filter.advancedFilters.0.operatorType", "'StringIn'", "these only"),
    (
        "event-subscription",
        "vaultWrites.properties.retryPolicy",
        "{ maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 }",
        "the most that Event Grid takes of each: a day",
    ),
    (
        "event-subscription",
        "vaultWrites.properties.deadLetterWithResourceIdentity",
        "empty(deadLetterStorageId) ? null : deadLetters",
        "where there is no place for them, none is named",
    ),
    ("notices", "topic.properties.inputSchema", "'CloudEventSchemaV1_0'", "the schema that the app publishes in"),
    ("scheduler", "scheduler.properties.ipAllowlist", "['0.0.0.0/0']", "an empty list lets nobody in"),
    ("monitoring", "insights.properties.WorkspaceResourceId", "workspace.id", "the alerts read that workspace"),
    ("monitoring", "workspace.properties.retentionInDays", "logRetentionDays", "as the parameter says"),
    ("alerts", "people.properties.groupShortName", "'vm-backups'", "text messages name it; at most 12 characters"),
    ("alerts", "people.if", "!empty(alertEmails)", "without an address there is nobody to tell"),
    ("alerts", "logAlerts.properties.scopes", "[workspaceId]", "where the app's logs are"),
    (
        "alerts",
        "logAlerts.properties.criteria.allOf.0.failingPeriods",
        "{ numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }",
        "the first time counts: most of what is told of is told once",
    ),
    ("alerts", "logAlerts.properties.criteria.allOf.0.timeAggregation", "'Total'", "`found` is a count, to be summed"),
    (
        "alerts",
        "logAlerts.properties.actions",
        "{ actionGroups: empty(alertEmails) ? [] : [people.id] }",
        "whoever is named is told",
    ),
    ("alerts", "lostEvents.properties.scopes", "[systemTopicId]", "the topic whose events the app waits for"),
    (
        "alerts",
        "lostEvents.properties.criteria.allOf.0.metricNamespace",
        "'Microsoft.EventGrid/systemTopics'",
        "custom topics have another one",
    ),
    (
        "alerts",
        "lostEvents.properties.criteria.allOf.0.timeAggregation",
        "'Total'",
        "the metrics count events: any other is not the number lost",
    ),
    (
        "alerts",
        "lostEvents.properties.criteria.allOf.0.dimensions",
        "[{ name: 'EventSubscriptionName', operator: 'Include', values: ['vault-writes-${appName}'] }]",
        "the topic may serve other apps, whose losses are not ours",
    ),
    (
        "alerts",
        "lostEvents.properties.actions",
        "empty(alertEmails) ? [] : [{ actionGroupId: people.id }]",
        "whoever is named is told",
    ),
)
"""Module; variable or resource and the way into it (`if` is a resource's condition); value, in Bicep; and why."""


def at(module: str, place: str) -> Value:
    """What stands at a place of a module."""
    folder = INFRA if module in ("main", "event-subscription") else INFRA / "modules"
    file = read(folder / f"{module}.bicep")
    symbol, *path = place.split(".")
    if symbol in file.variables:
        value: Any = file.variables[symbol].value
    elif path == ["if"]:
        return file.resources[symbol].condition
    else:
        value = file.resources[symbol].body
    for name in path:
        value = value[int(name)] if name.isdecimal() else value[name]
    return value


@pytest.mark.parametrize(
    ("module", "place", "chosen"), [pytest.param(*row[:3], id=f"{row[0]}: {row[1]}") for row in CHOSEN]
)
def test_it_is_what_was_chosen(module: str, place: str, chosen: str) -> None:
    """Each value is the one in the table, for the reason in the table."""
    assert at(module, place) == parse(f"var value = {chosen}").variables["value"].value


def test_every_choice_has_a_reason() -> None:
    """A row says why, so that whoever changes it knows what depends on it."""
    assert all(reason for *_, reason in CHOSEN)


def test_dead_letters_go_to_the_container_that_there_is() -> None:
    """The event subscription is deployed by itself; what it takes for the container's name is that name."""
    subscription = read(INFRA / "event-subscription.bicep")
    assert subscription.parameters["deadLetterContainerName"].default == at("storage", "deadLetters.name")
