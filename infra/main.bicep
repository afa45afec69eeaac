// The table of contents: what a deployment consists of, and what depends on what. Nothing is made here but the app's
// resource group. The event subscription follows the code: event-subscription.bicep.

targetScope = 'subscription'

@description('Required. Name of the environment, such as backup-prod: part of the resource group\'s name and of all tags.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('Required. Region of all resources; one that has Flex Consumption.')
@minLength(1)
@metadata({ azd: { type: 'location' } })
param location string

@description('Optional. Resource ids of what the app may work on: subscriptions, resource groups of vaults, or vaults.')
param backupScopes array = [subscription().id]

@description('Optional. Whether the app may make Enhanced policies (target "clone").')
param allowPolicyCreation bool = true

@description('Optional. Whether the app may cancel the jobs of a migration that an operator cancels.')
param allowJobCancel bool = true

@description('Optional. Whether the app may also write VMs: only where Azure refuses the change of policy without it.')
param grantVmWrite bool = false

@description('Optional. Resource ids of Resource Guards that the app\'s identity becomes an operator of.')
param resourceGuardIds array = []

@description('Optional. Client id of the Entra ID application that stands for the API; empty: callers need a function key.')
param entraClientId string = ''

@description('Optional. Client ids of the applications and identities that may call, with entraClientId.')
param allowedCallers array = []

@description('Optional. Addresses that alerts are mailed to.')
param alertEmails array = []

@description('Optional. Whether the app is told of vaults and backups as they are written, by Event Grid.')
param vaultEvents bool = true

@description('Optional. Name of the Event Grid system topic of this subscription, where there is one already.')
param existingSystemTopicName string = ''

@description('Optional. Resource group of that topic; needed with its name.')
param existingSystemTopicResourceGroup string = ''

@description('Optional. Whether there is an Event Grid topic that tells other programs what becomes of migrations.')
param noticeTopic bool = false

@description('Optional. Whether a Durable Task Scheduler keeps the task hub, instead of the storage account; it needs another host.json.')
param useDurableTaskScheduler bool = false

@description('Optional. More application settings, by name, such as EVENT_MODE or AUDIT_SCHEDULE; they win over the deployment\'s own.')
param appSettings object = {}

@description('Optional. How the storage account is replicated. Standard_LRS where the region has no availability zones.')
@allowed(['Standard_LRS', 'Standard_ZRS'])
param storageRedundancy string = 'Standard_ZRS'

@description('Optional. Days that logs are kept. The ledger is kept for ever, whatever this says.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Optional. How many instances of the app there may be at once.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Optional. Memory of an instance in MB.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('Optional. More tags for every resource, such as those that a policy asks for.')
param resourceTags object = {}

var resourceToken = toLower(uniqueString(subscription().id, environmentName, location))
var tags = union(resourceTags, { 'azd-env-name': environmentName }) // the last one wins: azd knows its own by this tag
var taskHubName = 'BackupMigration'
var reusesTopic = !empty(existingSystemTopicName)
var topicResourceGroup = reusesTopic ? existingSystemTopicResourceGroup : 'rg-${environmentName}'

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    resourceToken: resourceToken
    location: location
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    resourceToken: resourceToken
    location: location
    tags: tags
    logRetentionDays: logRetentionDays
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    resourceToken: resourceToken
    location: location
    tags: tags
    storageRedundancy: storageRedundancy
  }
}

module events 'modules/events.bicep' = if (vaultEvents) {
  name: 'events-${resourceToken}'
  scope: resourceGroup(topicResourceGroup)
  params: {
    resourceToken: resourceToken
    tags: tags
    existingSystemTopicName: existingSystemTopicName
  }
  dependsOn: [group]
}

module notices 'modules/notices.bicep' = if (noticeTopic) {
  name: 'notices'
  scope: group
  params: {
    resourceToken: resourceToken
    location: location
    tags: tags
  }
}

module scheduler 'modules/scheduler.bicep' = if (useDurableTaskScheduler) {
  name: 'scheduler'
  scope: group
  params: {
    resourceToken: resourceToken
    location: location
    tags: tags
    taskHubName: taskHubName
  }
}

