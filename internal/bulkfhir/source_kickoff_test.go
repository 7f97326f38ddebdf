package bulkfhir

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

func TestKickOffSaysWhatItWants(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 11, 22, 10, 0, 0, 123_999_999, time.FixedZone("", 2*60*60))
	for name, c := range map[string]struct {
		request pipeline.Request
		want    string
	}{
		"system": {
			pipeline.Request{Level: "system"},
			"/fhir/$export?_container=lake&_maxCount=500&_isParallel=false",
		},
		"group": {
			pipeline.Request{Level: "group", Group: "cohort-a 1/2"},
			"/fhir/Group/cohort-a%201%2F2/$export?_container=lake&_maxCount=500&_isParallel=false",
		},
		"window": {
			pipeline.Request{Level: "patient", Since: since, Till: today},
			"/fhir/Patient/$export?_since=2026-11-22T08%3A00%3A00.123Z&_till=2026-11-23T08%3A00%3A00.000Z&_container=lake&_maxCount=500&_isParallel=false",
		},
		"filters": {
			pipeline.Request{
				Level: "system", Types: []string{"Patient", "Observation"},
				TypeFilter: []string{
					"Observation?code=http://loinc.org|72166-2&status=final", "Patient?name=A b+c",
				},
			},
			"/fhir/$export?_type=Patient%2CObservation" +
				"&_typeFilter=Observation%3Fcode%3Dhttp%3A%2F%2Floinc.org%7C72166-2%26status%3Dfinal&_typeFilter=Patient%3Fname%3DA%20b%2Bc" +
				"&_container=lake&_maxCount=500&_isParallel=false",
		},
		"deletes": {
			pipeline.Request{Level: "system", Deleted: true},
			"/fhir/$export?includeAssociatedData=_deleted&_container=lake&_maxCount=500&_isParallel=false",
		},
		"de-identified by a file": {
			pipeline.Request{Level: "system", Deidentify: &pipeline.Deidentify{
				Config: "limited set.json", ETag: "0x8D8494A069489EC",
			}},
			"/fhir/$export?_container=lake&_anonymizationConfig=limited%20set.json" +
				"&_anonymizationConfigEtag=%220x8D8494A069489EC%22&_maxCount=500&_isParallel=false",
		},
		"de-identified by an image": {
			pipeline.Request{Level: "group", Group: "g", Deidentify: &pipeline.Deidentify{
				Config: "a.json", Collection: "registry.azurecr.io/rules:v1",
			}},
			"/fhir/Group/g/$export?_container=lake&_anonymizationConfig=a.json" +
				"&_anonymizationConfigCollectionReference=registry.azurecr.io%2Frules%3Av1" +
				"&_maxCount=500&_isParallel=false",
		},
		"deletes that none can tell": {
			pipeline.Request{Level: "patient", Deleted: true},
			"/fhir/Patient/$export?_container=lake&_maxCount=500&_isParallel=false",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got *http.Request
			s, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
				got = r
				w.Header().Set("Content-Location", "/fhir/_operations/export/17")
				w.WriteHeader(http.StatusAccepted)
			}, func(o *Options) {
				o.MaxCount, o.Parallel = 500, "false"
				o.Token = func(context.Context) (string, error) { return "t", nil }
			})
			if _, err := s.KickOff(t.Context(), c.request); err != nil {
				t.Fatal(err)
			}
			if got.Method != http.MethodGet {
				t.Errorf("method %s", got.Method)
			}
			if diff := cmp.Diff(c.want, got.URL.RequestURI()); diff != "" {
				t.Errorf("URL (-want +got):\n%s", diff)
			}
			headers := map[string][]string{
				"Accept": got.Header["Accept"], "Prefer": got.Header["Prefer"],
				"Authorization": got.Header["Authorization"],
			}
			want := map[string][]string{
				"Accept": {"application/fhir+json"}, "Prefer": {"respond-async"},
				"Authorization": {"Bearer t"},
			}
			if diff := cmp.Diff(want, headers); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestKickOffRefusesBeforehand(t *testing.T) {
	t.Parallel()
	s, _ := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	types := []string{"Observation"}
	for name, c := range map[string]struct {
		request pipeline.Request
		want    []string
	}{
		"comma": {pipeline.Request{
			Level: "system", Types: types, TypeFilter: []string{"Observation?code=a,b"},
		}, []string{"comma"}},
		"second equals": {pipeline.Request{
			Level: "system", Types: types, TypeFilter: []string{"Observation?code=a=b"},
		}, []string{`second "="`}},
		"no value": {pipeline.Request{
			Level: "system", Types: types, TypeFilter: []string{"Observation?code"},
		}, []string{"name=value"}},
		"no search": {pipeline.Request{
			Level: "system", Types: types, TypeFilter: []string{"code=a"},
		}, []string{"not of the form"}},
		"no types": {pipeline.Request{
			Level: "system", TypeFilter: []string{"Observation?code=a"},
		}, []string{"only with types"}},
		"another type": {pipeline.Request{
			Level: "system", Types: types, TypeFilter: []string{"Patient?name=a"},
		}, []string{"not among the types"}},
		"with deletes": {pipeline.Request{
			Level: "system", Types: types, TypeFilter: []string{"Observation?code=a"},
			Deleted: true,
		}, []string{"deletes of a filtered export"}},
		"no type name": {pipeline.Request{
			Level: "system", Types: []string{"Patient", "a,b", ""},
		}, []string{`"a,b"`, `""`}},
		"empty window": {pipeline.Request{
			Level: "system", Since: today, Till: today.Add(time.Microsecond),
		}, []string{"empty"}},
		"group elsewhere": {pipeline.Request{Level: "system", Group: "g"}, []string{"level group"}},
		"all at once": {
			pipeline.Request{Level: "galaxy", Types: []string{"1"}, TypeFilter: []string{"x"}},
			[]string{"galaxy", `"1"`, "not of the form"},
		},
	} {
		_, err := s.KickOff(t.Context(), c.request)
		if fault.Of(err) != fault.Permanent {
			t.Errorf("%s: %v, want a permanent error", name, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not speak of %q", name, err, want)
			}
		}
	}
}

