// Where the telemetry goes: a workspace and an Application Insights component on it. Alerts are in alerts.bicep, the
// workbook is in workbook.bicep.

@description('Required. Ends the names of all resources of the environment.')
param resourceToken string

@description('Required. Region of the workspace.')
param location string

@description('Required. Tags of every resource.')
param tags object

@description('Optional. Days that logs are kept. The ledger is kept for ever, whatever this says.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: 'log-${resourceToken}'
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: logRetentionDays
    features: {
      disableLocalAuth: true
      enableLogAccessUsingOnlyResourcePermissions: true
    }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-${resourceToken}'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: true // only an identity with the role Monitoring Metrics Publisher may send; see docs/host.md
  }
}

@description('Resource id of the Log Analytics workspace.')
output workspaceId string = workspace.id

@description('Name of the Log Analytics workspace.')
output workspaceName string = workspace.name

@description('Resource id of the Application Insights component.')
output insightsId string = insights.id

@description('Name of the Application Insights component.')
output insightsName string = insights.name

@description('Where the telemetry is sent. Opens nothing: without local authentication its key is only an address.')
output insightsConnectionString string = insights.properties.ConnectionString
