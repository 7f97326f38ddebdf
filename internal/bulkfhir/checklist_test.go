package bulkfhir_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"fhirsynapse/internal/bulkfhir"
	"fhirsynapse/internal/bulkfhir/auth"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// The checklist of a client of the Bulk Data Access guide, by its numbers.
var checklist = []struct {
	says  string
	check func(*testing.T)
}{
	1:  {"Accept: application/fhir+json at kick-off", kickOffAccepts},
	2:  {"Prefer: respond-async, handling=lenient only by setting", kickOffPrefers},
	3:  {"patient by POST only, never at system level", patientsByPOST},
	4:  {"each _typeFilter is one percent-encoded value", filtersEncoded},
	5:  {"GET or POST by setting or CapabilityStatement, the other one on 404, 405, 501", methodChosen},
	6:  {"Content-Location absolute, relative, in any case of letters", contentLocations},
	7:  {"errors read the OperationOutcome, else tell of the body", errorsTold},
	8:  {"a kick-off that is put off is no failure", kickOffPutOff},
	9:  {"polls back off and scatter", pollsBackOff},
	10: {"Retry-After in all forms, within bounds", retryAfterForms},
	11: {"status: Accept: application/json", statusAccepts},
	12: {"202 is running; X-Progress is for people", progressForPeople},
	13: {"X-Export-Status unasked is refused", exportStatusRefused},
	14: {"issues of the transient family are asked again, others fail", transientFamily},
	15: {"links that break, 408, 429, 502 to 504 within a budget", pollBudget},
	16: {"manifests of every version, with members unknown or missing", manifestVersions},
	17: {"an empty output is an export", emptyOutput},
	18: {"expired links: a fresh manifest", expiredLinks},
	19: {"requiresAccessToken: the token goes with files", tokenForFiles},
	20: {"no requiresAccessToken: it does not, unless by setting", noTokenForFiles},
	21: {"identity and gzip, by Content-Encoding", encodings},
	22: {"files: Accept: application/fhir+ndjson", filesAccept},
	23: {"no Authorization to other hosts by redirect", redirects},
	24: {"several files of a type, and of a name", severalFiles},
	25: {"output, deleted and error are read", allMembers},
	26: {"deletes: any number on a line", deletesApplied},
	27: {"a manifest of several pages, each once", pages},
	28: {"a file has one type; files organised otherwise are refused", oneType},
	29: {"a wrong count is read once more, then fails", counts},
	30: {"the watermark moves with loaded exports only", watermark},
	31: {"DELETE when finished or given up", jobsDeleted},
	32: {"references relative or absolute", references},
	33: {"TLS 1.2 or better, and http on loopback only", transportSecurity},
	34: {"the token is renewed before its end and once on 401", tokenRenewed},
	35: {"a server that ignores _type or _typeFilter does no harm", ignoredParameters},
	36: {"requests, answers and manifests are kept verbatim", keptVerbatim},
	37: {"one export in flight", oneInFlight},
	38: {"no files from private addresses unless allowed", privateAddresses},
	39: {"new members of a Group come whole", newMembers},
	40: {"rows by lastUpdated and versionId; equal ones change nothing", rowOrder},
}

func TestChecklist(t *testing.T) {
	t.Parallel()
	if len(checklist) != 41 {
		t.Fatalf("the checklist has %d points", len(checklist)-1)
	}
	for n, point := range checklist[1:] {
		t.Run(fmt.Sprintf("%02d", n+1), func(t *testing.T) {
			t.Parallel()
			t.Log(point.says)
			point.check(t)
		})
	}
}

// bothDialects runs a check before a server of each kind.
func bothDialects(t *testing.T, check func(t *testing.T, dialect string)) {
	for _, dialect := range []string{bulkfhir.DialectAzure, bulkfhir.DialectBulk} {
		t.Run(dialect, func(t *testing.T) { t.Parallel(); check(t, dialect) })
	}
}

func kickOffAccepts(t *testing.T) {
	bothDialects(t, func(t *testing.T, dialect string) {
		r := newRig(t, dialect)
		r.loaded(firstExport)
		for _, k := range r.server.requests("kick-off") {
			if got := k.header["Accept"]; len(got) != 1 || got[0] != "application/fhir+json" {
				t.Errorf("Accept: %q", got)
			}
		}
	})
}

func kickOffPrefers(t *testing.T) {
	bothDialects(t, func(t *testing.T, dialect string) {
		for lenient, want := range map[bool]string{false: "respond-async", true: "respond-async, handling=lenient"} {
			r := newRig(t, dialect, func(r *rig) { r.options.Lenient = lenient })
			r.loaded(firstExport)
			if got := r.server.requests("kick-off")[0].header["Prefer"]; len(got) != 1 || got[0] != want {
				t.Errorf("Prefer: %q, want %q", got, want)
			}
		}
	})
}

func patientsByPOST(t *testing.T) {
	ids := func(r *rig) { r.options.Patients = []string{"p1", "secret-7"} }
	r := newRig(t, bulkfhir.DialectBulk, ids, func(r *rig) { r.plan.Level = pipeline.LevelPatient })
	r.loaded(firstExport)
	k := r.server.requests("kick-off")
	if len(k) != 1 || k[0].method != http.MethodPost || k[0].header.Get("Content-Type") != "application/fhir+json" ||
		!strings.Contains(k[0].body, `{"name":"patient","valueReference":{"reference":"Patient/secret-7"}}`) || strings.Contains(k[0].uri, "?") {
		t.Errorf("kick-offs: %+v", k)
	}
	for key, err := range r.journal.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if d, err := r.journal.Read(t.Context(), key); err != nil || strings.Contains(string(d.Data), "secret-7") {
			t.Errorf("%s holds the id of a patient, %v", key, err)
		}
	}
	newRig(t, bulkfhir.DialectBulk, ids).failed(firstExport, "no meaning at level system")
	o := newRig(t, bulkfhir.DialectAzure).options
	o.Patients = []string{"p1"}
	if _, err := bulkfhir.New(o); !strings.Contains(textOf(err), "take no list of patients") {
		t.Errorf("azure: %v", err)
	}
}

