package pipeline_test

import (
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

func TestWatermarkMovesOnlyWithLoadedExports(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.server.status = func() error { return fault.Permanentf("export operation failed") }
	if e := w.run("nightly-000001"); e.State != records.Failed || e.Failure == nil ||
		e.Failure.Step != "poll" {
		t.Fatalf("got %+v, want it failed by its poll", e)
	}
	w.server.status = nil
	w.loaded("nightly-000002")
	if e, _ := w.export("nightly-000002"); !e.Jobs[0].Since.IsZero() {
		t.Errorf("the export after a failed first one begins at %v, want full", e.Jobs[0].Since)
	}
	first, _ := w.export("nightly-000002")
	w.loaded("nightly-000003")
	e, _ := w.export("nightly-000003")
	if want := first.Jobs[0].Till.Add(-10 * time.Minute); !e.Jobs[0].Since.Equal(want) {
		t.Errorf("since is %v, want the last till minus the overlap, %v", e.Jobs[0].Since, want)
	}
}

func TestManifestAndFileDisagree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.gate.before = func(int, string) error {
		for _, j := range w.server.jobs {
			for i := range j.output {
				j.output[i].Count = 3
			}
		}
		return nil
	}
	e := w.run("nightly-000001")
	if e.State != records.Failed ||
		!strings.Contains(e.Failure.Cause, "the manifest counts 3 resources, the file has 1") {
		t.Errorf("got %s, %+v", e.State, e.Failure)
	}
	if len(w.tables.heads) != 0 {
		t.Error("a part of it was loaded")
	}
}

func TestTooManyBadLines(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "", "no id", 1, false)
	e := w.run("nightly-000001")
	if e.State != records.Failed || !strings.Contains(e.Failure.Cause, "1 of 1 lines are bad") {
		t.Errorf("got %s, %+v", e.State, e.Failure)
	}
}

func TestGivesUpAfterManyTries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.gate.before = func(_ int, call string) error {
		if call == "warehouse commit" {
			return errOutage
		}
		return nil
	}
	e := w.run("nightly-000001")
	if e.State != records.Failed ||
		!strings.Contains(e.Failure.Cause, "tried 31 times, at last: ") {
		t.Errorf("got %s, %+v", e.State, e.Failure)
	}
	if took := e.FinishedAt.Sub(e.RequestedAt); took < 90*time.Minute {
		t.Errorf("gave up after %v, want a longer patience", took)
	}
	if dead := w.queue.Dead(); len(dead) > 0 {
		t.Errorf("%d dead letters", len(dead))
	}
}

func TestAnExportThatNeverEndsIsCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.pollsBeforeDone = 1 << 30
	e := w.run("nightly-000001")
	if e.State != records.Failed ||
		!strings.Contains(e.Failure.Cause, "has not finished it within 24h") {
		t.Errorf("got %s, %+v", e.State, e.Failure)
	}
	for _, j := range w.server.jobs {
		if !j.ended {
			t.Error("the job was not cancelled at the server")
		}
	}
}

func TestAJobThatAReplicaDoesNotKnowYet(t *testing.T) {
	t.Parallel()
	unknown := &fault.Error{Class: fault.Permanent, Err: pipeline.ErrUnknownJob}
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	polls := 0
	w.server.status = func() error {
		if polls++; polls <= 2 {
			return unknown
		}
		return nil
	}
	w.loaded("nightly-000001")
	w.server.put("Patient", "p2", "first", 1, false)
	w.server.status = func() error { return unknown }
	w.clock = w.clock.Add(2 * time.Hour)
	if e := w.run("nightly-000002"); e.State != records.Failed ||
		e.FinishedAt.Sub(e.RequestedAt) < time.Minute {
		t.Errorf("got %s after %v, want it failed once the first minute is over", e.State,
			e.FinishedAt.Sub(e.RequestedAt))
	}
}

func TestViewsChangedDuringAnExport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.server.put("Observation", "o1", "first", 1, false)
	n := 0
	w.gate.before = func(_ int, call string) error {
		if call == "lake open" {
			if n++; n == 2 {
				w.views = "views-2"
			}
		}
		return nil
	}
	w.loaded("nightly-000001")
}
