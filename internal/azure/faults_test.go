package azure

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"
	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

func missingContainer(t *testing.T, client *service.Client) {
	l := NewLake(client, Containers{Landing: "nowhere", Staging: "nowhere", Quarantine: "nowhere"})
	for call, err := range everyCall(t, l, NewJournal(client, "nowhere")) {
		if fault.Of(err) != fault.Permanent || !strings.Contains(err.Error(), `create container "nowhere"`) {
			t.Errorf("%s: %v, want a permanent error that names the container", call, err)
		}
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, pipeline.ErrConflict) {
			t.Errorf("%s: %v is taken for a missing blob", call, err)
		}
	}
}

// everyCall does each call of both ports once.
func everyCall(t *testing.T, l *Lake, j *Journal) map[string]error {
	t.Helper()
	errs := map[string]error{}
	ctx := t.Context()
	_, errs["Stat"] = l.Stat(ctx, pipeline.Landing, "p")
	r, err := l.Open(ctx, pipeline.Landing, "p", "0x1")
	if err == nil {
		_ = r.Close()
	}
	errs["Open"] = err
	_, errs["Put"] = l.Put(ctx, pipeline.Staging, "p", strings.NewReader("x"))
	_, errs["Put of blocks"] = l.Put(ctx, pipeline.Staging, "p", bytes.NewReader(make([]byte, blockSize+1)))
	for _, err := range l.List(ctx, pipeline.Quarantine, "p") {
		errs["List"] = err
	}
	_, errs["Read"] = j.Read(ctx, "k")
	_, errs["Write"] = j.Write(ctx, "k", "0x1", []byte("{}"))
	_, errs["create"] = j.Write(ctx, "k", "", []byte("{}"))
	for _, err := range j.List(ctx, "k") {
		errs["Journal.List"] = err
	}
	return errs
}

// fake is a storage account with the test's answers. It is reached with a shared access signature
// that must not appear anywhere.
func fake(t *testing.T, h http.HandlerFunc) (*Lake, *Journal) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return fakeAt(t, srv.URL)
}

func fakeAt(t *testing.T, url string) (*Lake, *Journal) {
	t.Helper()
	clients, err := Connect(Settings{Storage: Account{ConnectionString: "BlobEndpoint=" + url + "/acct;SharedAccessSignature=sv=2026&sig=secret"}})
	if err != nil {
		t.Fatal(err)
	}
	return NewLake(clients.Storage, Containers{Landing: "lake", Staging: "staging", Quarantine: "quarantine"}), NewJournal(clients.Storage, "journal")
}

func refuse(status int, code string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		if code != "" {
			w.Header().Set("x-ms-error-code", code)
		}
		w.WriteHeader(status)
	}
}

func TestFaultsOfStorageAreClassified(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		h     http.HandlerFunc
		class fault.Class
		after time.Duration
		text  string
	}{
		"401":              {refuse(401, "InvalidAuthenticationInfo"), fault.Permanent, 0, "connection string"},
		"403 role":         {refuse(403, "AuthorizationPermissionMismatch"), fault.Permanent, 0, "Storage Blob Data"},
		"403 firewall":     {refuse(403, "AuthorizationFailure"), fault.Permanent, 0, "firewall"},
		"404 container":    {refuse(404, "ContainerNotFound"), fault.Permanent, 0, "create container"},
		"409 being killed": {refuse(409, "ContainerBeingDeleted"), fault.Transient, 0, "ContainerBeingDeleted"},
		"409 lease":        {refuse(409, "LeaseAlreadyPresent"), fault.Transient, 0, "LeaseAlreadyPresent"},
		"409 immutable":    {refuse(409, "BlobImmutableDueToPolicy"), fault.Permanent, 0, "immutability"},
		"400":              {refuse(400, "InvalidHeaderValue"), fault.Permanent, 0, "InvalidHeaderValue"},
		"400 blocks":       {refuse(400, "InvalidBlockList"), fault.Transient, 0, "InvalidBlockList"},
		"429":              {refuse(429, "", "Retry-After", "30"), fault.Transient, 30 * time.Second, "HTTP 429"},
		"503 milliseconds": {refuse(503, "ServerBusy", "retry-after-ms", "7500"), fault.Transient, 7500 * time.Millisecond, "ServerBusy"},
		"503 nonsense":     {refuse(503, "ServerBusy", "Retry-After", "99999999999"), fault.Transient, longestAdvice, "ServerBusy"},
		"501":              {refuse(501, "NotImplemented"), fault.Permanent, 0, "NotImplemented"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, j := fake(t, c.h)
			for call, err := range everyCall(t, l, j) {
				if err == nil || fault.Of(err) != c.class || fault.After(err) != c.after || !strings.Contains(err.Error(), c.text) {
					t.Errorf("%s: %v (%v, after %v), want %v after %v with %q", call, err, fault.Of(err), fault.After(err), c.class, c.after, c.text)
				}
				if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n")) {
					t.Errorf("%s: the error has a secret or several lines: %v", call, err)
				}
			}
		})
	}
}