func filtersEncoded(t *testing.T) {
	bothDialects(t, func(t *testing.T, dialect string) {
		r := newRig(t, dialect, func(r *rig) {
			r.plan.TypeFilter = []string{"Observation?code=http://loinc.org|72166-2&status=final", "Patient?name=A b+c"}
			r.plan.Deleted = false
		})
		r.loaded(firstExport)
		uri := r.server.requests("kick-off")[0].uri
		for _, want := range []string{
			"_typeFilter=Observation%3Fcode%3Dhttp%3A%2F%2Floinc.org%7C72166-2%26status%3Dfinal&",
			"_typeFilter=Patient%3Fname%3DA%20b%2Bc",
		} {
			if !strings.Contains(uri+"&", want) {
				t.Errorf("%s is without %s", uri, want)
			}
		}
	})
	// What a server would misread is refused before the call.
	for filter, dialects := range map[string]map[string]string{
		"Observation?code=a,b":     {bulkfhir.DialectAzure: "comma", bulkfhir.DialectBulk: ""},
		"Observation?code=a=b":     {bulkfhir.DialectAzure: `without a further "="`, bulkfhir.DialectBulk: ""},
		"Observation?_count=10":    {bulkfhir.DialectAzure: "shapes an answer", bulkfhir.DialectBulk: "shapes an answer"},
		"Observation?code":         {bulkfhir.DialectAzure: "name=value", bulkfhir.DialectBulk: "name=value"},
		"Encounter?status=planned": {bulkfhir.DialectAzure: "not among the types", bulkfhir.DialectBulk: "not among the types"},
		"code=x":                   {bulkfhir.DialectAzure: "must look like", bulkfhir.DialectBulk: "must look like"},
	} {
		for dialect, want := range dialects {
			r := newRig(t, dialect, func(r *rig) { r.plan.TypeFilter, r.plan.Deleted = []string{filter}, false })
			if want == "" {
				r.loaded(firstExport)
				continue
			}
			if e := r.failed(firstExport, want); e.Failure.Whose != string(fault.OurSetting) || len(r.server.requests("kick-off")) != 0 {
				t.Errorf("%s, %s: of %q, after %d kick-offs", dialect, filter, e.Failure.Whose, len(r.server.requests("kick-off")))
			}
		}
	}
	r := newRig(t, bulkfhir.DialectAzure)
	_, err := r.source.KickOff(t.Context(), pipeline.Request{Level: "system", Types: []string{"Observation"}, TypeFilter: []string{"Observation?code=a"}, Deleted: true})
	if !strings.Contains(textOf(err), "exclude each other") {
		t.Errorf("with deletes: %v", err)
	}
}

func methodChosen(t *testing.T) {
	methods := func(r *rig) string {
		var out []string
		for _, k := range r.server.requests("kick-off") {
			out = append(out, k.method)
		}
		return strings.Join(out, " ")
	}
	only := func(status int, method string) func(*rig) {
		return func(r *rig) {
			r.server.on["kick-off"] = func(w http.ResponseWriter, req *http.Request, _ int) bool {
				if req.Method == method {
					return false
				}
				w.WriteHeader(status)
				return true
			}
		}
	}
	version4 := func(r *rig) {
		r.always("metadata", says(200, `{"instantiates":["http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data|4.0.0"]}`))
	}
	for name, c := range map[string]struct {
		change []func(*rig)
		want   string
	}{
		"GET at first":              {nil, "GET"},
		"by setting":                {[]func(*rig){func(r *rig) { r.options.Method = "POST" }}, "POST"},
		"by the statement":          {[]func(*rig){version4}, "POST"},
		"405, then POST":            {[]func(*rig){only(405, "POST")}, "GET POST"},
		"404, then POST":            {[]func(*rig){only(404, "POST")}, "GET POST"},
		"501, then GET":             {[]func(*rig){version4, only(501, "GET")}, "POST GET"},
		"a cut is no reason":        {[]func(*rig){func(r *rig) { r.firstly("kick-off", 1, cut) }}, "GET GET"},
		"and neither is an outage":  {[]func(*rig){func(r *rig) { r.firstly("kick-off", 1, says(503, "")) }}, "GET GET"},
		"and neither is a 400 once": {[]func(*rig){func(r *rig) { r.firstly("kick-off", 1, says(400, "")) }}, "GET"},
	} {
		r := newRig(t, bulkfhir.DialectBulk, c.change...)
		e := r.run(firstExport)
		if got := methods(r); got != c.want || (e.State != pipeline.Loaded) != strings.Contains(name, "400") {
			t.Errorf("%s: asked by %s, want %s; %s", name, got, c.want, e.State)
		}
	}
	r := newRig(t, bulkfhir.DialectBulk, func(r *rig) { r.options.Method = "POST" })
	r.loaded(firstExport)
	body := r.server.requests("kick-off")[0].body
	if want := `{"parameter":[{"name":"_type","valueString":"Patient"},{"name":"_type","valueString":"Observation"}],"resourceType":"Parameters"}`; body != want {
		t.Errorf("POST: %s, want %s", body, want)
	}
}

func contentLocations(t *testing.T) {
	for location, path := range map[string]string{
		"/fhir/status/1":                          "/fhir/status/1",
		"status/1":                                "/fhir/status/1",
		"BASE/fhir/status/1/":                     "/fhir/status/1/",
		"BASE/fhir/status/1?job=a%3D%3d&x=%2f;y":  "/fhir/status/1?job=a%3D%3d&x=%2f;y",
		"BASE/fhir//status/1/a%20b?_=%e2%82%ac+1": "/fhir//status/1/a%20b?_=%e2%82%ac+1",
		" BASE/fhir/status/1 ":                    "/fhir/status/1",
	} {
		r := newRig(t, bulkfhir.DialectBulk)
		r.server.on["kick-off"] = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			w.Header()["content-location"] = []string{strings.Replace(location, "BASE", r.server.URL, 1)}
			w.WriteHeader(http.StatusAccepted)
			return true
		}
		r.loaded(firstExport)
		for _, s := range append(r.server.requests("status"), r.server.requests("cancel")...) {
			if s.uri != path {
				t.Errorf("%s: asked for %s, want %s", location, s.uri, path)
			}
		}
	}
	for _, location := range []string{"", "mailto:x", "://"} {
		r := newRig(t, bulkfhir.DialectBulk, func(r *rig) { r.always("kick-off", says(202, "", "Content-Location", location)) })
		r.failed(firstExport, "its job cannot be followed")
	}
}

