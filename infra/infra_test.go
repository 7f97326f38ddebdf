package infra_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

func TestQueues(t *testing.T) {
	t.Parallel()
	for name, d := range everyScenario(t) {
		for end, window := range map[string]string{"/export-steps": "PT1H", "/blob-events": "P1D"} {
			q := only(t, d, "Microsoft.ServiceBus/namespaces/queues", end)
			for property, want := range map[string]any{
				"lockDuration": "PT5M", "maxDeliveryCount": 100.0,
				"requiresDuplicateDetection":          true,
				"duplicateDetectionHistoryTimeWindow": window, "requiresSession": false,
				"enablePartitioning":               false,
				"deadLetteringOnMessageExpiration": end == "/export-steps",
			} {
				if got := q.at("properties", property); got != want {
					t.Errorf("%s: %s: %s is %v, want %v", name, q.Name, property, got, want)
				}
			}
		}
		if n := len(d.all("Microsoft.ServiceBus/namespaces/queues")); n != 2 {
			t.Errorf("%s: %d queues", name, n)
		}
		if rules := d.all("Microsoft.ServiceBus/namespaces/authorizationRules"); len(rules) > 0 {
			t.Errorf("%s: %v: keys are switched off", name, rules)
		}
	}
}

func TestTheEventsOfFinishedFilesComeToTheQueue(t *testing.T) {
	t.Parallel()
	d := deployed(t, nil)
	s := only(t, d, "Microsoft.EventGrid/systemTopics/eventSubscriptions", "/landing")
	if diff := cmp.Diff(map[string]any{
		"includedEventTypes":     []any{"Microsoft.Storage.BlobCreated"},
		"subjectBeginsWith":      "/blobServices/default/containers/fhir-landing/",
		"subjectEndsWith":        ".ndjson",
		"isSubjectCaseSensitive": false,
		"advancedFilters": []any{map[string]any{
			"operatorType": "StringIn", "key": "data.api",
			"values": []any{"PutBlob", "PutBlockList", "FlushWithClose"},
		}},
	}, s.at("properties", "filter")); diff != "" {
		t.Errorf("filter (-want +got):\n%s", diff)
	}
	for property, want := range map[string]any{
		"destination": nil, "deadLetterDestination": nil, "eventDeliverySchema": "EventGridSchema",
	} {
		if got := s.at("properties", property); got != want {
			t.Errorf("%s is %v, want %v", property, got, want)
		}
	}
	for _, with := range []string{
		"deliveryWithResourceIdentity", "deadLetterWithResourceIdentity",
	} {
		if got := s.at("properties", with, "identity", "type"); got != "SystemAssigned" {
			t.Errorf("%s: identity %v", with, got)
		}
	}
	queue := only(t, d, "Microsoft.ServiceBus/namespaces/queues", "/blob-events").Name
	if got := text(s.at("properties", "deliveryWithResourceIdentity", "destination", "properties",
		"resourceId")); !strings.HasSuffix(got,
		"namespaces/"+strings.Replace(queue, "/", "/queues/", 1)) {
		t.Errorf("delivered to %s, want the queue %s", got, queue)
	}
	container := s.at("properties", "deadLetterWithResourceIdentity", "deadLetterDestination",
		"properties", "blobContainerName")
	only(t, d, "Microsoft.Storage/storageAccounts/blobServices/containers", "/"+text(container))

	// Azure checks the destinations when it creates the subscription.
	inside, err := d.module("events")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := inside.module("subscription"); err != nil {
		t.Fatal(err)
	}
	for _, before := range []string{"topic", "sends", "writes"} {
		if !slices.Contains(inside.order["subscription"], before) {
			t.Errorf("the subscription does not wait for %s: %v", before,
				inside.order["subscription"])
		}
	}
	if n := len(deployed(t, scenarios["bulk"]).all("Microsoft.EventGrid/systemTopics")); n != 0 {
		t.Errorf("%d topics where no server writes the lake", n)
	}
}

