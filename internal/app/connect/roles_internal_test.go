package connect

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/azure"
	"fhirsynapse/internal/doctor"
)

type noToken struct{}

func (noToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "x"}, nil
}

const (
	accountID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/Lake"
	fhirID    = "/subscriptions/s/resourceGroups/g/providers/Microsoft.HealthcareApis/workspaces/clinic/fhirservices/main"
)

// azureOf answers questions about roles. Identity p2 has a role on a container, the service's
// identity one on the account.
func azureOf(t *testing.T) *azure.Management {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		filter := r.URL.Query().Get("$filter")
		assignment := func(role, scope string) string {
			return fmt.Sprintf(`{"properties":{"roleDefinitionId":"/x/%s","scope":"%s"}}`,
				strings.ToUpper(role), scope)
		}
		var values string
		switch {
		case r.URL.Path == fhirID:
			fmt.Fprint(w, `{"identity":{"principalId":"svc"},"properties":{"exportConfiguration":{"storageAccountName":"lake"}}}`)
			return
		case strings.HasSuffix(r.URL.Path, "/roleAssignments") && strings.Contains(filter, "'p2'"):
			values = assignment("role-b", accountID+"/blobServices/default/containers/fhir-staging")
		case strings.HasSuffix(r.URL.Path, "/roleAssignments") && strings.Contains(filter, "'svc'"):
			values = assignment("role-a", accountID)
		case strings.Contains(filter, "storageAccounts' and name eq 'lake'"):
			values = `{"id":"` + accountID + `"}`
		case strings.Contains(filter, "fhirservices'"):
			values = fmt.Sprintf(`{"id":%q},{"id":%q}`,
				strings.Replace(fhirID, "clinic", "other", 1), fhirID)
		}
		fmt.Fprint(w, `{"value":[`+values+`]}`)
	}))
	t.Cleanup(server.Close)
	return azure.ManagementAt(server.URL, server.Client(), noToken{})
}

func TestRolesInAzure(t *testing.T) {
	t.Parallel()
	r := roles{azureOf(t), azure.FunctionApp{Subscription: "s", Principals: []string{"p1", "p2"}}}
	id := strings.ToLower(accountID)
	got, err := r.OnLake(t.Context(), "lake")
	want := doctor.Assigned{Principal: "p1", Resource: id, Assignments: []doctor.Assignment{
		{Role: "role-b", Scope: id + "/blobservices/default/containers/fhir-staging"},
	}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("lake: %v %s", err, diff)
	}
	if got, err = r.OnBus(t.Context(), "ns"); err != nil || got.Resource != "" ||
		got.Principal != "p1" {
		t.Errorf("a namespace of another subscription: %+v, %v", got, err)
	}
	service, found, err := r.Service(t.Context(), "https://clinic-main.fhir.azurehealthcareapis.com",
		"lake")
	wanted := doctor.Service{ExportsTo: "lake", Assigned: doctor.Assigned{
		Principal: "svc", Resource: id,
		Assignments: []doctor.Assignment{{Role: "role-a", Scope: id}},
	}}
	if diff := cmp.Diff(wanted, service); err != nil || !found || diff != "" {
		t.Errorf("service: %v, %v %s", found, err, diff)
	}
	if _, found, err = r.Service(t.Context(), "https://fhir.example.org", "lake"); found ||
		err != nil {
		t.Errorf("another server: %v, %v", found, err)
	}
}
