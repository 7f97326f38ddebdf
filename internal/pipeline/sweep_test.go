package pipeline_test

import (
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/pipeline"
)

// Prepared files are removed once their export has ended and no step can still use them,
// wherever the sweep is killed or refused. A running export keeps its files.
func TestPreparedFilesOfEndedExportsAreRemoved(t *testing.T) {
	t.Parallel()
	for name, breakAt := range map[string]func(*gate, int){
		"undisturbed": func(*gate, int) {},
		"killed": func(g *gate, n int) {
			g.before = func(i int, _ string) error { return killAt(i, n) }
		},
		"refused": func(g *gate, n int) {
			g.after = func(i int, _ string) error { return failAt(i, n) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := 1; n <= 25; n++ {
				w := newWorld(t)
				w.server.put("Patient", "p1", "first", 1, false)
				w.server.put("Observation", "o1", "first", 1, false)
				w.loaded("nightly-000001")
				if w.staged("nightly-000001") == 0 {
					t.Fatal("the first export has prepared nothing")
				}
				breakAt(w.gate, w.gate.calls+n)
				for end := w.clock.Add(3 * time.Hour); w.clock.Before(end); {
					w.step()
					if e, ok := w.export("nightly-000001"); ok &&
						w.clock.Sub(e.FinishedAt) < 50*time.Minute && w.staged(e.ID) == 0 {
						t.Fatal("removed while a step may still be at it")
					}
				}
				if left := w.staged("nightly-000001"); left > 0 {
					t.Fatalf("broken at call %d: %d prepared files are left", n, left)
				}
				w.matches()
			}
		})
	}
}

// staged counts the prepared blobs of an export.
func (w *world) staged(export string) int {
	w.t.Helper()
	n := 0
	for f, err := range w.lake.List(w.t.Context(), pipeline.Staging, "") {
		if err != nil {
			w.t.Fatal(err)
		}
		if strings.HasPrefix(f.Path, export+"/") {
			n++
		}
	}
	return n
}
