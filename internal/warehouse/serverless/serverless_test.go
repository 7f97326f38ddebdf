package serverless_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/emulator/sqlserver/eval"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/testkit/pipelinetest"
	"fhirsynapse/internal/testkit/refwarehouse"
	"fhirsynapse/internal/testkit/tsqleval"
	"fhirsynapse/internal/testkit/warehousetest"
	"fhirsynapse/internal/warehouse/serverless"
	"fhirsynapse/internal/warehouse/tds"

	"github.com/google/go-cmp/cmp"
	"github.com/sqlc-dev/teesql/ast"
	"github.com/sqlc-dev/teesql/parser"
)

var update = flag.Bool("update", false, "rewrite golden files")

func now() time.Time { return time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC) }

// pool records the statements that it knows, and runs none.
type pool struct {
	mu       sync.Mutex
	lake     *pipelinetest.MemoryLake // where it writes snapshots
	format   bool
	broken   bool            // it writes no files
	tables   map[string]bool // external tables
	steps    []string        // shortened requests
	schema   bool
	noKey    bool
	cred     bool
	location string
	views    map[string]string // body by name
}

func (p *pool) Batch(_ context.Context, text string, _ []any) (sqlserver.Result, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.steps = append(p.steps, shortened.FindString(text))
	count := func(is bool) (sqlserver.Result, error) {
		return sqlserver.Result{
			Columns: []sqlserver.Column{{Name: "n", Type: "bigint"}},
			Rows:    [][]any{{map[bool]int64{true: 1}[is]}},
		}, nil
	}
	switch {
	case strings.HasPrefix(text, "SELECT SCHEMA_ID("):
		r := sqlserver.Result{
			Columns: []sqlserver.Column{{Name: "id", Type: "bigint"}}, Rows: [][]any{{nil}},
		}
		if p.schema {
			r.Rows[0][0] = int64(5)
		}
		return r, nil
	case strings.Contains(text, "[external_data_sources]"):
		r := sqlserver.Result{Columns: []sqlserver.Column{{
			Name: "location", Type: "nvarchar(max)",
		}}}
		if p.location != "" {
			r.Rows = [][]any{{p.location}}
		}
		return r, nil
	case strings.Contains(text, "[symmetric_keys]"):
		return count(!p.noKey)
	case strings.Contains(text, "[database_scoped_credentials]"):
		return count(p.cred)
	case strings.Contains(text, "[external_file_formats]"):
		return count(p.format)
	case strings.Contains(text, "[external_tables]"):
		r := sqlserver.Result{Columns: []sqlserver.Column{{Name: "name", Type: "nvarchar(max)"}}}
		for _, name := range slices.Sorted(maps.Keys(p.tables)) {
			r.Rows = append(r.Rows, []any{name})
		}
		return r, nil
	case strings.HasPrefix(text, "CREATE EXTERNAL FILE FORMAT "):
		p.format = true
	case strings.HasPrefix(text, "CREATE EXTERNAL TABLE "):
		return sqlserver.Result{}, p.writeSnapshot(text)
	case strings.HasPrefix(text, "DROP EXTERNAL TABLE [fhir].["):
		name := strings.TrimSuffix(strings.TrimPrefix(text, "DROP EXTERNAL TABLE [fhir].["), "]")
		if !p.tables[name] {
			return sqlserver.Result{}, &sqlserver.Error{Number: 3701, Message: "it does not exist"}
		}
		delete(p.tables, name)
	case strings.HasPrefix(text, "CREATE SCHEMA "):
		p.schema = true
	case strings.HasPrefix(text, "CREATE OR ALTER VIEW "):
		name, body, _ := strings.Cut(strings.TrimPrefix(text, "CREATE OR ALTER VIEW "), " AS\n")
		p.views[name] = body
	default:
		return sqlserver.Result{}, &sqlserver.Error{Number: 15868, Message: "not supported"}
	}
	return sqlserver.Result{}, nil
}

func (p *pool) Columns(context.Context, string) ([]sqlserver.Column, error) {
	return nil, &sqlserver.Error{Number: 15868, Message: "not supported"}
}

func (p *pool) Copy(context.Context, string, []string, iter.Seq2[[]any, error]) (int64, error) {
	return 0, &sqlserver.Error{Number: 15868, Message: "not supported"}
}

func (p *pool) Transaction() bool { return false }
func (p *pool) Close()            {}

// world is a pool with the model to compare with.
type world struct {
	*pool
	server *sqlserver.Server
	fault  func(sqlserver.Request) sqlserver.Fault
	*warehousetest.Files
	published *pipelinetest.MemoryLake
	model     *refwarehouse.Warehouse
	snapshots serverless.Snapshots
	clock     time.Time
}

const publishedURL = "https://account.dfs.core.windows.net/fhir-published"

