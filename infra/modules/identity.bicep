// The one identity that the app runs as: host, task hub, ledger, telemetry and Azure Backup. What it may do is in
// roles.bicep and backup-role.bicep.

@description('Required. Ends the names of all resources of the environment.')
param resourceToken string

@description('Required. Region of the identity.')
param location string

@description('Required. Tags of the identity.')
param tags object

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${resourceToken}'
  location: location
  tags: tags
}

@description('Resource id of the identity.')
output id string = identity.id

@description('Name of the identity.')
output name string = identity.name

@description('Object id of its service principal: what roles are assigned to.')
output principalId string = identity.properties.principalId

@description('Its client id: what the app names when it asks for a token.')
output clientId string = identity.properties.clientId
