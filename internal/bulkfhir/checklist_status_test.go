package bulkfhir_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/bulkfhir"
	"fhirsynapse/internal/pipeline/records"
)

func pollsBackOff(t *testing.T) {
	bothDialects(t, func(t *testing.T, dialect string) {
		r := newRig(t, dialect, func(r *rig) {
			r.server.on["status"] = func(w http.ResponseWriter, _ *http.Request, n int) bool {
				w.WriteHeader(http.StatusAccepted)
				return n <= 25
			}
		})
		if dialect == bulkfhir.DialectBulk {
			r.server.on["status"] = func(w http.ResponseWriter, _ *http.Request, n int) bool {
				if n <= 25 {
					w.WriteHeader(http.StatusAccepted)
				}
				return n <= 25
			}
		} else {
			on := r.server.on["status"]
			r.server.on["status"] = func(w http.ResponseWriter, req *http.Request, n int) bool {
				return n <= 25 && on(w, req, n)
			}
		}
		r.loaded(firstExport)
		g := gaps(r.server.requests("status"))
		if g[0] < 10*time.Second || g[20] < 4*time.Minute || slices.Max(g) > 5*time.Minute {
			t.Errorf("waits between polls: %v", g)
		}
		whole := 0
		for i := range g[:8] {
			if g[i+1] < g[i]*9/10 {
				t.Errorf("wait %d is %v, the one before %v", i+1, g[i+1], g[i])
			}
			if g[i] == g[i].Truncate(time.Second) {
				whole++
			}
		}
		if whole > 4 {
			t.Errorf("the waits are not scattered: %v", g[:8])
		}
	})
}

func retryAfterForms(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"45":                            45 * time.Second,
		"0":                             time.Second,
		"clock+90s":                     90 * time.Second, // an HTTP date
		"epoch+100s":                    100 * time.Second,
		"7200":                          5 * time.Minute,
		"-5":                            0,
		"soon":                          0,
		"99999999999":                   0,
		"Sat, 01 Jan 2000 00:00:00 GMT": time.Second,
		"Fri, 31 Dec 9999 23:59:59 GMT": 0,
		"120.5":                         0,
		strings.Repeat("9", 400):        0,
	} {
		r := newRig(t, bulkfhir.DialectBulk)
		r.server.on["status"] = func(w http.ResponseWriter, _ *http.Request, n int) bool {
			v := value
			switch value {
			case "clock+90s":
				v = r.now().Add(90 * time.Second).UTC().Format(http.TimeFormat)
			case "epoch+100s":
				v = strconv.FormatInt(r.now().Add(100*time.Second).Unix(), 10)
			}
			w.Header().Set("Retry-After", v)
			if n == 1 {
				w.WriteHeader(http.StatusAccepted)
			}
			return n == 1
		}
		r.loaded(firstExport)
		got := gaps(r.server.requests("status"))[0]
		// HTTP dates have whole seconds only.
		if want > 0 && (got > want || got < want-time.Second) ||
			want == 0 && (got < 10*time.Second || got > 20*time.Second) {
			t.Errorf("Retry-After %.40q: waited %v, want %v, or our own 15 s", value, got, want)
		}
	}
}

func statusAccepts(t *testing.T) {
	bothDialects(t, func(t *testing.T, dialect string) {
		r := newRig(t, dialect)
		r.loaded(firstExport)
		for _, s := range r.server.requests("status") {
			if s.method != http.MethodGet || s.header.Get("Accept") != "application/json" {
				t.Errorf("%s with Accept: %q", s.method, s.header.Get("Accept"))
			}
		}
	})
}

func progressForPeople(t *testing.T) {
	r := newRig(t, bulkfhir.DialectBulk)
	r.server.on["status"] = func(w http.ResponseWriter, _ *http.Request, n int) bool {
		if n > 3 {
			return false
		}
		w.Header().Set("X-Progress",
			[]string{"3 of 7", "Zz is exported", "at Zz: 71.5 % done"}[n-1])
		w.WriteHeader(http.StatusAccepted)
		return true
	}
	for range 20_000 {
		if len(r.server.requests("status")) == 3 {
			break
		}
		r.step()
	}
	e, _ := r.export(firstExport)
	if e.State != records.Exporting || e.Progress != "71.5%" {
		t.Errorf("%s with progress %q", e.State, e.Progress)
	}
	r.loaded(firstExport)
	for key, err := range r.journal.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		entry, err := r.journal.Read(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(entry.Data), "Zz") {
			t.Errorf("the journal has words of X-Progress in %s", key)
		}
	}
}

