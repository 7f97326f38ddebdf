package bulkfhir

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

func TestStatusOfAJobThatRuns(t *testing.T) {
	t.Parallel()
	failure := issueBody("throttled", "Request rate is large")
	for name, c := range map[string]struct {
		h    http.HandlerFunc
		want pipeline.Status
	}{
		"202": {answers(202, ""), pipeline.Status{}},
		"202 with advice": {answers(202, "", "Retry-After", "120", "X-Progress",
			" 50% \n done"), pipeline.Status{RetryIn: 2 * time.Minute, Progress: "50%"}},
		"202 with zero": {
			answers(202, "", "Retry-After", "0"),
			pipeline.Status{RetryIn: time.Second},
		},
		"202 with a past date": {answers(202, "", "Retry-After",
			"Mon, 23 Nov 2020 08:00:00 GMT"), pipeline.Status{RetryIn: time.Second}},
		"202 with a date, no Date": {noDate(answers(202, "", "Retry-After",
			"Mon, 23 Nov 2026 08:00:07 GMT")), pipeline.Status{RetryIn: 7 * time.Second}},
		"202 with nonsense": {answers(202, "", "Retry-After", "soon"), pipeline.Status{}},
		"202 with a long progress": {
			answers(202, "", "X-Progress", strings.Repeat("x", 200)),
			pipeline.Status{},
		},
		"a throttled poll": {
			answers(429, failure, "Retry-After", "9"),
			pipeline.Status{RetryIn: 9 * time.Second},
		},
		"503 with advice": {
			answers(503, "", "Retry-After", "9"),
			pipeline.Status{RetryIn: 9 * time.Second},
		},
		"202 whose body is a page": {
			answers(202, "<html>", "Content-Type", "text/html"),
			pipeline.Status{},
		},
		"503 with advice, html body": {answers(503, "<html>", "Retry-After", "9", "Content-Type",
			"text/html"), pipeline.Status{RetryIn: 9 * time.Second}},
	} {
		s, srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || r.URL.RequestURI() != "/job/17?job=%3D" ||
				r.Header.Get("Accept") != "application/json" {
				t.Errorf("asked %s %s for %s", r.Method, r.URL.RequestURI(), r.Header.Get("Accept"))
			}
			c.h(w, r)
		})
		got, err := s.Status(t.Context(), srv.URL+"/job/17?job=%3D")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if strings.Contains(name, "progress") != (got.ProgressMark != "") &&
			!strings.Contains(name, "advice") {
			t.Errorf("%s: progress mark %q", name, got.ProgressMark)
		}
		got.ProgressMark = ""
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func noDate(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Date"] = nil
		h(w, r)
	}
}

