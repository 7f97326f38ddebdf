package infra_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// guarded are the properties that control the access to a resource.
var guarded = []string{
	"publicNetworkAccess", "publicNetworkAccessForIngestion", "publicNetworkAccessForQuery",
	"defaultAction", "bypass", "publicAccess",
	"allowSharedKeyAccess", "allowBlobPublicAccess", "allowCrossTenantReplication",
	"allowedCopyScope", "defaultToOAuthAuthentication",
	"disableLocalAuth", "DisableLocalAuth", "azureADOnlyAuthentication", "enableRbacAuthorization",
	"smartProxyEnabled", "allow",
	"trustedServiceAccessEnabled", "trustedServiceBypassEnabled", "isSftpEnabled",
	"isLocalUserEnabled", "isNfsV3Enabled",
	"minimumTlsVersion", "minTlsVersion", "scmMinTlsVersion", "minimalTlsVersion", "httpsOnly",
	"supportsHttpsTrafficOnly",
	"startIpAddress", "endIpAddress", "ingestionAccessMode", "queryAccessMode", "status",
	"enablePurgeProtection",
}

func walk(v any, visit func(key string, value any)) {
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			if _, isMap := inner.(map[string]any); !isMap && slices.Contains(guarded, k) {
				visit(k, inner)
			}
			walk(inner, visit)
		}
	case []any:
		for _, inner := range v {
			walk(inner, visit)
		}
	}
}

// exposures returns the guarded properties of the given deployments by "type name".
func exposures(t *testing.T, of ...map[string]any) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, parameters := range of {
		d := deployed(t, parameters)
		mark := strings.NewReplacer("fhirsynapse-"+token(t, d), "*", token(t, d), "*")
		for _, r := range *d.found {
			walk(r.Body["properties"], func(key string, value any) {
				row := strings.TrimPrefix(r.Type, "Microsoft.") + " " + mark.Replace(r.Name) + " " +
					key
				if before, ok := out[row]; ok && before != fmt.Sprint(value) {
					t.Errorf("%s is %s and %v", row, before, value)
				}
				out[row] = fmt.Sprint(value)
			})
		}
	}
	return out
}