func errorsTold(t *testing.T) {
	for name, c := range map[string]struct {
		h    http.HandlerFunc
		want []string
	}{
		"an outcome":           {says(400, outcome("invalid", "unknown parameter _foo")), []string{"HTTP 400: invalid unknown parameter _foo"}},
		"an outcome as text":   {says(422, outcome("invalid", "no"), "Content-Type", "text/plain"), []string{"HTTP 422: invalid no"}},
		"a page":               {says(403, "<html>", "Content-Type", "text/html"), []string{"HTTP 403 (text/html, 6 bytes)"}},
		"another JSON":         {says(400, `{"error":"x"}`, "Content-Type", "application/json"), []string{"application/json, 13 bytes"}},
		"nothing":              {says(400, ""), []string{"HTTP 400"}},
		"an outcome, no issue": {says(400, `{"resourceType":"OperationOutcome"}`), []string{"without issues"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newRig(t, bulkfhir.DialectBulk, func(r *rig) { r.always("kick-off", c.h) }).failed(firstExport, c.want...)
		})
	}
}

func kickOffPutOff(t *testing.T) {
	bothDialects(t, func(t *testing.T, dialect string) {
		r := newRig(t, dialect, func(r *rig) {
			r.firstly("kick-off", 8, says(429, outcome("throttled", "wait"), "Retry-After", "240"))
		})
		r.loaded(firstExport)
		if j := r.job(firstExport + ".1"); j.KickOffs != 1 || j.Lost != 0 {
			t.Errorf("%d kick-offs counted, %d lost, want 1 and 0", j.KickOffs, j.Lost)
		}
		for i, g := range gaps(r.server.requests("kick-off")) {
			if g < 4*time.Minute {
				t.Errorf("kick-off %d came %v after the one before, which was told to wait for 4 minutes", i+2, g)
			}
		}
	})
}

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
			r.server.on["status"] = func(w http.ResponseWriter, req *http.Request, n int) bool { return n <= 25 && on(w, req, n) }
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
		// A date has whole seconds only.
		if want > 0 && (got > want || got < want-time.Second) || want == 0 && (got < 10*time.Second || got > 20*time.Second) {
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
		w.Header().Set("X-Progress", []string{"100%", "done!", strings.Repeat("z", 300)}[n-1])
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
	if e.State != pipeline.Exporting || e.Progress != strings.Repeat("z", 100)+"…" {
		t.Errorf("%s with progress %q", e.State, e.Progress)
	}
	r.loaded(firstExport)
}

func exportStatusRefused(t *testing.T) {
	newRig(t, bulkfhir.DialectBulk, func(r *rig) {
		r.always("status", says(200, `{"transactionTime":"2026-11-23T08:00:00Z","output":[]}`, "X-Export-Status", "200"))
	}).failed(firstExport, "X-Export-Status, for which nobody asked")
	newRig(t, bulkfhir.DialectBulk, func(r *rig) { r.always("status", says(400, "", "X-Export-Status", "202")) }).
		failed(firstExport, "X-Export-Status, for which nobody asked")
}

func transientFamily(t *testing.T) {
	for _, code := range []string{"transient", "lock-error", "no-store", "exception", "timeout", "incomplete", "throttled"} {
		r := newRig(t, bulkfhir.DialectBulk, func(r *rig) { r.firstly("status", 3, says(500, outcome(code, "later"))) })
		r.loaded(firstExport)
	}
	for status, code := range map[int]string{500: "processing", 400: "invalid", 422: "not-supported", 404: "not-found"} {
		r := newRig(t, bulkfhir.DialectBulk, func(r *rig) {
			r.server.on["status"] = func(w http.ResponseWriter, _ *http.Request, n int) bool {
				if n > 12 { // the first minute may be a replica's lag
					return false
				}
				says(status, outcome(code, "no"))(w, nil)
				return true
			}
		})
		r.failed(firstExport, code+" no")
	}
}

