package bulkfhir_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/bulkfhir"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

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
		for lenient, want := range map[bool]string{
			false: "respond-async", true: "respond-async, handling=lenient",
		} {
			r := newRig(t, dialect, func(r *rig) { r.options.Lenient = lenient })
			r.loaded(firstExport)
			if got := r.server.requests("kick-off")[0].header["Prefer"]; len(got) != 1 ||
				got[0] != want {
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
	if len(k) != 1 || k[0].method != http.MethodPost ||
		k[0].header.Get("Content-Type") != "application/fhir+json" ||
		!strings.Contains(k[0].body,
			`{"name":"patient","valueReference":{"reference":"Patient/secret-7"}}`) ||
		strings.Contains(k[0].uri, "?") {
		t.Errorf("kick-offs: %+v", k)
	}
	for key, err := range r.journal.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if d, err := r.journal.Read(t.Context(), key); err != nil ||
			strings.Contains(string(d.Data), "secret-7") {
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
			r.plan.TypeFilter = []string{
				"Observation?code=http://loinc.org|72166-2&status=final", "Patient?name=A b+c",
			}
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
	// Filters that the server would misread are refused before the call.
	for filter, dialects := range map[string]map[string]string{
		"Observation?code=a,b": {bulkfhir.DialectAzure: "comma", bulkfhir.DialectBulk: ""},
		"Observation?code=a=b": {bulkfhir.DialectAzure: `second "="`, bulkfhir.DialectBulk: ""},
		"Observation?_count=10": {
			bulkfhir.DialectAzure: "shapes an answer", bulkfhir.DialectBulk: "shapes an answer",
		},
		"Observation?code": {
			bulkfhir.DialectAzure: "name=value", bulkfhir.DialectBulk: "name=value",
		},
		"Encounter?status=planned": {
			bulkfhir.DialectAzure: "not among the types",
			bulkfhir.DialectBulk:  "not among the types",
		},
		"code=x": {
			bulkfhir.DialectAzure: "not of the form", bulkfhir.DialectBulk: "not of the form",
		},
	} {
		for dialect, want := range dialects {
			r := newRig(t, dialect, func(r *rig) {
				r.plan.TypeFilter, r.plan.Deleted = []string{filter}, false
			})
			if want == "" {
				r.loaded(firstExport)
				continue
			}
			if e := r.failed(firstExport, want); e.Failure.Whose != string(fault.OurSetting) ||
				len(r.server.requests("kick-off")) != 0 {
				t.Errorf("%s, %s: of %q, after %d kick-offs", dialect, filter, e.Failure.Whose,
					len(r.server.requests("kick-off")))
			}
		}
	}
	r := newRig(t, bulkfhir.DialectAzure)
	_, err := r.source.KickOff(t.Context(), pipeline.Request{
		Level: "system", Types: []string{"Observation"}, TypeFilter: []string{"Observation?code=a"},
		Deleted: true,
	})
	if !strings.Contains(textOf(err), "deletes of a filtered export") {
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
		r.always("metadata",
			says(200, `{"instantiates":["http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data|4.0.0"]}`))
	}
	for name, c := range map[string]struct {
		change []func(*rig)
		want   string
	}{
		"GET at first": {nil, "GET"},
		"by setting": {[]func(*rig){func(r *rig) {
			r.options.Method = "POST"
		}}, "POST"},
		"by the statement": {[]func(*rig){version4}, "POST"},
		"405, then POST":   {[]func(*rig){only(405, "POST")}, "GET POST"},
		"404, then POST":   {[]func(*rig){only(404, "POST")}, "GET POST"},
		"501, then GET":    {[]func(*rig){version4, only(501, "GET")}, "POST GET"},
		"a cut is no reason": {[]func(*rig){func(r *rig) {
			r.firstly("kick-off", 1, cut)
		}}, "GET GET"},
		"and neither is an outage": {[]func(*rig){func(r *rig) {
			r.firstly("kick-off", 1, says(503, ""))
		}}, "GET GET"},
		"and neither is a 400 once": {[]func(*rig){func(r *rig) {
			r.firstly("kick-off", 1, says(400, ""))
		}}, "GET"},
	} {
		r := newRig(t, bulkfhir.DialectBulk, c.change...)
		e := r.run(firstExport)
		if got := methods(r); got != c.want ||
			(e.State != records.Loaded) != strings.Contains(name, "400") {
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
			w.Header()["content-location"] = []string{strings.Replace(location, "BASE",
				r.server.URL, 1)}
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
		r := newRig(t, bulkfhir.DialectBulk, func(r *rig) {
			r.always("kick-off", says(202, "", "Content-Location", location))
		})
		r.failed(firstExport, "its job cannot be followed")
	}
}

func errorsTold(t *testing.T) {
	for name, c := range map[string]struct {
		h    http.HandlerFunc
		want []string
	}{
		"an outcome": {
			says(400, outcome("invalid", "unknown parameter _foo")),
			[]string{"HTTP 400: invalid"},
		},
		"an outcome as text": {
			says(422, outcome("invalid", "no"), "Content-Type", "text/plain"),
			[]string{"HTTP 422: invalid"},
		},
		"a page": {
			says(403, "<html>", "Content-Type", "text/html"),
			[]string{"HTTP 403 (text/html, 6 bytes)"},
		},
		"another JSON": {
			says(400, `{"error":"x"}`, "Content-Type", "application/json"),
			[]string{"application/json, 13 bytes"},
		},
		"nothing": {says(400, ""), []string{"HTTP 400"}},
		"an outcome, no issue": {
			says(400, `{"resourceType":"OperationOutcome"}`),
			[]string{"without issues"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newRig(t, bulkfhir.DialectBulk, func(r *rig) {
				r.always("kick-off", c.h)
			}).failed(firstExport, c.want...)
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
		if strings.Contains(k.uri, "_since") ||
			!strings.HasPrefix(k.uri, "/fhir/Group/cohort/$export") {
			t.Errorf("asked for %s: below system level every export is whole", k.uri)
		}
	}
}

func oneInFlight(t *testing.T) {
	r := newRig(t, bulkfhir.DialectBulk)
	id, err := r.p.Start(t.Context(), "nightly", records.Window{})
	if err != nil || id != firstExport {
		t.Fatalf("%s, %v", id, err)
	}
	if _, err := r.p.Start(t.Context(),
		"nightly", records.Window{}); !strings.Contains(textOf(err), "is still exporting") {
		t.Errorf("a second start: %v", err)
	}
	for range 5 { // concurrent ticks
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
		if x == nil || x.URL != r.server.URL+k.uri || x.Method != k.method || x.Status != 202 ||
			x.Request["Prefer"] != "respond-async" ||
			x.Answer["Content-Location"] == "" || x.Answer["X-Request-Id"] != "their-id-7" ||
			x.Software != "Script 1.0, FHIR 4.0.1" {
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
			if err != nil || strings.Contains(string(d.Data), "our-token") ||
				strings.Contains(string(d.Data), "hunter2") {
				t.Errorf("%s holds a secret, %v", key, err)
			}
		}
	})
}

func ignoredParameters(t *testing.T) {
	r := newRig(t, bulkfhir.DialectBulk, func(r *rig) {
		r.plan.Types = []string{"Patient"}
		r.plan.TypeFilter = []string{"Patient?active=true"}
		r.server.output = append(r.server.output,
			ndjson("Basic", `{"resourceType":"Basic","id":"b1"}`))
		r.server.output[0] = ndjson("Patient",
			patient("p1", `"meta":{"tag":[{"code":"SUBSETTED"}]}`), patient("p2", `"active":false`))
	})
	r.loaded(firstExport)
	// A resource tagged SUBSETTED is incomplete, so it must not become a row.
	r.expectRows("patient", 1)
	r.expectRows("observation", 1)
}
