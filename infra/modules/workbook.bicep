// The operators' workbook: what the logs tell of the app, a tile for each line of the table; the queries are in
// infra/queries/. What became of each VM is not in the logs but in the ledger, which the workbook links to.

@description('Required. Name of the azd environment; part of the workbook\'s title.')
param environmentName string

@description('Required. Region of the workbook.')
param location string

@description('Required. Tags of the workbook.')
param tags object

@description('Required. Resource id of the Log Analytics workspace that keeps the app\'s logs.')
param workspaceId string

@description('Required. Address of the app, such as https://func-abc.azurewebsites.net.')
param appUrl string

@description('Optional. Resource id of the Event Grid system topic that delivers vault events; empty: no tile for it.')
param systemTopicId string = ''

var tiles = [
  {
    name: 'migrations'
    title: 'Migrations: where each one stood when it last changed its state'
    query: loadTextContent('../queries/migrations.kql')
    visualization: 'table'
  }
  {
    name: 'outcomes'
    title: 'VMs by state, in migrations that ended'
    query: loadTextContent('../queries/outcomes.kql')
    visualization: 'piechart'
  }
  {
    name: 'stuck'
    title: 'Migrations that the watchdog could not get going'
    query: loadTextContent('../queries/migrations-stuck.kql')
    visualization: 'table'
  }
  {
    name: 'throttles'
    title: 'Calls that Azure declined for a while'
    query: loadTextContent('../queries/throttles.kql')
    visualization: 'table'
  }
  {
    name: 'outages'
    title: 'Calls that Azure or the ledger did not answer'
    query: loadTextContent('../queries/outages.kql')
    visualization: 'timechart'
  }
  {
    name: 'unplanned'
    title: 'What events and the audit could not plan'
    query: loadTextContent('../queries/unplanned.kql')
    visualization: 'table'
  }
  {
    name: 'untold'
    title: 'Notices that the topic did not take'
    query: loadTextContent('../queries/untold.kql')
    visualization: 'table'
  }
  {
    name: 'functions'
    title: 'Functions: runs, failures, durations'
    query: loadTextContent('../queries/functions.kql')
    visualization: 'table'
  }
  {
    name: 'troubles'
    title: 'The latest warnings and errors'
    query: loadTextContent('../queries/troubles.kql')
    visualization: 'table'
  }
]

var introduction = [
  '# VM backup migrations: ${environmentName}'
  'What the logs tell. **The truth is the ledger**: logs may come late, come twice or be gone after their retention.'
  'Ask the app what became of a VM: `backup-migrate list`, `backup-migrate items ID`, or ${appUrl}/api/migrations.'
]

var head = [
  {
    type: 1
    name: 'introduction'
    content: { json: join(introduction, '\n\n') }
  }
  {
    type: 9
    name: 'parameters'
    content: {
      version: 'KqlParameterItem/1.0'
      parameters: [
        {
          id: guid(resourceGroup().id, environmentName, 'TimeRange')
          version: 'KqlParameterItem/1.0'
          name: 'TimeRange'
          label: 'Time'
          type: 4
          isRequired: true
          value: { durationMs: 604800000 }
          typeSettings: {
            selectableValues: [{ durationMs: 86400000 }, { durationMs: 604800000 }, { durationMs: 2592000000 }]
            allowCustom: true
          }
        }
      ]
      style: 'pills'
      queryType: 0
      resourceType: 'microsoft.operationalinsights/workspaces'
    }
  }
]

var queries = [
  for tile in tiles: {
    type: 3
    name: tile.name
    content: {
      version: 'KqlItem/1.0'
      title: tile.title
      query: tile.query
      visualization: tile.visualization
      size: 0
      timeContextFromParameter: 'TimeRange'
      noDataMessage: 'Nothing in this time.'
      queryType: 0
      resourceType: 'microsoft.operationalinsights/workspaces'
      crossComponentResources: [workspaceId]
    }
  }
]

var deadLetters = [
  {
    type: 10
    name: 'dead-letters'
    content: {
      version: 'MetricsItem/2.0'
      chartId: 'dead-letters'
      title: 'Events that were delivered, and that became dead letters'
      size: 0
      chartType: 2
      metricScope: 0
      timeContextFromParameter: 'TimeRange'
      resourceType: 'microsoft.eventgrid/systemtopics'
      resourceIds: [systemTopicId]
      metrics: [
        {
          namespace: 'microsoft.eventgrid/systemtopics'
          metric: 'microsoft.eventgrid/systemtopics--DeliverySuccessCount'
          aggregation: 1
        }
        {
          namespace: 'microsoft.eventgrid/systemtopics'
          metric: 'microsoft.eventgrid/systemtopics--DeadLetteredCount'
          aggregation: 1
        }
      ]
    }
  }
]

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  // A workbook's name must be a UUID; this one stays the same from deployment to deployment.
  name: guid(resourceGroup().id, environmentName, 'workbook')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    category: 'workbook'
    displayName: 'VM backup migrations: ${environmentName}'
    sourceId: workspaceId
    version: 'Notebook/1.0'
    serializedData: string({
      version: 'Notebook/1.0'
      items: concat(head, queries, empty(systemTopicId) ? [] : deadLetters)
      fallbackResourceIds: [workspaceId]
    })
  }
}
