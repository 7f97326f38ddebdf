package pipeline_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

// gatedCohorts answers with the world's cohorts.
type gatedCohorts struct {
	w *world
	*gate
}

func (c gatedCohorts) Parts(ctx context.Context, _ string) ([]pipeline.CohortPart, error) {
	leave, err := c.enter(ctx, "cohorts parts")
	if err != nil {
		return nil, err
	}
	ids, err := c.w.cohorts()
	var parts []pipeline.CohortPart
	for _, id := range ids {
		digest := fmt.Sprintf("members %v %s", c.w.server.members[id], c.w.members[id])
		parts = append(parts, pipeline.CohortPart{Group: id, Digest: digest})
	}
	if err == nil {
		err = leave(nil)
	}
	return parts, err
}

func (c gatedCohorts) Members(
	ctx context.Context, _ string, parts []pipeline.CohortPart,
) (pipeline.Members, error) {
	leave, err := c.enter(ctx, "cohorts members")
	if err != nil {
		return nil, err
	}
	members := pipeline.Members{}
	for _, p := range parts {
		for patient := range c.w.server.members[p.Group] {
			members[patient] = struct{}{} // without resources too
		}
		for _, r := range c.w.server.data {
			if c.w.server.members[p.Group][r.ID[len(r.ID)-1:]] ||
				c.w.members != nil && strings.HasPrefix(r.ID, c.w.members[p.Group]) {
				members[r.ID] = struct{}{}
			}
		}
	}
	return members, leave(nil)
}

// newCohortWorld makes a world whose plan exports a cohort of two Groups.
func newCohortWorld(t *testing.T) *world {
	w := newWorld(t)
	w.plans[0].Level, w.plans[0].Cohort, w.plans[0].Deleted = pipeline.LevelGroup, "smokers", false
	w.cohorts = func() ([]string, error) { return []string{"g1", "g2"}, nil }
	w.server.groups = map[string]string{"g1": "a", "g2": "b"}
	w.members = w.server.groups
	w.boot()
	return w
}

// cohortStory exports a cohort, twice.
func cohortStory(w *world) {
	w.server.fileSize = 2
	for _, id := range []string{"a1", "a2", "a3", "b1", "b2"} {
		w.server.put("Patient", id, "first", 1, false)
		w.server.put("Observation", id, "first", 1, false)
	}
	w.clock = w.clock.Add(time.Minute)
	w.loaded("nightly-000001")
	w.server.put("Patient", "a2", "second", 2, false)
	w.server.put("Observation", "b3", "new", 1, false)
	w.clock = w.clock.Add(time.Minute)
	w.loaded("nightly-000002")
}

func TestACohortHasOneJobForEachGroup(t *testing.T) {
	t.Parallel()
	w := newCohortWorld(t)
	cohortStory(w)
	for _, id := range []string{"nightly-000001", "nightly-000002"} {
		e, _ := w.export(id)
		var groups []string
		for _, j := range e.Jobs {
			groups = append(groups, j.Group)
			if !j.Since.IsZero() {
				t.Errorf("%s asks since %s: level group is full each time", id, j.Since)
			}
		}
		if fmt.Sprint(groups) != "[g1 g2]" || e.Cohort != "smokers" {
			t.Errorf("%s has jobs for %v of cohort %s", id, groups, e.Cohort)
		}
	}
	if w.server.kickOffs != 4 {
		t.Errorf("%d kick-offs, want one for each Group and export", w.server.kickOffs)
	}
}

// A crash between any two calls to a port leads to the same tables, also with a job for each Group.
func TestCrashBetweenEveryTwoCallsOfACohort(t *testing.T) {
	t.Parallel()
	whole := newCohortWorld(t)
	cohortStory(whole)
	for n := 1; n <= whole.gate.calls; n += stride {
		w := newCohortWorld(t)
		if n%2 == 0 {
			w.gate.before = func(i int, _ string) error { return killAt(i, n) }
		} else {
			w.gate.after = func(i int, _ string) error { return killAt(i, n) }
		}
		cohortStory(w)
		if t.Failed() {
			t.Fatalf("at call %d, %s", n, whole.gate.log[n-1])
		}
	}
}