func TestTheLakeKeepsWhatARebuildReads(t *testing.T) {
	t.Parallel()
	d := deployed(t, nil)
	got := map[string]string{}
	for _, r := range only(t, d, "Microsoft.Storage/storageAccounts/managementPolicies",
		"/default").at("properties", "policy", "rules").([]any) {
		definition := r.(map[string]any)["definition"].(map[string]any)
		actions := definition["actions"].(map[string]any)["baseBlob"].(map[string]any)
		for _, prefix := range definition["filters"].(map[string]any)["prefixMatch"].([]any) {
			got[text(prefix)] = fmt.Sprint(actions)
		}
	}
	if diff := cmp.Diff(map[string]string{
		"fhir-staging/":         "map[delete:map[daysAfterModificationGreaterThan:14]]",
		"fhir-quarantine/":      "map[delete:map[daysAfterModificationGreaterThan:90]]",
		"eventgrid-deadletter/": "map[delete:map[daysAfterModificationGreaterThan:90]]",
		"fhir-landing/":         "map[tierToCool:map[daysAfterModificationGreaterThan:30]]",
	}, got); diff != "" {
		t.Errorf("lifecycle rules (-want +got):\n%s", diff)
	}
	account := only(t, d, "Microsoft.Storage/storageAccounts", "lake"+token(t, d))
	if account.at("properties", "isHnsEnabled") != true {
		t.Error("the lake needs a hierarchical namespace")
	}
	if v := only(t, d, "Microsoft.Storage/storageAccounts/blobServices",
		account.Name+"/default").at("properties", "isVersioningEnabled"); v != nil {
		t.Error("an account with a hierarchical namespace refuses versioning")
	}
	// The app's settings name the same containers.
	c, err := start(appSettings(t, d))
	if err != nil {
		t.Fatal(err)
	}
	for _, container := range []string{
		c.LandingContainer, c.StagingContainer, c.PublishedContainer, c.QuarantineContainer,
		c.JournalContainer,
	} {
		only(t, d, "Microsoft.Storage/storageAccounts/blobServices/containers", "/"+container)
	}
	for _, queue := range []string{c.StepsQueue, c.BlobEventsQueue} {
		only(t, d, "Microsoft.ServiceBus/namespaces/queues", "/"+queue)
	}
}

// token returns the part of all names that is unique to this installation.
func token(t *testing.T, d *deployment) string {
	t.Helper()
	name := only(t, d, "Microsoft.ManagedIdentity/userAssignedIdentities", "-app").Name
	return strings.TrimSuffix(strings.TrimPrefix(name, "fhirsynapse-"), "-app")
}

func TestTheFunctionAppIsAsFlexConsumptionWantsIt(t *testing.T) {
	t.Parallel()
	// Error 51021: "... for Flex Consumption sites is invalid".
	refused := []string{
		"linuxFxVersion", "ftpsState", "alwaysOn", "netFrameworkVersion", "use32BitWorkerProcess",
		"preWarmedInstanceCount",
		"functionAppScaleLimit", "functionsRuntimeScaleMonitoringEnabled", "appSettings",
	}
	for name, d := range everyScenario(t) {
		app := only(t, d, "Microsoft.Web/sites", "-app")
		for property := range app.at("properties", "siteConfig").(map[string]any) {
			if slices.Contains(refused, property) {
				t.Errorf("%s: siteConfig.%s is refused", name, property)
			}
		}
		if got := fmt.Sprint(app.at("properties", "functionAppConfig",
			"runtime")); got != "map[name:custom version:1.0]" {
			t.Errorf("%s: runtime %s", name, got)
		}
		if got := app.at("tags", "azd-service-name"); got != "app" {
			t.Errorf("%s: azd finds no app: %v", name, got)
		}
		storage := text(app.at("properties", "functionAppConfig", "deployment", "storage", "value"))
		_, container, _ := strings.Cut(strings.TrimPrefix(storage, "https://"), "/")
		only(t, d, "Microsoft.Storage/storageAccounts/blobServices/containers", "/"+container)
		isPrivate := strings.HasPrefix(name, "private") || name == "closed" || name == "fabric"
		if got := app.at("properties", "virtualNetworkSubnetId"); (got != nil) != isPrivate {
			t.Errorf("%s: subnet %v", name, got)
		}
	}
	var names struct {
		Services map[string]map[string]any `yaml:"services"`
	}
	if err := yaml.Unmarshal(read(t, "../azure.yaml"), &names); err != nil {
		t.Fatal(err)
	}
	s := names.Services["app"]
	for key, want := range map[string]any{
		"host": "function", "language": "custom", "dist": "dist", "project": ".",
	} {
		if s[key] != want {
			t.Errorf("azure.yaml: %s is %v, want %v", key, s[key], want)
		}
	}
}

