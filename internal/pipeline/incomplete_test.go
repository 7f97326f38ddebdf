package pipeline_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

// Issues reads the world's error files: severity/code, then types.
func (s *server) Issues(_ pipeline.OutputFile, r io.Reader) ([]pipeline.Issue, error) {
	var issues []pipeline.Issue
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		kind, types, _ := strings.Cut(lines.Text(), " ")
		severity, code, ok := strings.Cut(kind, "/")
		if !ok {
			return nil, errors.New("it is not an error file")
		}
		issues = append(issues, pipeline.Issue{
			Severity: severity, Code: code, Types: strings.Fields(types), Count: 1,
		})
	}
	return issues, lines.Err()
}

// withhold makes the server leave a type out, and report it if there are reports.
func (w *world) withhold(typ string, reports ...string) {
	w.server.withheld, w.server.reports = map[string]bool{typ: true}, reports
}

func (w *world) recover() { w.server.withheld, w.server.reports = nil, nil }

// incomplete runs an export, checks that it ends incomplete, and returns it.
func (w *world) incomplete(export string) records.Export {
	w.t.Helper()
	e := w.run(export)
	if e.State != records.Incomplete || e.Shortfall == nil {
		w.t.Fatalf("export %s is %s: %+v, %+v", export, e.State, e.Failure, e.Shortfall)
	}
	return e
}

// since lists the requests of an export's jobs by types, and whether each is full.
func since(e records.Export) map[string]bool {
	full := map[string]bool{}
	for _, j := range e.Jobs {
		types := j.Types
		if len(types) == 0 {
			types = []string{pipeline.AllTypes}
		}
		for _, t := range types {
			full[t] = j.Since.IsZero()
		}
	}
	return full
}

// bothServers runs a test against a server that writes into our lake, and against one that
// keeps its files.
func bothServers(t *testing.T, test func(*testing.T, *world)) {
	t.Helper()
	t.Run("writes into our lake", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.plans[0].Overlap = 0
		w.boot()
		test(t, w)
	})
	t.Run("keeps its files", func(t *testing.T) {
		t.Parallel()
		w, _ := newKeeperWorld(t)
		test(t, w)
	})
}

