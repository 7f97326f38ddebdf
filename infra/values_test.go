package infra_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// values lists the values that the published schemas allow for a property. The compiler accepts any
// text for most of them.
var values = []struct {
	kind, path string
	allowed    []any
}{
	{"Storage/storageAccounts", "kind", []any{"StorageV2"}},
	{
		"Storage/storageAccounts", "sku.name",
		[]any{"Standard_LRS", "Standard_ZRS", "Standard_GRS", "Standard_GZRS"},
	},
	{"Storage/storageAccounts", "properties.minimumTlsVersion", []any{"TLS1_2"}},
	{"Storage/storageAccounts", "properties.publicNetworkAccess", []any{"Enabled", "Disabled"}},
	{"Storage/storageAccounts", "properties.networkAcls.defaultAction", []any{"Allow", "Deny"}},
	{"Storage/storageAccounts", "properties.networkAcls.bypass", []any{"AzureServices", "None"}},
	{"Storage/storageAccounts", "properties.accessTier", []any{nil, "Hot"}},
	{"Storage/storageAccounts", "properties.allowedCopyScope", []any{nil, "AAD"}},
	{"Storage/storageAccounts/blobServices/containers", "properties.publicAccess", []any{"None"}},
	{"ServiceBus/namespaces", "sku.name", []any{"Standard", "Premium"}},
	{"ServiceBus/namespaces", "sku.tier", []any{"Standard", "Premium"}},
	{"ServiceBus/namespaces", "properties.minimumTlsVersion", []any{"1.2"}},
	{"ServiceBus/namespaces", "properties.publicNetworkAccess", []any{"Enabled", "Disabled"}},
	{"ServiceBus/namespaces/networkRuleSets", "properties.defaultAction", []any{"Deny"}},
	{"EventGrid/systemTopics", "identity.type", []any{"SystemAssigned"}},
	{"EventGrid/systemTopics", "properties.topicType", []any{"Microsoft.Storage.StorageAccounts"}},
	{
		"EventGrid/systemTopics/eventSubscriptions",
		"properties.deliveryWithResourceIdentity.destination.endpointType",
		[]any{"ServiceBusQueue"},
	},
	{
		"EventGrid/systemTopics/eventSubscriptions",
		"properties.deadLetterWithResourceIdentity.deadLetterDestination.endpointType",
		[]any{"StorageBlob"},
	},
	{"HealthcareApis/workspaces/fhirservices", "kind", []any{"fhir-R4"}},
	{"HealthcareApis/workspaces/fhirservices", "identity.type", []any{"SystemAssigned"}},
	{
		"HealthcareApis/workspaces/fhirservices",
		"properties.resourceVersionPolicyConfiguration.default",
		[]any{"versioned"},
	},
	{"Web/serverfarms", "kind", []any{"functionapp"}},
	{"Web/serverfarms", "sku.name", []any{"FC1"}},
	{"Web/serverfarms", "sku.tier", []any{"FlexConsumption"}},
	{"Web/serverfarms", "properties.reserved", []any{true}},
	{"Web/sites", "kind", []any{"functionapp,linux"}},
	{"Web/sites", "identity.type", []any{"UserAssigned"}},
	{"Web/sites", "properties.publicNetworkAccess", []any{"Enabled", "Disabled"}},
	{"Web/sites", "properties.siteConfig.minTlsVersion", []any{"1.2"}},
	{"Web/sites", "properties.functionAppConfig.deployment.storage.type", []any{"blobContainer"}},
	{
		"Web/sites", "properties.functionAppConfig.deployment.storage.authentication.type",
		[]any{"UserAssignedIdentity"},
	},
	{
		"Web/sites", "properties.functionAppConfig.scaleAndConcurrency.instanceMemoryMB",
		[]any{512.0, 2048.0, 4096.0},
	},
	{"Sql/servers", "properties.administrators.administratorType", []any{"ActiveDirectory"}},
	{
		"Sql/servers", "properties.administrators.principalType",
		[]any{"User", "Group", "Application"},
	},
	{"Sql/servers", "properties.minimalTlsVersion", []any{"1.2"}},
	{"Sql/servers/databases", "sku.name", []any{"GP_S_Gen5"}},
	{"Sql/servers/databases", "sku.tier", []any{"GeneralPurpose"}},
	{"Sql/servers/databases", "properties.minCapacity", []any{0.5}},
	{"Sql/servers/databases", "properties.requestedBackupStorageRedundancy", []any{"Local"}},
	{"Synapse/workspaces", "properties.managedVirtualNetwork", []any{"default"}},
	{"Synapse/workspaces", "properties.publicNetworkAccess", []any{"Enabled", "Disabled"}},
	{"Synapse/workspaces/administrators", "properties.administratorType", []any{"ActiveDirectory"}},
	{"Synapse/workspaces/sqlPools", "sku.name", []any{"DW100c"}},
	{"Synapse/workspaces/sqlPools", "properties.createMode", []any{"Default"}},
	{"Synapse/workspaces/sqlPools", "properties.storageAccountType", []any{"LRS"}},
	{
		"Synapse/workspaces/sqlPools/transparentDataEncryption", "properties.status",
		[]any{"Enabled"},
	},
	{"OperationalInsights/workspaces", "properties.sku.name", []any{"PerGB2018"}},
	{"Insights/components", "kind", []any{"web"}},
	{"Insights/components", "properties.IngestionMode", []any{"LogAnalytics"}},
	{"Insights/metricAlerts", "location", []any{"global"}},
	{
		"Insights/metricAlerts", "properties.criteria.odata\\.type",
		[]any{"Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria"},
	},
	{"Insights/metricAlerts", "properties.evaluationFrequency", []any{"PT5M", "PT15M"}},
	{"Insights/metricAlerts", "properties.windowSize", []any{"PT5M", "PT1H"}},
	{"Insights/scheduledQueryRules", "kind", []any{"LogAlert"}},
	{"Insights/scheduledQueryRules", "properties.evaluationFrequency", []any{"PT5M", "PT15M", "PT1H"}},
	{
		"Insights/scheduledQueryRules", "properties.windowSize",
		[]any{"PT15M", "PT1H", "PT6H", "P1D", "P2D"},
	},
	{"Insights/actionGroups", "location", []any{"global"}},
	{"Network/privateDnsZones", "location", []any{"global"}},
	{"Network/publicIPAddresses", "sku.name", []any{"Standard"}},
	{"Network/publicIPAddresses", "properties.publicIPAllocationMethod", []any{"Static"}},
	{"Network/natGateways", "sku.name", []any{"Standard"}},
	{"KeyVault/vaults", "properties.sku.name", []any{"standard"}},
	{"KeyVault/vaults", "properties.sku.family", []any{"A"}},
	{
		"Authorization/roleAssignments", "properties.principalType",
		[]any{"ServicePrincipal", "User"},
	},
	{"Authorization/roleDefinitions", "properties.type", []any{"CustomRole"}},
}

