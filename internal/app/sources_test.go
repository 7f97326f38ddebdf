package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/azure"
	"fhirsynapse/internal/config"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

func testApp(t *testing.T, files map[string]string) *App {
	t.Helper()
	clients, err := azure.Connect(
		azure.Settings{Storage: azure.Account{ConnectionString: "UseDevelopmentStorage=true"}})
	if err != nil {
		t.Fatal(err)
	}
	return &App{
		config: config.Config{LandingContainer: "landing"}, now: time.Now,
		lake: azure.NewLake(clients.Storage, azure.Containers{Landing: "landing"}),
		read: func(name string) ([]byte, error) {
			if text, ok := files[name]; ok {
				return []byte(text), nil
			}
			return nil, fs.ErrNotExist
		},
	}
}

func keyFile(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func TestEverySignInIsWired(t *testing.T) {
	t.Parallel()
	a := testApp(t, map[string]string{"key.pem": keyFile(t), "token": "hunter2\n", "empty": " \n"})
	const base = "https://fhir.example"
	for name, c := range map[string]struct {
		auth  config.Auth
		fails string
		none  bool
	}{
		"none":             {auth: config.Auth{Kind: config.AuthNone}, none: true},
		"managed identity": {auth: config.Auth{Kind: config.AuthManagedIdentity, Audience: base}},
		"client credential": {auth: config.Auth{
			Kind: config.AuthClientCredential, Audience: base, TenantID: "t", ClientID: "c",
			Secret: config.NewSecret("hunter2"),
		}},
		"smart": {auth: config.Auth{
			Kind: config.AuthSMART, ClientID: "c", KeyID: "k", SecretFile: "key.pem",
		}},
		"smart without kid": {
			auth:  config.Auth{Kind: config.AuthSMART, ClientID: "c", SecretFile: "key.pem"},
			fails: "keyId",
		},
		"client secret": {auth: config.Auth{
			Kind: config.AuthClientSecret, ClientID: "c", Secret: config.NewSecret("hunter2"),
		}},
		"bearer": {auth: config.Auth{Kind: config.AuthBearer, SecretFile: "token"}},
		"a missing file": {
			auth:  config.Auth{Kind: config.AuthBearer, SecretFile: "gone"},
			fails: "read the secret",
		},
		"an empty file": {
			auth: config.Auth{Kind: config.AuthBearer, SecretFile: "empty"}, fails: "is empty",
		},
		"an unknown kind": {auth: config.Auth{Kind: "password"}, fails: "unknown kind"},
	} {
		token, _, err := a.signIn(config.Source{URL: base, Auth: c.auth})
		switch {
		case c.fails != "":
			if fault.Of(err) != fault.Permanent || !strings.Contains(err.Error(), c.fails) ||
				strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v, want a permanent error with %q", name, err, c.fails)
			}
		case err != nil || (token == nil) != c.none:
			t.Errorf("%s: token %v, %v", name, token != nil, err)
		}
	}
	token, _, err := a.signIn(config.Source{Auth: config.Auth{
		Kind: config.AuthBearer, SecretFile: "token",
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := token(t.Context()); err != nil || got != "hunter2" {
		t.Errorf("the token of the file is %q, %v", got, err)
	}
}

func TestSourcesOfPlans(t *testing.T) {
	t.Parallel()
	a := testApp(t, nil)
	exports := config.Exports{
		Sources: map[string]config.Source{
			"clinic": {
				Name: "clinic", URL: "https://clinic.example", Dialect: config.DialectAzure,
				Auth: config.Auth{Kind: config.AuthNone},
			},
			"ehr": {
				Name: "ehr", URL: "https://ehr.example/fhir", Dialect: config.DialectBulk,
				Auth: config.Auth{Kind: config.AuthNone},
			},
		},
		SourceOf:   map[string]string{"a": "clinic", "b": "ehr", "c": "ehr", "d": "ehr"},
		PatientsOf: map[string][]string{"d": {"p1"}},
	}
	source, err := a.sources(exports, cohorts{})
	if err != nil {
		t.Fatal(err)
	}
	of := map[string]pipeline.Source{}
	for plan := range exports.SourceOf {
		if of[plan], err = source(plan); err != nil {
			t.Fatal(err)
		}
	}
	if of["a"].Traces == nil {
		t.Error("a source of dialect azure finds no traces")
	}
	if of["b"].Files == nil {
		t.Error("a source of dialect bulk reads no files")
	}
	if of["b"] != of["c"] || of["c"] == of["d"] {
		t.Error("plans share a source, but for those that name patients")
	}
	if _, err := source("z"); err == nil {
		t.Error("an unknown plan has a source")
	}
	for name, s := range exports.Sources {
		s.URL = "ftp://nowhere"
		exports.Sources[name] = s
	}
	_, err = a.sources(exports, cohorts{})
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) || len(joined.Unwrap()) != 2 {
		t.Errorf("%v, want the faults of both sources", err)
	}
}
