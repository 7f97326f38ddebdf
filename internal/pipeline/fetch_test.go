package pipeline_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/testkit/pipelinetest"
)

func TestFullAndIncrementalExportOfAServerThatKeepsItsFiles(t *testing.T) {
	t.Parallel()
	w, k := newKeeperWorld(t)
	w.foreignDeletes = 2
	story(w)
	list, err := records.Exports(t.Context(), w.journal, "nightly", 10)
	if err != nil {
		t.Fatal(err)
	}
	var foreign int64
	for _, e := range list {
		foreign += e.ValuesOf().ForeignDeletes["Patient"]
	}
	if foreign == 0 || foreign%2 != 0 {
		t.Errorf("%d deletes of another server are counted", foreign)
	}
	for url, n := range k.reads {
		if n != 1 {
			t.Errorf("%s was downloaded %d times", url, n)
		}
	}
	deleted := 0
	for f, err := range w.lake.List(t.Context(), pipeline.Landing, "") {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(f.Path, "-deleted-") {
			deleted++
		}
	}
	if deleted != 1 { // p2; o1 came back, and a delete before the first export is not reported
		t.Errorf("%d files of tombstones, want 1", deleted)
	}
	if len(w.events) != 0 {
		t.Error("the server wrote into our lake")
	}
}

// After a journal is lost, export numbers start again. Old files in the landing area must not
// pass for new ones.
func TestALostJournalLoadsNothingOld(t *testing.T) {
	t.Parallel()
	w, _ := newKeeperWorld(t)
	story(w)
	w.journal, w.queue = pipelinetest.NewMemoryJournal(), pipelinetest.NewMemoryQueue(w.now)
	w.boot()
	w.server.put("Patient", "p1", "third", 3, false)
	w.server.put("Patient", "p3", "second", 2, false)
	w.clock = w.clock.Add(time.Minute)
	w.loaded("nightly-000001")
	w.server.put("Patient", "p3", "", 3, true)
	w.server.put("Patient", "p4", "second", 2, false)
	w.clock = w.clock.Add(time.Minute)
	w.loaded("nightly-000002")
}

func TestCrashBetweenEveryTwoCallsOfAFetch(t *testing.T) {
	t.Parallel()
	whole, _ := newKeeperWorld(t)
	story(whole)
	calls := whole.gate.calls
	t.Logf("%d calls to ports in an undisturbed run", calls)
	for name, breakAt := range breaks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := 1; n <= calls; n += 2 * stride {
				w, _ := newKeeperWorld(t)
				breakAt(w.gate, n)
				story(w)
				w.neverSilent()
				if t.Failed() {
					t.Fatalf("at call %d of %d, %s", n, calls, whole.gate.log[n-1])
				}
			}
		})
	}
}

func TestFetchesInAnyOrderAndTwice(t *testing.T) {
	t.Parallel()
	for seed := range uint64(10) {
		w, _ := newKeeperWorld(t)
		random := newRandom(seed)
		w.pick = random.IntN
		left := 8
		w.gate.before = func(int, string) error {
			if left > 0 && random.IntN(20) == 0 {
				left--
				w.queue.Redeliver()
			}
			return nil
		}
		story(w)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func TestAFileOfTheWrongCountIsReadOnceMore(t *testing.T) {
	t.Parallel()
	for name, always := range map[string]bool{"once": false, "always": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, k := newKeeperWorld(t)
			w.server.put("Patient", "p1", "first", 1, false)
			whole := map[string][]byte{}
			k.download = func(f pipeline.OutputFile) error {
				if _, cut := whole[f.URL]; cut && !always {
					k.content[f.URL] = whole[f.URL]
					return nil
				}
				if whole[f.URL] == nil {
					whole[f.URL] = k.content[f.URL]
				}
				k.content[f.URL] = nil
				return nil
			}
			e := w.run("nightly-000001")
			if !always {
				if e.State != records.Loaded {
					t.Fatalf("%s: %+v", e.State, e.Failure)
				}
				w.matches()
				return
			}
			if e.State != records.Failed ||
				!strings.Contains(e.Failure.Cause,
					"the manifest counts otherwise: 1 resources, the file has 0") ||
				e.Failure.Whose != string(fault.TheirServer) || e.Failure.Remedy == "" {
				t.Errorf("%s: %+v", e.State, e.Failure)
			}
			for url, n := range k.reads {
				if n != 2 {
					t.Errorf("%s was read %d times, want 2", url, n)
				}
			}
		})
	}
}