func TestAnAccountThatCannotBeReachedIsTransient(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	l, _ := fakeAt(t, srv.URL)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_, err := l.Stat(ctx, pipeline.Landing, "p")
	if err == nil || fault.Of(err) != fault.Transient || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v, want a transient error without the signature", err)
	}
}

func TestRetryAfterMayBeADate(t *testing.T) {
	t.Parallel()
	const date = "Mon, 23 Nov 2026 08:00:00 GMT"
	for value, want := range map[string]time.Duration{
		"Mon, 23 Nov 2026 08:00:42 GMT": 42 * time.Second,
		"Mon, 23 Nov 2026 07:00:00 GMT": 0,
		"Mon, 23 Nov 2027 08:00:00 GMT": longestAdvice,
		"-3":                            0,
		"soon":                          0,
		"":                              0,
	} {
		resp := &http.Response{Header: http.Header{"Date": {date}, "Retry-After": {value}}}
		if got := retryAfter(resp); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}

// blobServer serves one blob and cuts the connection after some bytes of each answer.
type blobServer struct {
	etag, data string
	cutAfter   int
	requests   atomic.Int32
	// then replaces the handler from the second request on.
	then http.HandlerFunc
}

func (b *blobServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if b.requests.Add(1) > 1 && b.then != nil {
		b.then(w, r)
		return
	}
	if m := r.Header.Get("If-Match"); m != "" && m != b.etag {
		refuse(412, "ConditionNotMet")(w, r)
		return
	}
	w.Header().Set("ETag", b.etag)
	w.Header().Set("Content-Type", "application/octet-stream")
	start, status := 0, http.StatusOK
	if _, err := fmt.Sscanf(r.Header.Get("x-ms-range"), "bytes=%d-", &start); err == nil {
		status = http.StatusPartialContent
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, len(b.data)-1, len(b.data)))
	}
	rest := b.data[start:]
	w.Header().Set("Content-Length", fmt.Sprint(len(rest)))
	w.WriteHeader(status)
	if b.cutAfter == 0 || b.cutAfter >= len(rest) {
		_, _ = io.WriteString(w, rest)
		return
	}
	_, _ = io.WriteString(w, rest[:b.cutAfter])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func readBlob(t *testing.T, l *Lake) (string, error) {
	t.Helper()
	r, err := l.Open(t.Context(), pipeline.Landing, "p", "1")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	data, err := io.ReadAll(r)
	if n, again := r.Read(make([]byte, 1)); err != nil && (n != 0 || again == nil) {
		t.Errorf("a read after the failure gives %d bytes, %v", n, again)
	}
	return string(data), err
}

func TestAReadThatBreaksGoesOnWhereItBroke(t *testing.T) {
	t.Parallel()
	b := &blobServer{etag: `"1"`, data: strings.Repeat("0123456789", 100_000), cutAfter: 300_000}
	l, _ := fake(t, b.ServeHTTP)
	got, err := readBlob(t, l)
	if err != nil || got != b.data || b.requests.Load() < 3 {
		t.Errorf("%d bytes, %v, after %d requests", len(got), err, b.requests.Load())
	}
}

func TestABlobRewrittenWhileItIsReadFailsTheRead(t *testing.T) {
	t.Parallel()
	data := strings.Repeat("old\n", 100_000)
	rewritten := &blobServer{etag: `"2"`, data: strings.Repeat("NEW\n", 100_000)}
	shorter := &blobServer{etag: `"1"`, data: data[:200_000]}
	for name, c := range map[string]struct {
		then    http.HandlerFunc
		changed bool
	}{
		"rewritten":                         {rewritten.ServeHTTP, true},
		"deleted":                           {refuse(404, "BlobNotFound"), true},
		"a server that ignores the range":   {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, data) }, false},
		"a server that ends without a word": {shorter.ServeHTTP, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &blobServer{etag: `"1"`, data: data, cutAfter: 100_000, then: c.then}
			l, _ := fake(t, b.ServeHTTP)
			got, err := readBlob(t, l)
			if err == nil || fault.Of(err) != fault.Transient || errors.Is(err, pipeline.ErrChanged) != c.changed {
				t.Errorf("%v, want a transient error; ErrChanged: %v", err, c.changed)
			}
			if strings.Contains(got, "NEW") {
				t.Error("bytes of the new blob came after those of the old")
			}
		})
	}
}

