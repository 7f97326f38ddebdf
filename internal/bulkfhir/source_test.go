package bulkfhir

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/testkit/pipelinetest"
)

var today = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// serve starts a server and a Source for it. change may alter the options.
func serve(t *testing.T, h http.HandlerFunc, change ...func(*Options)) (*Source, *httptest.Server) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	o := Options{
		BaseURL: srv.URL + "/fhir/", HTTP: srv.Client(), Container: "lake", Now: func() time.Time { return today },
		Landing: func(u string) (string, bool) { return strings.CutPrefix(u, "https://acct.blob.core.windows.net/lake/") },
	}
	for _, c := range change {
		c(&o)
	}
	s, err := open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s, srv
}

// answers returns a handler with one fixed answer.
func answers(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/fhir+json")
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func issueBody(code, diagnostics string) string {
	return fmt.Sprintf(`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":%q,"diagnostics":%q}]}`, code, diagnostics)
}

func TestNewNamesEveryFaultAtOnce(t *testing.T) {
	t.Parallel()
	token := func(context.Context) (string, error) { return "secret", nil }
	_, err := New(Options{BaseURL: "http://fhir.example.org", Token: token, MaxCount: 10_001})
	if fault.Of(err) != fault.Permanent {
		t.Fatalf("%v, want a permanent error", err)
	}
	for _, want := range []string{"without TLS", "container", "10001", "clock"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not speak of %q", err, want)
		}
	}
	for _, base := range []string{"", "fhir.example.org", "ftp://x", "https://x/?a=b", "https://u:p@x", "://"} {
		if _, err := New(Options{BaseURL: base, Container: "c", Now: func() time.Time { return today }}); fault.Of(err) != fault.Permanent {
			t.Errorf("base %q: %v, want a permanent error", base, err)
		}
	}
}

func TestNowIsTheServersDate(t *testing.T) {
	t.Parallel()
	s, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/fhir/metadata" {
			t.Errorf("asked %s %s", r.Method, r.URL)
		}
		w.Header().Set("Date", "Mon, 23 Nov 2026 07:59:58 GMT")
		_, _ = w.Write(make([]byte, 3<<20)) // a CapabilityStatement may be large
	})
	now, err := s.Now(t.Context())
	if want := today.Add(-2 * time.Second); err != nil || !now.Equal(want) {
		t.Errorf("Now is %v, %v, want %v", now, err, want)
	}
}

func TestNowFailsWithoutADate(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"no date":  func(w http.ResponseWriter, _ *http.Request) { w.Header()["Date"] = nil },
		"bad date": answers(200, "{}", "Date", "yesterday"),
	} {
		s, _ := serve(t, h)
		if _, err := s.Now(t.Context()); fault.Of(err) != fault.Permanent || !strings.Contains(err.Error(), "no Date") {
			t.Errorf("%s: %v, want a permanent error", name, err)
		}
	}
	for _, status := range []int{401, 404, 500, 503} {
		s, _ := serve(t, answers(status, "", "Date", "Mon, 23 Nov 2026 07:59:58 GMT"))
		if now, err := s.Now(t.Context()); err != nil || !now.Equal(today.Add(-2*time.Second)) {
			t.Errorf("HTTP %d: %v, %v, want the answer's Date", status, now, err)
		}
	}
}

func TestCancelTakesEveryEndForDone(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{
		200: "ok", 202: "ok", 204: "ok", 404: "ok", 409: "ok", 410: "ok",
		401: "permanent", 403: "permanent", 405: "permanent", 429: "transient", 500: "transient",
	} {
		s, srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodDelete || r.URL.RequestURI() != "/job/17?x=%3D" {
				t.Errorf("asked %s %s", r.Method, r.URL.RequestURI())
			}
			w.WriteHeader(status)
		})
		if got := classOf(s.Cancel(t.Context(), srv.URL+"/job/17?x=%3D")); got != want {
			t.Errorf("HTTP %d: %s, want %s", status, got, want)
		}
	}
}

func classOf(err error) string {
	if err == nil {
		return "ok"
	}
	return fault.Of(err).String()
}

