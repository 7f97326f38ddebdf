package pipeline_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

var rules = pipeline.Deidentify{Config: "limited.json", ETag: "0x1"}

// newDeidentifiedWorld makes a world whose plan is de-identified, with all types.
func newDeidentifiedWorld(t *testing.T) *world {
	w := newWorld(t)
	w.plans[0].Deidentify, w.plans[0].Deleted, w.plans[0].Types = &rules, false, nil
	w.boot()
	w.server.put("Patient", "p1", "first", 1, false)
	w.server.put("Observation", "o1", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
	return w
}

func TestADeidentifiedExportIsAlwaysFull(t *testing.T) {
	t.Parallel()
	w := newDeidentifiedWorld(t)
	// The type of an error file is behind the others; the next export still asks for all types.
	w.server.withheld = map[string]bool{"Observation": true}
	w.server.reports = []string{"error/exception Observation"}
	w.ends("nightly-000001", records.Incomplete)
	w.server.withheld, w.server.reports = nil, nil
	w.clock = w.clock.Add(time.Minute)
	w.loaded("nightly-000002")
	for _, id := range []string{"nightly-000001", "nightly-000002"} {
		e, _ := w.export(id)
		if len(e.Jobs) != 1 || !e.Jobs[0].Since.IsZero() || len(e.Jobs[0].Types) > 0 ||
			e.Jobs[0].Deidentify == nil || *e.Jobs[0].Deidentify != rules || len(e.BasedOn) > 0 {
			t.Errorf("%s has the jobs %+v and is based on %v", id, e.Jobs, e.BasedOn)
		}
	}
}

// Each export takes the place of the former one, also by another configuration.
func TestADeidentifiedExportReplacesTheFormerOne(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]*pipeline.Deidentify{
		"the same":     &rules,
		"another ETag": {Config: "limited.json", ETag: "0x2"},
		"another file": {Config: "other.json", ETag: "0x1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newDeidentifiedWorld(t)
			w.loaded("nightly-000001")
			w.plans[0].Deidentify = after
			w.boot()
			w.server.data = nil // all ids are new
			w.server.put("Patient", "x1", "second", 1, false)
			w.server.put("Observation", "y1", "second", 1, false)
			w.clock = w.clock.Add(time.Minute)
			if e := w.run("nightly-000002"); e.State != records.Loaded {
				t.Fatalf("it is %s: %+v", e.State, e.Failure)
			}
			w.matches()
		})
	}
}

// Tables that nothing is removed from are not replaced: another configuration needs other ones.
func TestWhatOnlyAddsReplacesNothing(t *testing.T) {
	t.Parallel()
	w := newDeidentifiedWorld(t)
	w.adds = true
	w.boot()
	w.loaded("nightly-000001")
	w.plans[0].Deidentify = &pipeline.Deidentify{Config: "other.json", ETag: "0x1"}
	w.boot()
	w.ends("nightly-000002", records.Failed)
}

// An export that may have lost patients replaces nothing, until a person says that it is right.
func TestAnExportWithFewPatientsReplacesNothing(t *testing.T) {
	t.Parallel()
	w := newDeidentifiedWorld(t)
	for _, id := range []string{"p2", "p3"} {
		w.server.put("Patient", id, "first", 1, false)
	}
	w.loaded("nightly-000001")
	before := w.tables.present()
	for n, spoil := range []func(){
		func() { w.server.reports = []string{"error/exception Observation"} },
		func() {
			w.server.reports = nil
			w.server.data = nil
			w.server.put("Patient", "x1", "second", 1, false)
			w.server.put("Patient", "x2", "second", 1, false)
			w.server.put("Observation", "y1", "second", 1, false)
			w.clock = w.clock.Add(time.Minute)
		},
	} {
		spoil()
		id := fmt.Sprintf("nightly-%06d", 2+n)
		w.ends(id, records.Failed)
		if e, _ := w.export(id); !strings.Contains(e.Failure.Cause, "the tables stay") ||
			!strings.Contains(e.Failure.Remedy, "--accept-missing") {
			t.Errorf("it failed with %+v", e.Failure)
		}
		if d := cmp.Diff(before, w.tables.present()); d != "" {
			t.Errorf("tables after %s (-before +after):\n%s", id, d)
		}
	}
	if _, err := records.RequestExport(t.Context(), w.journal, "nightly",
		records.Window{AcceptMissing: true}, w.now()); err != nil {
		t.Fatal(err)
	}
	w.loaded("nightly-000004")
	w.matches()
}

