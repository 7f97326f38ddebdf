package bulkfhir

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
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
		"202":                        {answers(202, ""), pipeline.Status{}},
		"202 with advice":            {answers(202, "", "Retry-After", "120", "X-Progress", " 50% \n done"), pipeline.Status{RetryIn: 2 * time.Minute, Progress: "50%   done"}},
		"202 with zero":              {answers(202, "", "Retry-After", "0"), pipeline.Status{RetryIn: time.Second}},
		"202 with a past date":       {answers(202, "", "Retry-After", "Mon, 23 Nov 2020 08:00:00 GMT"), pipeline.Status{RetryIn: time.Second}},
		"202 with a date, no Date":   {noDate(answers(202, "", "Retry-After", "Mon, 23 Nov 2026 08:00:07 GMT")), pipeline.Status{RetryIn: 7 * time.Second}},
		"202 with nonsense":          {answers(202, "", "Retry-After", "soon"), pipeline.Status{}},
		"202 with a long progress":   {answers(202, "", "X-Progress", strings.Repeat("x", 200)), pipeline.Status{Progress: strings.Repeat("x", 100) + "…"}},
		"a throttled poll":           {answers(429, failure, "Retry-After", "9"), pipeline.Status{RetryIn: 9 * time.Second}},
		"503 with advice":            {answers(503, "", "Retry-After", "9"), pipeline.Status{RetryIn: 9 * time.Second}},
		"202 whose body is a page":   {answers(202, "<html>", "Content-Type", "text/html"), pipeline.Status{}},
		"503 with advice, html body": {answers(503, "<html>", "Retry-After", "9", "Content-Type", "text/html"), pipeline.Status{RetryIn: 9 * time.Second}},
	} {
		s, srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || r.URL.RequestURI() != "/job/17?job=%3D" || r.Header.Get("Accept") != "application/json" {
				t.Errorf("asked %s %s for %s", r.Method, r.URL.RequestURI(), r.Header.Get("Accept"))
			}
			c.h(w, r)
		})
		got, err := s.Status(t.Context(), srv.URL+"/job/17?job=%3D")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
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
		"the job failed, as 429":  {answers(429, issueBody("throttled", failed+"too many requests"), "Retry-After", "9"), fault.Permanent, "the export failed at the server with HTTP 429"},
		"the job failed, as 500":  {answers(500, issueBody("exception", failed+"unknown")), fault.Permanent, "the export failed"},
		"the job failed, as 503":  {answers(503, issueBody("exception", failed+"unknown"), "Retry-After", "9"), fault.Permanent, "the export failed"},
		"the job failed, as 403":  {answers(403, issueBody("forbidden", failed+"storage")), fault.Permanent, "Storage Blob Data Contributor"},
		"the job failed, as 413":  {answers(413, issueBody("too-costly", failed+"memory")), fault.Permanent, "fewer resources per query"},
		"the job failed, as 404":  {answers(404, issueBody("not-found", failed+"container")), fault.Permanent, "the export failed"},
		"404":                     {answers(404, ""), fault.Permanent, "does not know this job"},
		"410":                     {answers(410, ""), fault.Permanent, "does not know this job"},
		"401":                     {answers(401, ""), fault.Permanent, "wants a sign-in"},
		"403":                     {answers(403, issueBody("forbidden", "no")), fault.Permanent, "FHIR Data Exporter"},
		"400":                     {answers(400, issueBody("invalid", "no")), fault.Permanent, "invalid no"},
		"409, may be asked again": {answers(409, issueBody("lock-error", "wait")), fault.Transient, "lock-error wait"},
		"429 without advice":      {answers(429, ""), fault.Transient, "429"},
		"503 without advice":      {answers(503, ""), fault.Transient, "503"},
		"500":                     {answers(500, issueBody("exception", "boom")), fault.Transient, "exception boom"},
		"502 html":                {answers(502, "<html>secret page</html>", "Content-Type", "text/html"), fault.Transient, "text/html, 24 bytes"},
		"500 huge":                {answers(500, strings.Repeat("x", 2<<20), "Content-Type", "text/plain"), fault.Transient, "text/plain, more than 1048576 bytes"},
		"200 html":                {answers(200, "<html>", "Content-Type", "text/html"), fault.Transient, "no manifest"},
		"200 empty":               {answers(200, ""), fault.Transient, "no manifest"},
		"200 cut":                 {answers(200, `{"transactionTime":"2026-`), fault.Transient, "no manifest"},
		"200 null":                {answers(200, "null"), fault.Transient, "no manifest"},
		"200 with an outcome":     {answers(200, issueBody("exception", "x")), fault.Transient, "no manifest"},
		"a body cut short":        {answers(200, "{}", "Content-Length", "10"), fault.Transient, "unexpected EOF"},
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
			pipeline.Manifest{TransactionTime: at, Request: "https://x/$export", Output: []pipeline.OutputFile{
				{Type: "Patient", URL: "https://acct.blob.core.windows.net/lake/20261123T070000-17/Patient-1-1.ndjson", Path: "20261123T070000-17/Patient-1-1.ndjson", Count: 12},
				{Type: "Patient", URL: "https://other.blob.core.windows.net/lake/x"},
			}},
		},
		"empty output":      {begin + `"output":[]}`, pipeline.Manifest{TransactionTime: at}},
		"no output":         {begin + `"error":[]}`, pipeline.Manifest{TransactionTime: at}},
		"a byte order mark": {"\xef\xbb\xbf" + begin + `"output":[]}`, pipeline.Manifest{TransactionTime: at}},
		"counts of all kinds": {
			begin + `"output":[{"type":"A","url":"1"},{"type":"A","url":"2","count":"7"},{"type":"A","url":"3","count":-5},` +
				`{"type":"A","url":"4","count":1.5},{"type":"A","url":"5","count":null},{"type":"A","url":"6","count":3.0},{"type":"A","url":"7","count":{"x":1}}]}`,
			pipeline.Manifest{TransactionTime: at, Output: []pipeline.OutputFile{
				{Type: "A", URL: "1", Count: -1},
				{Type: "A", URL: "2", Count: 7},
				{Type: "A", URL: "3", Count: -1},
				{Type: "A", URL: "4", Count: -1},
				{Type: "A", URL: "5", Count: -1},
				{Type: "A", URL: "6", Count: 3},
				{Type: "A", URL: "7", Count: -1},
			}},
		},
		"error and outcome": {
			begin + `"output":[],"error":[{"type":"OperationOutcome","url":"1","count":1}],"outcome":[{"url":"2"}],"extension":{"a":[1]}}`,
			pipeline.Manifest{TransactionTime: at, Errors: []pipeline.OutputFile{{Type: "OperationOutcome", URL: "1", Count: 1}, {URL: "2", Count: -1}}},
		},
		"another zone": {`{"transactionTime":"2026-11-23T09:00:00.123+02:00","output":[]}`, pipeline.Manifest{TransactionTime: at}},
		"no zone":      {`{"transactionTime":"2026-11-23T07:00:00.123","output":[]}`, pipeline.Manifest{TransactionTime: at}},
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