// exposure lists the value of each property with network: public and with network:
// private. The value is empty if that template does not create the resource.
var exposure = []struct{ property, public, private string }{
	{"HealthcareApis/workspaces fs* publicNetworkAccess", "Enabled", "Disabled"},
	{"HealthcareApis/workspaces/fhirservices fs*/fhir publicNetworkAccess", "Enabled", "Disabled"},
	{"HealthcareApis/workspaces/fhirservices fs*/fhir smartProxyEnabled", "false", "false"},
	{"Insights/components *-insights DisableLocalAuth", "true", "true"},
	{"Insights/components *-insights publicNetworkAccessForIngestion", "Enabled", "Disabled"},
	{"Insights/components *-insights publicNetworkAccessForQuery", "Enabled", "Enabled"},
	{"Insights/privateLinkScopes *-telemetry ingestionAccessMode", "", "Open"},
	{"Insights/privateLinkScopes *-telemetry queryAccessMode", "", "Open"},
	{"KeyVault/vaults fs*vault bypass", "AzureServices", "AzureServices"},
	{"KeyVault/vaults fs*vault defaultAction", "Allow", "Deny"},
	{"KeyVault/vaults fs*vault enablePurgeProtection", "true", "true"},
	{"KeyVault/vaults fs*vault enableRbacAuthorization", "true", "true"},
	{"KeyVault/vaults fs*vault publicNetworkAccess", "Enabled", "Disabled"},
	{"OperationalInsights/workspaces *-logs disableLocalAuth", "true", "true"},
	{
		"OperationalInsights/workspaces *-logs publicNetworkAccessForIngestion", "Enabled",
		"Disabled",
	},
	{"OperationalInsights/workspaces *-logs publicNetworkAccessForQuery", "Enabled", "Enabled"},
	{"ServiceBus/namespaces *-bus disableLocalAuth", "true", "true"},
	{"ServiceBus/namespaces *-bus minimumTlsVersion", "1.2", "1.2"},
	{"ServiceBus/namespaces *-bus publicNetworkAccess", "Enabled", "Disabled"},
	{"ServiceBus/namespaces/networkRuleSets *-bus/default defaultAction", "", "Deny"},
	{"ServiceBus/namespaces/networkRuleSets *-bus/default publicNetworkAccess", "", "Disabled"},
	{"ServiceBus/namespaces/networkRuleSets *-bus/default trustedServiceAccessEnabled", "", "true"},
	{"Sql/servers *-sql azureADOnlyAuthentication", "true", "true"},
	{"Sql/servers *-sql minimalTlsVersion", "1.2", "1.2"},
	{"Sql/servers *-sql publicNetworkAccess", "Enabled", "Disabled"},
	{"Sql/servers/firewallRules *-sql/AllowAllWindowsAzureIps endIpAddress", "0.0.0.0", ""},
	{"Sql/servers/firewallRules *-sql/AllowAllWindowsAzureIps startIpAddress", "0.0.0.0", ""},
	{"Sql/servers/firewallRules *-sql/operator endIpAddress", "192.0.2.1", ""},
	{"Sql/servers/firewallRules *-sql/operator startIpAddress", "192.0.2.1", ""},
	{"Storage/storageAccounts fshost* allowBlobPublicAccess", "false", "false"},
	{"Storage/storageAccounts fshost* allowCrossTenantReplication", "false", "false"},
	{"Storage/storageAccounts fshost* allowSharedKeyAccess", "false", "false"},
	{"Storage/storageAccounts fshost* bypass", "AzureServices", "None"},
	{"Storage/storageAccounts fshost* defaultAction", "Allow", "Deny"},
	{"Storage/storageAccounts fshost* defaultToOAuthAuthentication", "true", "true"},
	{"Storage/storageAccounts fshost* minimumTlsVersion", "TLS1_2", "TLS1_2"},
	{"Storage/storageAccounts fshost* publicNetworkAccess", "Enabled", "Disabled"},
	{"Storage/storageAccounts fshost* supportsHttpsTrafficOnly", "true", "true"},
	{"Storage/storageAccounts fslake* allowBlobPublicAccess", "false", "false"},
	{"Storage/storageAccounts fslake* allowCrossTenantReplication", "false", "false"},
	{"Storage/storageAccounts fslake* allowSharedKeyAccess", "false", "false"},
	{"Storage/storageAccounts fslake* allowedCopyScope", "AAD", "AAD"},
	{"Storage/storageAccounts fslake* bypass", "AzureServices", "AzureServices"},
	{"Storage/storageAccounts fslake* defaultAction", "Allow", "Deny"},
	{"Storage/storageAccounts fslake* defaultToOAuthAuthentication", "true", "true"},
	{"Storage/storageAccounts fslake* isLocalUserEnabled", "false", "false"},
	{"Storage/storageAccounts fslake* isNfsV3Enabled", "false", "false"},
	{"Storage/storageAccounts fslake* isSftpEnabled", "false", "false"},
	{"Storage/storageAccounts fslake* minimumTlsVersion", "TLS1_2", "TLS1_2"},
	{"Storage/storageAccounts fslake* publicNetworkAccess", "Enabled", "Enabled"},
	{"Storage/storageAccounts fslake* supportsHttpsTrafficOnly", "true", "true"},
	{
		"Storage/storageAccounts/blobServices/containers fshost*/default/app-package publicAccess",
		"None", "None",
	},
	{"Storage/storageAccounts/blobServices/containers fslake*/default/eventgrid-deadletter publicAccess", "None", "None"},
	{
		"Storage/storageAccounts/blobServices/containers fslake*/default/fhir-journal publicAccess",
		"None", "None",
	},
	{
		"Storage/storageAccounts/blobServices/containers fslake*/default/fhir-landing publicAccess",
		"None", "None",
	},
	{
		"Storage/storageAccounts/blobServices/containers fslake*/default/fhir-published publicAccess",
		"None", "None",
	},
	{
		"Storage/storageAccounts/blobServices/containers fslake*/default/fhir-quarantine publicAccess",
		"None", "None",
	},
	{
		"Storage/storageAccounts/blobServices/containers fslake*/default/fhir-staging publicAccess",
		"None", "None",
	},
	{
		"Storage/storageAccounts/blobServices/containers fslake*/default/synapse publicAccess",
		"None",
		"None",
	},
	{"Synapse/workspaces * azureADOnlyAuthentication", "true", "true"},
	{"Synapse/workspaces * publicNetworkAccess", "Enabled", "Disabled"},
	{"Synapse/workspaces * trustedServiceBypassEnabled", "false", "false"},
	{
		"Synapse/workspaces/azureADOnlyAuthentications */default azureADOnlyAuthentication", "true",
		"true",
	},
	{"Synapse/workspaces/dedicatedSQLminimalTlsSettings */default minimalTlsVersion", "1.2", "1.2"},
	{"Synapse/workspaces/firewallRules */AllowAllWindowsAzureIps endIpAddress", "0.0.0.0", ""},
	{"Synapse/workspaces/firewallRules */AllowAllWindowsAzureIps startIpAddress", "0.0.0.0", ""},
	{"Synapse/workspaces/firewallRules */operator endIpAddress", "192.0.2.1", ""},
	{"Synapse/workspaces/firewallRules */operator startIpAddress", "192.0.2.1", ""},
	{
		"Synapse/workspaces/sqlPools/transparentDataEncryption */fhir/current status", "Enabled",
		"Enabled",
	},
	{"Web/sites *-app httpsOnly", "true", "true"},
	{"Web/sites *-app minTlsVersion", "1.2", "1.2"},
	{"Web/sites *-app publicNetworkAccess", "Enabled", "Enabled"},
	{"Web/sites *-app scmMinTlsVersion", "1.2", "1.2"},
	{"Web/sites/basicPublishingCredentialsPolicies *-app/ftp allow", "false", "false"},
	{"Web/sites/basicPublishingCredentialsPolicies *-app/scm allow", "false", "false"},
}