func TestStatusThatFails(t *testing.T) {
	t.Parallel()
	const failed = "Export operation failed for reason: "
	for name, c := range map[string]struct {
		h     http.HandlerFunc
		class fault.Class
		text  string
	}{
		"the job failed, as 429": {answers(429, issueBody("throttled", failed+"too many requests"),
			"Retry-After", "9"), fault.Permanent, "the export failed at the server with HTTP 429"},
		"the job failed, as 500": {
			answers(500, issueBody("exception", failed+"unknown")),
			fault.Permanent, "the export failed",
		},
		"the job failed, as 503": {answers(503, issueBody("exception", failed+"unknown"),
			"Retry-After", "9"), fault.Permanent, "the export failed"},
		"the job failed, as 403": {
			answers(403, issueBody("forbidden", failed+"storage")),
			fault.Permanent, "Storage Blob Data Contributor",
		},
		"the job failed, as 413": {
			answers(413, issueBody("too-costly", failed+"memory")),
			fault.Permanent, "fewer resources per query",
		},
		"the job failed, as 404": {
			answers(404, issueBody("not-found", failed+"container")),
			fault.Permanent, "the export failed",
		},
		"404": {answers(404, ""), fault.Permanent, "does not know this job"},
		"410": {answers(410, ""), fault.Permanent, "does not know this job"},
		"401": {answers(401, ""), fault.Permanent, "requires a sign-in"},
		"403": {
			answers(403, issueBody("forbidden", "no")), fault.Permanent,
			"FHIR Data Exporter",
		},
		"400": {
			answers(400, issueBody("invalid", "no")), fault.Permanent,
			"HTTP 400: invalid",
		},
		"409, may be asked again": {
			answers(409, issueBody("lock-error", "wait")), fault.Transient,
			"lock-error",
		},
		"429 without advice": {answers(429, ""), fault.Transient, "429"},
		"503 without advice": {answers(503, ""), fault.Transient, "503"},
		"500": {
			answers(500, issueBody("exception", "boom")), fault.Transient,
			"exception",
		},
		"502 html": {answers(502, "<html>secret page</html>", "Content-Type",
			"text/html"), fault.Transient, "text/html, 24 bytes"},
		"500 huge": {answers(500, strings.Repeat("x", 2<<20), "Content-Type",
			"text/plain"), fault.Transient, "text/plain, more than 1048576 bytes"},
		"200 html": {
			answers(200, "<html>", "Content-Type", "text/html"),
			fault.Transient, "without a manifest",
		},
		"200 empty": {answers(200, ""), fault.Transient, "without a manifest"},
		"200 cut": {
			answers(200, `{"transactionTime":"2026-`), fault.Transient,
			"without a manifest",
		},
		"200 null": {answers(200, "null"), fault.Transient, "without a manifest"},
		"200 with an outcome": {
			answers(200, issueBody("exception", "x")), fault.Transient,
			"without a manifest",
		},
		"a body cut short": {
			answers(200, "{}", "Content-Length", "10"), fault.Transient,
			"unexpected EOF",
		},
	} {
		s, srv := serve(t, c.h)
		_, err := s.Status(t.Context(), srv.URL+"/job/17")
		if err == nil || fault.Of(err) != c.class || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v (%v), want %v with %q", name, err, fault.Of(err), c.class, c.text)
			continue
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the body came into the error", name)
		}
		unknown := strings.HasPrefix(name, "404") || strings.HasPrefix(name, "410")
		if errors.Is(err, ErrUnknownJob) != unknown {
			t.Errorf("%s: is ErrUnknownJob: %v", name, !unknown)
		}
	}
}

func TestWordsOfTheServerAreCutShort(t *testing.T) {
	t.Parallel()
	s, srv := serve(t, answers(400, issueBody("invalid", strings.Repeat("é\n", 400))))
	_, err := s.Status(t.Context(), srv.URL+"/job/1")
	if n := len([]rune(err.Error())); n > 450 || strings.ContainsRune(err.Error(), '\n') {
		t.Errorf("the error has %d characters, or lines: %v", n, err)
	}
}

