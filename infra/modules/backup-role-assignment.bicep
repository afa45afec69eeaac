// Assigns the operator's role of backup-role.bicep to one resource group of vaults or to one vault in it.
// backup-access.bicep calls this where the app may not work on the whole subscription.

@description('Required. Principal id of the identity that the app runs as.')
param principalId string

@description('Required. Resource id of the role; backup-role.bicep gives it.')
param roleDefinitionId string

@description('Optional. Name of the one vault; empty for every vault of the resource group.')
param vaultName string = ''

// Resource Manager checks names and scopes even of what a condition leaves out: an empty one must not get there.
resource vault 'Microsoft.RecoveryServices/vaults@2025-02-01' existing = {
  name: empty(vaultName) ? 'none' : vaultName
}

resource groupAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (empty(vaultName)) {
  name: guid(resourceGroup().id, principalId, roleDefinitionId)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: roleDefinitionId
  }
}

resource vaultAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(vaultName)) {
  name: guid(vault.id, principalId, roleDefinitionId)
  scope: vault
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: roleDefinitionId
  }
}
