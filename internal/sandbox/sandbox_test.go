package sandbox_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/emulator/eventgrid"
	"fhirsynapse/internal/emulator/fhirserver/store"
	"fhirsynapse/internal/emulator/fhirserver/synthetic"
	"fhirsynapse/internal/packaging/stage"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/prepared"
	"fhirsynapse/internal/sandbox"
	"fhirsynapse/internal/testkit/azuritetest"
	"fhirsynapse/internal/testkit/refwarehouse"
	"fhirsynapse/internal/testkit/standin"
	"fhirsynapse/internal/warehouse"
)

const root = "../.."

// cloud is the cloud's handler with a warehouse in this process.
type cloud struct {
	store *refwarehouse.Store
	views prepared.PlanViews
	mu    sync.Mutex
	lake  pipeline.Lake
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	lake := c.lake
	c.mu.Unlock()
	standin.Server(c.store.Warehouse(lake, c.views.Tables)).ServeHTTP(w, r)
}

func (c *cloud) content(t *testing.T) warehouse.Content {
	t.Helper()
	content, err := c.store.Warehouse(c.lake, c.views.Tables).Content(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// stageCloud builds the cloud's handler, with the stand-in warehouse, and stages it.
func stageCloud(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	handler := filepath.Join(dir, "built")
	if err := sandbox.Build(t.Context(), root, "./handler", handler, []string{"CGO_ENABLED=0"}, "-tags", "standin"); err != nil {
		t.Fatal(err)
	}
	staged := filepath.Join(dir, "app")
	if err := stage.Stage(stage.Options{Root: root, Out: staged, Executable: handler}); err != nil {
		t.Fatal(err)
	}
	return staged
}

func newCloud(t *testing.T, o sandbox.Options) (*sandbox.World, *cloud) {
	t.Helper()
	views, err := app.Views("")
	if err != nil {
		t.Fatal(err)
	}
	c := &cloud{store: refwarehouse.NewStore(), views: views}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
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
	o.Settings["Warehouse"] = standin.Scheme + ":" + server.URL
	o.Engines = warehouse.Engines{standin.Scheme: standin.Engine()}
	w, err := sandbox.StartWorld(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	c.mu.Lock()
	c.lake = w.App.Lake()
	c.mu.Unlock()
	return w, c
}

// fresh is what a full load of the server's present data gives.
func fresh(t *testing.T, data *store.Store, views prepared.PlanViews) warehouse.Content {
	t.Helper()
	dir := t.TempDir()
	if _, err := data.Dump(filepath.Join(dir, "present")); err != nil {
		t.Fatal(err)
	}
	lake := batch.NewFolders(filepath.Join(dir, "present"), filepath.Join(dir, "staging"), filepath.Join(dir, "quarantine"))
	flattener, err := prepared.NewFlattener(prepared.Options{Lake: lake, Views: views})
	if err != nil {
		t.Fatal(err)
	}
	w := refwarehouse.NewWarehouse(lake, views.Tables)
	n := 0
	loader := batch.Loader{MaxBad: 1, Lake: lake, Flattener: flattener, Warehouse: w, Now: time.Now, Token: func() string { n++; return fmt.Sprintf("%08x", n) }}
	if _, err := loader.Load(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	content, err := w.Content(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// made returns a store with the synthetic hospital and a line of more than a
// megabyte. Tests whose length depends on the number of steps name some types only.
func made(t testing.TB, seed uint64, only ...string) *store.Store {
	t.Helper()
	s, err := store.New(store.Options{Base: time.Now().UTC().Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if err := synthetic.Generate(synthetic.Options{Seed: seed, Patients: 12}, func(typ string, line []byte) error {
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

// changes are what happens at the server between two exports.
func change(t *testing.T, data *store.Store, seed uint64) {
	t.Helper()
	if _, err := data.Change(seed, store.Shares{Update: 0.1, Add: 0.05, Delete: 0.1, Recreate: 0.2}, sandbox.Lately(time.Now)); err != nil {
		t.Fatal(err)
	}
}

func sameTables(t *testing.T, want, got warehouse.Content) {
	t.Helper()
	if diff := cmp.Diff(rows(want), rows(got)); diff != "" {
		t.Errorf("tables differ from those of a fresh load (-fresh +tables):\n%.4000s", diff)
	}
}

var export = regexp.MustCompile(`_export="[^"]*" ?`)

// rows are the tables that people read, without the export that wrote each row.
func rows(c warehouse.Content) warehouse.Content {
	out := warehouse.Content{}
	for table, lines := range c {
		if strings.HasPrefix(table, "_") {
			continue // heads remember what is deleted; a fresh load knows nothing of it
		}
		for _, line := range lines {
			out[table] = append(out[table], export.ReplaceAllString(line, ""))
		}
	}
	out.Sort()
	return out
}

// The cloud's program runs a full and two incremental exports from either kind of
// server under the stand-in host, with events duplicated, lost and out of order.
func TestCloudHandlerFullAndIncremental(t *testing.T) {
	azuritetest.Tools(t)
	for _, source := range []string{sandbox.SourceAzure, sandbox.SourceBulk} {
		t.Run(source, func(t *testing.T) { fullAndIncremental(t, source) })
	}
}

func fullAndIncremental(t *testing.T, source string) {
	data := made(t, 3)
	w, c := newCloud(t, sandbox.Options{
		Source: source, Store: data, MaxCount: 40, Events: eventgrid.Options{Seed: 3, Duplicate: 0.3, Lose: 0.2, Disorder: 4},
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
		sameTables(t, fresh(t, data, c.views), c.content(t))
		change(t, data, uint64(round))
	}
	for name, f := range host.Stats().Functions {
		if len(f.Reasons) > 0 {
			t.Errorf("%s failed: %v", name, f.Reasons)
		}
	}
}
