package statuspage_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/statuspage/history"
)

// mostRequests is the number of requests to the storage that a page may take.
const mostRequests = 50

// large is a plan with a thousand exports, the last of which has 10,000 files and runs.
func large(t testing.TB) *world {
	t.Helper()
	w := newWorld(t, pipeline.Plan{
		Name: "nightly", Level: records.LevelSystem, Schema: "fhir", Schedule: hourly{},
	})
	const exports, files = 1_000, 10_000
	w.put(t, "plans/nightly", records.PlanRecord{
		Seq: exports, Current: records.ExportID("nightly", exports), RequestedAt: now,
	})
	segments := map[int][]history.Entry{}
	for n := 1; n < exports; n++ {
		at := now.Add(time.Duration(n-exports) * 40 * time.Minute)
		e := history.Entry{
			Number: n, State: records.Loaded, RequestedAt: at, FinishedAt: at.Add(5 * time.Minute),
			Till: at, Files: files, Manifest: files * 1_000, Types: map[string]history.Counts{},
		}
		for typ := range 30 {
			e.Types[fmt.Sprintf("Type%d", typ)] = history.Counts{Applied: 1_000, Quarantined: 1}
		}
		segments[(n-1)/250] = append(segments[(n-1)/250], e)
		w.put(t, fmt.Sprintf("exports/nightly/%06d", n), records.Export{
			ID: records.ExportID("nightly", n), Plan: "nightly", State: records.Loaded,
			RequestedAt: at, FinishedAt: at.Add(5 * time.Minute),
			Jobs: []records.Request{{Level: records.LevelSystem, Till: at}},
		})
	}
	for n, entries := range segments {
		w.put(t, fmt.Sprintf("history/nightly/segment-%05d", n), entries)
	}
	w.put(t, "history/nightly/progress", map[string]int{"done": exports - 1})
	id := records.ExportID("nightly", exports)
	w.put(t, "exports/nightly/001000", records.Export{
		ID: id, Plan: "nightly", Schema: "fhir", State: records.Loading, RequestedAt: now,
		Jobs: []records.Request{{Level: records.LevelSystem, Till: now}},
	})
	w.put(t, "jobs/"+id+".1", records.Job{
		ID: id + ".1", Export: id, N: 1, ManifestAt: now, Files: files,
	})
	w.manifest(t, id, files, func(int) pipeline.Counts {
		return pipeline.Counts{Lines: 1_000, Applied: 1_000}
	})
	for i := range 1_000 {
		w.file(t, pipeline.Quarantine,
			fmt.Sprintf("%s/Observation/v1/f-%06d.ndjson@e.ndjson", id, i),
			`{"line":7,"offset":700,"reason":"not JSON","text":"x"}`+"\n")
	}
	return w
}

var largePages = []string{
	"", "/exports", "/exports?page=7", "/exports/nightly-001000", "/exports/nightly-000500",
	"/exports/nightly-001000/files", "/exports/nightly-001000/files?type=Observation&page=150",
	"/exports/nightly-001000/quarantine", "/quarantine", "/cohorts", "/tables", "/activity",
}

// A page makes few requests also right after a start, when nothing is in memory.
func TestPagesMakeFewRequests(t *testing.T) {
	t.Parallel()
	w := large(t)
	for _, path := range largePages {
		fresh := w.fresh()
		answer := fresh.get(t, path)
		if answer.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", path, answer.Code, content.FindString(answer.Body.String()))
		}
		n := fresh.requests.Load()
		if n >= mostRequests {
			t.Errorf("%q makes %d requests to the storage, must be below %d", path, n, mostRequests)
		}
		t.Logf("%3d requests, %4d KB: %q", n, answer.Body.Len()>>10, path)
	}
}

// A thousand exports without a summary are there after an upgrade.
func TestPagesOfAnOlderJournalMakeFewRequests(t *testing.T) {
	t.Parallel()
	w := large(t)
	bare := w.without(t, "history/")
	for _, path := range largePages {
		fresh := bare.fresh()
		fresh.get(t, path)
		if n := fresh.requests.Load(); n >= mostRequests {
			t.Errorf("%q makes %d requests to the storage, must be below %d", path, n, mostRequests)
		}
	}
}

func TestManyPlansAreCut(t *testing.T) {
	t.Parallel()
	var plans []pipeline.Plan
	for n := range 100 {
		plans = append(plans, pipeline.Plan{
			Name: fmt.Sprintf("plan-%02d", n), Level: records.LevelSystem, Schema: "fhir",
			Cohort: "c",
		})
	}
	w := newWorld(t, plans...)
	for n := range 100 {
		name := fmt.Sprintf("plan-%02d", n)
		w.loaded(t, name, 1, now.Add(-time.Hour))
		w.put(t, "plans/"+name, records.PlanRecord{
			Seq: 1, Current: records.ExportID(name, 1), RequestedAt: now.Add(-time.Hour),
		})
		w.put(t, "cohorts/"+name, map[string]any{"name": name})
	}
	for _, path := range []string{
		"", "?page=13", "/exports", "/tables", "/tables?page=2", "/quarantine", "/activity",
		"/cohorts",
	} {
		fresh := w.fresh()
		fresh.get(t, path)
		if n := fresh.requests.Load(); n >= mostRequests {
			t.Errorf("%q makes %d requests to the storage, must be below %d", path, n, mostRequests)
		}
	}
}

func BenchmarkPages(b *testing.B) {
	w := large(b)
	for _, path := range largePages {
		b.Run(path, func(b *testing.B) {
			for b.Loop() {
				w.fresh().get(b, path)
			}
		})
	}
}
