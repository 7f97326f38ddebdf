package pipeline_test

import (
	"fmt"
	"testing"
	"time"

	"fhirsynapse/internal/pipeline/records"
)

// The polling blob trigger of the Functions host misses more than half of the blobs that are
// written in one second. Events are hints: everything is loaded without help from the
// watchdog.
func TestLossyBlobTrigger(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		random := newRandom(seed)
		w := newWorld(t)
		w.server.fileSize = 1
		w.plans[0].Types = []string{"Patient"}
		w.boot()
		const files = 29
		for i := range files {
			w.server.put("Patient", fmt.Sprintf("p%d", i), "first", 1, false)
		}
		seen := 0
		w.beforeStep = func() {
			for ; seen < len(w.events); seen++ {
				if random.IntN(29) < 16 {
					w.events = append(w.events[:seen], w.events[seen+1:]...)
					seen--
					continue
				}
			}
			seen = len(w.events)
		}
		w.loaded("nightly-000001")
		e, _ := w.export("nightly-000001")
		if e.State != records.Loaded || e.Round > 0 {
			t.Fatalf("seed %d: %s after %d rounds of the watchdog", seed, e.State, e.Round)
		}
		if took := w.clock.Sub(e.RequestedAt); took > 10*time.Minute {
			t.Fatalf("seed %d: it took %s", seed, took)
		}
	}
}
