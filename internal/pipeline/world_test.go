package pipeline_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/testkit/pipelinetest"
)

var dawn = time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)

// world is the environment of one pipeline, on a clock that the test drives: a FHIR server,
// storage with events, a queue, and tables.
type world struct {
	t       *testing.T
	clock   time.Time
	lake    *pipelinetest.MemoryLake
	journal *pipelinetest.MemoryJournal
	queue   *pipelinetest.MemoryQueue
	server  *server
	tables  *tables
	gate    *gate
	pick    func(int) int
	events  []event
	// adds is set for tables that nothing is removed from.
	adds bool
	// views is the fingerprint of the deployed views.
	views string
	plans []pipeline.Plan
	// foreignDeletes is how many deletes in every file name another server.
	foreignDeletes int
	// counts has the ValueCounts of every prepared file.
	counts pipeline.ValueCounts
	// readers bounds the concurrent requests of one step: one if calls are counted or fail.
	readers int
	p       *pipeline.Pipeline
	ticks   time.Duration
	next    time.Time // tick
	// tickErr is the error of the last tick.
	tickErr error
	// beforeStep, if set, runs before each step.
	beforeStep func()
	// wrap makes the plans' source from the server; nil uses the server itself.
	wrap func(gatedSource) pipeline.Server
	// deliveries counts deliveries by message id.
	deliveries map[string]int // nil means that the queue does not count
	// brokerDown holds back every delivery.
	brokerDown bool
	// stopStep ends the context of the running step, like a handler that stops.
	stopStep func()
	// leaseFor sets the pipeline's LeaseFor; zero means the default.
	leaseFor time.Duration
	log      *slog.Logger
	observer pipeline.Observer
	// cohorts answers for plans with a cohort: the Groups, or an error.
	cohorts func() ([]string, error)
	// members maps a Group to the first letters of the ids of its members.
	members map[string]string
	// skew is how far the handler's clock is ahead of the server's.
	skew time.Duration
	// choose, if set, chooses the handler of the next step.
	choose func()
	// future is set while the handler is of a newer version.
	future *future
	// newest is set if handlers of a newer version have written into this world.
	newest *future
}

type event struct {
	path, etag string
	size       int64
}

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, clock: dawn, views: "views-1", ticks: 5 * time.Minute, next: dawn,
		stopStep: func() {}, log: slog.New(slog.DiscardHandler),
	}
	w.lake = pipelinetest.NewMemoryLake(w.now)
	w.journal = pipelinetest.NewMemoryJournal()
	w.queue = pipelinetest.NewMemoryQueue(w.now)
	w.server = &server{w: w, jobs: map[string]*serverJob{}, pollsBeforeDone: 2}
	w.tables = &tables{
		lake: w.lake, heads: map[string]head{}, ledger: map[[2]string]pipeline.LedgerEntry{},
	}
	w.gate = &gate{}
	w.plans = []pipeline.Plan{{
		Name: "nightly", Level: pipeline.LevelSystem, Types: []string{"Patient", "Observation"},
		Schema:  "main",
		Deleted: true, Schedule: every(time.Hour), MaxBad: 0.5, Overlap: 10 * time.Minute,
	}}
	w.boot()
	return w
}

func (w *world) now() time.Time { return w.clock }

type every time.Duration

func (e every) Next(t time.Time) time.Time { return t.Add(time.Duration(e)) }

// boot starts a handler with empty memory.
func (w *world) boot() { w.p = w.instance() }

func (w *world) instance() *pipeline.Pipeline {
	token := rand.New(rand.NewPCG(1, uint64(w.gate.calls)))
	lake, journal, queue := pipeline.Lake(w.lake), pipeline.Journal(w.journal),
		pipeline.Queue(w.queue)
	if f := w.future; f != nil {
		lake, journal, queue = futureLake{lake, f}, futureJournal{journal, f}, futureQueue{queue, f}
	}
	return pipeline.New(pipeline.Options{
		Plans: w.plans, Readers: max(w.readers, 1), LeaseFor: w.leaseFor,
	}, pipeline.Ports{
		Lake: gatedLake{lake, w.gate}, Journal: gatedJournal{journal, w.gate},
		Queue:     gatedQueue{queue, w.gate},
		Warehouse: gatedWarehouse{w.tables, w.gate}, Flattener: flattener{w},
		Concluder: w.concluder(),
		Landings:  gatedLandings{w.lake, w.gate}, Remover: gatedRemover{w.lake, w.gate},
		Source: func(string) (pipeline.Source, error) {
			source := gatedSource{w.server, w.gate}
			if w.wrap != nil {
				return abilities(w.wrap(source)), nil
			}
			return abilities(source), nil
		},
		Cohorts: gatedCohorts{w, w.gate}, Log: w.log, Observer: w.observer,
		Now:   func() time.Time { return w.clock.Add(w.skew) },
		Token: func() string { return fmt.Sprintf("%x", token.Uint64()) },
	})
}

