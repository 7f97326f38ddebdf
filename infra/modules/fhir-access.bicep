// The app's role on a FHIR service, new or existing, and the identity of the service.
import { roles } from 'names.bicep'

param workspaceName string
param serviceName string
param appPrincipalId string
@description('True where the app writes Group resources for cohorts: a custom role that reads, exports and writes takes the place of FHIR Data Exporter.')
param cohorts bool

var resources = 'Microsoft.HealthcareApis/workspaces/fhirservices/resources'

resource workspace 'Microsoft.HealthcareApis/workspaces@2024-03-31' existing = {
  name: workspaceName

  resource service 'fhirservices' existing = {
    name: serviceName
  }
}

// Creating it needs Microsoft.Authorization/roleDefinitions/write. Azure has no
// permission for one resource type: this is the least that can write a Group.
resource cohortRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (cohorts) {
  name: guid(resourceGroup().id, 'fhirsynapse cohorts')
  properties: {
    roleName: 'fhirsynapse cohorts (${uniqueString(resourceGroup().id)})'
    description: 'Reads and exports FHIR resources and writes Groups; does not delete, import or reindex.'
    type: 'CustomRole'
    assignableScopes: [resourceGroup().id]
    permissions: [
      {
        actions: []
        notActions: []
        dataActions: ['${resources}/read', '${resources}/export/action', '${resources}/write']
        notDataActions: []
      }
    ]
  }
}

resource exports 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!cohorts) {
  name: guid(workspace::service.id, appPrincipalId, roles.fhirExporter)
  scope: workspace::service
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.fhirExporter)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource writesGroups 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (cohorts) {
  name: guid(workspace::service.id, appPrincipalId, 'cohorts')
  scope: workspace::service
  properties: {
    roleDefinitionId: cohortRole.id
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}

output workspaceId string = workspace.id
output url string = 'https://${workspaceName}-${serviceName}.fhir.azurehealthcareapis.com'
// The service writes the exported files by its own identity.
output principalId string = empty(workspace::service.?identity.?principalId)
  ? fail('the FHIR service has no system-assigned identity: run az healthcareapis workspace fhir-service update --identity-type SystemAssigned, then deploy again')
  : workspace::service.identity.principalId
