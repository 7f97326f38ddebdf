package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fhirsynapse/internal/bulkfhir"
	"fhirsynapse/internal/cohort"
	"fhirsynapse/internal/emulator/fhirserver"
	"fhirsynapse/internal/emulator/fhirserver/jobs"
	"fhirsynapse/internal/emulator/fhirserver/search"
	"fhirsynapse/internal/emulator/fhirserver/store"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/flatview"
	"fhirsynapse/internal/testkit/pipelinetest"
	"fhirsynapse/internal/warehouse/duckdb"
	bundled "fhirsynapse/views"
)

// parts is a cohort's plan on the real parts, in this process: an emulated FHIR service, its
// client, the keeper of Groups, the compiler's views and DuckDB. Storage and queue are in memory,
// and the clock is the test's.
type parts struct {
	t       *testing.T
	clock   atomic.Pointer[time.Time]
	data    *store.Store
	lake    *pipelinetest.MemoryLake
	journal *pipelinetest.MemoryJournal
	queue   *pipelinetest.MemoryQueue
	file    string
	base    string // address of the service
	tables  *duckdb.Warehouse
	p       *pipeline.Pipeline
	plan    pipeline.Plan
	exports int
	// tickErrors are the errors of ticks; the next tick tries again.
	tickErrors []error
	// rewrite, if set, changes the files that the service writes.
	rewrite func(path string, data []byte) []byte
}

// partsOptions change the parts. Each may be nil.
type partsOptions struct {
	log     *slog.Logger
	trouble func(pipeline.Trouble)
	// answer answers a request in the place of the service; status 0 leaves it to the service.
	answer func(r *http.Request) (status int, body string)
	// queue is told of each message that is sent.
	queue func([]pipeline.Message)
	// observer takes telemetry.
	observer pipeline.Observer
}

const partsContainer = "lake"

