// The Flex Consumption plan, the function app and its settings. Who may call it is in easy-auth.bicep; its roles are in
// roles.bicep and backup-role.bicep. What each setting is for: docs/host.md and the README's table of settings.

@description('Required. Ends the names of all resources of the environment.')
param resourceToken string

@description('Required. Region of the plan and the app.')
param location string

@description('Required. Tags of every resource.')
param tags object

@description('Required. Resource id of the identity that the app runs as.')
param identityId string

@description('Required. Client id of that identity.')
param identityClientId string

@description('Required. Name of the storage account.')
param storageAccountName string

@description('Required. Blob endpoint of the storage account, with a slash at its end.')
param blobEndpoint string

@description('Required. Queue endpoint of the storage account.')
param queueEndpoint string

@description('Required. Table endpoint of the storage account.')
param tableEndpoint string

@description('Required. Container that the deployed package lies in.')
param packageContainerName string

@description('Required. Where the telemetry is sent.')
param insightsConnectionString string

@description('Required. Name of the task hub.')
param taskHubName string

@description('Optional. Endpoint of the Durable Task Scheduler; empty: the task hub is in the storage account.')
param schedulerEndpoint string = ''

@description('Optional. Endpoint of the topic that is told of migrations; empty: nobody is told.')
param noticeTopicEndpoint string = ''

@description('Required. Resource ids of the subscriptions that the app may plan and migrate.')
param allowedScopes array

@description('Required. Whether App Service\'s authentication stands before the app; easy-auth.bicep switches it on.')
param easyAuth bool

@description('Optional. More settings, by name, or other values than the ones here.')
param appSettings object = {}

@description('Optional. How many instances there may be at once.')
param maximumInstanceCount int = 40

@description('Optional. Memory of an instance in MB.')
param instanceMemoryMB int = 2048

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  name: 'plan-${resourceToken}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2024-11-01' = {
  name: 'func-${resourceToken}'
  location: location
  tags: union(tags, { 'azd-service-name': 'api' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled'
    // No more than is known to be taken: Flex Consumption refuses an app for what other plans have here (ftpsState).
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      http20Enabled: true
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${blobEndpoint}${packageContainerName}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.12'
      }
      scaleAndConcurrency: {
        maximumInstanceCount: maximumInstanceCount
        instanceMemoryMB: instanceMemoryMB
        triggers: { http: { perInstanceConcurrency: 16 } } // Flex's default for Python is 1: an instance a request
      }
    }
  }
}

// A password for publishing is a key like any other: azd and Core Tools publish with an Entra ID token.
resource scmPublishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: app
  name: 'scm'
  properties: { allow: false }
}

resource ftpPublishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: app
  name: 'ftp'
  properties: { allow: false }
}

var settings = {
  AzureWebJobsStorage__accountName: storageAccountName
  AzureWebJobsStorage__blobServiceUri: blobEndpoint
  AzureWebJobsStorage__queueServiceUri: queueEndpoint
  AzureWebJobsStorage__tableServiceUri: tableEndpoint
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
  APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'Authorization=AAD;ClientId=${identityClientId}'
  OTEL_TRACES_SAMPLER: 'microsoft.fixed_percentage'
  OTEL_TRACES_SAMPLER_ARG: '1'
  AZURE_FUNCTIONS_DURABLE_STRICT_TYPING: '1'
  DURABLE_TASK_HUB: taskHubName
  LEDGER_STORAGE__tableServiceUri: tableEndpoint
  AZURE_CLIENT_ID: identityClientId
  ARM_BASE_URL: environment().resourceManager
  ARM_SCOPE: '${environment().resourceManager}.default'
  EASY_AUTH: easyAuth ? 'true' : 'false'
  NOTICE_TOPIC_ENDPOINT: noticeTopicEndpoint
  PUBLIC_URL: 'https://${app.properties.defaultHostName}'
  ALLOWED_SCOPES: join(allowedScopes, ',')
}

// That the scheduler is used is said by infra/host.scheduler.json, which is then published as host.json.
var schedulerSettings = {
  DURABLE_TASK_SCHEDULER: 'Endpoint=${schedulerEndpoint};Authentication=ManagedIdentity;ClientID=${identityClientId}'
}

resource appSettingsConfig 'Microsoft.Web/sites/config@2024-11-01' = {
  parent: app
  name: 'appsettings'
  properties: union(settings, empty(schedulerEndpoint) ? {} : schedulerSettings, appSettings)
}

@description('Name of the function app.')
output name string = app.name

@description('Resource id of the function app.')
output id string = app.id

@description('Host name that callers use.')
output hostName string = app.properties.defaultHostName