// Nothing takes the place of the rows of a type that an export lacks.
func TestATypeThatIsLeftBehindIsTold(t *testing.T) {
	t.Parallel()
	w := newDeidentifiedWorld(t)
	w.loaded("nightly-000001")
	w.server.withheld = map[string]bool{"Observation": true}
	w.ends("nightly-000002", records.Loaded)
	if e, _ := w.export("nightly-000002"); len(e.Notices) != 1 ||
		!strings.Contains(e.Notices[0], "no Observation") {
		t.Errorf("notices: %q", e.Notices)
	}
}

// A first export by rules follows a former one without them only in other tables.
func TestIdentifiedTablesStayIdentified(t *testing.T) {
	t.Parallel()
	w := newDeidentifiedWorld(t)
	w.plans[0].Deidentify = nil
	w.boot()
	w.loaded("nightly-000001")
	w.plans[0].Deidentify = &rules
	w.boot()
	w.ends("nightly-000002", records.Failed)
	if e, _ := w.export("nightly-000002"); e.Failure == nil ||
		!strings.Contains(e.Failure.Cause, "so they are identified") {
		t.Errorf("it failed with %+v", e.Failure)
	}
	*w.tables = tables{
		lake: w.lake, heads: map[string]head{}, ledger: map[[2]string]pipeline.LedgerEntry{},
	}
	w.loaded("nightly-000003") // the schema was dropped
}

func TestARefusedConfigurationIsNamed(t *testing.T) {
	t.Parallel()
	w := newDeidentifiedWorld(t)
	w.server.status = func() error {
		return &fault.Error{
			Class: fault.Permanent, Whose: fault.OurSetting, Err: context.Canceled,
		}
	}
	w.ends("nightly-000001", records.Failed)
	if e, _ := w.export("nightly-000001"); e.Failure == nil ||
		!strings.Contains(e.Failure.Cause, "limited.json with the ETag 0x1") ||
		!strings.Contains(e.Failure.Remedy, "container anonymization") {
		t.Errorf("it failed with %+v", e.Failure)
	}
}

// ends runs an export to its end, and checks its state.
func (w *world) ends(export string, want records.State) {
	w.t.Helper()
	if e := w.run(export); e.State != want {
		w.t.Fatalf("%s is %s, want %s", export, e.State, want)
	}
}

// The server may have changed the ids of members, so that the filter would drop all rows.
func TestADeidentifiedCohortIsNotFiltered(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*pipeline.Deidentify{"no": nil, "yes": &rules} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newCohortWorld(t)
			w.plans[0].Deidentify = r
			w.members = map[string]string{"g1": "a1", "g2": "b1"}
			w.boot()
			for _, id := range []string{"a1", "a2", "b1"} {
				w.server.put("Patient", id, "first", 1, false)
			}
			w.clock = w.clock.Add(time.Minute)
			w.ends("nightly-000001", records.Loaded)
			e, _ := w.export("nightly-000001")
			if _, has := w.tables.present()["Patient/a2"]; has != (r != nil) || len(e.Jobs) != 2 ||
				(e.Members == nil) != (r != nil) {
				t.Errorf("the tables have a2: %t; %d jobs, members %v", has, len(e.Jobs), e.Members)
			}
		})
	}
}
