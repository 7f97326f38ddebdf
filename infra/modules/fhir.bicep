// A new FHIR service of Azure Health Data Services that exports into the lake.
param location string
@description('Letters and digits; part of the public host name.')
@minLength(3)
@maxLength(24)
param workspaceName string
param serviceName string
@description('Name of the storage account that the service exports into. It must be in the same subscription.')
param lakeName string
@description('True closes the public endpoint.')
param isPrivate bool

resource workspace 'Microsoft.HealthcareApis/workspaces@2024-03-31' = {
  name: workspaceName
  location: location
  properties: {
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
  }

  resource service 'fhirservices' = {
    name: serviceName
    location: location
    kind: 'fhir-R4'
    identity: { type: 'SystemAssigned' }
    properties: {
      authenticationConfiguration: {
        authority: '${environment().authentication.loginEndpoint}${tenant().tenantId}'
        audience: 'https://${workspaceName}-${serviceName}.fhir.azurehealthcareapis.com'
        smartProxyEnabled: false
      }
      exportConfiguration: { storageAccountName: lakeName }
      resourceVersionPolicyConfiguration: { default: 'versioned' }
      publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    }
  }
}
