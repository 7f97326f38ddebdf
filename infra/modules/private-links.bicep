// Which services get a private endpoint, and by which names they are reached.
import { privateEndpoint } from 'names.bicep'

param location string
param prefix string
param subnetId string
param createDnsZones bool
param hostStorageId string
param lakeId string
param serviceBusId string
@description('Scope of the telemetry.')
param telemetryScopeId string
@description('Each of the following may be empty: then the service has no endpoint here.')
param healthWorkspaceId string
param synapseId string
param sqlServerId string
param vaultId string

var storage = environment().suffixes.storage
var possible privateEndpoint[] = [
  { name: 'host-blob', resourceId: hostStorageId, group: 'blob', zones: ['privatelink.blob.${storage}'] }
  { name: 'host-queue', resourceId: hostStorageId, group: 'queue', zones: ['privatelink.queue.${storage}'] }
  { name: 'host-table', resourceId: hostStorageId, group: 'table', zones: ['privatelink.table.${storage}'] }
  { name: 'lake-blob', resourceId: lakeId, group: 'blob', zones: ['privatelink.blob.${storage}'] }
  { name: 'lake-dfs', resourceId: lakeId, group: 'dfs', zones: ['privatelink.dfs.${storage}'] }
  {
    name: 'servicebus'
    resourceId: serviceBusId
    group: 'namespace'
    zones: ['privatelink.servicebus.windows.net']
  }
  {
    name: 'telemetry'
    resourceId: telemetryScopeId
    group: 'azuremonitor'
    zones: [
      'privatelink.monitor.azure.com'
      'privatelink.oms.opinsights.azure.com'
      'privatelink.ods.opinsights.azure.com'
      'privatelink.agentsvc.azure-automation.net'
      'privatelink.blob.${storage}'
    ]
  }
  {
    name: 'fhir'
    resourceId: healthWorkspaceId
    group: 'healthcareworkspace'
    zones: ['privatelink.workspace.azurehealthcareapis.com', 'privatelink.fhir.azurehealthcareapis.com']
  }
  { name: 'synapse-sql', resourceId: synapseId, group: 'Sql', zones: ['privatelink.sql.azuresynapse.net'] }
  {
    name: 'synapse-serverless'
    resourceId: synapseId
    group: 'SqlOnDemand'
    zones: ['privatelink.sql.azuresynapse.net']
  }
  {
    name: 'sql'
    resourceId: sqlServerId
    group: 'sqlServer'
    zones: ['privatelink${environment().suffixes.sqlServerHostname}']
  }
  { name: 'vault', resourceId: vaultId, group: 'vault', zones: ['privatelink.vaultcore.azure.net'] }
]

module endpoints 'endpoints.bicep' = {
  name: 'endpoints-data'
  params: {
    location: location
    prefix: prefix
    subnetId: subnetId
    wanted: filter(possible, e => !empty(e.resourceId))
    createDnsZones: createDnsZones
  }
}
