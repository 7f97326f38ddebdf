package azure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"

	"fhirsynapse/internal/fault"
)

func TestConnectTakesWhatAzureGives(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]Settings{
		"connection strings": {
			Storage: Account{
				ConnectionString: "DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=a2V5;EndpointSuffix=core.windows.net",
			},
			ServiceBus: Account{
				ConnectionString: "Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=k;SharedAccessKey=a2V5",
			},
		},
		"identities": {
			Storage:    Account{Address: "https://acct.blob.core.windows.net/"},
			ServiceBus: Account{Address: "ns.servicebus.windows.net"},
		},
		"an identity of the user's": {
			Storage: Account{
				Address:  "https://acct.blob.core.windows.net",
				ClientID: "6f3f6a2c-0000-0000-0000-000000000000",
			},
			ServiceBus: Account{
				Address:  "ns.servicebus.windows.net",
				ClientID: "6f3f6a2c-0000-0000-0000-000000000000",
			},
		},
		"Azurite": {
			Storage: Account{ConnectionString: "UseDevelopmentStorage=true"},
			ServiceBus: Account{
				ConnectionString: "Endpoint=sb://127.0.0.1:5673;SharedAccessKeyName=k;SharedAccessKey=a2V5;UseDevelopmentEmulator=true",
			},
		},
	} {
		c, err := Connect(s)
		if err != nil || c.Storage == nil || c.ServiceBus == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if c, err := Connect(Settings{}); err != nil || c.Storage != nil || c.ServiceBus != nil {
		t.Errorf("nothing given: %+v, %v", c, err)
	}
}

func TestConnectNamesEveryFaultAndNoSecret(t *testing.T) {
	t.Parallel()
	for _, s := range []Settings{
		{
			Storage:    Account{ConnectionString: "secret"},
			ServiceBus: Account{ConnectionString: "secret"},
		},
		{
			Storage:    Account{ConnectionString: "AccountName=a;AccountKey=%secret"},
			ServiceBus: Account{ConnectionString: "Endpoint=sb://x;SharedAccessKey=secret"},
		},
		{
			Storage:    Account{Address: "https://acct.blob.core.windows.net/?sig=secret"},
			ServiceBus: Account{ConnectionString: "Endpoint=secret"},
		},
		{
			Storage:    Account{Address: "http://acct.blob.core.windows.net/"},
			ServiceBus: Account{ConnectionString: ";"},
		},
	} {
		_, err := Connect(s)
		if fault.Of(err) != fault.Permanent {
			t.Errorf("%v, want a permanent error", err)
			continue
		}
		if text := err.Error(); strings.Contains(text, "secret") ||
			!strings.Contains(text, "blob service URI") &&
				!strings.Contains(text, "storage connection string") ||
			!strings.Contains(text, "Service Bus connection string") {
			t.Errorf("%q must speak of both settings, and of no secret", text)
		}
	}
}

func TestAnAccountPrintsNoSecret(t *testing.T) {
	t.Parallel()
	s := Settings{
		Storage:    Account{ConnectionString: "secret", Address: "https://a"},
		ServiceBus: Account{Address: "ns"},
	}
	asJSON, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", slog.Any("s", s), slog.Any("a", s.Storage))
	for _, text := range []string{
		fmt.Sprintf("%v %+v %#v %s %q %x", s, s, s, s, s, s), fmt.Sprint(s.Storage, &s.Storage),
		string(asJSON), log.String(),
	} {
		if strings.Contains(text, "secret") ||
			strings.Contains(text, fmt.Sprintf("%x", "secret")) ||
			!strings.Contains(text, "[redacted]") {
			t.Errorf("printed: %s", text)
		}
	}
}

// credentials returns a token or an error, and records the requests.
type credentials struct {
	err    error
	scopes []string
}

func (c *credentials) GetToken(
	_ context.Context, o policy.TokenRequestOptions,
) (azcore.AccessToken, error) {
	c.scopes = o.Scopes
	return azcore.AccessToken{Token: "t"}, c.err
}

