// Alert rules, and whom they tell.
import { queues } from 'names.bicep'

param location string
param prefix string
@description('Empty: the alerts show in the portal alone.')
param email string
@description('Resource id of an action group that is told too; empty: none.')
param actionGroupId string
param logsId string
param namespaceId string
@description('False where no server sends events.')
param hasTopic bool
param topicId string
@description('An alert comes when no export has been loaded for so long. Choose more than the longest pause between two exports.')
@allowed(['PT6H', 'P1D', 'P2D'])
param noExportWindow string
@description('An alert comes when an export has not ended for so many hours.')
param unfinishedHours int
@description('An alert comes when what a plan has loaded is so many hours old.')
param lagHours int

resource operators 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: '${prefix}-operators'
  location: 'global'
  properties: {
    groupShortName: 'fhirsynapse'
    enabled: true
    emailReceivers: empty(email) ? [] : [{ name: 'operator', emailAddress: email, useCommonAlertSchema: true }]
  }
}

var told = concat([operators.id], empty(actionGroupId) ? [] : [actionGroupId])
var metricTold = map(told, id => { actionGroupId: id })

resource deadLetters 'Microsoft.Insights/metricAlerts@2026-01-01' = {
  name: '${prefix}-dead-letters'
  location: 'global'
  properties: {
    description: 'A message is dead: its failure could not be recorded. See docs/operations.md#why-are-there-dead-letters.'
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
    actions: metricTold
  }
}

resource undelivered 'Microsoft.Insights/metricAlerts@2026-01-01' = if (hasTopic) {
  name: '${prefix}-undelivered-events'
  location: 'global'
  properties: {
    description: 'Event Grid could not deliver events of the lake. Exports still load, later. See docs/operations.md#why-does-an-export-not-end.'
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
    actions: metricTold
  }
}

// The lines of the app are JSON in the column Message. Each rule names the section of
// docs/operations.md that says what to do.
var docs = 'See docs/operations.md'

// The values of the plans that are not paused, from the newest tick that the window has.
var ticks = 'union isfuzzy=true AppTraces | where Message contains \'"msg":"plan at a tick"\' | extend line = parse_json(Message) | extend plan = tostring(line.plan) | summarize arg_max(TimeGenerated, line) by plan'

var rules = [
  {
    name: 'errors'
    title: 'fhirsynapse reports an error'
    description: 'The log has a line of level ERROR that is not about a failed export. ${docs}#what-do-the-log-lines-mean.'
    query: 'union isfuzzy=true AppTraces | where Message contains \'"level":"ERROR"\' and Message !contains \'"msg":"step \' and Message !contains \'"msg":"export failed"\''
    every: 'PT5M'
    window: 'PT15M'
    severity: 2
    fewerThan: 0
  }
  {
    name: 'export-failed'
    title: 'an export of fhirsynapse has failed'
    description: 'An export ended as failed. The next one covers its window. ${docs}#what-do-i-do-about-a-failed-export.'
    query: 'union isfuzzy=true AppTraces | where Message contains \'"msg":"export failed"\''
    every: 'PT5M'
    window: 'PT15M'
    severity: 1
    fewerThan: 0
  }
  {
    name: 'export-unfinished'
    title: 'an export of fhirsynapse does not end'
    description: 'An export was requested more than ${unfinishedHours} hours ago and has not ended. ${docs}#why-does-an-export-not-end.'
    query: '${ticks} | where todouble(line.unfinishedSeconds) > ${unfinishedHours} * 3600'
    every: 'PT1H'
    window: 'PT1H'
    severity: 2
    fewerThan: 0
  }
  {
    name: 'lag'
    title: 'tables of fhirsynapse are late'
    description: 'A plan that is not paused has loaded nothing newer than ${lagHours} hours. ${docs}#is-it-well.'
    query: '${ticks} | where tobool(line.paused) != true and todouble(line.lagSeconds) > ${lagHours} * 3600'
    every: 'PT1H'
    window: 'PT1H'
    severity: 2
    fewerThan: 0
  }
  {
    name: 'quarantined'
    title: 'fhirsynapse has put lines into quarantine'
    description: 'An export ended with lines in quarantine: the rest is loaded. ${docs}#how-do-i-mend-quarantined-lines.'
    query: 'union isfuzzy=true AppTraces | where Message contains \'"msg":"export loaded"\' or Message contains \'"msg":"export incomplete"\' | extend line = parse_json(Message) | where tolong(line.quarantined) > 0'
    every: 'PT15M'
    window: 'PT15M'
    severity: 3
    fewerThan: 0
  }
  {
    name: 'no-tick'
    title: 'the timer of fhirsynapse does not run'
    description: 'No tick ended in an hour: no export begins, and none that is stuck goes on. ${docs}#why-does-no-tick-come.'
    query: 'union isfuzzy=true AppTraces | where Message contains \'"msg":"invocation"\' and Message contains \'"function":"TimerExport"\' | count'
    every: 'PT15M'
    window: 'PT1H'
    severity: 1
    fewerThan: 1
  }
  {
    name: 'no-export'
    title: 'fhirsynapse has loaded no export'
    description: 'No export was loaded in the time that the rule looks at. ${docs}#which-exports-ran-and-why-did-one-fail.'
    query: 'union isfuzzy=true AppTraces | where Message contains \'"msg":"export loaded"\' or Message contains \'"msg":"export incomplete"\' | count'
    every: 'PT1H'
    window: noExportWindow
    severity: 2
    fewerThan: 1
  }
]

// fewerThan 0: any row alerts. Else the query counts, and too few lines alert.
resource logRules 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [
  for rule in rules: {
    name: '${prefix}-${rule.name}'
    location: location
    kind: 'LogAlert'
    properties: {
      displayName: rule.title
      description: rule.description
      severity: rule.severity
      enabled: true
      scopes: [logsId]
      targetResourceTypes: ['Microsoft.OperationalInsights/workspaces']
      evaluationFrequency: rule.every
      windowSize: rule.window
      // The table appears with its first row.
      skipQueryValidation: true
      criteria: {
        allOf: [
          union(
            {
              query: rule.query
              failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
            },
            rule.fewerThan > 0
              ? {
                  metricMeasureColumn: 'Count'
                  timeAggregation: 'Total'
                  operator: 'LessThan'
                  threshold: rule.fewerThan
                }
              : { timeAggregation: 'Count', operator: 'GreaterThan', threshold: 0 }
          )
        ]
      }
      autoMitigate: true
      actions: { actionGroups: told }
    }
  }
]
