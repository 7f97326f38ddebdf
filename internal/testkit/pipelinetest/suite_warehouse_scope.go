package pipelinetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/warehouse"
)

func warehouseReplaces(t *testing.T, w *tables) {
	w.commit(t, w.batch("plan-1", w.prepare(t, "Patient", file{
		live("a", "08:00", "1", "A", "x"), live("b", "08:00", "1", "B", "y"), gone("c", "08:00", "1"),
	})))
	// Equal and older versions take their place too.
	replacing := w.batch("plan-2",
		w.prepare(t, "Patient", file{live("b", "07:00", "0", "B0"), live("b", "08:00", "1", "B1")}),
		w.prepare(t, "Patient", file{live("d", "08:00", "1", "D", "z")}))
	replacing.Replaces = true
	w.commit(t, replacing)
	want := []string{"b B1 ", "d D z"}
	if d := cmp.Diff(want, shape(w.Content(t, schema))); d != "" {
		t.Errorf("what is left (-want +got):\n%s", d)
	}
	w.commit(t, w.batch("plan-3", w.prepare(t, "Patient", file{live("e", "08:00", "1", "E")})))
	// Again, and with one file more, it removes nothing.
	replacing.Attempt = "eeee"
	w.commit(t, replacing)
	replacing.Attempt = "eeef"
	replacing.Files = append(replacing.Files,
		w.prepare(t, "Patient", file{live("f", "08:00", "1", "F")}))
	w.commit(t, replacing)
	if d := cmp.Diff(append(want, "e E ", "f F "), shape(w.Content(t, schema))); d != "" {
		t.Errorf("after more commits (-want +got):\n%s", d)
	}
}

func warehouseKnownDeletes(t *testing.T, w *tables) {
	b := w.batch("plan-1", w.prepare(t, "Patient", file{
		live("a", "08:00", "1", "A", "x"), gone("stranger", "08:00", "2"),
		live("late", "08:00", "1", "L"), gone("late", "09:00", "2"),
	}))
	b.KnownDeletes = true
	w.commit(t, b)
	b = w.batch("plan-2", w.prepare(t, "Patient",
		file{gone("a", "09:00", "2"), gone("stranger", "09:00", "3")}))
	b.KnownDeletes = true
	w.commit(t, b)
	if got := w.Content(t, schema)[warehouse.HeadTable("Patient")]; len(got) != 1 {
		t.Errorf("heads: %q, want one", got)
	}
}