// reachable are the rows that a private network does not change, with the remaining protection.
// docs/security.md lists them.
var reachable = map[string]string{
	"Web/sites *-app publicNetworkAccess":                               "appEndpoint closes it",
	"Storage/storageAccounts fslake* publicNetworkAccess":               "its firewall denies all but trusted instances",
	"Insights/components *-insights publicNetworkAccessForQuery":        "queries of the portal, with Entra sign-in",
	"OperationalInsights/workspaces *-logs publicNetworkAccessForQuery": "queries of the portal, with Entra sign-in",
}

func TestWhoCanReachWhat(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"public", "private"} {
		got := exposures(t,
			map[string]any{"network": network, "keyVault": true, "operatorIpAddress": "192.0.2.1"},
			map[string]any{
				"network": network, "warehouse": "synapse-dedicated",
				"operatorIpAddress": "192.0.2.1",
			},
		)
		for _, row := range exposure {
			want := row.public
			if network == "private" {
				want = row.private
			}
			if got[row.property] != want {
				t.Errorf("%s: %s is %q, want %q", network, row.property, got[row.property], want)
			}
			delete(got, row.property)
		}
		for property, value := range got {
			t.Errorf("%s: %s is %q: the table does not have it", network, property, value)
		}
	}
	for _, row := range exposure {
		if strings.Contains(row.property, "ublicNetworkAccess") && row.private == "Enabled" &&
			reachable[row.property] == "" {
			t.Errorf("%s is reachable with a private network", row.property)
		}
	}
	closed := deployed(t, scenarios["closed"])
	if got := only(t, closed, "Microsoft.Web/sites", "-app").at("properties",
		"publicNetworkAccess"); got != "Disabled" {
		t.Errorf("appEndpoint private: the app's endpoint is %v", got)
	}
}

