package fhirserver_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/emulator/fhirserver"
	"fhirsynapse/internal/emulator/fhirserver/jobs"
)

func TestABulkExportHandsOutItsFiles(t *testing.T) {
	t.Parallel()
	w := newBulk(t, fhirserver.Bulk{RetryAfter: "7", Progress: []string{"1 %", "99 %"}},
		patient("a"), patient("A"), observation("o", "a", "1"))
	release := w.srv.HoldJobs()
	status := w.start("/$export")
	for _, progress := range []string{"1 %", "99 %", "99 %"} {
		r := w.mustAsk(http.MethodGet, status, "")
		if r.status != http.StatusAccepted || r.header.Get("Retry-After") != "7" ||
			r.header.Get("X-Progress") != progress {
			t.Errorf("poll answered %d, Retry-After %q, X-Progress %q, want %q", r.status,
				r.header.Get("Retry-After"), r.header.Get("X-Progress"), progress)
		}
	}
	release()
	m := w.page(status)
	if !m.TransactionTime.Equal(start) || m.RequiresAccessToken == nil || *m.RequiresAccessToken ||
		m.Failed == nil || m.Deleted == nil || m.Request != w.base+"/$export?" {
		t.Errorf("manifest %+v", m)
	}
	rows, _ := w.exported(status)
	if diff := cmp.Diff([]string{"Observation/o/1", "Patient/A/1", "Patient/a/1"},
		rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if r := w.mustAsk(http.MethodDelete, status, ""); r.status != http.StatusAccepted {
		t.Errorf("delete answered %d", r.status)
	}
	for _, gone := range []string{status, m.Output[0].URL} {
		if r := w.mustAsk(http.MethodGet, gone, ""); r.status != http.StatusNotFound {
			t.Errorf("%s answers %d after the delete", gone, r.status)
		}
	}
}

func TestIncrementalExportsTellDeletesInBundles(t *testing.T) {
	t.Parallel()
	w := newBulk(t, fhirserver.Bulk{}, patient("a"), patient("b"), patient("gone"), patient("back"),
		observation("ob", "b", "1"), observation("oa", "a", "1"))
	w.pass(time.Minute)
	since := w.clock().Format(time.RFC3339Nano)
	w.put(observation("ob2", "b", "1"))
	w.remove("Patient", "gone")
	w.remove("Patient", "back")
	w.remove("Observation", "oa")
	w.remove("Observation", "ob")
	w.put(patient("back"))
	w.pass(time.Minute)
	for _, tt := range []struct {
		path          string
		rows, deleted []string
	}{
		{
			"/$export",
			[]string{"Observation/ob2/1", "Patient/back/3"},
			[]string{"DELETE Observation/oa", "DELETE Observation/ob", "DELETE Patient/gone"},
		},
		// The window applies to each resource: patient b did not change.
		{
			"/Patient/$export",
			[]string{"Observation/ob2/1", "Patient/back/3"},
			[]string{"DELETE Observation/oa", "DELETE Observation/ob", "DELETE Patient/gone"},
		},
	} {
		rows, deleted := w.exported(w.start(tt.path, "_since", since))
		slices.Sort(deleted)
		if diff := cmp.Diff(tt.rows, rows); diff != "" {
			t.Errorf("%s: rows (-want +got):\n%s", tt.path, diff)
		}
		if diff := cmp.Diff(tt.deleted, deleted); diff != "" {
			t.Errorf("%s: deleted (-want +got):\n%s", tt.path, diff)
		}
	}
	if _, deleted := w.exported(w.start("/$export")); len(deleted) != 0 {
		t.Errorf("a full export tells deletes: %v", deleted)
	}
	rows, deleted := w.exported(w.post("/Patient/$export",
		`{"name":"_since","valueInstant":"`+since+
			`"},{"name":"patient","valueReference":{"reference":"Patient/b"}}`))
	if diff := cmp.Diff([][]string{{"Observation/ob2/1"}, {"DELETE Observation/ob"}},
		[][]string{rows, deleted}); diff != "" {
		t.Errorf("one patient (-want +got):\n%s", diff)
	}
}

func TestParametersOfTheGuide(t *testing.T) {
	t.Parallel()
	w := newBulk(t, fhirserver.Bulk{}, patient("a"), patient("b"), observation("o1", "a", "1"),
		observation("o2", "b", "2"), `{"resourceType":"Organization","id":"x"}`,
		`{"resourceType":"Group","id":"g","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/a"}}]}`)
	w.pass(time.Minute)
	until := w.clock().Format(time.RFC3339Nano)
	w.put(patient("late"))
	w.pass(time.Minute)
	for name, tt := range map[string]struct {
		status func() string
		want   []string
	}{
		"_type by comma": {func() string {
			return w.start("/$export", "_type", "Patient,Organization", "_until", until)
		}, []string{"Organization/x/1", "Patient/a/1", "Patient/b/1"}},
		"_type by repeats": {func() string {
			return w.start("/$export", "_type", "Patient", "_type", "Organization", "_until", until)
		}, []string{"Organization/x/1", "Patient/a/1", "Patient/b/1"}},
		"a group": {func() string {
			return w.start("/Group/g/$export")
		}, []string{"Group/g/1", "Observation/o1/1", "Patient/a/1"}},
		"a comma in a filter": {func() string {
			return w.start("/$export", "_type", "Observation", "_typeFilter",
				"Observation?code=1,2")
		}, []string{"Observation/o1/1", "Observation/o2/1"}},
		"filters by comma": {func() string {
			return w.start("/$export", "_type", "Observation", "_typeFilter",
				"Observation?code=1,Observation?code=1,Observation?status=final&code=2")
		}, []string{"Observation/o1/1", "Observation/o2/1"}},
		"a filter spares types": {func() string {
			return w.start("/Patient/$export", "_type", "Patient,Observation", "_typeFilter",
				"Observation?code=2", "_until", until)
		}, []string{"Observation/o2/1", "Patient/a/1", "Patient/b/1"}},
		"by POST": {func() string {
			return w.post("/$export", `{"name":"_type","valueString":"Organization,Group"}`)
		}, []string{"Group/g/1", "Organization/x/1"}},
		"patients by POST": {func() string {
			return w.post("/Patient/$export",
				`{"name":"patient","valueReference":{"reference":"Patient/b"}}`)
		}, []string{"Observation/o2/1", "Patient/b/1"}},
	} {
		if rows, _ := w.exported(tt.status()); !cmp.Equal(tt.want, rows) {
			t.Errorf("%s (-want +got):\n%s", name, cmp.Diff(tt.want, rows))
		}
	}
	m := w.page(w.start("/$export", "_type", "Observation", "_typeFilter", "Observation?code=1",
		"_elements", "Observation.status,id"))
	want := `{"resourceType":"Observation","id":"o1","meta":{"versionId":"1","lastUpdated":"2026-03-01T11:00:00+00:00","tag":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]},"status":"final"}`
	if got := w.lines(m.Output[0].URL); len(got) != 1 || got[0] != want {
		t.Errorf("_elements gave %s", got)
	}
}

func TestKickOffsThatABulkServerRefuses(t *testing.T) {
	t.Parallel()
	full := append(asyncly, "Content-Type", "application/fhir+json")
	parameters := func(p string) string {
		return `{"resourceType":"Parameters","parameter":[` + p + `]}`
	}
	for _, tt := range []struct {
		name, method, target, body string
		headers                    []string
		bulk                       fhirserver.Bulk
		status                     int
	}{
		{
			name: "Prefer is missing", headers: []string{"Accept", "application/fhir+json"},
			status: 400,
		},
		{
			name:    "Accept wants something else",
			headers: []string{"Accept", "text/html", "Prefer", "respond-async"}, status: 400,
		},
		{name: "Accept may be missing", headers: []string{"Prefer", "respond-async"}, status: 202},
		{
			name: "Accept is wanted", headers: []string{"Prefer", "respond-async"},
			bulk: fhirserver.Bulk{StrictHeaders: true}, status: 400,
		},
		{
			name:    "other Prefer tokens are ignored",
			headers: []string{"Prefer", "respond-async, separate-export-status"}, status: 202,
		},
		{name: "unknown parameter", target: "?_till=2020", status: 400},
		{
			name: "unknown parameter, leniently", target: "?_till=2020",
			headers: []string{"Prefer", "respond-async, handling=lenient"}, status: 202,
		},
		{name: "unknown type", target: "?_type=Pet", status: 400},
		{
			name: "_until in version 2", target: "?_until=2020", bulk: fhirserver.Bulk{Guide: 2},
			status: 400,
		},
		{
			name: "_typeFilter in version 1", target: "?_typeFilter=Patient%3F_id%3Da",
			bulk: fhirserver.Bulk{Guide: 1}, status: 400,
		},
		{
			name: "a parameter the server has not got", target: "?_elements=id",
			bulk: fhirserver.Bulk{Without: []string{"_elements"}}, status: 400,
		},
		{
			name: "repeats", target: "?_type=Patient&_type=Group",
			bulk: fhirserver.Bulk{NoRepeats: true}, status: 400,
		},
		{
			name: "a _since too long ago", target: "?_since=2020-01-01",
			bulk: fhirserver.Bulk{SinceNotBefore: start}, status: 400,
		},
		{name: "organizeOutputBy", target: "?organizeOutputBy=Patient", status: 400},
		{name: "patient by GET", target: "?patient=Patient/a", status: 400},
		{name: "no such group", target: "no group", status: 404},
		{
			name: "POST is not taken", method: http.MethodPost, headers: full, body: parameters(""),
			bulk: fhirserver.Bulk{Methods: []string{http.MethodGet}}, status: 405,
		},
		{
			name: "GET is not taken", bulk: fhirserver.Bulk{Methods: []string{http.MethodPost}},
			status: 405,
		},
		{
			name: "POST of a form", method: http.MethodPost,
			headers: append(asyncly, "Content-Type", "application/x-www-form-urlencoded"),
			body:    "_type=Patient", status: 400,
		},
		{
			name: "POST of another resource", method: http.MethodPost, headers: full,
			body: `{"resourceType":"Patient"}`, status: 400,
		},
		{
			name: "POST with a query", method: http.MethodPost, target: "?_type=Patient",
			headers: full, body: parameters(""), status: 400,
		},
		{
			name: "patient at system level", method: http.MethodPost, headers: full,
			body:   parameters(`{"name":"patient","valueReference":{"reference":"Patient/a"}}`),
			status: 400,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newBulk(t, tt.bulk, patient("a"))
			if tt.headers == nil {
				tt.headers = asyncly
			}
			target := w.base + "/$export" + tt.target
			if tt.target == "no group" {
				target = w.base + "/Group/none/$export"
			}
			method := tt.method
			if method == "" {
				method = http.MethodGet
			}
			if r := w.mustAsk(method, target, tt.body, tt.headers...); r.status != tt.status {
				t.Errorf("answered %d %s, want %d", r.status, r.body, tt.status)
			}
		})
	}
}

