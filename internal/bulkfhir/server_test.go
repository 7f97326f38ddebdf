package bulkfhir_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/bulkfhir"
	"fhirsynapse/internal/emulator/fhirserver"
	"fhirsynapse/internal/emulator/fhirserver/jobs"
	"fhirsynapse/internal/emulator/fhirserver/store"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/testkit/pipelinetest"
)

var start = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// world is the emulator of an Azure FHIR server with a Source for it.
type world struct {
	server *fhirserver.Server
	source pipeline.Source
	memory *jobs.Memory

	mu  sync.Mutex
	ids []string // of the started jobs
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{memory: &jobs.Memory{}}
	now := func() time.Time { return start }
	data, err := store.New(store.Options{Base: start.Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if err := data.Add(fmt.Appendf(nil, `{"resourceType":"Patient","id":"p%d"}`,
			i)); err != nil {
			t.Fatal(err)
		}
	}
	if w.server, err = fhirserver.New(fhirserver.Options{
		Store: data, Blobs: w.memory, Now: now,
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.server.Close(); err != nil {
			t.Error(err)
		}
	})
	base, err := w.server.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.source, err = bulkfhir.New(bulkfhir.Options{
		BaseURL: base, Container: "lake", Now: now, MaxCount: 2,
		Landing: func(u string) (string, bool) { return strings.CutPrefix(u, "memory://lake/") },
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// finished waits until a job has ended.
func (w *world) finished(t *testing.T, a pipeline.Accepted) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	// The server forgets a job that was cancelled.
	if err := w.server.Wait(ctx, a.Folder); err != nil && !errors.Is(err, jobs.ErrNotDone) {
		t.Fatal(err)
	}
}

// noting is a Server that records the folders of its jobs.
type noting struct {
	pipeline.Server
	w *world
}

func (n noting) KickOff(ctx context.Context, r pipeline.Request) (pipeline.Accepted, error) {
	a, err := n.Server.KickOff(ctx, r)
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	n.w.ids = append(n.w.ids, a.Folder)
	return a, err
}

func TestSourceBeforeTheStandInKeepsThePortsContract(t *testing.T) {
	t.Parallel()
	pipelinetest.TestSource(t, func(t *testing.T) (pipeline.Server, func()) {
		w := newWorld(t)
		release := w.server.HoldJobs()
		return noting{w.source, w}, func() {
			release()
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, id := range w.ids {
				w.finished(t, pipeline.Accepted{Folder: id})
			}
		}
	})
}

func TestAnExportOfTheStandIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now, err := w.source.Now(t.Context())
	if err != nil || !now.Equal(start) {
		t.Errorf("Now: %v, %v, want %v", now, err, start)
	}
	a, err := w.source.KickOff(t.Context(), pipeline.Request{
		Level: pipeline.LevelSystem, Types: []string{"Patient"}, Since: start.Add(-2 * time.Hour),
		Till: start, Deleted: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.finished(t, a)
	w.server.ThrottlePolls(1, 7*time.Second)
	st, err := w.source.Status(t.Context(), a.StatusURL)
	if diff := cmp.Diff(pipeline.Status{RetryIn: 7 * time.Second}, st); err != nil || diff != "" {
		t.Errorf("a throttled poll: %v (-want +got):\n%s", err, diff)
	}
	st, err = w.source.Status(t.Context(), a.StatusURL)
	if err != nil || st.Manifest == nil {
		t.Fatalf("%+v, %v", st, err)
	}
	var resources int64
	for _, f := range st.Manifest.Output {
		resources += f.Count
		folder, _, _ := strings.Cut(f.Path, "/")
		if f.Type != "Patient" || !strings.HasSuffix(folder, "-"+a.Folder) {
			t.Errorf("file %+v is not in folder %q", f, a.Folder)
		}
	}
	if resources != 5 || len(st.Manifest.Output) != 3 || !st.Manifest.TransactionTime.Equal(start) {
		t.Errorf("%d resources in %d files as of %v, want 5 in 3 as of %v", resources,
			len(st.Manifest.Output), st.Manifest.TransactionTime, start)
	}
}

func TestFaultsOfTheStandIn(t *testing.T) {
	t.Parallel()
	system := pipeline.Request{Level: pipeline.LevelSystem}
	t.Run("a kick-off that is throttled", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.server.FailKickOffs(1, 429)
		if _, err := w.source.KickOff(t.Context(), system); err == nil ||
			fault.Of(err) != fault.Transient {
			t.Errorf("%v, want a transient error", err)
		}
	})
	t.Run("a kick-off that is cut leaves one orphan", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.server.CutKickOffs(5)
		if _, err := w.source.KickOff(t.Context(), system); err == nil ||
			fault.Of(err) != fault.Transient {
			t.Errorf("%v, want a transient error", err)
		}
	})
	t.Run("a job that fails", func(t *testing.T) {
		t.Parallel()
		for _, status := range []int{400, 403, 404, 413, 429, 500} {
			w := newWorld(t)
			w.server.FailJobs(1, status, "the storage said no")
			a, err := w.source.KickOff(t.Context(), system)
			if err != nil {
				t.Fatal(err)
			}
			w.finished(t, a)
			_, err = w.source.Status(t.Context(), a.StatusURL)
			if fault.Of(err) != fault.Permanent || errors.Is(err, bulkfhir.ErrUnknownJob) ||
				!strings.Contains(fault.ServerText(err), "the storage said no") {
				t.Errorf("HTTP %d: %v, want a permanent error with its reason", status, err)
			}
		}
	})
	t.Run("an outage, and an answer that is cut", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		a, err := w.source.KickOff(t.Context(), system)
		if err != nil {
			t.Fatal(err)
		}
		w.finished(t, a)
		w.server.TruncateAnswers(1)
		if _, err := w.source.Status(t.Context(), a.StatusURL); err == nil ||
			fault.Of(err) != fault.Transient {
			t.Errorf("cut: %v, want a transient error", err)
		}
		w.server.Outage(true)
		if err := w.source.Cancel(t.Context(), a.StatusURL); err == nil ||
			fault.Of(err) != fault.Transient {
			t.Errorf("Cancel: %v, want a transient error", err)
		}
		if _, err := w.source.Now(t.Context()); err != nil {
			t.Errorf("Now: %v, want the Date of any answer", err)
		}
		w.server.Outage(false)
		if st, err := w.source.Status(t.Context(), a.StatusURL); err != nil || st.Manifest == nil {
			t.Errorf("after the outage: %+v, %v", st, err)
		}
	})
	t.Run("a job that is unknown", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		a, err := w.source.KickOff(t.Context(), system)
		if err != nil {
			t.Fatal(err)
		}
		unknown := strings.TrimSuffix(a.StatusURL, a.Folder) + "999999"
		if _, err := w.source.Status(t.Context(),
			unknown); !errors.Is(err, bulkfhir.ErrUnknownJob) || fault.Of(err) != fault.Permanent {
			t.Errorf("%v, want a permanent ErrUnknownJob", err)
		}
	})
	t.Run("filters that the server takes", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		a, err := w.source.KickOff(t.Context(), pipeline.Request{
			Level: pipeline.LevelSystem, Types: []string{"Patient"},
			TypeFilter: []string{"Patient?_id=p1", "Patient?_id=p3"},
		})
		if err != nil {
			t.Fatal(err)
		}
		w.finished(t, a)
		st, err := w.source.Status(t.Context(), a.StatusURL)
		if err != nil || st.Manifest == nil {
			t.Fatalf("%+v, %v", st, err)
		}
		counts := []int64{}
		for _, f := range st.Manifest.Output {
			counts = append(counts, f.Count)
		}
		if sum(counts) != 2 {
			t.Errorf("files of %v resources, want 2 in all", counts)
		}
	})
}

func sum(n []int64) (total int64) {
	for _, v := range n {
		total += v
	}
	return total
}
