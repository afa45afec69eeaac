// Makes the app an operator of one Resource Guard (multi-user authorization). backup-access.bicep calls this.

@description('Required. Principal id of the identity that the app runs as.')
param principalId string

@description('Required. Name of the Resource Guard, which is in the resource group that this is deployed to.')
param resourceGuardName string

@description('Required. Id of the built-in role Backup MUA Operator, without a scope.')
param resourceGuardRoleId string

resource guard 'Microsoft.DataProtection/resourceGuards@2025-07-01' existing = {
  name: resourceGuardName
}

// Think twice before naming a guard: it is there so that who runs backups can't weaken them alone, and this undoes that
// for the app. The app has no use for it in what it does. A change that would weaken the backups of a guarded vault is
// Blocked (ResourceGuardApprovalNeeded), and no write of the app carries a guard's approval. It is for the case that
// Azure refuses changes that weaken nothing, with LinkedAuthorizationFailed and a message that names the guard.
resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(guard.id, principalId, resourceGuardRoleId)
  scope: guard
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', resourceGuardRoleId)
  }
}
