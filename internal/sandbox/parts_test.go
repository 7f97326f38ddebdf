package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
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
	clock   time.Time
	data    *store.Store
	lake    *pipelinetest.MemoryLake
	journal *pipelinetest.MemoryJournal
	queue   *pipelinetest.MemoryQueue
	file    string
	tables  *duckdb.Warehouse
	p       *pipeline.Pipeline
	plan    pipeline.Plan
	exports int
}

const partsContainer = "lake"

func newParts(t *testing.T, mode string, groupSize int) *parts {
	t.Helper()
	w := &parts{t: t, clock: time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)}
	now := func() time.Time { return w.clock }
	w.lake = pipelinetest.NewMemoryLake(now)
	w.journal, w.queue = pipelinetest.NewMemoryJournal(), pipelinetest.NewMemoryQueue(now)
	var err error
	if w.data, err = store.New(store.Options{}); err != nil {
		t.Fatal(err)
	}
	server, err := fhirserver.New(fhirserver.Options{
		Store: w.data, Blobs: lakeBlobs{w.lake}, Now: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	base, err := server.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	o := bulkfhir.Options{
		BaseURL: base, Container: partsContainer, Now: now, HTTP: &http.Client{},
		Pause: func(context.Context, time.Duration) error { return nil },
		Landing: func(url string) (string, bool) {
			return strings.CutPrefix(url, lakeBlobs{}.URL(partsContainer, ""))
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
		MaxBad: 0.05, Deleted: mode == pipeline.ModeSystemFiltered,
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
		Log: slog.New(slog.DiscardHandler),
	}
	tokens := rand.New(rand.NewPCG(1, 1))
	w.p = pipeline.New(pipeline.Options{Plans: []pipeline.Plan{w.plan}}, pipeline.Ports{
		Lake: w.lake, Landings: w.lake, Remover: w.lake, Journal: w.journal, Queue: w.queue,
		Warehouse: w.tables, Concluder: w.tables, Flattener: flattener, Now: now,
		Source: func(string) (pipeline.Source, error) { return source, nil },
		Cohorts: keptCohorts{keeper, cohort.Definition{
			Name:   "smokers",
			Search: "Observation?code=http://loinc.org|72166-2&value-concept=http://snomed.info/sct|8517006",
			Match:  cohort.MatchLatest, Membership: cohort.Tracking, GroupSize: groupSize,
			MaxShrink: 1,
		}},
		Token: func() string { return fmt.Sprintf("%016x", tokens.Uint64()) },
		Log:   slog.New(slog.DiscardHandler),
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
type lakeBlobs struct{ lake *pipelinetest.MemoryLake }

func (lakeBlobs) Ensure(context.Context, string) error { return nil }

func (b lakeBlobs) Create(_ context.Context, _, path string) (jobs.Blob, error) {
	return &lakeBlob{lake: b.lake, path: path}, nil
}

func (lakeBlobs) URL(container, path string) string {
	return "https://account.blob.core.windows.net/" + container + "/" + path
}

type lakeBlob struct {
	lake *pipelinetest.MemoryLake
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
	f, err := b.lake.Put(ctx, pipeline.Landing, b.path, bytes.NewReader(b.data.Bytes()))
	b.etag = f.ETag
	return f.Size, err
}

// export runs one export to its end.
func (w *parts) export(window records.Window) records.Export {
	w.t.Helper()
	ctx := w.t.Context()
	w.clock = w.clock.Add(time.Hour) // more than the lag
	if _, err := records.RequestExport(ctx, w.journal, w.plan.Name, window,
		w.clock); err != nil && w.exports > 0 {
		w.t.Fatal(err)
	}
	if w.exports == 0 {
		if _, err := w.p.Start(ctx, w.plan.Name, window); err != nil {
			w.t.Fatal(err)
		}
	}
	w.exports++
	id := records.ExportID(w.plan.Name, w.exports)
	for range 10_000 {
		if e, err := (records.Store{Journal: w.journal}).Export(ctx, id); err == nil &&
			e.State.Final() {
			if e.State != records.Loaded {
				w.t.Fatalf("export %s is %s: %+v", id, e.State, e.Failure)
			}
			return e
		}
		if w.queue.Receive(ctx, nil, func(ctx context.Context, m pipeline.Message) error {
			return w.p.Handle(ctx, m.Body)
		}) {
			continue
		}
		next := w.clock.Add(time.Minute)
		if at, waits := w.queue.Next(); waits && at.Before(next) {
			w.clock = at
			continue
		}
		w.clock = next
		if err := w.p.Tick(ctx); err != nil {
			w.t.Fatal(err)
		}
	}
	w.t.Fatalf("export %s does not end", id)
	return records.Export{}
}

// put writes a resource at the server.
func (w *parts) put(line string, args ...any) {
	w.t.Helper()
	w.clock = w.clock.Add(time.Second)
	if _, err := w.data.Put(fmt.Appendf(nil, line, args...), w.clock); err != nil {
		w.t.Fatal(err)
	}
}

// smokes records a smoking status of a patient.
func (w *parts) smokes(patient string, former bool) {
	code := "449868002"
	if former {
		code = "8517006"
	}
	w.clock = w.clock.Add(time.Second)
	w.put(`{"resourceType":"Observation","id":"status-%[1]s","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"72166-2"}]},"subject":{"reference":"Patient/%[1]s"},"effectiveDateTime":%[2]q,"valueCodeableConcept":{"coding":[{"system":"http://snomed.info/sct","code":%[3]q}]}}`,
		patient, w.clock.Format(time.RFC3339), code)
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
