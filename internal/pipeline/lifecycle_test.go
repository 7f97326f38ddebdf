package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

// tracing is a source whose server leaves traces in our lake.
type tracing struct{ gatedSource }

func (s tracing) server() *server { return s.Server.(*server) }

func (s tracing) Prefixes(from, to time.Time) []string {
	var prefixes []string
	for t := from.Truncate(time.Hour); !t.After(to); t = t.Add(time.Hour) {
		prefixes = append(prefixes, t.Format("20060102T15"))
	}
	return prefixes
}

func (s tracing) Traced(folder string) (pipeline.Accepted, bool) {
	at, id, ok := strings.Cut(folder, "-")
	if _, err := time.Parse("20060102T150405", at); err != nil || !ok {
		return pipeline.Accepted{}, false
	}
	return pipeline.Accepted{StatusURL: "status/" + id, Folder: id}, true
}

func (s tracing) Answers(m pipeline.Manifest, r pipeline.Request) bool {
	for _, j := range s.server().jobs {
		if len(m.Output) > 0 && len(j.output) > 0 && m.Output[0].Path == j.output[0].Path {
			a, _ := json.Marshal(j.request)
			b, _ := json.Marshal(r)
			return string(a) == string(b)
		}
	}
	return false
}

func newTracingWorld(t *testing.T) *world {
	w := newWorld(t)
	w.wrap = func(s gatedSource) pipeline.Server { return tracing{s} }
	w.boot()
	return w
}

// loseKickOff loses the answer of the first kick-off, like a crash between the 202 and its
// record.
func (w *world) loseKickOff() {
	once := true
	w.gate.after = func(_ int, call string) error {
		if call == "source kick-off" && once {
			once = false
			panic(crash{})
		}
		return nil
	}
}

func jobOf(t *testing.T, w *world, id string) records.Job {
	t.Helper()
	d, err := w.journal.Read(t.Context(), "jobs/"+id)
	if err != nil {
		t.Fatal(err)
	}
	var j records.Job
	if err := json.Unmarshal(d.Data, &j); err != nil {
		t.Fatal(err)
	}
	return j
}

func TestAJobWhosePromiseWasLostIsAdopted(t *testing.T) {
	t.Parallel()
	for name, polls := range map[string]int{"ended": 0, "still running": 5} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTracingWorld(t)
			w.server.put("Patient", "p1", "first", 1, false)
			w.clock = w.clock.Add(time.Minute)
			w.loseKickOff()
			w.step()
			orphan := w.server.jobs["status/101"]
			w.server.write(orphan) // it still runs, unnoticed
			w.server.pollsBeforeDone = polls
			w.loaded("nightly-000001")
			if j := jobOf(t, w,
				"nightly-000001.1"); w.server.kickOffs != 1 || !j.Adopted || j.Folder != "101" ||
				j.Lost != 0 {
				t.Errorf("after %d kick-offs: %+v", w.server.kickOffs, j)
			}
		})
	}
}

func TestAJobOfSomeoneElseIsNotAdopted(t *testing.T) {
	t.Parallel()
	w := newTracingWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
	w.loseKickOff()
	w.step()
	stranger := w.server.jobs["status/101"]
	stranger.request.Till = stranger.request.Till.Add(time.Second) // another window
	w.server.write(stranger)
	w.server.pollsBeforeDone = 0
	w.loaded("nightly-000001")
	if j := jobOf(t, w, "nightly-000001.1"); w.server.kickOffs != 2 || j.Adopted || j.Lost != 1 ||
		j.LostSince.IsZero() {
		t.Errorf("after %d kick-offs: %+v, want a second one, and the lost one on record",
			w.server.kickOffs, j)
	}
}

func TestALostKickOffWithoutTracesIsOnRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
	w.loseKickOff()
	w.loaded("nightly-000001")
	if j := jobOf(t, w, "nightly-000001.1"); w.server.kickOffs != 2 || j.Lost != 1 ||
		j.KickOffs != 2 {
		t.Errorf("after %d kick-offs: %+v", w.server.kickOffs, j)
	}
}

// declining is a server that postpones kick-offs.
type declining struct {
	gatedSource
	left *int
}

func (s declining) KickOff(ctx context.Context, r pipeline.Request) (pipeline.Accepted, error) {
	if *s.left--; *s.left >= 0 {
		return pipeline.Accepted{}, &fault.Error{
			Class: fault.Transient, After: 4 * time.Minute,
			Err: fmt.Errorf("%w: HTTP 429", pipeline.ErrDeclined),
		}
	}
	return s.gatedSource.KickOff(ctx, r)
}