func TestKickOffReadsTheStatusURL(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]pipeline.Accepted{
		"/fhir/_operations/export/17": {
			StatusURL: "BASE/fhir/_operations/export/17", Folder: "17",
		},
		"_operations/export/18": {
			StatusURL: "BASE/fhir/_operations/export/18", Folder: "18",
		},
		"https://Other.example/x/export/19/?a=b%3Dc": {
			StatusURL: "https://Other.example/x/export/19/?a=b%3Dc", Folder: "19",
		},
	} {
		s, srv := serve(t, answers(202, "", "content-location", location))
		if strings.Contains(location, "Other") {
			_, err := s.KickOff(t.Context(), pipeline.Request{Level: "system"})
			if fault.Of(err) != fault.Permanent || !errors.Is(err, pipeline.ErrUnfollowed) ||
				!strings.Contains(err.Error(), "statusHosts") {
				t.Errorf("%s: %v, want it refused", location, err)
			}
			s.o.StatusHosts = []string{"other.example"}
		}
		got, err := s.KickOff(t.Context(), pipeline.Request{Level: "system"})
		if err != nil {
			t.Errorf("%s: %v", location, err)
			continue
		}
		want.StatusURL = strings.Replace(want.StatusURL, "BASE", srv.URL, 1)
		got.Exchange, got.ServerTime = pipeline.Exchange{}, time.Time{}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", location, diff)
		}
	}
}

func TestKickOffClassifiesAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		h     http.HandlerFunc
		class fault.Class
		after time.Duration
		text  string
	}{
		"202 without Content-Location": {
			answers(202, ""), fault.Permanent, 0,
			"without Content-Location",
		},
		"202 with nonsense": {
			answers(202, "", "Content-Location", "mailto:x"), fault.Permanent, 0,
			"not a URL",
		},
		"200 with a bundle": {
			answers(200, `{"resourceType":"Bundle"}`), fault.Permanent, 0,
			"instead of 202",
		},
		"400": {
			answers(400, issueBody("invalid", "_until is unknown")), fault.Permanent,
			0, "_until is unknown",
		},
		"401": {answers(401, ""), fault.Permanent, 0, "requires a sign-in"},
		"403": {answers(403, ""), fault.Permanent, 0, "FHIR Data Exporter"},
		"404": {answers(404, ""), fault.Permanent, 0, "base URL"},
		"429": {
			answers(429, "", "Retry-After", "30"), fault.Transient, 30 * time.Second,
			"429",
		},
		"429 negative": {answers(429, "", "Retry-After", "-30"), fault.Transient, 0, "429"},
		"429 epoch": {answers(429, "", "Date", "Mon, 23 Nov 2026 08:00:00 GMT", "Retry-After",
			"1795420840"), fault.Transient, 40 * time.Second, "429"},
		"429 nonsense": {
			answers(429, "", "Retry-After", "99999999999999"), fault.Transient, 0,
			"429",
		},
		"429 hours": {
			answers(429, "", "Retry-After", "7200"), fault.Transient, 5 * time.Minute,
			"429",
		},
		"503 date": {answers(503, "", "Date", "Mon, 23 Nov 2026 08:00:00 GMT", "Retry-After",
			"Mon, 23 Nov 2026 08:00:40 GMT"), fault.Transient, 40 * time.Second, "503"},
		"500 html": {answers(500, "<html>patient data?</html>", "Content-Type",
			"text/html; charset=utf-8"), fault.Transient, 0, "text/html, 26 bytes"},
		"501": {answers(501, ""), fault.Permanent, 0, "exports in bulk"},
		"408": {answers(408, ""), fault.Transient, 0, "408"},
	} {
		s, _ := serve(t, c.h)
		_, err := s.KickOff(t.Context(), pipeline.Request{Level: "system"})
		if err == nil || fault.Of(err) != c.class || fault.After(err) != c.after ||
			!strings.Contains(err.Error()+fault.ServerText(err), c.text) {
			t.Errorf("%s: %v (%v, after %v), want %v after %v with %q", name, err, fault.Of(err),
				fault.After(err), c.class, c.after, c.text)
		}
		if err != nil && strings.Contains(err.Error(), "patient data") {
			t.Errorf("%s: the body came into the error", name)
		}
	}
}

