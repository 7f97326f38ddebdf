package bulkfhir_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fhirsynapse/internal/bulkfhir"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/testkit/pipelinetest"
	"fhirsynapse/internal/testkit/refwarehouse"
	"fhirsynapse/views"
)

// begin is the start time of every test.
var begin = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// rig is a complete pipeline with a script as its server: the real client, steps, flattener and
// commit. Lake, queue, journal and tables are in memory, and the test drives the clock.
type rig struct {
	t         *testing.T
	mu        sync.Mutex
	clock     time.Time
	server    *script
	options   bulkfhir.Options
	plan      pipeline.Plan
	lake      *pipelinetest.MemoryLake
	journal   *pipelinetest.MemoryJournal
	queue     *pipelinetest.MemoryQueue
	sends     pipeline.Queue     // replaces queue
	flattener pipeline.Flattener // nil means the native one
	store     *refwarehouse.Store
	source    pipeline.Source
	p         *pipeline.Pipeline
	said      bytes.Buffer // the log
	next      time.Time    // the next tick
	boots     uint64
}

// compiled returns the bundled views of two types, which is enough for these tests.
var compiled = sync.OnceValues(func() ([]*sof.View, error) {
	all, err := views.Load(nil)
	return slices.DeleteFunc(all, func(v *sof.View) bool {
		return v.Name != "patient" && v.Name != "observation"
	}), err
})

// newRig returns a rig of dialect bulk or azure. change may alter server, options and plan before
// the pipeline is built.
func newRig(t *testing.T, dialect string, change ...func(*rig)) *rig {
	t.Helper()
	r := &rig{t: t, clock: begin, next: begin}
	r.lake = pipelinetest.NewMemoryLake(r.now)
	r.journal = pipelinetest.NewMemoryJournal()
	r.queue = pipelinetest.NewMemoryQueue(r.now)
	r.store = refwarehouse.NewStore()
	r.server = &script{
		rig: r, azure: dialect == bulkfhir.DialectAzure, seen: map[string]int{}, polls: 2,
		asked: map[string]int{}, gone: map[string]bool{},
		on: map[string]func(http.ResponseWriter, *http.Request, int) bool{},
	}
	r.server.output = []scriptFile{
		ndjson("Patient", patient("p1"), patient("p2")),
		ndjson("Observation", observation("o1", "Patient/p1")),
	}
	r.server.Server = httptest.NewServer(r.server)
	t.Cleanup(r.server.Close)
	r.options = bulkfhir.Options{Dialect: dialect, BaseURL: r.server.URL + "/fhir", Now: r.now}
	r.plan = pipeline.Plan{
		Name: "nightly", Level: pipeline.LevelSystem, Types: []string{"Patient", "Observation"},
		Schema:   "fhir",
		Schedule: hourly{}, OpenEnd: dialect == bulkfhir.DialectBulk, MaxBad: 0.05,
	}
	if r.server.azure {
		r.options.Container = "landing"
		r.options.Landing = func(u string) (string, bool) {
			return strings.CutPrefix(u, "https://lake.example/landing/")
		}
		r.plan.Deleted = true
	}
	for _, c := range change {
		c(r)
	}
	r.boot()
	return r
}

type hourly struct{}

func (hourly) Next(t time.Time) time.Time { return t.Add(time.Hour) }

func (r *rig) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.clock
}

func (r *rig) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clock = r.clock.Add(d)
}

func (r *rig) until(at time.Time) { r.pass(max(0, at.Sub(r.now()))) }

// boot restarts the handler, which loses its memory.
func (r *rig) boot() {
	source, err := bulkfhir.New(r.options)
	if err != nil {
		r.t.Fatal(err)
	}
	r.source = source
	compiledViews := flatten.Native(func(string) ([]*sof.View, error) { return compiled() })
	flattener := r.flattener
	if flattener == nil {
		if flattener, err = flatten.NewFlattener(flatten.Options{
			Lake: r.lake, Views: compiledViews,
		}); err != nil {
			r.t.Fatal(err)
		}
	}
	r.boots++
	token := rand.New(rand.NewPCG(7, r.boots))
	var queue pipeline.Queue = r.queue
	if r.sends != nil {
		queue = r.sends
	}
	r.p = pipeline.New(pipeline.Options{Plans: []pipeline.Plan{r.plan}}, pipeline.Ports{
		Lake: r.lake, Landings: r.lake, Journal: r.journal, Queue: queue, Flattener: flattener,
		Warehouse: r.store.Warehouse(r.lake, compiledViews.Tables),
		Source:    func(string) (pipeline.Source, error) { return r.source, nil },
		Now:       r.now, Token: func() string {
			return fmt.Sprintf("%x", token.Uint64())
		}, Log: slog.New(slog.NewTextHandler(&r.said, nil)),
	})
}

