// The Durable Task Scheduler and its task hub, where they take the place of the task hub in the storage account. Where
// it is the app is told by app.bicep; to use it, by infra/host.scheduler.json.

@description('Required. Ends the names of all resources of the environment.')
param resourceToken string

@description('Required. Region of the scheduler; not every region has it.')
param location string

@description('Required. Tags of the scheduler.')
param tags object

@description('Required. Name of the task hub.')
param taskHubName string

resource scheduler 'Microsoft.DurableTask/schedulers@2025-11-01' = {
  name: 'dts-${resourceToken}'
  location: location
  tags: tags
  properties: {
    sku: { name: 'Consumption' }
    ipAllowlist: ['0.0.0.0/0'] // an empty list lets nobody in; it is the role that decides
  }
}

resource hub 'Microsoft.DurableTask/schedulers/taskHubs@2025-11-01' = {
  parent: scheduler
  name: taskHubName
}

@description('Name of the scheduler.')
output name string = scheduler.name

@description('Where the host reaches it.')
output endpoint string = scheduler.properties.endpoint
