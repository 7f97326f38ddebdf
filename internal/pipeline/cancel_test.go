package pipeline_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/testkit/pipelinetest"
)

// listed returns the newest export of the only plan, as people see it.
func listed(t *testing.T, w *world) records.ExportSummary {
	t.Helper()
	all, err := records.Exports(t.Context(), w.journal, "", 1)
	if err != nil || len(all) != 1 {
		t.Fatalf("%d exports, %v", len(all), err)
	}
	return all[0]
}

func refuses(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || fault.Of(err) != fault.Permanent || err.Error() != want {
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestPausesAreSeenAndNotDoubled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	refuses(t, records.Pause(ctx, w.journal, "weekly", w.now()),
		"pause plan weekly: there is no such plan in the journal, which has none: a plan is there from its first export on")
	w.loaded("nightly-000001")
	refuses(t, records.Resume(ctx, w.journal, "weekly"),
		"resume plan weekly: there is no such plan in the journal, which has nightly; a plan is there from its first export on")
	refuses(t, records.Resume(ctx, w.journal, "nightly"),
		"resume plan nightly: it is not paused; a pause by `paused: true` ends in exports.yaml")
	at := w.now()
	must(t, records.Pause(ctx, w.journal, "nightly", at))
	w.clock = w.clock.Add(time.Hour)
	refuses(t, records.Pause(ctx, w.journal, "nightly", w.now()),
		"pause plan nightly: it is paused already, since "+at.Format(time.RFC3339))
	if got := listed(t, w).PlanPausedAt; !got.Equal(at) {
		t.Errorf("listed as paused at %v, want %v", got, at)
	}
	must(t, records.Resume(ctx, w.journal, "nightly"))
	if got := listed(t, w).PlanPausedAt; !got.IsZero() {
		t.Errorf("listed as paused at %v", got)
	}
}

// A requested export of a paused plan without a schedule begins once.
func TestWantedExportsBeginAtTheNextTick(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plans[0].Schedule = nil
	w.boot()
	w.server.put("Patient", "p1", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
	must(t, w.p.Tick(t.Context()))
	for range 2 {
		id, err := records.RequestExport(t.Context(), w.journal, "nightly", usual, w.now())
		if err != nil || id != "nightly-000001" || w.server.kickOffs != 0 {
			t.Fatalf("got %q, %v, %d kick-offs", id, err, w.server.kickOffs)
		}
	}
	if e := listed(t, w); e.ID != "nightly-000001" || e.State != records.Requested {
		t.Errorf("listed as %+v", e)
	}
	must(t, records.Pause(t.Context(), w.journal, "nightly", w.now()))
	must(t, w.p.Tick(t.Context()))
	_, err := records.RequestExport(t.Context(), w.journal, "nightly", usual, w.now())
	refuses(t, err,
		"start plan nightly: export nightly-000001 is still exporting: wait for its end, or cancel it")
	w.loaded("nightly-000001")
	for range 100 {
		w.step()
	}
	if w.server.kickOffs != 1 {
		t.Errorf("%d kick-offs for one wish", w.server.kickOffs)
	}
	id, err := records.RequestExport(t.Context(), w.journal, "nightly", usual, w.now())
	if err != nil || id != "nightly-000002" {
		t.Fatalf("got %q, %v", id, err)
	}
	w.loaded(id)
}

func TestAWishIsTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plans[0].Schedule = nil
	w.boot()
	id, err := records.RequestExport(t.Context(), w.journal, "nightly", usual, w.now())
	must(t, err)
	if running, err := records.Running(t.Context(), w.journal, "nightly"); err != nil ||
		running != id {
		t.Errorf("running is %q, %v", running, err)
	}
	if ends, err := w.p.Cancel(t.Context(), id); err != nil || len(ends) > 0 {
		t.Errorf("got %v, %v", ends, err)
	}
	must(t, w.p.Tick(t.Context()))
	if w.server.kickOffs != 0 {
		t.Error("it began all the same")
	}
	_, err = w.p.Cancel(t.Context(), id)
	refuses(t, err, "cancel export nightly-000001: there is no such export")
}

// reserved returns a world whose server is away between the reservation of the number and the
// request: the journal has the export's id but no document for it.
func reserved(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
	w.gate.before = func(_ int, call string) error {
		if call == "source now" {
			return errOutage
		}
		return nil
	}
	id, err := w.p.Start(t.Context(), "nightly", usual)
	if id != "nightly-000001" || !errors.Is(err, errOutage) {
		t.Fatalf("got %q, %v", id, err)
	}
	w.gate.before = nil
	if e := listed(t, w); e.ID != id || e.State != records.Requested {
		t.Errorf("listed as %+v", e)
	}
	return w
}

func TestAStartWhoseServerIsAwayIsGoneOnWith(t *testing.T) {
	t.Parallel()
	w := reserved(t)
	if id, err := records.RequestExport(t.Context(), w.journal, "nightly", usual,
		w.now()); err != nil ||
		id != "nightly-000001" {
		t.Errorf("wanted: %q, %v", id, err)
	}
	if id, err := w.p.Start(t.Context(), "nightly", usual); err != nil || id != "nightly-000001" {
		t.Errorf("started again: %q, %v", id, err)
	}
	w.loaded("nightly-000001")

	w = reserved(t)
	must(t, w.p.Tick(t.Context()))
	w.loaded("nightly-000001")
}

func TestAStartWhoseServerIsAwayIsCancelled(t *testing.T) {
	t.Parallel()
	w := reserved(t)
	id, err := records.Running(t.Context(), w.journal, "nightly")
	must(t, err)
	if ends, err := w.p.Cancel(t.Context(), id); err != nil || len(ends) > 0 {
		t.Errorf("got %v, %v", ends, err)
	}
	if e, _ := w.export(id); e.State != records.Cancelled || w.server.kickOffs != 0 {
		t.Errorf("%s after %d kick-offs", e.State, w.server.kickOffs)
	}
	w.clock = w.clock.Add(2 * time.Hour)
	w.loaded("nightly-000002")
}

// If another writer changes the plan's document while a person starts an export, Start still
// returns the id of an export that exists.
func TestAStartMeetsOthers(t *testing.T) {
	t.Parallel()
	for name, other := range map[string]func(w *world) error{
		"a tick": func(w *world) error { return w.instance().Tick(t.Context()) },
		"a pause": func(w *world) error {
			return records.Pause(t.Context(), w.journal, "nightly", w.now())
		},
	} {
		w := newWorld(t)
		w.server.put("Patient", "p1", "first", 1, false)
		w.loaded("nightly-000001")
		w.clock = w.clock.Add(2 * time.Hour)
		met := false
		w.gate.before = func(_ int, call string) error {
			if call == "journal write" && !met {
				met = true
				return other(w)
			}
			return nil
		}
		id, err := w.p.Start(t.Context(), "nightly", usual)
		w.gate.before = nil
		if !met {
			t.Fatalf("%s: nobody was met", name)
		}
		if err != nil && !strings.Contains(err.Error(), "export nightly-000002 is still") ||
			err == nil && id != "nightly-000002" {
			t.Errorf("%s: got %q, %v", name, id, err)
		}
		if _, there := w.export("nightly-000002"); !there || w.server.kickOffs != 2 {
			t.Errorf("%s: there is %t, after %d kick-offs", name, there, w.server.kickOffs)
		}
		w.loaded("nightly-000002")
	}
}

func TestACancelThatComesTooLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.loaded("nightly-000001")
	e, _ := w.export("nightly-000001")
	_, err := w.p.Cancel(t.Context(), "nightly-000001")
	refuses(t, err,
		"cancel export nightly-000001: it does not run: it is loaded since "+
			e.FinishedAt.UTC().Format(time.RFC3339))
	_, err = records.Running(t.Context(), w.journal, "nightly")
	refuses(t, err, "plan nightly has no export that runs: its last one, nightly-000001, is loaded")
	_, err = w.p.Start(t.Context(), "weekly", usual)
	refuses(t, err,
		"start plan weekly: there is no such plan in the configuration, which has nightly")
}

