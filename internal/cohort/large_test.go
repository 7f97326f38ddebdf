package cohort_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"fhirsynapse/internal/bulkfhir"
	"fhirsynapse/internal/cohort"
	"fhirsynapse/internal/testkit/pipelinetest"
)

const hundredThousand = 100_000

// endless answers a search with 100,000 Observations, page by page, and drops the Groups.
type endless struct {
	mu      sync.Mutex
	peak    uint64
	members int
}

func (e *endless) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const page = 1000
	switch {
	case r.Method == http.MethodPut:
		n, _ := io.Copy(io.Discard, r.Body)
		e.mu.Lock()
		e.members += int(n)
		e.mu.Unlock()
		w.Header().Set("ETag", `W/"1"`)
		w.WriteHeader(http.StatusCreated)
		return
	case r.URL.Path != "/Observation":
		w.WriteHeader(http.StatusNotFound)
		return
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	e.mu.Lock()
	e.peak = max(e.peak, m.HeapAlloc)
	e.mu.Unlock()
	from, _ := strconv.Atoi(r.URL.Query().Get("ct"))
	_, _ = io.WriteString(w, `{"resourceType":"Bundle","type":"searchset"`)
	if from+page < hundredThousand {
		_, _ = fmt.Fprintf(w, `,"link":[{"relation":"next","url":"?ct=%d"}]`, from+page)
	}
	for n := range page {
		_, _ = fmt.Fprintf(w,
			`%s{"resource":{"resourceType":"Observation","id":"o-%06d-0123456789abcdef","status":"final","subject":{"reference":"Patient/%06d-0123-4567-89ab-cdef01234567"},"effectiveDateTime":"2024-01-01"},"search":{"mode":"match"}}`,
			[]string{`,"entry":[`, ","}[min(n, 1)], from+n, from+n)
	}
	_, _ = io.WriteString(w, "]}")
}

// The ids of 100,000 members take little memory. The test runs alone, because it measures the heap.
func TestAHundredThousandMembersTakeLittleMemory(t *testing.T) {
	e := &endless{}
	srv := httptest.NewServer(e)
	t.Cleanup(srv.Close)
	searcher, err := bulkfhir.NewSearcher(bulkfhir.Options{
		BaseURL: srv.URL, Container: "lake", HTTP: srv.Client(), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range []cohort.Match{cohort.MatchEver, cohort.MatchLatest} {
		runtime.GC()
		e.peak, e.members = 0, 0
		k := newKeeper(searcher, pipelinetest.NewMemoryJournal())
		r, err := k.Refresh(t.Context(), definition(tracking, func(d *cohort.Definition) {
			d.Match = match
		}), cohort.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Members != hundredThousand || len(r.Groups) != 134 || e.members == 0 {
			t.Errorf("%d members in %d Groups", r.Members, len(r.Groups))
		}
		t.Logf("%s: the heap had at most %d MiB", match, e.peak>>20)
		const most = 200 << 20
		if e.peak > most {
			t.Errorf("%s: the heap had %d MiB", match, e.peak>>20)
		}
	}
}

// BenchmarkRefresh makes and then checks a cohort of 100,000 members at the emulator.
func BenchmarkRefresh(b *testing.B) {
	w := newWorld(b)
	for n := range hundredThousand {
		w.status(fmt.Sprintf("%06d-0123-4567-89ab-cdef01234567", n), former, "2024-01-01")
	}
	for b.Loop() {
		k := w.keeper
		k.Journal = pipelinetest.NewMemoryJournal()
		for _, g := range []bool{true, false} {
			if _, err := k.Refresh(b.Context(), definition(tracking, latest),
				cohort.Options{Force: g}); err != nil {
				b.Fatal(err)
			}
		}
	}
}