// step runs the next due action, or moves the clock if there is none.
func (r *rig) step() {
	handle := func(ctx context.Context, m pipeline.Message) error { return r.p.Handle(ctx, m.Body) }
	if r.queue.Receive(r.t.Context(), nil, handle) {
		return
	}
	at, waiting := r.queue.Next()
	if waiting && !at.After(r.next) {
		r.until(at)
		return
	}
	r.until(r.next)
	r.next = r.now().Add(5 * time.Minute)
	if err := r.p.Tick(r.t.Context()); err != nil {
		_, _ = fmt.Fprintf(&r.said, "tick: %v\n", err)
	}
}

// run runs until the export has ended and its error files have been read.
func (r *rig) run(id string) records.ExportSummary {
	r.t.Helper()
	for range 20_000 {
		if e, ok := r.export(id); ok && e.State.Final() {
			return e
		}
		r.step()
	}
	e, _ := r.export(id)
	r.t.Fatalf("export %s did not end; it is %q at %v\n%s", id, e.State, r.now(), r.tail())
	return e
}

func (r *rig) export(id string) (records.ExportSummary, bool) {
	all, err := records.Exports(r.t.Context(), r.journal, "", 100)
	if err != nil {
		r.t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(e records.ExportSummary) bool { return e.ID == id })
	if i < 0 {
		return records.ExportSummary{}, false
	}
	return all[i], true
}

const firstExport, secondExport = "nightly-000001", "nightly-000002"

// loaded runs an export that must succeed.
func (r *rig) loaded(id string) {
	r.t.Helper()
	if e := r.run(id); e.State != records.Loaded {
		r.t.Fatalf("export %s is %s: %+v\n%s", id, e.State, e.Failure, r.tail())
	}
	if dead := r.queue.Dead(); len(dead) > 0 {
		r.t.Errorf("%d dead letters", len(dead))
	}
}

// failed runs an export that must fail, and checks its message.
func (r *rig) failed(id string, want ...string) records.ExportSummary {
	r.t.Helper()
	e := r.run(id)
	if e.State != records.Failed {
		r.t.Fatalf("export %s is %s, want it failed\n%s", id, e.State, r.tail())
	}
	for _, w := range want {
		if !strings.Contains(e.Failure.Cause, w) {
			r.t.Errorf("export %s failed by %q, want it to speak of %q", id, e.Failure.Cause, w)
		}
	}
	return e
}

// settle runs all pending work without starting another export.
func (r *rig) settle() {
	r.plan.Paused = true
	r.boot()
	for range 200 {
		r.step()
	}
}

func (r *rig) tail() string {
	lines := strings.Split(strings.TrimSpace(r.said.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-8):], "\n")
}

// rows returns the rows of a table.
func (r *rig) rows(table string) []string {
	r.t.Helper()
	c, err := r.store.Warehouse(nil, nil).Content(r.t.Context(), "fhir")
	if err != nil {
		r.t.Fatal(err)
	}
	return c[table]
}

func (r *rig) expectRows(table string, n int) {
	r.t.Helper()
	if rows := r.rows(table); len(rows) != n {
		r.t.Errorf("%d rows in %s, want %d:\n%s", len(rows), table, n, strings.Join(rows, "\n"))
	}
}

// document reads a journal document.
func document[T any](r *rig, key string) T {
	r.t.Helper()
	var v T
	e, err := r.journal.Read(r.t.Context(), key)
	if err == nil {
		err = json.Unmarshal(e.Data, &v)
	}
	if err != nil {
		r.t.Fatalf("%s: %v", key, err)
	}
	return v
}

func (r *rig) job(id string) records.Job { return document[records.Job](r, "jobs/"+id) }

// firstly answers the first n requests of a kind.
func (r *rig) firstly(kind string, n int, h http.HandlerFunc) {
	r.server.on[kind] = func(w http.ResponseWriter, req *http.Request, i int) bool {
		if i > n {
			return false
		}
		h(w, req)
		return true
	}
}

// always answers every request of a kind.
func (r *rig) always(kind string, h http.HandlerFunc) { r.firstly(kind, 1<<30, h) }

func says(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func outcome(code, diagnostics string) string {
	return fmt.Sprintf(
		`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":%q,"diagnostics":%q}]}`, code, diagnostics)
}

// cut breaks the connection without an answer.
func cut(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// gaps returns the times between requests of a kind.
func gaps(requests []logged) []time.Duration {
	var out []time.Duration
	for i := 1; i < len(requests); i++ {
		out = append(out, requests[i].at.Sub(requests[i-1].at))
	}
	return out
}

var errNone = errors.New("no error")

func textOf(err error) string {
	if err == nil {
		err = errNone
	}
	return err.Error()
}
