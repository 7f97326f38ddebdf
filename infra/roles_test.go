package infra_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// roleNames are Azure's built-in roles by Microsoft's published ids.
var roleNames = map[string]string{
	"b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
	"ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
	"2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "Storage Blob Data Reader",
	"974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
	"0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
	"090c5cfd-751d-490a-894a-3ce6f1109419": "Azure Service Bus Data Owner",
	"4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0": "Azure Service Bus Data Receiver",
	"69a216fc-b8fb-44d8-bc22-1f3c2cd27a39": "Azure Service Bus Data Sender",
	"3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
	"3db33094-8700-4567-8da5-1501d4e7e843": "FHIR Data Exporter",
	"4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
	"de139f84-1756-47ae-9be6-808fbbe84772": "Website Contributor",
	"acdd72a7-3385-48ef-bd42-f606fba81ae7": "Reader",
}

// grant is a role assignment in words.
type grant struct{ who, role, where string }

// grants returns all role assignments of a deployment.
func grants(t *testing.T, d *deployment) []grant {
	t.Helper()
	var out []grant
	mark := token(t, d)
	who := strings.NewReplacer(
		"fhirsynapse-"+mark+"-app", "app", "fhirsynapse-"+mark+"-lake", "Event Grid topic",
		"fhirsynapse-"+mark+"-github", "GitHub workflow",
		"fs"+mark+"/fhir", "FHIR service", "fhirsynapse-"+mark, "Synapse workspace", deployerID,
		"operator", "identity of ", "",
	)
	for _, r := range d.all("Microsoft.Authorization/roleAssignments") {
		definition := text(r.at("properties", "roleDefinitionId"))
		role := roleNames[definition[strings.LastIndexByte(definition, '/')+1:]]
		if role == "" {
			role = "?"
			for _, custom := range d.all("Microsoft.Authorization/roleDefinitions") {
				if strings.HasSuffix(definition, custom.Name) {
					role = "fhirsynapse cohorts"
				}
			}
		}
		principal := who.Replace(text(r.at("properties", "principalId")))
		if kind, want := r.at("properties", "principalType"),
			"ServicePrincipal"; kind != want && principal != "operator" {
			t.Errorf("%s: principalType %v: a new identity is not found without %s", principal,
				kind, want)
		}
		out = append(out, grant{principal, role, where(t, r.Scope)})
	}
	slices.SortFunc(out, func(a, b grant) int {
		return strings.Compare(a.who+a.where+a.role, b.who+b.where+b.role)
	})
	return out
}

// where returns a scope's name in docs/security.md.
func where(t *testing.T, scope string) string {
	t.Helper()
	_, kind, ok := strings.Cut(scope, "/providers/")
	if !ok {
		t.Errorf("a role on %q reaches further than one resource", scope)
	}
	parts := strings.Split(kind, "/")
	last := parts[len(parts)-1]
	switch {
	case strings.Contains(kind, "/containers/"):
		return "lake, container " + last
	case strings.Contains(kind, "/queues/"):
		return "queue " + last
	case strings.Contains(kind, "storageAccounts/fshost"):
		return "host storage"
	case strings.Contains(kind, "storageAccounts/fslake"),
		strings.Contains(kind, "storageAccounts/cliniclake"):
		return "lake"
	case strings.Contains(kind, "ServiceBus/namespaces"):
		return "Service Bus namespace"
	case strings.Contains(kind, "fhirservices"):
		return "FHIR service"
	case strings.Contains(kind, "Insights/components"):
		return "Application Insights"
	case strings.Contains(kind, "vaults"):
		return "key vault"
	case strings.Contains(kind, "Web/sites"):
		return "function app"
	case strings.Contains(kind, "serverfarms"):
		return "plan"
	}
	t.Errorf("a role on %s", scope)
	return scope
}

var (
	always = []grant{
		{
			"Event Grid topic", "Storage Blob Data Contributor",
			"lake, container eventgrid-deadletter",
		},
		{"Event Grid topic", "Azure Service Bus Data Sender", "queue blob-events"},
		{"FHIR service", "Storage Blob Data Contributor", "lake"},
		{"app", "Monitoring Metrics Publisher", "Application Insights"},
		{"app", "FHIR Data Exporter", "FHIR service"},
		{"app", "Azure Service Bus Data Owner", "Service Bus namespace"},
		{"app", "Storage Blob Data Owner", "host storage"},
		{"app", "Storage Queue Data Contributor", "host storage"},
		{"app", "Storage Table Data Contributor", "host storage"},
		{"app", "Storage Blob Data Contributor", "lake, container fhir-journal"},
		{"app", "Storage Blob Data Reader", "lake, container fhir-landing"},
		{"app", "Storage Blob Data Contributor", "lake, container fhir-published"},
		{"app", "Storage Blob Data Contributor", "lake, container fhir-quarantine"},
		{"app", "Storage Blob Data Contributor", "lake, container fhir-staging"},
		{"operator", "Storage Blob Data Contributor", "lake, container fhir-journal"},
	}
	vaultUser = grant{"app", "Key Vault Secrets User", "key vault"}
	home      = grant{
		"Synapse workspace", "Storage Blob Data Contributor", "lake, container synapse",
	}
	staging = grant{"Synapse workspace", "Storage Blob Data Reader", "lake, container fhir-staging"}
)

