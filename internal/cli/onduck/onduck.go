// Package onduck is what the commands query and load do: DuckDB opened, asked and
// filled. It needs cgo, so the command line itself stays free of it.
package onduck

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/config"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/load"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/prepared"
	"fhirsynapse/internal/query"
	"fhirsynapse/internal/warehouse/duck"
)

// Scheme is DuckDB's in the setting Warehouse.
const Scheme = "duckdb"

// writerWait is how long a query lets another process finish its commit.
const writerWait = 5 * time.Second

// Open opens a DuckDB file as the warehouse of a handler.
func Open(rest config.Secret, r app.Resources) (pipeline.Warehouse, error) {
	return duck.Open(duck.Options{Path: rest.Reveal(), Lake: r.Lake, Views: r.Views.Tables, Now: r.Now, Log: r.Log})
}

// Query answers one statement on a file, which it opens read-only; it waits five
// seconds for another process that writes.
func Query(ctx context.Context, db, statement string, show func(query.Result) error) (err error) {
	if err := query.One(statement); err != nil {
		return err
	}
	rows, err := duck.Query(ctx, db, statement, writerWait)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	result, err := query.FromSQL(rows.Rows)
	if err != nil {
		return err
	}
	return show(result)
}

// Loader gives the command load, with a clock.
func Loader(now func() time.Time) func(context.Context, cli.LoadRequest) (cli.LoadReport, error) {
	return func(ctx context.Context, r cli.LoadRequest) (cli.LoadReport, error) {
		report, err := loadFolder(ctx, r, now)
		if err != nil {
			return report, fmt.Errorf("load %s: %w", r.Dir, err)
		}
		return report, nil
	}
}

func loadFolder(ctx context.Context, r cli.LoadRequest, now func() time.Time) (out cli.LoadReport, err error) {
	if r.Scheme != Scheme {
		return out, fault.Permanentf("load goes to %s:FILE only, not to %q", Scheme, r.Scheme)
	}
	views, err := app.Views(r.Views)
	if err != nil {
		return out, err
	}
	work, err := os.MkdirTemp(filepath.Dir(r.Rest), ".fhirsynapse-load-")
	if err != nil {
		return out, fault.Permanentf("make a folder beside the database: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	quarantine := r.Rest + ".quarantine"
	lake := load.NewFolders(r.Dir, filepath.Join(work, "staging"), quarantine)
	flattener, err := prepared.NewFlattener(prepared.Options{Lake: lake, Views: views})
	if err != nil {
		return out, err
	}
	tables, err := duck.Open(duck.Options{Path: r.Rest, Lake: lake, Views: views.Tables, TempDir: work, Now: now})
	if err != nil {
		return out, err
	}
	report, err := load.Loader{
		Lake: lake, Flattener: flattener, Warehouse: tables, Now: now, Token: token,
		Total: r.Progress.Total, Read: r.Progress.Add,
	}.Load(ctx, r.Schema)
	out = cli.LoadReport{Types: report.Types, Skipped: report.Skipped}
	for _, t := range report.Types {
		if t.Quarantined > 0 {
			out.Quarantine = filepath.Join(quarantine, report.Export)
		}
	}
	return out, err
}

func token() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, says its documentation
	return hex.EncodeToString(b[:])
}
