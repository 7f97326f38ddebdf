// What the deployment reads of a Synapse workspace that exists. Nothing is changed.
param name string

resource workspace 'Microsoft.Synapse/workspaces@2021-06-01' existing = {
  name: name
}

output principalId string = workspace.identity.principalId
output id string = workspace.id
