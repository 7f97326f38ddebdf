// A FHIR service, a lake and a Synapse workspace with a dedicated pool that exist.
using 'main.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'clinic')
param location = readEnvironmentVariable('AZURE_LOCATION', 'northeurope')

param fhir = 'existing'
param fhirServiceId = '/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/health/providers/Microsoft.HealthcareApis/workspaces/clinic/fhirservices/records'
param lakeAccountId = '/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/health/providers/Microsoft.Storage/storageAccounts/cliniclake'
param lakeLocation = 'northeurope'

param warehouse = 'synapse-dedicated'
param synapseWorkspaceId = '/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/analytics/providers/Microsoft.Synapse/workspaces/clinic-analytics'
param databaseName = 'pool1'

// A DW400c runs 16 queries at a time: 8 instances with 2 statements each.
param maximumInstanceCount = 8
param warehouseStatements = 2
