package azure

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"fhirsynapse/internal/fault"
)

// The SDKs retry within a step for seconds only. For a longer delay the pipeline sends the step
// again later.
const (
	retries       = 3
	retryDelay    = 500 * time.Millisecond
	maxRetryDelay = 5 * time.Second
)

// Account holds a service's address and the identity for it: a connection string, or an address and
// a managed identity. It never prints its connection string.
type Account struct {
	ConnectionString string
	// Address is the blob service URI, or the full name of the Service Bus namespace.
	Address string
	// ClientID selects a user-assigned managed identity. Empty means the default chain:
	// environment, workload identity, managed identity, Azure CLI.
	ClientID string
}

// Given reports whether the account names a service.
func (a Account) Given() bool { return a.ConnectionString != "" || a.Address != "" }

// String hides the connection string.
func (a Account) String() string {
	if a.ConnectionString != "" {
		return "[redacted]"
	}
	return a.Address
}

// GoString hides the connection string from %#v.
func (a Account) GoString() string { return a.String() }

// Format hides the connection string from every verb.
func (a Account) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(a.String())) }

// LogValue hides the connection string from slog.
func (a Account) LogValue() slog.Value { return slog.StringValue(a.String()) }

// MarshalText hides the connection string from encoders.
func (a Account) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// Settings are the services to connect to. A service that is not given is left out.
type Settings struct {
	Storage    Account
	ServiceBus Account
}

// Clients are the SDK clients. A client is nil if its service was not given.
type Clients struct {
	Storage    *service.Client
	ServiceBus *azservicebus.Client
}

// Connect creates the clients. It does no I/O and reports all invalid settings at once.
func Connect(s Settings) (Clients, error) {
	var c Clients
	var errs []error
	if s.Storage.Given() {
		storage, err := connectStorage(s.Storage)
		if err != nil {
			errs = append(errs, err)
		}
		c.Storage = storage
	}
	if s.ServiceBus.Given() {
		bus, err := connectServiceBus(s.ServiceBus)
		if err != nil {
			errs = append(errs, err)
		}
		c.ServiceBus = bus
	}
	if len(errs) > 0 {
		return Clients{}, errors.Join(errs...)
	}
	return c, nil
}

// development is the expansion of "UseDevelopmentStorage=true". The key is public: every Azurite
// uses it.
const development = "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;" +
	"AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;" +
	"BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;"

func connectStorage(a Account) (*service.Client, error) {
	options := &service.ClientOptions{ClientOptions: clientOptions()}
	if a.ConnectionString != "" {
		text := a.ConnectionString
		if text == "UseDevelopmentStorage=true" || text == "UseDevelopmentStorage=true;" {
			text = development
		}
		// The SDK's errors are left out here and below, because they may quote the text.
		client, err := service.NewClientFromConnectionString(text, options)
		if err != nil {
			return nil, fault.Permanentf("the storage connection string does not parse: " +
				"want DefaultEndpointsProtocol=https;AccountName=...;AccountKey=...;EndpointSuffix=core.windows.net")
		}
		return client, nil
	}
	u, err := url.Parse(a.Address)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" {
		return nil, fault.Permanentf(
			"the blob service URI must look like https://ACCOUNT.blob.core.windows.net/, without a query: " +
				"tokens travel over https only")
	}
	cred, err := credential(a.ClientID)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", u.Host, err)
	}
	client, err := service.NewClient(a.Address, cred, options)
	if err != nil {
		return nil, fault.Permanentf("connect to %s: %w", u.Host, err)
	}
	return client, nil
}

func connectServiceBus(a Account) (*azservicebus.Client, error) {
	options := &azservicebus.ClientOptions{
		ApplicationID: application,
		RetryOptions: azservicebus.RetryOptions{
			MaxRetries: retries, RetryDelay: retryDelay, MaxRetryDelay: maxRetryDelay,
		},
	}
	if a.ConnectionString != "" {
		client, err := azservicebus.NewClientFromConnectionString(a.ConnectionString, options)
		if err != nil {
			return nil, fault.Permanentf("the Service Bus connection string does not parse: " +
				"want Endpoint=sb://NAMESPACE.servicebus.windows.net/;SharedAccessKeyName=...;SharedAccessKey=...")
		}
		return client, nil
	}
	cred, err := credential(a.ClientID)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", a.Address, err)
	}
	client, err := azservicebus.NewClient(a.Address, cred, options)
	if err != nil {
		return nil, fault.Permanentf("connect to %s: %w", a.Address, err)
	}
	return client, nil
}