// Checks the outcomes for the jobs of one export, in the order of a job's life.
func TestWhatBecomesOfEachJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.plans[0].Types = []string{"Patient"}
	w.boot()
	w.loaded("nightly-000001")
	w.plans[0].Types = []string{"Patient", "Observation"} // a new type starts full: two jobs
	w.boot()
	w.clock = w.clock.Add(2 * time.Hour)
	kickOffs := 0
	w.gate.before = func(_ int, call string) error {
		if call == "source kick-off" {
			if kickOffs++; kickOffs == 2 {
				return errOutage
			}
		}
		return nil
	}
	if id, err := w.p.Start(t.Context(), "nightly", usual); id != "nightly-000002" ||
		!errors.Is(err, errOutage) {
		t.Fatalf("got %q, %v", id, err)
	}
	got, err := w.p.Cancel(t.Context(), "nightly-000002")
	want := []pipeline.JobEnd{
		{Job: "nightly-000002.1", Fate: pipeline.JobCancelled},
		{Job: "nightly-000002.2", Fate: pipeline.JobUnanswered},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v: %s", err, diff)
	}
}

func TestPlansOfAnEmptyJournal(t *testing.T) {
	t.Parallel()
	j := pipelinetest.NewMemoryJournal()
	if plans, err := records.Plans(t.Context(), j); err != nil || len(plans) > 0 {
		t.Errorf("got %v, %v", plans, err)
	}
	if _, err := records.Running(t.Context(), j, "nightly"); !errors.Is(err, records.ErrNoPlan) {
		t.Errorf("got %v", err)
	}
}

