// Log Analytics and Application Insights with Entra sign-in only, and who may send to
// them. alerts.bicep has the rules.
import { roles } from 'names.bicep'

param location string
param prefix string
param appPrincipalId string
@description('True: telemetry comes through a private link scope alone. Queries stay public, for the portal.')
param isPrivate bool
@description('Days for which logs are kept.')
@minValue(30)
@maxValue(730)
param retentionDays int
param namespaceName string
@description('Gigabytes of logs a day after which no more are taken until the next day; -1 no limit. Alerts see nothing then.')
param dailyQuotaGb int

var ingestion = isPrivate ? 'Disabled' : 'Enabled'

resource logs 'Microsoft.OperationalInsights/workspaces@2025-07-01' = {
  name: '${prefix}-logs'
  location: location
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: retentionDays
    workspaceCapping: { dailyQuotaGb: dailyQuotaGb }
    features: { disableLocalAuth: true, enableLogAccessUsingOnlyResourcePermissions: true }
    publicNetworkAccessForIngestion: ingestion
    publicNetworkAccessForQuery: 'Enabled'
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: '${prefix}-insights'
  location: location
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: logs.id
    IngestionMode: 'LogAnalytics'
    DisableLocalAuth: true
    publicNetworkAccessForIngestion: ingestion
    publicNetworkAccessForQuery: 'Enabled'
  }
}

resource publishes 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, appPrincipalId, roles.metricsPublisher)
  scope: insights
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.metricsPublisher)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource scope 'Microsoft.Insights/privateLinkScopes@2021-09-01' = if (isPrivate) {
  name: '${prefix}-telemetry'
  location: 'global'
  properties: {
    accessModeSettings: {
      ingestionAccessMode: 'Open'
      queryAccessMode: 'Open'
      exclusions: []
    }
  }

  resource logsLink 'scopedResources' = {
    name: 'logs'
    properties: { linkedResourceId: logs.id }
  }

  resource insightsLink 'scopedResources' = {
    name: 'insights'
    // The scope takes one change at a time.
    dependsOn: [logsLink]
    properties: { linkedResourceId: insights.id }
  }
}

resource namespace 'Microsoft.ServiceBus/namespaces@2026-01-01' existing = {
  name: namespaceName
}

resource busLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-logs'
  scope: namespace
  properties: {
    workspaceId: logs.id
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
  }
}

output logsId string = logs.id
// Not a secret while local sign-in is off, and still no output of main.bicep.
output connectionString string = insights.properties.ConnectionString
output scopeId string = isPrivate ? scope.id : ''