func pollBudget(t *testing.T) {
	bothDialects(t, func(t *testing.T, dialect string) {
		for name, h := range map[string]http.HandlerFunc{
			"cut": cut, "408": says(408, ""), "429": says(429, ""), "429 with advice": says(429, "", "Retry-After", "60"), "502": says(502, "<html>"),
			"503": says(503, ""), "504": says(504, ""), "a body cut short": says(200, "{", "Content-Length", "100"),
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

func manifestVersions(t *testing.T) {
	for name, edit := range map[string]func(m map[string]any){
		"version 1, without error": func(m map[string]any) { delete(m, "error"); delete(m, "deleted") },
		"version 4": func(m map[string]any) {
			m["outcome"] = m["error"]
			delete(m, "error")
			delete(m, "request")
			m["manifestType"] = "x"
		},
		"extensions of either form":  func(m map[string]any) { m["extension"] = []any{map[string]any{"url": "x"}} },
		"members of another type":    func(m map[string]any) { m["request"] = 7; m["requiresAccessToken"] = "false"; m["issues"] = nil },
		"entries with more than due": func(m map[string]any) { m["output"].([]map[string]any)[0]["fileSize"] = 12 },
		"counts as text":             func(m map[string]any) { m["output"].([]map[string]any)[0]["count"] = "2" },
		"no counts":                  func(m map[string]any) { delete(m["output"].([]map[string]any)[0], "count") },
		"a time without zone":        func(m map[string]any) { m["transactionTime"] = begin.Format("2006-01-02T15:04:05") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, bulkfhir.DialectBulk, func(r *rig) { r.server.edit = func(m map[string]any, _ int) { edit(m) } })
			r.loaded(firstExport)
			r.expectRows("patient", 2)
		})
	}
	for name, c := range map[string]struct {
		edit func(m map[string]any)
		want string
	}{
		"no transactionTime":   {func(m map[string]any) { delete(m, "transactionTime") }, "no transactionTime"},
		"an odd one":           {func(m map[string]any) { m["transactionTime"] = "yesterday" }, "is no instant"},
		"one of the future":    {func(m map[string]any) { m["transactionTime"] = "2036-01-01T00:00:00Z" }, "ahead of the server's own clock"},
		"an entry without url": {func(m map[string]any) { delete(m["output"].([]map[string]any)[1], "url") }, "output[1] lacks"},
		"a file elsewhere":     {func(m map[string]any) { m["output"].([]map[string]any)[1]["url"] = "gs://bucket/x" }, "at no http or https URL"},
		"a path for a type":    {func(m map[string]any) { m["output"].([]map[string]any)[1]["type"] = "../../x" }, "no resource type"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newRig(t, bulkfhir.DialectBulk, func(r *rig) { r.server.edit = func(m map[string]any, _ int) { c.edit(m) } }).failed(firstExport, c.want)
		})
	}
}

func emptyOutput(t *testing.T) {
	bothDialects(t, func(t *testing.T, dialect string) {
		r := newRig(t, dialect, func(r *rig) { r.server.output = nil })
		r.loaded(firstExport)
		r.expectRows("patient", 0)
		r.loaded(secondExport)
		e, _ := r.export(secondExport)
		if e.Jobs[0].Since.IsZero() {
			t.Error("the watermark did not move")
		}
	})
}

func expiredLinks(t *testing.T) {
	for _, status := range []int{401, 403, 404, 410} {
		r := newRig(t, bulkfhir.DialectBulk)
		r.server.output = nil
		for i := range 6 {
			r.server.output = append(r.server.output, ndjson("Patient", patient(fmt.Sprintf("p%d", i))))
		}
		age := 0
		r.server.edit = func(m map[string]any, _ int) {
			for _, f := range m["output"].([]map[string]any) {
				f["url"] = fmt.Sprintf("%v?age=%d", f["url"], age)
			}
		}
		r.server.on["file"] = func(w http.ResponseWriter, req *http.Request, n int) bool {
			if n == 3 {
				age = 1 // every link that was given out ends
			}
			if req.URL.Query().Get("age") != strconv.Itoa(age) {
				w.WriteHeader(status)
				return true
			}
			return false
		}
		r.server.polls = 0
		r.loaded(firstExport)
		r.expectRows("patient", 6)
		if n := len(r.server.requests("status")); n != 2 {
			t.Errorf("HTTP %d: the manifest was read %d times, want 2", status, n)
		}
	}
	r := newRig(t, bulkfhir.DialectBulk)
	r.server.on["status"] = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		w.Header().Set("Expires", begin.Add(48*time.Hour).Format(http.TimeFormat))
		return false
	}
	r.loaded(firstExport)
	if m := document[pipeline.Manifest](r, "manifests/"+firstExport+".1"); !m.Expires.Equal(begin.Add(48 * time.Hour)) {
		t.Errorf("Expires is kept as %v", m.Expires)
	}
}

func withToken(r *rig) {
	r.options.Token = func(context.Context) (string, error) { return "our-token", nil }
}

func tokenForFiles(t *testing.T) {
	r := newRig(t, bulkfhir.DialectBulk, withToken, func(r *rig) {
		r.server.edit = func(m map[string]any, _ int) { m["requiresAccessToken"] = true }
	})
	r.loaded(firstExport)
	for _, f := range r.server.requests("file") {
		if f.header.Get("Authorization") != "Bearer our-token" {
			t.Errorf("a file was asked for with %q", f.header.Get("Authorization"))
		}
	}
}

func noTokenForFiles(t *testing.T) {
	for override, want := range map[string]string{"": "", "always": "Bearer our-token", "never": ""} {
		r := newRig(t, bulkfhir.DialectBulk, withToken, func(r *rig) {
			r.options.FileToken = override
			r.server.edit = func(m map[string]any, _ int) { m["requiresAccessToken"] = override == "never" }
		})
		r.loaded(firstExport)
		for _, f := range r.server.requests("file") {
			if got := f.header.Get("Authorization"); got != want {
				t.Errorf("setting %q: a file was asked for with %q, want %q", override, got, want)
			}
		}
	}
	// The server that breaks the rule says so by 401; the error names the setting.
	r := newRig(t, bulkfhir.DialectBulk, withToken)
	r.server.on["file"] = func(w http.ResponseWriter, req *http.Request, _ int) bool {
		if req.Header.Get("Authorization") == "" {
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		return false
	}
	if e := r.failed(firstExport, "HTTP 401", "fileToken: always"); e.Failure.Whose != string(fault.OurSetting) {
		t.Errorf("of %q", e.Failure.Whose)
	}
}

func zip(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return b.String()
}

func encodings(t *testing.T) {
	file := func(path, body, encoding string) func(*rig) {
		return func(r *rig) {
			r.server.output = []scriptFile{ndjson("Patient", patient("p1"), patient("p2"))}
			r.server.edit = func(m map[string]any, _ int) {
				f := m["output"].([]map[string]any)[0]
				f["url"] = strings.Replace(f["url"].(string), "Patient.ndjson", path, 1)
			}
			r.server.on["file"] = func(w http.ResponseWriter, req *http.Request, _ int) bool {
				if !strings.Contains(req.Header.Get("Accept-Encoding"), "gzip") {
					t.Errorf("Accept-Encoding: %q", req.Header.Get("Accept-Encoding"))
				}
				if encoding != "" {
					w.Header().Set("Content-Encoding", encoding)
				}
				_, _ = io.WriteString(w, body)
				return true
			}
		}
	}
	plain := patient("p1") + "\n" + patient("p2") + "\n"
	half := zip(patient("p1")+"\n") + zip(patient("p2")+"\n")
	for name, c := range map[string]struct{ path, body, encoding string }{
		"plain":                       {"Patient.ndjson", plain, ""},
		"identity":                    {"Patient.ndjson", plain, "identity"},
		"gzip":                        {"Patient.ndjson", zip(plain), "gzip"},
		"GZIP":                        {"Patient.ndjson", zip(plain), "GZIP"},
		"gzip in two members":         {"Patient.ndjson", half, "gzip"},
		"a .gz that says nothing":     {"Patient.ndjson.gz", zip(plain), ""},
		"a .gz that is none":          {"Patient.ndjson.gz", plain, ""},
		"a .gz with Content-Encoding": {"Patient.ndjson.gz", zip(plain), "gzip"},
	} {
		r := newRig(t, bulkfhir.DialectBulk, file(c.path, c.body, c.encoding))
		if e := r.run(firstExport); e.State != pipeline.Loaded {
			t.Errorf("%s: %+v", name, e.Failure)
		}
		r.expectRows("patient", 2)
	}
	newRig(t, bulkfhir.DialectBulk, file("Patient.ndjson", plain, "br")).failed(firstExport, `encoding "br"`)
	newRig(t, bulkfhir.DialectBulk, file("Patient.ndjson", zip(plain)[:30], "gzip")).failed(firstExport, "gzip is cut short or damaged")
	newRig(t, bulkfhir.DialectBulk, file("Patient.ndjson", plain, "gzip")).failed(firstExport, "gzip is cut short or damaged")
	// A manifest may be compressed as well.
	r := newRig(t, bulkfhir.DialectBulk)
	r.server.on["status"] = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, zip(`{"transactionTime":"2026-11-23T08:00:00Z","output":[]}`))
		return true
	}
	r.loaded(firstExport)
}