// abilities returns a source with the abilities that the server has as methods.
func abilities(s pipeline.Server) pipeline.Source {
	source := pipeline.Source{Server: s}
	source.Files, _ = s.(pipeline.Downloader)
	source.Traces, _ = s.(pipeline.Tracer)
	source.Issues, _ = s.(pipeline.IssueReader)
	return source
}

// step does the next due thing: an event, a message, or a tick. It moves the clock if nothing
// is due; a crash kills the handler and boots another.
func (w *world) step() {
	defer func() {
		if r := recover(); r != nil {
			if _, killed := r.(crash); !killed {
				panic(r)
			}
			w.boot()
		}
	}()
	if w.choose != nil {
		w.choose()
	}
	if w.beforeStep != nil {
		w.beforeStep()
	}
	if len(w.events) > 0 && !w.brokerDown {
		e := w.events[0]
		err := w.p.BlobWritten(w.t.Context(), e.path, e.etag, e.size)
		w.events = w.events[1:] // not if the event killed the handler
		if err != nil {
			w.events = append(w.events, e)
		}
		return
	}
	handle := func(ctx context.Context, m pipeline.Message) error {
		ctx, stop := context.WithCancelCause(ctx)
		w.stopStep = func() { stop(errors.New("told to stop")) }
		defer w.stopStep()
		body := m.Body
		if w.future != nil {
			body = w.future.step(body)
		}
		if w.deliveries == nil {
			return w.p.Handle(ctx, body)
		}
		w.deliveries[m.ID]++
		return w.p.HandleDelivery(ctx, body, w.deliveries[m.ID])
	}
	if !w.brokerDown && w.queue.Receive(w.t.Context(), w.pick, handle) {
		return
	}
	at, waiting := w.queue.Next()
	if !waiting || at.After(w.next) || w.brokerDown {
		w.clock = later(w.clock, w.next)
		w.next = w.clock.Add(w.ticks)
		w.tickErr = w.p.Tick(w.t.Context())
		return
	}
	w.clock = later(w.clock, at)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// run continues until the export has ended.
func (w *world) run(export string) records.Export {
	w.t.Helper()
	for range 20_000 {
		if e, ok := w.export(export); ok && e.State.Final() {
			return e
		}
		w.step()
	}
	e, _ := w.export(export)
	w.t.Fatalf("export %s did not end; it is %q at %v", export, e.State, w.clock)
	return e
}

// store has the documents of the journal, as the newest version reads them.
func (w *world) store() records.Store {
	if w.newest != nil {
		return records.Store{Journal: futureJournal{w.journal, w.newest}}
	}
	return records.Store{Journal: w.journal}
}

func (w *world) export(id string) (records.Export, bool) {
	e, err := w.store().Export(w.t.Context(), id)
	if errors.Is(err, fs.ErrNotExist) {
		// an export that only the plan's document names
		plan, _, _ := records.CutExportID(id)
		d, err := w.store().Plan(w.t.Context(), plan)
		if err != nil {
			w.t.Fatal(err)
		}
		return records.Export{ID: id, Plan: plan, State: records.Requested}, d.Value.Current == id
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return e, true
}

// loaded runs an export and compares its result with the server's present data.
func (w *world) loaded(export string) {
	w.t.Helper()
	e := w.run(export)
	if e.State != records.Loaded {
		w.t.Fatalf("export %s is %s: %+v", export, e.State, e.Failure)
	}
	w.matches()
	w.gate.open = true
	defer func() { w.gate.open = false }()
	reports, err := w.p.Report(w.t.Context(), export)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range reports {
		if err := r.Check(); err != nil {
			w.t.Error(err)
		}
	}
	if dead := w.queue.Dead(); len(dead) > 0 {
		w.t.Errorf("%d dead letters, the first: %s", len(dead), dead[0].Body)
	}
}

func (w *world) matches() {
	w.t.Helper()
	if diff := cmp.Diff(w.server.present(), w.tables.present()); diff != "" {
		w.t.Errorf("tables differ from the server's data (-server +tables):\n%s", diff)
	}
}

// resource is one version of a resource in the world's own small NDJSON format.
type resource struct {
	Type    string    `json:"resourceType"`
	ID      string    `json:"id"`
	Updated time.Time `json:"updated"`
	Number  int       `json:"number"`
	Deleted bool      `json:"deleted,omitempty"`
	Value   string    `json:"value"`
}

func (r resource) version() string {
	return fmt.Sprintf("%s/%06d/%t", r.Updated.UTC().Format("2006-01-02T15:04:05.000000000Z"),
		r.Number, r.Deleted)
}

// flattener stores the lines as one document; "bad" lines are lines without an id.
type flattener struct{ w *world }

func (f flattener) ViewSet(string) (string, error) { return f.w.views, nil }

func (flattener) HasViews(string, string) (bool, error) { return true, nil }

func (f flattener) Flatten(
	ctx context.Context, t pipeline.Flattening, r io.Reader,
) (pipeline.Done, error) {
	var done pipeline.Done
	var rows []row
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		done.Lines++
		var x resource
		if err := json.Unmarshal(lines.Bytes(), &x); err != nil || x.ID == "" || x.Type != t.Type {
			done.Quarantined++
			continue
		}
		if x.Updated.IsZero() {
			if x.Updated = t.LastUpdated; x.Updated.IsZero() {
				return done, pipeline.ErrNoInstant
			}
		}
		if t.Members != nil && !x.Deleted && !t.Members.Has([]byte(x.ID)) {
			done.Filtered++
			continue
		}
		done.Heads++
		rows = append(rows, row{Line: int(done.Lines), Resource: x})
	}
	if err := lines.Err(); err != nil {
		return done, err
	}
	data, _ := json.Marshal(rows)
	done.Add(f.w.counts)
	_, err := gatedLake{f.w.lake, f.w.gate}.Put(ctx, pipeline.Staging, t.Dir+"/rows.json",
		bytes.NewReader(data))
	return done, err
}

type row struct {
	Line     int
	Resource resource
}

// tables is a warehouse of one table per type: id and value.
type tables struct {
	lake    *pipelinetest.MemoryLake
	heads   map[string]head
	ledger  map[[2]string]pipeline.LedgerEntry
	exports map[string][]pipeline.LedgerEntry
	// stalled, if set, holds a commit between stage and transaction.
	stalled func()
	commits int
	// notice is told after every commit, unless it is empty.
	notice string
	ends
}

type head struct {
	resource resource
	viewSet  int
}

func (d *tables) Commit(ctx context.Context, b pipeline.Batch) error {
	if d.notice != "" {
		defer b.Notify(d.notice)
	}
	staged := make([][]row, len(b.Files))
	for i, f := range b.Files {
		r, err := d.lake.Open(ctx, pipeline.Staging, f.Dir+"/rows.json", "")
		if err != nil {
			return err
		}
		if err := json.NewDecoder(r).Decode(&staged[i]); err != nil {
			return err
		}
	}
	if d.stalled != nil {
		stall := d.stalled
		d.stalled = nil
		stall()
	}
	d.commits++
	if b.Replaces && !slices.ContainsFunc(d.exports[b.Export], func(l pipeline.LedgerEntry) bool {
		return l.Type == b.Type
	}) {
		maps.DeleteFunc(d.heads, func(key string, _ head) bool {
			return strings.HasPrefix(key, b.Type+"/")
		})
	}
	for i, f := range b.Files {
		if _, there := d.ledger[[2]string{f.Path, f.ETag}]; there {
			continue
		}
		entry := pipeline.LedgerEntry{
			Path: f.Path, ETag: f.ETag, Type: b.Type,
			Counts: pipeline.Counts{
				Lines: f.Done.Lines, Filtered: f.Done.Filtered, Quarantined: f.Done.Quarantined,
			},
		}
		for _, s := range staged[i] {
			key := b.Type + "/" + s.Resource.ID
			old, known := d.heads[key]
			if known && (s.Resource.version() < old.resource.version() ||
				s.Resource.version() == old.resource.version() && b.ViewSet <= old.viewSet) ||
				!known && s.Resource.Deleted && b.KnownDeletes {
				entry.Superseded++
				continue
			}
			d.heads[key] = head{s.Resource, b.ViewSet}
			entry.Applied++
		}
		d.ledger[[2]string{f.Path, f.ETag}] = entry
		if d.exports == nil {
			d.exports = map[string][]pipeline.LedgerEntry{}
		}
		d.exports[b.Export] = append(d.exports[b.Export], entry)
	}
	return nil
}

func (d *tables) Ledger(_ context.Context, _, export string) ([]pipeline.LedgerEntry, error) {
	return slices.Clone(d.exports[export]), nil
}

func (d *tables) present() map[string]string {
	out := map[string]string{}
	for key, h := range d.heads {
		if !h.resource.Deleted {
			out[key] = h.resource.Value
		}
	}
	return out
}
