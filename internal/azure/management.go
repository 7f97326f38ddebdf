package azure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"fhirsynapse/internal/fault"
)

// The versions of Azure's management API.
const (
	versionSubscriptions = "2022-12-01"
	versionResources     = "2021-04-01"
	versionSites         = "2025-03-01"
)

// maxAnswer bounds an answer of the management API in bytes.
const maxAnswer = 16 << 20

// Management asks Azure's management API as the person who has signed in with the Azure CLI.
type Management struct {
	base string
	http *http.Client
	cred azcore.TokenCredential
}

// NewManagement returns a client of the public cloud's management API. It does no I/O.
func NewManagement() (*Management, error) {
	cred, err := azidentity.NewAzureCLICredential(nil)
	if err != nil {
		return nil, fault.Permanentf("use the Azure CLI: %w", err)
	}
	return ManagementAt("https://management.azure.com", &http.Client{Transport: transport()}, cred),
		nil
}

// ManagementAt returns a client of the management API at another address.
func ManagementAt(base string, client *http.Client, cred azcore.TokenCredential) *Management {
	return &Management{base: strings.TrimRight(base, "/"), http: client, cred: cred}
}

// AppQuery names a Function App. Subscription and Group may be empty: the app is then looked for in
// all subscriptions of the person.
type AppQuery struct{ Name, Subscription, Group string }

// FunctionApp is a deployed app.
type FunctionApp struct {
	Name, Subscription, Group string
	State                     string // Running or Stopped
	// Principals are the object ids of the app's identities.
	Principals []string
	// Settings are the application settings. They hold secrets.
	Settings map[string]string
}

// String hides the settings.
func (a FunctionApp) String() string { return "function app " + a.Name }

// Format hides the settings from every verb.
func (a FunctionApp) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(a.String())) }

// App finds a Function App and reads its settings.
func (m *Management) App(ctx context.Context, q AppQuery) (FunctionApp, error) {
	subscriptions := []string{q.Subscription}
	if q.Subscription == "" {
		var err error
		if subscriptions, err = m.subscriptions(ctx); err != nil {
			return FunctionApp{}, err
		}
	}
	var found []string
	for _, s := range subscriptions {
		ids, err := m.sites(ctx, s, q)
		if err != nil {
			return FunctionApp{}, err
		}
		found = append(found, ids...)
	}
	switch len(found) {
	case 0:
		return FunctionApp{}, &fault.Error{
			Class: fault.Permanent,
			Err: fmt.Errorf("there is no function app %s in your %s", q.Name,
				plural(len(subscriptions), "subscription")),
			Remedy: "check the name, or sign in to another tenant: az functionapp list --output table; az login --tenant TENANT",
		}
	case 1:
		return m.site(ctx, found[0])
	}
	return FunctionApp{}, &fault.Error{
		Class:  fault.Permanent,
		Err:    fmt.Errorf("there are %d function apps %s", len(found), q.Name),
		Remedy: "add --subscription ID or --resource-group NAME",
	}
}

func plural(n int, word string) string {
	if n == 1 {
		return "one " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

func (m *Management) subscriptions(ctx context.Context) ([]string, error) {
	var list struct {
		Value []struct{ SubscriptionID, State string }
	}
	if err := m.ask(ctx, "list your subscriptions", http.MethodGet,
		"/subscriptions?api-version="+versionSubscriptions, &list); err != nil {
		return nil, err
	}
	var out []string
	for _, s := range list.Value {
		if s.State != "Disabled" {
			out = append(out, s.SubscriptionID)
		}
	}
	return out, nil
}

// sites returns the resource ids of the apps of a name.
func (m *Management) sites(ctx context.Context, subscription string, q AppQuery) ([]string, error) {
	if strings.ContainsAny(q.Name, "'/?#") {
		return nil, fault.Permanentf("%q is not the name of a function app", q.Name)
	}
	ids, err := m.resources(ctx, subscription, "Microsoft.Web/sites", q.Name)
	var out []string
	for _, id := range ids {
		if q.Group == "" || strings.EqualFold(segment(id, "resourceGroups"), q.Group) {
			out = append(out, id)
		}
	}
	return out, err
}

// segment returns the part of a resource id that follows a name.
func segment(id, name string) string {
	parts := strings.Split(id, "/")
	i := slices.IndexFunc(parts, func(p string) bool { return strings.EqualFold(p, name) })
	if i < 0 || i+1 >= len(parts) {
		return ""
	}
	return parts[i+1]
}

func (m *Management) site(ctx context.Context, id string) (FunctionApp, error) {
	out := FunctionApp{
		Name: segment(id, "sites"), Subscription: segment(id, "subscriptions"),
		Group: segment(id, "resourceGroups"),
	}
	var site struct {
		Properties struct{ State string }
		Identity   struct {
			PrincipalID            string
			UserAssignedIdentities map[string]struct{ PrincipalID string }
		}
	}
	if err := m.ask(ctx, "read the app "+out.Name, http.MethodGet,
		id+"?api-version="+versionSites, &site); err != nil {
		return out, err
	}
	out.State = site.Properties.State
	for _, identity := range site.Identity.UserAssignedIdentities {
		out.Principals = append(out.Principals, identity.PrincipalID)
	}
	if own := site.Identity.PrincipalID; own != "" {
		out.Principals = append(out.Principals, own)
	}
	slices.Sort(out.Principals)
	var settings struct{ Properties map[string]string }
	if err := m.ask(ctx, "list the settings of the app "+out.Name, http.MethodPost,
		id+"/config/appsettings/list?api-version="+versionSites, &settings); err != nil {
		return out, err
	}
	out.Settings = settings.Properties
	return out, nil
}

// ask sends a request and decodes the answer. The body of a refusal stays out of the error, but for
// its code.
func (m *Management) ask(ctx context.Context, what, method, path string, into any) error {
	token, err := m.cred.GetToken(ctx,
		policy.TokenRequestOptions{Scopes: []string{m.base + "/.default"}})
	if err != nil {
		return &fault.Error{
			Class: fault.Permanent, Err: errors.New(what + ": the Azure CLI gives no token"),
			Remedy: "install the Azure CLI and sign in: az login",
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, m.base+path, http.NoBody)
	if err != nil {
		return fault.Permanentf("%s: the address does not parse", what)
	}
	req.Header.Set("Authorization", "Bearer "+token.Token)
	req.Header.Set("Accept", "application/json")
	resp, err := m.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", what, classifyTransport(err))
	}
	defer func() { _ = resp.Body.Close() }() // the needed part has been read
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%s: %w", what, classifyTransport(err))
	}
	if resp.StatusCode != http.StatusOK {
		return refusedByManagement(what, resp, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fault.Permanentf("%s: the answer is not the JSON that was expected", what)
	}
	return nil
}

func refusedByManagement(what string, resp *http.Response, body []byte) error {
	var problem struct{ Error struct{ Code string } }
	_ = json.Unmarshal(body, &problem) // the code is only for the message
	f := &fault.Error{
		Class: fault.Permanent, After: retryAfter(resp),
		Err: errors.New(strings.TrimSpace(fmt.Sprintf("%s: Azure answered HTTP %d %s", what,
			resp.StatusCode, fault.Clip(problem.Error.Code)))),
	}
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		f.Remedy = "sign in again: az login"
	case resp.StatusCode == http.StatusForbidden:
		f.Remedy = "ask for the role Website Contributor on the app, which may list its settings; Reader may not"
	case passing(resp.StatusCode):
		f.Class = fault.Transient
	}
	return f
}
