package bulkfhir

import (
	"context"
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
		BaseURL: srv.URL + "/fhir/", HTTP: srv.Client(), Container: "lake", Now: func() time.Time {
			return today
		},
		Landing: func(u string) (string, bool) {
			return strings.CutPrefix(u, "https://acct.blob.core.windows.net/lake/")
		},
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
	return fmt.Sprintf(
		`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":%q,"diagnostics":%q}]}`, code, diagnostics)
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
	for _, base := range []string{
		"", "fhir.example.org", "ftp://x", "https://x/?a=b", "https://u:p@x", "://",
	} {
		if _, err := New(Options{BaseURL: base, Container: "c", Now: func() time.Time {
			return today
		}}); fault.Of(err) != fault.Permanent {
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
		if _, err := s.Now(t.Context()); fault.Of(err) != fault.Permanent ||
			!strings.Contains(err.Error(), "no Date") {
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
	if fault.Of(err) != fault.Permanent || requests.Load() != 1 ||
		strings.Contains(err.Error(), "same") {
		t.Errorf("a token that stays refused: %v after %d requests, want a permanent error after 1",
			err, requests.Load())
	}
}

func TestATokenNeverTravelsInTheClear(t *testing.T) {
	t.Parallel()
	var got string
	s, _ := serve(t, answers(200, ""), func(o *Options) {
		o.Token = func(context.Context) (string, error) { return "secret", nil }
		o.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			got = r.Header.Get("Authorization")
			return &http.Response{
				StatusCode: 202, Header: http.Header{}, Body: http.NoBody, Request: r,
			}, nil
		})}
	})
	for url, want := range map[string]string{
		"http://fhir.example.org/job/1": "", "https://fhir.example.org/job/1": "Bearer secret",
		"http://127.0.0.1:9/job/1": "Bearer secret",
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
		o.Token = func(context.Context) (string, error) {
			return "", fault.Permanentf("no identity")
		}
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
	s, err := New(Options{
		BaseURL: srv.URL, HTTP: srv.Client(), Container: "lake", Now: func() time.Time {
			return today
		},
	})
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
