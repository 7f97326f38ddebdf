package fhirserver_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/emulator/fhirserver"
)

func TestASystemExportWritesEveryTypeIntoTheJobsFolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, patient("a"), patient("A"), observation("o", "a", "1"))
	status := w.kickOff("/$export")
	m := w.manifest(status)

	if !m.TransactionTime.Equal(start) {
		t.Errorf("transactionTime %v, want the create time %v", m.TransactionTime, start)
	}
	if m.RequiresAccessToken == nil || *m.RequiresAccessToken {
		t.Error("requiresAccessToken must be there and false")
	}
	if m.Error == nil {
		t.Error("error must be an empty list")
	}
	if !strings.HasPrefix(m.Request, w.base+"/$export?") {
		t.Errorf("request is %q", m.Request)
	}
	id := jobID(status)
	name := regexp.MustCompile(`^memory://lake/20260301T120000-` + id +
		`/(Patient|Observation)-\d+-1\.ndjson$`)
	var types []string
	for _, o := range m.Output {
		types = append(types, o.Type)
		if !name.MatchString(o.URL) {
			t.Errorf("unexpected file name %s", o.URL)
		}
	}
	if diff := cmp.Diff([]string{"Observation", "Patient"}, types); diff != "" {
		t.Errorf("types (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Patient/a/1", "Patient/A/1"},
		w.rows(m.Output[1].URL)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestABlobIsCreatedEmptyAndCommittedThreeTimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, patient("a"))
	w.manifest(w.kickOff("/$export"))
	var apis []string
	var sizes []int64
	etags := map[string]bool{}
	for _, e := range w.events {
		apis, sizes = append(apis, e.API), append(sizes, e.Size)
		etags[e.ETag] = true
	}
	if diff := cmp.Diff([]string{"PutBlob", "PutBlockList", "PutBlockList", "PutBlockList"},
		apis); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
	if sizes[0] != 0 || sizes[1] == 0 || sizes[1] != sizes[3] {
		t.Errorf("sizes %v, want 0 and three times the same", sizes)
	}
	if len(etags) != 4 {
		t.Errorf("%d different etags, want 4", len(etags))
	}
}

func TestFilesHoldAtMostMaxCountResources(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, patient("a"), patient("b"), patient("c"), patient("d"), patient("e"))
	for _, parallel := range []string{"true", "false"} {
		m := w.manifest(w.kickOff("/$export", "_maxCount", "2", "_isParallel", parallel))
		var counts []int
		urls := map[string]bool{}
		for _, o := range m.Output {
			counts = append(counts, o.Count)
			urls[o.URL] = true
		}
		if diff := cmp.Diff([]int{2, 2, 1}, counts); diff != "" || len(urls) != 3 {
			t.Errorf("parallel=%s: counts (-want +got):\n%s", parallel, diff)
		}
	}
}

func TestWithoutContainerTheJobHasOneOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, patient("a"))
	r := w.get("/$export")
	status := r.header.Get("Content-Location")
	m := w.manifest(status)
	if want := "memory://export-" + jobID(status) +
		"/Patient-"; !strings.HasPrefix(m.Output[0].URL, want) {
		t.Errorf("file %s, want it to begin with %s", m.Output[0].URL, want)
	}
}

func TestTheWindowBeginsAtSinceAndEndsBeforeTill(t *testing.T) {
	t.Parallel()
	at := start.Add(-10 * time.Minute)
	line := func(id string, d time.Duration) string {
		return `{"resourceType":"Patient","id":"` + id +
			`","meta":{"versionId":"1","lastUpdated":"` + at.Add(d).Format(time.RFC3339Nano) + `"}}`
	}
	w := newWorld(t, nil, line("before", -time.Millisecond), line("first", 0),
		line("last", time.Second-time.Millisecond), line("till", time.Second))
	window := []string{
		"_since", at.Format(time.RFC3339Nano), "_till",
		at.Add(time.Second).Format(time.RFC3339Nano),
	}

	if diff := cmp.Diff([]string{"Patient/first/1", "Patient/last/1"},
		w.export("/$export", window...)); diff != "" {
		t.Errorf("parallel (-want +got):\n%s", diff)
	}
	serial := w.export("/$export", append(window, "_isParallel", "false")...)
	if diff := cmp.Diff([]string{"Patient/first/1", "Patient/last/1", "Patient/till/1"},
		serial); diff != "" {
		t.Errorf("serial includes till (-want +got):\n%s", diff)
	}
}

func TestAParallelExportIsASnapshotAndASerialOneIsNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, patient("a"), patient("b"))
	till := w.clock().Format(time.RFC3339Nano)
	w.pass(time.Minute)
	w.put(patient("a"))
	w.pass(time.Minute)
	if diff := cmp.Diff([]string{"Patient/a/1", "Patient/b/1"},
		w.export("/$export", "_till", till)); diff != "" {
		t.Errorf("parallel (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Patient/b/1"},
		w.export("/$export", "_till", till, "_isParallel", "false")); diff != "" {
		t.Errorf("serial (-want +got):\n%s", diff)
	}
}