func exportStatusRefused(t *testing.T) {
	newRig(t, bulkfhir.DialectBulk, func(r *rig) {
		r.always("status",
			says(200, `{"transactionTime":"2026-11-23T08:00:00Z","output":[]}`, "X-Export-Status",
				"200"))
	}).failed(firstExport, "X-Export-Status, which was not requested")
	newRig(t, bulkfhir.DialectBulk, func(r *rig) {
		r.always("status", says(400, "", "X-Export-Status", "202"))
	}).
		failed(firstExport, "X-Export-Status, which was not requested")
}

func transientFamily(t *testing.T) {
	for _, code := range []string{
		"transient", "lock-error", "no-store", "exception", "timeout", "incomplete", "throttled",
	} {
		r := newRig(t, bulkfhir.DialectBulk, func(r *rig) {
			r.firstly("status", 3, says(500, outcome(code, "later")))
		})
		r.loaded(firstExport)
	}
	for status, code := range map[int]string{
		500: "processing", 400: "invalid", 422: "not-supported", 404: "not-found",
	} {
		r := newRig(t, bulkfhir.DialectBulk, func(r *rig) {
			r.server.on["status"] = func(w http.ResponseWriter, _ *http.Request, n int) bool {
				if n > 12 { // in the first minute a replica may not know the job yet
					return false
				}
				says(status, outcome(code, "no"))(w, nil)
				return true
			}
		})
		if status == http.StatusNotFound {
			code = "does not know this job"
		}
		r.failed(firstExport, code)
	}
}

func pollBudget(t *testing.T) {
	bothDialects(t, func(t *testing.T, dialect string) {
		for name, h := range map[string]http.HandlerFunc{
			"cut": cut, "408": says(408, ""), "429": says(429, ""),
			"429 with advice": says(429, "", "Retry-After", "60"), "502": says(502, "<html>"),
			"503": says(503, ""), "504": says(504, ""),
			"a body cut short": says(200, "{", "Content-Length", "100"),
		} {
			r := newRig(t, dialect, func(r *rig) { r.firstly("status", 6, h) })
			r.loaded(firstExport)
			if n := len(r.server.requests("status")); n < 7 || n > 10 {
				t.Errorf("%s: %d polls", name, n)
			}
		}
		r := newRig(t, dialect, func(r *rig) { r.always("status", says(502, "")) })
		e := r.failed(firstExport, "tried 31 times", "HTTP 502")
		if took := e.FinishedAt.Sub(e.RequestedAt); took < time.Hour || took > 4*time.Hour {
			t.Errorf("given up after %v", took)
		}
	})
}

func jobsDeleted(t *testing.T) {
	r := newRig(t, bulkfhir.DialectBulk)
	r.loaded(firstExport)
	r.settle()
	if got := r.server.requests("cancel"); len(got) != 1 || got[0].uri != "/fhir/status/1" {
		t.Errorf("after the end: %+v, want one DELETE", got)
	}
	for _, status := range []int{200, 202, 204, 404} {
		r := newRig(t, bulkfhir.DialectBulk, func(r *rig) { r.always("cancel", says(status, "")) })
		r.loaded(firstExport)
		r.settle()
		if n := len(r.server.requests("cancel")); n != 1 {
			t.Errorf("HTTP %d: %d DELETEs", status, n)
		}
	}
	bothDialects(t, func(t *testing.T, dialect string) {
		r := newRig(t, dialect, func(r *rig) { r.server.polls = 1 << 30 })
		r.failed(firstExport, "cancelled")
		if n := len(r.server.requests("cancel")); n < 1 {
			t.Error("a job that was given up was left at the server")
		}
	})
}