func filesAccept(t *testing.T) {
	r := newRig(t, bulkfhir.DialectBulk)
	r.loaded(firstExport)
	if n := len(r.server.requests("file")); n != 2 {
		t.Errorf("%d requests for 2 files", n)
	}
	for _, f := range r.server.requests("file") {
		if f.header.Get("Accept") != "application/fhir+ndjson" {
			t.Errorf("Accept: %q", f.header.Get("Accept"))
		}
	}
}

func redirects(t *testing.T) {
	other := func(t *testing.T, h http.HandlerFunc) *httptest.Server {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s
	}
	r := newRig(t, bulkfhir.DialectBulk, withToken, func(r *rig) {
		r.options.AllowPrivate = true
		r.server.edit = func(m map[string]any, _ int) { m["requiresAccessToken"] = true }
	})
	elsewhere := other(t, func(w http.ResponseWriter, req *http.Request) {
		if a := req.Header.Get("Authorization"); a != "" {
			t.Errorf("the other host was given %q", a)
		}
		r.server.file(w, req)
	})
	r.server.on["file"] = func(w http.ResponseWriter, req *http.Request, _ int) bool {
		if req.Header.Get("Authorization") != "Bearer our-token" {
			t.Error("the server itself was not given the token")
		}
		http.Redirect(w, req, elsewhere.URL+req.URL.Path, http.StatusTemporaryRedirect)
		return true
	}
	r.loaded(firstExport)
	r.expectRows("patient", 2)

	// A kick-off that would go on as another request is none.
	r = newRig(t, bulkfhir.DialectBulk, func(r *rig) {
		r.options.Method = http.MethodPost
		r.always("kick-off", func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, "/fhir/status/1", http.StatusFound)
		})
	})
	r.failed(firstExport, "HTTP 302")
	r = newRig(t, bulkfhir.DialectBulk, func(r *rig) {
		r.always("file", func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, req.URL.Path, http.StatusTemporaryRedirect)
		})
	})
	r.failed(firstExport, "redirects more than 10 times")
}

func severalFiles(t *testing.T) {
	r := newRig(t, bulkfhir.DialectBulk, func(r *rig) {
		r.server.output = nil
		for i := range 5 {
			r.server.output = append(r.server.output, ndjson("Patient", patient(fmt.Sprintf("p%d", i)), patient("twice")))
		}
	})
	r.loaded(firstExport)
	r.expectRows("patient", 6)
	seen := map[string]bool{}
	for f, err := range r.lake.List(t.Context(), pipeline.Landing, "") {
		if err != nil || seen[f.Path] {
			t.Errorf("%s, %v", f.Path, err)
		}
		seen[f.Path] = true
	}
	if len(seen) != 5 {
		t.Errorf("%d files landed, want 5", len(seen))
	}
}

func deletedBundle(ids ...string) string {
	var entries []string
	for _, id := range ids {
		entries = append(entries, `{"request":{"method":"DELETE","url":"`+id+`"}}`)
	}
	return `{"resourceType":"Bundle","type":"transaction","entry":[` + strings.Join(entries, ",") + `]}`
}

func allMembers(t *testing.T) {
	r := newRig(t, bulkfhir.DialectBulk, func(r *rig) {
		r.server.deleted = []scriptFile{ndjson("Bundle", deletedBundle("Patient/p9"))}
		r.server.errors = []scriptFile{ndjson("OperationOutcome", outcome("processing", "secret-name"), outcome("not-found", "x"), outcome("processing", "y"))}
	})
	r.loaded(firstExport)
	r.settle()
	issues, err := r.p.Issues(t.Context(), firstExport)
	if err != nil || fmt.Sprint(issues) != "map[error/not-found:1 error/processing:2]" {
		t.Errorf("issues: %v, %v", issues, err)
	}
	if strings.Contains(r.said.String(), "secret-name") {
		t.Error("the words of an error file came into the log")
	}
	kept := 0
	for f, err := range r.lake.List(t.Context(), pipeline.Landing, "") {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(f.Path, "OperationOutcome") {
			kept++
		}
	}
	if kept != 1 {
		t.Errorf("%d error files kept, want 1", kept)
	}
}

