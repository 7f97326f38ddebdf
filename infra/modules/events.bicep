// Events of the lake, delivered to the queue blob-events by the identity of the topic:
// topic, its roles, subscription, in this order.
import { containers, queues, roles } from 'names.bicep'

@description('Distinguishes the deployments of this installation in the group of the lake.')
param token string
param lakeSubscription string
param lakeGroup string
param lakeName string
param lakeLocation string
param lakeId string
param topicName string
param namespaceName string
param queueId string

module topic 'events-topic.bicep' = {
  name: 'events-topic-${token}'
  scope: resourceGroup(lakeSubscription, lakeGroup)
  params: { location: lakeLocation, accountName: lakeName, name: topicName }
}

module sends 'queue-role.bicep' = {
  name: 'events-send'
  params: {
    namespaceName: namespaceName
    queueName: queues.blobEvents
    principalId: topic.outputs.principalId
    role: roles.busSender
  }
}

module writes 'lake-role.bicep' = {
  name: 'events-write-${token}'
  scope: resourceGroup(lakeSubscription, lakeGroup)
  params: {
    accountName: lakeName
    container: containers.undelivered
    principalId: topic.outputs.principalId
    role: roles.blobContributor
  }
}

module subscription 'events-subscription.bicep' = {
  name: 'events-subscription-${token}'
  scope: resourceGroup(lakeSubscription, lakeGroup)
  // Event Grid checks the destinations at once, which needs the roles.
  dependsOn: [sends, writes]
  params: { topicName: topic.outputs.name, accountId: lakeId, queueId: queueId }
}

output topicId string = topic.outputs.id