func TestAnAnswerThatIsCutAfterItsHeadersIsStillAnAnswer(t *testing.T) {
	t.Parallel()
	s, srv := serve(t,
		answers(202, "{", "Content-Location", "/fhir/_operations/export/17", "Content-Length",
			"100"))
	if a, err := s.KickOff(t.Context(), pipeline.Request{Level: "system"}); err != nil ||
		a.Folder != "17" {
		t.Errorf("KickOff: %+v, %v", a, err)
	}
	if _, err := s.Status(t.Context(), srv.URL+"/fhir/_operations/export/17"); err != nil {
		t.Errorf("Status: %v", err)
	}
	if err := s.Cancel(t.Context(), srv.URL+"/fhir/_operations/export/17"); err != nil {
		t.Errorf("Cancel: %v", err)
	}
}

func TestKickOffThatIsCutIsUnknown(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	s, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/metadata") {
			requests.Add(1)
		}
		panic(http.ErrAbortHandler)
	})
	_, err := s.KickOff(t.Context(), pipeline.Request{Level: "system"})
	if err == nil || fault.Of(err) != fault.Transient || requests.Load() != 1 {
		t.Errorf("%v after %d requests, want a transient error after 1", err, requests.Load())
	}
}

func TestAnEndedContextIsKnown(t *testing.T) {
	t.Parallel()
	s, srv := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Status(ctx, srv.URL+"/job/1"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want context.DeadlineExceeded", err)
	}
}

// A server that would ignore the rules would export identified resources.
func TestAServerOfTheGuideIsAskedForNoDeidentifiedExport(t *testing.T) {
	t.Parallel()
	s, _ := serve(t, func(http.ResponseWriter, *http.Request) {
		t.Error("a request was sent")
	}, func(o *Options) { o.Dialect, o.Container = DialectBulk, "" })
	_, err := s.KickOff(t.Context(), pipeline.Request{
		Level: "system", Deidentify: &pipeline.Deidentify{Config: "a.json", ETag: "1"},
	})
	if fault.Of(err) != fault.Permanent || !strings.Contains(err.Error(), "de-identified") {
		t.Errorf("got %v", err)
	}
}

// A job whose promise was lost is not taken for ours if it ran by other rules.
func TestAnIdentifiedJobIsNotADeidentifiedOne(t *testing.T) {
	t.Parallel()
	s, err := New(Options{
		Dialect: DialectAzure, BaseURL: "https://fhir.example", Container: "lake", Now: time.Now,
		Landing: func(string) (string, bool) { return "", false },
	})
	if err != nil {
		t.Fatal(err)
	}
	const url = "https://fhir.example/$export?_container=lake"
	const byRules = url + "&_anonymizationConfig=a.json&_anonymizationConfigEtag=%221%22"
	plain := pipeline.Request{Level: "system"}
	ruled := pipeline.Request{
		Level: "system", Deidentify: &pipeline.Deidentify{Config: "a.json", ETag: "1"},
	}
	for _, c := range []struct {
		job     string
		request pipeline.Request
		want    bool
	}{
		{url, plain, true},
		{byRules, ruled, true},
		{url, ruled, false},
		{byRules, plain, false},
		{strings.ReplaceAll(byRules, "%221", "%222"), ruled, false},
	} {
		if got := s.Traces.Answers(pipeline.Manifest{Request: c.job}, c.request); got != c.want {
			t.Errorf("%s is taken for %+v: %t", c.job, c.request, got)
		}
	}
}
