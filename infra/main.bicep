// fhirsynapse in one resource group. docs/azure.md has the commands, docs/security.md
// the roles and the network.
targetScope = 'subscription'

import { containers, queues, roles } from 'modules/names.bicep'

@description('Short name of this installation. It is part of the name of the resource group, and of all names by a hash.')
@minLength(1)
@maxLength(20)
param environmentName string

@description('Region of everything. It must have Flex Consumption: az functionapp list-flexconsumption-locations.')
@metadata({ azd: { type: 'location' } })
param location string

@description('Resource group; made where it does not exist.')
param resourceGroupName string = 'rg-${environmentName}'

// ---- FHIR server and lake

@description('new: a FHIR service of Azure Health Data Services. existing: fhirServiceId. none: servers of dialect bulk, which exports.yaml names.')
@allowed(['new', 'existing', 'none'])
param fhir string = 'new'

@description('Resource id of an existing FHIR service, /subscriptions/.../workspaces/NAME/fhirservices/NAME. It must be in the subscription of the lake.')
param fhirServiceId string = ''

@description('Name of a new FHIR service.')
@minLength(3)
@maxLength(24)
param fhirServiceName string = 'fhir'

@description('True where the app writes Groups for cohorts. Its custom role needs roleDefinitions/write.')
param cohorts bool = false

@description('True: the FHIR service may write the landing container alone. Microsoft documents the role on the account, so try an export first.')
param fhirOnContainerOnly bool = false

@description('Resource id of an existing storage account with a hierarchical namespace; empty: a new lake. Firewall and lifecycle rules of an existing one are yours.')
param lakeAccountId string = ''

@description('Copies that a new lake keeps: in one place (LRS), in three zones (ZRS; not in all regions), and in a second region (GRS, GZRS).')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param lakeSku string = 'Standard_ZRS'

@description('Region of an existing lake.')
param lakeLocation string = location

@description('Name of the Event Grid system topic of an existing lake, in the lake\'s resource group; empty: a new one. Azure allows one for each account.')
param eventTopicName string = ''

@description('True where the app downloads files of a server of dialect bulk into the landing container.')
param appWritesLanding bool = fhir == 'none'

@description('Days until a staged file is deleted.')
@minValue(7)
param stagingDays int = 14

@description('Days until quarantined lines are deleted.')
@minValue(7)
param quarantineDays int = 90

@description('Days until landing files move to the cool tier. They are never deleted.')
@minValue(1)
param landingCoolAfterDays int = 30

@description('Days for which a deleted blob can be brought back.')
@minValue(1)
@maxValue(365)
param softDeleteDays int = 7

// ---- Warehouse

@description('The engine that has the tables. New: sqlserver is Azure SQL, serverless; the Synapse engines make a workspace. fabric needs warehouseHost.')
@allowed(['sqlserver', 'synapse-serverless', 'synapse-dedicated', 'fabric'])
param warehouse string = 'sqlserver'

@description('Host name of an existing SQL server, or of the SQL endpoint of a Fabric warehouse; empty: a new server.')
param warehouseHost string = ''

@description('Resource id of an existing Azure SQL server, for its private endpoint. warehouseHost goes with it.')
param sqlServerId string = ''

@description('Resource id of an existing Synapse workspace; empty: a new one.')
param synapseWorkspaceId string = ''

@description('Guid of the Fabric workspace that may pass the firewall of a private lake.')
param fabricWorkspaceId string = ''

@description('Database, dedicated pool or Fabric warehouse. A new serverless database is made by the SQL set-up.')
param databaseName string = 'fhir'

@description('Size of a new dedicated pool. It costs from its creation until it is paused.')
@allowed(['DW100c', 'DW200c', 'DW300c', 'DW400c', 'DW500c', 'DW1000c'])
param dedicatedSku string = 'DW100c'

@description('True: the serverless pool writes snapshots, so its workspace may write the published container.')
param serverlessSnapshots bool = false

@description('Most vCores of a new Azure SQL database.')
@minValue(1)
@maxValue(80)
param sqlVCores int = 2