// secretWords are in an expression that asks Azure for a secret.
var secretWords = regexp.MustCompile(
	`(?i)list[a-z]*\(|connectionstring|instrumentationkey|sharedaccesskey|accountkey|password|secret`)

func TestNoOutputHasASecret(t *testing.T) {
	t.Parallel()
	main := compiled(t)
	for name, o := range main.Outputs {
		if secretWords.MatchString(text(o.Value)) || secretWords.MatchString(name) {
			t.Errorf("output %s: %v", name, o.Value)
		}
	}
	for name, d := range everyScenario(t) {
		for output := range main.Outputs {
			v, err := d.output(output)
			if err != nil {
				t.Errorf("%s: output %s: %v", name, output, err)
			}
			if strings.Contains(text(v), secretMark) {
				t.Errorf("%s: output %s is a secret: %v", name, output, v)
			}
		}
	}
	// The modules pass one value that names the telemetry, and no key.
	content := string(read(t, compiledTemplate))
	if i := regexp.MustCompile(`(?i)[^a-z]list(keys|secrets|accountsas|servicesas)?\(`).
		FindStringIndex(content); i != nil {
		t.Errorf("the template asks for a key: %s", content[i[0]:i[1]+40])
	}
	for _, kind := range []string{"securestring", "secureObject"} {
		if strings.Contains(strings.ToLower(content), strings.ToLower(kind)) {
			t.Errorf("a parameter or output is a %s: there is no secret to hand over", kind)
		}
	}
}

func TestNamesAreOnesThatAzureTakes(t *testing.T) {
	t.Parallel()
	rules := map[string]*regexp.Regexp{
		"Microsoft.Storage/storageAccounts": regexp.MustCompile(
			`^[a-z0-9]{3,24}$`),
		"Microsoft.ServiceBus/namespaces": regexp.MustCompile(
			`^[a-z][a-z0-9-]{4,48}[a-z0-9]$`),
		"Microsoft.HealthcareApis/workspaces": regexp.MustCompile(
			`^[a-z0-9]{3,24}$`),
		"Microsoft.Web/sites": regexp.MustCompile(
			`^[a-z0-9][a-z0-9-]{0,30}[a-z0-9]$`),
		"Microsoft.Synapse/workspaces": regexp.MustCompile(
			`^[a-z0-9][a-z0-9-]{0,48}[a-z0-9]$`),
		"Microsoft.Sql/servers": regexp.MustCompile(
			`^[a-z0-9][a-z0-9-]{0,61}[a-z0-9]$`),
		"Microsoft.KeyVault/vaults": regexp.MustCompile(
			`^[a-z][a-z0-9-]{1,22}[a-z0-9]$`),
		"Microsoft.EventGrid/systemTopics": regexp.MustCompile(
			`^[A-Za-z0-9-]{3,128}$`),
		"Microsoft.ManagedIdentity/userAssignedIdentities": regexp.MustCompile(
			`^[A-Za-z0-9][A-Za-z0-9-_]{2,127}$`),
		"Microsoft.HealthcareApis/workspaces/fhirservices": regexp.MustCompile(
			`^[a-z0-9]{3,24}/[a-z0-9]{3,24}$`),
		"Microsoft.OperationalInsights/workspaces": regexp.MustCompile(
			`^[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]$`),
		"Microsoft.Insights/actionGroups": regexp.MustCompile(
			`^[^:<>+/&%\\?|]{1,259}$`),
		"Microsoft.Network/virtualNetworks": regexp.MustCompile(
			`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}[A-Za-z0-9_]$`),
		"Microsoft.Storage/storageAccounts/blobServices": regexp.MustCompile(
			`^[a-z0-9]+/default$`),
		"Microsoft.Network/privateEndpoints": regexp.MustCompile(
			`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}[A-Za-z0-9_]$`),
		"Microsoft.Insights/privateLinkScopes": regexp.MustCompile(
			`^[A-Za-z0-9._-]+$`),
		"Microsoft.Authorization/roleAssignments": regexp.MustCompile(
			`^[0-9a-f]{32}$`),
		"Microsoft.Storage/storageAccounts/blobServices/containers": regexp.MustCompile(
			`^[a-z0-9]+/default/[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`),
	}
	seen := map[string]bool{}
	for name, d := range everyScenario(t) {
		twice := map[string]bool{}
		for _, r := range *d.found {
			id := r.Group + " " + r.Type + " " + r.Name + " " + r.Scope
			if twice[id] {
				t.Errorf("%s: %s is made twice", name, id)
			}
			twice[id] = true
			if rule := rules[r.Type]; rule != nil {
				seen[r.Type] = true
				if !rule.MatchString(r.Name) {
					t.Errorf("%s: %s cannot be called %q", name, r.Type, r.Name)
				}
			}
		}
	}
	for kind := range rules {
		if !seen[kind] {
			t.Errorf("no scenario makes a %s", kind)
		}
	}
}

