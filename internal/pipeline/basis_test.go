package pipeline_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// backup copies the tables, and returns a function that restores them.
func (d *tables) backup() (restore func()) {
	heads, ledger, exports := maps.Clone(d.heads), maps.Clone(d.ledger), maps.Clone(d.exports)
	return func() {
		d.heads, d.ledger, d.exports = maps.Clone(heads), maps.Clone(ledger), maps.Clone(exports)
	}
}

// change makes the changes at the server before export n: one added, one changed, one deleted.
// Before every third export it makes none.
func (w *world) change(n int) {
	if n%3 == 0 {
		return
	}
	w.server.put("Patient", fmt.Sprint("new", n), "first", 1, false)
	w.server.put("Patient", "changed", fmt.Sprint("of ", n), n, false)
	w.server.put("Observation", fmt.Sprint("gone", n), "first", 1, false)
	w.server.put("Observation", fmt.Sprint("gone", n-1), "", 2, true)
}

func nightly(n int) string { return fmt.Sprintf("nightly-%06d", n) }

func (w *world) nextLoaded(n int) {
	w.t.Helper()
	w.change(n)
	w.clock = w.clock.Add(time.Minute)
	w.loaded(nightly(n))
}

// After a restore of the tables to any earlier state, the next export brings them up to date.
func TestTablesThatWereRestoredCatchUp(t *testing.T) {
	t.Parallel()
	const exports = 7
	for back := 0; back < exports; back++ {
		w := newWorld(t)
		w.plans[0].Overlap = 0
		w.boot()
		restores := []func(){w.tables.backup()}
		for n := 1; n <= exports; n++ {
			w.nextLoaded(n)
			restores = append(restores, w.tables.backup())
		}
		restores[back]()
		w.boot()
		w.change(exports + 1)
		w.clock = w.clock.Add(time.Minute)
		next := nightly(exports + 1)
		w.loaded(next)
		e, _ := w.export(next)
		// An export without files leaves the tables unchanged.
		if lost := len(e.Lacks) > 0; lost != (back < exports-1 || exports%3 != 0) {
			t.Errorf("back to %d: lacks %v", back, e.Lacks)
		}
		if full := e.Jobs[0].Since.IsZero(); full != (back == 0) {
			t.Errorf("back to %d: since %v", back, e.Jobs[0].Since)
		}
		w.change(exports + 4)
		w.clock = w.clock.Add(time.Minute)
		w.loaded(nightly(exports + 2))
		if e, _ := w.export(nightly(exports + 2)); len(e.Lacks) > 0 {
			t.Errorf("back to %d: it lacks %v still", back, e.Lacks)
		}
	}
}

// If the tables are restored during an export that builds on lost data, the export does not
// commit, and the next one does.
func TestAnExportDoesNotBuildOnWhatIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.nextLoaded(1)
	restore := w.tables.backup()
	w.nextLoaded(2)
	w.change(4)
	w.clock = w.clock.Add(time.Minute)
	for {
		if e, ok := w.export(nightly(3)); ok && e.State == records.Exporting {
			break
		}
		w.step()
	}
	restore()
	e := w.run(nightly(3))
	if e.State != records.Failed || !strings.Contains(e.Failure.Cause, nightly(2)) ||
		e.Failure.Whose != string(fault.OurSetting) || e.Failure.Remedy == "" {
		t.Fatalf("export 3 is %s: %+v", e.State, e.Failure)
	}
	w.change(5)
	w.clock = w.clock.Add(time.Minute)
	w.loaded(nightly(4))
	list, err := records.Exports(t.Context(), w.journal, "nightly", 1)
	if err != nil || len(list) != 1 ||
		!strings.Contains(list[0].Notice, "the tables lacked "+nightly(2)) {
		t.Errorf("notice of %+v, %v", list, err)
	}
}

// A plan that moves to another schema starts with a full export.
func TestAnotherSchemaBeginsFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	empty := w.tables.backup()
	w.nextLoaded(1)
	empty()
	w.plans[0].Schema = "other"
	w.boot()
	w.nextLoaded(2)
}
