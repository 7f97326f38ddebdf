package batch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/batch/localfs"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/testkit/refwarehouse"
	"fhirsynapse/views"
)

// clock stands still until a timer is waited for.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Timer returns a channel that fires at once, and moves the clock to the timer's time.
func (c *clock) Timer(at time.Time) (<-chan time.Time, func()) {
	t := time.NewTimer(time.Millisecond) // steps under way take no time on this clock
	fires := make(chan time.Time, 1)
	stopped := make(chan struct{})
	go func() {
		defer t.Stop()
		select {
		case <-t.C:
			c.mu.Lock()
			if at.After(c.now) {
				c.now = at
			}
			c.mu.Unlock()
			fires <- at
		case <-stopped:
		}
	}()
	return fires, sync.OnceFunc(func() { close(stopped) })
}

// server writes its files into the lake, as Azure's server does.
type server struct {
	lake  pipeline.Lake
	clock *clock
	files map[string]string // lines by path
	count int64             // number of resources in the manifest, for each file

	mu        sync.Mutex
	kickOffs  []pipeline.Request
	refusals  []error // errors of the first kick-offs
	polls     int
	running   int // number of polls that find the job running
	failure   error
	cancelled []string
}

func (s *server) Now(context.Context) (time.Time, error) { return s.clock.Now(), nil }

func (s *server) KickOff(ctx context.Context, r pipeline.Request) (pipeline.Accepted, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kickOffs = append(s.kickOffs, r)
	if len(s.refusals) > 0 {
		err := s.refusals[0]
		s.refusals = s.refusals[1:]
		return pipeline.Accepted{}, err
	}
	for path, lines := range s.files {
		if _, err := s.lake.Put(ctx, pipeline.Landing, path, strings.NewReader(lines)); err != nil {
			return pipeline.Accepted{}, err
		}
	}
	return pipeline.Accepted{StatusURL: "status/1", Folder: "job"}, nil
}

func (s *server) Status(context.Context, string) (pipeline.Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.polls++; s.polls <= s.running {
		return pipeline.Status{Progress: fmt.Sprintf("%d of %d", s.polls, s.running)}, nil
	}
	if s.failure != nil {
		return pipeline.Status{}, s.failure
	}
	m := &pipeline.Manifest{TransactionTime: s.clock.Now(), Raw: []byte("{}")}
	for path := range s.files {
		typ, _, _ := strings.Cut(strings.TrimPrefix(path, "job/"), "-")
		m.Output = append(m.Output, pipeline.OutputFile{
			Type: typ, URL: path, Path: path, Count: s.count,
		})
	}
	return pipeline.Status{Manifest: m}, nil
}

func (s *server) Cancel(_ context.Context, url string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancelled = append(s.cancelled, url)
	return nil
}

type world struct {
	server   *server
	exporter batch.Exporter
	store    *refwarehouse.Store
	content  func() refwarehouse.Content
	told     []batch.ExportProgress
	log      *bytes.Buffer
}

