package azure

import (
	"bytes"
	"context"
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
		if fault.Of(err) != fault.Permanent ||
			!strings.Contains(err.Error(), `create container "nowhere"`) {
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
	_, errs["Put of blocks"] = l.Put(ctx, pipeline.Staging, "p",
		bytes.NewReader(make([]byte, blockSize+1)))
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
	clients, err := Connect(Settings{Storage: Account{ConnectionString: "BlobEndpoint=" + url +
		"/acct;SharedAccessSignature=sv=2026&sig=secret"}})
	if err != nil {
		t.Fatal(err)
	}
	return NewLake(clients.Storage, Containers{
		Landing: "lake", Staging: "staging", Quarantine: "quarantine",
	}), NewJournal(clients.Storage, "journal")
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
		"401": {
			refuse(401, "InvalidAuthenticationInfo"), fault.Permanent, 0,
			"connection string",
		},
		"403 role": {
			refuse(403, "AuthorizationPermissionMismatch"), fault.Permanent, 0,
			"Storage Blob Data",
		},
		"403 firewall": {refuse(403, "AuthorizationFailure"), fault.Permanent, 0, "firewall"},
		"404 container": {
			refuse(404, "ContainerNotFound"), fault.Permanent, 0,
			"create container",
		},
		"409 being killed": {
			refuse(409, "ContainerBeingDeleted"), fault.Transient, 0,
			"ContainerBeingDeleted",
		},
		"409 lease": {
			refuse(409, "LeaseAlreadyPresent"), fault.Transient, 0,
			"LeaseAlreadyPresent",
		},
		"409 immutable": {
			refuse(409, "BlobImmutableDueToPolicy"), fault.Permanent, 0,
			"immutability",
		},
		"400": {
			refuse(400, "InvalidHeaderValue"), fault.Permanent, 0,
			"InvalidHeaderValue",
		},
		"400 blocks": {
			refuse(400, "InvalidBlockList"), fault.Transient, 0,
			"InvalidBlockList",
		},
		"429": {
			refuse(429, "", "Retry-After", "30"), fault.Transient,
			30 * time.Second, "HTTP 429",
		},
		"503 milliseconds": {
			refuse(503, "ServerBusy", "retry-after-ms", "7500"), fault.Transient,
			7500 * time.Millisecond, "ServerBusy",
		},
		"503 nonsense": {
			refuse(503, "ServerBusy", "Retry-After", "99999999999"), fault.Transient,
			longestAdvice, "ServerBusy",
		},
		"501": {refuse(501, "NotImplemented"), fault.Permanent, 0, "NotImplemented"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, j := fake(t, c.h)
			for call, err := range everyCall(t, l, j) {
				if err == nil || fault.Of(err) != c.class || fault.After(err) != c.after ||
					!strings.Contains(err.Error(), c.text) {
					t.Errorf("%s: %v (%v, after %v), want %v after %v with %q", call, err,
						fault.Of(err), fault.After(err), c.class, c.after, c.text)
				}
				if err != nil &&
					(strings.Contains(err.Error(), "secret") ||
						strings.Contains(err.Error(), "\n")) {
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
		w.Header().Set("Content-Range",
			fmt.Sprintf("bytes %d-%d/%d", start, len(b.data)-1, len(b.data)))
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
		"rewritten": {rewritten.ServeHTTP, true},
		"deleted":   {refuse(404, "BlobNotFound"), true},
		"a server that ignores the range": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, data)
		}, false},
		"a server that ends without a word": {shorter.ServeHTTP, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &blobServer{etag: `"1"`, data: data, cutAfter: 100_000, then: c.then}
			l, _ := fake(t, b.ServeHTTP)
			got, err := readBlob(t, l)
			if err == nil || fault.Of(err) != fault.Transient ||
				errors.Is(err, pipeline.ErrChanged) != c.changed {
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
	c := &content{
		size: 4, body: io.NopCloser(io.MultiReader(strings.NewReader("data"), errReader{})),
	}
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
			_, j := fake(t, func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				h(w, r)
			})
			_, err := j.Write(t.Context(), "k", "0x1", []byte("{}"))
			if err == nil || fault.Of(err) != fault.Transient ||
				errors.Is(err, pipeline.ErrConflict) || requests.Load() != 1 {
				t.Errorf("%v after %d requests, want a transient error after 1", err,
					requests.Load())
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
		if diff := cmp.Diff(want,
			[2]string{got.Get("If-Match"), got.Get("If-None-Match")}); diff != "" {
			t.Errorf("at %q, If-Match and If-None-Match (-want +got):\n%s", etag, diff)
		}
	}
}