func TestACohortThatCannotBeRefreshed(t *testing.T) {
	t.Parallel()
	w := newCohortWorld(t)
	w.cohorts = func() ([]string, error) {
		return nil, fault.Permanentf("cohort smokers: the search found nobody")
	}
	e := w.run("nightly-000001")
	if e.State != records.Failed || e.Failure.Step != "cohort" ||
		!strings.Contains(e.Failure.Cause, "the search found nobody") {
		t.Errorf("the export is %s: %+v", e.State, e.Failure)
	}
	if w.server.kickOffs != 0 {
		t.Errorf("%d kick-offs", w.server.kickOffs)
	}
	// The next slot of the schedule tries again.
	w.cohorts = func() ([]string, error) { return []string{"g1", "g2"}, nil }
	w.server.put("Patient", "a1", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
	w.loaded("nightly-000002")
}

func TestACohortWithoutGroupsExportsNobody(t *testing.T) {
	t.Parallel()
	w := newCohortWorld(t)
	w.cohorts = func() ([]string, error) { return nil, nil }
	if e := w.run("nightly-000001"); e.State != records.Failed || w.server.kickOffs != 0 {
		t.Errorf("the export is %s after %d kick-offs", e.State, w.server.kickOffs)
	}
}

func TestARefreshThatMayPassIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newCohortWorld(t)
	w.server.put("Patient", "a1", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
	tries := 0
	w.cohorts = func() ([]string, error) {
		if tries++; tries < 3 {
			return nil, fault.Transientf("cohort smokers: the server answered HTTP 503")
		}
		return []string{"g1"}, nil
	}
	w.loaded("nightly-000001")
	if tries != 3 {
		t.Errorf("%d tries", tries)
	}
}

// A server that exports more than the members of a Group does not bring strangers into the tables.
func TestStrangersInTheFilesAreFiltered(t *testing.T) {
	t.Parallel()
	w := newCohortWorld(t)
	w.server.groups = map[string]string{"g1": "", "g2": "b"}
	w.server.fileSize = 2
	for _, id := range []string{"a1", "a2", "b1", "x1", "x2", "x3"} {
		w.server.put("Patient", id, "first", 1, false)
	}
	w.clock = w.clock.Add(time.Minute)
	e := w.run("nightly-000001")
	if e.State != records.Loaded {
		t.Fatalf("the export is %s: %+v", e.State, e.Failure)
	}
	if e.Members == nil || e.Members.Count != 3 {
		t.Errorf("the export has the members %+v, want 3", e.Members)
	}
	for _, id := range []string{"a1", "a2", "b1", "x1", "x2", "x3"} {
		_, there := w.tables.heads["Patient/"+id]
		if there != (id[0] != 'x') {
			t.Errorf("%s is in the tables: %v", id, there)
		}
	}
	var filtered int64
	for _, l := range w.tables.exports["nightly-000001"] {
		filtered += l.Filtered
	}
	if filtered != 3 {
		t.Errorf("%d lines are filtered, want 3", filtered)
	}
}

// The staging area has the members, and without them nothing is prepared.
func TestMembersThatAreGone(t *testing.T) {
	t.Parallel()
	w := newCohortWorld(t)
	w.server.put("Patient", "a1", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
	for range 200 {
		e, there := w.export("nightly-000001")
		if there && e.Members != nil {
			if err := w.lake.Remove(t.Context(), pipeline.Staging, e.Members.File); err != nil {
				t.Fatal(err)
			}
			break
		}
		w.step()
	}
	e := w.run("nightly-000001")
	if e.State != records.Failed ||
		!strings.Contains(e.Failure.Cause, "members of cohort smokers") ||
		!strings.Contains(e.Failure.Remedy, "exports start nightly") {
		t.Errorf("the export is %s: %+v", e.State, e.Failure)
	}
}

// An export that cannot begin ends, wherever the handler is killed meanwhile.
func TestAnExportThatCannotBeginEnds(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		w := newCohortWorld(t)
		w.cohorts = func() ([]string, error) { return nil, fault.Permanentf("there is no Group") }
		w.gate.before = func(i int, _ string) error { return killAt(i, n) }
		e := w.run("nightly-000001")
		if e.State != records.Failed || !strings.Contains(e.Failure.Cause, "there is no Group") {
			t.Fatalf("killed at call %d, the export is %s: %+v", n, e.State, e.Failure)
		}
		if w.gate.calls < n {
			return
		}
	}
}

// An older version left exports that have not begun and have no jobs.
func TestAnExportWithoutJobsEnds(t *testing.T) {
	t.Parallel()
	for _, state := range []records.State{records.Requested, records.Exporting} {
		w := newCohortWorld(t)
		w.gate.open = true
		store := records.Store{Journal: w.journal}
		d, err := store.Plan(t.Context(), "nightly")
		if err != nil {
			t.Fatal(err)
		}
		d.Value.Seq, d.Value.Current, d.Value.RequestedAt = 1, "nightly-000001", w.now()
		if err := d.Write(t.Context(), w.journal); err != nil {
			t.Fatal(err)
		}
		if err := store.CreateExport(t.Context(), records.Export{
			ID: "nightly-000001", Plan: "nightly", State: state, TouchedAt: w.now(),
		}); err != nil {
			t.Fatal(err)
		}
		if e := w.run("nightly-000001"); e.State != records.Failed {
			t.Errorf("the export is %s", e.State)
		}
	}
}