func somePatients(w *world) {
	w.server.put("Patient", "p1", "first", 1, false)
	w.server.put("Observation", "o1", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
}

func TestAnExportWithErrorsIsIncomplete(t *testing.T) {
	t.Parallel()
	bothServers(t, func(t *testing.T, w *world) {
		somePatients(w)
		w.withhold("Observation", "error/exception Observation", "warning/processing Patient",
			"error/exception Observation")
		e := w.incomplete(nightly(1))
		want := &records.Shortfall{
			Issues: []pipeline.Issue{{
				Severity: "error", Code: "exception", Count: 2, Types: []string{"Observation"},
			}},
			Types: []string{"Observation"},
		}
		if diff := cmp.Diff(want, e.Shortfall); diff != "" {
			t.Errorf("shortfall (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]string{"Patient/p1": "first"},
			w.tables.present()); diff != "" {
			t.Errorf("what came is not committed (-want +got):\n%s", diff)
		}
		for _, word := range []string{"2 × error/exception", "Observation", "allowErrors: true"} {
			if notice := listed(t, w).Notice; !strings.Contains(notice, word) {
				t.Errorf("the notice lacks %q: %s", word, notice)
			}
		}
		reports, err := w.p.Report(t.Context(), nightly(1))
		if err != nil || len(reports) != 2 || reports[0].Type != "Observation" ||
			reports[0].Files != 0 || reports[1].Applied != 1 {
			t.Errorf("report %+v, %v", reports, err)
		}
		marks, err := w.p.Watermarks(t.Context(), "nightly")
		if err != nil || !marks["Observation"].IsZero() || marks["Patient"].IsZero() {
			t.Errorf("watermarks %v, %v", marks, err)
		}
		w.server.put("Patient", "p2", "first", 1, false)
		w.clock = w.clock.Add(time.Minute)
		w.incomplete(nightly(2)) // the window grows
		w.recover()
		w.server.put("Observation", "o2", "first", 1, false)
		w.clock = w.clock.Add(time.Minute)
		w.loaded(nightly(3))
		third, _ := w.export(nightly(3))
		if diff := cmp.Diff(map[string]bool{"Patient": false, "Observation": true},
			since(third)); diff != "" {
			t.Errorf("what is asked for in full (-want +got):\n%s", diff)
		}
		w.nextLoaded(4)
		if fourth, _ := w.export(nightly(4)); len(fourth.Jobs) != 1 || len(fourth.Lacks) > 0 {
			t.Errorf("after all is loaded: %+v, lacks %v", fourth.Jobs, fourth.Lacks)
		}
	})
}

// A window between two loaded ones is requested again, including its deletes.
func TestTheNextExportAsksForTheWindowAgain(t *testing.T) {
	t.Parallel()
	bothServers(t, func(t *testing.T, w *world) {
		w.nextLoaded(1)
		before, _ := w.p.Watermarks(t.Context(), "nightly")
		w.change(2)
		w.clock = w.clock.Add(time.Minute)
		w.withhold("Observation", "fatal/exception Observation")
		w.incomplete(nightly(2))
		after, err := w.p.Watermarks(t.Context(), "nightly")
		if err != nil || !after["Observation"].Equal(before["Observation"]) ||
			!after["Patient"].After(before["Patient"]) {
			t.Errorf("watermarks %v, before %v, %v", after, before, err)
		}
		w.recover()
		w.nextLoaded(4)
	})
}

func TestAnErrorThatNamesNoTypeKeepsAllWatermarks(t *testing.T) {
	t.Parallel()
	for _, report := range []string{"error/exception", "fatal/exception Encounter"} {
		bothServers(t, func(t *testing.T, w *world) {
			somePatients(w)
			w.withhold("Observation", report)
			w.incomplete(nightly(1))
			if marks, err := w.p.Watermarks(t.Context(),
				"nightly"); err != nil || !marks["Patient"].IsZero() ||
				!marks["Observation"].IsZero() {
				t.Errorf("watermarks %v, %v", marks, err)
			}
			w.recover()
			w.clock = w.clock.Add(time.Minute)
			w.loaded(nightly(2))
			if e, _ := w.export(nightly(2)); len(e.Jobs) != 1 || !e.Jobs[0].Since.IsZero() {
				t.Errorf("jobs %+v", e.Jobs)
			}
		})
	}
}

// A plan without types asks for everything since the last export, and for each type that is
// behind since that type's own watermark.
func TestAPlanOfAllTypesAsksAgainForTheTypesThatAreBehind(t *testing.T) {
	t.Parallel()
	bothServers(t, func(t *testing.T, w *world) {
		w.plans[0].Types = nil
		w.plans[0].TypeFilter = []string{"Patient?active=true", "Observation?status=final"}
		w.boot()
		somePatients(w)
		w.withhold("Observation", "error/timeout Observation")
		w.incomplete(nightly(1))
		w.clock = w.clock.Add(time.Minute)
		w.incomplete(nightly(2))
		w.recover()
		w.server.put("Patient", "p2", "first", 1, false)
		w.clock = w.clock.Add(time.Minute)
		w.loaded(nightly(3))
		e, _ := w.export(nightly(3))
		if diff := cmp.Diff(map[string]bool{pipeline.AllTypes: false, "Observation": true},
			since(e)); diff != "" {
			t.Errorf("what is asked for in full (-want +got):\n%s", diff)
		}
		if got := e.Jobs[1].TypeFilter; len(got) != 1 || got[0] != "Observation?status=final" {
			t.Errorf("the filters of the second job are %v", got)
		}
		w.server.put("Observation", "o2", "first", 1, false)
		w.clock = w.clock.Add(time.Minute)
		w.loaded(nightly(4))
		if e, _ := w.export(nightly(4)); len(e.Jobs) != 1 || e.Jobs[0].Since.IsZero() {
			t.Errorf("after all is loaded: %+v", e.Jobs)
		}
	})
}

func TestErrorsThatAPlanAllowsMoveTheWatermark(t *testing.T) {
	t.Parallel()
	bothServers(t, func(t *testing.T, w *world) {
		w.plans[0].AllowErrors = true
		w.boot()
		somePatients(w)
		w.withhold("Observation", "error/exception Observation")
		e := w.run(nightly(1))
		if e.State != records.Loaded || e.Shortfall == nil || !e.Shortfall.Accepted {
			t.Fatalf("%s: %+v", e.State, e.Shortfall)
		}
		if notice := listed(t, w).Notice; !strings.Contains(notice, "error/exception") ||
			!strings.Contains(notice, "accepted") {
			t.Errorf("notice %q", notice)
		}
		if marks, err := w.p.Watermarks(t.Context(), "nightly"); err != nil ||
			marks["Observation"].IsZero() {
			t.Errorf("watermarks %v, %v", marks, err)
		}
	})
}

func TestWarningsChangeNothing(t *testing.T) {
	t.Parallel()
	bothServers(t, func(t *testing.T, w *world) {
		somePatients(w)
		w.server.reports = []string{
			"warning/processing Patient", "information/informational", "success/success",
		}
		w.loaded(nightly(1))
		if e, _ := w.export(nightly(1)); e.Shortfall != nil {
			t.Errorf("shortfall %+v", e.Shortfall)
		}
		issues, err := records.IssueCounts(t.Context(), w.journal, nightly(1))
		want := map[string]int64{
			"warning/processing": 1, "information/informational": 1, "success/success": 1,
		}
		if diff := cmp.Diff(want, issues); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	})
}

// The content of an unreadable error file is unknown, so the export is incomplete.
func TestAnErrorFileThatCannotBeReadMakesTheExportIncomplete(t *testing.T) {
	t.Parallel()
	test := func(t *testing.T, w *world) {
		somePatients(w)
		e := w.incomplete(nightly(1))
		if e.Shortfall.Issues[0].Code != "unreadable" || len(e.Shortfall.Types) != 2 {
			t.Errorf("shortfall %+v", e.Shortfall)
		}
		w.server.reports = nil
		w.clock = w.clock.Add(time.Minute)
		w.loaded(nightly(2))
	}
	bothServers(t, func(t *testing.T, w *world) {
		w.server.reports = []string{"no error file"}
		test(t, w)
	})
	t.Run("it is not to be had", func(t *testing.T) {
		t.Parallel()
		w, k := newKeeperWorld(t)
		w.server.reports = []string{"information/informational"}
		k.download = func(f pipeline.OutputFile) error {
			if f.Type == "OperationOutcome" {
				return errors.New("503")
			}
			return nil
		}
		test(t, w)
	})
}

// The step of an error file comes last, or is lost: the export waits for it.
func TestAnExportWaitsForItsErrorFiles(t *testing.T) {
	t.Parallel()
	bothServers(t, func(t *testing.T, w *world) {
		somePatients(w)
		w.withhold("Observation", "error/exception Observation")
		lost := 0
		w.beforeStep = func() {
			if lost == 0 {
				lost += w.queue.Drop(func(m pipeline.Message) bool {
					return strings.Contains(string(m.Body), `"fetch"`) &&
						!strings.Contains(string(m.Body), `"file":1,`) &&
						!strings.Contains(string(m.Body), `"file":1}`)
				})
			}
		}
		e := w.incomplete(nightly(1))
		if lost == 0 || e.Round == 0 {
			t.Errorf("%d steps were lost, round %d", lost, e.Round)
		}
	})
}

// incompleteStory is story with an export that the server leaves incomplete, and an export
// that brings the rest.
func incompleteStory(w *world) {
	w.server.fileSize = 2
	w.server.put("Patient", "p1", "first", 1, false)
	w.server.put("Observation", "o1", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
	w.loaded(nightly(1))
	w.server.put("Patient", "p1", "second", 2, false)
	w.server.put("Observation", "o1", "", 2, true)
	w.server.put("Observation", "o2", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
	w.withhold("Observation", "error/exception Observation")
	w.incomplete(nightly(2))
	w.recover()
	w.server.put("Patient", "p2", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
	w.loaded(nightly(3))
	w.gate.open = true
	marks, err := w.p.Watermarks(w.t.Context(), "nightly")
	w.gate.open = false
	if err != nil || len(marks) != 2 || !marks["Patient"].Equal(marks["Observation"]) {
		w.t.Errorf("watermarks at the end: %v, %v", marks, err)
	}
}

// With a failure at any call to a port, an incomplete export stays incomplete, and the next
// one brings the missing data.
func TestCrashBetweenEveryTwoCallsOfAnIncompleteExport(t *testing.T) {
	t.Parallel()
	bothServers(t, func(t *testing.T, whole *world) {
		keeps := whole.wrap != nil
		incompleteStory(whole)
		calls := whole.gate.calls
		t.Logf("%d calls to ports in an undisturbed run", calls)
		for name, breakAt := range breaks {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				for n := 1; n <= calls; n += 2 * stride {
					w := newWorld(t)
					if keeps {
						w, _ = newKeeperWorld(t)
					}
					w.plans[0].Overlap = 0
					w.boot()
					breakAt(w.gate, n)
					incompleteStory(w)
					w.neverSilent()
					if t.Failed() {
						t.Fatalf("at call %d of %d, %s", n, calls, whole.gate.log[n-1])
					}
				}
			})
		}
	})
}

// Delivers the messages in any order, and every message twice.
func TestAnIncompleteExportInAnyOrder(t *testing.T) {
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
		incompleteStory(w)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// An error file's document of an earlier version is still read.
func TestIssuesOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	w, _ := newKeeperWorld(t)
	somePatients(w)
	w.withhold("Observation", "warning/x")
	for n := range 2 {
		key := fmt.Sprintf("issues/%s.1/%06d", nightly(1), n+1)
		if _, err := w.journal.Write(t.Context(), key, "",
			[]byte(`{"error/exception":3,"warning/processing":1}`)); err != nil {
			t.Fatal(err)
		}
	}
	e := w.incomplete(nightly(1))
	if len(e.Shortfall.Types) != 1 || e.Shortfall.Types[0] != pipeline.AllTypes ||
		e.Shortfall.Issues[0].Count != 3 {
		t.Errorf("shortfall %+v", e.Shortfall)
	}
}
