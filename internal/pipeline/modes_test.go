package pipeline_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

// newModeWorld makes a world with two exports of a cohort in a mode, and changes between them: of
// Patient a2, and Observation b3 of a Patient who has not changed.
func newModeWorld(t *testing.T, mode string) *world {
	w := newCohortWorld(t)
	w.plans[0].Mode, w.plans[0].Deleted = mode, mode == pipeline.ModeSystemFiltered
	w.plans[0].Overlap = 0
	w.server.honest = true
	w.boot()
	for _, id := range []string{"a1", "a2", "b1", "b3", "x1"} {
		w.server.put("Patient", id, "first", 1, false)
	}
	w.clock = w.clock.Add(time.Hour)
	if e := w.run("nightly-000001"); e.State != records.Loaded {
		t.Fatalf("%s: %+v", e.State, e.Failure)
	}
	w.server.put("Patient", "a2", "second", 2, false)
	w.server.put("Observation", "b3", "new", 1, false)
	w.server.put("Observation", "x1", "of a stranger", 1, false)
	w.clock = w.clock.Add(time.Hour)
	return w
}

// asked lists what an export has asked for.
func (w *world) asked(export string) (jobs []string) {
	e, _ := w.export(export)
	for _, j := range e.Jobs {
		since := "everything"
		if !j.Since.IsZero() {
			since = "changes"
		}
		jobs = append(jobs, fmt.Sprintf("%s %s %s", since, j.Level, j.Group))
	}
	return jobs
}

func TestModesOfACohort(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string][]string{
		pipeline.ModeGroupFull:      {"everything group g1", "everything group g2"},
		pipeline.ModeGroupSince:     {"changes group g1", "changes group g2"},
		pipeline.ModeSystemFiltered: {"changes system "},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := newModeWorld(t, mode)
			if e := w.run("nightly-000002"); e.State != records.Loaded {
				t.Fatalf("%s: %+v", e.State, e.Failure)
			}
			if d := cmp.Diff(want, w.asked("nightly-000002")); d != "" {
				t.Errorf("asked (-want +got):\n%s", d)
			}
			tables := map[string]string{
				"Patient/a1": "first", "Patient/a2": "second", "Patient/b1": "first",
				"Patient/b3": "first", "Observation/b3": "new",
			}
			if d := cmp.Diff(tables, w.tables.present()); d != "" {
				t.Errorf("tables (-want +got):\n%s", d)
			}
		})
	}
}

// A Group with other members than before is exported in full: a newcomer has a history.
func TestNewMembersComeWithTheirHistory(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string][]string{
		pipeline.ModeGroupSince:     {"changes group g1", "everything group g2"},
		pipeline.ModeSystemFiltered: {"changes system ", "everything group g2"},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := newModeWorld(t, mode)
			w.server.put("Observation", "x2", "of nobody", 1, false)
			w.server.groups = map[string]string{"g1": "a", "g2": "x"} // b leaves, x joins
			w.members = w.server.groups
			if e := w.run("nightly-000002"); e.State != records.Loaded {
				t.Fatalf("%s: %+v", e.State, e.Failure)
			}
			if d := cmp.Diff(want, w.asked("nightly-000002")); d != "" {
				t.Errorf("asked (-want +got):\n%s", d)
			}
			if got := w.tables.present(); got["Patient/x1"] != "first" || got["Patient/b1"] != "" {
				t.Errorf("tables: %v", got)
			}
		})
	}
}

// Servers may compare _since with the Patient: only the changes of patients who have changed
// themselves come, until the next full export.
func TestChangesOfGroupsMayBeLost(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]string{
		pipeline.ModeGroupFull: "new", pipeline.ModeGroupSince: "",
		pipeline.ModeSystemFiltered: "new",
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := newModeWorld(t, mode)
			w.server.sinceByPatient = true
			w.run("nightly-000002")
			if got := w.tables.present()["Observation/b3"]; got != want {
				t.Errorf("the new resource is %q in the tables, want %q", got, want)
			}
			if _, err := records.RequestExport(t.Context(), w.journal, "nightly",
				records.Window{Full: true}, w.now()); err != nil {
				t.Fatal(err)
			}
			w.run("nightly-000003")
			if w.tables.present()["Observation/b3"] != "new" {
				t.Error("a full export does not bring it")
			}
		})
	}
}

// The files of everybody are removed after an export that was filtered, and the files of Groups
// stay for rebuilds.
func TestFilesOfEverybodyAreRemoved(t *testing.T) {
	t.Parallel()
	w := newModeWorld(t, pipeline.ModeSystemFiltered)
	w.run("nightly-000002")
	w.plans[0].Paused = true
	w.boot()
	for range 40 {
		w.step()
	}
	w.clock = w.clock.Add(2 * time.Hour)
	for range 20 {
		w.step()
	}
	var left []string
	for f, err := range w.lake.List(t.Context(), pipeline.Landing, "") {
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, f.Path)
	}
	if len(left) != 4 { // the files of the first export's Groups
		t.Errorf("the landing area has %q", left)
	}
}
