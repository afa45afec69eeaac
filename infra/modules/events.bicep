// The system topic that tells of what is written in the subscription. Azure allows one per subscription: an existing one
// is reused. The subscription to it follows the code, because the function must be there: event-subscription.bicep.

@description('Required. Ends the names of all resources of the environment.')
param resourceToken string

@description('Required. Tags of the topic.')
param tags object

@description('Optional. Name of the subscription\'s system topic where there is one, in the resource group that this module is deployed to; empty: it is made.')
param existingSystemTopicName string = ''

var isNew = empty(existingSystemTopicName)

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = if (isNew) {
  name: 'evgst-${resourceToken}'
  location: 'global'
  tags: tags
  identity: { type: 'SystemAssigned' } // writes the dead letters
  properties: {
    source: subscription().id
    topicType: 'Microsoft.Resources.Subscriptions'
  }
}

resource existingTopic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = if (!isNew) {
  name: isNew ? 'none' : existingSystemTopicName // even the name of what is not read must be one
}

@description('Name of the topic.')
output topicName string = isNew ? topic.name : existingSystemTopicName

@description('Resource id of the topic.')
output topicId string = isNew ? topic.id : existingTopic.id

@description('Object id of its identity; empty where an existing topic has none, which means no dead letters.')
output topicPrincipalId string = isNew ? topic!.identity.principalId : (existingTopic.?identity.?principalId ?? '')
