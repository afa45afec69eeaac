// The topic that tells other programs when a migration awaits approval, halts or ends. Who is told is theirs to
// subscribe. Alerts for people are in alerts.bicep.

@description('Required. Ends the names of all resources of the environment.')
param resourceToken string

@description('Required. Region of the topic.')
param location string

@description('Required. Tags of the topic.')
param tags object

resource topic 'Microsoft.EventGrid/topics@2025-02-15' = {
  name: 'evgt-${resourceToken}'
  location: location
  tags: tags
  properties: {
    inputSchema: 'CloudEventSchemaV1_0'
    disableLocalAuth: true // only an identity with the role EventGrid Data Sender publishes
    minimumTlsVersionAllowed: '1.2'
    publicNetworkAccess: 'Enabled'
  }
}

@description('Name of the topic.')
output name string = topic.name

@description('Where events are published.')
output endpoint string = topic.properties.endpoint