func TestEveryParameterIsDescribed(t *testing.T) {
	t.Parallel()
	main := compiled(t)
	for _, name := range slices.Sorted(maps.Keys(main.Parameters)) {
		if d := main.Parameters[name].Metadata.Description; len(d) < 10 ||
			!strings.HasSuffix(d, ".") {
			t.Errorf("parameter %s: description %q", name, d)
		}
	}
	for name, set := range parameterSets(t) {
		for parameter := range set {
			if _, ok := main.Parameters[parameter]; !ok {
				t.Errorf("%s.bicepparam: no parameter %s", name, parameter)
			}
		}
	}
}

func TestWhatCannotBeDeployedIsSaid(t *testing.T) {
	t.Parallel()
	for _, parameters := range []map[string]any{
		{"fhir": "existing"},
		{"warehouse": "fabric"},
		{"network": "private", "appSubnetId": "/subscriptions/1/subnets/app"},
	} {
		all := map[string]any{"environmentName": "dev", "location": "northeurope"}
		maps.Copy(all, parameters)
		if _, err := deploy(compiled(t), all); err == nil ||
			!strings.Contains(err.Error(), "the template fails") {
			t.Errorf("%v: %v", parameters, err)
		}
	}
}

// Existing resources do not change, except for their containers, roles and events.
func TestExistingResourcesStayAsTheyAre(t *testing.T) {
	t.Parallel()
	d := deployed(t, parameterSets(t)["existing"])
	allowed := []string{
		"Microsoft.Storage/storageAccounts/blobServices/containers",
		"Microsoft.Authorization/roleAssignments",
		"Microsoft.EventGrid/systemTopics", "Microsoft.EventGrid/systemTopics/eventSubscriptions",
	}
	elsewhere := 0
	for _, r := range *d.found {
		if r.Group == "rg-clinic" || r.Type == "Microsoft.Resources/resourceGroups" {
			continue
		}
		elsewhere++
		if !slices.Contains(allowed, r.Type) {
			t.Errorf("group %s: %s %s is written", r.Group, r.Type, r.Name)
		}
	}
	if elsewhere < 10 {
		t.Errorf("only %d resources in the groups of what exists", elsewhere)
	}
	for _, kind := range []string{
		"Microsoft.HealthcareApis/workspaces", "Microsoft.Synapse/workspaces",
		"Microsoft.Sql/servers",
	} {
		if n := len(d.all(kind)); n > 0 {
			t.Errorf("%d new %s", n, kind)
		}
	}
}