func newParts(
	t *testing.T, mode string, groupSize int, change ...func(*partsOptions),
) *parts {
	t.Helper()
	options := partsOptions{
		log:    slog.New(slog.DiscardHandler),
		answer: func(*http.Request) (int, string) { return 0, "" },
		queue:  func([]pipeline.Message) {},
	}
	for _, c := range change {
		c(&options)
	}
	w := &parts{t: t}
	w.set(time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC))
	now := w.now
	w.lake = pipelinetest.NewMemoryLake(now)
	w.journal, w.queue = pipelinetest.NewMemoryJournal(), pipelinetest.NewMemoryQueue(now)
	var err error
	if w.data, err = store.New(store.Options{}); err != nil {
		t.Fatal(err)
	}
	server, err := fhirserver.New(fhirserver.Options{
		Store: w.data, Blobs: lakeBlobs{w}, Now: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(http.HandlerFunc(
		func(rw http.ResponseWriter, r *http.Request) {
			if status, body := options.answer(r); status > 0 {
				rw.Header().Set("Content-Type", "application/fhir+json")
				rw.Header().Set("Date", now().UTC().Format(http.TimeFormat))
				rw.WriteHeader(status)
				_, _ = io.WriteString(rw, body)
				return
			}
			server.Handler().ServeHTTP(rw, r)
		}))
	base := listener.URL
	w.base = base
	t.Cleanup(func() {
		listener.Close()
		_ = server.Close()
	})
	o := bulkfhir.Options{
		BaseURL: base, Container: partsContainer, Now: now, HTTP: &http.Client{},
		Pause: func(context.Context, time.Duration) error { return nil },
		Landing: func(url string) (string, bool) {
			return strings.CutPrefix(url, blobsURL+partsContainer+"/")
		},
	}
	source, err := bulkfhir.New(o)
	if err != nil {
		t.Fatal(err)
	}
	searcher, err := bulkfhir.NewSearcher(o)
	if err != nil {
		t.Fatal(err)
	}
	w.plan = pipeline.Plan{
		Name: "study", Schema: "fhir", Level: pipeline.LevelGroup, Cohort: "smokers", Mode: mode,
		Types: []string{"Patient", "Observation"}, Lag: time.Minute, Overlap: 5 * time.Minute,
		MaxBad: 1, Deleted: mode == pipeline.ModeSystemFiltered,
	}
	views := partsViews(t)
	w.file = filepath.Join(t.TempDir(), "fhir.duckdb")
	if w.tables, err = duckdb.Open(duckdb.Options{
		Path: w.file, Lake: w.lake, Views: views.Tables, TempDir: t.TempDir(), Now: now,
	}); err != nil {
		t.Fatal(err)
	}
	flattener, err := flatten.NewFlattener(flatten.Options{Lake: w.lake, Views: views})
	if err != nil {
		t.Fatal(err)
	}
	keeper := cohort.Keeper{
		Server: searcher, Journal: w.journal, Base: base, Now: now,
		Log: options.log,
	}
	tokens := rand.New(rand.NewPCG(1, 1))
	w.p = pipeline.New(pipeline.Options{Plans: []pipeline.Plan{w.plan}}, pipeline.Ports{
		Lake: w.lake, Landings: w.lake, Remover: w.lake, Journal: w.journal,
		Queue: toldQueue{w.queue, options.queue}, Trouble: options.trouble,
		Warehouse: w.tables, Concluder: w.tables, Flattener: flattener, Now: now,
		Source: func(string) (pipeline.Source, error) { return source, nil },
		Cohorts: keptCohorts{keeper, cohort.Definition{
			Name:   "smokers",
			Search: "Observation?code=http://loinc.org|72166-2&value-concept=http://snomed.info/sct|8517006",
			Match:  cohort.MatchLatest, Membership: cohort.Tracking, GroupSize: groupSize,
			MaxShrink: 1,
		}},
		Token: func() string { return fmt.Sprintf("%016x", tokens.Uint64()) },
		Log:   options.log, Observer: options.observer,
	})
	return w
}

// partsViews returns the main views of the types of the plan, and their compartments.
func partsViews(t *testing.T) flatten.Native {
	t.Helper()
	set, err := bundled.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	set = slices.DeleteFunc(slices.Clone(set), func(v *sof.View) bool {
		return v.Name != "patient" && v.Name != "observation"
	})
	for _, typ := range []string{"Patient", "Observation"} {
		text, err := flatview.Compartment(typ)
		if err != nil {
			t.Fatal(err)
		}
		v, err := sof.Compile("compartment.json", text)
		if err != nil {
			t.Fatal(err)
		}
		set = append(set, v)
	}
	return func(string) ([]*sof.View, error) { return set, nil }
}

// keptCohorts is a keeper of one cohort.
type keptCohorts struct {
	cohort.Keeper
	of cohort.Definition
}

func (c keptCohorts) Parts(ctx context.Context, _ string) (out []pipeline.CohortPart, err error) {
	parts, err := c.Keeper.Parts(ctx, c.of)
	for _, p := range parts {
		out = append(out, pipeline.CohortPart{Group: p.Group, Digest: p.Digest})
	}
	return out, err
}

func (c keptCohorts) Members(
	ctx context.Context, _ string, parts []pipeline.CohortPart,
) (pipeline.Members, error) {
	members := pipeline.Members{}
	for _, p := range parts {
		if err := c.Keeper.Members(ctx, c.of, p.Group, 0, func(patient string) {
			members[patient] = struct{}{}
		}); err != nil {
			return nil, err
		}
	}
	return members, nil
}

// lakeBlobs lets the emulated service write into the landing area.
type lakeBlobs struct{ w *parts }

const blobsURL = "https://account.blob.core.windows.net/"

func (lakeBlobs) Ensure(context.Context, string) error { return nil }

func (b lakeBlobs) Create(_ context.Context, _, path string) (jobs.Blob, error) {
	return &lakeBlob{w: b.w, path: path}, nil
}

func (lakeBlobs) URL(container, path string) string {
	return blobsURL + container + "/" + path
}

type lakeBlob struct {
	w    *parts
	path string
	data bytes.Buffer
	etag string
}

func (b *lakeBlob) ETag() string { return b.etag }

func (b *lakeBlob) Write(_ context.Context, data []byte) error {
	_, err := b.data.Write(data)
	return err
}

func (b *lakeBlob) Commit(ctx context.Context) (int64, error) {
	data := slices.Clone(b.data.Bytes())
	if b.w.rewrite != nil {
		data = b.w.rewrite(b.path, data)
	}
	f, err := b.w.lake.Put(ctx, pipeline.Landing, b.path, bytes.NewReader(data))
	b.etag = f.ETag
	return f.Size, err
}

// toldQueue reports each message.
type toldQueue struct {
	*pipelinetest.MemoryQueue
	tell func([]pipeline.Message)
}

func (q toldQueue) Send(ctx context.Context, messages ...pipeline.Message) error {
	q.tell(messages)
	return q.MemoryQueue.Send(ctx, messages...)
}

// export runs one export, which loads.
func (w *parts) export(window records.Window) records.Export {
	w.t.Helper()
	e := w.tryExport(window)
	if e.State != records.Loaded {
		w.t.Fatalf("export %s is %s: %+v", e.ID, e.State, e.Failure)
	}
	return e
}

// tryExport runs one export to its end.
func (w *parts) tryExport(window records.Window) records.Export {
	w.t.Helper()
	ctx := w.t.Context()
	w.pass(time.Hour) // more than the lag
	if _, err := records.RequestExport(ctx, w.journal, w.plan.Name, window,
		w.now()); err != nil && w.exports > 0 {
		w.t.Fatal(err)
	}
	if w.exports == 0 {
		// If it fails, the next tick tries again.
		_, _ = w.p.Start(ctx, w.plan.Name, window)
	}
	w.exports++
	return w.finish(records.ExportID(w.plan.Name, w.exports))
}

// finish lets an export go on to its end.
func (w *parts) finish(id string) records.Export {
	w.t.Helper()
	for range 10_000 {
		if e, err := (records.Store{Journal: w.journal}).Export(w.t.Context(), id); err == nil &&
			e.State.Final() {
			return e
		}
		w.step()
	}
	w.t.Fatalf("export %s does not end", id)
	return records.Export{}
}

// step handles the next message, or moves the clock to it, or to the next tick.
func (w *parts) step() {
	ctx := w.t.Context()
	if w.queue.Receive(ctx, nil, func(ctx context.Context, m pipeline.Message) error {
		return w.p.Handle(ctx, m.Body)
	}) {
		return
	}
	next := w.now().Add(time.Minute)
	if at, waits := w.queue.Next(); waits && at.Before(next) {
		w.set(at)
		return
	}
	w.set(next)
	if err := w.p.Tick(ctx); err != nil {
		w.tickErrors = append(w.tickErrors, err)
	}
}

// now is the time of all parts, which run at the same time.
func (w *parts) now() time.Time { return *w.clock.Load() }

func (w *parts) set(to time.Time) { w.clock.Store(&to) }

func (w *parts) pass(d time.Duration) { w.set(w.now().Add(d)) }

// put writes a resource at the server.
func (w *parts) put(line string, args ...any) {
	w.t.Helper()
	w.pass(time.Second)
	if _, err := w.data.Put(fmt.Appendf(nil, line, args...), w.now()); err != nil {
		w.t.Fatal(err)
	}
}

// smokes records a smoking status of a patient.
func (w *parts) smokes(patient string, former bool) {
	code := "449868002"
	if former {
		code = "8517006"
	}
	w.pass(time.Second)
	w.put(`{"resourceType":"Observation","id":"status-%[1]s","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"72166-2"}]},"subject":{"reference":"Patient/%[1]s"},"effectiveDateTime":%[2]q,"valueCodeableConcept":{"coding":[{"system":"http://snomed.info/sct","code":%[3]q}]}}`,
		patient, w.now().Format(time.RFC3339), code)
}

// members are the patients whose status is former smoker.
func (w *parts) members() map[string]bool {
	w.t.Helper()
	out := map[string]bool{}
	for _, v := range w.data.In("Observation", store.Window{}) {
		line, err := w.data.Line(v)
		if err != nil {
			w.t.Fatal(err)
		}
		if strings.Contains(string(line), `"8517006"`) {
			out[strings.TrimPrefix(v.ID, "status-")] = true
		}
	}
	return out
}

// present are the members' resources at the server: type/id and versionId.
func (w *parts) present() map[string]string {
	w.t.Helper()
	members, out := w.members(), map[string]string{}
	for _, typ := range w.plan.Types {
		for _, v := range w.data.In(typ, store.Window{}) {
			line, err := w.data.Line(v)
			if err != nil {
				w.t.Fatal(err)
			}
			if slices.ContainsFunc(search.Patients(typ, v.ID, line), func(of string) bool {
				return members[of]
			}) {
				out[typ+"/"+v.ID] = v.VersionID
			}
		}
	}
	return out
}

// loaded are the resources in the tables.
func (w *parts) loaded() map[string]string {
	w.t.Helper()
	out := map[string]string{}
	for _, typ := range w.plan.Types {
		rows, err := duckdb.Query(w.t.Context(), w.file,
			fmt.Sprintf("SELECT _id, split_part(_version, '/', 3) FROM fhir.%s",
				strings.ToLower(typ)), time.Minute)
		if err != nil {
			w.t.Fatal(err)
		}
		for rows.Next() {
			var id, version string
			if err := rows.Scan(&id, &version); err != nil {
				w.t.Fatal(err)
			}
			out[typ+"/"+id] = version
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			w.t.Fatal(err)
		}
	}
	return out
}
