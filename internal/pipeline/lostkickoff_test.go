package pipeline_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

// strayed returns a world whose first kick-off lost its answer, and whose orphaned job shows
// up only after the kick-off was made again.
func strayed(t *testing.T) *world {
	t.Helper()
	w := newTracingWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
	w.loseKickOff()
	for w.server.kickOffs < 2 {
		w.step()
	}
	orphan := w.server.jobs["status/101"]
	orphan.polls = -1 << 20 // it never ends
	w.server.write(orphan)
	return w
}

// tickFor runs the ticks of a period.
func (w *world) tickFor(d time.Duration) {
	for end := w.clock.Add(d); w.clock.Before(end); {
		w.step()
	}
}

func noticeOf(t *testing.T, w *world) string {
	t.Helper()
	list, err := records.Exports(t.Context(), w.journal, "nightly", 100)
	if err != nil {
		t.Fatal(err)
	}
	return list[len(list)-1].Notice
}

// A running job does not show who started it: it is not cancelled during or after the export,
// and a person is told what to look for.
func TestAnOrphanIsToldAndNotCancelled(t *testing.T) {
	t.Parallel()
	w := strayed(t)
	w.server.jobs["status/102"].polls = -20
	w.loaded("nightly-000001")
	w.tickFor(40 * time.Minute)
	for url, j := range w.server.jobs {
		if j.ended && url != "status/102" {
			t.Errorf("%s was cancelled", url)
		}
	}
	n := noticeOf(t, w)
	for _, part := range []string{
		"kick-offs without an answer: 1", "between 2026-11-23T06:01:01Z and 2026-11-23T06:06:01Z",
		"exports of Patient, Observation", "HTTP DELETE",
	} {
		if !strings.Contains(n, part) {
			t.Errorf("notice %q has no %q", n, part)
		}
	}
}

// The kick-off may have started a job: the notice of the cancelled export reports it, and the
// next export does not touch that job.
func TestTheOrphanOfAnExportThatAPersonCancelled(t *testing.T) {
	t.Parallel()
	w := newTracingWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.loseKickOff()
	for w.server.kickOffs == 0 {
		w.step()
	}
	orphan := w.server.jobs["status/101"]
	orphan.polls = -1 << 20
	w.server.write(orphan)
	if n := noticeOf(t, w); n != "" {
		t.Errorf("notice %q, although the job is still looked for", n)
	}
	ends, err := w.p.Cancel(t.Context(), "nightly-000001")
	if err != nil || len(ends) != 1 || ends[0].Fate != pipeline.JobUnanswered {
		t.Fatalf("got %v, %v", ends, err)
	}
	if n := noticeOf(t, w); !strings.Contains(n, "kick-offs without an answer: 1") {
		t.Errorf("notice %q", n)
	}
	w.loaded("nightly-000002")
	if orphan.ended {
		t.Error("a job was cancelled that may be somebody else's")
	}
}

// An orphaned job that has ended is adopted if its manifest repeats the request. A job that
// ends after its kick-off was made again is left alone: its files are never loaded.
func TestAnOrphanThatEndsLate(t *testing.T) {
	t.Parallel()
	w := strayed(t)
	w.server.jobs["status/101"].polls = 1 << 20
	w.loaded("nightly-000001")
	if j := jobOf(t, w, "nightly-000001.1"); j.Adopted || j.Folder != "102" || j.Lost != 1 {
		t.Errorf("%+v", j)
	}
}

// A refused kick-off started no job, so the export has no notice.
func TestARefusedKickOffLeavesNoOrphan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.wrap = func(s gatedSource) pipeline.Server { return refusing{tracing{s}} }
	w.boot()
	stranger, err := w.server.KickOff(t.Context(), pipeline.Request{Types: []string{"Patient"}})
	if err != nil {
		t.Fatal(err)
	}
	w.server.put("Patient", "p1", "first", 1, false)
	theirs := w.server.jobs[stranger.StatusURL]
	w.server.write(theirs)
	theirs.polls = -1 << 20
	if e := w.run("nightly-000001"); e.State != records.Failed {
		t.Fatalf("the export is %s", e.State)
	}
	w.tickFor(20 * time.Minute)
	if theirs.ended || noticeOf(t, w) != "" {
		t.Errorf("the job of someone else was cancelled: %t; notice %q", theirs.ended,
			noticeOf(t, w))
	}
}

type refusing struct{ tracing }

func (refusing) KickOff(context.Context, pipeline.Request) (pipeline.Accepted, error) {
	return pipeline.Accepted{}, fault.Permanentf("HTTP 403")
}
