package azure_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"fhirsynapse/internal/azure"
	"fhirsynapse/internal/fault"
)

type personToken struct{ err error }

func (p personToken) GetToken(
	context.Context, policy.TokenRequestOptions,
) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "hunter2"}, p.err
}

// manager answers requests of the management API by method and path.
func manager(
	t *testing.T, cred azcore.TokenCredential, answers map[string]string,
) *azure.Management {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := answers[r.Method+" "+r.URL.Path]
		var status int
		if n, _ := fmt.Sscanf(body, "HTTP %d", &status); !ok || n == 1 {
			if n == 0 {
				status = http.StatusNotFound
			}
			w.WriteHeader(status)
			body = `{"error":{"code":"Refused","message":"hunter2"}}`
		}
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	return azure.ManagementAt(server.URL+"/", server.Client(), cred)
}

const (
	siteA = "/subscriptions/a/resourceGroups/One/providers/Microsoft.Web/sites/func-x"
	siteB = "/subscriptions/b/resourceGroups/Two/providers/Microsoft.Web/sites/func-x"
)

func answers() map[string]string {
	out := map[string]string{
		"GET /subscriptions": `{"value":[{"subscriptionId":"a"},{"subscriptionId":"b"},
			{"subscriptionId":"old","state":"Disabled"}]}`,
		"GET /subscriptions/a/resources": `{"value":[{"id":"` + siteA + `"}]}`,
		"GET /subscriptions/b/resources": `{"value":[{"id":"` + siteB + `"}]}`,
	}
	for _, site := range []string{siteA, siteB} {
		out["GET "+site] = `{"properties":{"state":"Running"}}`
		out["POST "+site+"/config/appsettings/list"] = `{"properties":{"Key":"hunter2"}}`
	}
	return out
}

func TestManagementFindsAnApp(t *testing.T) {
	t.Parallel()
	m := manager(t, personToken{}, answers())
	for _, q := range []azure.AppQuery{
		{Name: "func-x", Group: "two"}, {Name: "func-x", Subscription: "b"},
	} {
		app, err := m.App(t.Context(), q)
		if err != nil || app.Name != "func-x" || app.Group != "Two" || app.Subscription != "b" ||
			app.State != "Running" || app.Settings["Key"] != "hunter2" {
			t.Errorf("%+v: %s of %s in %s, %v", q, app.Name, app.Group, app.Subscription, err)
		}
		if text := fmt.Sprintf("%v %+v %s", app, app, app); strings.Contains(text, "hunter2") {
			t.Errorf("the settings are printed: %s", text)
		}
	}
}

func TestManagementSaysWhatToType(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		q       azure.AppQuery
		cred    personToken
		change  string
		answer  string
		want    string
		passing bool
	}{
		"two apps of a name": {want: "add --subscription ID or --resource-group NAME"},
		"no such app": {
			q: azure.AppQuery{Group: "three"}, want: "no function app func-x in your 2 subscriptions",
		},
		"not signed in": {cred: personToken{errors.New("hunter2")}, want: "sign in: az login"},
		"a stale sign-in": {
			change: "GET /subscriptions", answer: "HTTP 401", want: "sign in again: az login",
		},
		"only Reader": {
			q: azure.AppQuery{Subscription: "a"}, answer: "HTTP 403",
			change: "POST " + siteA + "/config/appsettings/list", want: "Website Contributor",
		},
		"Azure is busy": {
			change: "GET /subscriptions", answer: "HTTP 503", want: "HTTP 503 Refused",
			passing: true,
		},
		"a page of a proxy": {
			change: "GET /subscriptions", answer: "<html>hunter2", want: "not the JSON",
		},
		"a name with a quote": {
			q: azure.AppQuery{Name: "x' or name ne '"}, want: "is not the name of a function app",
		},
	} {
		all := answers()
		if c.change != "" {
			all[c.change] = c.answer
		}
		if c.q.Name == "" {
			c.q.Name = "func-x"
		}
		_, err := manager(t, c.cred, all).App(t.Context(), c.q)
		if err == nil || !strings.Contains(err.Error(), c.want) ||
			strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
			continue
		}
		if got := fault.Of(err) == fault.Transient; got != c.passing {
			t.Errorf("%s: transient %v", name, got)
		}
	}
}