func TestValuesAreThoseOfTheSchemas(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for name, d := range everyScenario(t) {
		for _, v := range values {
			path := strings.Split(strings.ReplaceAll(v.path, `\.`, "\x00"), ".")
			for i := range path {
				path[i] = strings.ReplaceAll(path[i], "\x00", ".")
			}
			for _, r := range d.all("Microsoft." + v.kind) {
				seen[v.kind] = true
				if got := r.at(path...); !slices.Contains(v.allowed, got) {
					t.Errorf("%s: %s %s: %s is %v, want one of %v", name, v.kind, r.Name, v.path,
						got, v.allowed)
				}
			}
		}
	}
	for _, v := range values {
		if !seen[v.kind] {
			t.Errorf("no scenario makes a %s", v.kind)
		}
	}
}

func TestAlerts(t *testing.T) {
	t.Parallel()
	d := deployed(t, nil)
	for end, want := range map[string]string{
		"-errors":            `"level":"ERROR"`,
		"-no-export":         `"msg":"export loaded"`,
		"-export-failed":     `"msg":"export failed"`,
		"-export-unfinished": `todouble(line.unfinishedSeconds) > 24 * 3600`,
		"-lag":               `todouble(line.lagSeconds) > 48 * 3600`,
		"-quarantined":       `tolong(line.quarantined) > 0`,
		"-no-tick":           `"function":"TimerExport"`,
	} {
		rule := only(t, d, "Microsoft.Insights/scheduledQueryRules", end)
		criterion := rule.at("properties",
			"criteria").(map[string]any)["allOf"].([]any)[0].(map[string]any)
		if !strings.Contains(text(criterion["query"]), want) {
			t.Errorf("%s: query %v, want %s in it", rule.Name, criterion["query"], want)
		}
		// Otherwise Azure validates the query, and refuses it until the first log line exists.
		if rule.at("properties", "skipQueryValidation") != true {
			t.Errorf("%s: the query is validated", rule.Name)
		}
	}
	// The app really writes these lines.
	writers := string(read(t, "../internal/pipeline/finish.go")) +
		string(read(t, "../internal/pipeline/observe.go"))
	for _, message := range []string{
		`"export loaded"`, `"export incomplete"`, `"export failed"`, `"plan at a tick"`,
		`"lagSeconds"`, `"unfinishedSeconds"`, `"paused"`, `"quarantined"`,
	} {
		if !strings.Contains(writers, message) {
			t.Errorf("the app no longer logs %s, which an alert looks for", message)
		}
	}
	dead := only(t, d, "Microsoft.Insights/metricAlerts", "-dead-letters")
	criterion := dead.at("properties",
		"criteria").(map[string]any)["allOf"].([]any)[0].(map[string]any)
	queues := criterion["dimensions"].([]any)[0].(map[string]any)["values"].([]any)
	if criterion["metricName"] != "DeadletteredMessages" ||
		!slices.Equal(queues, []any{"export-steps", "blob-events"}) {
		t.Errorf("dead letters: %v", criterion)
	}
	only(t, d, "Microsoft.Insights/metricAlerts", "-undelivered-events")
	windows := compiled(t).Parameters["noExportWindow"].AllowedValues
	for _, w := range windows {
		// The only lengths between five and 48 hours that Azure accepts.
		if !slices.Contains([]any{"PT6H", "P1D", "P2D"}, w) {
			t.Errorf("noExportWindow: Azure refuses a window of %v", w)
		}
	}
	with := only(t, deployed(t, scenarios["cohorts"]), "Microsoft.Insights/actionGroups",
		"-operators")
	if receivers := with.at("properties", "emailReceivers").([]any); len(receivers) != 1 ||
		len(text(with.at("properties", "groupShortName"))) > 12 {
		t.Errorf("receivers of alerts: %v", receivers)
	}
}

