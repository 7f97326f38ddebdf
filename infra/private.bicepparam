// Everything new, private endpoints only, a serverless pool. Service Bus is Premium,
// which is most of the cost: see docs/azure.md.
using 'main.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'clinic')
param location = readEnvironmentVariable('AZURE_LOCATION', 'northeurope')
param network = 'private'

// private closes the app's own endpoint too. Then publishing works inside the VNet alone.
param appEndpoint = 'public'

param warehouse = 'synapse-serverless'
param operatorEmail = 'operator@example.org'