func deletesApplied(t *testing.T) {
	r := newRig(t, bulkfhir.DialectBulk, func(r *rig) {
		r.server.output = []scriptFile{ndjson("Patient", patient("p1"), patient("p2"), patient("p3"), patient("p4"))}
	})
	r.loaded(firstExport)
	r.expectRows("patient", 4)
	r.server.output = []scriptFile{ndjson("Patient", patient("p4"))}
	r.server.deleted = []scriptFile{
		ndjson("Bundle", deletedBundle("Patient/p1", "Observation/o7", "http://elsewhere.example/fhir/Patient/p2"), deletedBundle(), ""),
		ndjson("Bundle", deletedBundle("Patient/p3")),
	}
	r.server.deleted[0].count = 2 // a blank line is none
	r.loaded(secondExport)
	r.expectRows("patient", 1)
	r.server.output, r.server.deleted = []scriptFile{ndjson("Patient", patient("p1"))}, nil
	r.loaded("nightly-000003") // born again
	r.expectRows("patient", 2)

	for name, line := range map[string]string{
		"no Bundle":            patient("p1"),
		"no JSON":              "{",
		"a conditional delete": deletedBundle("Patient?name=x"),
		"an id that is none":   deletedBundle("Patient/a b"),
		"another method":       strings.Replace(deletedBundle("Patient/p1"), "DELETE", "PUT", 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, bulkfhir.DialectBulk, func(r *rig) { r.server.deleted = []scriptFile{ndjson("Bundle", line)} })
			r.failed(firstExport, "line 1 of the deletes cannot be applied")
			r.expectRows("patient", 0)
		})
	}
}

func pages(t *testing.T) {
	many := func(r *rig) {
		r.server.output = nil
		for i := range 7 {
			r.server.output = append(r.server.output, ndjson("Patient", patient(fmt.Sprintf("p%d", i))))
		}
		r.server.perPage = 2
	}
	r := newRig(t, bulkfhir.DialectBulk, many)
	r.loaded(firstExport)
	r.expectRows("patient", 7)
	asked := map[string]int{}
	for _, s := range r.server.requests("status") {
		asked[s.uri]++
	}
	for page := 1; page <= 3; page++ {
		if n := asked[fmt.Sprintf("/fhir/status/1?page=%d", page)]; n != 1 {
			t.Errorf("page %d was read %d times: %v", page, n, asked)
		}
	}
	raw := document[struct {
		Manifest string
		Pages    []string
	}](r, "manifests/"+firstExport+".1.raw")
	if len(raw.Pages) != 3 || !strings.Contains(raw.Manifest, "transactionTime") {
		t.Errorf("%d further pages kept, want 3", len(raw.Pages))
	}
	for name, c := range map[string]struct {
		edit func(m map[string]any, page int)
		want string
	}{
		"a loop": {func(m map[string]any, page int) {
			if page == 2 {
				m["link"] = []map[string]any{{"relation": "next", "url": "/fhir/status/1?page=1"}}
			}
		}, "leads back to a page before it"},
		"another time": {func(m map[string]any, page int) {
			if page == 1 {
				m["transactionTime"] = "2026-01-01T00:00:00Z"
			}
		}, "page 2 is of another transactionTime"},
		"another need of tokens": {func(m map[string]any, page int) { m["requiresAccessToken"] = page == 1 }, "says otherwise of requiresAccessToken"},
		"no URL": {func(m map[string]any, page int) {
			m["link"] = []map[string]any{{"relation": "next", "url": "mailto:x"}}
		}, "is no URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newRig(t, bulkfhir.DialectBulk, many, func(r *rig) { r.server.edit = c.edit }).failed(firstExport, c.want)
		})
	}
	// A page that cannot be had for a while is asked for again; a 202 that carries a
	// manifest is running all the same, since nobody asked for partial ones.
	r = newRig(t, bulkfhir.DialectBulk, many)
	r.server.on["status"] = func(w http.ResponseWriter, req *http.Request, n int) bool {
		switch {
		case n == 1:
			says(202, `{"transactionTime":"2026-11-23T08:00:00Z","output":[],"link":[{"relation":"next","url":"x"}]}`)(w, req)
		case strings.Contains(req.RequestURI, "page=2") && n < 8:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			return false
		}
		return true
	}
	r.loaded(firstExport)
	r.expectRows("patient", 7)
}

func oneType(t *testing.T) {
	r := newRig(t, bulkfhir.DialectBulk, func(r *rig) {
		r.server.output = []scriptFile{ndjson("Patient", patient("p1"), observation("o1", "Patient/p1"))}
	})
	r.failed(firstExport, "1 of 2 lines are bad")
	r.expectRows("patient", 0)
	r = newRig(t, bulkfhir.DialectBulk, func(r *rig) {
		r.server.output = []scriptFile{ndjson("Patient", patient("p1"), outcome("exception", "x"))}
		r.plan.MaxBad = 0.5
	})
	r.loaded(firstExport)
	r.expectRows("patient", 1)
	bothDialects(t, func(t *testing.T, dialect string) {
		newRig(t, dialect, func(r *rig) {
			r.server.edit = func(m map[string]any, _ int) { m["outputOrganizedBy"] = "Patient" }
		}).failed(firstExport, `organised by "Patient", for which nobody asked`)
	})
}

func counts(t *testing.T) {
	for name, c := range map[string]struct {
		bad  int // downloads that are short
		ok   bool
		want int
	}{"once": {1, true, 2}, "always": {1 << 30, false, 2}} {
		r := newRig(t, bulkfhir.DialectBulk, func(r *rig) {
			r.server.output = []scriptFile{ndjson("Patient", patient("p1"), patient("p2"), patient("p3"))}
			r.firstly("file", c.bad, says(200, patient("p1")+"\n"))
		})
		if c.ok {
			r.loaded(firstExport)
			r.expectRows("patient", 3)
		} else if e := r.failed(firstExport, "the manifest counts otherwise: 3 resources, the file has 1"); e.Failure.Whose != string(fault.TheirServer) {
			t.Errorf("of %q", e.Failure.Whose)
		}
		if n := len(r.server.requests("file")); n != c.want {
			t.Errorf("%s: %d downloads, want %d", name, n, c.want)
		}
	}
	newRig(t, bulkfhir.DialectAzure, func(r *rig) { r.server.output[0].count = 5 }).failed(firstExport, "the manifest counts 5 resources, the file has 2")
}