func TestTokensKeepTheirClass(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"given": {nil, ""},
		"refused": {&azidentity.AuthenticationFailedError{
			RawResponse: &http.Response{StatusCode: 401},
		}, "permanent"},
		"busy": {&azidentity.AuthenticationFailedError{
			RawResponse: &http.Response{StatusCode: 503},
		}, "transient"},
		"none":  {noCredential{}, "transient"},
		"ended": {context.Canceled, "transient"},
	} {
		cred := &credentials{err: c.err}
		token, err := tokens(cred, "https://x/.default")(t.Context())
		got := ""
		if err != nil {
			got = fault.Of(err).String()
		}
		if got != c.want || (token == "t") != (c.err == nil) || len(cred.scopes) != 1 ||
			cred.scopes[0] != "https://x/.default" {
			t.Errorf("%s: token %q for %v, %v, want %q", name, token, cred.scopes, err, c.want)
		}
	}
	for _, base := range []string{"", "x.fhir.azurehealthcareapis.com", "http://x"} {
		if _, err := FHIRToken(Identity{BaseURL: base}); fault.Of(err) != fault.Permanent {
			t.Errorf("%q: %v, want a permanent error", base, err)
		}
	}
	if f, err := FHIRToken(
		Identity{BaseURL: "https://x.fhir.azurehealthcareapis.com/"}); err != nil || f == nil {
		t.Errorf("%v", err)
	}
}

func TestIdentities(t *testing.T) {
	t.Parallel()
	const base = "https://x.fhir.azurehealthcareapis.com"
	client := Identity{
		Kind: ClientCredential, BaseURL: base, TenantID: "72f988bf-86f1-41af-91ab-2d7cd011db47",
		ClientID: "me", Secret: "hunter2",
	}
	if f, err := FHIRToken(client); err != nil || f == nil {
		t.Errorf("client credential: %v", err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s %x", client, client, client, client,
		client); strings.Contains(text, "hunter2") ||
		strings.Contains(text, fmt.Sprintf("%x", "hunter2")) {
		t.Errorf("printed: %s", text)
	}
	client.TenantID = "no tenant!"
	for name, i := range map[string]Identity{
		"a tenant that is none":  client,
		"a workload without one": {Kind: WorkloadIdentity, BaseURL: base},
		"a client without secret": {
			Kind: ClientCredential, BaseURL: base, TenantID: "t", ClientID: "c",
		},
	} {
		_, err := FHIRToken(i)
		if fault.Of(err) != fault.Permanent || fault.Whose(err) != fault.OurSetting ||
			strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("%s: %v, want a permanent error of our setting", name, err)
		}
	}
}

func TestFaultsOfServiceBusAreClassified(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err   error
		class fault.Class
		text  string
	}{
		"unauthorized": {
			&azservicebus.Error{Code: azservicebus.CodeUnauthorizedAccess},
			fault.Permanent, "Data Sender",
		},
		"not found": {
			&azservicebus.Error{Code: azservicebus.CodeNotFound}, fault.Permanent,
			`create queue "q"`,
		},
		"lost": {
			&azservicebus.Error{Code: azservicebus.CodeConnectionLost}, fault.Transient,
			"connlost",
		},
		"timeout": {
			&azservicebus.Error{Code: azservicebus.CodeTimeout}, fault.Transient,
			"timeout",
		},
		"closed": {&azservicebus.Error{Code: azservicebus.CodeClosed}, fault.Transient, "closed"},
		"no link": {
			&amqp.Error{Condition: amqp.ErrCondNotFound}, fault.Permanent,
			`create queue "q"`,
		},
		"disabled": {
			&amqp.Error{Condition: "com.microsoft:entity-disabled"}, fault.Permanent,
			"enable queue",
		},
		"full": {
			&amqp.Error{Condition: amqp.ErrCondResourceLimitExceeded}, fault.Transient,
			"drain it",
		},
		"busy": {
			&amqp.Error{Condition: "com.microsoft:server-busy"}, fault.Transient,
			"server-busy",
		},
		"unknown":  {errors.New("boom"), fault.Transient, "boom"},
		"no token": {&azidentity.AuthenticationFailedError{}, fault.Transient, "no token"},
		"no credential": {
			noCredential{}, fault.Transient, "sign in with the Azure CLI",
		},
	} {
		err := classifyBus(fmt.Errorf("wrapped: %w", c.err), "q")
		if fault.Of(err) != c.class || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v (%v), want %v with %q", name, err, fault.Of(err), c.class, c.text)
		}
	}
}

type noCredential struct{}

func (noCredential) Error() string { return "DefaultAzureCredential:\n\tno one is here" }
func (noCredential) NonRetriable() {}
