package bulkfhir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// keeping starts a file server and a client for it.
func keeping(t *testing.T, h http.HandlerFunc, change ...func(*Options)) (*servesFiles, string) {
	t.Helper()
	all := append([]func(*Options){func(o *Options) {
		o.Dialect, o.Container, o.HTTP, o.AllowPrivate = DialectBulk, "", nil, true
	}}, change...)
	s, srv := serve(t, h, all...)
	return &servesFiles{s}, srv.URL + "/files/1"
}

func (k *servesFiles) text(ctx context.Context, url string) (string, error) {
	r, err := k.Download(ctx, pipeline.OutputFile{Type: "Patient", URL: url}, false)
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(r)
	return string(data), errors.Join(err, r.Close())
}

// lines returns a file of n different lines.
func lines(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `{"resourceType":"Patient","id":"p%d"}`+"\n", i)
	}
	return b.Bytes()
}

// breaking serves a file and breaks each connection after a number of bytes.
type breaking struct {
	data   []byte
	after  int
	ranges bool
	etag   string

	mu       sync.Mutex
	requests []string // Range headers
	// change, if set, runs before each answer.
	change func(b *breaking, n int)
}

func (b *breaking) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests = append(b.requests, r.Header.Get("Range"))
	if b.change != nil {
		b.change(b, len(b.requests))
	}
	from := 0
	if b.etag != "" {
		w.Header().Set("ETag", b.etag)
	}
	if b.ranges && r.Header.Get("If-Range") == b.etag && r.Header.Get("Range") != "" {
		_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
		w.Header().Set("Content-Range",
			fmt.Sprintf("bytes %d-%d/%d", from, len(b.data)-1, len(b.data)))
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(b.data)-from))
	if from > 0 {
		w.WriteHeader(http.StatusPartialContent)
	}
	to := min(len(b.data), from+b.after)
	_, _ = w.Write(b.data[from:to])
	if to < len(b.data) {
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		panic(http.ErrAbortHandler)
	}
}

func TestADownloadThatBreaksIsTakenUp(t *testing.T) {
	t.Parallel()
	data := lines(40_000) // some 1.5 MB
	for name, c := range map[string]struct {
		after    int
		ranges   bool
		etag     string
		requests int
	}{
		"by range":                      {400_000, true, `"v1"`, 5},
		"from the start":                {0, false, "", 3}, // grows in the loop below
		"a weak ETag is no validator":   {0, true, `W/"v1"`, 3},
		"ranges that the server has no": {0, false, `"v1"`, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &breaking{data: data, after: c.after, ranges: c.ranges, etag: c.etag}
			if c.after == 0 {
				b.change = func(b *breaking, n int) { b.after = n * 600_000 }
			}
			k, url := keeping(t, b.ServeHTTP)
			got, err := k.text(t.Context(), url)
			if err != nil || got != string(data) {
				t.Errorf("%d of %d bytes, %v", len(got), len(data), err)
			}
			if len(b.requests) != c.requests ||
				(b.requests[1] != "") != (c.ranges && c.after > 0 || c.etag == `"v1"`) {
				t.Errorf("requests with ranges %q, want %d of them", b.requests, c.requests)
			}
		})
	}
}

func TestADownloadIsNeverAMixture(t *testing.T) {
	t.Parallel()
	old, rewritten := lines(40_000), bytes.ToUpper(lines(40_000))
	for name, etags := range map[string][2]string{
		"with ETags": {`"v1"`, `"v2"`}, "without": {"", ""},
	} {
		b := &breaking{data: old, after: 500_000, ranges: true, etag: etags[0]}
		b.change = func(b *breaking, n int) {
			if n > 1 {
				b.data, b.etag, b.after = rewritten, etags[1], len(rewritten)
			}
		}
		k, url := keeping(t, b.ServeHTTP)
		_, err := k.text(t.Context(), url)
		if err == nil || fault.Of(err) != fault.Transient ||
			!strings.Contains(err.Error(), "rewritten at the server") {
			t.Errorf("%s: %v, want a transient error", name, err)
		}
	}
	// A part that begins at a wrong offset is refused.
	k, url := keeping(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		if r.Header.Get("Range") != "" {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 7-%d/%d", len(old)-1, len(old)))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(old[7:])
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(old)))
		_, _ = w.Write(old[:1000])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	if _, err := k.text(t.Context(), url); err == nil ||
		!strings.Contains(err.Error(), "rewritten at the server") {
		t.Errorf("a part from elsewhere: %v", err)
	}
}

func TestADownloadThatBreaksAgainAndAgainEnds(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]int{"with progress": 1000, "without": 0} {
		b := &breaking{data: lines(40_000), after: after, ranges: true, etag: `"v1"`}
		k, url := keeping(t, b.ServeHTTP)
		_, err := k.text(t.Context(), url)
		if err == nil || fault.Of(err) != fault.Transient || len(b.requests) > maxResumes+1 {
			t.Errorf("%s: %v after %d requests", name, err, len(b.requests))
		}
		if strings.Contains(fmt.Sprint(err), "/files/1") {
			t.Errorf("%s: the URL is in the error: %v", name, err)
		}
	}
}

