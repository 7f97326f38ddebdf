// Package onsql is what the command load does with a warehouse that speaks T-SQL.
package onsql

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
	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/prepared"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse/mssql"
	"fhirsynapse/internal/warehouse/tds"
	"fhirsynapse/internal/workdir"
)

// Load is the function of the command.
type Load = func(context.Context, cli.LoadRequest) (cli.LoadReport, error)

// Loader is the command load for warehouses that speak T-SQL and have tables, with a
// clock; what goes elsewhere is left to other.
func Loader(now func() time.Time, other Load) Load { return LoaderThrough(AzureStaging, now, other) }

// LoaderThrough is Loader with other containers than Azure's.
func LoaderThrough(open func(url string) (Staging, error), now func() time.Time, other Load) Load {
	return func(ctx context.Context, r cli.LoadRequest) (cli.LoadReport, error) {
		engine, err := tsql.ParseEngine(r.Scheme)
		switch {
		case err != nil:
			return other(ctx, r)
		case engine == tsql.Serverless:
			return cli.LoadReport{}, fault.Permanentf("load %s: %s loads nothing, its views read files of a storage account, which a folder of this machine is not: let an export run into it, with this warehouse in the setting Warehouse", r.Dir, engine)
		}
		report, err := loadFolder(ctx, r, engine, open, now)
		if err != nil {
			return report, fmt.Errorf("load %s: %w", r.Dir, err)
		}
		return report, nil
	}
}

// schema is used when --schema is not given.
const schema = "dbo"

// workPrefix begins the names of folders for temporary files.
const workPrefix = "fhirsynapse-load-"

func loadFolder(ctx context.Context, r cli.LoadRequest, engine tsql.Engine, open func(string) (Staging, error), now func() time.Time) (out cli.LoadReport, failed error) {
	server, err := tds.ParseServer(engine, r.Rest)
	if err != nil {
		return out, err
	}
	views, err := app.Views(r.Views, sof.WithReferences(r.References))
	if err != nil {
		return out, err
	}
	work, err := workdir.Make(os.TempDir(), workPrefix, now())
	if err != nil {
		return out, err
	}
	defer func() { failed = errors.Join(failed, work.Remove()) }()
	dir, err := filepath.Abs(r.Dir)
	if err != nil {
		return out, err
	}
	// The folder itself may be read-only, and so may the one around it.
	quarantine := filepath.Base(dir) + ".quarantine"
	lake := batch.NewFolders(r.Dir, filepath.Join(work.Path(), "staging"), quarantine)
	flattener, err := prepared.NewFlattener(prepared.Options{Lake: lake, Views: views, LineLimit: r.LineLimit, Quarantined: r.Progress.Bad})
	if err != nil {
		return out, err
	}
	o := mssql.Options{Server: server, Lake: lake, Views: views.Tables, LineLimit: r.LineLimit, TempDir: work.Path(), Now: now}
	var landed pipeline.Lake = lake
	if r.EngineTransforms {
		made, ok := views.(prepared.Native)
		if !ok {
			return out, fault.Permanentf("--transform tsql: its rows are made from ViewDefinitions, which this program does not have")
		}
		landed = batch.Documents(lake)
		o.Lake, o.Documents = landed, made
	}
	if r.Staging != "" {
		in, err := openStage(ctx, landed, r.Staging, open)
		if err != nil {
			return out, err
		}
		o.Lake, o.StagingURL = in, in.url
		defer func() { failed = errors.Join(failed, in.remove(ctx)) }()
	}
	tables, err := mssql.Open(o)
	if err != nil {
		return out, err
	}
	defer func() { failed = errors.Join(failed, tables.Close()) }()
	if r.Schema == "" {
		r.Schema = schema
	}
	// A server that cannot be used is told before hours of reading.
	if _, err := tables.Ledger(ctx, r.Schema, batch.Plan); err != nil {
		return out, fmt.Errorf("open the warehouse: %w", err)
	}
	loader := batch.Loader{
		Dir: dir, Lake: lake, Flattener: flattener, Warehouse: tables, Now: now, Token: token,
		LineLimit: r.LineLimit, MaxBad: r.MaxBad, Quarantine: quarantine, Total: r.Progress.Total, Read: r.Progress.Add,
	}
	var report batch.Report
	switch {
	case r.Rebuild && tables.InPlace():
		report, err = loader.RebuildInPlace(ctx, r.Schema, r.RebuildTypes, tables)
	case r.Rebuild:
		report, err = loader.Rebuild(ctx, r.Schema, r.RebuildTypes, tables)
	default:
		report, err = loader.Load(ctx, r.Schema)
	}
	if err == nil {
		// What was made of superseded resources is in no table.
		report.Rows, err = tables.Rows(ctx, r.Schema, report.Export, report.Rows)
	}
	out = cli.LoadReport{Types: report.Types, LeftOut: leftOut(report.LeftOut), Rows: report.Rows, ValueCounts: report.ValueCounts, Base: r.References.Base, Bytes: report.Bytes}
	for _, t := range out.Types {
		if t.Quarantined > 0 {
			out.Quarantine = filepath.Join(quarantine, report.Export)
		}
	}
	return out, err
}

func leftOut(files []batch.LeftOut) []cli.LeftOut {
	var out []cli.LeftOut
	for _, f := range files {
		out = append(out, cli.LeftOut(f))
	}
	return out
}

func token() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, says its documentation
	return hex.EncodeToString(b[:])
}
