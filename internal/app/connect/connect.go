// Package connect makes the adapters for runs without a host: FHIR servers, and storage accounts of
// Azure. The handler does not need it.
package connect

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/azure"
	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/bulkfhir"
	"fhirsynapse/internal/config"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/warehouse"
)

// Runner returns a runner with these adapters.
func Runner(engines warehouse.Engines, now func() time.Time) batch.Runner {
	return batch.Runner{Engines: engines, Connect: Server, Staging: Staging, Now: now}
}

// Server makes the client of the FHIR server that a request names. It does no I/O.
func Server(q batch.StartRequest, now func() time.Time) (batch.Server, error) {
	landing, err := landingOf(q)
	if err != nil {
		return batch.Server{}, err
	}
	o := bulkfhir.Options{
		Dialect: q.Dialect, BaseURL: q.Source, Now: now, Method: q.Method,
		Until: !q.Until.IsZero() && landing == nil, Lenient: q.Lenient,
		Patients: q.Patients, FileToken: q.FileToken, AllowPrivate: q.AllowPrivate,
		Downloads: q.Downloads, StatusHosts: q.StatusHosts,
	}
	if landing != nil {
		o.Container, o.Landing, o.Downloads = q.Container, landing.Landing, 0
	}
	if o.Token, o.Renew, err = app.SignIn(q.Source, q.Auth, q.AllowPrivate, now); err != nil {
		return batch.Server{}, fmt.Errorf("sign in: %w", err)
	}
	source, err := bulkfhir.New(o)
	if err != nil || landing == nil {
		return batch.Server{Source: source}, err
	}
	return batch.Server{Source: source, Landing: landing}, nil
}

// landingOf returns the container that a server of dialect azure writes into; nil for other
// dialects.
func landingOf(q batch.StartRequest) (*azure.Lake, error) {
	if q.Dialect != config.DialectAzure {
		return nil, nil
	}
	clients, err := azure.Connect(azure.Settings{Storage: azure.Account{
		ConnectionString: q.Storage.Connection.Reveal(), Address: q.Storage.Address,
	}})
	if err != nil {
		return nil, err
	}
	return azure.NewLake(clients.Storage, azure.Containers{Landing: q.Container}), nil
}

// Staging opens the container of a URL with an identity of this machine.
func Staging(text string) (batch.Staging, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		!strings.Contains(u.Host, ".blob.") {
		return batch.Staging{}, notAContainer()
	}
	container := strings.Trim(u.Path, "/")
	if container == "" || strings.Contains(container, "/") {
		return batch.Staging{}, notAContainer()
	}
	clients, err := azure.Connect(azure.Settings{Storage: azure.Account{Address: "https://" +
		u.Host + "/"}})
	if err != nil {
		return batch.Staging{}, err
	}
	lake := azure.NewLake(clients.Storage, azure.Containers{Staging: container})
	return batch.Staging{Container: lake, URL: lake.DataLakeURL()}, nil
}

// notAContainer returns an error without the given text, because the text may carry a signature.
func notAContainer() error {
	return fault.Permanentf(
		"--staging must look like https://ACCOUNT.blob.core.windows.net/CONTAINER, without a key or signature: an identity of this machine signs in")
}