@description('Minutes without a session until a new Azure SQL database pauses, 15 or more; -1 never. Each export wakes it, so exports that come more often keep it awake.')
param sqlAutoPauseMinutes int = 60

@description('Object id of the Entra administrator of a new SQL server or workspace: who runs the SQL set-up.')
param adminObjectId string = deployer().objectId

@description('User name or display name of that administrator.')
param adminName string = empty(deployer().?userPrincipalName) ? 'deployer' : deployer().userPrincipalName

@description('Kind of that administrator.')
@allowed(['Application', 'Group', 'User'])
param adminType string = empty(deployer().?userPrincipalName) ? 'Application' : 'User'

@description('Your public IP address: opens the firewall of a new SQL server or workspace for the SQL set-up. Empty: no rule.')
param operatorIpAddress string = ''

// ---- Load on the warehouse. At most maximumInstanceCount x warehouseStatements
// statements run at a time. The defaults make 4, which the smallest dedicated pool,
// DW100c, can run; it queues what is above. The app has three functions that scale
// on instances of their own, so fewer than 3 instances would keep one of them waiting.

@description('Most instances of the app, 1 to 1000. Some regions take no less than 40: then give 40, and the pool queues what is above its own limit.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 4

@description('Statements that one instance runs on the warehouse at a time (setting WarehouseStatements).')
@minValue(1)
@maxValue(64)
param warehouseStatements int = 1

@description('Steps that one instance works on at a time (maxConcurrentCalls). The platform wants one instance for each so many messages.')
@minValue(1)
@maxValue(16)
param concurrentCalls int = 4

@description('Memory of an instance in megabytes.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('True: the app owns its Service Bus namespace, so the platform scales by the length of the queues. False: sender and receiver, and it scales more slowly.')
param exactScaling bool = true

// ---- App

@description('How often the app looks for plans that are due: NCRONTAB, six fields, UTC.')
param exportSchedule string = '0 */5 * * * *'

@description('The plans: a path in the package, or blob:PATH in the journal container.')
param exportsFile string = 'exports.yaml'

@description('More settings of the app. Secrets do not belong here: give a Key Vault reference, @Microsoft.KeyVault(SecretUri=...).')
param moreSettings object = {}

@description('True: makes a key vault whose secrets the app may read. Its name stays taken for 90 days after it is removed.')
param keyVault bool = false

// ---- Network

@description('public: public endpoints with Entra sign-in only. private: private endpoints in a VNet, and Service Bus Premium, since Standard has no private endpoint.')
@allowed(['public', 'private'])
param network string = 'public'

@description('The app\'s own endpoint, where network is private. private: publishing works inside the VNet alone.')
@allowed(['public', 'private'])
param appEndpoint string = 'public'

@description('Address range of a new VNet; at least a /23.')
param vnetAddressPrefix string = '10.40.0.0/16'

@description('Id of an existing subnet for the app, delegated to Microsoft.App/environments; empty: a new VNet.')
param appSubnetId string = ''

@description('Id of an existing subnet for private endpoints, in the same VNet. Goes with appSubnetId.')
param endpointSubnetId string = ''

@description('False where somebody else looks after the private DNS zones.')
param privateDnsZones bool = true

@description('A NAT gateway for the app\'s way to public addresses: Fabric, servers of dialect bulk.')
param natGateway bool = fhir == 'none' || warehouse == 'fabric'

// ---- Operators

@description('Mail address for alerts; empty: they show in the portal alone.')
param operatorEmail string = ''

@description('Object id of who runs "fhirsynapse exports": may read and write the journal. Empty: nobody.')
param operatorObjectId string = deployer().objectId

@description('Kind of that operator.')
@allowed(['Group', 'ServicePrincipal', 'User'])
param operatorType string = empty(deployer().?userPrincipalName) ? 'ServicePrincipal' : 'User'

@description('An alert comes when no export was loaded for so long.')
@allowed(['PT6H', 'P1D', 'P2D'])
param noExportWindow string = 'P2D'

@description('Resource id of an action group of yours that alerts tell too; empty: none.')
param actionGroupId string = ''

@description('An alert comes when an export has not ended for so many hours.')
@minValue(1)
param unfinishedHours int = 24

@description('An alert comes when what a plan has loaded is so many hours old. Choose more than the longest pause between two exports; paused plans do not count.')
@minValue(1)
param lagHours int = 48

@description('Days for which logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Gigabytes of logs a day; alerts see nothing above it. -1: no limit.')
param logDailyQuotaGb int = 1

@description('GitHub repository, owner/name, whose workflow may publish the app; empty: none.')
param githubRepository string = ''

@description('Environment of that repository.')
param githubEnvironment string = 'production'

// ---- Names and ids

var token = take(uniqueString(subscription().id, environmentName, location), 8)
var prefix = 'fhirsynapse-${token}'
var appName = '${prefix}-app'
var busName = '${prefix}-bus'
var isPrivate = network == 'private'
var groupId = '${subscription().id}/resourceGroups/${resourceGroupName}'

var isNewLake = empty(lakeAccountId)
var lakePath = split(
  isNewLake ? '${groupId}/providers/Microsoft.Storage/storageAccounts/fslake${token}' : lakeAccountId,
  '/'
)
var lakeName = lakePath[8]

var fhirPath = split(
  fhir == 'existing'
    ? (empty(fhirServiceId) ? fail('fhir is existing: give fhirServiceId') : fhirServiceId)
    : '${groupId}/providers/Microsoft.HealthcareApis/workspaces/fs${token}/fhirservices/${fhirServiceName}',
  '/'
)
var healthWorkspaceId = join(take(fhirPath, 9), '/')

var isSynapse = startsWith(warehouse, 'synapse-')
var isNewSynapse = isSynapse && empty(synapseWorkspaceId)
var synapseId = isNewSynapse ? '${groupId}/providers/Microsoft.Synapse/workspaces/${prefix}' : synapseWorkspaceId
var homeContainer = 'synapse'

var givenSubnetId = isPrivate && !empty(appSubnetId) && empty(endpointSubnetId)
  ? fail('appSubnetId is given: give endpointSubnetId too')
  : endpointSubnetId

// Services that pass the lake's firewall by their identity. Their ids are text, since
// they name the lake themselves.
var trustedIds = concat(
  fhir == 'none' ? [] : [healthWorkspaceId, join(fhirPath, '/')],
  isSynapse ? [synapseId] : [],
  empty(fabricWorkspaceId)
    ? []
    : [
        '/subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/Fabric/providers/Microsoft.Fabric/workspaces/${fabricWorkspaceId}'
      ]
)

resource group 'Microsoft.Resources/resourceGroups@2024-11-01' = {
  name: resourceGroupName
  location: location
  tags: { 'azd-env-name': environmentName }
}

module identity 'modules/identity.bicep' = {
  name: 'identity'
  scope: group
  params: { location: location, name: appName }
}

module host 'modules/host-storage.bicep' = {
  name: 'host-storage'
  scope: group
  params: {
    location: location
    name: 'fshost${token}'
    isPrivate: isPrivate
    appPrincipalId: identity.outputs.principalId
  }
}

module lake 'modules/lake.bicep' = if (isNewLake) {
  name: 'lake'
  scope: group
  params: {
    location: location
    name: lakeName
    sku: lakeSku
    isPrivate: isPrivate
    trustedInstances: map(trustedIds, id => { tenantId: tenant().tenantId, resourceId: id })
    stagingDays: stagingDays
    quarantineDays: quarantineDays
    landingCoolAfterDays: landingCoolAfterDays
    softDeleteDays: softDeleteDays
  }
}

module lakeAccess 'modules/lake-access.bicep' = {
  name: 'lake-access-${token}'
  scope: resourceGroup(lakePath[2], lakePath[4])
  dependsOn: [lake]
  params: {
    accountName: lakeName
    appPrincipalId: identity.outputs.principalId
    appWritesLanding: appWritesLanding
    operatorObjectId: operatorObjectId
    operatorType: operatorType
    moreContainers: isNewSynapse ? [homeContainer] : []
  }
}

module bus 'modules/servicebus.bicep' = {
  name: 'servicebus'
  scope: group
  params: {
    location: location
    name: busName
    isPrivate: isPrivate
    appPrincipalId: identity.outputs.principalId
    exactScaling: exactScaling
  }
}

module fhirService 'modules/fhir.bicep' = if (fhir == 'new') {
  name: 'fhir'
  scope: group
  dependsOn: [lakeAccess]
  params: {
    location: location
    workspaceName: fhirPath[8]
    serviceName: fhirPath[10]
    lakeName: lakeName
    isPrivate: isPrivate
  }
}

module fhirAccess 'modules/fhir-access.bicep' = if (fhir != 'none') {
  name: 'fhir-access-${token}'
  scope: resourceGroup(fhirPath[2], fhirPath[4])
  dependsOn: [fhirService]
  params: {
    workspaceName: fhirPath[8]
    serviceName: fhirPath[10]
    appPrincipalId: identity.outputs.principalId
    cohorts: cohorts
  }
}

module fhirWrites 'modules/lake-role.bicep' = if (fhir != 'none') {
  name: 'fhir-writes-${token}'
  scope: resourceGroup(lakePath[2], lakePath[4])
  dependsOn: [lakeAccess]
  params: {
    accountName: lakeName
    container: fhirOnContainerOnly ? containers.landing : ''
    principalId: fhirAccess!.outputs.principalId
    role: roles.blobContributor
  }
}

// Not where all servers are of dialect bulk: the app itself writes their files.
module events 'modules/events.bicep' = if (fhir != 'none') {
  name: 'events'
  scope: group
  params: {
    token: token
    lakeSubscription: lakePath[2]
    lakeGroup: lakePath[4]
    lakeName: lakeName
    lakeLocation: isNewLake ? location : lakeLocation
    lakeId: lakeAccess.outputs.id
    topicName: empty(eventTopicName) ? '${prefix}-lake' : eventTopicName
    namespaceName: bus.outputs.name
    queueId: bus.outputs.blobEventsId
  }
}

module engine 'modules/warehouse.bicep' = {
  name: 'warehouse'
  scope: group
  params: {
    token: token
    location: location
    engine: warehouse
    existingHost: warehouseHost
    existingSqlServerId: sqlServerId
    existingSynapseId: synapseWorkspaceId
    newSynapseName: prefix
    newSqlServerName: '${prefix}-sql'
    databaseName: databaseName
    dedicatedSku: dedicatedSku
    serverlessSnapshots: serverlessSnapshots
    sqlVCores: sqlVCores
    sqlAutoPauseMinutes: sqlAutoPauseMinutes
    adminObjectId: adminObjectId
    adminName: adminName
    adminType: adminType
    operatorIpAddress: operatorIpAddress
    isPrivate: isPrivate
    lakeSubscription: lakePath[2]
    lakeGroup: lakePath[4]
    lakeName: lakeName
    lakeId: lakeAccess.outputs.id
    homeContainer: homeContainer
    appClientId: identity.outputs.clientId
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    location: location
    prefix: prefix
    appPrincipalId: identity.outputs.principalId
    isPrivate: isPrivate
    retentionDays: logRetentionDays
    dailyQuotaGb: logDailyQuotaGb
    namespaceName: bus.outputs.name
  }
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    location: location
    prefix: prefix
    email: operatorEmail
    actionGroupId: actionGroupId
    logsId: monitoring.outputs.logsId
    namespaceId: bus.outputs.id
    topicId: fhir == 'none' ? '' : events!.outputs.topicId
    hasTopic: fhir != 'none'
    noExportWindow: noExportWindow
    unfinishedHours: unfinishedHours
    lagHours: lagHours
  }
}

module vault 'modules/vault.bicep' = if (keyVault) {
  name: 'vault'
  scope: group
  params: {
    location: location
    name: 'fs${token}vault'
    appPrincipalId: identity.outputs.principalId
    isPrivate: isPrivate
  }
}

module vnet 'modules/network.bicep' = if (isPrivate && empty(appSubnetId)) {
  name: 'network'
  scope: group
  params: { location: location, prefix: prefix, addressPrefix: vnetAddressPrefix, natGateway: natGateway }
}

module links 'modules/private-links.bicep' = if (isPrivate) {
  name: 'private-links'
  scope: group
  params: {
    location: location
    prefix: prefix
    subnetId: empty(appSubnetId) ? vnet!.outputs.endpointSubnetId : givenSubnetId
    createDnsZones: privateDnsZones
    hostStorageId: host.outputs.id
    lakeId: lakeAccess.outputs.id
    serviceBusId: bus.outputs.id
    telemetryScopeId: monitoring.outputs.scopeId
    healthWorkspaceId: fhir == 'none' ? '' : fhirAccess!.outputs.workspaceId
    synapseId: engine.outputs.synapseId
    sqlServerId: engine.outputs.sqlServerId
    vaultId: keyVault ? vault!.outputs.id : ''
  }
}

module app 'modules/function-app.bicep' = {
  name: 'function-app'
  scope: group
  // The host reaches its storage from its first second on.
  dependsOn: [links]
  params: {
    location: location
    name: appName
    identityId: identity.outputs.id
    clientId: identity.outputs.clientId
    packageUrl: host.outputs.packageUrl
    subnetId: !isPrivate ? '' : empty(appSubnetId) ? vnet!.outputs.appSubnetId : appSubnetId
    isPublic: !isPrivate || appEndpoint == 'public'
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    hostStorageName: host.outputs.name
    serviceBusHost: bus.outputs.host
    lakeBlobUrl: lakeAccess.outputs.blobUrl
    insightsConnection: monitoring.outputs.connectionString
    concurrentCalls: concurrentCalls
    settings: union(
      {
        Warehouse: engine.outputs.address
        WarehouseStatements: string(warehouseStatements)
        ExportsFile: exportsFile
        ExportSchedule: exportSchedule
        StepsQueue: queues.steps
        BlobEventsQueue: queues.blobEvents
        LandingContainer: containers.landing
        StagingContainer: containers.staging
        PublishedContainer: containers.published
        QuarantineContainer: containers.quarantine
        JournalContainer: containers.journal
      },
      fhir == 'none' ? {} : { FHIR_URL: fhirAccess!.outputs.url },
      moreSettings
    )
  }
}

module appLink 'modules/endpoints.bicep' = if (isPrivate && appEndpoint == 'private') {
  name: 'endpoints-app'
  scope: group
  params: {
    location: location
    prefix: prefix
    subnetId: empty(appSubnetId) ? vnet!.outputs.endpointSubnetId : givenSubnetId
    createDnsZones: privateDnsZones
    wanted: [
      { name: 'app', resourceId: app.outputs.id, group: 'sites', zones: ['privatelink.azurewebsites.net'] }
    ]
  }
}

module github 'modules/github.bicep' = if (!empty(githubRepository)) {
  name: 'github'
  scope: group
  params: {
    location: location
    name: '${prefix}-github'
    repository: githubRepository
    environmentName: githubEnvironment
    appName: app.outputs.name
    planName: app.outputs.planName
  }
}

// What the next steps of docs/azure.md need. None is a secret.
output AZURE_RESOURCE_GROUP string = group.name
output SERVICE_APP_NAME string = app.outputs.name
output APP_IDENTITY_NAME string = identity.outputs.name
output APP_CLIENT_ID string = identity.outputs.clientId
output FHIR_URL string = fhir == 'none' ? '' : fhirAccess!.outputs.url
output LAKE_URL string = lakeAccess.outputs.blobUrl
output PUBLISHED_URL string = 'https://${lakeName}.dfs.${environment().suffixes.storage}/${containers.published}'
output SQL_ENGINE string = warehouse
output SQL_HOST string = engine.outputs.host
output SQL_DATABASE string = databaseName
output GITHUB_CLIENT_ID string = empty(githubRepository) ? '' : github!.outputs.clientId
