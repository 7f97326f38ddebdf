package tds

import (
	"cmp"
	"context"
	"database/sql/driver"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	mssqldb "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/sof/tsql"
)

// Server is a parsed connection string. It prints as host and database.
type Server struct {
	Engine    tsql.Engine
	address   string
	connector driver.Connector
}

// String returns the host and the database.
func (s Server) String() string { return s.address }

// Database returns the name of the database.
func (s Server) Database() string {
	_, database, _ := strings.Cut(s.address, "/")
	return database
}

// GoString hides the connector's settings from %#v.
func (s Server) GoString() string { return s.address }

// signIn is a supported value of fedauth with its credential.
type signIn struct {
	name string
	make func(clientID string) (azcore.TokenCredential, error)
}

// signIns are compared case-sensitively, because the driver would treat a misspelt one as the
// default chain.
var signIns = []signIn{
	{"ActiveDirectoryDefault", func(string) (azcore.TokenCredential, error) {
		return azidentity.NewDefaultAzureCredential(nil)
	}},
	{"ActiveDirectoryManagedIdentity", managedIdentity},
	{"ActiveDirectoryMSI", managedIdentity},
	{"ActiveDirectoryWorkloadIdentity", func(string) (azcore.TokenCredential, error) {
		return azidentity.NewWorkloadIdentityCredential(nil)
	}},
	{"ActiveDirectoryEnvironment", func(string) (azcore.TokenCredential, error) {
		return azidentity.NewEnvironmentCredential(nil)
	}},
	{"ActiveDirectoryAzCli", func(string) (azcore.TokenCredential, error) {
		return azidentity.NewAzureCLICredential(nil)
	}},
}

func managedIdentity(clientID string) (azcore.TokenCredential, error) {
	o := &azidentity.ManagedIdentityCredentialOptions{}
	if clientID != "" {
		o.ID = azidentity.ClientID(clientID)
	}
	return azidentity.NewManagedIdentityCredential(o)
}

// Connection string parameters that this package reads, in addition to the driver's.
const (
	paramDatabase   = "database"
	paramFedAuth    = "fedauth"
	paramEncrypt    = "encrypt"
	paramUserID     = "user id"
	paramPacketSize = "packet size"
	paramAppName    = "app name"
)

// ParseServer parses the setting Warehouse after "sqlserver:", "synapse-dedicated:" or "fabric:":
// //USER:PASSWORD@HOST:PORT?database=NAME, or the same with sqlserver: before it. Without a user an
// Azure identity signs in, chosen by fedauth. The connection is encrypted unless encrypt disables
// it or the host is this machine. Errors do not repeat the text, which may hold a password.
func ParseServer(engine tsql.Engine, rest string) (Server, error) {
	u, err := url.Parse("sqlserver:" + strings.TrimPrefix(rest, "sqlserver:"))
	if err != nil || u.Host == "" {
		return Server{},
			fault.Permanentf(
				"warehouse %s: the connection string does not parse: want sqlserver://USER:PASSWORD@HOST:1433?database=NAME, with special characters of the password percent-encoded", engine)
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Server{},
			fault.Permanentf(
				"warehouse %s: the parameters of the connection string do not parse: want ?database=NAME&encrypt=true", engine)
	}
	set := func(name, fallback string) string {
		for given, values := range q {
			if strings.EqualFold(given, name) && len(values) > 0 && values[0] != "" {
				return values[0]
			}
		}
		if fallback != "" {
			q.Set(name, fallback)
		}
		return fallback
	}
	database := set(paramDatabase, "")
	if database == "" {
		return Server{},
			fault.Permanentf(
				"warehouse %s: the connection string names no database: add ?database=NAME", engine)
	}
	encrypt := "true"
	if loopback(u.Hostname()) {
		encrypt = "false" // the login only, if the server can
	}
	set(paramEncrypt, encrypt)
	// Loads send much data; 16383 is the maximum with TLS.
	set(paramPacketSize, "16383")
	set(paramAppName, "fhirsynapse")
	fedauth, clientID := set(paramFedAuth, ""), set(paramUserID, "")
	for name := range q {
		if strings.EqualFold(name, paramFedAuth) {
			q.Del(name)
		}
	}
	u.RawQuery = q.Encode()
	s := Server{Engine: engine, address: u.Host + "/" + database}
	config, err := msdsn.Parse(u.String())
	if err != nil {
		return Server{},
			fault.Permanentf(
				"warehouse %s: %s: the connection string has a parameter that is not right: check encrypt, certificate, TrustServerCertificate and the timeouts", engine, s.address)
	}
	config.DisableRetry = true // the driver must not resend a statement
	if u.User != nil && fedauth == "" {
		s.connector = mssqldb.NewConnectorConfig(config)
		return s, nil
	}
	if u.User != nil {
		if _, secret := u.User.Password(); secret {
			return Server{},
				fault.Permanentf(
					"warehouse %s: %s: the connection string has a password and fedauth: remove one", engine, s.address)
		}
		clientID = cmp.Or(clientID, u.User.Username())
	}
	credential, err := credentialOf(cmp.Or(fedauth, signIns[0].name), clientID)
	if err != nil {
		return Server{}, fmt.Errorf("warehouse %s: %s: %w", engine, s.address, err)
	}
	return s.with(config, credential)
}

// Take removes the named parameters from the setting Warehouse and returns those that it found. A
// text that does not parse is left to ParseServer.
func Take(rest string, names ...string) (left string, taken map[string]string) {
	before, query, _ := strings.Cut(rest, "?")
	q, err := url.ParseQuery(query)
	if err != nil {
		return rest, nil
	}
	taken = map[string]string{}
	for _, name := range names {
		for given, values := range q {
			if strings.EqualFold(given, name) {
				taken[name] = values[0]
				q.Del(given)
			}
		}
	}
	if len(taken) == 0 {
		return rest, nil
	}
	return before + "?" + q.Encode(), taken
}

// with signs in with tokens of a credential, which caches a token until shortly before it expires.
func (s Server) with(config msdsn.Config, credential azcore.TokenCredential) (Server, error) {
	connector, err := mssqldb.NewSecurityTokenConnector(config,
		func(ctx context.Context) (string, error) {
			const scope = "https://database.windows.net/.default"
			t, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
			if err != nil {
				return "", &fault.Error{
					Class:  fault.Transient,
					Err:    fmt.Errorf("get a token for the warehouse: %w", err),
					Remedy: "if this continues, check that the app has an identity",
				}
			}
			return t.Token, nil
		})
	if err != nil {
		return s, fault.Permanentf("warehouse %s: %s: %w", s.Engine, s.address, err)
	}
	s.connector = connector
	return s, nil
}

func credentialOf(fedauth, clientID string) (azcore.TokenCredential, error) {
	i := slices.IndexFunc(signIns, func(s signIn) bool { return s.name == fedauth })
	if i < 0 {
		names := make([]string, len(signIns))
		for n, s := range signIns {
			names[n] = s.name
			if strings.EqualFold(s.name, fedauth) {
				return nil, fault.Permanentf("fedauth=%s must be spelt %s", fedauth, s.name)
			}
		}
		return nil, fault.Permanentf("fedauth=%s is unknown: use one of %s", fedauth,
			strings.Join(names, ", "))
	}
	c, err := signIns[i].make(clientID)
	if err != nil {
		return nil, fault.Permanentf("find the credential for fedauth=%s: %w", fedauth, err)
	}
	return c, nil
}

func loopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}
