package onduck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"time"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/azure"
	"fhirsynapse/internal/bulkfhir"
	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/config"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/localdir"
	"fhirsynapse/internal/once"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/prepared"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/warehouse/duck"
)

// Starter gives the command start --once, with a clock.
func Starter(now func() time.Time) cli.Starter {
	return func(ctx context.Context, r cli.StartRequest) (out cli.StartReport, err error) {
		if r.Scheme != Scheme {
			return out, fault.Permanentf("start --once goes to duckdb:FILE, not to %q", r.Scheme)
		}
		landing, err := landingOf(r)
		if err != nil {
			return out, err
		}
		source, err := sourceOf(r, landing, now)
		if err != nil {
			return out, err
		}
		file, memory := target(filepath.Clean(r.Rest))
		work, err := workFolder(filepath.Dir(file), now())
		if err != nil {
			return out, err
		}
		defer func() { err = errors.Join(err, work.Remove()) }()
		quarantine := file + ".quarantine"
		out, err = exportOnce(ctx, r, source, landing, duck.Options{Path: file, MemoryLimit: memory, TempDir: work.Path(), Now: now}, quarantine)
		out.QuarantineFolder = quarantine
		for _, t := range out.Types {
			if t.Quarantined > 0 {
				out.Quarantine = filepath.Join(quarantine, out.Export)
			}
		}
		if err != nil {
			return out, fmt.Errorf("export once from %s: %w", r.Source, err)
		}
		return out, nil
	}
}

func exportOnce(ctx context.Context, r cli.StartRequest, source pipeline.Source, landing *azure.Lake, to duck.Options, quarantine string) (out cli.StartReport, err error) {
	views, err := app.Views(r.Views, sof.WithReferences(r.References))
	if err != nil {
		return out, err
	}
	lake := localdir.New(to.TempDir).WithQuarantine(quarantine)
	flattener, err := prepared.NewFlattener(prepared.Options{Lake: lake, Views: views})
	if err != nil {
		return out, err
	}
	to.Lake, to.Views, to.MakeRoom = lake, views.Tables, roomFrom(flattener)
	tables, err := duck.Open(to)
	if err != nil {
		return out, err
	}
	o := once.Options{
		Plan: pipeline.Plan{
			Level: r.Level, Group: r.Group, Types: r.Types, TypeFilter: r.TypeFilters, Schema: r.Schema, MaxBad: r.MaxBad, AllowErrors: r.AllowErrors,
			// Below level system a server of dialect azure cannot be asked for deletes.
			Deleted: landing == nil || r.Level == pipeline.LevelSystem,
		},
		Since: r.Since, Until: r.Until, Source: source, Lake: lake, Landings: lake, Warehouse: tables, Flattener: flattener,
		Now: to.Now, Token: token, Watch: r.Watch, Patience: r.Timeout,
	}
	if landing != nil {
		o.Lake, o.Shared = splitLake{lake, landing}, true
	}
	out.Result, err = once.Run(ctx, o)
	return out, err
}

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
		return nil, fmt.Errorf("sign in: %w", err)
	}
	return bulkfhir.New(o)
}