func TestManifests(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 7, 0, 0, 123_000_000, time.UTC)
	const begin = `{"transactionTime":"2026-11-23T07:00:00.123Z",`
	for name, c := range map[string]struct {
		body string
		want pipeline.Manifest
	}{
		"as Azure writes it": {
			begin + `"request":"https://x/$export","requiresAccessToken":false,"issues":[],"error":[],"output":[` +
				`{"type":"Patient","url":"https://acct.blob.core.windows.net/lake/20261123T070000-17/Patient-1-1.ndjson","count":12},` +
				`{"type":"Patient","url":"https://other.blob.core.windows.net/lake/x","count":0}]}`,
			pipeline.Manifest{
				TransactionTime: at, Request: "https://x/$export", Output: []pipeline.OutputFile{
					{
						Type: "Patient",
						URL:  "https://acct.blob.core.windows.net/lake/20261123T070000-17/Patient-1-1.ndjson", Path: "20261123T070000-17/Patient-1-1.ndjson", Count: 12,
					},
					{Type: "Patient", URL: "https://other.blob.core.windows.net/lake/x"},
				},
			},
		},
		"empty output": {begin + `"output":[]}`, pipeline.Manifest{TransactionTime: at}},
		"a byte order mark": {
			"\xef\xbb\xbf" + begin + `"output":[]}`,
			pipeline.Manifest{TransactionTime: at},
		},
		"counts of all kinds": {
			begin + `"output":[{"type":"Aa","url":"1"},{"type":"Aa","url":"2","count":"7"},{"type":"Aa","url":"3","count":-5},` +
				`{"type":"Aa","url":"4","count":1.5},{"type":"Aa","url":"5","count":null},{"type":"Aa","url":"6","count":3.0},{"type":"Aa","url":"7","count":{"x":1}}]}`,
			pipeline.Manifest{TransactionTime: at, Output: []pipeline.OutputFile{
				{Type: "Aa", URL: "1", Count: -1},
				{Type: "Aa", URL: "2", Count: 7},
				{Type: "Aa", URL: "3", Count: -1},
				{Type: "Aa", URL: "4", Count: -1},
				{Type: "Aa", URL: "5", Count: -1},
				{Type: "Aa", URL: "6", Count: 3},
				{Type: "Aa", URL: "7", Count: -1},
			}},
		},
		"error and outcome": {
			begin + `"output":[],"error":[{"type":"OperationOutcome","url":"1","count":1}],"outcome":[{"url":"2"}],"extension":{"a":[1]}}`,
			pipeline.Manifest{
				TransactionTime: at,
				Errors: []pipeline.OutputFile{
					{Type: "OperationOutcome", URL: "1", Count: 1}, {URL: "2", Count: -1},
				},
			},
		},
		"another zone": {
			`{"transactionTime":"2026-11-23T09:00:00.123+02:00","output":[]}`,
			pipeline.Manifest{TransactionTime: at},
		},
	} {
		s, srv := serve(t, answers(200, c.body))
		got, err := s.Status(t.Context(), srv.URL+"/job/17")
		if err != nil || got.Manifest == nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		c.want.Raw = []byte(c.body)
		if diff := cmp.Diff(&c.want, got.Manifest); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestATransactionTimeThatIsNoInstantIsReplaced(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`"2026-11-23T07:00:00+00:00Z"`,
		`"Mon Nov 23 2026 07:00:00 GMT+0000 (Coordinated Universal Time)"`, `"2026-11-23T07:00:00"`,
		`"yesterday"`, "1795420840000", "null", `""`,
	} {
		s, srv := serve(t,
			answers(200, `{"transactionTime":`+text+
				`,"output":[{"type":"Patient","url":"https://x/1"}]}`))
		got, err := s.Status(t.Context(), srv.URL+"/job/17")
		if err != nil || !got.Manifest.TransactionTime.IsZero() || len(got.Manifest.Notices) != 1 {
			t.Errorf("%s: %+v, %v, want no time and a notice", text, got.Manifest, err)
		}
	}
	s, srv := serve(t,
		noDate(answers(200, `{"transactionTime":"9000-01-01T00:00:00Z","output":[]}`)))
	if _, err := s.Status(t.Context(), srv.URL+"/job/17"); fault.Of(err) != fault.Permanent {
		t.Errorf("the year 9000 without a Date: %v, want a permanent error", err)
	}
}

// A small compressed manifest must not take more memory than a large one.
func TestAManifestOfManyBadEntriesTakesLittleMemory(t *testing.T) {
	t.Parallel()
	const entries = 25_000_000
	s, srv := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, `{"transactionTime":"2026-11-23T07:00:00Z","output":[{}`)
		block := strings.Repeat(",{}", 100_000)
		for range entries / 100_000 {
			if _, err := io.WriteString(z, block); err != nil {
				return // the client has read enough
			}
		}
		_, _ = io.WriteString(z, "]}")
		_ = z.Close()
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := s.Status(t.Context(), srv.URL+"/job/17")
	runtime.ReadMemStats(&after)
	if fault.Of(err) != fault.Permanent ||
		!strings.Contains(err.Error(), "more than 1000000 entries") {
		t.Errorf("%v, want a permanent error", err)
	}
	if after.HeapSys > before.HeapSys && after.HeapSys-before.HeapSys > 200<<20 {
		t.Errorf("the heap grew by %d MB", (after.HeapSys-before.HeapSys)>>20)
	}
}