func watermark(t *testing.T) {
	for _, until := range []bool{false, true} {
		r := newRig(t, bulkfhir.DialectBulk, func(r *rig) {
			r.options.Until, r.plan.OpenEnd = until, !until
			r.plan.Lag, r.plan.Overlap = 3*time.Minute, 15*time.Minute
		})
		on := r.server.on["file"]
		r.always("file", says(410, ""))
		r.failed(firstExport, "410")
		r.server.on["file"] = on
		r.loaded(secondExport)
		failed, _ := r.export(firstExport)
		loaded, _ := r.export(secondExport)
		if !failed.Jobs[0].Since.IsZero() || !loaded.Jobs[0].Since.IsZero() {
			t.Error("an export that failed moved the watermark")
		}
		r.loaded("nightly-000003")
		third, _ := r.export("nightly-000003")
		mark := r.job(secondExport + ".1").TransactionTime
		if until {
			mark = loaded.Jobs[0].Till
		}
		if want := mark.Add(-15 * time.Minute); mark.IsZero() || !third.Jobs[0].Since.Equal(want) {
			t.Errorf("until %v: since is %v, want %v", until, third.Jobs[0].Since, want)
		}
		k := r.server.requests("kick-off")
		if got := strings.Contains(k[0].uri, "_until="); got != until {
			t.Errorf("until %v: asked for %s", until, k[0].uri)
		}
		if strings.Contains(k[1].uri, "_since=") || !strings.Contains(k[2].uri, "_since=") {
			t.Errorf("asked for %s, then %s", k[1].uri, k[2].uri)
		}
	}
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

func references(t *testing.T) {
	r := newRig(t, bulkfhir.DialectBulk, func(r *rig) {
		r.server.output[1] = ndjson("Observation", observation("o1", "Patient/p1"), observation("o2", r.server.URL+"/fhir/Patient/p1"))
	})
	r.loaded(firstExport)
	for _, row := range r.rows("observation") {
		if !strings.Contains(row, `patient_id="p1"`) {
			t.Errorf("row %s", row)
		}
	}
	r.expectRows("observation", 2)
}

func transportSecurity(t *testing.T) {
	old := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) }))
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	old.StartTLS()
	t.Cleanup(old.Close)
	old.Config.ErrorLog = nil
	s, err := bulkfhir.New(bulkfhir.Options{Dialect: bulkfhir.DialectBulk, BaseURL: old.URL, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Now(t.Context()); !strings.Contains(textOf(err), "protocol version") {
		t.Errorf("TLS 1.1: %v", err)
	}
	token := func(context.Context) (string, error) { return "t", nil }
	if _, err := bulkfhir.New(bulkfhir.Options{Dialect: bulkfhir.DialectBulk, BaseURL: "http://ehr.example/fhir", Token: token, Now: time.Now}); !strings.Contains(textOf(err), "https only") {
		t.Errorf("a token over http: %v", err)
	}
	// A server with TLS whose manifest leads to files without.
	var files int
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { files++ }))
	t.Cleanup(plain.Close)
	safe := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(safe.Close)
	s, err = bulkfhir.New(bulkfhir.Options{Dialect: bulkfhir.DialectBulk, BaseURL: safe.URL, HTTP: safe.Client(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.(pipeline.Downloader).Download(t.Context(), pipeline.OutputFile{URL: "http://files.example/x"}, false); !strings.Contains(textOf(err), "without TLS") {
		t.Errorf("a file over http: %v", err)
	}
}

func tokenRenewed(t *testing.T) {
	var r *rig
	issued, valid := 0, map[string]time.Time{}
	signIn := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		issued++
		token := fmt.Sprintf("token-%d", issued)
		valid[token] = r.now().Add(5 * time.Minute)
		_, _ = fmt.Fprintf(w, `{"access_token":%q,"expires_in":300}`, token)
	}))
	t.Cleanup(signIn.Close)
	refused, revoke := 0, false
	r = newRig(t, bulkfhir.DialectBulk, func(r *rig) {
		tokens, err := auth.ClientSecret(auth.Client{TokenURL: signIn.URL, ClientID: "me", Now: r.now}, "x")
		if err != nil {
			t.Fatal(err)
		}
		r.options.Token, r.options.Renew = tokens.Token, tokens.Renew
		r.server.polls = 30
		check := func(w http.ResponseWriter, req *http.Request, n int) bool {
			token := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
			if n == 5 && revoke {
				delete(valid, token)
			}
			if !r.now().Before(valid[token]) {
				refused++
				w.WriteHeader(http.StatusUnauthorized)
				return true
			}
			return false
		}
		r.server.on["status"], r.server.on["file"] = check, check
		r.server.edit = func(m map[string]any, _ int) { m["requiresAccessToken"] = true }
	})
	r.loaded(firstExport)
	if refused != 0 || issued < 5 {
		t.Errorf("%d refusals with %d tokens, want none: tokens are renewed before their end", refused, issued)
	}
	refused, revoke = 0, true
	r.server.mu.Lock()
	r.server.seen["status"] = 0
	r.server.mu.Unlock()
	r.loaded(secondExport)
	if refused != 1 {
		t.Errorf("%d refusals of a token that was revoked, want 1", refused)
	}
	r = newRig(t, bulkfhir.DialectBulk, withToken, func(r *rig) { r.always("status", says(401, "")) })
	if e := r.failed(firstExport, "HTTP 401"); e.Failure.Whose != string(fault.OurPermission) || len(r.server.requests("status")) != 1 {
		t.Errorf("of %q after %d polls", e.Failure.Whose, len(r.server.requests("status")))
	}
}

func ignoredParameters(t *testing.T) {
	r := newRig(t, bulkfhir.DialectBulk, func(r *rig) {
		r.plan.Types = []string{"Patient"}
		r.plan.TypeFilter = []string{"Patient?active=true"}
		r.server.output = append(r.server.output, ndjson("Basic", `{"resourceType":"Basic","id":"b1"}`))
		r.server.output[0] = ndjson("Patient", patient("p1", `"meta":{"tag":[{"code":"SUBSETTED"}]}`), patient("p2", `"active":false`))
	})
	r.loaded(firstExport)
	// What the server marks as incomplete takes no whole row's place.
	r.expectRows("patient", 1)
	r.expectRows("observation", 1)
}

