package pipeline_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// story runs one full and one incremental export with every kind of change.
func story(w *world) {
	w.server.fileSize = 2
	for i := range 5 {
		w.server.put("Patient", fmt.Sprintf("p%d", i), "first", 1, false)
	}
	w.server.put("Observation", "o1", "first", 1, false)
	w.server.put("Observation", "o2", "first", 1, false)
	w.server.put("Observation", "o3", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
	w.loaded("nightly-000001")
	w.server.put("Patient", "p1", "second", 2, false)
	w.server.put("Patient", "p2", "", 2, true)
	w.server.put("Patient", "p9", "new", 1, false)
	w.server.put("Observation", "o1", "", 2, true)
	w.server.put("Observation", "o1", "came back", 3, false)
	w.clock = w.clock.Add(time.Minute)
	w.loaded("nightly-000002")
}

func TestFullAndIncrementalExport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	story(w)
	if w.server.kickOffs != 2 {
		t.Errorf("got %d kick-offs, want 2", w.server.kickOffs)
	}
}

// A crash between any two calls to a port, and every way in which one call can fail, leads to
// the same tables.
func TestCrashBetweenEveryTwoCalls(t *testing.T) {
	t.Parallel()
	whole := newWorld(t)
	story(whole)
	calls := whole.gate.calls
	t.Logf("%d calls to ports in an undisturbed run", calls)
	ways := map[string]func(*world, int){
		"the handler stops at the call": func(w *world, n int) {
			w.gate.before = func(i int, _ string) error {
				if i != n {
					return nil
				}
				w.stopStep()
				return context.Canceled
			}
		},
	}
	for name, breakAt := range breaks {
		ways[name] = func(w *world, n int) { breakAt(w.gate, n) }
	}
	for name, breakAt := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := 1; n <= calls; n += stride {
				w := newWorld(t)
				breakAt(w, n)
				story(w)
				w.neverSilent()
				if t.Failed() {
					t.Fatalf("at call %d of %d, %s", n, calls, whole.gate.log[n-1])
				}
			}
		})
	}
}

// neverSilent checks that the watchdog never had to send steps again.
func (w *world) neverSilent() {
	w.t.Helper()
	for _, id := range []string{"nightly-000001", "nightly-000002"} {
		if e, there := w.export(id); there && e.Round > 0 {
			w.t.Errorf("%s waited for the watchdog, in %d rounds", id, e.Round)
		}
	}
}

// breaks are the ways in which the nth call to a port can go wrong.
var breaks = map[string]func(g *gate, n int){
	"killed before the call": func(g *gate, n int) {
		g.before = func(i int, _ string) error { return killAt(i, n) }
	},
	"killed after the call": func(g *gate, n int) {
		g.after = func(i int, _ string) error { return killAt(i, n) }
	},
	"the call is refused": func(g *gate, n int) {
		g.before = func(i int, _ string) error { return failAt(i, n) }
	},
	"the answer is lost": func(g *gate, n int) {
		g.after = func(i int, _ string) error { return failAt(i, n) }
	},
}

func killAt(i, n int) error {
	if i == n {
		panic(crash{})
	}
	return nil
}

func failAt(i, n int) error {
	if i == n {
		return fault.Transientf("connection reset")
	}
	return nil
}

// The handler is killed many times, at points chosen by a seed.
func TestKilledManyTimes(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			random := newRandom(seed)
			w.pick = random.IntN
			left := 40
			w.gate.before = func(int, string) error {
				if left > 0 && random.IntN(6) == 0 {
					left--
					panic(crash{})
				}
				return nil
			}
			story(w)
		})
	}
}

// Every dependency is away for 15 minutes, at every stage of an export.
func TestOutageOfFifteenMinutes(t *testing.T) {
	t.Parallel()
	for _, port := range []string{"lake", "journal", "queue", "warehouse", "source"} {
		t.Run(port, func(t *testing.T) {
			t.Parallel()
			for n := 1; n <= 120; n += 3 * stride {
				w := newWorld(t)
				var until time.Time
				w.gate.before = func(i int, call string) error {
					if i == n {
						until = w.clock.Add(15 * time.Minute)
					}
					out := w.clock.Before(until)
					w.brokerDown = out && port == "queue"
					if out && portOf(call) == port {
						return errOutage
					}
					return nil
				}
				story(w)
				if t.Failed() {
					t.Fatalf("an outage of %s from call %d on", port, n)
				}
			}
		})
	}
}

func TestStatesAreOnlyLeftForwards(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	story(w)
	for _, id := range []string{"nightly-000001", "nightly-000002"} {
		if e, _ := w.export(id); e.State != records.Loaded || e.FinishedAt.IsZero() ||
			e.Round != 0 {
			t.Errorf("%s: %+v", id, e)
		}
	}
}
