// What azd deploys: everything new, public endpoints with Entra sign-in only. Set
// values with "azd env set NAME VALUE", or edit this file.
using 'main.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'dev')
param location = readEnvironmentVariable('AZURE_LOCATION', 'northeurope')

// sqlserver is Azure SQL, serverless. The others: synapse-serverless,
// synapse-dedicated, fabric (with warehouseHost).
param warehouse = readEnvironmentVariable('WAREHOUSE', 'sqlserver')

param operatorEmail = readEnvironmentVariable('OPERATOR_EMAIL', '')

// Your public IP address lets the SQL set-up through the firewall of the new server.
param operatorIpAddress = readEnvironmentVariable('OPERATOR_IP', '')

// True lets the app write the Groups of cohorts (docs/cohorts.md).
param cohorts = bool(readEnvironmentVariable('COHORTS', 'false'))
