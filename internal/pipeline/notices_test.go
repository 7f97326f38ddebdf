package pipeline_test

import (
	"slices"
	"testing"
)

// The export tells once what its tables need, however many types say so.
func TestNoticesOfTheTables(t *testing.T) {
	t.Parallel()
	const notice = "the tables need maintenance"
	w := newWorld(t)
	w.tables.notice = notice
	w.server.put("Patient", "p1", "first", 1, false)
	w.server.put("Observation", "o1", "first", 1, false)
	w.loaded("nightly-000001")
	e, _ := w.export("nightly-000001")
	if !slices.Equal(e.Notices, []string{notice}) {
		t.Errorf("notices %q", e.Notices)
	}
}
