package onstart

import (
	"context"
	"fmt"
	"io"
	"iter"
	"time"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/azure"
	"fhirsynapse/internal/bulkfhir"
	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/config"
	"fhirsynapse/internal/pipeline"
)

// landingOf is where a server of dialect azure writes; nil for the others.
func landingOf(r cli.StartRequest) (*azure.Lake, error) {
	if r.Dialect != config.DialectAzure {
		return nil, nil
	}
	clients, err := azure.Connect(azure.Settings{Storage: azure.Account{ConnectionString: r.Storage.Connection.Reveal(), Address: r.Storage.Address}})
	if err != nil {
		return nil, err
	}
	return azure.NewLake(clients.Storage, azure.Containers{Landing: r.Container}), nil
}

// splitLake has its landing area in a storage account, which is only read, and the
// others on this machine.
type splitLake struct {
	pipeline.Lake
	landing pipeline.Lake
}

func (s splitLake) of(area pipeline.Area) pipeline.Lake {
	if area == pipeline.Landing {
		return s.landing
	}
	return s.Lake
}

// List implements pipeline.Lake.
func (s splitLake) List(ctx context.Context, area pipeline.Area, prefix string) iter.Seq2[pipeline.File, error] {
	return s.of(area).List(ctx, area, prefix)
}

// Stat implements pipeline.Lake.
func (s splitLake) Stat(ctx context.Context, area pipeline.Area, path string) (pipeline.File, error) {
	return s.of(area).Stat(ctx, area, path)
}

// Open implements pipeline.Lake.
func (s splitLake) Open(ctx context.Context, area pipeline.Area, path, etag string) (io.ReadCloser, error) {
	return s.of(area).Open(ctx, area, path, etag)
}

// sourceOf is the server, with its sign-in.
func sourceOf(r cli.StartRequest, landing *azure.Lake, now func() time.Time) (pipeline.Source, error) {
	o := bulkfhir.Options{
		Dialect: r.Dialect, BaseURL: r.Source, Now: now, Method: r.Method, Until: !r.Until.IsZero() && landing == nil, Lenient: r.Lenient,
		Patients: r.Patients, FileToken: r.FileToken, AllowPrivate: r.AllowPrivate, Downloads: r.Downloads, StatusHosts: r.StatusHosts,
	}
	if landing != nil {
		o.Container, o.Landing, o.Downloads = r.Container, landing.Landing, 0
	}
	var err error
	if o.Token, o.Renew, err = app.SignIn(r.Source, r.Auth, r.AllowPrivate, now); err != nil {
		return pipeline.Source{}, fmt.Errorf("sign in: %w", err)
	}
	return bulkfhir.New(o)
}
