// What the app may do to backups and VMs: sorts the scopes it may work on, and has the roles made and assigned there.
// The roles themselves are in backup-role.bicep; what the app may do in its own resource group is in roles.bicep.

targetScope = 'subscription'

@description('Required. Principal id of the identity that the app runs as.')
param principalId string

@description('Required. Word that tells this deployment from others; names of custom roles are unique in a tenant.')
param resourceToken string

@description('Required. Resource ids of what the app may work on: subscriptions, resource groups of vaults, or vaults.')
param backupScopes array

@description('Optional. Whether the app may make Enhanced policies, which the target "clone" needs.')
param allowPolicyCreation bool = true

@description('Optional. Whether the app may cancel its own jobs, which a cancellation with "cancelJobs" needs.')
param allowJobCancel bool = true

@description('Optional. Whether the app may write VMs; see backup-role.bicep for what that is good for.')
param grantVmWrite bool = false

@description('Optional. Resource ids of Resource Guards to operate; see resource-guard-role.bicep before naming any.')
param resourceGuardIds array = []

@description('Required. Id of the built-in role Backup MUA Operator; roles.bicep knows it.')
param resourceGuardRoleId string

// Whoever deploys this must be allowed to write role definitions and assignments in every subscription named here. What
// is taken out of a list keeps its assignment until somebody deletes that: a deployment adds and changes, no more.

// Without the slash that an id may end with, as the app's ALLOWED_SCOPES are read.
var scopes = [for id in backupScopes: endsWith(id, '/') ? substring(toLower(id), 0, length(id) - 1) : toLower(id)]
var guards = [for id in resourceGuardIds: endsWith(id, '/') ? substring(id, 0, length(id) - 1) : id]

// The id of a subscription has 3 parts ('', 'subscriptions', its name), of a resource group 5, of a vault 9.
var subscriptionOfEach = [for id in scopes: split(id, '/')[2]]
var wholeOrNone = [for id in scopes: (length(split(id, '/')) == 3) ? [split(id, '/')[2]] : []]
var narrowOrNone = [for id in scopes: (length(split(id, '/')) == 3) ? [] : [id]]

// A union names each but once.
var subscriptionIds = union(subscriptionOfEach, subscriptionOfEach)
var wholeSubscriptionIds = flatten(wholeOrNone)
var narrowScopes = union(flatten(narrowOrNone), flatten(narrowOrNone))

module roles 'backup-role.bicep' = [for id in subscriptionIds: {
  name: 'backup-role-${resourceToken}'
  scope: subscription(id)
  params: {
    principalId: principalId
    resourceToken: resourceToken
    wholeSubscription: contains(wholeSubscriptionIds, id)
    allowPolicyCreation: allowPolicyCreation
    allowJobCancel: allowJobCancel
    grantVmWrite: grantVmWrite
  }
}]

module narrowAssignments 'backup-role-assignment.bicep' = [for id in narrowScopes: {
  name: 'backup-role-${resourceToken}-${uniqueString(id)}'
  scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
  params: {
    principalId: principalId
    roleDefinitionId: roles[indexOf(subscriptionIds, split(id, '/')[2])].outputs.operatorRoleId
    vaultName: (length(split(id, '/')) == 9) ? last(split(id, '/')) : ''
  }
}]

module guardAssignments 'resource-guard-role.bicep' = [for id in guards: {
  name: 'guard-role-${resourceToken}-${uniqueString(id)}'
  scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
  params: {
    principalId: principalId
    resourceGuardName: last(split(id, '/'))
    resourceGuardRoleId: resourceGuardRoleId
  }
}]