module roles 'modules/roles.bicep' = {
  name: 'roles'
  scope: group
  params: {
    principalId: identity.outputs.principalId
    storageAccountName: storage.outputs.name
    insightsName: monitoring.outputs.insightsName
    deadLetterContainerName: storage.outputs.deadLetterContainerName
    deadLetterPrincipalId: vaultEvents ? events!.outputs.topicPrincipalId : ''
    noticeTopicName: noticeTopic ? notices!.outputs.name : ''
    schedulerName: useDurableTaskScheduler ? scheduler!.outputs.name : ''
  }
}

module backupAccess 'modules/backup-access.bicep' = {
  name: 'backup-access-${resourceToken}'
  params: {
    principalId: identity.outputs.principalId
    resourceToken: resourceToken
    backupScopes: backupScopes
    allowPolicyCreation: allowPolicyCreation
    allowJobCancel: allowJobCancel
    grantVmWrite: grantVmWrite
    resourceGuardIds: resourceGuardIds
    resourceGuardRoleId: roles.outputs.resourceGuardRoleId
  }
}

// After its roles: the host asks for its storage the moment it starts. That a role takes minutes to take effect is what
// the predeploy hook waits for.
module app 'modules/app.bicep' = {
  name: 'app'
  scope: group
  params: {
    resourceToken: resourceToken
    location: location
    tags: tags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    storageAccountName: storage.outputs.name
    blobEndpoint: storage.outputs.blobEndpoint
    queueEndpoint: storage.outputs.queueEndpoint
    tableEndpoint: storage.outputs.tableEndpoint
    packageContainerName: storage.outputs.packageContainerName
    insightsConnectionString: monitoring.outputs.insightsConnectionString
    taskHubName: taskHubName
    schedulerEndpoint: useDurableTaskScheduler ? scheduler!.outputs.endpoint : ''
    noticeTopicEndpoint: noticeTopic ? notices!.outputs.endpoint : ''
    allowedScopes: backupScopes
    easyAuth: !empty(entraClientId)
    appSettings: appSettings
    maximumInstanceCount: maximumInstanceCount
    instanceMemoryMB: instanceMemoryMB
  }
  dependsOn: [roles]
}

module easyAuth 'modules/easy-auth.bicep' = {
  name: 'easy-auth'
  scope: group
  params: {
    appName: app.outputs.name
    entraClientId: entraClientId
    allowedCallers: allowedCallers
  }
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    environmentName: environmentName
    resourceToken: resourceToken
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
    alertEmails: alertEmails
    appName: app.outputs.name
    systemTopicId: vaultEvents ? events!.outputs.topicId : ''
  }
}

module workbook 'modules/workbook.bicep' = {
  name: 'workbook'
  scope: group
  params: {
    environmentName: environmentName
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
    appUrl: 'https://${app.outputs.hostName}'
    systemTopicId: vaultEvents ? events!.outputs.topicId : ''
  }
}

@description('Resource group of the app.')
output AZURE_RESOURCE_GROUP string = group.name

@description('Name of the function app: what func publishes to.')
output AZURE_FUNCTION_APP_NAME string = app.outputs.name

@description('Resource id of the function app.')
output AZURE_FUNCTION_APP_ID string = app.outputs.id

@description('Where the API answers.')
output AZURE_FUNCTION_APP_URL string = 'https://${app.outputs.hostName}'

@description('Object id of the app\'s identity.')
output AZURE_IDENTITY_PRINCIPAL_ID string = identity.outputs.principalId

@description('Resource id of the storage account: what the predeploy hook looks for the identity\'s roles on.')
output AZURE_STORAGE_ACCOUNT_ID string = storage.outputs.id

@description('Durable Task Scheduler that keeps the task hub; empty: the storage account does.')
output AZURE_DURABLE_TASK_SCHEDULER_NAME string = useDurableTaskScheduler ? scheduler!.outputs.name : ''

@description('System topic whose events reach the app; empty: none do.')
output AZURE_SYSTEM_TOPIC_NAME string = vaultEvents ? events!.outputs.topicName : ''

@description('Resource group of that topic.')
output AZURE_SYSTEM_TOPIC_RESOURCE_GROUP string = topicResourceGroup

@description('Storage account for events that could not be delivered; empty where the topic has no identity to write there.')
output AZURE_DEAD_LETTER_STORAGE_ID string = vaultEvents ? (empty(events!.outputs.topicPrincipalId) ? '' : storage.outputs.id) : ''

@description('Container in that account.')
output AZURE_DEAD_LETTER_CONTAINER_NAME string = storage.outputs.deadLetterContainerName
