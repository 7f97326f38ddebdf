// A new Azure SQL database, serverless, with Entra sign-in only.
param location string
param serverName string
param databaseName string
param adminObjectId string
param adminName string
@allowed(['Application', 'Group', 'User'])
param adminType string
@description('True closes the public endpoint.')
param isPrivate bool
@description('Public address of the administrator, for the SQL set-up; empty: no rule.')
param operatorIpAddress string
@minValue(1)
param vCores int
@description('Minutes without a session until the database pauses; -1 never.')
param autoPauseMinutes int

resource server 'Microsoft.Sql/servers@2025-01-01' = {
  name: serverName
  location: location
  identity: { type: 'SystemAssigned' }
  properties: {
    minimalTlsVersion: '1.2'
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    // At creation: then the server has no SQL login and no password.
    administrators: {
      administratorType: 'ActiveDirectory'
      principalType: adminType
      login: adminName
      sid: adminObjectId
      tenantId: tenant().tenantId
      azureADOnlyAuthentication: true
    }
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

  resource database 'databases' = {
    name: databaseName
    location: location
    sku: { name: 'GP_S_Gen5', tier: 'GeneralPurpose', family: 'Gen5', capacity: vCores }
    properties: {
      collation: 'SQL_Latin1_General_CP1_CI_AS'
      autoPauseDelay: autoPauseMinutes
      minCapacity: json('0.5')
      maxSizeBytes: 274877906944
      requestedBackupStorageRedundancy: 'Local'
      zoneRedundant: false
    }
  }
}

output id string = server.id
