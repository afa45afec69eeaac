// App Service's authentication before the app: who has no token of the Entra ID application is turned away before any
// code runs. Without entraClientId it is off, and every call needs a function key.

@description('Required. Name of the function app.')
param appName string

@description('Required. Client id of the Entra ID application that stands for this API; empty: no authentication.')
param entraClientId string

@description('Optional. Client ids of the applications and identities that may call; with none, only that application itself.')
param allowedCallers array = []

resource app 'Microsoft.Web/sites@2024-11-01' existing = {
  name: appName
}

// Deployed either way: a deployment that left it out would leave it on where it was on before.
var off = { platform: { enabled: false } }
var on = {
  platform: { enabled: true }
  globalValidation: {
    requireAuthentication: true
    unauthenticatedClientAction: 'Return401'
    excludedPaths: [
      '/runtime/webhooks/EventGrid' // Event Grid brings the key of the extension, and no token
      '/api/health/live'
      '/api/openapi.json'
      '/api/swagger.json'
    ]
  }
  identityProviders: {
    azureActiveDirectory: {
      enabled: true
      registration: {
        clientId: entraClientId
        openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
      }
      validation: {
        allowedAudiences: [
          'api://${entraClientId}'
          entraClientId
        ]
        defaultAuthorizationPolicy: { allowedApplications: union([entraClientId], allowedCallers) }
      }
    }
  }
  login: { tokenStore: { enabled: false } }
}

resource auth 'Microsoft.Web/sites/config@2024-11-01' = {
  parent: app
  name: 'authsettingsV2'
  properties: empty(entraClientId) ? off : on
}