// Each alert leads to a section of the runbook that exists, and the runbook has a row for it.
func TestEachAlertLeadsToItsSection(t *testing.T) {
	t.Parallel()
	page := string(read(t, "../docs/operations.md"))
	sections := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^## (.+)$").FindAllStringSubmatch(page, -1) {
		words := regexp.MustCompile("[^a-z0-9 -]").ReplaceAllString(strings.ToLower(m[1]), "")
		sections[strings.ReplaceAll(words, " ", "-")] = true
	}
	link := regexp.MustCompile(`docs/operations\.md#([a-z0-9-]+)\.`)
	found := 0
	for _, r := range *deployed(t, map[string]any{"actionGroupId": "/group"}).found {
		if r.Type != "Microsoft.Insights/metricAlerts" &&
			r.Type != "Microsoft.Insights/scheduledQueryRules" {
			continue
		}
		found++
		description := text(r.at("properties", "description"))
		m := link.FindStringSubmatch(description)
		if m == nil || !sections[m[1]] {
			t.Errorf("%s: %q names no section of docs/operations.md", r.Name, description)
		}
		_, name, _ := strings.Cut(strings.TrimPrefix(r.Name, "fhirsynapse-"), "-")
		if !strings.Contains(page, "\n| "+name+" | ") {
			t.Errorf("docs/operations.md has no row for the alert %s", name)
		}
		// The group of the operators, and theirs.
		if told := fmt.Sprint(r.at("properties", "actions")); !strings.Contains(told, "/group") ||
			!strings.Contains(told, "-operators") {
			t.Errorf("%s tells %s", r.Name, told)
		}
	}
	if found != 9 {
		t.Errorf("%d alerts", found)
	}
}
