package fhirserver_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/emulator/fhirserver"
)

func outcome(t *testing.T, r reply) (code, diagnostics string) {
	t.Helper()
	var o struct {
		ResourceType string
		Issue        []struct{ Code, Diagnostics string }
	}
	if err := json.Unmarshal([]byte(r.body),
		&o); err != nil || o.ResourceType != "OperationOutcome" || len(o.Issue) == 0 {
		t.Fatalf("%d %s is no OperationOutcome", r.status, r.body)
	}
	return o.Issue[0].Code, o.Issue[0].Diagnostics
}

func TestRefusedKickOffsMakeNoJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, patient("a"))
	w.srv.FailKickOffs(2, http.StatusServiceUnavailable)
	for range 2 {
		if r := w.get("/$export"); r.status != http.StatusServiceUnavailable {
			t.Fatalf("answered %d", r.status)
		}
	}
	if status := w.kickOff("/$export"); jobID(status) != "1" {
		t.Errorf("the first job is %s", jobID(status))
	}
}

func TestACutKickOffLeavesAnOrphanJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, patient("a"))
	w.srv.CutKickOffs(1)
	if r, err := w.send(t.Context(), http.MethodGet,
		w.base+"/$export?_container=lake"); err == nil {
		t.Fatalf("the client got an answer: %d", r.status)
	}
	if len(w.manifest(w.base+"/_operations/export/1").Output) != 1 {
		t.Error("the job that nobody knows of did not run")
	}
}

func TestThrottledPolls(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, patient("a"))
	status := w.kickOff("/$export")
	w.wait(status)
	w.srv.ThrottlePolls(1, 1500*time.Millisecond)
	r := w.do(http.MethodGet, status)
	if code, _ := outcome(t, r); r.status != http.StatusTooManyRequests || code != "throttled" ||
		r.header.Get("Retry-After") != "2" {
		t.Errorf("answered %d %s Retry-After %q", r.status, code, r.header.Get("Retry-After"))
	}
	if r := w.do(http.MethodGet, status); r.status != http.StatusOK {
		t.Errorf("the next poll answered %d", r.status)
	}
}

func TestAFailedJobAnswersWithItsStatusAndReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, patient("a"))
	w.srv.FailJobs(1, http.StatusTooManyRequests, "too busy")
	status := w.kickOff("/$export")
	w.wait(status)
	for range 2 {
		r := w.do(http.MethodGet, status)
		if _, d := outcome(t,
			r); r.status != http.StatusTooManyRequests ||
			d != "export operation failed for reason: too busy" ||
			r.header.Get("Retry-After") != "" {
			t.Errorf("answered %d %s", r.status, d)
		}
	}
	w.manifest(w.kickOff("/$export"))
}

func TestHeldJobsRunUntilReleased(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, patient("a"))
	release := w.srv.HoldJobs()
	status := w.kickOff("/$export")
	if r := w.do(http.MethodGet, status); r.status != http.StatusAccepted {
		t.Fatalf("a held job answered %d", r.status)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := w.srv.Wait(ctx, jobID(status)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the job ended: %v", err)
	}
	release()
	release()
	w.manifest(status)
	w.manifest(w.kickOff("/$export"))
}

func TestACancelledJobEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, patient("a"))
	defer w.srv.HoldJobs()()
	status := w.kickOff("/$export")
	if r := w.do(http.MethodDelete, status); r.status != http.StatusAccepted {
		t.Fatalf("cancel answered %d", r.status)
	}
	if r := w.do(http.MethodGet, status); r.status != http.StatusNotFound {
		t.Errorf("a cancelled job answered %d", r.status)
	}
}

func TestOlderBuildsRefuseToCancelAnEndedJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *fhirserver.Options) { o.ConflictOnCancel = true }, patient("a"))
	status := w.kickOff("/$export")
	w.wait(status)
	if r := w.do(http.MethodDelete, status); r.status != http.StatusConflict {
		t.Errorf("cancel answered %d", r.status)
	}
}

func TestOrphanAndEmptyBlobs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, patient("a"), patient("b"), patient("c"))
	w.srv.LeaveOrphans(1)
	w.srv.AddEmptyFiles(1)
	m := w.manifest(w.kickOff("/$export"))
	var counts []int
	listed := map[string]bool{}
	for _, o := range m.Output {
		counts = append(counts, o.Count)
		listed[strings.TrimPrefix(o.URL, "memory://")] = true
	}
	if diff := cmp.Diff([]int{3, 0}, counts); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
	orphans := slices.DeleteFunc(w.blobs.List(), func(path string) bool { return listed[path] })
	if len(orphans) != 1 {
		t.Fatalf("blobs that nobody lists: %v, want one", orphans)
	}
	if diff := cmp.Diff([]string{"Patient/a/1", "Patient/b/1"},
		w.rows("memory://"+orphans[0])); diff != "" {
		t.Errorf("orphan (-want +got):\n%s", diff)
	}
}

func TestARewrittenBlobHasTheSameBytesAndOtherETags(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, patient("a"), observation("o", "a", "1"))
	status := w.kickOff("/$export")
	m := w.manifest(status)
	before := w.rows(m.Output[1].URL)
	events := len(w.events)
	path, err := w.srv.RewriteBlob(t.Context(), jobID(status), 1)
	if err != nil || !strings.HasSuffix(m.Output[1].URL, path) {
		t.Fatalf("rewrote %q, %v", path, err)
	}
	if diff := cmp.Diff(before, w.rows(m.Output[1].URL)); diff != "" {
		t.Errorf("content (-before +after):\n%s", diff)
	}
	if got := len(w.events) - events; got != 4 {
		t.Errorf("%d more events, want 4", got)
	}
	if _, err := w.srv.RewriteBlob(t.Context(), jobID(status), 2); err == nil {
		t.Error("rewrote a file that the job has not got")
	}
}

func TestAnOutageAnswers503UntilItEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, patient("a"))
	w.srv.Outage(true)
	if r := w.get("/metadata"); r.status != http.StatusServiceUnavailable ||
		r.header.Get("Date") == "" {
		t.Errorf("answered %d", r.status)
	}
	w.srv.Outage(false)
	if r := w.get("/metadata"); r.status != http.StatusOK {
		t.Errorf("after the outage: %d", r.status)
	}
}

func TestTruncatedAnswersBreakOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, patient("a"))
	status := w.kickOff("/$export")
	w.wait(status)
	w.srv.TruncateAnswers(1)
	if r, err := w.send(t.Context(), http.MethodGet, status); err == nil {
		t.Fatalf("the whole answer came: %d %q", r.status, r.body)
	}
	w.manifest(status)
}

func TestASlowServerStopsWhenTheClientGoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, patient("a"))
	w.srv.Slow(time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := w.send(ctx, http.MethodGet,
		w.base+"/metadata"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the client's deadline", err)
	}
	w.srv.Slow(0)
	if r := w.get("/metadata"); r.status != http.StatusOK {
		t.Errorf("answered %d", r.status)
	}
}

func TestCloseEndsJobsThatAreHeld(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, patient("a"))
	w.srv.HoldJobs()
	w.kickOff("/$export")
	if err := w.srv.Close(); err != nil { // the test's cleanup closes it again
		t.Error(err)
	}
}