func TestADownloadThatHangsEnds(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	for name, h := range map[string]http.HandlerFunc{
		"before the answer": func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-release:
			}
		},
		"in the middle": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte("{}\n"))
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
			case <-release:
			}
		},
	} {
		k, url := keeping(t, h)
		k.idle = 30 * time.Millisecond
		_, err := k.text(t.Context(), url)
		if err == nil || fault.Of(err) != fault.Transient ||
			!strings.Contains(err.Error(), "has stopped sending") &&
				!strings.Contains(err.Error(), "keeps breaking off") {
			t.Errorf("%s: %v, want a transient error", name, err)
		}
		if k.limiter.running != 0 {
			t.Errorf("%s: %d downloads still count as running", name, k.limiter.running)
		}
	}
}

func TestAnEndedContextEndsADownload(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	k, url := keeping(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("{}\n"))
		w.(http.Flusher).Flush()
		cancel()
		<-r.Context().Done()
	})
	if _, err := k.text(ctx, url); !errors.Is(err, context.Canceled) ||
		fault.Of(err) != fault.Transient {
		t.Errorf("%v, want context.Canceled", err)
	}
}

func TestOneLineOfFortyMegabytes(t *testing.T) {
	t.Parallel()
	const size = 40 << 20
	k, url := keeping(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"resourceType":"Group","id":"g","x":"`)
		chunk := bytes.Repeat([]byte("y"), 1<<20)
		for range size >> 20 {
			_, _ = w.Write(chunk)
		}
		_, _ = io.WriteString(w, `"}`+"\n")
	})
	r, err := k.Download(t.Context(), pipeline.OutputFile{Type: "Group", URL: url}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	n, err := io.Copy(io.Discard, r)
	if err != nil || n < size {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// The limit halves at each 429 and grows by one after each full round of good downloads.
func TestTheLimitOfDownloadsFollowsTheServer(t *testing.T) {
	t.Parallel()
	clock := today
	l := newLimiter(8, func() time.Time { return clock })
	expect := func(want int) {
		t.Helper()
		if l.limit != want {
			t.Fatalf("the limit is %d, want %d", l.limit, want)
		}
	}
	for range 8 {
		if err := l.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	began := clock
	clock = clock.Add(time.Second)
	l.tooMany(began, 30*time.Second)
	expect(4)
	l.tooMany(began, 10*time.Second) // a 429 of the same burst
	expect(4)
	for range 8 {
		l.leave()
	}
	if err := l.enter(t.Context()); !errors.Is(err, pipeline.ErrThrottled) ||
		fault.After(err) != 30*time.Second {
		t.Errorf("while the server wants none: %v, after %v", err, fault.After(err))
	}
	clock = clock.Add(31 * time.Second)
	for want := 5; want <= 8; want++ {
		for range want - 1 {
			if err := l.enter(t.Context()); err != nil {
				t.Fatal(err)
			}
			l.well()
			l.leave()
		}
		expect(want)
	}
	for range 10 {
		clock = clock.Add(time.Minute)
		l.tooMany(clock, 0)
	}
	expect(1)
}

func TestDownloadsWaitForTheirTurn(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int32
	k, url := keeping(t, func(w http.ResponseWriter, _ *http.Request) {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		runtime.Gosched()
		now.Add(-1)
		_, _ = w.Write([]byte("{}\n"))
	}, func(o *Options) { o.Downloads = 2 })
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			if _, err := k.text(t.Context(), url); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if most.Load() > 2 || k.limiter.running != 0 || len(k.limiter.waiting) != 0 {
		t.Errorf("%d at once, want 2; %d running", most.Load(), k.limiter.running)
	}
}

func TestTooManyDownloads(t *testing.T) {
	t.Parallel()
	clock := today
	var requests atomic.Int32
	k, url := keeping(t, func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.Header().Set("Retry-After", "90")
		w.WriteHeader(http.StatusTooManyRequests)
	}, func(o *Options) { o.Now = func() time.Time { return clock } })
	for range 3 {
		_, err := k.text(t.Context(), url)
		if !errors.Is(err, pipeline.ErrThrottled) || fault.After(err) != 90*time.Second {
			t.Errorf("%v, after %v, want ErrThrottled after 90 s", err, fault.After(err))
		}
	}
	if requests.Load() != 1 {
		t.Errorf("%d requests while the server wants none, want 1", requests.Load())
	}
	clock = clock.Add(2 * time.Minute)
	_, _ = k.text(t.Context(), url)
	if requests.Load() != 2 {
		t.Errorf("%d requests after the wait, want 2", requests.Load())
	}
}
