package bulkfhir

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/cohort"
	"fhirsynapse/internal/fault"
)

// marker stands for the id of a patient. No error may repeat it.
const marker = "MARK-4711"

var smokers = cohort.Search{
	Text: "Observation?code=a&_count=1000", Type: "Observation", Names: []string{"code"},
	Element: "subject",
}

// searcher returns a Searcher that never waits, and records how long it would.
func searcher(t *testing.T, h http.HandlerFunc, waits *[]time.Duration) *Searcher {
	t.Helper()
	s, _ := serve(t, h, func(o *Options) {
		o.Pause = func(_ context.Context, d time.Duration) error {
			if waits != nil {
				*waits = append(*waits, d)
			}
			return nil
		}
	})
	return &Searcher{s}
}

func bundle(more string, entries ...string) string {
	return `{"resourceType":"Bundle","type":"searchset"` + more + `,"entry":[` +
		strings.Join(entries, ",") + `]}`
}

func found(id string) string {
	return fmt.Sprintf(`{"resource":{"resourceType":"Observation","id":%q,"subject":{"reference":"Patient/%s"}},"search":{"mode":"match"}}`,
		id, id)
}

func (s *Searcher) ids(ctx context.Context) (ids []string, err error) {
	err = s.Search(ctx, smokers, func(e cohort.Entry) error {
		ids = append(ids, e.ID)
		return nil
	})
	return ids, err
}

// linked answers with a page of one resource and this link.
func linked(link string) http.HandlerFunc { return answers(200, bundle(link, found(marker))) }

func TestErrorsOfSearchesAndGroupsNameNobody(t *testing.T) {
	t.Parallel()
	words := `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"processing","diagnostics":"Patient/` + marker + ` is wrong","expression":["Patient/` + marker + `"]}]}`
	group := cohort.Group{
		ID: "cohort-a-001", Version: "1", Identifier: "a/001", Members: []string{marker},
	}
	for name, h := range map[string]http.HandlerFunc{
		"broken JSON": answers(200, `{"resourceType":"Bundle","entry":[{"resource":{"id":"MARK-4711"}`),
		"odd JSON": answers(200,
			`{"resourceType":"Bundle","entry":[{"resource":{"id":{"MARK-4711":1}}}]}`),
		"a page":     answers(200, "<html>"+marker+"</html>"),
		"a text":     answers(200, `"`+marker+`"`),
		"an outcome": answers(200, words),
		"an error inside": answers(200, bundle("",
			`{"resource":`+words+`,"search":{"mode":"outcome"}}`)),
		"an ignored criterion": linked(
			`,"link":[{"relation":"self","url":"/fhir/Observation?_count=1000&x=MARK-4711"}]`),
		"a link elsewhere":    linked(`,"link":[{"relation":"next","url":"https://elsewhere.example/Observation?subject=MARK-4711"}]`),
		"a link that is none": linked(`,"link":[{"relation":"next","url":"http://[::1MARK-4711"}]`),
		"a circle":            linked(`,"link":[{"relation":"next","url":"?subject=MARK-4711"}]`),
		"cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5000")
			_, _ = w.Write([]byte(strings.TrimSuffix(bundle("", found(marker)), "]}")))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
		"400": answers(400, words), "401": answers(401, words), "403": answers(403, words),
		"404": answers(404, words), "405": answers(405, words), "409": answers(409, words),
		"412": answers(412, words), "422": answers(422, words), "429": answers(429, words),
		"500": answers(500, words), "503": answers(503, marker),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := searcher(t, h, nil)
			_, searchErr := s.ids(t.Context())
			_, groupErr := s.Group(t.Context(), "cohort-a-001")
			_, putErr := s.PutGroup(t.Context(), group)
			if searchErr == nil {
				t.Error("the search succeeded")
			}
			for _, err := range []error{searchErr, groupErr, putErr} {
				if err != nil && strings.Contains(err.Error(), marker) {
					t.Errorf("it names somebody: %v", err)
				}
			}
		})
	}
}

func TestASearchWaitsALittle(t *testing.T) {
	t.Parallel()
	n := 0
	var waits []time.Duration
	s := searcher(t, func(w http.ResponseWriter, r *http.Request) {
		n++
		switch n {
		case 1:
			answers(429, "", "Retry-After", "7")(w, r)
		case 2:
			w.Header().Set("Content-Length", "5000")
			_, _ = w.Write([]byte(strings.TrimSuffix(bundle("", found("a")), "]}")))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case 3:
			answers(502, "<html>")(w, r)
		default:
			if r.Header.Get("Prefer") != "handling=strict" {
				t.Errorf("Prefer is %q", r.Header.Get("Prefer"))
			}
			answers(200, bundle("", found("a"), found("b")))(w, r)
		}
	}, &waits)
	ids, err := s.ids(t.Context())
	if err != nil || fmt.Sprint(ids) != "[a b]" {
		t.Errorf("found %v %v", ids, err)
	}
	if fmt.Sprint(waits) != "[7s 2s 4s]" {
		t.Errorf("waited %v", waits)
	}
}

