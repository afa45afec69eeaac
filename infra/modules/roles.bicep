// The room of built-in roles: their ids by name, and their assignments in the app's own resource group, each to the one
// resource it is for. What the app may do to backups and VMs is in backup-access.bicep.

@description('Required. Principal id of the identity that the app runs as.')
param principalId string

@description('Required. Name of the storage account of the host, the task hub, the ledger and the app\'s package.')
param storageAccountName string

@description('Required. Name of the Application Insights component that takes the telemetry.')
param insightsName string

@description('Required. Name of the container that takes the events which could not be delivered.')
param deadLetterContainerName string

@description('Optional. Principal id of the system topic that puts them there; empty: none has an identity for that.')
param deadLetterPrincipalId string = ''

@description('Optional. Name of the Event Grid topic that notices are published to; empty: there is none.')
param noticeTopicName string = ''

@description('Optional. Name of the Durable Task Scheduler; empty: the task hub is in the storage account.')
param schedulerName string = ''

var definitions = 'Microsoft.Authorization/roleDefinitions'

// https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
var roleIds = {
  'Backup MUA Operator': 'f54b6d04-23c6-443e-b462-9c16ab7b4a52'
  'Durable Task Data Contributor': '0ad04412-c4d5-4796-b79c-f76d14c8d402'
  'EventGrid Data Sender': 'd5a91429-5739-47e2-a06b-3470a27159e7'
  'Monitoring Metrics Publisher': '3913510d-42f4-4e42-8a64-420c390055eb'
  'Storage Blob Data Contributor': 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  'Storage Blob Data Owner': 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  'Storage Queue Data Contributor': '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  'Storage Table Data Contributor': '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
}

// Blobs: the host keeps its locks and keys there and demands Owner; the task hub its leases; the app's package is one.
// Queues: the task hub's. Tables: the task hub's history, and the ledger, whose tables the app creates.
var storageRoles = [
  'Storage Blob Data Owner'
  'Storage Queue Data Contributor'
  'Storage Table Data Contributor'
]

resource storage 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: storageAccountName
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' existing = {
  parent: storage
  name: 'default'
}

resource deadLetters 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' existing = {
  parent: blobs
  name: deadLetterContainerName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

// Resource Manager checks names and scopes even of what a condition leaves out: an empty one must not get there.
resource noticeTopic 'Microsoft.EventGrid/topics@2025-02-15' existing = {
  name: empty(noticeTopicName) ? 'none' : noticeTopicName
}

resource scheduler 'Microsoft.DurableTask/schedulers@2025-11-01' existing = {
  name: empty(schedulerName) ? 'none' : schedulerName
}

resource storageAccess 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in storageRoles: {
  name: guid(storage.id, principalId, roleIds[role])
  scope: storage
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(definitions, roleIds[role])
  }
}]

// The topic's own identity writes there, on Event Grid's behalf: to this container and to nothing else.
resource deadLetterAccess 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(deadLetterPrincipalId)) {
  name: guid(deadLetters.id, deadLetterPrincipalId, roleIds['Storage Blob Data Contributor'])
  scope: deadLetters
  properties: {
    principalId: deadLetterPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(definitions, roleIds['Storage Blob Data Contributor'])
  }
}

// Telemetry with a token instead of a key, which the component does not take.
resource telemetryAccess 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, principalId, roleIds['Monitoring Metrics Publisher'])
  scope: insights
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(definitions, roleIds['Monitoring Metrics Publisher'])
  }
}

resource noticeAccess 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(noticeTopicName)) {
  name: guid(noticeTopic.id, principalId, roleIds['EventGrid Data Sender'])
  scope: noticeTopic
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(definitions, roleIds['EventGrid Data Sender'])
  }
}

resource schedulerAccess 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(schedulerName)) {
  name: guid(scheduler.id, principalId, roleIds['Durable Task Data Contributor'])
  scope: scheduler
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(definitions, roleIds['Durable Task Data Contributor'])
  }
}

output resourceGuardRoleId string = roleIds['Backup MUA Operator']