// differences are the roles that a scenario adds or removes.
var differences = map[string]struct{ less, more []grant }{
	"public":    {},
	"private":   {more: []grant{vaultUser}},
	"closed":    {more: []grant{home, staging}},
	"dedicated": {more: []grant{home, staging}},
	"serverless": {more: []grant{
		home,
		{"Synapse workspace", "Storage Blob Data Contributor", "lake, container fhir-published"},
	}},
	"fabric": {},
	"bulk": {
		less: []grant{
			{
				"Event Grid topic", "Storage Blob Data Contributor",
				"lake, container eventgrid-deadletter",
			},
			{"Event Grid topic", "Azure Service Bus Data Sender", "queue blob-events"},
			{"FHIR service", "Storage Blob Data Contributor", "lake"},
			{"app", "FHIR Data Exporter", "FHIR service"},
			{"app", "Storage Blob Data Reader", "lake, container fhir-landing"},
		},
		more: []grant{
			vaultUser,
			{"app", "Storage Blob Data Contributor", "lake, container fhir-landing"},
			{"GitHub workflow", "Website Contributor", "function app"},
			{"GitHub workflow", "Reader", "plan"},
		},
	},
	"cohorts": {
		less: []grant{
			{"FHIR service", "Storage Blob Data Contributor", "lake"},
			{"app", "FHIR Data Exporter", "FHIR service"},
			{"app", "Azure Service Bus Data Owner", "Service Bus namespace"},
		},
		more: []grant{
			{"FHIR service", "Storage Blob Data Contributor", "lake, container fhir-landing"},
			{"app", "fhirsynapse cohorts", "FHIR service"},
			{"app", "Azure Service Bus Data Receiver", "queue blob-events"},
			{"app", "Azure Service Bus Data Receiver", "queue export-steps"},
			{"app", "Azure Service Bus Data Sender", "queue export-steps"},
		},
	},
}

func TestEachIdentityHasTheRolesOfTheTableAndNoMore(t *testing.T) {
	t.Parallel()
	documented := string(read(t, "../docs/security.md"))
	for name, differs := range differences {
		want := slices.DeleteFunc(slices.Clone(always), func(g grant) bool {
			return slices.Contains(differs.less, g)
		})
		want = append(want, differs.more...)
		got := grants(t, deployed(t, scenarios[name]))
		slices.SortFunc(want, func(a, b grant) int {
			return strings.Compare(a.who+a.where+a.role, b.who+b.where+b.role)
		})
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(grant{})); diff != "" {
			t.Errorf("%s: roles (-want +got):\n%s", name, diff)
		}
		for _, g := range got {
			if row := "| " + g.who + " | " + g.role + " | " + g.where +
				" |"; !strings.Contains(documented, row) {
				t.Errorf("docs/security.md lacks the row %s", row)
			}
		}
	}
	// The page has no row for a role that is never assigned.
	given := map[grant]bool{}
	for _, d := range everyScenario(t) {
		for _, g := range grants(t, d) {
			given[g] = true
		}
	}
	for _, row := range regexp.MustCompile(`(?m)^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| [^|]+ \|$`).
		FindAllStringSubmatch(rolesSection(t, documented), -1) {
		if g := (grant{row[1], row[2], row[3]}); g.who != "who" && g.who != "---" && !given[g] {
			t.Errorf("docs/security.md has a row for %v, which no deployment gives", g)
		}
	}
	if len(differences) != len(scenarios) {
		t.Errorf("%d scenarios, %d of them with roles", len(scenarios), len(differences))
	}
}

func rolesSection(t *testing.T, page string) string {
	t.Helper()
	_, after, ok := strings.Cut(page, "\n## Roles\n")
	section, _, end := strings.Cut(after, "\n## ")
	if !ok || !end {
		t.Fatal("docs/security.md has no section Roles")
	}
	return section
}

func TestTheRoleForCohortsCanReadExportAndWrite(t *testing.T) {
	t.Parallel()
	d := deployed(t, scenarios["cohorts"])
	role := only(t, d, "Microsoft.Authorization/roleDefinitions", "")
	const resources = "Microsoft.HealthcareApis/workspaces/fhirservices/resources/"
	if diff := cmp.Diff([]any{map[string]any{
		"actions": []any{}, "notActions": []any{}, "notDataActions": []any{},
		"dataActions": []any{resources + "read", resources + "export/action", resources + "write"},
	}}, role.at("properties", "permissions")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := len(deployed(t, nil).all("Microsoft.Authorization/roleDefinitions")); n > 0 {
		t.Errorf("%d custom roles without cohorts", n)
	}
}
