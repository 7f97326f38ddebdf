package infra_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fhirsynapse/internal/config"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse/open"
	"fhirsynapse/internal/warehouse/serverless"
	"fhirsynapse/internal/warehouse/tds"
)

// scenarios are the deployments under test.
var scenarios = map[string]map[string]any{
	"public":  {},
	"private": {"network": "private", "keyVault": true},
	"closed": {
		"network": "private", "appEndpoint": "private", "warehouse": "synapse-dedicated",
	},
	"dedicated": {
		"warehouse": "synapse-dedicated", "operatorIpAddress": "192.0.2.1",
		"serverlessSnapshots": true,
	},
	"serverless": {"warehouse": "synapse-serverless", "serverlessSnapshots": true},
	"fabric": {
		"warehouse": "fabric", "warehouseHost": "x.datawarehouse.fabric.microsoft.com",
		"fabricWorkspaceId": subscriptionID, "network": "private",
	},
	"bulk": {"fhir": "none", "keyVault": true, "githubRepository": "owner/name"},
	"cohorts": {
		"cohorts": true, "fhirOnContainerOnly": true, "exactScaling": false,
		"operatorEmail": "operator@example.org",
	},
}

func everyScenario(t *testing.T) map[string]*deployment {
	t.Helper()
	out := map[string]*deployment{}
	for name, parameters := range scenarios {
		out[name] = deployed(t, parameters)
	}
	for name, parameters := range parameterSets(t) {
		out[name+".bicepparam"] = deployed(t, parameters)
	}
	return out
}

func parameterSets(t *testing.T) map[string]map[string]any {
	t.Helper()
	var sets map[string]map[string]any
	parse(t, read(t, compiledParameters), &sets)
	if len(sets) < 3 {
		t.Fatalf("%d parameter files", len(sets))
	}
	return sets
}

func appSettings(t *testing.T, d *deployment) map[string]string {
	t.Helper()
	out := map[string]string{}
	for name, v := range only(t, d, "Microsoft.Web/sites/config",
		"/appsettings").at("properties").(map[string]any) {
		value, ok := v.(string)
		if !ok {
			t.Errorf("setting %s is a %T, Azure takes text alone", name, v)
		}
		out[name] = value
	}
	return out
}

// start reads the settings as the app does when it starts.
func start(settings map[string]string) (config.Config, error) {
	environ := []string{"FUNCTIONS_APP_ROOT_PATH=/app"}
	for name, value := range settings {
		environ = append(environ, name+"="+value)
	}
	readFile := func(path string) ([]byte, error) {
		switch filepath.ToSlash(path) {
		case "/app/host.json":
			return os.ReadFile(filepath.Join("..", "host.json"))
		case "/app/exports.yaml":
			return os.ReadFile("exports.yaml")
		}
		return nil, fs.ErrNotExist
	}
	return config.FromEnv(environ, readFile, slices.Collect(maps.Keys(open.Engines()))...)
}

func TestTheAppStartsWithTheSettingsOfTheTemplate(t *testing.T) {
	t.Parallel()
	for name, d := range everyScenario(t) {
		if name == "bulk" {
			continue // the user has an exports.yaml of their own
		}
		c, err := start(appSettings(t, d))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(c.Warnings) > 0 {
			t.Errorf("%s: %v", name, c.Warnings)
		}
		if !c.Bus.Identity() || !c.Lake.Identity() || c.Bus.ClientID == "" ||
			c.Lake.ClientID != c.Bus.ClientID {
			t.Errorf("%s: bus %+v and lake %+v must be reached by the identity of the app", name,
				c.Bus, c.Lake)
		}
		rest := c.Warehouse.Rest.Reveal()
		if c.Warehouse.Scheme == string(tsql.Serverless) {
			_, _, err = serverless.ParseServer(rest)
		} else {
			_, err = tds.ParseServer(tsql.Engine(c.Warehouse.Scheme), rest)
		}
		if err != nil || !strings.Contains(rest, "fedauth=ActiveDirectoryManagedIdentity") ||
			!strings.Contains(rest, c.Bus.ClientID) {
			t.Errorf("%s: warehouse %s: %v", name, rest, err)
		}
		if got, want := strings.Contains(rest, "snapshot="), name == "serverless"; got != want {
			t.Errorf("%s: warehouse %s: snapshots %v, want %v", name, rest, got, want)
		}
	}
}

func TestASettingThatTheAppNeedsIsMissed(t *testing.T) {
	t.Parallel()
	d := deployed(t, nil)
	for _, name := range []string{
		"Warehouse", "ServiceBusConnection__fullyQualifiedNamespace", "LakeStorage__blobServiceUri",
		"FHIR_URL",
	} {
		settings := appSettings(t, d)
		delete(settings, name)
		if _, err := start(settings); err == nil {
			t.Errorf("without %s the app starts: the test above cannot fail", name)
		}
	}
}

