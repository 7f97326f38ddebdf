package bulkfhir_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/bulkfhir"
)

// Cases of time: late, repeated, and at the edge of a window.
func TestFailureMatrixOfTime(t *testing.T) {
	t.Parallel()
	updated := func(id string, at time.Time, number int, gender string) string {
		return patient(id,
			`"meta":{"lastUpdated":"`+at.Format("2006-01-02T15:04:05.000Z")+`","versionId":"`+
				fmt.Sprint(number)+`"}`, `"gender":"`+gender+`"`)
	}
	t.Run("a late commit is seen by the overlap", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, bulkfhir.DialectAzure, func(r *rig) {
			r.plan.Lag, r.plan.Overlap = 3*time.Minute, 15*time.Minute
		})
		r.loaded(firstExport)
		e, _ := r.export(firstExport)
		// started in the window, committed after the scan
		late := e.Jobs[0].Till.Add(-10 * time.Minute)
		r.server.output = []scriptFile{ndjson("Patient", updated("late", late, 1, "female"))}
		r.loaded(secondExport)
		e, _ = r.export(secondExport)
		if e.Jobs[0].Since.After(late) {
			t.Errorf("the second window begins at %v, after %v", e.Jobs[0].Since, late)
		}
		r.expectRows("patient", 3)
	})
	t.Run("equal lastUpdated, the greater versionId wins", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, bulkfhir.DialectBulk, func(r *rig) {
			r.server.output = []scriptFile{ndjson("Patient", updated("p1", begin, 10, "female"),
				updated("p1", begin, 9, "male"))}
		})
		r.loaded(firstExport)
		if rows := r.rows("patient"); len(rows) != 1 ||
			!strings.Contains(rows[0], `gender="female"`) {
			t.Errorf("rows: %v", rows)
		}
	})
	for _, skew := range []time.Duration{-5 * time.Minute, 5 * time.Minute} {
		t.Run(fmt.Sprintf("the server's clock is off by %v", skew), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, bulkfhir.DialectAzure, func(r *rig) {
				for _, kind := range []string{"metadata", "status", "kick-off"} {
					r.server.on[kind] = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
						w.Header().Set("Date", r.now().Add(skew).Format(http.TimeFormat))
						return false
					}
				}
				r.server.edit = func(m map[string]any, _ int) {
					m["transactionTime"] = r.now().Add(skew).Format("2006-01-02T15:04:05.000Z")
				}
			})
			r.loaded(firstExport)
			e, _ := r.export(firstExport)
			if diff := e.Jobs[0].Till.Sub(begin.Add(skew)); diff < -time.Minute ||
				diff > time.Minute {
				t.Errorf("the window ends at %v, which is not the server's time", e.Jobs[0].Till)
			}
			r.loaded(secondExport)
		})
	}
	t.Run("_since at the millisecond", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, bulkfhir.DialectBulk, func(r *rig) {
			r.server.edit = func(m map[string]any, _ int) {
				m["transactionTime"] = "2026-11-23T08:00:01.001Z"
			}
		})
		r.loaded(firstExport)
		r.loaded(secondExport)
		if uri := r.server.requests("kick-off")[1].uri; !strings.Contains(uri,
			"_since=2026-11-23T08%3A00%3A01.001Z") {
			t.Errorf("asked for %s", uri)
		}
	})
	t.Run("a poll that is delivered twice", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, bulkfhir.DialectBulk)
		for range 500 {
			r.queue.Redeliver()
			if len(r.server.requests("file")) > 0 {
				break
			}
			for range 4 {
				r.step()
			}
		}
		r.loaded(firstExport)
		r.expectRows("patient", 2)
		if n := len(r.server.requests("kick-off")); n != 1 {
			t.Errorf("%d kick-offs", n)
		}
	})
	t.Run("two timers at once", func(t *testing.T) { t.Parallel(); oneInFlight(t) })
}

// The server writes into our lake and its 202 is lost. The job is found by its folder.
func TestTheOrphanOfATimeoutIsAdopted(t *testing.T) {
	t.Parallel()
	r := newRig(t, bulkfhir.DialectAzure)
	r.server.on["kick-off"] = func(_ http.ResponseWriter, req *http.Request, n int) bool {
		if n > 1 {
			return false
		}
		r.server.mu.Lock()
		r.server.jobs++
		r.server.request = r.server.URL + req.RequestURI
		r.server.manifest("1", 0) // the server writes its files
		r.server.mu.Unlock()
		panic(http.ErrAbortHandler)
	}
	r.loaded(firstExport)
	if j := r.job(firstExport + ".1"); !j.Adopted || j.Folder != "1" ||
		len(r.server.requests("kick-off")) != 1 {
		t.Errorf("after %d kick-offs: %+v", len(r.server.requests("kick-off")), j)
	}
	r.expectRows("patient", 2)
}
