// A Fabric capacity, which main.bicep does not make: the warehouse in it can be made
// by Fabric alone. See docs/azure.md.
param location string = resourceGroup().location
@description('Small letters and digits.')
@minLength(3)
@maxLength(63)
param name string
@description('User principal names, or object ids of service principals.')
@minLength(1)
param admins string[]
@allowed(['F2', 'F4', 'F8', 'F16', 'F32', 'F64'])
param sku string = 'F2'

resource capacity 'Microsoft.Fabric/capacities@2023-11-01' = {
  name: name
  location: location
  sku: { name: sku, tier: 'Fabric' }
  properties: { administration: { members: admins } }
}

output name string = capacity.name
