// A new VNet with a subnet for the app and one for private endpoints.
param location string
param prefix string
param addressPrefix string
@description('True: the app reaches public addresses through a NAT gateway, which costs by the hour. False: by Azure\'s default outbound access.')
param natGateway bool

resource ip 'Microsoft.Network/publicIPAddresses@2025-09-01' = if (natGateway) {
  name: '${prefix}-nat-ip'
  location: location
  sku: { name: 'Standard' }
  properties: { publicIPAllocationMethod: 'Static' }
}

resource nat 'Microsoft.Network/natGateways@2025-09-01' = if (natGateway) {
  name: '${prefix}-nat'
  location: location
  sku: { name: 'Standard' }
  properties: { publicIpAddresses: [{ id: ip.id }] }
}

resource rules 'Microsoft.Network/networkSecurityGroups@2025-09-01' = {
  name: '${prefix}-nsg'
  location: location
  // The default rules: nothing from the internet, everything inside the VNet.
  properties: { securityRules: [] }
}

resource vnet 'Microsoft.Network/virtualNetworks@2025-09-01' = {
  name: '${prefix}-vnet'
  location: location
  properties: {
    addressSpace: { addressPrefixes: [addressPrefix] }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 24, 0)
          // Flex Consumption; not shared with Container Apps.
          delegations: [{ name: 'app', properties: { serviceName: 'Microsoft.App/environments' } }]
          networkSecurityGroup: { id: rules.id }
          natGateway: natGateway ? { id: nat.id } : null
          defaultOutboundAccess: !natGateway
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 24, 1)
          privateEndpointNetworkPolicies: 'Enabled'
          networkSecurityGroup: { id: rules.id }
          defaultOutboundAccess: false
        }
      }
    ]
  }
}

output appSubnetId string = '${vnet.id}/subnets/app'
output endpointSubnetId string = '${vnet.id}/subnets/endpoints'
