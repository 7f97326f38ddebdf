// A new Synapse workspace with Entra sign-in only. The serverless pool comes with it;
// a dedicated pool is made where the warehouse is one.
param location string
@maxLength(50)
param name string
@description('Storage account and container that the workspace calls its own; it needs one.')
param homeAccountId string
param homeAccountName string
param homeContainer string
param adminObjectId string
param adminName string
@description('Empty: no dedicated pool. It costs from its creation until it is paused.')
param dedicatedPool string
@allowed(['DW100c', 'DW200c', 'DW300c', 'DW400c', 'DW500c', 'DW1000c'])
param dedicatedSku string
@description('True closes the public endpoint.')
param isPrivate bool
@description('Public address of the administrator, for the SQL set-up; empty: no rule.')
param operatorIpAddress string

resource workspace 'Microsoft.Synapse/workspaces@2021-06-01' = {
  name: name
  location: location
  identity: { type: 'SystemAssigned' }
  properties: {
    defaultDataLakeStorage: {
      resourceId: homeAccountId
      accountUrl: 'https://${homeAccountName}.dfs.${environment().suffixes.storage}'
      filesystem: homeContainer
      createManagedPrivateEndpoint: false
    }
    managedVirtualNetwork: 'default'
    managedVirtualNetworkSettings: {
      preventDataExfiltration: false
      allowedAadTenantIdsForLinking: []
    }
    azureADOnlyAuthentication: true
    cspWorkspaceAdminProperties: { initialWorkspaceAdminObjectId: adminObjectId }
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    trustedServiceBypassEnabled: false
  }

  resource admin 'administrators' = {
    name: 'activeDirectory'
    properties: {
      administratorType: 'ActiveDirectory'
      login: adminName
      sid: adminObjectId
      tenantId: tenant().tenantId
    }
  }

  // Refused before there is an Entra administrator.
  resource entraOnly 'azureADOnlyAuthentications' = {
    name: 'default'
    dependsOn: [admin]
    properties: { azureADOnlyAuthentication: true }
  }

  // 0.0.0.0 admits every address of Azure, of all tenants; Entra sign-in still holds.
  resource azure 'firewallRules' = if (!isPrivate) {
    name: 'AllowAllWindowsAzureIps'
    properties: { startIpAddress: '0.0.0.0', endIpAddress: '0.0.0.0' }
  }

  resource operator 'firewallRules' = if (!isPrivate && !empty(operatorIpAddress)) {
    name: 'operator'
    properties: { startIpAddress: operatorIpAddress, endIpAddress: operatorIpAddress }
  }

  resource tls 'dedicatedSQLminimalTlsSettings' = {
    name: 'default'
    properties: { minimalTlsVersion: '1.2' }
  }
}

resource pool 'Microsoft.Synapse/workspaces/sqlPools@2021-06-01' = if (!empty(dedicatedPool)) {
  parent: workspace
  name: empty(dedicatedPool) ? 'none' : dedicatedPool
  location: location
  sku: { name: dedicatedSku }
  properties: {
    createMode: 'Default'
    collation: 'SQL_Latin1_General_CP1_CI_AS'
    storageAccountType: 'LRS'
  }

  resource encryption 'transparentDataEncryption' = {
    name: 'current'
    properties: { status: 'Enabled' }
  }
}

output principalId string = workspace.identity.principalId
output id string = workspace.id
