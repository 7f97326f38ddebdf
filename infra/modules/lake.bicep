// A new lake: a storage account with a hierarchical namespace, its firewall and its
// lifecycle rules. lake-access.bicep makes the containers.
import { containers } from 'names.bicep'

param location string
@minLength(3)
@maxLength(24)
param name string
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param sku string
@description('True closes the firewall: only private endpoints, trusted services and trustedInstances pass it.')
param isPrivate bool
@description('Services that pass the firewall by their identity. They may be created after the lake: the rule takes the id as text.')
param trustedInstances { tenantId: string, resourceId: string }[]
@description('Days until a staged file is deleted. The app removes prepared files itself; this rule takes what a killed process left.')
@minValue(7)
param stagingDays int
@description('Days until quarantined lines and undelivered events are deleted.')
@minValue(7)
param quarantineDays int
@description('Days until landing files move to the cool tier. They are never deleted: a rebuild reads all files since the last full export.')
@minValue(1)
param landingCoolAfterDays int
@description('Days for which a deleted blob or container can be brought back.')
@minValue(1)
@maxValue(365)
param softDeleteDays int

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
  location: location
  kind: 'StorageV2'
  sku: { name: sku }
  properties: {
    isHnsEnabled: true
    accessTier: 'Hot'
    isSftpEnabled: false
    isLocalUserEnabled: false
    isNfsV3Enabled: false
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowedCopyScope: 'AAD'
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    // Enabled with Deny, because Disabled would also shut out the trusted instances.
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      defaultAction: isPrivate ? 'Deny' : 'Allow'
      bypass: 'AzureServices'
      ipRules: []
      virtualNetworkRules: []
      resourceAccessRules: isPrivate ? trustedInstances : []
    }
  }

  resource blob 'blobServices' = {
    name: 'default'
    properties: {
      deleteRetentionPolicy: { enabled: true, days: softDeleteDays, allowPermanentDelete: false }
      containerDeleteRetentionPolicy: { enabled: true, days: softDeleteDays }
    }
  }

  resource lifecycle 'managementPolicies' = {
    name: 'default'
    // The policy is refused while the blob service is being written.
    dependsOn: [blob]
    properties: {
      policy: {
        // No rule for published and journal: both are in use for ever.
        rules: [
          {
            name: 'staging'
            type: 'Lifecycle'
            enabled: true
            definition: {
              filters: { blobTypes: ['blockBlob'], prefixMatch: ['${containers.staging}/'] }
              actions: { baseBlob: { delete: { daysAfterModificationGreaterThan: stagingDays } } }
            }
          }
          {
            name: 'quarantine'
            type: 'Lifecycle'
            enabled: true
            definition: {
              filters: {
                blobTypes: ['blockBlob']
                prefixMatch: ['${containers.quarantine}/', '${containers.undelivered}/']
              }
              actions: { baseBlob: { delete: { daysAfterModificationGreaterThan: quarantineDays } } }
            }
          }
          {
            name: 'landing'
            type: 'Lifecycle'
            enabled: true
            definition: {
              filters: { blobTypes: ['blockBlob'], prefixMatch: ['${containers.landing}/'] }
              actions: { baseBlob: { tierToCool: { daysAfterModificationGreaterThan: landingCoolAfterDays } } }
            }
          }
        ]
      }
    }
  }
}
