package history_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/statuspage/history"
	"fhirsynapse/internal/testkit/pipelinetest"
)

var dawn = time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)

// desk has a journal with exports of one plan.
type desk struct {
	t       *testing.T
	store   records.Store
	lake    *pipelinetest.MemoryLake
	entries []pipeline.LedgerEntry
	err     error
	asked   int
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	return &desk{
		t: t, store: records.Store{Journal: pipelinetest.NewMemoryJournal()},
		lake: pipelinetest.NewMemoryLake(func() time.Time { return dawn }),
	}
}

func (d *desk) Ledger(context.Context, string, string) ([]pipeline.LedgerEntry, error) {
	d.asked++
	return d.entries, d.err
}

// export adds an export with one file of a type that is in the ledger.
func (d *desk) export(n int, state records.State) {
	d.t.Helper()
	id := records.ExportID("p", n)
	at := dawn.Add(time.Duration(n) * time.Hour)
	e := records.Export{
		ID: id, Plan: "p", Schema: "fhir", State: state, RequestedAt: at,
		Jobs: []records.Request{{Till: at, Types: []string{"Patient", "Observation"}}},
		Values: map[string]records.PreparedValues{"Patient": {ValueCounts: records.ValueCounts{
			Nulled: map[string]int64{"patient.birth_date": 3},
		}}},
	}
	if state.Final() {
		e.FinishedAt = at.Add(time.Minute)
	}
	if state == records.Failed {
		e.Failure = &records.Failure{Step: "poll", Cause: strings.Repeat("ä", 1000)}
	}
	if state == records.Incomplete {
		e.Shortfall = &records.Shortfall{Types: []string{"Observation"}}
	}
	path := id + ".1/Patient-000001.ndjson"
	d.entries = append(d.entries, pipeline.LedgerEntry{
		Path: path, Type: "Patient",
		Counts: pipeline.Counts{Lines: 10, Applied: 9, Quarantined: 1, Deleted: 2},
	})
	err := d.store.CreateExport(d.t.Context(), e)
	if err == nil {
		_, err = d.store.UpdateJob(d.t.Context(), id, 1, func(j *records.Job) error {
			j.ManifestAt, j.Files = at, 1
			return nil
		})
	}
	if err == nil {
		err = d.store.KeepManifest(d.t.Context(), records.JobID(id, 1), records.Manifest{
			Output: []records.OutputFile{{Type: "Patient", Path: path, Count: 10}},
		})
	}
	if err == nil {
		err = d.store.UpdatePlan(d.t.Context(), "p", func(r *records.PlanRecord) error {
			r.Seq, r.Current = n, id
			return nil
		})
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) catch() error {
	return history.Keeper{
		Accountant: &history.Accountant{Journal: d.store.Journal, Lake: d.lake}, Ledger: d,
	}.Catch(d.t.Context())
}

func (d *desk) numbers(newest int) (out []int) {
	d.t.Helper()
	entries, whole, err := history.Last(d.t.Context(), d.store.Journal, "p", newest, time.Time{},
		99)
	if err != nil || !whole {
		d.t.Fatal(whole, err)
	}
	for _, e := range entries {
		out = append(out, e.Number)
	}
	return out
}

func TestCatchSumsUpWhatHasEnded(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.export(1, records.Loaded)
	d.export(2, records.Failed)
	d.export(3, records.Incomplete)
	d.export(4, records.Loading)
	if err := d.catch(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{3, 2, 1}, d.numbers(4)); diff != "" {
		t.Error(diff)
	}
	entries, _, err := history.Last(t.Context(), d.store.Journal, "p", 4, time.Time{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	last, failed, first := entries[0], entries[1], entries[2]
	if want := (history.Counts{Applied: 9, Deleted: 2, Quarantined: 1}); first.Sum() != want ||
		first.Manifest != 10 || first.Files != 1 || first.Uncounted {
		t.Errorf("first: %+v", first)
	}
	if !first.Covers("Observation") || first.Covers("Device") || last.Covers("Observation") ||
		!last.Covers("Patient") || failed.Covers("Patient") {
		t.Error("the exports cover other types")
	}
	if failed.Step != "poll" || len(failed.Cause) > 310 || !strings.HasSuffix(failed.Cause, "ä…") {
		t.Errorf("the failure is %q: %q", failed.Step, failed.Cause)
	}
	a, ok, err := history.Find(t.Context(), d.store.Journal, "p-000001")
	if err != nil || !ok || !a.Whole || len(a.Types) != 2 || a.Types[1].Loaded != 1 ||
		a.Types[1].Landed != 1 || len(a.Drift["Patient"]) != 1 {
		t.Errorf("account %+v, %v, %v", a, ok, err)
	}
	asked := d.asked
	if err := d.catch(); err != nil || d.asked != asked {
		t.Errorf("a second time: %v, %d questions to the ledger", err, d.asked-asked)
	}
}

func TestALedgerThatIsAwayLeavesTheRestForLater(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.export(1, records.Loaded)
	d.err = fault.Transientf("paused")
	if err := d.catch(); err == nil || len(d.numbers(1)) != 0 {
		t.Errorf("error %v, entries %v", err, d.numbers(1))
	}
	d.err = nil
	if err := d.catch(); err != nil || len(d.numbers(1)) != 1 {
		t.Errorf("error %v, entries %v", err, d.numbers(1))
	}
}

func TestALedgerThatIsGoneLeavesTheCountsOut(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.export(1, records.Loaded)
	d.err = fault.Permanentf("there is no such schema")
	if err := d.catch(); err != nil {
		t.Fatal(err)
	}
	entries, _, err := history.Last(t.Context(), d.store.Journal, "p", 1, time.Time{}, 1)
	if err != nil || len(entries) != 1 || !entries[0].Uncounted {
		t.Errorf("%+v, %v", entries, err)
	}
	if _, ok, err := history.Find(t.Context(), d.store.Journal, "p-000001"); ok || err != nil {
		t.Errorf("an account without counts: %v, %v", ok, err)
	}
}

func TestALongHistoryIsCaughtUpInRoundsAndReadInParts(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const exports = 260 // more than one document
	for n := 1; n <= exports; n++ {
		d.export(n, records.Loaded)
	}
	for round := 1; len(d.numbers(exports)) < exports; round++ {
		if err := d.catch(); err != nil || round > 6 {
			t.Fatalf("round %d: %d entries, %v", round, len(d.numbers(exports)), err)
		}
	}
	got := d.numbers(exports)
	for i, n := range got {
		if n != exports-i {
			t.Fatalf("entry %d is of export %d", i, n)
		}
	}
	between, err := history.Between(t.Context(), d.store.Journal, "p", 252, 249)
	if err != nil || len(between) != 4 || between[0].Number != 252 || between[3].Number != 249 {
		t.Errorf("between: %d entries, %v", len(between), err)
	}
	recent, whole, err := history.Last(t.Context(), d.store.Journal, "p", exports,
		time.Time{}, 1)
	if err != nil || whole || len(recent) != 10 {
		t.Errorf("%d entries of one document, whole %v, %v", len(recent), whole, err)
	}
}

// busy is a journal in which somebody else always is faster.
type busy struct{ records.Journal }

func (b busy) Write(ctx context.Context, key, etag string, data []byte) (string, error) {
	if strings.HasSuffix(key, "/progress") {
		return "", fmt.Errorf("write %s: %w", key, records.ErrConflict)
	}
	return b.Journal.Write(ctx, key, etag, data)
}

func TestTwoInstancesWriteTheSameHistory(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.export(1, records.Loaded)
	good := d.store.Journal
	d.store.Journal = busy{good}
	if err := d.catch(); err != nil {
		t.Errorf("the slower one fails: %v", err)
	}
	d.store.Journal = good
	if err := d.catch(); err != nil || len(d.numbers(1)) != 1 {
		t.Errorf("entries %v, %v", d.numbers(1), err)
	}
}

func TestLandedFilesAreCountedWhileAnExportLoads(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.export(1, records.Loading)
	e, err := d.store.Export(t.Context(), "p-000001")
	if err != nil {
		t.Fatal(err)
	}
	jobs, err := d.store.Jobs(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	accountant := history.Accountant{Journal: d.store.Journal, Lake: d.lake}
	for _, want := range []int{0, 1} {
		a, err := accountant.Account(t.Context(), d, e, jobs)
		if err != nil || a.Types[1].Type != "Patient" || a.Types[1].Landed != want {
			t.Errorf("%+v, %v, want %d landed", a, err, want)
		}
		if _, err := d.lake.Put(t.Context(), pipeline.Landing, "p-000001.1/Patient-000001.ndjson",
			strings.NewReader("{}\n")); err != nil {
			t.Fatal(err)
		}
	}
	d.err = errors.New("away")
	if _, err := accountant.Account(t.Context(), d, e, jobs); !errors.Is(err, d.err) {
		t.Errorf("got %v", err)
	}
}
