// Which events of the system topic reach the app, and where they go when it can't take them. Deployed to the topic's
// resource group after the code, by the postdeploy hook: Event Grid refuses an endpoint that is not there.

@description('Required. Name of the system topic, in the resource group that this is deployed to.')
param topicName string

@description('Required. Resource id of the function app.')
param functionAppId string

@description('Optional. Resource id of the storage account for events that could not be delivered; empty: they are dropped. The topic\'s identity must be allowed to write there.')
param deadLetterStorageId string = ''

@description('Optional. Container in that account.')
param deadLetterContainerName string = 'dead-letters'

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

var deadLetters = {
  identity: { type: 'SystemAssigned' }
  deadLetterDestination: {
    endpointType: 'StorageBlob'
    properties: {
      resourceId: deadLetterStorageId
      blobContainerName: deadLetterContainerName
    }
  }
}

// A topic may serve several apps, each by a subscription of its own. alerts.bicep knows the name too.
var appName = last(split(functionAppId, '/'))

resource vaultWrites 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'vault-writes-${appName}'
  properties: {
    eventDeliverySchema: 'EventGridSchema'
    destination: {
      endpointType: 'AzureFunction'
      properties: {
        resourceId: '${functionAppId}/functions/on_vault_event'
        maxEventsPerBatch: 1
        preferredBatchSizeInKilobytes: 64
      }
    }
    filter: {
      includedEventTypes: ['Microsoft.Resources.ResourceWriteSuccess']
      enableAdvancedFilteringOnArrays: false
      advancedFilters: [
        {
          operatorType: 'StringIn' // not case-sensitive, which Azure's own spelling needs
          key: 'data.operationName'
          values: [
            'Microsoft.RecoveryServices/vaults/write'
            'Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/write'
          ]
        }
      ]
    }
    retryPolicy: {
      maxDeliveryAttempts: 30
      eventTimeToLiveInMinutes: 1440
    }
    deadLetterWithResourceIdentity: empty(deadLetterStorageId) ? null : deadLetters
  }
}

@description('Resource id of the event subscription.')
output id string = vaultWrites.id
