// An identity that a GitHub workflow signs in with by OpenID Connect, without a
// secret. It may publish the app and nothing else.
import { roles } from 'names.bicep'

param location string
param name string
@description('owner/name')
param repository string
@description('Environment of the repository whose jobs may publish.')
param environmentName string
param appName string
param planName string

resource app 'Microsoft.Web/sites@2025-03-01' existing = {
  name: appName
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' existing = {
  name: planName
}

resource publisher 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location

  resource github 'federatedIdentityCredentials' = {
    name: 'github-${environmentName}'
    properties: {
      issuer: 'https://token.actions.githubusercontent.com'
      subject: 'repo:${repository}:environment:${environmentName}'
      audiences: ['api://AzureADTokenExchange']
    }
  }
}

resource publishes 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(app.id, publisher.id, roles.websiteContributor)
  scope: app
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.websiteContributor)
    principalId: publisher.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

// The tools ask the plan for its tier before they publish.
resource readsPlan 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(plan.id, publisher.id, roles.reader)
  scope: plan
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.reader)
    principalId: publisher.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

output clientId string = publisher.properties.clientId
