package sandbox

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"

	"fhirsynapse/internal/emulator/fhirserver"
	"fhirsynapse/internal/emulator/fhirserver/jobs"
	"fhirsynapse/internal/emulator/fhirserver/signin"
)

// Kinds of FHIR server in a World.
const (
	SourceAzure = "azure" // writes its files into the storage account
	SourceBulk  = "bulk"  // sends its files to clients that sign in
)

// clientName is the client's name at the FHIR server, and the name of its key.
const clientName = "sandbox"

// bulkOptions returns the options of a FHIR server of kind bulk: strictly according to the guide,
// with SMART Backend Services, pages of the manifest and addresses that expire.
func (w *World) bulkOptions() (fhirserver.Options, error) {
	public, err := w.makeKey()
	if err != nil {
		return fhirserver.Options{}, fmt.Errorf("make a key for the FHIR server: %w", err)
	}
	sign, err := signin.New(signin.Options{
		Now: w.options.Now,
		Clients: map[string]signin.Client{
			clientName: {Keys: map[string]crypto.PublicKey{clientName: public}},
		},
	})
	if err != nil {
		return fhirserver.Options{}, err
	}
	return fhirserver.Options{
		Blobs: jobs.NewFolder(filepath.Join(w.options.Dir, "fhir-files")),
		Bulk: &fhirserver.Bulk{
			SignIn: sign, PageSize: filesPerPage, RetryAfter: "1",
			Progress: []string{"in progress"},
		},
	}, nil
}

const filesPerPage = 1000

// makeKey makes the key that the handler signs with, and returns its public half.
func (w *World) makeKey() (crypto.PublicKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return &key.PublicKey, os.WriteFile(w.keyFile(), text, 0o600)
}

func (w *World) keyFile() string { return filepath.Join(w.options.Dir, "client-key.pem") }

// plans returns the text of exports.yaml.
func (w *World) plans() string {
	source, window := "dialect: azure, auth: {kind: none}", "    lag: 0s\n"
	if w.options.Source == SourceBulk {
		// Exports of kind bulk end at their transactionTime.
		source, window = fmt.Sprintf(
			"dialect: bulk, auth: {kind: smart, clientId: %s, keyId: %s, keyFile: %q}", clientName,
			clientName, w.keyFile()), ""
	}
	cohorts, scope := "", "level: system"
	if w.options.Cohort != "" {
		cohorts, scope = cohortText, "cohort: "+w.options.Cohort
		if w.options.WithoutGroups {
			cohorts += "    groups: none\n"
		}
	}
	return fmt.Sprintf(`version: 1
sources:
  sandbox: {url: %q, %s}
%splans:
  - name: %s
    source: sandbox
    %s
    schema: %s
    schedule: "@every 1s"
    overlap: 1m
%s`, w.base, source, cohorts, planName, scope, schema, window)
}
