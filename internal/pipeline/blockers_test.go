package pipeline_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

func newRandom(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 7)) }

// The blockers that a review of the design found, each by its name.

func TestTwoCommittersWithAStalledOneWakingLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.tables.stalled = func() {
		// While the first committer sleeps, its lease expires, its message is delivered again
		// and a whole second export runs.
		w.clock = w.clock.Add(11 * time.Minute)
		other := w.p
		w.boot()
		message := `{"step":"commit","export":"nightly-000001","type":"Patient","round":7}`
		if err := w.p.Handle(w.t.Context(), []byte(message)); err != nil {
			t.Error(err)
		}
		w.server.put("Patient", "p1", "second", 2, false)
		w.clock = w.clock.Add(2 * time.Hour)
		w.run("nightly-000002")
		w.p = other
	}
	w.run("nightly-000001")
	w.matches()
	if w.tables.commits < 3 {
		t.Errorf("got %d commits, want the late one to have run too", w.tables.commits)
	}
}

func TestSameVersionInTwoFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "p1", "only", 1, false)
	w.server.data = append(w.server.data, w.server.data[0])
	w.server.fileSize = 1
	w.loaded("nightly-000001")
}

func TestEventForAnOrphanBlob(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.server.orphan = true
	w.loaded("nightly-000001")
	if _, there := w.tables.present()["Patient/orphan"]; there {
		t.Error("a blob that no manifest lists was loaded")
	}
}

func TestBlobRewrittenAfterItWasPrepared(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.server.put("Observation", "o1", "first", 1, false)
	w.server.rewrite = true
	w.loaded("nightly-000001")
	w.neverSilent()
}

func TestBlobRewrittenBetweenPrepareAndCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	once := true
	w.gate.before = func(_ int, call string) error {
		if call == "warehouse ledger" && once {
			once = false
			for _, j := range w.server.jobs {
				w.server.write(j)
			}
		}
		return nil
	}
	w.loaded("nightly-000001")
	w.neverSilent()
}

func TestLostEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.loseEvents = true
	story(w)
}

func TestDuplicatedAndLateEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.loaded("nightly-000001")
	var all []event
	for f, err := range w.lake.List(t.Context(), pipeline.Landing, "") {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, event{f.Path, f.ETag, f.Size}, event{f.Path, f.ETag, f.Size},
			event{f.Path, "0x0", f.Size})
	}
	w.events = append(all, all...)
	w.server.put("Patient", "p1", "second", 2, false)
	w.clock = w.clock.Add(2 * time.Hour)
	w.loaded("nightly-000002")
}

func TestLostPollChain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	lost := 0
	w.beforeStep = func() {
		if lost < 3 {
			lost += w.queue.Drop(func(m pipeline.Message) bool {
				return strings.Contains(m.ID, "/poll/")
			})
		}
	}
	w.loaded("nightly-000001")
	if lost < 3 {
		t.Errorf("only %d polls were lost", lost)
	}
}

func TestLostStepsOfALoadingExport(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"/file/", "/commit/"} {
		t.Run(strings.Trim(kind, "/"), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.server.put("Patient", "p1", "first", 1, false)
			w.server.loseEvents = true
			lost := 0
			w.beforeStep = func() {
				if lost < 2 {
					lost += w.queue.Drop(func(m pipeline.Message) bool {
						return strings.Contains(m.ID, kind)
					})
				}
			}
			w.loaded("nightly-000001")
			if e, _ := w.export("nightly-000001"); e.Round == 0 || lost < 2 {
				t.Errorf("round %d after %d lost steps, want the watchdog to have been there",
					e.Round, lost)
			}
		})
	}
}

func TestEmptyOutput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.loaded("nightly-000001")
	w.server.put("Patient", "p1", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
	w.loaded("nightly-000002")
	w.loaded("nightly-000003") // nothing changed
}

func TestZeroLengthFinalFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.server.pollsBeforeDone = 1
	w.gate.before = func(_ int, call string) error {
		for _, j := range w.server.jobs {
			if j.written && len(j.output) == 1 {
				path := j.folder + "/Observation-1-1.ndjson"
				w.server.blob(path, nil)
				j.output = append(j.output, pipeline.OutputFile{
					Type: "Observation", Path: path, URL: "u",
				})
			}
		}
		return nil
	}
	w.loaded("nightly-000001")
	if got := len(w.tables.exports["nightly-000001"]); got != 2 {
		t.Errorf("got %d ledger rows, want one for the empty file too", got)
	}
}

func TestMessagesInAnyOrderAndTwice(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		w := newWorld(t)
		random := newRandom(seed)
		w.pick = random.IntN
		left := 8 // each redelivery doubles the waiting messages
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

func TestTypeNewToAPlanStartsFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plans[0].Types = []string{"Patient"}
	w.boot()
	w.server.put("Patient", "p1", "first", 1, false)
	w.server.put("Observation", "o1", "old", 1, false)
	w.clock = w.clock.Add(time.Minute)
	w.run("nightly-000001")
	w.plans[0].Types = []string{"Patient", "Observation"}
	w.boot()
	w.clock = w.clock.Add(2 * time.Hour)
	w.loaded("nightly-000002")
	e, _ := w.export("nightly-000002")
	if len(e.Jobs) != 2 || e.Jobs[0].Since.IsZero() || !e.Jobs[1].Since.IsZero() {
		t.Errorf("got %+v, want an incremental job for Patient and a full one for Observation",
			e.Jobs)
	}
	if !e.Jobs[0].Deleted || e.Jobs[1].Deleted {
		t.Error("deletes are to be asked for on the incremental job alone")
	}
}

