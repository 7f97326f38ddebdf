// The function app, on Flex Consumption, with every connection by its identity.
param location string
@description('At most 32 characters: the host cuts its id there.')
@minLength(2)
@maxLength(32)
param name string
param identityId string
param clientId string
@description('URL of the container of host storage that has the package.')
param packageUrl string
@description('Empty: no VNet. Else a subnet delegated to Microsoft.App/environments.')
param subnetId string
@description('False closes the app\'s own endpoint, publishing included.')
param isPublic bool
@allowed([512, 2048, 4096])
param instanceMemoryMB int
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int
param hostStorageName string
param serviceBusHost string
param lakeBlobUrl string
@description('Names the place of the telemetry; sending to it takes a role.')
param insightsConnection string
@minValue(1)
@maxValue(16)
param concurrentCalls int
@description('Settings of the product, see docs/configuration.md.')
param settings object

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: '${name}-plan'
  location: location
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  location: location
  kind: 'functionapp,linux'
  // azd finds the app of the service "app" in azure.yaml by this tag.
  tags: { 'azd-service-name': 'app' }
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: isPublic ? 'Enabled' : 'Disabled'
    clientAffinityEnabled: false
    keyVaultReferenceIdentity: identityId
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    outboundVnetRouting: empty(subnetId) ? null : { applicationTraffic: true }
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      http20Enabled: true
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageUrl
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: { name: 'custom', version: '1.0' }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
      }
    }
  }

  resource appSettings 'config' = {
    name: 'appsettings'
    // A deployment replaces all settings: what was set by hand is gone.
    properties: union(settings, {
      // Not the three addresses of its services: with them the host sometimes does
      // not start (azure-functions-host#11787).
      AzureWebJobsStorage__accountName: hostStorageName
      AzureWebJobsStorage__credential: 'managedidentity'
      AzureWebJobsStorage__clientId: clientId
      ServiceBusConnection__fullyQualifiedNamespace: serviceBusHost
      ServiceBusConnection__credential: 'managedidentity'
      ServiceBusConnection__clientId: clientId
      LakeStorage__blobServiceUri: lakeBlobUrl
      LakeStorage__clientId: clientId
      AZURE_CLIENT_ID: clientId
      APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnection
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${clientId};Authorization=AAD'
      AzureFunctionsJobHost__extensions__serviceBus__maxConcurrentCalls: string(concurrentCalls)
      // The alerts search the lines of the app, so none may be left out.
      AzureFunctionsJobHost__logging__applicationInsights__samplingSettings__isEnabled: 'false'
    })
  }

  resource ftp 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: { allow: false }
  }

  resource scm 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: { allow: false }
  }
}

output id string = app.id
output name string = app.name
output planName string = plan.name
