// Names and role ids that several modules share. Container and queue names are the
// defaults of the settings in docs/configuration.md.

@export()
var containers = {
  landing: 'fhir-landing'
  staging: 'fhir-staging'
  published: 'fhir-published'
  quarantine: 'fhir-quarantine'
  journal: 'fhir-journal'
  undelivered: 'eventgrid-deadletter'
}

@export()
var queues = {
  steps: 'export-steps'
  blobEvents: 'blob-events'
}

// Built-in roles. docs/security.md says who has which, and why.
@export()
var roles = {
  blobOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  blobContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  blobReader: '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
  storageQueueContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  storageTableContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
  busOwner: '090c5cfd-751d-490a-894a-3ce6f1109419'
  busReceiver: '4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0'
  busSender: '69a216fc-b8fb-44d8-bc22-1f3c2cd27a39'
  metricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb'
  fhirExporter: '3db33094-8700-4567-8da5-1501d4e7e843'
  vaultSecretsUser: '4633458b-17de-408a-b874-0445c86b69e6'
  websiteContributor: 'de139f84-1756-47ae-9be6-808fbbe84772'
  reader: 'acdd72a7-3385-48ef-bd42-f606fba81ae7'
}

@export()
@description('One private endpoint: the resource, its sub-resource and the DNS zones of its names.')
type privateEndpoint = {
  name: string
  resourceId: string
  group: string
  zones: string[]
}
