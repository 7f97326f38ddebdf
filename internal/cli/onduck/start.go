package onduck

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/bulkfhir"
	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/localdir"
	"fhirsynapse/internal/once"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/prepared"
	"fhirsynapse/internal/warehouse/duck"
)

// Starter gives the command start --once, with a clock.
func Starter(now func() time.Time) cli.Starter {
	return func(ctx context.Context, r cli.StartRequest) (out cli.StartReport, err error) {
		if r.Scheme != Scheme {
			return out, fault.Permanentf("start --once goes to duckdb:FILE, not to %q", r.Scheme)
		}
		source, err := sourceOf(r, now)
		if err != nil {
			return out, err
		}
		file, memory := target(filepath.Clean(r.Rest))
		work, err := workFolder(filepath.Dir(file))
		if err != nil {
			return out, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
		quarantine := file + ".quarantine"
		out, err = exportOnce(ctx, r, source, duck.Options{Path: file, MemoryLimit: memory, TempDir: work, Now: now}, quarantine)
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

func exportOnce(ctx context.Context, r cli.StartRequest, source pipeline.Source, to duck.Options, quarantine string) (out cli.StartReport, err error) {
	log := slog.New(slog.NewTextHandler(r.Log, &slog.HandlerOptions{Level: slog.LevelError}))
	views, err := app.Views(r.Views)
	if err != nil {
		return out, err
	}
	lake := localdir.New(to.TempDir).WithQuarantine(quarantine)
	flattener, err := prepared.NewFlattener(prepared.Options{Lake: lake, Views: views})
	if err != nil {
		return out, err
	}
	to.Lake, to.Views, to.MakeRoom = lake, views.Tables, flattener.GiveUp
	tables, err := duck.Open(to)
	if err != nil {
		return out, err
	}
	out.Result, err = once.Run(ctx, once.Options{
		Plan: pipeline.Plan{
			Level: r.Level, Group: r.Group, Types: r.Types, TypeFilter: r.TypeFilters, Deleted: true, Schema: r.Schema, MaxBad: r.MaxBad,
		},
		Since: r.Since, Until: r.Until, Source: source, Lake: lake, Landings: lake, Warehouse: tables, Flattener: flattener,
		Now: to.Now, Token: token, Log: log, Watch: r.Watch, Patience: r.Timeout,
	})
	return out, err
}

// sourceOf is the server, with its sign-in.
func sourceOf(r cli.StartRequest, now func() time.Time) (pipeline.Source, error) {
	o := bulkfhir.Options{
		Dialect: bulkfhir.DialectBulk, BaseURL: r.Source, Now: now, Method: r.Method, Until: !r.Until.IsZero(), Lenient: r.Lenient,
		Patients: r.Patients, FileToken: r.FileToken, AllowPrivate: r.AllowPrivate, Downloads: r.Downloads,
	}
	var err error
	if o.Token, o.Renew, err = app.SignIn(r.Source, r.Auth, now); err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	return bulkfhir.New(o)
}
