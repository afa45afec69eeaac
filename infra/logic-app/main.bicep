// A Logic App (Consumption) that runs one migration from the plan to the report, with a person's approval in between.
// A sample beside the app, deployed by itself; what it does is workflow.json, how it asks and tells is a channel.

@description('Optional. Name of the Logic App.')
param name string = 'logic-backup-migration'

@description('Optional. Region of the Logic App.')
param location string = resourceGroup().location

@description('Optional. Tags of both resources.')
param tags object = {}

@description('Required. Address of the app, such as https://func-abc.azurewebsites.net.')
param appUrl string

@description('Required. Audience of the tokens for the app: api:// and the client id that its deployment was given.')
param audience string

@description('Optional. How people are asked and told, like the files in channels/; empty: channels/endpoint.json.')
param channel object = {}

@description('Required. Values of the parameters that the channel declares, each as { value: ... }.')
param channelValues object

@description('Optional. Whether the end is awaited by a loop, for engines that send no token when they poll.')
param untilLoops bool = false

@description('Optional. Why callers of the trigger may accept that Azure prunes recovery points; empty: they may not.')
param retentionLossReason string = ''

@description('Optional. Who may call the trigger or see runs: accessControl of Microsoft.Logic/workflows; empty: not restricted.')
param accessControl object = {}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${name}'
  location: location
  tags: tags
}

var workflow = untilLoops ? loadJsonContent('workflow-until.json') : loadJsonContent('workflow.json')
var people = empty(channel) ? loadJsonContent('channels/endpoint.json') : channel
var steps = union({ Decide: { actions: people.approval } }, people.report)
var definition = union(workflow, { parameters: people.parameters, actions: steps })
var values = {
  appUrl: { value: appUrl }
  audience: { value: audience }
  retentionLossReason: { value: retentionLossReason }
}

resource logicApp 'Microsoft.Logic/workflows@2019-05-01' = {
  name: name
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity.id}': {} }
  }
  properties: {
    state: 'Enabled'
    // An action's identity must be there as text when the definition is saved.
    definition: json(replace(string(definition), '<identity>', identity.id))
    parameters: union(values, channelValues)
    accessControl: empty(accessControl) ? null : accessControl
  }
}

@description('Client id of the identity that calls the app; the app\'s deployment takes it as one of its allowedCallers.')
output AZURE_LOGIC_APP_CLIENT_ID string = identity.properties.clientId

@description('Object id of that identity.')
output AZURE_LOGIC_APP_PRINCIPAL_ID string = identity.properties.principalId

@description('Name of the Logic App.')
output AZURE_LOGIC_APP_NAME string = logicApp.name