func TestURLsThatHaveEndedAreAskedForAgain(t *testing.T) {
	t.Parallel()
	w, k := newKeeperWorld(t)
	for i := range 9 {
		w.server.put("Patient", fmt.Sprintf("p%d", i), "first", 1, false)
	}
	w.clock = w.clock.Add(time.Minute)
	downloads := 0
	k.download = func(pipeline.OutputFile) error {
		if downloads++; downloads == 2 {
			clear(k.content) // all links expire at once
			k.generation++
		}
		return nil
	}
	w.loaded("nightly-000001")
	if k.manifests != 2 {
		t.Errorf("the manifest was asked for %d times, want 2: one fresh one serves all files",
			k.manifests)
	}
	if d, err := w.journal.Read(t.Context(), "manifests/nightly-000001.1.fresh"); err != nil ||
		!strings.Contains(string(d.Data), `{\"page\":2}`) {
		t.Errorf("the fresh manifest is not kept: %s, %v", d.Data, err)
	}
}

func TestAFileThatIsGoneForGoodFailsTheExport(t *testing.T) {
	t.Parallel()
	w, k := newKeeperWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
	k.download = func(f pipeline.OutputFile) error {
		return &fault.Error{
			Class: fault.Permanent, Whose: fault.TheirServer, Remedy: "start again",
			Err: fmt.Errorf("%w: HTTP 410", pipeline.ErrExpired),
		}
	}
	e := w.run("nightly-000001")
	if e.State != records.Failed || !strings.Contains(e.Failure.Cause, "HTTP 410") ||
		e.Failure.Remedy != "start again" || k.manifests != 2 {
		t.Errorf("%s after %d manifests: %+v", e.State, k.manifests, e.Failure)
	}
	failed := w.failedFiles(e.ID)
	if len(failed) != 1 || failed[0].Type != "Patient" || failed[0].Path == "" ||
		failed[0].Number != 1 || failed[0].Remedy != "start again" {
		t.Errorf("the quarantine has %+v", failed)
	}
}

func TestAFreshManifestOfOtherFilesIsRefused(t *testing.T) {
	t.Parallel()
	w, k := newKeeperWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
	k.download = func(f pipeline.OutputFile) error {
		return &fault.Error{
			Class: fault.Permanent, Err: fmt.Errorf("%w: HTTP 410", pipeline.ErrExpired),
		}
	}
	k.meddle = func(m *pipeline.Manifest) {
		if k.manifests > 1 {
			m.Output[0].Count++
		}
	}
	if e := w.run("nightly-000001"); e.State != records.Failed ||
		!strings.Contains(e.Failure.Cause, "the server lists other files now") {
		t.Errorf("%s: %+v", e.State, e.Failure)
	}
}

func TestAFileThatIsNotThereYetIsWaitedFor(t *testing.T) {
	t.Parallel()
	w, k := newKeeperWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
	tries := 0
	k.download = func(f pipeline.OutputFile) error {
		if tries++; tries <= 4 {
			return &fault.Error{
				Class: fault.Transient, Err: fmt.Errorf("%w: HTTP 404", pipeline.ErrExpired),
			}
		}
		return nil
	}
	w.loaded("nightly-000001")
}