func TestEveryClosedServiceHasItsPrivateEndpoint(t *testing.T) {
	t.Parallel()
	got := map[string]string{}
	for _, parameters := range []map[string]any{
		scenarios["private"], scenarios["closed"],
		{"network": "private", "warehouse": "synapse-serverless"},
	} {
		d := deployed(t, parameters)
		mark := token(t, d)
		zones := d.all("Microsoft.Network/privateDnsZones")
		links := d.all("Microsoft.Network/privateDnsZones/virtualNetworkLinks")
		if len(zones) != len(links) || len(zones) < 10 {
			t.Errorf("%d zones, %d links", len(zones), len(links))
		}
		for _, e := range d.all("Microsoft.Network/privateEndpoints") {
			connections := e.at("properties", "privateLinkServiceConnections").([]any)
			connection := connections[0].(map[string]any)["properties"].(map[string]any)
			id, group := text(connection["privateLinkServiceId"]),
				text(connection["groupIds"].([]any)[0])
			_, kind, _ := strings.Cut(id, "/providers/")
			row := strings.ReplaceAll(strings.ReplaceAll(kind, "fhirsynapse-"+mark, "*"), mark,
				"*") + " " + group
			var names []string
			for _, z := range only(t, d, "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
				e.Name+"/default").at("properties", "privateDnsZoneConfigs").([]any) {
				zone := text(z.(map[string]any)["properties"].(map[string]any)["privateDnsZoneId"])
				name := zone[strings.LastIndexByte(zone, '/')+1:]
				only(t, d, "Microsoft.Network/privateDnsZones", name)
				names = append(names, strings.TrimPrefix(name, "privatelink."))
			}
			got[row] = strings.Join(names, " ")
		}
	}
	if diff := cmp.Diff(map[string]string{
		"Microsoft.HealthcareApis/workspaces/fs* healthcareworkspace":   "workspace.azurehealthcareapis.com fhir.azurehealthcareapis.com",
		"Microsoft.Insights/privateLinkScopes/*-telemetry azuremonitor": "monitor.azure.com oms.opinsights.azure.com ods.opinsights.azure.com agentsvc.azure-automation.net blob.core.windows.net",
		"Microsoft.KeyVault/vaults/fs*vault vault":                      "vaultcore.azure.net",
		"Microsoft.ServiceBus/namespaces/*-bus namespace":               "servicebus.windows.net",
		"Microsoft.Sql/servers/*-sql sqlServer":                         "database.windows.net",
		"Microsoft.Storage/storageAccounts/fshost* blob":                "blob.core.windows.net",
		"Microsoft.Storage/storageAccounts/fshost* queue":               "queue.core.windows.net",
		"Microsoft.Storage/storageAccounts/fshost* table":               "table.core.windows.net",
		"Microsoft.Storage/storageAccounts/fslake* blob":                "blob.core.windows.net",
		"Microsoft.Storage/storageAccounts/fslake* dfs":                 "dfs.core.windows.net",
		"Microsoft.Synapse/workspaces/* Sql":                            "sql.azuresynapse.net",
		"Microsoft.Synapse/workspaces/* SqlOnDemand":                    "sql.azuresynapse.net",
		"Microsoft.Web/sites/*-app sites":                               "azurewebsites.net",
	}, got); diff != "" {
		t.Errorf("endpoints and zones (-want +got):\n%s", diff)
	}
	if n := len(deployed(t, nil).all("Microsoft.Network/privateEndpoints")); n > 0 {
		t.Errorf("%d private endpoints with public network", n)
	}
}

// The lake's firewall admits the services that use it by their identity.
func TestTheLakesFirewallKnowsItsServices(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"private": {
			"HealthcareApis/workspaces/fs*",
			"HealthcareApis/workspaces/fs*/fhirservices/fhir",
		},
		"closed": {
			"HealthcareApis/workspaces/fs*",
			"HealthcareApis/workspaces/fs*/fhirservices/fhir", "Synapse/workspaces/*",
		},
		"fabric": {
			"HealthcareApis/workspaces/fs*",
			"HealthcareApis/workspaces/fs*/fhirservices/fhir",
			"Fabric/workspaces/" + subscriptionID,
		},
		"public": nil,
	} {
		d := deployed(t, scenarios[name])
		mark := token(t, d)
		var got []string
		for _, rule := range only(t, d, "Microsoft.Storage/storageAccounts",
			"lake"+mark).at("properties", "networkAcls", "resourceAccessRules").([]any) {
			r := rule.(map[string]any)
			_, id, _ := strings.Cut(text(r["resourceId"]), "/providers/Microsoft.")
			got = append(got,
				strings.ReplaceAll(strings.ReplaceAll(id, "fhirsynapse-"+mark, "*"), mark, "*"))
			if r["tenantId"] != tenantID {
				t.Errorf("%s: tenant %v", id, r["tenantId"])
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		// The rule is text, and must be the id of the deployed resource.
		for _, kind := range []string{
			"Microsoft.HealthcareApis/workspaces", "Microsoft.Synapse/workspaces",
		} {
			for _, r := range d.all(kind) {
				short := strings.TrimPrefix(kind, "Microsoft.") + "/" +
					strings.ReplaceAll(strings.ReplaceAll(r.Name, "fhirsynapse-"+mark, "*"), mark,
						"*")
				if want != nil && !slices.Contains(got, short) {
					t.Errorf("%s: %s is not let in", name, short)
				}
			}
		}
	}
}
