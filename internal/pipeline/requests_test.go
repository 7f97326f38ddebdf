package pipeline_test

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/pipeline/records"
)

// A file costs the same small number of requests for any number of files, over all ports and
// from the kick-off to the tables; the journal's documents and the memory of a handler stay
// small. The test runs alone, because it measures the heap.
func TestRequestsPerFile(t *testing.T) {
	sizes := []int{100, 1000}
	if !testing.Short() && share == 1 {
		sizes = append(sizes, 10_000)
	}
	for _, c := range []struct {
		name  string
		world func(*testing.T) *world
		most  float64
	}{
		{"the server writes into our lake", newWorld, 10},
		{"the server writes into our lake at the last moment", func(t *testing.T) *world {
			w := newWorld(t)
			w.server.pollsBeforeDone = 0
			return w
		}, 9},
		{"the server keeps its files", func(t *testing.T) *world {
			w, _ := newKeeperWorld(t)
			return w
		}, 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			var few cost
			for i, files := range sizes {
				got := costPerFile(t, c.world(t), files)
				if i == 0 {
					few = got
				}
				if got.requests > c.most || got.requests > few.requests*1.02 {
					t.Errorf("%d files: %.2f requests per file, want at most %.2f, and %.2f of %d files", files, got.requests, c.most, few.requests, sizes[0])
				}
				if got.listed > few.listed*1.02 {
					t.Errorf("%d files: listings name %.2f blobs per file, and %.2f of %d files",
						files, got.listed, few.listed, sizes[0])
				}
				if limit := int64(1<<19 + 500*files); got.memory > limit {
					t.Errorf("%d files: the handler keeps %d bytes in memory, want at most %d",
						files, got.memory, limit)
				}
			}
		})
	}
}

type cost struct {
	requests float64 // per file
	listed   float64 // blobs in listings, per file
	memory   int64   // bytes that a handler keeps of the export
}

// costPerFile runs an export of a number of files to its end, and returns the cost per file.
func costPerFile(t *testing.T, w *world, files int) cost {
	t.Helper()
	w.server.fileSize = 1
	w.plans[0].Types = []string{"Patient"}
	w.boot()
	for i := range files {
		w.server.data = append(w.server.data, resource{
			Type: "Patient", ID: fmt.Sprintf("p%06d", i), Updated: w.clock, Number: 1,
		})
	}
	w.clock = w.clock.Add(time.Minute)
	e := records.Export{}
	for range 8*files + 100 {
		before := w.clock
		if w.step(); w.clock.Equal(before) {
			continue
		}
		if e, _ = w.export("nightly-000001"); e.State.Final() {
			break
		}
	}
	if e.State != records.Loaded {
		t.Fatalf("the export is %q in round %d: %+v", e.State, e.Round, e.Failure)
	}
	w.neverSilent()
	w.matches()
	calls := map[string]int{}
	for _, port := range w.gate.log {
		calls[port]++
	}
	var split strings.Builder
	for _, port := range slices.Sorted(maps.Keys(calls)) {
		if n := float64(calls[port]) / float64(files); n >= 0.1 {
			fmt.Fprintf(&split, ", %s %.2f", port, n)
		}
	}
	c := cost{
		requests: float64(w.gate.calls) / float64(files),
		listed:   float64(w.gate.listed) / float64(files),
	}
	with := heap()
	w.boot()
	c.memory = with - heap()
	t.Logf("%d files: %.2f requests per file (%s); %.1f blobs named by listings per file; %d KB kept in memory; largest document of the journal %d bytes",
		files, c.requests, strings.TrimPrefix(split.String(), ", "), c.listed, c.memory>>10,
		largestDocument(t, w))
	return c
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// largestDocument returns the size of the journal's largest document, except the server's
// verbatim answers.
func largestDocument(t *testing.T, w *world) int {
	t.Helper()
	most := 0
	for key, err := range w.journal.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		d, err := w.journal.Read(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(key, ".raw") {
			continue
		}
		if most = max(most, len(d.Data)); len(d.Data) >= 64<<10 {
			t.Errorf("%s has %d bytes", key, len(d.Data))
		}
	}
	return most
}
