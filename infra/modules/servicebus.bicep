// The Service Bus namespace with the two queues, and the app's roles in it.
import { queues, roles } from 'names.bicep'

param location string
@minLength(6)
@maxLength(50)
param name string
@description('True makes the namespace Premium without a public endpoint. Standard has no private endpoint.')
param isPrivate bool
param appPrincipalId string
@description('True: Data Owner on the namespace, which lets the platform scale by the length of the queues. False: Sender and Receiver on the queues.')
param exactScaling bool

resource namespace 'Microsoft.ServiceBus/namespaces@2026-01-01' = {
  name: name
  location: location
  sku: isPrivate ? { name: 'Premium', tier: 'Premium', capacity: 1 } : { name: 'Standard', tier: 'Standard' }
  properties: {
    disableLocalAuth: true
    minimumTlsVersion: '1.2'
    // Disabled on Standard would shut out everybody.
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    premiumMessagingPartitions: isPrivate ? 1 : null
  }

  resource network 'networkRuleSets' = if (isPrivate) {
    name: 'default'
    properties: {
      publicNetworkAccess: 'Disabled'
      defaultAction: 'Deny'
      // Event Grid delivers over public addresses as a trusted service.
      trustedServiceAccessEnabled: true
      ipRules: []
      virtualNetworkRules: []
    }
  }

  resource steps 'queues' = {
    name: queues.steps
    properties: {
      lockDuration: 'PT5M'
      maxDeliveryCount: 100
      // Only at creation. The pipeline relies on at least an hour.
      requiresDuplicateDetection: true
      duplicateDetectionHistoryTimeWindow: 'PT1H'
      requiresSession: false
      deadLetteringOnMessageExpiration: true
      defaultMessageTimeToLive: 'P14D'
      enablePartitioning: false
      maxSizeInMegabytes: 1024
    }
  }

  resource blobEvents 'queues' = {
    name: queues.blobEvents
    properties: {
      lockDuration: 'PT5M'
      maxDeliveryCount: 100
      requiresDuplicateDetection: true
      // Event Grid repeats an event under the same id for as long as it tries: a day.
      duplicateDetectionHistoryTimeWindow: 'P1D'
      requiresSession: false
      // An event is a hint: an old one is of no use.
      deadLetteringOnMessageExpiration: false
      defaultMessageTimeToLive: 'P7D'
      enablePartitioning: false
      maxSizeInMegabytes: 1024
    }
  }
}

resource owns 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (exactScaling) {
  name: guid(namespace.id, appPrincipalId, roles.busOwner)
  scope: namespace
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.busOwner)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource usesSteps 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in [roles.busSender, roles.busReceiver]: if (!exactScaling) {
    name: guid(namespace::steps.id, appPrincipalId, role)
    scope: namespace::steps
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
    }
  }
]

resource receivesEvents 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!exactScaling) {
  name: guid(namespace::blobEvents.id, appPrincipalId, roles.busReceiver)
  scope: namespace::blobEvents
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.busReceiver)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}

output id string = namespace.id
output name string = namespace.name
output host string = '${namespace.name}.servicebus.windows.net'
output blobEventsId string = namespace::blobEvents.id
