// Private endpoints, with the DNS zones that lead their names to them.
import { privateEndpoint } from 'names.bicep'

param location string
param prefix string
param subnetId string
param wanted privateEndpoint[]
@description('False where somebody else looks after the private DNS zones, for example a policy of the organisation.')
param createDnsZones bool

var zones = createDnsZones ? union(flatten(map(wanted, e => e.zones)), []) : []

var vnetId = split(subnetId, '/subnets/')[0]

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for name in zones: {
    name: name
    location: 'global'
  }
]

resource link 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (name, i) in zones: {
    parent: zone[i]
    name: '${prefix}-link'
    location: 'global'
    properties: {
      registrationEnabled: false
      #disable-next-line use-resource-id-functions // cut from the id of the subnet
      virtualNetwork: { id: vnetId }
    }
  }
]

resource endpoint 'Microsoft.Network/privateEndpoints@2025-09-01' = [
  for e in wanted: {
    name: '${prefix}-${e.name}'
    location: location
    properties: {
      subnet: { id: subnetId }
      privateLinkServiceConnections: [
        {
          name: e.name
          #disable-next-line use-resource-id-functions // the ids are parameters
          properties: { privateLinkServiceId: e.resourceId, groupIds: [e.group] }
        }
      ]
    }
  }
]

resource names 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-09-01' = [
  for (e, i) in wanted: if (createDnsZones) {
    parent: endpoint[i]
    name: 'default'
    // A name that is not linked yet would be looked up in public.
    dependsOn: [link]
    properties: {
      privateDnsZoneConfigs: [
        for name in e.zones: {
          name: replace(name, '.', '-')
          properties: { privateDnsZoneId: resourceId('Microsoft.Network/privateDnsZones', name) }
        }
      ]
    }
  }
]