func TestMessageThatIsNotOurs(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"not JSON":              "hello",
		"of something else":     `{"order":7}`,
		"a step of no name":     `{"step":"","export":"nightly-000001"}`,
		"a job that is a text":  `{"step":"poll","export":"nightly-000001","job":"1"}`,
		"a poll without export": `{"step":"poll","job":1}`,
		"a strange export id":   `{"step":"poll","export":"../../x","job":1}`,
		"empty":                 "",
	} {
		w := newWorld(t)
		if err := w.p.Handle(t.Context(), []byte(body)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		kept := 0
		for f, err := range w.lake.List(t.Context(), pipeline.Quarantine, "messages/") {
			if err != nil {
				t.Fatal(err)
			}
			kept++
			if f.Size != int64(len(body)) {
				t.Errorf("%s: kept %d bytes of %d", name, f.Size, len(body))
			}
		}
		if kept != 1 {
			t.Errorf("%s: kept %d times", name, kept)
		}
	}
}

func TestABlobThatIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.server.loseEvents = true
	w.beforeStep = func() {
		for _, j := range w.server.jobs {
			for _, f := range j.output {
				if err := w.lake.Remove(t.Context(), pipeline.Landing, f.Path); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	e := w.run("nightly-000001")
	if e.State != records.Failed ||
		!strings.Contains(e.Failure.Cause, "the landing area does not hold it") {
		t.Errorf("got %s, %+v", e.State, e.Failure)
	}
	failed := w.failedFiles(e.ID)
	if len(failed) == 0 || failed[0].Type != "Patient" || failed[0].Step != pipeline.StepPrepare ||
		!strings.Contains(failed[0].Cause, "the landing area does not hold it") {
		t.Errorf("the quarantine has %+v", failed)
	}
}

// failedFiles reads the records of the files at which an export failed.
func (w *world) failedFiles(export string) (out []pipeline.FailedFile) {
	w.t.Helper()
	for f, err := range w.lake.List(w.t.Context(), pipeline.Quarantine,
		export+"/"+export+".1/"+pipeline.FailedFilePrefix) {
		if err != nil {
			w.t.Fatal(err)
		}
		r, err := w.lake.Open(w.t.Context(), pipeline.Quarantine, f.Path, "")
		if err != nil {
			w.t.Fatal(err)
		}
		var one pipeline.FailedFile
		if err := json.NewDecoder(r).Decode(&one); err != nil {
			w.t.Fatal(err)
		}
		out = append(out, one)
	}
	return out
}

func TestEventOfAForeignFolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.server.blob("somebody-else/Patient-1.ndjson", []byte("{}\n"))
	w.server.blob("top.ndjson", []byte("{}\n"))
	w.loaded("nightly-000001")
}

func TestStartByHandRefusesASecondExport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	id, err := w.p.Start(t.Context(), "nightly", usual)
	if err != nil || id != "nightly-000001" {
		t.Fatalf("got %q, %v", id, err)
	}
	if _, err := w.p.Start(t.Context(), "nightly", usual); err == nil ||
		fault.Of(err) != fault.Permanent {
		t.Errorf("a second start while the first export runs: %v", err)
	}
	if _, err := w.p.Start(t.Context(), "weekly", usual); err == nil {
		t.Error("a plan that does not exist was started")
	}
	w.loaded(id)
}

func TestTwoTicksAtOnceKickOffOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	inside := false
	w.gate.before = func(_ int, call string) error {
		if call == "source kick-off" && !inside {
			inside = true
			if err := w.p.Tick(context.Background()); err != nil {
				t.Error(err)
			}
		}
		return nil
	}
	w.loaded("nightly-000001")
	if w.server.kickOffs != 1 {
		t.Errorf("got %d kick-offs, want 1", w.server.kickOffs)
	}
}

func TestPlanTakenOutOfTheConfiguration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.step()
	w.plans = nil
	w.boot()
	if err := w.p.Tick(t.Context()); err != nil {
		t.Error(err)
	}
	e := w.run("nightly-000001")
	if e.State != records.Failed ||
		!strings.Contains(e.Failure.Cause,
			"no longer in the configuration: once it is back there, its next export") {
		t.Errorf("got %s, %+v", e.State, e.Failure)
	}
}

func TestJournalHoldsNoHealthData(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "secret-id-4711", "secret-value", 1, false)
	w.loaded("nightly-000001")
	var keys []string
	for key, err := range w.journal.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
		d, err := w.journal.Read(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(d.Data), "secret") {
			t.Errorf("%s holds data of a resource", key)
		}
	}
	want := []string{
		"exports/nightly/000001", "folders/101", "jobs/nightly-000001.1", "leases/main/Patient",
		"manifests/nightly-000001.1", "manifests/nightly-000001.1.raw", "plans/nightly",
		"viewsets/nightly",
	}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Errorf("documents of the journal (-want +got):\n%s", diff)
	}
}