// A server that throttles for hours is not a failure: no try is counted.
func TestThrottledDownloadsAreNoTries(t *testing.T) {
	t.Parallel()
	w, k := newKeeperWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
	turns := 0
	k.download = func(f pipeline.OutputFile) error {
		if turns++; turns <= 100 {
			return &fault.Error{
				Class: fault.Transient, After: 5 * time.Minute,
				Err: fmt.Errorf("%w", pipeline.ErrThrottled),
			}
		}
		return nil
	}
	w.loaded("nightly-000001")

	w, k = newKeeperWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
	k.download = func(f pipeline.OutputFile) error {
		return &fault.Error{
			Class: fault.Transient, After: 5 * time.Minute,
			Err: fmt.Errorf("%w", pipeline.ErrThrottled),
		}
	}
	if e := w.run("nightly-000001"); e.State != records.Failed ||
		!strings.Contains(e.Failure.Cause, "not downloaded within 24h") {
		t.Errorf("%s: %+v", e.State, e.Failure)
	}
}

func TestALostFetchIsSentAgain(t *testing.T) {
	t.Parallel()
	w, _ := newKeeperWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
	lost := 0
	w.beforeStep = func() {
		if lost < 1 {
			lost += w.queue.Drop(func(m pipeline.Message) bool {
				return strings.Contains(string(m.Body), `"fetch"`)
			})
		}
	}
	w.loaded("nightly-000001")
	if lost == 0 {
		t.Error("no fetch was lost")
	}
}

// A download that takes hours is not silent: the watchdog starts no second one.
func TestALongDownloadIsNotTakenForLost(t *testing.T) {
	t.Parallel()
	w, k := newKeeperWorld(t)
	for i := range 3 {
		w.server.put("Patient", fmt.Sprintf("p%d", i), "first", 1, false)
	}
	w.clock = w.clock.Add(time.Minute)
	w.wrap = func(s gatedSource) pipeline.Server { return slow{keeper{s, k}} }
	w.boot()
	w.loaded("nightly-000001")
	if e, _ := w.export("nightly-000001"); e.Round != 0 ||
		e.FinishedAt.Sub(e.RequestedAt) < 2*time.Hour {
		t.Errorf("round %d after %v", e.Round, e.FinishedAt.Sub(e.RequestedAt))
	}
	for url, n := range k.reads {
		if n != 1 {
			t.Errorf("%s was downloaded %d times", url, n)
		}
	}
}

// slow is a keeper whose files arrive byte by byte, one per minute, while the timer ticks.
type slow struct{ keeper }

func (s slow) Download(
	ctx context.Context, f pipeline.OutputFile, token bool,
) (io.ReadCloser, error) {
	r, err := s.keeper.Download(ctx, f, token)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(oneByte{r, s.w}), nil
}

type oneByte struct {
	r io.Reader
	w *world
}

func (o oneByte) Read(b []byte) (int, error) {
	o.w.clock = o.w.clock.Add(time.Minute)
	if err := o.w.p.Tick(o.w.t.Context()); err != nil {
		o.w.t.Error(err)
	}
	return o.r.Read(b[:min(1, len(b))])
}

// A new handler reads a manifest of many files in parts from the journal.
func TestManyFiles(t *testing.T) {
	t.Parallel()
	w, _ := newKeeperWorld(t)
	w.server.fileSize = 1
	w.plans[0].Types = []string{"Patient"}
	w.boot()
	for i := range 1200 {
		w.server.data = append(w.server.data, resource{
			Type: "Patient", ID: fmt.Sprintf("p%d", i), Updated: w.clock, Number: 1,
		})
	}
	w.clock = w.clock.Add(time.Minute)
	for len(w.tables.ledger) == 0 && len(w.gate.log) < 2000 {
		w.step()
	}
	parts := 0
	for key, err := range w.journal.List(t.Context(), "manifests/") {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(key, ".part-") {
			parts++
		}
	}
	if parts < 2 {
		t.Errorf("the manifest is in %d parts", parts)
	}
	w.boot() // from the journal, not from memory
	w.loaded("nightly-000001")
}
