// The SQL engine, new or existing, and the roles of its identity in the lake.
import { containers, roles } from 'names.bicep'

@description('Distinguishes the deployments of this installation in the group of the lake.')
param token string
param location string
@allowed(['sqlserver', 'synapse-serverless', 'synapse-dedicated', 'fabric'])
param engine string
@description('Host name of an existing SQL server or Fabric warehouse; empty: a new Azure SQL server.')
param existingHost string
@description('Resource id of an existing Azure SQL server; empty: unknown, or new.')
param existingSqlServerId string
@description('Resource id of an existing Synapse workspace; empty: a new one.')
param existingSynapseId string
param newSynapseName string
param newSqlServerName string
param databaseName string
param dedicatedSku string
param serverlessSnapshots bool
param sqlVCores int
param sqlAutoPauseMinutes int
param adminObjectId string
param adminName string
param adminType string
param operatorIpAddress string
param isPrivate bool
param lakeSubscription string
param lakeGroup string
param lakeName string
param lakeId string
@description('Container of the lake that a new Synapse workspace calls its own.')
param homeContainer string
param appClientId string

var isSynapse = startsWith(engine, 'synapse-')
var isNewSynapse = isSynapse && empty(existingSynapseId)
var isNewSql = engine == 'sqlserver' && empty(existingHost)
var existingSynapse = split(
  isSynapse && !isNewSynapse ? existingSynapseId : resourceId('Microsoft.Synapse/workspaces', newSynapseName),
  '/'
)

module sql 'sql.bicep' = if (isNewSql) {
  name: 'sql'
  params: {
    location: location
    serverName: newSqlServerName
    databaseName: databaseName
    adminObjectId: adminObjectId
    adminName: adminName
    adminType: adminType
    isPrivate: isPrivate
    operatorIpAddress: operatorIpAddress
    vCores: sqlVCores
    autoPauseMinutes: sqlAutoPauseMinutes
  }
}

module synapse 'synapse.bicep' = if (isNewSynapse) {
  name: 'synapse'
  params: {
    location: location
    name: newSynapseName
    homeAccountId: lakeId
    homeAccountName: lakeName
    homeContainer: homeContainer
    adminObjectId: adminObjectId
    adminName: adminName
    dedicatedPool: engine == 'synapse-dedicated' ? databaseName : ''
    dedicatedSku: dedicatedSku
    isPrivate: isPrivate
    operatorIpAddress: operatorIpAddress
  }
}

module synapseThere 'synapse-existing.bicep' = if (isSynapse && !isNewSynapse) {
  name: 'synapse-${token}'
  scope: resourceGroup(existingSynapse[2], existingSynapse[4])
  params: { name: existingSynapse[8] }
}

// A dedicated pool copies staged files. A serverless pool reads published ones, and
// writes its snapshots there.
module reads 'lake-role.bicep' = if (isSynapse) {
  name: 'synapse-reads-${token}'
  scope: resourceGroup(lakeSubscription, lakeGroup)
  params: {
    accountName: lakeName
    container: engine == 'synapse-dedicated' ? containers.staging : containers.published
    principalId: isNewSynapse ? synapse!.outputs.principalId : synapseThere!.outputs.principalId
    role: engine == 'synapse-serverless' && serverlessSnapshots ? roles.blobContributor : roles.blobReader
  }
}

module home 'lake-role.bicep' = if (isNewSynapse) {
  name: 'synapse-home-${token}'
  scope: resourceGroup(lakeSubscription, lakeGroup)
  params: {
    accountName: lakeName
    container: homeContainer
    principalId: synapse!.outputs.principalId
    role: roles.blobContributor
  }
}

var synapseName = isNewSynapse ? newSynapseName : existingSynapse[8]
var hosts = {
  sqlserver: isNewSql ? '${newSqlServerName}${environment().suffixes.sqlServerHostname}' : existingHost
  'synapse-dedicated': '${synapseName}.sql.azuresynapse.net'
  'synapse-serverless': '${synapseName}-ondemand.sql.azuresynapse.net'
  fabric: empty(existingHost) && engine == 'fabric' ? fail('warehouse is fabric: give warehouseHost') : existingHost
}

output host string = hosts[engine]
output address string = '${engine}://${hosts[engine]}?database=${uriComponent(databaseName)}&fedauth=ActiveDirectoryManagedIdentity&user+id=${appClientId}${engine == 'synapse-serverless' && serverlessSnapshots ? '&snapshot=20' : ''}'
// For private endpoints; empty where there is none.
output synapseId string = isNewSynapse ? synapse!.outputs.id : isSynapse ? synapseThere!.outputs.id : ''
output sqlServerId string = isNewSql ? sql!.outputs.id : existingSqlServerId