func TestPlacesOfTheStatus(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		bulk fhirserver.Bulk
		path string
		want string // of the header, with %s for the base
	}{
		"absolute": {fhirserver.Bulk{}, "/$export", "%s/bulk-status/1"},
		"a path": {
			fhirserver.Bulk{Location: fhirserver.LocationPath},
			"/Patient/$export", "/bulk-status/1",
		},
		"relative": {
			fhirserver.Bulk{Location: fhirserver.LocationRelative},
			"/$export", "bulk-status/1",
		},
		"relative from below": {
			fhirserver.Bulk{Location: fhirserver.LocationRelative},
			"/Patient/$export", "../bulk-status/1",
		},
		"relative from far below": {
			fhirserver.Bulk{Location: fhirserver.LocationRelative},
			"/Group/g/$export", "../../bulk-status/1",
		},
		"in the query": {
			fhirserver.Bulk{QueryStatus: true},
			"/$export",
			"%s/$bulk-status?job=%%241%%3D%%3d&_x=a%%20b",
		},
		"in the query, and in pages": {
			fhirserver.Bulk{QueryStatus: true, PageSize: 1},
			"/$export",
			"%s/$bulk-status?job=%%241%%3D%%3d&_x=a%%20b",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newBulk(t, tt.bulk, patient("a"), observation("o", "a", "1"),
				`{"resourceType":"Group","id":"g","actual":true,"member":[{"entity":{"reference":"Patient/a"}}]}`)
			r := w.mustAsk(http.MethodGet, w.base+tt.path+"?_type=Patient,Observation", "",
				asyncly...)
			want := tt.want
			if strings.Contains(want, "%s") {
				want = fmt.Sprintf(want, w.base)
			}
			if got := r.header.Get("Content-Location"); got != want {
				t.Fatalf("Content-Location %s, want %s", got, want)
			}
			status := w.location(tt.path, r)
			if rows, _ := w.exported(status); !cmp.Equal(rows,
				[]string{"Observation/o/1", "Patient/a/1"}) {
				t.Errorf("exported %v", rows)
			}
			if !tt.bulk.QueryStatus {
				return
			}
			other := strings.Replace(status, "%3d", "%3D", 1)
			if r := w.mustAsk(http.MethodGet, other, ""); r.status != http.StatusNotFound {
				t.Errorf("another spelling of the status URL answered %d", r.status)
			}
		})
	}
}

func TestManifestsInPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *fhirserver.Options) {
		o.Bulk, o.MaxCount = &fhirserver.Bulk{PageSize: 2}, 1
	}, patient("a"), patient("b"), patient("c"))
	pages := w.pages(w.start("/$export"))
	var counts []int
	for _, p := range pages {
		counts = append(counts, len(p.Output))
		if !p.TransactionTime.Equal(start) {
			t.Errorf("transactionTime %v", p.TransactionTime)
		}
	}
	if diff := cmp.Diff([]int{2, 1}, counts); diff != "" {
		t.Errorf("files per page (-want +got):\n%s", diff)
	}
}

func TestOneExportAtATime(t *testing.T) {
	t.Parallel()
	w := newBulk(t, fhirserver.Bulk{OneAtATime: true}, patient("a"))
	status := w.start("/$export")
	w.page(status)
	if r := w.mustAsk(http.MethodGet, w.base+"/$export", "",
		asyncly...); r.status != http.StatusTooManyRequests {
		t.Errorf("a second kick-off answered %d", r.status)
	}
	w.mustAsk(http.MethodDelete, status, "")
	w.start("/$export")
}

func TestABulkServerNeedsFilesItCanOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	blobs := struct{ jobs.Blobs }{w.blobs}
	_, err := fhirserver.New(fhirserver.Options{
		Store: w.store, Blobs: blobs, Now: w.clock,
		Bulk: &fhirserver.Bulk{Guide: 4, Location: "nowhere"},
	})
	for _, want := range []string{"not 4", "nowhere", "open them"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that names %q", err, want)
		}
	}
}