func TestAKickOffThatIsDeclinedIsNoFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	left := 10
	w.wrap = func(s gatedSource) pipeline.Server { return declining{s, &left} }
	w.boot()
	w.server.put("Patient", "p1", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
	w.loaded("nightly-000001")
	if j := jobOf(t, w,
		"nightly-000001.1"); j.KickOffs != 1 || j.Lost != 0 || w.server.kickOffs != 1 ||
		w.tickErr != nil {
		t.Errorf("%+v, %d kick-offs, %v", j, w.server.kickOffs, w.tickErr)
	}
	w = newWorld(t)
	left = 1 << 30
	w.wrap = func(s gatedSource) pipeline.Server { return declining{s, &left} }
	w.boot()
	if e := w.run("nightly-000001"); e.State != records.Failed ||
		!strings.Contains(e.Failure.Cause, "429") ||
		e.FinishedAt.Sub(e.RequestedAt) < 24*time.Hour {
		t.Errorf("%s: %+v", e.State, e.Failure)
	}
}

func TestAJobThatIsStuckIsCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.pollsBeforeDone = 1 << 30
	w.wrap = func(s gatedSource) pipeline.Server { return tracing{s} }
	w.boot()
	e := w.run("nightly-000001")
	took := e.FinishedAt.Sub(e.RequestedAt)
	if e.State != records.Failed || !strings.Contains(e.Failure.Cause, "shows no progress") ||
		e.Failure.Whose != string(fault.TheirServer) || took < 12*time.Hour || took > 13*time.Hour {
		t.Errorf("%s after %v: %+v", e.State, took, e.Failure)
	}
	if !w.server.jobs["status/101"].ended {
		t.Error("the job was not cancelled at the server")
	}
}

func TestAJobThatWritesFilesIsNotStuck(t *testing.T) {
	t.Parallel()
	w := newTracingWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
	w.server.pollsBeforeDone = 1 << 30
	began, written := w.clock, false
	w.beforeStep = func() {
		for _, j := range w.server.jobs {
			if age := w.clock.Sub(began); age > 11*time.Hour && !written {
				written = true
				w.server.blob(j.folder+"/Observation-8-1.ndjson", []byte("{}\n"))
			}
			if w.clock.Sub(began) > 20*time.Hour && w.server.pollsBeforeDone > 0 {
				w.server.pollsBeforeDone = 0
			}
		}
	}
	w.loaded("nightly-000001")
}

func TestCancelByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.step()
	got, err := w.p.Cancel(t.Context(), "nightly-000001")
	if want := []pipeline.JobEnd{{
		Job: "nightly-000001.1", Fate: pipeline.JobCancelled,
	}}; err != nil || !cmp.Equal(want, got) {
		t.Fatalf("got %v, %v, want %v", got, err, want)
	}
	e, _ := w.export("nightly-000001")
	if e.State != records.Cancelled || !w.server.jobs["status/101"].ended {
		t.Errorf("%s, ended at the server: %v", e.State, w.server.jobs["status/101"].ended)
	}
	for _, id := range []string{"nightly-000001", "nightly-000009", "hello"} {
		if _, err := w.p.Cancel(t.Context(), id); err == nil {
			t.Errorf("cancel %s: no error", id)
		}
	}
	w.clock = w.clock.Add(2 * time.Hour)
	w.loaded("nightly-000002")
}

func TestCancelWhoseServerIsAwayIsMadeGoodByTheTick(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.step()
	w.gate.before = func(_ int, call string) error {
		if call == "source cancel" {
			return errOutage
		}
		return nil
	}
	got, err := w.p.Cancel(t.Context(), "nightly-000001")
	if err != nil || len(got) != 1 || got[0].Fate != pipeline.JobLeft ||
		!errors.Is(got[0].Err, errOutage) {
		t.Fatalf("got %v, %v", got, err)
	}
	w.gate.before = nil
	if err := w.p.Tick(t.Context()); err != nil || !w.server.jobs["status/101"].ended {
		t.Errorf("%v, ended at the server: %v", err, w.server.jobs["status/101"].ended)
	}
}

// A job is deleted once at a server that keeps the files: some allow only one job per client.
func TestJobsAreGivenBackBeforeTheNextStart(t *testing.T) {
	t.Parallel()
	w, _ := newKeeperWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
	cancels := 0
	w.gate.before = func(_ int, call string) error {
		if call == "source cancel" {
			cancels++
		}
		if call == "source kick-off" && w.server.kickOffs > 0 &&
			!w.server.jobs["status/101"].ended {
			t.Error("a second job was started while the first one was held")
		}
		return nil
	}
	w.loaded("nightly-000001")
	w.server.put("Patient", "p2", "first", 1, false)
	w.loaded("nightly-000002")
	if cancels != 1 {
		t.Errorf("%d cancels, want 1", cancels)
	}
}

func TestSlotsThatWereMissedCountOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.loaded("nightly-000001")
	w.clock = w.clock.Add(100 * time.Hour) // an hourly plan, and no tick ran
	w.loaded("nightly-000002")
	end := w.clock
	w.loaded("nightly-000003")
	e, _ := w.export("nightly-000003")
	if e.RequestedAt.Sub(end) < 50*time.Minute {
		t.Errorf("the next export came %v after the one that made up for the outage",
			e.RequestedAt.Sub(end))
	}
}

