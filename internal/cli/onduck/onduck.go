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
	"runtime/debug"
	"strings"
	"time"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/batch/localfs"
	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/prepared"
	"fhirsynapse/internal/query"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/duck"
	"fhirsynapse/internal/workdir"
)

// writerWait is how long a query lets another process finish its commit.
const writerWait = 5 * time.Second

// target is what stands behind the scheme: a file, and maybe DuckDB's memory limit.
func target(rest string) (path, memory string) {
	path, memory, _ = strings.Cut(rest, "?memory_limit=")
	return path, memory
}

// Query answers one statement on a file, which it opens read-only; it waits five
// seconds for another process that writes. A file of another kind fails at once.
func Query(ctx context.Context, db, statement string, show func(query.Result) error) (err error) {
	if err := query.One(statement); err != nil {
		return err
	}
	if err := duck.CheckFile(db); err != nil {
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
	rest, _ := target(filepath.Clean(r.Rest))
	quarantine := rest + ".quarantine"
	views, err := app.Views(r.Views, sof.WithReferences(r.References))
	if err != nil {
		return out, err
	}
	work, err := workFolder(filepath.Dir(rest), now())
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, work.Remove()) }()
	lake := batch.NewFolders(r.Dir, filepath.Join(work.Path(), "staging"), quarantine)
	flattener, err := prepared.NewFlattener(prepared.Options{
		Lake: lake, Views: views, Codec: prepared.Codec(r.Compression), LineLimit: r.LineLimit,
		Quarantined: r.Progress.Bad,
	})
	if err != nil {
		return out, err
	}
	var report batch.Report
	switch r.Scheme {
	case duck.Scheme:
		report, err = loadDuck(ctx, r, lake, flattener, views, quarantine, work.Path(), now)
	case string(prepared.Parquet), string(prepared.CSV), string(prepared.NDJSON):
		report, err = batch.Extractor{
			Lake: lake, Flattener: flattener, Format: prepared.Format(r.Scheme), Dir: rest, Now: now, Token: token,
			LineLimit: r.LineLimit, MaxBad: r.MaxBad, Quarantine: quarantine, Total: r.Progress.Total, Read: r.Progress.Add,
		}.Extract(ctx)
	default:
		err = fault.Permanentf("load goes to duckdb:FILE, sqlserver://HOST, synapse-dedicated://HOST, fabric://HOST, parquet:DIR, csv:DIR or ndjson:DIR, not to %q", r.Scheme)
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

// workFolder creates a temporary folder next to the output, on the same file system, so that
// finished files can be renamed. It removes folders that killed processes left behind.
func workFolder(parent string, now time.Time) (*workdir.Dir, error) {
	work, err := workdir.Make(parent, batch.WorkPrefix, now)
	if err != nil {
		return nil, fmt.Errorf("make a folder beside the output: %w", err)
	}
	return work, nil
}

// roomFrom gives commits the memory that flattening keeps.
func roomFrom(f *prepared.Flattener) func() (done func()) {
	return func() func() {
		f.GiveUp()
		debug.FreeOSMemory()
		return func() {}
	}
}

func loadDuck(ctx context.Context, r cli.LoadRequest, lake *localfs.Lake, f *prepared.Flattener, views prepared.PlanViews, quarantine, work string, now func() time.Time) (batch.Report, error) {
	if r.Schema == "" {
		r.Schema = "main"
	}
	path, memory := target(r.Rest)
	// A database that cannot be written is known before anything is flattened.
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		if err := Query(ctx, path, "SELECT 1", func(query.Result) error { return nil }); err != nil {
			return batch.Report{}, err
		}
	}
	tables, err := duck.Open(duck.Options{Path: path, MemoryLimit: memory, Lake: lake, Views: views.Tables, TempDir: work, MakeRoom: roomFrom(f), Now: now})
	if err != nil {
		return batch.Report{}, err
	}
	dir, err := filepath.Abs(r.Dir)
	if err != nil {
		return batch.Report{}, err
	}
	loader := batch.Loader{
		Dir: dir, Lake: lake, Flattener: f, Warehouse: tables, Now: now, Token: token,
		LineLimit: r.LineLimit, MaxBad: r.MaxBad, Quarantine: quarantine, Total: r.Progress.Total, Read: r.Progress.Add,
	}
	var report batch.Report
	if r.Rebuild {
		report, err = loader.Rebuild(ctx, r.Schema, r.RebuildTypes, tables)
	} else {
		report, err = loader.Load(ctx, r.Schema)
	}
	if err != nil {
		return report, err
	}
	// What was made of superseded resources is in no table.
	report.Rows, err = rowsOf(ctx, path, r.Schema, report)
	return report, err
}

// rowsOf counts the rows that a load wrote, by table.
func rowsOf(ctx context.Context, db, schema string, report batch.Report) (map[string]int64, error) {
	rows := map[string]int64{}
	var counts []string
	for table := range report.Rows {
		rows[table] = 0
		counts = append(counts, fmt.Sprintf("SELECT %s, count(*) FROM %s.%s WHERE %s = %s",
			literal(table), name(schema), name(table), name(warehouse.ExportColumn), literal(report.Export)))
	}
	if len(counts) == 0 {
		return rows, nil
	}
	answer, err := duck.Query(ctx, db, strings.Join(counts, " UNION ALL "), writerWait)
	if err != nil {
		return rows, fmt.Errorf("count the rows: %w", err)
	}
	for answer.Next() {
		var table string
		var n int64
		if err := answer.Scan(&table, &n); err != nil {
			return rows, errors.Join(fmt.Errorf("count the rows: %w", err), answer.Close())
		}
		rows[table] = n
	}
	return rows, errors.Join(answer.Err(), answer.Close())
}

// name quotes an identifier, literal a text.
func name(s string) string    { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
func literal(s string) string { return `'` + strings.ReplaceAll(s, `'`, `''`) + `'` }

func token() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, says its documentation
	return hex.EncodeToString(b[:])
}