func TestAServerThatWantsALongWait(t *testing.T) {
	t.Parallel()
	var waits []time.Duration
	s := searcher(t, answers(429, "", "Retry-After", "240"), &waits)
	_, err := s.ids(t.Context())
	if fault.Of(err) != fault.Transient || fault.After(err) != 4*time.Minute || len(waits) > 0 {
		t.Errorf("got %v, waited %v", err, waits)
	}
}

func TestEntriesThatDoNotCount(t *testing.T) {
	t.Parallel()
	s := searcher(t, answers(200, bundle("",
		`{"resource":{"resourceType":"OperationOutcome","issue":[{"severity":"warning","code":"informational"}]},"search":{"mode":"outcome"}}`,
		found("a"),
		`{"resource":{"resourceType":"Patient","id":"p"},"search":{"mode":"include"}}`,
		`{"resource":{"resourceType":"Encounter","id":"e"}}`,
		`{"resource":{"resourceType":"Observation","id":"b","status":"entered-in-error","subject":{"reference":"Patient/b"}}}`,
	)), nil)
	var got []cohort.Entry
	if err := s.Search(t.Context(), smokers, func(e cohort.Entry) error {
		got = append(got, e)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].ID != "a" || !got[1].InError {
		t.Errorf("found %+v", got)
	}
}

func TestGroupsAreReadAndWritten(t *testing.T) {
	t.Parallel()
	var body, condition string
	s := searcher(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			b := make([]byte, 4096)
			n, _ := r.Body.Read(b)
			body = string(b[:n])
			condition = r.Header.Get("If-Match") + r.Header.Get("If-None-Match")
			answers(201, "", "ETag", `W/"8"`)(w, r)
			return
		}
		answers(200, `{"resourceType":"Group","id":"g","identifier":[{"system":"x","value":"y"},{"system":"urn:fhirsynapse:cohort","value":"a/001"}],"member":[
			{"entity":{"reference":"Patient/p"}},{"entity":{"reference":"http://`+r.Host+`/fhir/Patient/q"}},
			{"entity":{"reference":"Patient/r"},"inactive":true},{"entity":{"reference":"Device/d"}},
			{"entity":{"reference":"Patient/s"},"period":{"end":"2020"}},
			{"entity":{"reference":"Patient/t"},"period":{"start":"2020-01","end":"2999"}},
			{"entity":{"reference":"Patient/u"},"period":{"start":"2999"}}]}`, "ETag", `W/"7"`)(w, r)
	}, nil)
	g, err := s.Group(t.Context(), "g")
	if err != nil || g.Version != "7" || g.Identifier != "a/001" || g.Others != 4 ||
		g.Dated != 3 || fmt.Sprint(g.Members) != "[p q t]" {
		t.Errorf("read %+v %v", g, err)
	}
	g = cohort.Group{ID: "g", Version: "7", Identifier: "a/001", Members: []string{"p"}}
	if version, err := s.PutGroup(t.Context(), g); err != nil || version != "8" ||
		condition != `W/"7"` {
		t.Errorf("wrote version %s with %s: %v", version, condition, err)
	}
	want := `{"resourceType":"Group","id":"g","identifier":[{"system":"urn:fhirsynapse:cohort","value":"a/001"}],"active":true,"type":"person","actual":true,"name":"a","quantity":1,"member":[{"entity":{"reference":"Patient/p"}}]}`
	if body != want {
		t.Errorf("wrote %s", body)
	}
	g.Version = ""
	if _, err := s.PutGroup(t.Context(), g); err != nil || condition != "*" {
		t.Errorf("made it with %s: %v", condition, err)
	}
}

func TestClassesOfAWriteThatIsRefused(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]struct {
		class fault.Class
		is    error
	}{
		401: {fault.Permanent, cohort.ErrReadOnly},
		403: {fault.Permanent, cohort.ErrReadOnly},
		404: {fault.Permanent, cohort.ErrReadOnly},
		405: {fault.Permanent, cohort.ErrReadOnly},
		409: {fault.Transient, cohort.ErrChanged},
		412: {fault.Transient, cohort.ErrChanged},
		400: {fault.Permanent, nil},
		429: {fault.Transient, nil},
		503: {fault.Transient, nil},
	} {
		s := searcher(t, answers(status, ""), nil)
		_, err := s.PutGroup(t.Context(), cohort.Group{ID: "g"})
		if fault.Of(err) != want.class || want.is != nil && !errors.Is(err, want.is) {
			t.Errorf("%d: %v", status, err)
		}
	}
}
