package fhirserver_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/emulator/fhirserver"
	"fhirsynapse/internal/emulator/fhirserver/jobs"
	"fhirsynapse/internal/emulator/fhirserver/store"
)

func TestRoutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, patient("a"), patient("gone"),
		`{"resourceType":"Group","id":"g","actual":true}`)
	if _, err := w.store.Delete("Patient", "gone", w.clock()); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		method, path string
		status       int
		code         string
	}{
		{http.MethodGet, "/metadata", 200, ""},
		{http.MethodGet, "/Group/g", 200, ""},
		{http.MethodGet, "/Group/h", 404, "not-found"},
		{http.MethodGet, "/Patient/gone", 410, "deleted"},
		{http.MethodGet, "/$export?_elements=id", 400, "invalid"},
		{http.MethodPost, "/$export", 405, "not-supported"},
		{http.MethodGet, "/Observation/$export", 400, "invalid"},
		{http.MethodGet, "/Patient/a/$export", 400, "invalid"},
		{http.MethodGet, "/_operations/export/77", 404, "not-found"},
		{http.MethodDelete, "/_operations/export/77", 404, "not-found"},
		{http.MethodPut, "/_operations/export/77", 405, "not-supported"},
		{http.MethodGet, "/Nonsense", 404, "not-found"},
		{http.MethodGet, "/", 404, "not-found"},
	} {
		r := w.do(tt.method, w.base+tt.path)
		if r.status != tt.status {
			t.Errorf("%s %s answered %d, want %d", tt.method, tt.path, r.status, tt.status)
			continue
		}
		if tt.code != "" {
			if code, _ := outcome(t, r); code != tt.code {
				t.Errorf("%s %s: code %s, want %s", tt.method, tt.path, code, tt.code)
			}
		}
		if r.header.Get("Date") != start.Format(http.TimeFormat) {
			t.Errorf("%s %s: Date %s", tt.method, tt.path, r.header.Get("Date"))
		}
	}
}

func TestAReadGivesTheStoredBytes(t *testing.T) {
	t.Parallel()
	const line = `{"resourceType":"Patient","id":"a","meta":{"versionId":"3","lastUpdated":"2020-01-01T00:00:00Z"},"x":1.10,"y":"<&\u00e9"}`
	w := newWorld(t, nil, line)
	if r := w.get("/Patient/a"); r.body != line || r.header.Get("ETag") != `W/"3"` {
		t.Errorf("got %s %s", r.header.Get("ETag"), r.body)
	}
}

func TestSearchPagesThroughWhatMatches(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, patient("p"), observation("a", "p", "1"), observation("b", "p", "2"),
		observation("c", "q", "1"), observation("d", "p", "1"), observation("e", "p", "1"))
	type bundle struct {
		Total int
		Link  []struct{ Relation, URL string }
		Entry []struct{ Resource struct{ ID string } }
	}
	fetch := func(target string) (b bundle) {
		t.Helper()
		r := w.do(http.MethodGet, target)
		if r.status != http.StatusOK {
			t.Fatalf("search answered %d %s", r.status, r.body)
		}
		if err := json.Unmarshal([]byte(r.body), &b); err != nil {
			t.Fatal(err)
		}
		return b
	}
	var ids []string
	next := w.base + "/Observation?" +
		url.Values{
			"code": {"http://loinc.org|1,http://loinc.org|9"}, "patient": {"Patient/p"},
			"_count": {"2"},
		}.Encode()
	for pages := 0; next != "" && pages < 5; pages++ {
		b := fetch(next)
		if b.Total != 3 {
			t.Errorf("total %d, want 3", b.Total)
		}
		next = ""
		for _, e := range b.Entry {
			ids = append(ids, e.Resource.ID)
		}
		for _, l := range b.Link {
			if l.Relation == "next" {
				next = l.URL
			}
		}
	}
	if diff := cmp.Diff([]string{"a", "d", "e"}, ids); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	if b := fetch(w.base + "/Observation?_summary=count"); b.Total != 5 || len(b.Entry) != 0 {
		t.Errorf("count: total %d with %d entries", b.Total, len(b.Entry))
	}
	for _, bad := range []string{"colour=red", "_count=0", "_summary=text", "ct=x", "%zz"} {
		if r := w.get("/Observation?" + bad); r.status != http.StatusBadRequest {
			t.Errorf("?%s answered %d, want 400", bad, r.status)
		}
	}
}

func TestAuthorizeIsAskedForEveryRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *fhirserver.Options) {
		o.Authorize = func(r *http.Request) error {
			if r.Header.Get("Authorization") != "Bearer good" {
				return errors.New("no")
			}
			return nil
		}
	})
	if r := w.get("/metadata"); r.status != http.StatusUnauthorized ||
		r.header.Get("WWW-Authenticate") == "" {
		t.Errorf("answered %d", r.status)
	}
}

func TestNewNamesEverythingThatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := fhirserver.New(fhirserver.Options{})
	for _, want := range []string{"Store", "Blobs", "Now"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
	s, err := store.New(store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	srv, err := fhirserver.New(fhirserver.Options{
		Store: s, Blobs: &jobs.Memory{}, Now: func() time.Time { return start },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{"0.0.0.0:0", ":0", "nonsense"} {
		if url, err := srv.Listen(addr); err == nil {
			t.Errorf("listens on %s", url)
		}
	}
	if err := srv.Close(); err != nil {
		t.Error(err)
	}
}
