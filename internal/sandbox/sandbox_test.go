package sandbox_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/emulator/eventgrid"
	"fhirsynapse/internal/emulator/fhirserver/store"
	"fhirsynapse/internal/emulator/fhirserver/synthetic"
	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/emulator/sqlserver/tables"
	"fhirsynapse/internal/packaging/stage"
	"fhirsynapse/internal/sandbox"
	"fhirsynapse/internal/testkit/azuritetest"
	"fhirsynapse/internal/warehouse/open"
)

const root = "../.."

// newServer starts a SQL Server emulator, and returns its tables and the setting Warehouse for it.
func newServer(t *testing.T) (db *tables.Database, setting string) {
	t.Helper()
	db = tables.New(tables.Options{RowVersions: true})
	server, err := sqlserver.Listen(sqlserver.Options{Sessions: db.Session})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return db, server.URL("someone", "secret", "fhir")
}

// stageCloud builds and packages the cloud's handler.
func stageCloud(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	handler := filepath.Join(dir, "built")
	if err := sandbox.Build(t.Context(), root, "./handler", handler,
		[]string{"CGO_ENABLED=0"}); err != nil {
		t.Fatal(err)
	}
	staged := filepath.Join(dir, "app")
	if err := stage.Stage(stage.Options{Root: root, Out: staged, Executable: handler}); err != nil {
		t.Fatal(err)
	}
	return staged
}

// newCloud starts a world for the cloud's handler, and returns the tables of its warehouse.
func newCloud(t *testing.T, o sandbox.Options) (*sandbox.World, *tables.Database) {
	t.Helper()
	db, setting := newServer(t)
	o.Root, o.Dir, o.Now = root, t.TempDir(), time.Now
	o.Log = slog.New(slog.DiscardHandler)
	if testing.Verbose() && os.Getenv("FHIRSYNAPSE_TEST_LOG") != "" {
		o.HandlerOutput = os.Stderr
	} else {
		o.HandlerOutput = io.Discard
	}
	if o.Settings == nil {
		o.Settings = map[string]string{}
	}
	o.Settings["Warehouse"] = setting
	o.Engines = open.Engines()
	w, err := sandbox.StartWorld(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w, db
}

// sameAsFresh compares tables with the tables of a full load of the server's present data into
// another server.
func sameAsFresh(t *testing.T, data *store.Store, got *tables.Database) {
	t.Helper()
	dir := t.TempDir()
	if _, err := data.Dump(dir); err != nil {
		t.Fatal(err)
	}
	db, setting := newServer(t)
	scheme, rest, _ := strings.Cut(setting, ":")
	load := batch.LoadRequest{
		Dir: dir, Scheme: scheme, Rest: rest, Schema: "main", Progress: unwatched{},
	}
	if _, err := (batch.Runner{Engines: open.Engines(), Now: time.Now}).Load(t.Context(),
		load); err != nil {
		t.Fatal(err)
	}
	want := rows(db)
	if len(want) == 0 {
		t.Error("the fresh load has no tables")
	}
	if diff := cmp.Diff(want, rows(got)); diff != "" {
		t.Errorf("tables differ from those of a fresh load (-fresh +tables):\n%.4000s", diff)
	}
}

type unwatched struct{}

func (unwatched) Total(int64) {}
func (unwatched) Add(int64)   {}
func (unwatched) Bad(int64)   {}

// rows returns the tables for readers, without the export that wrote each row.
func rows(db *tables.Database) map[string][]string {
	out := map[string][]string{}
	for name, table := range db.Content("main") {
		if strings.HasPrefix(name, "_") || strings.HasPrefix(name, "etl_") {
			continue // heads have deleted resources, etl_ tables have exports: a load has neither
		}
		for _, cells := range table.Rows {
			for i, c := range table.Columns {
				if c.Name == "_export" {
					cells[i] = nil
				}
			}
			out[name] = append(out[name], fmt.Sprint(cells))
		}
		slices.Sort(out[name])
	}
	return out
}

// made returns a store with the synthetic hospital and a line of more than a megabyte. A test with
// a run time that depends on the number of steps names a few types only.
func made(t testing.TB, seed uint64, only ...string) *store.Store {
	t.Helper()
	s, err := store.New(store.Options{Base: time.Now().UTC().Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if err := synthetic.Generate(synthetic.Options{
		Seed: seed, Patients: 12,
	}, func(typ string, line []byte) error {
		if len(only) > 0 && !slices.Contains(only, typ) {
			return nil
		}
		return s.Add(line)
	}); err != nil {
		t.Fatal(err)
	}
	if len(only) == 0 {
		long := `{"resourceType":"Observation","id":"long","status":"final","code":{"text":"a note of a megabyte"},"note":[{"text":"` +
			strings.Repeat(`a \"line\" \ud83d\ude80 🚀\n`, 40_000) + `"}]}`
		if err := s.Add([]byte(long)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// change changes the server's data between two exports.
func change(t *testing.T, data *store.Store, seed uint64) {
	t.Helper()
	if _, err := data.Change(seed, store.Shares{Update: 0.1, Add: 0.05, Delete: 0.1, Recreate: 0.2},
		sandbox.Lately(time.Now)); err != nil {
		t.Fatal(err)
	}
}

// The cloud's program runs one full and two incremental exports from each kind of server under the
// emulated host, with events duplicated, lost and out of order.
func TestCloudHandlerFullAndIncremental(t *testing.T) {
	azuritetest.Tools(t)
	for _, source := range []string{sandbox.SourceAzure, sandbox.SourceBulk} {
		t.Run(source, func(t *testing.T) { fullAndIncremental(t, source) })
	}
}

func fullAndIncremental(t *testing.T, source string) {
	data := made(t, 3)
	w, db := newCloud(t, sandbox.Options{
		Source: source, Store: data, MaxCount: 40,
		Events: eventgrid.Options{Seed: 3, Duplicate: 0.3, Lose: 0.2, Disorder: 4},
	})
	host, err := w.StartHost(t.Context(), stageCloud(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer host.Stop()
	ctx, done := context.WithTimeout(t.Context(), 10*time.Minute)
	defer done()
	for round := range 3 {
		e, err := w.Export(ctx, host)
		if err != nil {
			t.Fatal(err)
		}
		p, err := w.App.Pipeline(ctx)
		if err != nil {
			t.Fatal(err)
		}
		reports, err := p.Report(ctx, e.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range reports {
			if err := r.Check(); err != nil {
				t.Error(err)
			}
		}
		sameAsFresh(t, data, db)
		change(t, data, uint64(round))
	}
	for name, f := range host.Stats().Functions {
		if len(f.Reasons) > 0 {
			t.Errorf("%s failed: %v", name, f.Reasons)
		}
	}
}
