// Alert rules, and whom they tell.
import { queues } from 'names.bicep'

param location string
param prefix string
@description('Empty: the alerts show in the portal alone.')
param email string
param logsId string
param namespaceId string
@description('False where no server sends events.')
param hasTopic bool
param topicId string
@description('An alert comes when no export has been loaded for so long. Choose more than the longest pause between two exports.')
@allowed(['PT6H', 'P1D', 'P2D'])
param noExportWindow string

resource operators 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: '${prefix}-operators'
  location: 'global'
  properties: {
    groupShortName: 'fhirsynapse'
    enabled: true
    emailReceivers: empty(email) ? [] : [{ name: 'operator', emailAddress: email, useCommonAlertSchema: true }]
  }
}

resource deadLetters 'Microsoft.Insights/metricAlerts@2026-01-01' = {
  name: '${prefix}-dead-letters'
  location: 'global'
  properties: {
    description: 'A message is dead: its failure could not be recorded. See docs/operations.md.'
    severity: 2
    enabled: true
    scopes: [namespaceId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT5M'
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'dead'
          metricNamespace: 'Microsoft.ServiceBus/namespaces'
          metricName: 'DeadletteredMessages'
          dimensions: [{ name: 'EntityName', operator: 'Include', values: [queues.steps, queues.blobEvents] }]
          operator: 'GreaterThan'
          threshold: 0
          timeAggregation: 'Maximum'
        }
      ]
    }
    actions: [{ actionGroupId: operators.id }]
  }
}

resource undelivered 'Microsoft.Insights/metricAlerts@2026-01-01' = if (hasTopic) {
  name: '${prefix}-undelivered-events'
  location: 'global'
  properties: {
    description: 'Event Grid could not deliver events of the lake. Exports still load, later: see docs/operations.md.'
    severity: 3
    enabled: true
    #disable-next-line use-resource-id-functions // the topic may be in the group of the lake
    scopes: [topicId]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT1H'
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'undelivered'
          metricNamespace: 'Microsoft.EventGrid/systemTopics'
          metricName: 'DeadLetteredCount'
          operator: 'GreaterThan'
          threshold: 0
          timeAggregation: 'Total'
        }
      ]
    }
    actions: [{ actionGroupId: operators.id }]
  }
}

// The lines of the app are JSON in the column Message.
resource errors 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = {
  name: '${prefix}-errors'
  location: location
  kind: 'LogAlert'
  properties: {
    displayName: 'fhirsynapse reports an error'
    description: 'The log has a line of level ERROR. "fhirsynapse exports" says which export has failed and what to do.'
    severity: 2
    enabled: true
    scopes: [logsId]
    targetResourceTypes: ['Microsoft.OperationalInsights/workspaces']
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    // The table appears with its first row.
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: 'union isfuzzy=true AppTraces | where Message contains \'"level":"ERROR"\''
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    autoMitigate: true
    actions: { actionGroups: [operators.id] }
  }
}

resource noExport 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = {
  name: '${prefix}-no-export'
  location: location
  kind: 'LogAlert'
  properties: {
    displayName: 'fhirsynapse has loaded no export'
    description: 'No export was loaded in the time that the rule looks at.'
    severity: 2
    enabled: true
    scopes: [logsId]
    targetResourceTypes: ['Microsoft.OperationalInsights/workspaces']
    evaluationFrequency: 'PT1H'
    windowSize: noExportWindow
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: 'union isfuzzy=true AppTraces | where Message contains \'"msg":"export loaded"\' or Message contains \'"msg":"export incomplete"\' | count'
          metricMeasureColumn: 'Count'
          timeAggregation: 'Total'
          operator: 'LessThan'
          threshold: 1
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    autoMitigate: true
    actions: { actionGroups: [operators.id] }
  }
}