func credential(clientID string) (azcore.TokenCredential, error) {
	if clientID != "" {
		c, err := azidentity.NewManagedIdentityCredential(
			&azidentity.ManagedIdentityCredentialOptions{ID: azidentity.ClientID(clientID)})
		if err != nil {
			return nil, fault.Permanentf("use managed identity %s: %w", clientID, err)
		}
		return c, nil
	}
	c, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return nil, fault.Permanentf("find a credential: %w", err)
	}
	return c, nil
}

// IdentityKind is the source of a Microsoft Entra ID token.
type IdentityKind string

// The kinds of identity.
const (
	ManagedIdentity  IdentityKind = "managed"
	WorkloadIdentity IdentityKind = "workload"
	ClientCredential IdentityKind = "client"
)

// Identity is our identity for an Azure FHIR service. It never prints its secret.
type Identity struct {
	Kind IdentityKind
	// BaseURL is the FHIR service. Its origin is the audience unless Scope is given.
	BaseURL string
	Scope   string
	// ClientID is as in Account. Workload and client identities need a TenantID too.
	ClientID, TenantID string
	Secret             string
}

// String hides the secret.
func (i Identity) String() string { return string(i.Kind) + " identity " + i.ClientID }

// Format hides the secret from every verb.
func (i Identity) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(i.String())) }

// FHIRToken returns a function that returns bearer tokens for an Azure FHIR service. The credential
// caches a token until shortly before it expires, and does no I/O before the first call.
func FHIRToken(i Identity) (func(context.Context) (string, error), error) {
	u, err := url.Parse(i.BaseURL)
	if err != nil || u.Host == "" || u.Scheme != "https" {
		return nil, fault.Permanentf(
			"the FHIR base URL must look like https://NAME.fhir.azurehealthcareapis.com")
	}
	cred, err := i.credential()
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", u.Host, err)
	}
	scope := i.Scope
	if scope == "" {
		scope = "https://" + u.Host + "/.default"
	}
	return tokens(cred, scope), nil
}

func (i Identity) credential() (azcore.TokenCredential, error) {
	switch i.Kind {
	case WorkloadIdentity:
		c, err := azidentity.NewWorkloadIdentityCredential(
			&azidentity.WorkloadIdentityCredentialOptions{
				ClientID: i.ClientID, TenantID: i.TenantID,
			})
		if err != nil {
			return nil, &fault.Error{
				Class: fault.Permanent, Whose: fault.OurSetting,
				Err:    errors.New("this machine has no workload identity"),
				Remedy: "let the cluster set AZURE_FEDERATED_TOKEN_FILE, AZURE_CLIENT_ID and AZURE_TENANT_ID, or write clientId and tenantId",
			}
		}
		return c, nil
	case ClientCredential:
		c, err := azidentity.NewClientSecretCredential(i.TenantID, i.ClientID, i.Secret, nil)
		if err != nil {
			// The library's error is left out, because it may quote its input.
			return nil, &fault.Error{
				Class: fault.Permanent, Whose: fault.OurSetting,
				Err:    errors.New("the client credential is invalid"),
				Remedy: "check tenantId, clientId and secret",
			}
		}
		return c, nil
	case ManagedIdentity:
	}
	return credential(i.ClientID)
}

func tokens(cred azcore.TokenCredential, scope string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		t, err := cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
		if err != nil {
			return "", classifyTransport(err)
		}
		return t.Token, nil
	}
}

// application is our name in Azure's logs. The service allows 24 characters.
const application = "fhirsynapse"

func clientOptions() azcore.ClientOptions {
	return azcore.ClientOptions{
		Telemetry: policy.TelemetryOptions{ApplicationID: application},
		Retry: policy.RetryOptions{
			MaxRetries: retries, RetryDelay: retryDelay, MaxRetryDelay: maxRetryDelay,
		},
		Transport: &http.Client{Transport: transport()},
	}
}

// transport suits many small requests to one host: net/http keeps only two idle connections per
// host, and each further request would pay for a new TLS session. Only the wait for the response
// header is bounded, because reading a large blob may take long.
func transport() *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: (&net.Dialer{
			Timeout: 10 * time.Second, KeepAlive: 15 * time.Second,
		}).DialContext,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 60 * time.Second,
		ExpectContinueTimeout: time.Second,
		MaxIdleConns:          64,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       60 * time.Second,
		// A blob's Content-Encoding belongs to the blob and must not be undone.
		DisableCompression: true,
	}
}