func TestAPlanThatIsPaused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ pause, resume func(w *world) }{
		"by hand": {
			func(w *world) { must(t, records.Pause(t.Context(), w.journal, "nightly", w.now())) },
			func(w *world) { must(t, records.Resume(t.Context(), w.journal, "nightly")) },
		},
		"in the configuration": {
			func(w *world) { w.plans[0].Paused = true; w.boot() },
			func(w *world) { w.plans[0].Paused = false; w.boot() },
		},
	} {
		w := newWorld(t)
		w.server.put("Patient", "p1", "first", 1, false)
		w.loaded("nightly-000001")
		c.pause(w)
		for range 200 {
			w.step()
		}
		if w.server.kickOffs != 1 || w.clock.Sub(dawn) < 10*time.Hour {
			t.Errorf("%s: %d kick-offs in %v, want 1", name, w.server.kickOffs, w.clock.Sub(dawn))
		}
		id, err := w.p.Start(t.Context(), "nightly", usual)
		if err != nil {
			t.Errorf("%s: by hand: %v", name, err)
		}
		w.loaded(id)
		c.resume(w)
		w.clock = w.clock.Add(48 * time.Hour)
		w.loaded("nightly-000003")
		before := w.clock
		w.loaded("nightly-000004")
		if w.clock.Sub(before) < 50*time.Minute {
			t.Errorf("%s: slots piled up", name)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

func TestAnOpenEndFollowsTheTransactionTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plans[0].OpenEnd = true
	w.boot()
	w.server.put("Patient", "p1", "first", 1, false)
	w.loaded("nightly-000001")
	first, _ := w.export("nightly-000001")
	if !first.Jobs[0].Till.IsZero() {
		t.Errorf("the first window ends at %v", first.Jobs[0].Till)
	}
	j := jobOf(t, w, "nightly-000001.1")
	w.server.put("Patient", "p1", "second", 2, false)
	w.loaded("nightly-000002")
	second, _ := w.export("nightly-000002")
	if want := j.TransactionTime.Add(-10 * time.Minute); !second.Jobs[0].Since.Equal(want) {
		t.Errorf("the second window begins at %v, want %v", second.Jobs[0].Since, want)
	}
}

func TestAKickOffIsKeptVerbatim(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.wrap = func(s gatedSource) pipeline.Server { return spoken{s} }
	w.boot()
	w.server.put("Patient", "p1", "first", 1, false)
	w.loaded("nightly-000001")
	j := jobOf(t, w, "nightly-000001.1")
	if j.Exchange == nil || j.Exchange.Software != "Server 1.2" ||
		j.Exchange.Answer["Content-Location"] != "here" {
		t.Errorf("kept: %+v", j.Exchange)
	}
}

type spoken struct{ gatedSource }

func (s spoken) KickOff(ctx context.Context, r pipeline.Request) (pipeline.Accepted, error) {
	a, err := s.gatedSource.KickOff(ctx, r)
	a.Exchange = pipeline.Exchange{
		Method: "GET", URL: "u", Software: "Server 1.2",
		Answer: map[string]string{"Content-Location": "here"},
	}
	return a, err
}

// After a crash anywhere around a kick-off, a server that leaves traces loses no job that has
// written a file: the job is adopted, and the tables are the same.
func TestCrashAroundAKickOffWithTraces(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 40; n++ {
		for name, breakAt := range map[string]func(*gate){
			"killed before": func(g *gate) {
				g.before = func(i int, _ string) error { return killAt(i, n) }
			},
			"killed after": func(g *gate) {
				g.after = func(i int, _ string) error { return killAt(i, n) }
			},
			"answer lost": func(g *gate) {
				g.after = func(i int, _ string) error { return failAt(i, n) }
			},
		} {
			w := newTracingWorld(t)
			// The server writes at once, even if no poll comes.
			w.beforeStep = func() {
				for _, j := range w.server.jobs {
					if !j.written {
						w.server.write(j)
					}
				}
			}
			breakAt(w.gate)
			story(w)
			if t.Failed() || w.server.kickOffs > 2 {
				t.Fatalf("%s call %d: %d kick-offs for two exports", name, n, w.server.kickOffs)
			}
		}
	}
}

func TestALoadedExportTellsWhatBecameOfValues(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.counts = pipeline.ValueCounts{Nulled: map[string]int64{"patient.born": 2}}
	w.server.put("Patient", "p1", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
	w.loaded("nightly-000001")
	list, err := records.Exports(t.Context(), w.journal, "nightly", 1)
	if err != nil || len(list) != 1 {
		t.Fatalf("%d exports, %v", len(list), err)
	}
	var files int64
	for range w.tables.ledger {
		files++
	}
	if got := list[0].ValuesOf().Nulled["patient.born"]; got != 2*files || files == 0 {
		t.Errorf("%d values of %d files", got, files)
	}
}