// hostSettings are settings for the Functions host and the SDKs, with the reason.
var hostSettings = map[string]string{
	"AZURE_CLIENT_ID":                           "the SDK's default sign-in, and exports.yaml",
	"APPLICATIONINSIGHTS_CONNECTION_STRING":     "telemetry",
	"APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "telemetry by identity",
	"AzureWebJobsStorage__accountName":          "host storage by identity",
	"AzureWebJobsStorage__credential":           "host storage by identity",
	"AzureWebJobsStorage__clientId":             "host storage by identity",
	"ServiceBusConnection__credential":          "the triggers, by identity",
	"ExportSchedule":                            "functions/TimerExport",
	"FHIR_URL":                                  "infra/exports.yaml",
	"AzureFunctionsJobHost__extensions__serviceBus__maxConcurrentCalls":                "calls of an instance",
	"AzureFunctionsJobHost__logging__applicationInsights__samplingSettings__isEnabled": "alerts see each line",
}

// refused are settings that Flex Consumption refuses or that break it.
var refused = []string{
	"FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_WORKER_RUNTIME_VERSION", "FUNCTIONS_EXTENSION_VERSION",
	"WEBSITE_RUN_FROM_PACKAGE",
	"WEBSITE_CONTENTSHARE", "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING",
	"SCM_DO_BUILD_DURING_DEPLOYMENT", "ENABLE_ORYX_BUILD",
	"WEBSITE_MAX_DYNAMIC_APPLICATION_SCALE_OUT", "WEBSITE_VNET_ROUTE_ALL", "WEBSITE_TIME_ZONE",
	"TZ", "AzureWebJobsStorage",
	"AzureWebJobsStorage__blobServiceUri", "AzureWebJobsStorage__queueServiceUri",
	"AzureWebJobsStorage__tableServiceUri",
	"ServiceBusConnection", "LakeStorage",
}

func TestEverySettingIsKnownToTheAppOrTheHost(t *testing.T) {
	t.Parallel()
	known := maps.Clone(hostSettings)
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Za-z_]+)` \\|").FindAllStringSubmatch(
		config.Markdown(), -1) {
		known[m[1]] = "docs/configuration.md"
	}
	for name, d := range everyScenario(t) {
		settings := appSettings(t, d)
		for setting := range settings {
			if known[setting] == "" {
				t.Errorf("%s: %s is a setting of neither the app nor the host", name, setting)
			}
			if slices.ContainsFunc(refused, func(r string) bool {
				return strings.EqualFold(r, setting)
			}) {
				t.Errorf("%s: Flex Consumption refuses %s, or it would keep the identity from being used", name, setting)
			}
		}
		for setting := range hostSettings {
			if settings[setting] == "" && (setting != "FHIR_URL" || name != "bulk") {
				t.Errorf("%s: %s is not set: %s", name, setting, hostSettings[setting])
			}
		}
	}
}

func TestTheTriggersFindTheirSettings(t *testing.T) {
	t.Parallel()
	settings := appSettings(t, deployed(t, nil))
	files, err := filepath.Glob(filepath.Join("..", "functions", "*", "function.json"))
	if err != nil || len(files) < 3 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		var f struct {
			Bindings []map[string]any `json:"bindings"`
		}
		parse(t, read(t, file), &f)
		for _, b := range f.Bindings {
			for key, v := range b {
				value, _ := v.(string)
				if inner, ok := strings.CutPrefix(value, "%"); ok &&
					settings[strings.TrimSuffix(inner, "%")] == "" {
					t.Errorf("%s: %s is %s, which the template does not set", file, key, value)
				}
				if key == "connection" && settings[value+"__fullyQualifiedNamespace"] == "" {
					t.Errorf("%s: the template does not set the connection %s", file, value)
				}
			}
		}
	}
}

// The default must suit the smallest dedicated pool, a DW100c, which runs 4 queries at
// a time, and leave one instance for the timer, each of the queues and the status page.
func TestTheDefaultLoadSuitsTheSmallestPool(t *testing.T) {
	t.Parallel()
	d := deployed(t, map[string]any{"warehouse": "synapse-dedicated"})
	instances := only(t, d, "Microsoft.Web/sites", "-app").at("properties", "functionAppConfig",
		"scaleAndConcurrency", "maximumInstanceCount").(float64)
	c, err := start(appSettings(t, d))
	if err != nil {
		t.Fatal(err)
	}
	if n := int(instances) * c.WarehouseStatements; n > 4 || instances < 4 {
		t.Errorf("%v instances with %d statements each: want at most 4 statements and at least 4 instances", instances, c.WarehouseStatements)
	}
}
