// The two custom roles of one subscription, with exactly the actions of the calls that the app makes, and what of them
// is assigned to the whole subscription. backup-access.bicep calls this and assigns the rest.

targetScope = 'subscription'

@description('Required. Principal id of the identity that the app runs as.')
param principalId string

@description('Required. Word that tells this deployment from others; names of custom roles are unique in a tenant.')
param resourceToken string

@description('Required. Whether the app may work on every vault of this subscription, whichever there will be.')
param wholeSubscription bool

@description('Optional. Whether the app may make Enhanced policies, which the target "clone" needs.')
param allowPolicyCreation bool = true

@description('Optional. Whether the app may cancel its own jobs, which a cancellation with "cancelJobs" needs.')
param allowJobCancel bool = true

@description('Optional. Whether the app may write every VM of this subscription; see vmWriteActions before setting it.')
param grantVmWrite bool = false

// Always for the whole subscription: the app lists vaults, VMs and disks by subscription, one call a page and not one
// a VM, which Azure allows to who may read them there. VMs need not be in a resource group of vaults either.
var subscriptionActions = [
  'Microsoft.RecoveryServices/Vaults/read'
  'Microsoft.Compute/virtualMachines/read'
  'Microsoft.Compute/disks/read'
]

// No call of the app writes a VM. But a change of policy names the VM as its source, and Azure Resource Manager may ask
// whoever names a resource for the right to write it (a linked access check). Enabling backup needs that right; for
// changing the policy Microsoft documents none. So try without. Where VMs end Refused with LinkedAuthorizationFailed
// and a message that names this action, opt for it, and out of it again when the migration is over. Or, instead, give
// the app's identity a role with this action on the resource groups of the VMs only.
var vmWriteActions = [
  'Microsoft.Compute/virtualMachines/write'
]

// Inside of vaults, which may be those of some resource groups only. How an operation stands is asked of the vault
// (backupOperations), not of the item or policy that was written, and the result of an operation is never asked for.
var vaultActions = [
  'Microsoft.RecoveryServices/Vaults/backupProtectedItems/read'
  'Microsoft.RecoveryServices/Vaults/backupFabrics/protectionContainers/protectedItems/read'
  'Microsoft.RecoveryServices/Vaults/backupFabrics/protectionContainers/protectedItems/write'
  'Microsoft.RecoveryServices/Vaults/backupPolicies/read'
  'Microsoft.RecoveryServices/Vaults/backupJobs/read'
  'Microsoft.RecoveryServices/Vaults/backupOperations/read'
]

var policyCreationActions = [
  'Microsoft.RecoveryServices/Vaults/backupPolicies/write'
]

var jobCancelActions = [
  'Microsoft.RecoveryServices/Vaults/backupJobs/cancel/action'
]

var optionalActions = concat(allowPolicyCreation ? policyCreationActions : [], allowJobCancel ? jobCancelActions : [])

// Each subscription has its own definitions: who administers it can see and change them there.

resource subscriptionRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(subscription().id, resourceToken, 'Backup Policy Migration Subscription Access')
  properties: {
    roleName: 'Backup Policy Migration Subscription Access (${resourceToken}, ${subscription().subscriptionId})'
    description: 'Lists vaults, VMs and disks for the backup policy migration; writes VMs where that was opted for.'
    type: 'CustomRole'
    assignableScopes: [
      subscription().id
    ]
    permissions: [
      {
        actions: concat(subscriptionActions, grantVmWrite ? vmWriteActions : [])
        notActions: []
      }
    ]
  }
}

resource operatorRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(subscription().id, resourceToken, 'Backup Policy Migration Operator')
  properties: {
    roleName: 'Backup Policy Migration Operator (${resourceToken}, ${subscription().subscriptionId})'
    description: 'Moves backups of VMs to Enhanced policies, follows the jobs, and what else was opted for.'
    type: 'CustomRole'
    assignableScopes: [
      subscription().id
    ]
    permissions: [
      {
        actions: concat(vaultActions, optionalActions)
        notActions: []
      }
    ]
  }
}

resource subscriptionAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(subscription().id, principalId, subscriptionRole.id)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionRole.id
  }
}

resource operatorAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (wholeSubscription) {
  name: guid(subscription().id, principalId, operatorRole.id)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: operatorRole.id
  }
}

output operatorRoleId string = operatorRole.id
