package connect_test

import (
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/quarantine"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/duckdb"
)

// Lines that were too long for the app's LineLimit are loaded after it was raised, into the DuckDB
// file of an app on emulators.
func TestRetryLoadsLongLinesIntoDuckDB(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, lake := t.Context(), w.App.Lake()
	views, err := app.Views("")
	if err != nil {
		t.Fatal(err)
	}
	const export, limit = "demo-000001", 64 << 10
	lines := `{"resourceType":"Patient","id":"a","meta":{"lastUpdated":"2026-11-20T00:00:00Z"}}
{"resourceType":"Patient","id":"b","meta":{"lastUpdated":"2026-11-20T00:00:00Z"},"name":[{"family":"` +
		strings.Repeat("x", limit) + `"}]}
`
	landed, err := lake.Put(ctx, pipeline.Landing, "20261120-j/Patient-1.ndjson",
		strings.NewReader(lines))
	if err != nil {
		t.Fatal(err)
	}
	dir := export + "/Patient/v1/" + landed.Path + "@" + landed.ETag
	flattener, err := flatten.NewFlattener(flatten.Options{
		Lake: lake, Views: views, LineLimit: limit,
	})
	if err != nil {
		t.Fatal(err)
	}
	done, err := flattener.Flatten(ctx, pipeline.Flattening{
		Plan: "demo", Export: export, Type: "Patient", Path: landed.Path, Dir: dir,
	}, strings.NewReader(lines))
	if err != nil || done.Quarantined != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	settings := w.Settings()
	file := strings.TrimPrefix(settings["Warehouse"], "duckdb:")
	opened, err := duckdb.Engine().Open(file, warehouse.OpenOptions{
		Lake: lake, Views: views, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := opened.Commit(ctx, pipeline.Batch{
		Schema: "main", Plan: "demo", Export: export, Type: "Patient", ViewSet: 1, Attempt: "0a",
		Files: []pipeline.PreparedFile{{File: landed, Dir: dir, Done: done}},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := records.Update(ctx, w.App.Journal(), "exports/demo/000001",
		func(e *records.Export) error {
			*e = records.Export{ID: export, Plan: "demo", Schema: "main", State: records.Loaded}
			return nil
		}); err != nil {
		t.Fatal(err)
	}

	retry := func(limit string) (int64, int64) {
		t.Helper()
		settings["LineLimit"] = limit
		o := app.Operator{
			Environment: app.Environment{
				Environ: environ(settings), ReadFile: os.ReadFile, Now: time.Now,
				Engines: warehouse.Engines{"duckdb": duckdb.Engine()},
			},
			Log: slog.New(slog.DiscardHandler),
		}
		r, err := o.RetryQuarantine(ctx, quarantine.Selection{Export: export})
		if err != nil {
			t.Fatal(err)
		}
		return r.Applied, r.Quarantined
	}
	if applied, bad := retry("64KiB"); applied != 0 || bad != 1 {
		t.Errorf("before the fix: %d applied, %d bad", applied, bad)
	}
	if applied, bad := retry("1MB"); applied != 1 || bad != 0 {
		t.Errorf("after the fix: %d applied, %d bad", applied, bad)
	}
	if applied, bad := retry("1MB"); applied != 0 || bad != 0 {
		t.Errorf("once more: %d applied, %d bad", applied, bad)
	}
	rows, err := duckdb.Query(ctx, file,
		`SELECT count(*), sum(length(family)) FROM patient WHERE _export IN ('demo-000001', 'demo-000001.retry')`,
		time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var n, length int64
	for rows.Next() {
		if err := rows.Scan(&n, &length); err != nil {
			t.Error(err)
		}
	}
	if err := rows.Close(); err != nil || n != 2 || length != limit {
		t.Errorf("%d patients, a family of %d characters, %v", n, length, err)
	}
}