func TestManifestsThatCannotBeUsedNameEveryFault(t *testing.T) {
	t.Parallel()
	s, srv := serve(t, answers(200, `{"transactionTime":"last week","output":[{"type":"Patient"},{"url":"x"}],`+
		`"deleted":[{"type":"Bundle","url":"d"}],"link":[{"relation":"next","url":"n"}]}`))
	_, err := s.Status(t.Context(), srv.URL+"/job/17")
	if fault.Of(err) != fault.Permanent {
		t.Fatalf("%v, want a permanent error", err)
	}
	for _, want := range []string{"last week", "output[0]", "output[1]", "deletes", "further page"} {
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
		fmt.Fprintf(&b, `{"type":"Observation","url":"https://acct.blob.core.windows.net/lake/20261123T070000-17/Observation-%d-1.ndjson","count":10000}`, i)
	}
	b.WriteString("]}")
	s, srv := serve(t, answers(200, b.String()))
	got, err := s.Status(t.Context(), srv.URL+"/job/17")
	if err != nil || got.Manifest == nil || len(got.Manifest.Output) != files || b.Len() < 5<<20 {
		t.Errorf("of %d bytes: %v", b.Len(), err)
	}
	s.maxManifest = int64(b.Len()) - 1
	if _, err := s.Status(t.Context(), srv.URL+"/job/17"); fault.Of(err) != fault.Permanent || !strings.Contains(err.Error(), "more than") {
		t.Errorf("one byte too long: %v, want a permanent error", err)
	}
	s.maxManifest++
	if _, err := s.Status(t.Context(), srv.URL+"/job/17"); err != nil {
		t.Errorf("just at the limit: %v", err)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"transactionTime":"2026-11-23T07:00:00Z","output":[{"type":"A","url":"u","count":1}],"error":null}`))
	f.Add([]byte(`{"output":[{"count":"x"}],"link":[{}]}`))
	s := &Source{dialect: azure, landing: func(string) (string, bool) { return "", false }, now: func() time.Time { return today }}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := s.collect(t.Context(), answer{body: body, url: &url.URL{}})
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
		s := &Source{dialect: azure, now: func() time.Time { return today }}
		_, err := s.status(t.Context(), answer{status: 500, body: body, header: http.Header{}})
		if err == nil || len([]rune(err.Error())) > 800 {
			t.Fatalf("an error of no use: %v", err)
		}
	})
}