func TestFaultsOfAManifestAreCounted(t *testing.T) {
	t.Parallel()
	s, srv := serve(t,
		answers(200, `{"transactionTime":"2026-11-23T07:00:00Z","output":[{}`+
			strings.Repeat(",{}", 199_999)+"]}"))
	_, err := s.Status(t.Context(), srv.URL+"/job/17")
	if err == nil || len(err.Error()) > 2048 || !strings.Contains(err.Error(), "output[19]") ||
		!strings.Contains(err.Error(), "and 199980 more") {
		t.Errorf("an error of %d bytes: %.300s", len(fmt.Sprint(err)), fmt.Sprint(err))
	}
}

func TestManifestsThatCannotBeUsedNameEveryFault(t *testing.T) {
	t.Parallel()
	s, srv := serve(t,
		answers(200, `{"transactionTime":"last week","output":[{"type":"Patient"},{"url":"x"}],`+
			`"deleted":[{"type":"Bundle","url":"d"}],"link":[{"relation":"next","url":"n"}]}`))
	_, err := s.Status(t.Context(), srv.URL+"/job/17")
	if fault.Of(err) != fault.Permanent {
		t.Fatalf("%v, want a permanent error", err)
	}
	for _, want := range []string{"output[0]", "output[1]", "deletes", "further page"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not speak of %q", err, want)
		}
	}
}

func TestALargeManifestIsReadAndAHugeOneRefused(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`{"transactionTime":"2026-11-23T07:00:00Z","output":[`)
	const files = 60_000
	for i := range files {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b,
			`{"type":"Observation","url":"https://acct.blob.core.windows.net/lake/20261123T070000-17/Observation-%d-1.ndjson","count":10000}`, i)
	}
	b.WriteString("]}")
	s, srv := serve(t, answers(200, b.String()))
	got, err := s.Status(t.Context(), srv.URL+"/job/17")
	if err != nil || got.Manifest == nil || len(got.Manifest.Output) != files || b.Len() < 5<<20 {
		t.Errorf("of %d bytes: %v", b.Len(), err)
	}
	s.maxManifest = int64(b.Len()) - 1
	if _, err := s.Status(t.Context(), srv.URL+"/job/17"); fault.Of(err) != fault.Permanent ||
		!strings.Contains(err.Error(), "more than") {
		t.Errorf("one byte too long: %v, want a permanent error", err)
	}
	s.maxManifest++
	if _, err := s.Status(t.Context(), srv.URL+"/job/17"); err != nil {
		t.Errorf("just at the limit: %v", err)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"transactionTime":"2026-11-23T07:00:00Z","output":[{"type":"Aa","url":"u","count":1}],"error":null}`))
	f.Add([]byte(`{"output":[{"count":"x"}],"link":[{}]}`))
	s := &Source{
		caller:  caller{dialect: azure, now: func() time.Time { return today }, base: &url.URL{}},
		landing: func(string) (string, bool) { return "", false }, maxManifest: 1 << 20,
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, a := s.newManifest(), answer{url: &url.URL{}}
		var m *pipeline.Manifest
		first, err := r.page(&unpackedBody{r: bytes.NewReader(text)}, a)
		if err == nil {
			m, err = s.collect(t.Context(), first, a, r)
		}
		if (m == nil) == (err == nil) {
			t.Fatalf("manifest %v and error %v", m, err)
		}
		if m == nil {
			return
		}
		for _, o := range append(m.Output, m.Errors...) {
			if o.Count < -1 || o.URL == "" {
				t.Fatalf("a file without sense: %+v", o)
			}
		}
	})
}

func FuzzOutcome(f *testing.F) {
	f.Add([]byte(issueBody("exception", "export operation failed for reason: x")))
	f.Fuzz(func(t *testing.T, body []byte) {
		s := &Source{caller: caller{dialect: azure, now: func() time.Time { return today }}}
		_, err := s.status(t.Context(), answer{status: 500, body: body, header: http.Header{}},
			page{}, nil)
		if err == nil || len([]rune(err.Error())) > 800 {
			t.Fatalf("an error of no use: %v", err)
		}
	})
}