// The export has ended once the cancel is recorded, whatever fails after that.
func TestACancelWhoseJobsCannotBeRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.step()
	written := false
	w.gate.before = func(_ int, call string) error {
		if call == "journal read" && written {
			return errOutage
		}
		written = written || call == "journal write"
		return nil
	}
	ends, err := w.p.Cancel(t.Context(), "nightly-000001")
	if err != nil || len(ends) != 1 || ends[0].Fate != pipeline.JobLeft ||
		!errors.Is(ends[0].Err, errOutage) {
		t.Errorf("got %v, %v", ends, err)
	}
	w.gate.before = nil
	must(t, w.p.Tick(t.Context()))
	if e, _ := w.export("nightly-000001"); e.State != records.Cancelled ||
		!w.server.jobs["status/101"].ended {
		t.Errorf("%s, ended at the server: %v", e.State, w.server.jobs["status/101"].ended)
	}
}

// by runs a person's command, which may be killed.
func by(do func() error) (err error, killed bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, killed = r.(crash); !killed {
				panic(r)
			}
		}
	}()
	return do(), false
}

// A start and a cancel by hand, cut at every call: a person is told of every job left running,
// and the next export brings the tables up to date with the server.
func TestCommandsThatAreBrokenOff(t *testing.T) {
	t.Parallel()
	for name, breakAt := range breaks {
		for n, more := 1, true; more; n++ {
			w := newTracingWorld(t)
			w.plans[0].Schedule = nil
			w.boot()
			w.server.put("Patient", "p1", "first", 1, false)
			w.clock = w.clock.Add(time.Minute)
			breakAt(w.gate, n)
			var id string
			start := func() (err error) {
				id, err = w.p.Start(t.Context(), "nightly", usual)
				return err
			}
			for tries := 0; id == ""; tries++ {
				if err, killed := by(start); killed || err != nil && id == "" {
					w.boot()
					if running, err := records.Running(t.Context(), w.journal,
						"nightly"); err == nil {
						id = running // it is in the journal: the ticks continue it
					}
				}
				if tries > 3 {
					t.Fatalf("%s at call %d: no export begins", name, n)
				}
			}
			cancel := func() error { _, err := w.p.Cancel(t.Context(), id); return err }
			for {
				if err, killed := by(cancel); err == nil && !killed ||
					fault.Of(err) == fault.Permanent {
					break
				}
				w.boot()
			}
			more = w.gate.calls >= n
			for _, j := range w.server.jobs {
				if !j.ended {
					j.polls = -1 << 20 // it runs, and has left traces by then
					w.server.write(j)
				}
			}
			w.tickFor(40 * time.Minute)
			told := strings.Contains(noticeOf(t, w), "kick-offs without an answer: 1")
			for url, j := range w.server.jobs {
				if !j.ended && !told {
					t.Errorf("%s at call %d: job %s runs for nobody, and nobody is told", name, n,
						url)
				}
			}
			if e, _ := w.export(id); e.State != records.Cancelled {
				t.Errorf("%s at call %d: export %s is %q", name, n, id, e.State)
			}
			next, err := w.p.Start(t.Context(), "nightly", usual)
			if err != nil || next != "nightly-000002" {
				t.Fatalf("%s at call %d: the next export is %q, %v", name, n, next, err)
			}
			w.loaded(next)
		}
	}
}
