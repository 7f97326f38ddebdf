package pipeline_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// strayed is a world whose first kick-off lost its answer, and whose orphan shows
// itself only once it was made again.
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
	orphan.polls = -1 << 20 // it runs on and on
	w.server.write(orphan)
	return w
}

// tickFor lets ticks pass for a while.
func (w *world) tickFor(d time.Duration) {
	for end := w.clock.Add(d); w.clock.Before(end); {
		w.step()
	}
}

func orphansOf(t *testing.T, w *world) map[string]string {
	t.Helper()
	fates := map[string]string{}
	for _, o := range jobOf(t, w, "nightly-000001.1").Orphans {
		fates[o.Folder] = o.Fate
	}
	return fates
}

func noticeOf(t *testing.T, w *world) string {
	t.Helper()
	list, err := pipeline.Exports(t.Context(), w.journal, "nightly", 100)
	if err != nil {
		t.Fatal(err)
	}
	return list[len(list)-1].Notice
}

func TestAnOrphanIsCancelledWhileAnotherJobIsFollowed(t *testing.T) {
	t.Parallel()
	w := strayed(t)
	w.server.jobs["status/102"].polls = -20
	for !w.server.jobs["status/101"].ended {
		if e, _ := w.export("nightly-000001"); e.State.Final() {
			t.Fatal("the orphan runs although the export has ended")
		}
		w.step()
	}
	if got := orphansOf(t, w)["101"]; got != pipeline.OrphanCancelled {
		t.Errorf("the orphan is %q", got)
	}
	w.loaded("nightly-000001")
	if w.server.jobs["status/102"].ended || noticeOf(t, w) != "" {
		t.Errorf("the job that is followed was ended: %t; notice %q", w.server.jobs["status/102"].ended, noticeOf(t, w))
	}
}

func TestAnOrphanIsCancelledAfterTheExport(t *testing.T) {
	t.Parallel()
	w := strayed(t)
	w.loaded("nightly-000001")
	if n := noticeOf(t, w); !strings.Contains(n, "kick-offs without an answer: 1") {
		t.Errorf("notice %q", n)
	}
	w.tickFor(20 * time.Minute)
	if !w.server.jobs["status/101"].ended || noticeOf(t, w) != "" {
		t.Errorf("the orphan runs; notice %q", noticeOf(t, w))
	}
}

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
	ends, err := w.p.Cancel(t.Context(), "nightly-000001")
	if err != nil || len(ends) != 1 || ends[0].Fate != pipeline.JobUnanswered {
		t.Fatalf("got %v, %v", ends, err)
	}
	w.tickFor(20 * time.Minute)
	if !orphan.ended || w.server.kickOffs != 1 {
		t.Errorf("the orphan was cancelled: %t; %d kick-offs", orphan.ended, w.server.kickOffs)
	}
}

// An orphan that has ended is told from others by its manifest: there is nothing
// to cancel, and its files are never loaded.
func TestAnOrphanThatHasEnded(t *testing.T) {
	t.Parallel()
	w := strayed(t)
	w.server.jobs["status/101"].polls = 1 << 20
	w.loaded("nightly-000001")
	w.tickFor(20 * time.Minute)
	if got := orphansOf(t, w)["101"]; got != pipeline.OrphanEnded || noticeOf(t, w) != "" {
		t.Errorf("the orphan is %q, notice %q", got, noticeOf(t, w))
	}
}

// More jobs without an owner than kick-offs were lost: one of them is somebody
// else's, and none is cancelled until that is clear.
func TestAJobOfSomeoneElseIsNotCancelled(t *testing.T) {
	t.Parallel()
	w := strayed(t)
	stranger, err := w.server.KickOff(t.Context(), pipeline.Request{Types: []string{"Observation"}})
	if err != nil {
		t.Fatal(err)
	}
	theirs := w.server.jobs[stranger.StatusURL]
	w.server.put("Observation", "o1", "first", 1, false)
	w.server.write(theirs)
	theirs.polls = -1 << 20
	w.run("nightly-000001")
	w.tickFor(20 * time.Minute)
	if theirs.ended || w.server.jobs["status/101"].ended {
		t.Fatal("a job was cancelled that may be somebody else's")
	}
	if got := orphansOf(t, w); got["101"] != pipeline.OrphanUnclear || got[stranger.Folder] != pipeline.OrphanUnclear {
		t.Errorf("orphans: %v", got)
	}
	if n := noticeOf(t, w); !strings.Contains(n, "status/101") || !strings.Contains(n, "HTTP DELETE") {
		t.Errorf("notice %q", n)
	}
	theirs.polls = 1 << 20 // it ends, and shows whose it was
	w.tickFor(10 * time.Minute)
	if theirs.ended || !w.server.jobs["status/101"].ended {
		t.Errorf("theirs was cancelled: %t; ours: %t", theirs.ended, w.server.jobs["status/101"].ended)
	}
}

// A kick-off of another plan that waits for its promise: the job may be that one's.
func TestAJobThatMayBeAnotherPlansIsNotCancelled(t *testing.T) {
	t.Parallel()
	w := strayed(t)
	other := w.plans[0]
	other.Name, other.Schema = "weekly", "weekly"
	w.plans = append([]pipeline.Plan{other}, w.plans...)
	w.run("nightly-000001")
	once := true
	w.gate.after = func(_ int, call string) error {
		if call == "source kick-off" && once {
			once = false
			return fault.Transientf("the connection was cut")
		}
		return nil
	}
	w.boot()
	w.tickFor(5 * time.Minute)
	if w.server.jobs["status/101"].ended {
		t.Error("a job was cancelled that may be the other plan's")
	}
}

// A kick-off that the server has refused has started nothing: nobody looks for it.
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
	if e := w.run("nightly-000001"); e.State != pipeline.Failed {
		t.Fatalf("the export is %s", e.State)
	}
	w.tickFor(20 * time.Minute)
	if theirs.ended {
		t.Error("the job of someone else was cancelled")
	}
}

type refusing struct{ tracing }

func (refusing) KickOff(context.Context, pipeline.Request) (pipeline.Accepted, error) {
	return pipeline.Accepted{}, fault.Permanentf("HTTP 403")
}