func TestATokenThatHasEndedIsRenewedOnce(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	fresh := func(context.Context) (string, error) { return fmt.Sprintf("t%d", asked.Add(1)), nil }
	s, srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer t2" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	}, func(o *Options) { o.Token = fresh })
	if _, err := s.Status(t.Context(), srv.URL+"/job/1"); err != nil {
		t.Errorf("Status: %v", err)
	}

	var requests atomic.Int32
	s, srv = serve(t, func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.WriteHeader(http.StatusUnauthorized)
	}, func(o *Options) { o.Token = func(context.Context) (string, error) { return "same", nil } })
	_, err := s.Status(t.Context(), srv.URL+"/job/1")
	if fault.Of(err) != fault.Permanent || requests.Load() != 1 || strings.Contains(err.Error(), "same") {
		t.Errorf("a token that stays refused: %v after %d requests, want a permanent error after 1", err, requests.Load())
	}
}

func TestATokenNeverTravelsInTheClear(t *testing.T) {
	t.Parallel()
	var got string
	s, _ := serve(t, answers(200, ""), func(o *Options) {
		o.Token = func(context.Context) (string, error) { return "secret", nil }
		o.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			got = r.Header.Get("Authorization")
			return &http.Response{StatusCode: 202, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
		})}
	})
	for url, want := range map[string]string{
		"http://fhir.example.org/job/1": "", "https://fhir.example.org/job/1": "Bearer secret", "http://127.0.0.1:9/job/1": "Bearer secret",
	} {
		if _, err := s.Status(t.Context(), url); err != nil || got != want {
			t.Errorf("%s: sent %q, %v, want %q", url, got, err, want)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestATokenThatCannotBeHadKeepsItsClass(t *testing.T) {
	t.Parallel()
	s, srv := serve(t, answers(202, ""), func(o *Options) {
		o.Token = func(context.Context) (string, error) { return "", fault.Permanentf("no identity") }
	})
	if _, err := s.Status(t.Context(), srv.URL+"/job/1"); fault.Of(err) != fault.Permanent {
		t.Errorf("%v, want a permanent error", err)
	}
}

func TestABrokenLinkIsTransientAndKeepsTheURLToItself(t *testing.T) {
	t.Parallel()
	s, srv := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	_, err := s.Status(t.Context(), srv.URL+"/job/1?key=secret")
	if err == nil || fault.Of(err) != fault.Transient || strings.Contains(err.Error(), "secret") {
		t.Errorf("cut link: %v", err)
	}
	srv.Close()
	_, err = s.Status(t.Context(), srv.URL+"/job/1?key=secret")
	if err == nil || fault.Of(err) != fault.Transient || strings.Contains(err.Error(), "secret") {
		t.Errorf("no server: %v", err)
	}
}

func TestLinksAreUsedAgain(t *testing.T) {
	t.Parallel()
	var links atomic.Int32
	srv := httptest.NewUnstartedServer(answers(500, strings.Repeat("x", 100_000)))
	srv.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			links.Add(1)
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	s, err := New(Options{BaseURL: srv.URL, HTTP: srv.Client(), Container: "lake", Now: func() time.Time { return today }})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if _, err := s.Status(t.Context(), srv.URL+"/job/1"); err == nil {
			t.Fatal("a 500 is no error")
		}
	}
	if n := links.Load(); n != 1 {
		t.Errorf("%d links for five polls: bodies are not drained", n)
	}
	for range 2 {
		if _, err := s.KickOff(t.Context(), pipeline.Request{Level: "system"}); err == nil {
			t.Fatal("a 500 is no error")
		}
	}
	if n := links.Load(); n != 3 {
		t.Errorf("%d links after two kick-offs, want 3: on a used link net/http may send a kick-off twice", n)
	}
}

// tinyServer is a FHIR server with the minimum that the suite needs.
type tinyServer struct {
	mu       sync.Mutex
	jobs     []bool // running or done; cancelled jobs are in gone
	gone     map[int]bool
	finished bool
}

func (ts *tinyServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	switch id, job := strings.CutPrefix(r.URL.Path, "/fhir/_operations/export/"); {
	case r.URL.Path == "/fhir/metadata":
		answers(200, "{}")(w, r)
	case !job:
		ts.jobs = append(ts.jobs, true)
		w.Header().Set("Content-Location", "/fhir/_operations/export/"+strconv.Itoa(len(ts.jobs)))
		w.WriteHeader(http.StatusAccepted)
	default:
		n, _ := strconv.Atoi(id)
		switch {
		case ts.gone[n]:
			w.WriteHeader(http.StatusNotFound)
		case r.Method == http.MethodDelete:
			ts.gone[n] = true
			w.WriteHeader(http.StatusAccepted)
		case !ts.finished:
			w.WriteHeader(http.StatusAccepted)
		default:
			answers(200, `{"transactionTime":"2026-11-23T08:00:00Z","output":[{"type":"Patient","url":"https://x/1","count":2}],"error":[]}`)(w, r)
		}
	}
}

func TestSourceKeepsThePortsContract(t *testing.T) {
	t.Parallel()
	pipelinetest.TestSource(t, func(t *testing.T) (pipeline.Server, func()) {
		ts := &tinyServer{gone: map[int]bool{}}
		s, _ := serve(t, ts.ServeHTTP)
		return s, func() {
			ts.mu.Lock()
			defer ts.mu.Unlock()
			ts.finished = true
		}
	})
}

func TestKickOffSaysWhatItWants(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 11, 22, 10, 0, 0, 123_999_999, time.FixedZone("", 2*60*60))
	for name, c := range map[string]struct {
		request pipeline.Request
		want    string
	}{
		"system": {pipeline.Request{Level: "system"}, "/fhir/$export?_container=lake&_maxCount=500&_isParallel=false"},
		"group":  {pipeline.Request{Level: "group", Group: "cohort-a 1/2"}, "/fhir/Group/cohort-a%201%2F2/$export?_container=lake&_maxCount=500&_isParallel=false"},
		"window": {
			pipeline.Request{Level: "patient", Since: since, Till: today},
			"/fhir/Patient/$export?_since=2026-11-22T08%3A00%3A00.123Z&_till=2026-11-23T08%3A00%3A00.000Z&_container=lake&_maxCount=500&_isParallel=false",
		},
		"filters": {
			pipeline.Request{
				Level: "system", Types: []string{"Patient", "Observation"},
				TypeFilter: []string{"Observation?code=http://loinc.org|72166-2&status=final", "Patient?name=A b+c"},
			},
			"/fhir/$export?_type=Patient%2CObservation" +
				"&_typeFilter=Observation%3Fcode%3Dhttp%3A%2F%2Floinc.org%7C72166-2%26status%3Dfinal&_typeFilter=Patient%3Fname%3DA%20b%2Bc" +
				"&_container=lake&_maxCount=500&_isParallel=false",
		},
		"deletes":                    {pipeline.Request{Level: "system", Deleted: true}, "/fhir/$export?includeAssociatedData=_deleted&_container=lake&_maxCount=500&_isParallel=false"},
		"deletes that none can tell": {pipeline.Request{Level: "patient", Deleted: true}, "/fhir/Patient/$export?_container=lake&_maxCount=500&_isParallel=false"},
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
				"Accept": got.Header["Accept"], "Prefer": got.Header["Prefer"], "Authorization": got.Header["Authorization"],
			}
			want := map[string][]string{"Accept": {"application/fhir+json"}, "Prefer": {"respond-async"}, "Authorization": {"Bearer t"}}
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
		"comma":           {pipeline.Request{Level: "system", Types: types, TypeFilter: []string{"Observation?code=a,b"}}, []string{"comma"}},
		"second equals":   {pipeline.Request{Level: "system", Types: types, TypeFilter: []string{"Observation?code=a=b"}}, []string{`second "="`}},
		"no value":        {pipeline.Request{Level: "system", Types: types, TypeFilter: []string{"Observation?code"}}, []string{"name=value"}},
		"no search":       {pipeline.Request{Level: "system", Types: types, TypeFilter: []string{"code=a"}}, []string{"not of the form"}},
		"no types":        {pipeline.Request{Level: "system", TypeFilter: []string{"Observation?code=a"}}, []string{"only with types"}},
		"another type":    {pipeline.Request{Level: "system", Types: types, TypeFilter: []string{"Patient?name=a"}}, []string{"not among the types"}},
		"with deletes":    {pipeline.Request{Level: "system", Types: types, TypeFilter: []string{"Observation?code=a"}, Deleted: true}, []string{"deletes of a filtered export"}},
		"no type name":    {pipeline.Request{Level: "system", Types: []string{"Patient", "a,b", ""}}, []string{`"a,b"`, `""`}},
		"empty window":    {pipeline.Request{Level: "system", Since: today, Till: today.Add(time.Microsecond)}, []string{"empty"}},
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
		"/fhir/_operations/export/17":                {StatusURL: "BASE/fhir/_operations/export/17", Folder: "17"},
		"_operations/export/18":                      {StatusURL: "BASE/fhir/_operations/export/18", Folder: "18"},
		"https://Other.example/x/export/19/?a=b%3Dc": {StatusURL: "https://Other.example/x/export/19/?a=b%3Dc", Folder: "19"},
	} {
		s, srv := serve(t, answers(202, "", "content-location", location))
		if strings.Contains(location, "Other") {
			_, err := s.KickOff(t.Context(), pipeline.Request{Level: "system"})
			if fault.Of(err) != fault.Permanent || !errors.Is(err, pipeline.ErrUnfollowed) || !strings.Contains(err.Error(), "statusHosts") {
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
		"202 without Content-Location": {answers(202, ""), fault.Permanent, 0, "without Content-Location"},
		"202 with nonsense":            {answers(202, "", "Content-Location", "mailto:x"), fault.Permanent, 0, "not a URL"},
		"200 with a bundle":            {answers(200, `{"resourceType":"Bundle"}`), fault.Permanent, 0, "instead of 202"},
		"400":                          {answers(400, issueBody("invalid", "_until is unknown")), fault.Permanent, 0, "_until is unknown"},
		"401":                          {answers(401, ""), fault.Permanent, 0, "requires a sign-in"},
		"403":                          {answers(403, ""), fault.Permanent, 0, "FHIR Data Exporter"},
		"404":                          {answers(404, ""), fault.Permanent, 0, "base URL"},
		"429":                          {answers(429, "", "Retry-After", "30"), fault.Transient, 30 * time.Second, "429"},
		"429 negative":                 {answers(429, "", "Retry-After", "-30"), fault.Transient, 0, "429"},
		"429 epoch":                    {answers(429, "", "Date", "Mon, 23 Nov 2026 08:00:00 GMT", "Retry-After", "1795420840"), fault.Transient, 40 * time.Second, "429"},
		"429 nonsense":                 {answers(429, "", "Retry-After", "99999999999999"), fault.Transient, 0, "429"},
		"429 hours":                    {answers(429, "", "Retry-After", "7200"), fault.Transient, 5 * time.Minute, "429"},
		"503 date":                     {answers(503, "", "Date", "Mon, 23 Nov 2026 08:00:00 GMT", "Retry-After", "Mon, 23 Nov 2026 08:00:40 GMT"), fault.Transient, 40 * time.Second, "503"},
		"500 html":                     {answers(500, "<html>patient data?</html>", "Content-Type", "text/html; charset=utf-8"), fault.Transient, 0, "text/html, 26 bytes"},
		"501":                          {answers(501, ""), fault.Permanent, 0, "exports in bulk"},
		"408":                          {answers(408, ""), fault.Transient, 0, "408"},
	} {
		s, _ := serve(t, c.h)
		_, err := s.KickOff(t.Context(), pipeline.Request{Level: "system"})
		if err == nil || fault.Of(err) != c.class || fault.After(err) != c.after || !strings.Contains(err.Error()+fault.ServerText(err), c.text) {
			t.Errorf("%s: %v (%v, after %v), want %v after %v with %q", name, err, fault.Of(err), fault.After(err), c.class, c.after, c.text)
		}
		if err != nil && strings.Contains(err.Error(), "patient data") {
			t.Errorf("%s: the body came into the error", name)
		}
	}
}

func TestAnAnswerThatIsCutAfterItsHeadersIsStillAnAnswer(t *testing.T) {
	t.Parallel()
	s, srv := serve(t, answers(202, "{", "Content-Location", "/fhir/_operations/export/17", "Content-Length", "100"))
	if a, err := s.KickOff(t.Context(), pipeline.Request{Level: "system"}); err != nil || a.Folder != "17" {
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