func TestALinkThatEndsAfterTheLastByteIsNoFault(t *testing.T) {
	t.Parallel()
	// A chunked answer without its last chunk: all bytes arrive, then an error.
	l, _ := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("x-ms-range") != "" {
			refuse(416, "InvalidRange")(w, r)
			return
		}
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Content-Length", "4")
		_, _ = io.WriteString(w, "data")
	})
	if got, err := readBlob(t, l); err != nil || got != "data" {
		t.Errorf("%q, %v", got, err)
	}
	c := &content{size: 4, body: io.NopCloser(io.MultiReader(strings.NewReader("data"), errReader{}))}
	if got, err := io.ReadAll(c); err != nil || string(got) != "data" {
		t.Errorf("%q, %v", got, err)
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("reset by peer") }

func TestAWriteWhoseAnswerIsLostIsSentOnceAndTransient(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"cut": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			panic(http.ErrAbortHandler)
		},
		"500":         refuse(500, "OperationTimedOut"),
		"gateway 503": refuse(503, ""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			_, j := fake(t, func(w http.ResponseWriter, r *http.Request) { requests.Add(1); h(w, r) })
			_, err := j.Write(t.Context(), "k", "0x1", []byte("{}"))
			if err == nil || fault.Of(err) != fault.Transient || errors.Is(err, pipeline.ErrConflict) || requests.Load() != 1 {
				t.Errorf("%v after %d requests, want a transient error after 1", err, requests.Load())
			}
		})
	}
}

func TestAWriteThatWasDeclinedIsSentAgain(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	_, j := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 1 {
			refuse(503, "ServerBusy")(w, r)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("ETag", `"0x2"`)
		w.WriteHeader(http.StatusCreated)
	})
	if etag, err := j.Write(t.Context(), "k", "0x1", []byte("{}")); err != nil || etag != "0x2" {
		t.Errorf("%q, %v", etag, err)
	}
}

func TestWritesCarryTheirConditions(t *testing.T) {
	t.Parallel()
	var got http.Header
	_, j := fake(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusCreated)
	})
	for etag, want := range map[string][2]string{"": {"", "*"}, "0x8D": {`"0x8D"`, ""}} {
		if _, err := j.Write(t.Context(), "k", etag, nil); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, [2]string{got.Get("If-Match"), got.Get("If-None-Match")}); diff != "" {
			t.Errorf("at %q, If-Match and If-None-Match (-want +got):\n%s", etag, diff)
		}
	}
}

// An account with hierarchical namespace lists directories as blobs, and "a/x" before "a-b".
func TestListOfAHierarchicalAccountIsInOrderAndHasNoDirectories(t *testing.T) {
	t.Parallel()
	item := func(name string, folder bool) string {
		m := "<Metadata />"
		if folder {
			m = "<Metadata><hdi_isfolder>true</hdi_isfolder></Metadata>"
		}
		return "<Blob><Name>" + name + "</Name><Properties><Etag>0x1</Etag><Content-Length>1</Content-Length></Properties>" + m + "</Blob>"
	}
	page := func(next string, items ...string) string {
		return `<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="lake"><Blobs>` + strings.Join(items, "") +
			"</Blobs><NextMarker>" + next + "</NextMarker></EnumerationResults>"
	}
	l, _ := fake(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		if r.URL.Query().Get("marker") == "" {
			_, _ = io.WriteString(w, page("2", item("0", false), item("a", true), item("a/x", false), item("a/y", true), item("a/y/1", false)))
			return
		}
		_, _ = io.WriteString(w, page("", item("a/y.c", false), item("a-b", true), item("a-b/z", false), item("b", false)))
	})
	var got []string
	for f, err := range l.List(t.Context(), pipeline.Landing, "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, f.Path)
	}
	if diff := cmp.Diff([]string{"0", "a-b/z", "a/x", "a/y.c", "a/y/1", "b"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestADirectoryIsNoBlob(t *testing.T) {
	t.Parallel()
	l, _ := fake(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("x-ms-meta-hdi_isfolder", "true")
	})
	if _, err := l.Stat(t.Context(), pipeline.Landing, "a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat: %v", err)
	}
	if _, err := l.Open(t.Context(), pipeline.Landing, "a", ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open: %v", err)
	}
}

