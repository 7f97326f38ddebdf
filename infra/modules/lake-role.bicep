// One role of a service's identity on one container of the lake, or on the account.
param accountName string
@description('Empty: the role is on the whole account.')
param container string
param principalId string
param role string

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: accountName

  resource blob 'blobServices' existing = {
    name: 'default'

    resource target 'containers' existing = {
      name: empty(container) ? 'fhir-landing' : container
    }
  }
}

resource onContainer 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(container)) {
  name: guid(account::blob::target.id, principalId, role)
  scope: account::blob::target
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource onAccount 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (empty(container)) {
  name: guid(account.id, principalId, role)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}