func patients(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"resourceType":"Patient","id":"p%d","name":[{"family":"F"}]}`+"\n", i)
	}
	return b.String()
}

// bundled returns the bundled views of the types that the tests use, compiled once.
var bundled = sync.OnceValues(func() (flatten.PlanViews, error) {
	all, err := views.Load(nil)
	if err != nil {
		return nil, err
	}
	few := slices.DeleteFunc(all, func(v *sof.View) bool {
		return !slices.Contains([]string{"Patient", "Organization", "Observation"}, v.Resource)
	})
	return flatten.Native(func(string) ([]*sof.View, error) { return few, nil }), nil
})

func newWorld(t *testing.T) *world {
	t.Helper()
	set, err := bundled()
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	lake := localfs.New(t.TempDir())
	flattener, err := flatten.NewFlattener(flatten.Options{Lake: lake, Views: set})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{store: refwarehouse.NewStore(), log: &bytes.Buffer{}}
	tables := w.store.Warehouse(lake, set.Tables)
	w.content = func() refwarehouse.Content {
		content, err := tables.Content(t.Context(), "main")
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	w.server = &server{lake: lake, clock: c, count: 3, running: 3, files: map[string]string{
		"job/Patient-1.ndjson": patients(3), "job/Patient-2.ndjson": patients(3),
		"job/Observation-1.ndjson": strings.ReplaceAll(patients(3), "Patient", "Observation"),
	}}
	var token atomic.Uint64
	w.exporter = batch.Exporter{
		Plan:   pipeline.Plan{Level: pipeline.LevelSystem, Schema: "main"},
		Source: pipeline.Source{Server: w.server}, Lake: lake, Warehouse: tables,
		Flattener: flattener,
		Now:       c.Now, Timer: c.Timer, Log: slog.New(slog.NewTextHandler(w.log, nil)),
		Token: func() string { return fmt.Sprintf("%016x", token.Add(1)) },
		Watch: func(p batch.ExportProgress) { w.told = append(w.told, p) },
	}
	return w
}

func TestARunEndsInTheTables(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got, err := w.exporter.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []pipeline.TypeReport{
		{Type: "Observation", Files: 1, Manifest: 3, Counts: pipeline.Counts{Lines: 3, Applied: 3}},
		{
			Type: "Patient", Files: 2, Manifest: 6,
			Counts: pipeline.Counts{Lines: 6, Applied: 3, Superseded: 3},
		},
	}
	if diff := cmp.Diff(want, got.Types); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if err := got.Check(); err != nil {
		t.Error(err)
	}
	if rows := len(w.content()["patient"]); rows != 3 {
		t.Errorf("%d rows, want 3", rows)
	}
	if diff := cmp.Diff([]string{"status/1"}, w.server.cancelled); diff != "" {
		t.Errorf("deleted at the server (-want +got):\n%s", diff)
	}
	last := w.told[len(w.told)-1]
	if last.State != records.Loaded || last.Files != 3 || last.Landed != 3 || last.Prepared != 3 ||
		last.Bytes == 0 {
		t.Errorf("the last progress is %+v", last)
	}
	heard := map[string]bool{}
	for _, p := range w.told {
		heard[p.Server] = true
	}
	if !heard["1 of 3"] || !heard["3 of 3"] {
		t.Errorf("the server's progress was not told: %v", heard)
	}
}

func TestEachRunHasItsOwnAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, err := w.exporter.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := w.exporter.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if first.Export == second.Export {
		t.Errorf("both exports are %s", first.Export)
	}
	if err := second.Check(); err != nil {
		t.Error(err)
	}
}

func TestTheWindowGoesToTheServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exporter.Since = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	w.exporter.Until = time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	w.exporter.Plan.Types = []string{"Patient", "Observation"}
	if _, err := w.exporter.Export(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := w.server.kickOffs[0]
	if len(w.server.kickOffs) != 1 || !r.Since.Equal(w.exporter.Since) ||
		!r.Till.Equal(w.exporter.Until) || len(r.Types) != 2 {
		t.Errorf("asked for %+v", w.server.kickOffs)
	}
}

func TestARefusalThatPassesIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.refusals = []error{fault.Transientf("the server is busy")}
	got, err := w.exporter.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.State != records.Loaded || len(w.server.kickOffs) != 2 {
		t.Errorf("%s after %d kick-offs", got.State, len(w.server.kickOffs))
	}
	troubled := false
	for _, p := range w.told {
		troubled = troubled ||
			p.Trouble != nil && strings.Contains(p.Trouble.String(), "the server is busy")
	}
	if !troubled {
		t.Error("nobody was told why it took longer")
	}
}

func TestRunsThatFail(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		spoil func(*world)
		says  string
	}{
		"the kick-off is refused": {func(w *world) {
			w.server.refusals = []error{fault.Permanentf("no such Group")}
		}, "no such Group"},
		"the job fails": {func(w *world) {
			w.server.failure = fault.Permanentf("the disk is full")
		}, "the disk is full"},
		"the count is wrong": {func(w *world) { w.server.count = 4 }, "the manifest counts 4"},
		"the job never ends": {func(w *world) {
			w.server.running = 1 << 30
			w.exporter.Patience = time.Hour
		}, "not ended within 1h"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tt.spoil(w)
			got, err := w.exporter.Export(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want one that says %q", err, tt.says)
			}
			if got.Check() == nil {
				t.Error("the sums of a failed export hold")
			}
			if len(w.server.kickOffs) == 1 && name != "the kick-off is refused" &&
				len(w.server.cancelled) == 0 {
				t.Error("the job was left behind at the server")
			}
		})
	}
}

func TestARunThatIsBrokenOffCancelsItsJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.running = 1 << 30
	ctx, stop := context.WithCancel(t.Context())
	w.exporter.Watch = func(p batch.ExportProgress) {
		if p.Server != "" {
			stop()
		}
	}
	_, err := w.exporter.Export(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if len(w.server.cancelled) != 1 {
		t.Errorf("cancelled %v", w.server.cancelled)
	}
}

// broken is a warehouse that fails permanently.
type broken struct{ pipeline.Warehouse }

func (broken) Commit(context.Context, pipeline.Batch) error {
	return fault.Permanentf("the table has another shape")
}

func TestAWarehouseThatRefusesEndsTheRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exporter.Warehouse = broken{w.exporter.Warehouse}
	if _, err := w.exporter.Export(t.Context()); err == nil ||
		!strings.Contains(err.Error(), "another shape") {
		t.Errorf("error %v", err)
	}
}

// panicking panics while it flattens one type.
type panicking struct {
	pipeline.Flattener
	with func()
}

func (p panicking) Flatten(
	ctx context.Context, f pipeline.Flattening, r io.Reader,
) (pipeline.Done, error) {
	if f.Type == "Observation" {
		p.with()
	}
	return p.Flattener.Flatten(ctx, f, r)
}

// panickingServer panics at the kick-off.
type panickingServer struct{ *server }

func (panickingServer) KickOff(context.Context, pipeline.Request) (pipeline.Accepted, error) {
	panic("Mx Example")
}

// A panic outside the steps ends the run, but not the process.
func TestAPanicOfTheKickOffIsAFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exporter.Source = pipeline.Source{Server: panickingServer{w.server}}
	_, err := w.exporter.Export(t.Context())
	var failed *batch.FailedError
	if !errors.As(err, &failed) ||
		!strings.Contains(err.Error(), "panic: a value of type string") || failed.Remedy == "" {
		t.Errorf("the run ended with %v", err)
	}
	if text := fmt.Sprint(err) + w.log.String(); strings.Contains(text, "Mx Example") ||
		!strings.Contains(text, "stack=") {
		t.Errorf("the value is quoted, or the log has no stack: %s", text)
	}
}

// A panic in a step fails the export, names the step and quotes no value.
func TestAPanicFailsTheStepAndNotTheProcess(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		with func()
		want string
	}{
		"of the runtime": {func() { _ = []int{}[len(t.Name())] }, "index out of range"},
		"of a value":     {func() { panic("Mx Example") }, "a value of type string"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.exporter.Flattener = panicking{w.exporter.Flattener, c.with}
			_, err := w.exporter.Export(t.Context())
			var failed *batch.FailedError
			if !errors.As(err, &failed) ||
				!strings.Contains(err.Error(), "job/Observation-1.ndjson") ||
				!strings.Contains(err.Error(), "panic: ") ||
				!strings.Contains(err.Error(), c.want) {
				t.Errorf("the run ended with %v", err)
			}
			if text := fmt.Sprint(err) + w.log.String(); strings.Contains(text, "Mx Example") {
				t.Errorf("the value is quoted: %s", text)
			}
			if !strings.Contains(w.log.String(), "stack=") {
				t.Error("the log has no stack")
			}
		})
	}
}