func keptVerbatim(t *testing.T) {
	bothDialects(t, func(t *testing.T, dialect string) {
		r := newRig(t, dialect, withToken)
		r.server.on["kick-off"] = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			w.Header().Set("X-Request-Id", "their-id-7")
			w.Header().Set("Set-Cookie", "session=hunter2")
			return false
		}
		r.loaded(firstExport)
		x := r.job(firstExport + ".1").Exchange
		k := r.server.requests("kick-off")[0]
		if x == nil || x.URL != r.server.URL+k.uri || x.Method != k.method || x.Status != 202 || x.Request["Prefer"] != "respond-async" ||
			x.Answer["Content-Location"] == "" || x.Answer["X-Request-Id"] != "their-id-7" || x.Software != "Script 1.0, FHIR 4.0.1" {
			t.Errorf("kept: %+v", x)
		}
		raw := document[struct{ Manifest string }](r, "manifests/"+firstExport+".1.raw")
		if !strings.Contains(raw.Manifest, `"requiresAccessToken":false`) {
			t.Errorf("manifest: %s", raw.Manifest)
		}
		for key, err := range r.journal.List(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
			d, err := r.journal.Read(t.Context(), key)
			if err != nil || strings.Contains(string(d.Data), "our-token") || strings.Contains(string(d.Data), "hunter2") {
				t.Errorf("%s holds a secret, %v", key, err)
			}
		}
	})
}

func oneInFlight(t *testing.T) {
	r := newRig(t, bulkfhir.DialectBulk)
	id, err := r.p.Start(t.Context(), "nightly")
	if err != nil || id != firstExport {
		t.Fatalf("%s, %v", id, err)
	}
	if _, err := r.p.Start(t.Context(), "nightly"); !strings.Contains(textOf(err), "is still exporting") {
		t.Errorf("a second start: %v", err)
	}
	for range 5 { // ticks at the same time
		done := make(chan error, 2)
		for range 2 {
			go func() { done <- r.p.Tick(context.WithoutCancel(t.Context())) }()
		}
		for range 2 {
			if err := <-done; err != nil && !errors.Is(err, pipeline.ErrConflict) {
				t.Error(err)
			}
		}
	}
	r.loaded(firstExport)
	if n := len(r.server.requests("kick-off")); n != 1 {
		t.Errorf("%d kick-offs, want 1", n)
	}
}

func privateAddresses(t *testing.T) {
	inside := 0
	internal := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		inside++
		_, _ = io.WriteString(w, patient("p1")+"\n"+patient("p2")+"\n")
	}))
	t.Cleanup(internal.Close)
	port := internal.URL[strings.LastIndexByte(internal.URL, ':'):]
	to := func(host string) func(*rig) {
		return func(r *rig) {
			r.server.output = r.server.output[:1]
			r.server.edit = func(m map[string]any, _ int) {
				m["output"].([]map[string]any)[0]["url"] = "http://" + host + port + "/x"
			}
		}
	}
	// A name that leads to a private address is no better than the address.
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"} {
		e := newRig(t, bulkfhir.DialectBulk, to(host)).failed(firstExport, "of a private network", "privateFiles: true")
		if e.Failure.Whose != string(fault.OurSetting) {
			t.Errorf("%s: of %q", host, e.Failure.Whose)
		}
	}
	r := newRig(t, bulkfhir.DialectBulk, func(r *rig) {
		r.always("file", func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, internal.URL+"/x", http.StatusTemporaryRedirect)
		})
	})
	r.failed(firstExport, "of a private network")
	if inside != 0 {
		t.Errorf("the internal server was asked %d times", inside)
	}
	r = newRig(t, bulkfhir.DialectBulk, to("127.0.0.1"), func(r *rig) { r.options.AllowPrivate = true })
	r.loaded(firstExport)
	r.expectRows("patient", 2)
}

func newMembers(t *testing.T) {
	r := newRig(t, bulkfhir.DialectBulk, func(r *rig) {
		r.plan.Level, r.plan.Group = pipeline.LevelGroup, "cohort"
		r.server.output = []scriptFile{ndjson("Patient", patient("p1"))}
	})
	r.loaded(firstExport)
	r.server.output = []scriptFile{ndjson("Patient", patient("p1"), patient("old-but-new-here"))}
	r.loaded(secondExport)
	r.expectRows("patient", 2)
	for _, k := range r.server.requests("kick-off") {
		if strings.Contains(k.uri, "_since") || !strings.HasPrefix(k.uri, "/fhir/Group/cohort/$export") {
			t.Errorf("asked for %s: below system level every export is whole", k.uri)
		}
	}
}

func rowOrder(t *testing.T) {
	version := func(id, updated, number, gender string) string {
		return patient(id, `"meta":{"lastUpdated":"`+updated+`","versionId":"`+number+`"}`, `"gender":"`+gender+`"`)
	}
	r := newRig(t, bulkfhir.DialectBulk, func(r *rig) {
		r.server.output = []scriptFile{
			ndjson("Patient", version("p1", "2026-11-23T07:00:00+02:00", "9", "male"), version("p1", "2026-11-23T06:00:00Z", "2", "female")),
			ndjson("Patient", version("p2", "2026-11-23T05:00:00Z", "10", "female"), version("p2", "2026-11-23T05:00:00Z", "9", "male")),
		}
	})
	r.loaded(firstExport)
	for _, row := range r.rows("patient") {
		if !strings.Contains(row, `gender="female"`) {
			t.Errorf("an older version won: %s", row)
		}
	}
	before := r.rows("patient")
	r.loaded(secondExport) // the same again
	if after := r.rows("patient"); !slices.Equal(before, after) {
		t.Errorf("equal versions changed rows:\n%v\n%v", before, after)
	}
}
