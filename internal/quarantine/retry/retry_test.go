package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/quarantine"
	"fhirsynapse/internal/quarantine/retry"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/testkit/pipelinetest"
	"fhirsynapse/internal/testkit/refwarehouse"
	"fhirsynapse/views"
)

const (
	export = "nightly-000001"
	marker = "Zebulon-Qx7"
	short  = 200 // the line limit before the fix
)

func noon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// compiled is the bundled view of patients.
var compiled = sync.OnceValues(func() ([]*sof.View, error) {
	all, err := views.Load(nil)
	return slices.DeleteFunc(all, func(v *sof.View) bool { return v.Name != "patient" }), err
})

func patientViews() flatten.Native {
	return flatten.Native(func(string) ([]*sof.View, error) { return compiled() })
}

// flaky is a lake whose nth call fails, counted from 1; 0 means that none does.
type flaky struct {
	pipeline.Lake

	mu       sync.Mutex
	calls, n int
}

var errKilled = errors.New("killed")

func (f *flaky) killed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	return f.n > 0 && f.calls >= f.n
}

func (f *flaky) List(
	ctx context.Context, area pipeline.Area, prefix string,
) iter.Seq2[pipeline.File, error] {
	if f.killed() {
		return func(yield func(pipeline.File, error) bool) { yield(pipeline.File{}, errKilled) }
	}
	return f.Lake.List(ctx, area, prefix)
}

func (f *flaky) Open(
	ctx context.Context, area pipeline.Area, path, etag string,
) (io.ReadCloser, error) {
	if f.killed() {
		return nil, errKilled
	}
	return f.Lake.Open(ctx, area, path, etag)
}

func (f *flaky) Put(
	ctx context.Context, area pipeline.Area, path string, r io.Reader,
) (pipeline.File, error) {
	if f.killed() {
		return pipeline.File{}, errKilled
	}
	return f.Lake.Put(ctx, area, path, r)
}

// world is an export that has committed a file with bad lines.
type world struct {
	lake    *pipelinetest.MemoryLake
	journal *pipelinetest.MemoryJournal
	store   *refwarehouse.Store
	landed  pipeline.File
	tokens  int
}

func patient(id string, version int, family string) string {
	return fmt.Sprintf(
		`{"resourceType":"Patient","id":%q,"meta":{"versionId":"%d","lastUpdated":"2026-11-2%dT00:00:00Z"},"name":[{"family":%q}]}`,
		id, version, version, family)
}

