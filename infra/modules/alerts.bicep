// Who is told when the app needs a person: an action group and the alert rules, one a line of the table. What the log
// alerts look for is in infra/queries/. The workbook lives in workbook.bicep, notices to programs in notices.bicep.

@description('Required. Name of the azd environment; part of the alerts\' display names.')
param environmentName string

@description('Required. Ends the names of all resources of the environment.')
param resourceToken string

@description('Required. Region of the log alerts.')
param location string

@description('Required. Tags of every resource.')
param tags object

@description('Required. Resource id of the Log Analytics workspace that keeps the app\'s logs.')
param workspaceId string

@description('Optional. Addresses that are told; with none the alerts still fire and are seen in the portal.')
param alertEmails array = []

@description('Optional. Resource id of the Event Grid system topic that delivers vault events; empty: no alert of lost events.')
param systemTopicId string = ''

@description('Required. Name of the function app, which its event subscription on that topic is named after.')
param appName string

var byMigration = { name: 'migration', operator: 'Include', values: ['*'] }
var byState = { name: 'state', operator: 'Include', values: ['*'] }
var byTrouble = { name: 'trouble', operator: 'Include', values: ['*'] }

// Every query ends with a column `found`; the rule fires where its sum is beyond the threshold, once for each set of
// values of its dimensions. A fired alert resolves itself when the window has moved on: that says nothing about the
// migration.
var rules = [
  {
    name: 'migration-stopped'
    title: 'failures stop a migration'
    description: 'Failures let nothing more start (Halting; then Halted, when the last job has ended), or the migration could not go on with VMs begun (Failed). Its status says why and what to do next.'
    query: loadTextContent('../queries/migrations-stopped.kql')
    severity: 1
    every: 'PT5M'
    window: 'PT15M'
    operator: 'GreaterThan'
    threshold: 0
    dimensions: [byMigration, byState]
  }
  {
    name: 'plan-failed'
    title: 'a plan could not be made'
    description: 'A plan or a migration has failed before any VM was begun: its request asks for what is not there or costs too much, or a vault can\'t be read. Its status says which.'
    query: loadTextContent('../queries/plans-failed.kql')
    severity: 3
    every: 'PT5M'
    window: 'PT15M'
    operator: 'GreaterThan'
    threshold: 0
    dimensions: [byMigration]
  }
  {
    name: 'migration-stuck'
    title: 'a migration does not go on'
    description: 'The watchdog could not get a migration going again. Jobs that run in Azure run on; nothing follows them.'
    query: loadTextContent('../queries/migrations-stuck.kql')
    severity: 1
    every: 'PT5M'
    window: 'PT30M'
    operator: 'GreaterThan'
    threshold: 0
    dimensions: [byMigration, byTrouble]
  }
  {
    name: 'watchdog-silent'
    title: 'the app does not work'
    description: 'The watchdog, which runs every five minutes, has not come through: storage, identity or the app itself is in trouble, or its code has not been published yet. Look at GET /api/health/ready.'
    query: loadTextContent('../queries/watchdog-silent.kql')
    severity: 1
    every: 'PT15M'
    window: 'PT30M'
    operator: 'LessThan'
    threshold: 1
    dimensions: []
  }
]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(alertEmails)) {
  name: 'ag-${resourceToken}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'vm-backups'
    enabled: true
    emailReceivers: [
      for email in alertEmails: {
        name: email
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource logAlerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for rule in rules: {
    name: '${rule.name}-${resourceToken}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: '${environmentName}: ${rule.title}'
      description: rule.description
      severity: rule.severity
      enabled: true
      scopes: [workspaceId]
      evaluationFrequency: rule.every
      windowSize: rule.window
      // A new workspace has no tables until the first lines arrive.
      skipQueryValidation: true
      autoMitigate: true
      criteria: {
        allOf: [
          {
            query: rule.query
            timeAggregation: 'Total'
            metricMeasureColumn: 'found'
            operator: rule.operator
            threshold: rule.threshold
            dimensions: rule.dimensions
            failingPeriods: {
              numberOfEvaluationPeriods: 1
              minFailingPeriodsToAlert: 1
            }
          }
        ]
      }
      actions: {
        actionGroups: empty(alertEmails) ? [] : [people.id]
      }
    }
  }
]

// Where lost events went tells nobody by itself, but the topic counts them. Without a place for dead letters they are
// dropped. The criteria of one alert would all have to be met, so each metric has its own.
var losses = [
  {
    name: 'dead-letters'
    metric: 'DeadLetteredCount'
    outcome: 'were put into the dead-letter container'
  }
  {
    name: 'dropped-events'
    metric: 'DroppedEventCount'
    outcome: 'were dropped'
  }
]

resource lostEvents 'Microsoft.Insights/metricAlerts@2018-03-01' = [
  for loss in (empty(systemTopicId) ? [] : losses): {
    name: '${loss.name}-${resourceToken}'
    location: 'global'
    tags: tags
    properties: {
      description: '${environmentName}: events of vaults could not be delivered and ${loss.outcome}. Their vaults are not planned until the audit, or somebody, plans them.'
      severity: 2
      enabled: true
      scopes: [systemTopicId]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT15M'
      autoMitigate: true
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            name: loss.name
            criterionType: 'StaticThresholdCriterion'
            metricNamespace: 'Microsoft.EventGrid/systemTopics'
            metricName: loss.metric
            timeAggregation: 'Total'
            operator: 'GreaterThan'
            threshold: 0
            dimensions: [
              {
                name: 'EventSubscriptionName'
                operator: 'Include'
                values: ['vault-writes-${appName}'] // as event-subscription.bicep names it
              }
            ]
            // A metric exists from its first event on, and the event subscription comes after the code.
            skipMetricValidation: true
          }
        ]
      }
      actions: empty(alertEmails) ? [] : [{ actionGroupId: people.id }]
    }
  }
]