func newWorld(t *testing.T) *world {
	t.Helper()
	published := pipelinetest.NewMemoryLake(now)
	w := &world{
		pool: &pool{
			lake: published, tables: map[string]bool{}, views: map[string]string{},
			cred: true, location: publishedURL,
		},
		published: published, clock: now(),
	}
	w.Files = warehousetest.NewFiles(t, pipelinetest.NewMemoryLake(now), "patient", "patient_name")
	w.model = refwarehouse.NewWarehouse(w.Lake, w.Views.Tables)
	var err error
	w.server, err = sqlserver.Listen(sqlserver.Options{
		Sessions: func(string) sqlserver.Session { return w.pool },
		Faults: func(r sqlserver.Request) sqlserver.Fault {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.fault == nil {
				return sqlserver.Fault{}
			}
			return w.fault(r)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.server.Close() })
	return w
}

func (w *world) open(t *testing.T, published pipeline.Lake) *serverless.Warehouse {
	t.Helper()
	server, err := tds.ParseServer(tsql.Serverless, w.server.URL("u", "p", "lake"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := serverless.Open(serverless.Options{
		Server: server, Lake: w.Lake, Published: published, PublishedURL: publishedURL,
		Views:     w.Views,
		Snapshots: w.snapshots, Remover: remover{w.published, published}, Now: func() time.Time {
			return w.clock
		}, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func patient(id string, version int, family string) string {
	return fmt.Sprintf(
		`{"resourceType":"Patient","id":%q,"meta":{"versionId":"%d","lastUpdated":"2024-01-01T%02d:00:00Z"},"name":[{"family":%q,"given":["x","y"]}]}`+"\n", id, version, version, family)
}

func gone(id string, version int) string {
	return fmt.Sprintf(
		`{"resourceType":"Patient","id":%q,"meta":{"versionId":"%d","lastUpdated":"2024-01-01T%02d:00:00Z","extension":[{"url":"http://azurehealthcareapis.com/data-extensions/deleted-state","valueString":"soft-deleted"}]}}`+"\n", id, version, version)
}

func (w *world) commit(t *testing.T, b pipeline.Batch) {
	t.Helper()
	if err := w.open(t, w.published).Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	w.compare(t, b)
}

// unseen commits a batch to both sides.
func (w *world) unseen(t *testing.T, b pipeline.Batch) {
	t.Helper()
	if err := errors.Join(w.open(t, w.published).Commit(t.Context(), b),
		w.model.Commit(t.Context(), b)); err != nil {
		t.Fatal(err)
	}
}

// compare commits the batch to the model and compares it with the views.
func (w *world) compare(t *testing.T, b pipeline.Batch) {
	t.Helper()
	if err := w.model.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	want, err := w.model.Content(t.Context(), "fhir")
	if err != nil {
		t.Fatal(err)
	}
	delete(want, "_head_Patient")
	if d := cmp.Diff(want, w.rows(t)); d != "" {
		t.Errorf("rows (-model +views):\n%s", d)
	}
}

// newest returns the rows of the view of the newest resources.
func (w *world) newest(t *testing.T) [][]string {
	t.Helper()
	text := w.views["[fhir].[_newest_Patient]"]
	if !strings.HasSuffix(text, "\nWHERE q.[place] = 1 AND q.[_deleted] = '0'") {
		t.Fatalf("the view is %s", text)
	}
	best, err := ranked(w.published, text)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]string
	for _, r := range best {
		if f := r.fields; f[2] == "0" {
			out = append(out, []string{f[0], f[1], f[1][:23] + "Z", f[3], f[4]})
		}
	}
	return out
}

// rows returns the rows of the plan's views.
func (w *world) rows(t *testing.T) refwarehouse.Content {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	docs := tsqleval.Table{
		Name: "docs", Names: []string{"_id", "_version", "_last_updated", "_export", "doc"},
		Rows: w.newest(t),
	}
	c := refwarehouse.Content{}
	compiled, err := w.Views("plan")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range compiled {
		body := strings.ReplaceAll(w.views["[fhir].["+v.Name+"]"], "[fhir].[_newest_Patient]",
			"[docs]")
		columns, rows, err := tsqleval.Run(body, eval.Dialect{}, docs)
		if err != nil {
			t.Fatalf("view %s: %v", v.Name, err)
		}
		for _, row := range rows {
			var names []string
			var cells []*string
			for i, cell := range row {
				names = append(names, columns[i].Name)
				if cell == nil {
					cells = append(cells, nil)
					continue
				}
				text := string(cell)
				cells = append(cells, &text)
			}
			c.Add(v.Name, names, cells)
		}
	}
	c.Sort()
	return c
}

func TestTheNewestVersionIsSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.Prepare(t, "plan-1", patient("a", 1, "A")+"\n{broken\n"+patient("b", 1, "B"),
		patient("a", 1, "A"))
	w.commit(t, first)
	w.commit(t, w.Prepare(t, "plan-2",
		patient("a", 3, "A3")+patient("a", 2, "A2")+gone("b", 2)+patient("A", 1, "large")))
	w.commit(t, w.Prepare(t, "plan-3", patient("b", 1, "B"), patient("b", 3, "B3"), ""))
	// Again with one more file.
	first.Attempt = "ffff"
	w.commit(t, first)
	first.Files = append(first.Files, w.Prepare(t, "", gone("a", 4)).Files...)
	w.commit(t, first)

	c := w.open(t, w.published)
	for _, export := range []string{"plan-1", "plan-2", "plan-9"} {
		got, err := c.Ledger(t.Context(), "fhir", export)
		if err != nil {
			t.Fatal(err)
		}
		want, err := w.model.Ledger(t.Context(), "fhir", export)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			// The pool does not report which lines won.
			want[i].Applied, want[i].Superseded = want[i].Applied+want[i].Superseded, 0
		}
		if d := cmp.Diff(want, got); d != "" && export != "plan-2" {
			t.Errorf("ledger of %s (-model +got):\n%s", export, d)
		}
		for _, e := range got {
			if e.Accounted() != e.Lines {
				t.Errorf("file %s: %+v", e.Path, e)
			}
		}
	}
}

// failing is a lake that fails to write paths that contain part and end in suffix.
type failing struct {
	pipeline.Lake
	part, suffix string
}

var errDown = errors.New("the storage is down")

func (l failing) Put(
	ctx context.Context, area pipeline.Area, path string, r io.Reader,
) (pipeline.File, error) {
	if strings.Contains(path, l.part) && strings.HasSuffix(path, l.suffix) {
		return pipeline.File{}, errDown
	}
	return l.Lake.Put(ctx, area, path, r)
}

// An attempt that ends anywhere is visible as a whole or not at all, and the next one is complete.
func TestAnAttemptThatEndsAnywhere(t *testing.T) {
	t.Parallel()
	for _, suffix := range []string{
		"000000.lines", "000001.lines", "_ready.json", "_done-plan-2.json",
	} {
		w := newWorld(t)
		w.commit(t, w.Prepare(t, "plan-1", patient("a", 1, "A")))
		before := w.rows(t)
		b := w.Prepare(t, "plan-2", patient("a", 2, "A2"), patient("b", 1, "B"))
		if err := w.open(t, failing{w.published, "part=", suffix}).Commit(t.Context(),
			b); !errors.Is(err, errDown) {
			t.Fatalf("%s: %v", suffix, err)
		}
		if d := cmp.Diff(before, w.rows(t)); (d != "") != (suffix == "_done-plan-2.json") {
			t.Errorf("%s: rows (-before +after):\n%s", suffix, d)
		}
		b.Attempt = "eeee"
		w.commit(t, b)
		// Other commits do not make the remains visible.
		w.commit(t, w.Prepare(t, "plan-3", patient("c", 1, "C")))
	}
}

func TestThePoolFailsAtAnyStatement(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		if n > 60 {
			t.Fatal("the commit has no end")
		}
		w := newWorld(t)
		left := n
		w.fault = func(sqlserver.Request) sqlserver.Fault {
			if left--; left == 0 {
				return sqlserver.Fault{CutAfter: n%2 == 0, CutBefore: n%2 == 1}
			}
			return sqlserver.Fault{}
		}
		w.commit(t, w.Prepare(t, "plan-1", patient("a", 1, "A")))
		if left > 0 {
			return
		}
	}
}

func TestSetUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		set  func(*pool)
		want string
	}{
		"nothing": {func(p *pool) {
			p.noKey, p.cred, p.location = true, false, ""
		}, "lacks, or this login may not see: data source fhirsynapse at " + publishedURL +
			", credential fhirsynapse, master key"},
		"no credential": {func(p *pool) { p.cred, p.location = false, "" }, "credential"},
		"no data source": {
			func(p *pool) { p.location = "" },
			"at " + publishedURL + ": an administrator with CONTROL on the database runs",
		},
		"another data source": {func(p *pool) {
			p.location = "https://elsewhere/"
		}, "it was changed by hand"},
		"all of it is here": {func(p *pool) {
			p.schema, p.cred, p.location = true, true, publishedURL+"/"
		}, ""},
	} {
		w := newWorld(t)
		c.set(w.pool)
		err := w.open(t, w.published).Commit(t.Context(),
			w.Prepare(t, "plan-1", patient("a", 1, "A")))
		if (err == nil) != (c.want == "") ||
			err != nil && (fault.Of(err) != fault.Permanent ||
				!strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheViewOfTheNewest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(t, w.Prepare(t, "plan-1", patient("a", 1, "A")))
	b := w.Prepare(t, "plan-2", patient("a", 2, "A2"))
	if err := w.open(t, failing{w.published, "part=", "_ready.json"}).Commit(t.Context(),
		b); !errors.Is(err, errDown) {
		t.Fatal(err)
	}
	w.commit(t, w.Prepare(t, "plan-3", patient("c", 1, "C")))
	text := w.views["[fhir].[_newest_Patient]"] + "\n"
	golden(t, "newest.sql", text)
	script, err := parser.Parse(t.Context(), strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := script.Batches[0].Statements[0].(*ast.SelectStatement); !ok ||
		len(script.Batches[0].Statements) != 1 {
		t.Errorf("it is no single SELECT")
	}
}