func TestDeletesAndHistoryAreGivenWhenAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, patient("a"), patient("b"))
	w.pass(time.Minute)
	w.put(patient("b"))
	if _, err := w.store.Delete("Patient", "a", w.clock()); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	tests := map[string][]string{
		"":         {"Patient/b/2"},
		"_deleted": {"Patient/a/2 soft-deleted", "Patient/b/2"},
		"_history": {"Patient/a/1", "Patient/b/1", "Patient/b/2"},
		"_history,_deleted": {
			"Patient/a/1", "Patient/b/1", "Patient/a/2 soft-deleted",
			"Patient/b/2",
		},
		"_deleted,_history ": nil,
	}
	for include, want := range tests {
		if want == nil {
			if r := w.get("/$export?includeAssociatedData=" +
				strings.ReplaceAll(include, " ", "%20")); r.status != http.StatusBadRequest {
				t.Errorf("%q: status %d, want 400", include, r.status)
			}
			continue
		}
		if diff := cmp.Diff(want,
			w.export("/$export", "includeAssociatedData", include)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", include, diff)
		}
	}
	if diff := cmp.Diff([]string{"Patient/b/2"},
		w.export("/Patient/$export", "includeAssociatedData", "_deleted")); diff != "" {
		t.Errorf("the patient level ignores it (-want +got):\n%s", diff)
	}
}

func TestSinceOfACompartmentExportAppliesToThePatientFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, patient("a"), patient("b"), `{"resourceType":"Organization","id":"x"}`,
		`{"resourceType":"Group","id":"g","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/a"}},{"entity":{"reference":"Patient/b"}}]}`)
	w.pass(time.Minute)
	since := w.clock().Format(time.RFC3339Nano)
	w.put(patient("a"), observation("oa", "a", "1"), observation("ob", "b", "1"))
	w.pass(time.Minute)
	for _, path := range []string{"/Patient/$export", "/Group/g/$export"} {
		full := w.export(path)
		if !slices.Contains(full, "Observation/ob/1") || !slices.Contains(full, "Patient/b/1") {
			t.Errorf("%s: full export lacks patient b's data: %v", path, full)
		}
		if slices.ContainsFunc(full, func(row string) bool {
			return strings.HasPrefix(row, "Organization")
		}) {
			t.Errorf("%s: an Organization is in no patient's compartment: %v", path, full)
		}
		if diff := cmp.Diff([]string{"Observation/oa/1", "Patient/a/2"},
			w.export(path, "_since", since)); diff != "" {
			t.Errorf("%s: patient b did not change (-want +got):\n%s", path, diff)
		}
	}
}

func TestAResourceInTwoCompartmentsComesTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, patient("a"), patient("b"),
		`{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/a"},"performer":[{"reference":"Patient/b"}]}`)
	want := []string{"Observation/o/1", "Observation/o/1"}
	if diff := cmp.Diff(want, w.export("/Patient/$export", "_type", "Observation")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestAGroupExportTakesItsActiveMembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, patient("a"), patient("b"), patient("c"), patient("d"),
		`{"resourceType":"Group","id":"g","actual":true,"member":[{"entity":{"reference":"Patient/a"}},{"entity":{"reference":"Patient/b"},"inactive":true},
			{"entity":{"reference":"Patient/c"},"period":{"end":"1999"}},{"entity":{"reference":"Group/h"}}]}`,
		`{"resourceType":"Group","id":"h","actual":true,"member":[{"entity":{"reference":"Patient/d"}},{"entity":{"reference":"Group/g"}}]}`,
		`{"resourceType":"Group","id":"empty","actual":true}`,
		`{"resourceType":"Group","id":"rule","actual":false}`)
	if diff := cmp.Diff([]string{"Patient/a/1", "Patient/d/1"},
		w.export("/Group/g/$export", "_type", "Patient")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if got := w.export("/Group/empty/$export"); len(got) != 0 {
		t.Errorf("an empty group exported %v", got)
	}
	for _, id := range []string{"missing", "rule"} {
		status := w.kickOff("/Group/" + id + "/$export")
		w.wait(status)
		if r := w.do(http.MethodGet, status); r.status != http.StatusBadRequest ||
			!strings.Contains(r.body, "export operation failed for reason:") {
			t.Errorf("group %s: %d %s", id, r.status, r.body)
		}
	}
}

func TestTypeFiltersAreSearchesOfTheirOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, patient("a"), observation("o1", "a", "1"), observation("o2", "a", "2"),
		observation("o3", "a", "3"))
	rows := w.export("/$export", "_type", "Observation,Patient", "_typeFilter",
		"Observation?code=http://loinc.org|1",
		"_typeFilter", "Observation?status=final&_id=o2,Observation?code=2")
	want := []string{"Observation/o1/1", "Observation/o2/1", "Observation/o2/1", "Patient/a/1"}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestEqualRequestsAreTwoJobs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, patient("a"))
	if a, b := w.kickOff("/$export"), w.kickOff("/$export"); a == b {
		t.Errorf("both are %s", a)
	}
}

func TestPollsAreAnsweredWith202FirstAndCancelledJobsWith404(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *fhirserver.Options) { o.PollsBeforeDone = 2 }, patient("a"))
	status := w.kickOff("/$export")
	w.wait(status)
	for range 2 {
		r := w.do(http.MethodGet, status)
		if r.status != http.StatusAccepted || r.body != "" || r.header.Get("Retry-After") != "" ||
			r.header.Get("X-Progress") != "" {
			t.Fatalf("poll answered %d %q %v", r.status, r.body, r.header)
		}
		if got := r.header.Get("Date"); got != start.Format(http.TimeFormat) {
			t.Errorf("Date %s, want the given clock's", got)
		}
	}
	if r := w.do(http.MethodGet, status); r.status != http.StatusOK {
		t.Fatalf("the third poll answered %d", r.status)
	}
	for _, want := range []struct {
		method string
		status int
	}{{http.MethodDelete, 202}, {http.MethodGet, 404}, {http.MethodDelete, 404}} {
		if r := w.do(want.method, status); r.status != want.status {
			t.Errorf("%s answered %d, want %d", want.method, r.status, want.status)
		}
	}
}
