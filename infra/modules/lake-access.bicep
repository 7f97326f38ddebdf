// Containers of the lake, new or existing, and the roles of the app and its operator
// in them.
import { containers, roles } from 'names.bicep'

param accountName string
param appPrincipalId string
@description('True where the app itself downloads files into the landing container: servers of dialect bulk.')
param appWritesLanding bool
@description('Object id of who runs "fhirsynapse exports"; empty: nobody.')
param operatorObjectId string
param operatorType string
@description('Containers besides those of the app.')
param moreContainers string[] = []

var appRoles = [
  { container: containers.landing, role: appWritesLanding ? roles.blobContributor : roles.blobReader }
  { container: containers.staging, role: roles.blobContributor }
  { container: containers.published, role: roles.blobContributor }
  { container: containers.quarantine, role: roles.blobContributor }
  { container: containers.journal, role: roles.blobContributor }
]

// Place of the journal in the list.
var journal = 4

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: accountName

  resource blob 'blobServices' existing = {
    name: 'default'
  }
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = [
  for item in appRoles: {
    parent: account::blob
    name: item.container
    properties: { publicAccess: 'None' }
  }
]

resource another 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = [
  for name in concat([containers.undelivered], moreContainers): {
    parent: account::blob
    name: name
    properties: { publicAccess: 'None' }
  }
]

resource appAccess 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (item, i) in appRoles: {
    name: guid(container[i].id, appPrincipalId, item.role)
    scope: container[i]
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', item.role)
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
    }
  }
]

resource operatorAccess 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorObjectId)) {
  name: guid(container[journal].id, operatorObjectId, roles.blobContributor)
  scope: container[journal]
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.blobContributor)
    principalId: operatorObjectId
    principalType: operatorType
  }
}

output id string = account.id
output blobUrl string = account.properties.primaryEndpoints.blob
