package fhirserver

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/emulator/fhirserver/jobs"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func request(headers map[string][]string, rawQuery string) *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/$export?"+rawQuery,
		http.NoBody)
	r.Header = http.Header{"Accept": {"application/fhir+json"}, "Prefer": {"respond-async"}}
	for name, values := range headers {
		r.Header[name] = values
	}
	return r
}

func TestKickOffHeaders(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name           string
		accept, prefer []string
		ok             bool
	}{
		{
			"as the server wants them",
			[]string{"application/fhir+json"},
			[]string{"respond-async"},
			true,
		},
		{
			"handling beside respond-async",
			[]string{"Application/FHIR+JSON"},
			[]string{"respond-async, handling=lenient"},
			true,
		},
		{
			"handling in a header of its own",
			[]string{"application/fhir+json"},
			[]string{"respond-async", "handling=strict"},
			true,
		},
		{"no Accept", nil, []string{"respond-async"}, false},
		{
			"two Accept values",
			[]string{"application/fhir+json", "application/fhir+json"},
			[]string{"respond-async"},
			false,
		},
		{
			"a list in Accept",
			[]string{"application/fhir+json, */*"},
			[]string{"respond-async"},
			false,
		},
		{"another type", []string{"application/json"}, []string{"respond-async"}, false},
		{"no Prefer", []string{"application/fhir+json"}, nil, false},
		{"handling alone", []string{"application/fhir+json"}, []string{"handling=lenient"}, false},
		{
			"another token",
			[]string{"application/fhir+json"},
			[]string{"respond-async, separate-export-status"},
			false,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, faults := kickOff(jobs.LevelSystem, "",
				request(map[string][]string{"Accept": tt.accept, "Prefer": tt.prefer}, ""), now, 5)
			if ok := len(faults) == 0; ok != tt.ok {
				t.Errorf("accepted: %t, want %t; %v", ok, tt.ok, faults)
			}
		})
	}
}

func TestKickOffParameters(t *testing.T) {
	t.Parallel()
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	system := func(change func(*jobs.Request)) jobs.Request {
		r := jobs.Request{Level: jobs.LevelSystem, MaxCount: 5, Parallel: true}
		change(&r)
		return r
	}
	tests := []struct {
		query string
		want  jobs.Request
	}{
		{"", system(func(*jobs.Request) {})},
		{"_type=Patient,Observation&_type=Patient", system(func(r *jobs.Request) {
			r.Types = []string{"Patient", "Observation"}
		})},
		{"_since=2026-02-01T00:00:00.1239%2B01:00&_till=2026-03", system(func(r *jobs.Request) {
			r.Since, r.Till = at("2026-01-31T23:00:00.123Z"), at("2026-03-01T00:00:00Z")
		})},
		{"_container=lake&_maxCount=10000&_isParallel=False", system(func(r *jobs.Request) {
			r.Container, r.MaxCount, r.Parallel = "lake", 10000, false
		})},
		{"includeAssociatedData=_deleted", system(func(r *jobs.Request) { r.Deleted = true })},
		{"includeAssociatedData=_history,_deleted&_outputFormat=application%2Ffhir%2Bndjson&_format=x", system(func(r *jobs.Request) { r.Deleted, r.History = true, true })},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			t.Parallel()
			got, faults := kickOff(jobs.LevelSystem, "", request(nil, tt.query), now, 5)
			if len(faults) > 0 {
				t.Fatal(faults)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

func TestKickOffFaults(t *testing.T) {
	t.Parallel()
	tests := []struct{ query, names string }{
		{"_Since=2020", "_Since"},
		{"_until=2020", "_until"},
		{"_elements=id", "_elements"},
		{"patient=x", "patient"},
		{"organizeOutputBy=Patient", "organizeOutputBy"},
		{"_since=yesterday", "_since"},
		{"_since=2026-01-01T00:00:00", "_since"},
		{"_since=2026-01-01T00:00:00+01:00", "%2B"},
		{"_since=2020&_since=2021", "_since"},
		{"_since=2027", "_since"},
		{"_till=2026-03-01T12:00:00.001Z", "_till"},
		{"_since=2026-01-01&_till=2026-01-01", "before _till"},
		{"_type=Patient,patient", "'patient'"},
		{"_maxCount=0", "_maxCount"},
		{"_maxCount=10001", "_maxCount"},
		{"_isParallel=1", "_isParallel"},
		{"_outputFormat=csv", "csv"},
		{"_outputFormat=application/fhir+ndjson", "%2B"},
		{"includeAssociatedData=deleted", "'deleted'"},
		{"_type=Patient&_typeFilter=Patient?_id=1&includeAssociatedData=_deleted", "_typeFilter"},
		{"_typeFilter=Patient?_id%3D1", "needs _type"},
		{"_type=Patient&_typeFilter=Patient", "Type?parameter=value"},
		{"_type=Patient&_typeFilter=Patient?colour%3Dred", "colour"},
		{"_type=Patient&_typeFilter=Observation?status%3Dfinal", "not in _type"},
		{"_type=Observation&_typeFilter=" + url.QueryEscape("Observation?code=a,b"), "'b'"},
		{"_type=Observation&_typeFilter=" + url.QueryEscape("Observation?code=a=b"), "a=b"},
		{"_type=%zz", "cannot be read"},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			t.Parallel()
			_, faults := kickOff(jobs.LevelSystem, "", request(nil, tt.query), now, 5)
			var all []string
			for _, f := range faults {
				all = append(all, f.diagnostics)
			}
			if !strings.Contains(strings.Join(all, "\n"), tt.names) {
				t.Errorf("faults %q, want one that names %q", all, tt.names)
			}
		})
	}
}

func TestLenientHandlingPassesUnknownSearchParametersOnly(t *testing.T) {
	t.Parallel()
	lenient := map[string][]string{"Prefer": {"respond-async,handling=lenient"}}
	if _, faults := kickOff(jobs.LevelSystem, "",
		request(lenient, "_type=Patient&_typeFilter=Patient?colour%3Dred"), now,
		5); len(faults) > 0 {
		t.Errorf("unknown search parameter: %v", faults)
	}
	if _, faults := kickOff(jobs.LevelSystem, "", request(lenient, "_elements=id"), now,
		5); len(faults) == 0 {
		t.Error("an unknown parameter of the export passed")
	}
}

func TestLevelsChooseHowTheJobRuns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		level, query      string
		parallel, deleted bool
	}{
		{jobs.LevelSystem, "_isParallel=true&includeAssociatedData=_deleted", true, true},
		{jobs.LevelSystem, "_type=Patient&_typeFilter=Patient?_id%3D1", false, false},
		{jobs.LevelPatient, "_isParallel=false&includeAssociatedData=_deleted", true, false},
		{jobs.LevelGroup, "_isParallel=true&includeAssociatedData=nonsense", false, false},
	} {
		got, faults := kickOff(tt.level, "g", request(nil, tt.query), now, 5)
		if len(faults) > 0 || got.Parallel != tt.parallel || got.Deleted != tt.deleted {
			t.Errorf("%s ?%s: parallel %t, deleted %t, %v", tt.level, tt.query, got.Parallel,
				got.Deleted, faults)
		}
	}
}
