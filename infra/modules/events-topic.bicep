// The Event Grid system topic of the lake. Its identity delivers the events, so it
// exists before its roles, and those before the subscription.
@description('Region of the account: a system topic is where its source is.')
param location string
param accountName string
@description('Name of the topic. Azure allows one system topic for each account: give the name of the one that exists.')
param name string

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: accountName
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: name
  location: location
  identity: { type: 'SystemAssigned' }
  properties: {
    source: account.id
    topicType: 'Microsoft.Storage.StorageAccounts'
  }
}

output id string = topic.id
output name string = topic.name
output principalId string = topic.identity.principalId