func TestAPutNeverHoldsMoreThanItsBuffers(t *testing.T) {
	t.Parallel()
	var largest atomic.Int64
	l, _ := fake(t, func(w http.ResponseWriter, r *http.Request) {
		largest.Store(max(largest.Load(), r.ContentLength))
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("ETag", `"1"`)
		w.WriteHeader(http.StatusCreated)
	})
	const size = 10*blockSize + 5
	f, err := l.Put(t.Context(), pipeline.Staging, "p", io.LimitReader(zeros{}, size))
	if err != nil || f.Size != size || f.ETag != "1" {
		t.Errorf("%+v, %v", f, err)
	}
	if largest.Load() > blockSize {
		t.Errorf("a request had %d bytes", largest.Load())
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestLandingKnowsOurURLs(t *testing.T) {
	t.Parallel()
	cloud := "AccountName=acct;AccountKey=" + base64.StdEncoding.EncodeToString([]byte("key"))
	local := cloud + ";BlobEndpoint=http://127.0.0.1:10000/acct"
	for _, c := range []struct {
		account, url, want string // want is empty for a foreign URL
	}{
		{cloud, "https://acct.blob.core.windows.net/lake/20261123T070000-17/Patient-1-1.ndjson", "20261123T070000-17/Patient-1-1.ndjson"},
		{cloud, "https://acct.dfs.core.windows.net/lake/e/p", "e/p"},
		{cloud, "https://ACCT.blob.core.windows.net:443/lake/e/p", "e/p"},
		{cloud, "https://acct.blob.core.windows.net/lake/a%20b/%D0%9F+%25.ndjson?sv=1&sig=x", "a b/П+%.ndjson"},
		{cloud, "https://acct.blob.core.windows.net/lake/a b/ü", "a b/ü"},
		{cloud, "https://acct.blob.core.windows.net/staging/e/p", ""},
		{cloud, "https://acct.blob.core.windows.net/lake2/e/p", ""},
		{cloud, "https://acct.blob.core.windows.net/lake/", ""},
		{cloud, "https://acct.blob.core.windows.net/lake", ""},
		{cloud, "https://other.blob.core.windows.net/lake/e/p", ""},
		{cloud, "https://acct.blob.core.windows.net.evil.example/lake/e/p", ""},
		{cloud, "http://127.0.0.1:10000/acct/lake/e/p", ""},
		{cloud, "lake/e/p", ""},
		{cloud, "https://acct.blob.core.windows.net/lake/%zz", ""},
		{cloud, "", ""},
		{local, "http://127.0.0.1:10000/acct/lake/e/p%40q", "e/p@q"},
		{local, "http://localhost:10000/acct/lake/e/p", "e/p"},
		{local, "http://127.0.0.1:10000/other/lake/e/p", ""},
		{local, "http://127.0.0.1:10001/acct/lake/e/p", ""},
		{local, "http://127.0.0.1:10000/lake/e/p", ""},
	} {
		clients, err := Connect(Settings{Storage: Account{ConnectionString: c.account}})
		if err != nil {
			t.Fatal(err)
		}
		l := NewLake(clients.Storage, Containers{Landing: "lake", Staging: "staging", Quarantine: "quarantine"})
		if got, ok := l.Landing(c.url); got != c.want || ok != (c.want != "") {
			t.Errorf("%s: %q, %v, want %q", c.url, got, ok, c.want)
		}
	}
}

func FuzzLandingReadsWhatTheSDKWrites(f *testing.F) {
	for _, path := range []string{"e/Patient-1.ndjson", "a b/%25+&=.ndjson", "П/患?#;:@", "a//b", "x/../y", "\x00"} {
		f.Add(path)
	}
	clients, err := Connect(Settings{Storage: Account{ConnectionString: "UseDevelopmentStorage=true"}})
	if err != nil {
		f.Fatal(err)
	}
	l := NewLake(clients.Storage, Containers{Landing: "lake"})
	f.Fuzz(func(t *testing.T, path string) {
		u := clients.Storage.NewContainerClient("lake").NewBlobClient(path).URL()
		got, ok := l.Landing(u)
		if path == "" || strings.HasPrefix(path, "/") {
			return // no blob can have such a name
		}
		if !ok || got != path {
			t.Fatalf("%q became %s became %q, %v", path, u, got, ok)
		}
	})
}