// newWorld commits an export. Its lines 2, 4 and 6 were over the limit, and line 5 is not JSON.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		lake:    pipelinetest.NewMemoryLake(noon),
		journal: pipelinetest.NewMemoryJournal(), store: refwarehouse.NewStore(),
	}
	long := strings.Repeat(marker, short/len(marker)+1)
	lines := []string{
		patient("a", 1, "A"), patient("b", 1, long), "", patient("c", 1, long+"é"), "{" + marker,
		patient("a", 2, long), patient("d", 1, "D"),
	}
	var err error
	w.landed, err = w.lake.Put(t.Context(), pipeline.Landing, "20261123-job/Patient-1.ndjson",
		strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	w.record(t, records.Loaded)
	dir := export + "/Patient/v1/" + w.landed.Path + "@" + w.landed.ETag
	r, err := w.lake.Open(t.Context(), pipeline.Landing, w.landed.Path, w.landed.ETag)
	if err != nil {
		t.Fatal(err)
	}
	done, err := w.flattener(t, w.lake, short).Flatten(t.Context(), pipeline.Flattening{
		Plan: "nightly", Export: export, Type: "Patient", Path: w.landed.Path, Dir: dir,
	}, r)
	if err != nil || done.Quarantined != 4 {
		t.Fatalf("%+v, %v", done, err)
	}
	if err := w.store.Warehouse(w.lake, patientViews().Tables).Commit(t.Context(), pipeline.Batch{
		Schema: "fhir", Plan: "nightly", Export: export, Type: "Patient", ViewSet: 1,
		Attempt: "00", Files: []pipeline.PreparedFile{{File: w.landed, Dir: dir, Done: done}},
	}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) record(t *testing.T, state records.State) {
	t.Helper()
	_, err := records.Update(t.Context(), w.journal, "exports/nightly/000001",
		func(e *records.Export) error {
			*e = records.Export{ID: export, Plan: "nightly", Schema: "fhir", State: state}
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) flattener(t *testing.T, lake pipeline.Lake, limit int) *flatten.Flattener {
	t.Helper()
	f, err := flatten.NewFlattener(flatten.Options{
		Lake: lake, Views: patientViews(), LineLimit: limit,
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// retryer works with another line limit, on a lake that may be killed.
func (w *world) retryer(t *testing.T, of pipeline.Lake, limit int) retry.Retryer {
	t.Helper()
	lake := retry.NewLake(of)
	return retry.Retryer{
		Lake: lake, Flattener: w.flattener(t, lake, limit),
		Warehouse: w.store.Warehouse(lake, patientViews().Tables), Journal: w.journal, Now: noon,
		Token: func() string { w.tokens++; return fmt.Sprintf("%02x", w.tokens) },
	}
}

func (w *world) content(t *testing.T) string {
	t.Helper()
	all, err := w.store.Warehouse(w.lake, patientViews().Tables).Content(t.Context(), "fhir")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, row := range all["patient"] {
		out = append(out, fmt.Sprint(row))
	}
	return strings.Join(out, "\n")
}

func (w *world) ledger(t *testing.T) []pipeline.LedgerEntry {
	t.Helper()
	all, err := w.store.Warehouse(w.lake, patientViews().Tables).Ledger(t.Context(), "fhir",
		export+".retry")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func all() quarantine.Selection { return quarantine.Selection{Export: export} }

func TestRetryLoadsOnlyTheBadLines(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if got := w.content(t); strings.Contains(got, marker) {
		t.Fatalf("bad lines are in the tables: %s", got)
	}
	got, err := w.retryer(t, w.lake, 1<<20).Retry(t.Context(), all())
	if err != nil {
		t.Fatal(err)
	}
	want := pipeline.Counts{Lines: 4, Applied: 3, Quarantined: 1}
	if diff := cmp.Diff(want, got.Counts); diff != "" || len(got.Files) != 1 ||
		got.As != export+".retry" {
		t.Errorf("%+v %s", got, diff)
	}
	if left := got.Files[0].Left; len(left) != 1 || left[0].Line != 5 ||
		strings.Contains(left[0].Reason, marker) {
		t.Errorf("still bad: %+v", left)
	}
	text := w.content(t)
	for _, id := range []string{"a", "b", "c", "d"} {
		if !strings.Contains(text, "id="+fmt.Sprintf("%q", id)) {
			t.Errorf("no patient %s in %s", id, text)
		}
	}
	if n := strings.Count(text, marker+marker); n < 3 || !strings.Contains(text, "é") {
		t.Errorf("the long lines are not whole: %s", text)
	}
	entries := w.ledger(t)
	if len(entries) != 1 || entries[0].Path != w.landed.Path || entries[0].Counts != want {
		t.Errorf("ledger: %+v", entries)
	}

	// The list shows it, and the quarantine was not written to again.
	list, err := quarantine.List(t.Context(), w.lake, quarantine.Query{Most: 9})
	if err != nil || len(list.Files) != 1 || list.Files[0].Retried == nil ||
		*list.Files[0].Retried != 3 || *list.Files[0].Lines != 4 || len(list.Found) != 1 {
		t.Errorf("listed %+v, found %+v, %v", list.Files, list.Found, err)
	}

	// Again: only the line that is still bad, until it is good.
	for n := 2; n < 4; n++ {
		if got, err = w.retryer(t, w.lake, 1<<20).Retry(t.Context(), all()); err != nil ||
			got.Lines != 1 || got.Quarantined != 1 {
			t.Errorf("attempt %d: %+v, %v", n, got, err)
		}
		if entries := w.ledger(t); len(entries) != n {
			t.Errorf("attempt %d: %d entries", n, len(entries))
		}
	}
	if w.content(t) != text {
		t.Error("the tables changed")
	}
	mark, err := quarantine.ReadMark(t.Context(), w.lake, list.Files[0])
	if err != nil || len(mark.Attempts) != 3 || mark.LoadedLines() != 3 ||
		!slices.Equal(mark.Attempts[0].Loaded, []int64{2, 4, 6}) {
		t.Errorf("%+v, %v", mark, err)
	}
}

func TestRetrySelectsByTypeAndReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := all()
	s.Type = "Observation"
	if got, err := w.retryer(t, w.lake, 1<<20).Retry(t.Context(), s); err != nil ||
		len(got.Files) != 0 {
		t.Errorf("another type: %+v, %v", got, err)
	}
	s = quarantine.Selection{Export: export, Type: "Patient", Reason: "limit"}
	got, err := w.retryer(t, w.lake, 1<<20).Retry(t.Context(), s)
	if err != nil || got.Lines != 3 || got.Applied != 3 || got.Quarantined != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err = w.retryer(t, w.lake, 1<<20).Retry(t.Context(), s); err != nil ||
		len(got.Files) != 0 {
		t.Errorf("nothing is left: %+v, %v", got, err)
	}
}

// A newer version in the tables stays, also if its export came in between.
func TestRetryChangesNothingThatIsNewer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	later, err := w.lake.Put(t.Context(), pipeline.Landing, "20261124-job/Patient-1.ndjson",
		strings.NewReader(patient("b", 3, "Newer")+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	dir := "nightly-000002/Patient/v1/x"
	done, err := w.flattener(t, w.lake, short).Flatten(t.Context(), pipeline.Flattening{
		Plan: "nightly", Export: "nightly-000002", Type: "Patient", Path: later.Path, Dir: dir,
	}, strings.NewReader(patient("b", 3, "Newer")+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.store.Warehouse(w.lake, patientViews().Tables).Commit(t.Context(), pipeline.Batch{
		Schema: "fhir", Plan: "nightly", Export: "nightly-000002", Type: "Patient", ViewSet: 1,
		Attempt: "01", Files: []pipeline.PreparedFile{{File: later, Dir: dir, Done: done}},
	}); err != nil {
		t.Fatal(err)
	}
	got, err := w.retryer(t, w.lake, 1<<20).Retry(t.Context(), all())
	if err != nil || got.Applied != 2 || got.Superseded != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	if text := w.content(t); !strings.Contains(text, "Newer") {
		t.Errorf("the newer version is gone: %s", text)
	}
}

// A retry may be killed anywhere. The next one ends in the same tables and the same ledger.
func TestRetrySurvivesKills(t *testing.T) {
	t.Parallel()
	whole := newWorld(t)
	if _, err := whole.retryer(t, whole.lake, 1<<20).Retry(t.Context(), all()); err != nil {
		t.Fatal(err)
	}
	want := whole.content(t)
	n := 1
	for ; ; n++ {
		w := newWorld(t)
		f := &flaky{Lake: w.lake, n: n}
		_, err := w.retryer(t, f, 1<<20).Retry(t.Context(), all())
		if err == nil {
			break
		}
		if !errors.Is(err, errKilled) || strings.Contains(err.Error(), marker) {
			t.Fatalf("killed at %d: %v", n, err)
		}
		got, err := w.retryer(t, w.lake, 1<<20).Retry(t.Context(), all())
		if err != nil || got.Lines != 4 || got.Applied != 3 && got.Applied != 0 {
			t.Errorf("after a kill at %d: %+v, %v", n, got, err)
		}
		if text := w.content(t); text != want {
			t.Errorf("after a kill at %d: %s", n, cmp.Diff(want, text))
		}
		if entries := w.ledger(t); len(entries) != 1 || entries[0].Applied != 3 {
			t.Errorf("after a kill at %d: %+v", n, entries)
		}
	}
	if n < 6 {
		t.Errorf("only %d calls", n)
	}
}

// A killed retry had other settings: its lines are tried again, and counted as attempts of their
// own.
func TestRetryWithOtherSettingsAfterAKill(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := &flaky{Lake: w.lake}
	if _, err := w.retryer(t, f, short).Retry(t.Context(), all()); err != nil {
		t.Fatal(err)
	}
	calls := f.calls
	w = newWorld(t)
	// The last call of the first file writes its mark.
	if _, err := w.retryer(t, &flaky{Lake: w.lake, n: calls}, short).Retry(t.Context(),
		all()); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	if entries := w.ledger(t); len(entries) != 1 || entries[0].Quarantined != 4 {
		t.Fatalf("%+v", entries)
	}
	got, err := w.retryer(t, w.lake, 1<<20).Retry(t.Context(), all())
	if err != nil || got.Applied != 3 || got.Quarantined != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	if entries := w.ledger(t); len(entries) != 2 {
		t.Errorf("%+v", entries)
	}
}

func TestRetryRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(t *testing.T, w *world)
		want   string
	}{
		"an export that runs": {
			func(t *testing.T, w *world) {
				t.Helper()
				w.record(t, records.Loading)
			},
			"fhirsynapse exports watch nightly-000001",
		},
		"an export that failed": {
			func(t *testing.T, w *world) {
				t.Helper()
				w.record(t, records.Failed)
			},
			"fhirsynapse exports start nightly",
		},
		"a file that was written again": {
			func(t *testing.T, w *world) {
				t.Helper()
				if _, err := w.lake.Put(t.Context(), pipeline.Landing, w.landed.Path,
					strings.NewReader("{}")); err != nil {
					t.Fatal(err)
				}
			},
			"no longer in the landing area",
		},
	} {
		w := newWorld(t)
		c.change(t, w)
		_, err := w.retryer(t, w.lake, 1<<20).Retry(t.Context(), all())
		if fault.Of(err) != fault.Permanent || !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if entries := w.ledger(t); len(entries) != 0 {
			t.Errorf("%s: %+v", name, entries)
		}
	}
	w := newWorld(t)
	_, err := w.retryer(t, w.lake, 1<<20).Retry(t.Context(),
		quarantine.Selection{Export: "nightly-000009"})
	if err == nil || !strings.Contains(err.Error(), "there is no such export") {
		t.Errorf("no such export: %v", err)
	}
}
