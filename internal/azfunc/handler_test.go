package azfunc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/fault"
)

// logLines collects structured log lines.
type logLines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logLines) logger() *slog.Logger { return slog.New(slog.NewJSONHandler(l, nil)) }

func (l *logLines) all(t *testing.T) []map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []map[string]any
	for _, text := range bytes.Split(bytes.TrimSpace(l.buf.Bytes()), []byte("\n")) {
		if len(text) == 0 {
			continue
		}
		var m map[string]any
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatalf("a log line is not JSON: %v", err)
		}
		lines = append(lines, m)
	}
	return lines
}

// stepping returns a clock that advances 50 ms with each call.
func stepping() func() time.Time {
	var mu sync.Mutex
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(50 * time.Millisecond)
		return now
	}
}

func TestHandlerAnswersAndLogsOneLine(t *testing.T) {
	t.Parallel()
	funcs := map[string]Func{
		"Good":  func(context.Context, Invocation) error { return nil },
		"Later": func(context.Context, Invocation) error { return errors.New("broken pipe") },
		"Never": func(context.Context, Invocation) error {
			return fault.Permanentf("no such container")
		},
		"Panics": func(context.Context, Invocation) error { panic("Mr. Smith has the flu") },
		"Index": func(_ context.Context, in Invocation) error {
			_ = in.ID[len(in.ID):][0]
			return nil
		},
		"Abort": func(context.Context, Invocation) error { panic(http.ErrAbortHandler) },
	}
	const body = `{"Data":{"x":1},"Metadata":{}}`
	for name, tt := range map[string]struct {
		method, path, body string
		status             int
		want               map[string]any // attributes of the one log line; nil means no line
	}{
		"ok": {
			"POST", "/Good", body, 200,
			map[string]any{"level": "INFO", "function": "Good", "outcome": "ok"},
		},
		"transient": {
			"POST", "/Later", body, 500,
			map[string]any{
				"level": "ERROR", "function": "Later", "outcome": "failed", "class": "transient",
				"error": "broken pipe",
			},
		},
		"permanent": {
			"POST", "/Never", body, 500,
			map[string]any{
				"level": "ERROR", "function": "Never", "outcome": "failed", "class": "permanent",
				"error": "no such container",
			},
		},
		"panic, whose value may be health data": {"POST", "/Panics", body, 500, map[string]any{
			"level": "ERROR", "function": "Panics", "outcome": "panic",
			"error": "panic: a value of type string",
		}},
		"panic of the runtime": {"POST", "/Index", body, 500, map[string]any{
			"level": "ERROR", "function": "Index", "outcome": "panic",
			"error": "panic: runtime error: index out of range [0] with length 0",
		}},
		"panic of net/http": {
			"POST", "/Abort", body, 500,
			map[string]any{"level": "ERROR", "outcome": "panic"},
		},
		"unreadable": {
			"POST", "/Good", `{"Data":`, 400,
			map[string]any{
				"level": "ERROR", "function": "Good", "outcome": "unreadable",
				"error": "the body ends too early",
			},
		},
		"empty": {"POST", "/Good", ``, 400, map[string]any{"outcome": "unreadable"}},
		"unknown": {
			"POST", "/Gone", body, 404,
			map[string]any{
				"level": "ERROR", "function": "Gone", "outcome": "unknown function",
				"known": []any{"Abort", "Good", "Index", "Later", "Never", "Panics"},
			},
		},
		"route is exact": {"POST", "/Good/", body, 404, map[string]any{"function": "Good/"}},
		"case is exact":  {"POST", "/good", body, 404, map[string]any{"function": "good"}},
		"only POST": {
			"GET", "/Good", ``, 405,
			map[string]any{"level": "WARN", "function": "Good"},
		},
		"probe":         {"GET", "/", ``, 200, nil},
		"probe by HEAD": {"HEAD", "/", ``, 200, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var lines logLines
			h := Handler(funcs, lines.logger(), stepping())
			r := fromHost(t, tt.method, tt.path, strings.NewReader(tt.body))
			r.Header.Set("X-Azure-Functions-InvocationId", "inv-1")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.status {
				t.Errorf("status %d, want %d", w.Code, tt.status)
			}
			if got := w.Header().Get("Content-Type"); got != "application/json" {
				t.Errorf("content type %q", got)
			}
			if got := w.Body.String(); tt.status == 200 &&
				got != `{"Outputs":{},"Logs":[],"ReturnValue":null}` {
				t.Errorf("body %s", got)
			}
			var object map[string]any
			if err := json.Unmarshal(w.Body.Bytes(), &object); err != nil {
				t.Errorf("the answer is not a JSON object: %v", err)
			}
			got := lines.all(t)
			if tt.want == nil {
				if len(got) != 0 {
					t.Errorf("logged %v", got)
				}
				return
			}
			if len(got) != 1 {
				t.Fatalf("logged %d lines: %v", len(got), got)
			}
			if got[0]["msg"] == "invocation" {
				if got[0]["invocation"] != "inv-1" ||
					got[0]["duration"] != float64(50*time.Millisecond) {
					t.Errorf("the line lacks id or duration: %v", got[0])
				}
			}
			for k, v := range tt.want {
				if diff := cmp.Diff(v, got[0][k]); diff != "" {
					t.Errorf("%s: %s", k, diff)
				}
			}
			if text, _ := json.Marshal(got); bytes.Contains(text, []byte("Smith")) ||
				strings.Contains(w.Body.String(), "Smith") {
				t.Error("the value of the panic got out")
			}
		})
	}
}

func TestHandlerGivesTheFuncTheInvocation(t *testing.T) {
	t.Parallel()
	var got Invocation
	h := Handler(map[string]Func{PollExport: func(_ context.Context, in Invocation) error {
		got = in
		return nil
	}}, slog.New(slog.DiscardHandler), stepping())
	r := fromHost(t, "POST", "/PollExport",
		strings.NewReader(`{"Data":{"message":"aGk="},"Metadata":{"MessageId":"\"m\""}}`))
	r.Header.Set("X-Azure-Functions-InvocationId", "i-7")
	h.ServeHTTP(httptest.NewRecorder(), r)
	m, err := got.Message()
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != "i-7" || got.Function != PollExport || string(m.Body) != "hi" || m.ID != "m" {
		t.Errorf("got %+v, %+v", got, m)
	}
}

func TestHandlerSaysHowMuchOfAPushedBlobItSkipped(t *testing.T) {
	t.Parallel()
	var lines logLines
	var events []BlobEvent
	h := Handler(map[string]Func{BlobLoaded: func(_ context.Context, in Invocation) (err error) {
		events, err = in.BlobEvents()
		return err
	}}, lines.logger(), stepping())
	body := io.MultiReader(strings.NewReader(`{"Data":{"blob":"`), repeat("QUJD", 32<<20),
		strings.NewReader(`"},"Metadata":{"Uri":"\"u\""}}`))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, fromHost(t, "POST", "/BlobLoaded", body))
	if w.Code != 200 || len(events) != 1 || events[0].URL != "u" {
		t.Errorf("status %d, events %v", w.Code, events)
	}
	if n, _ := lines.all(t)[0]["skippedBytes"].(float64); n < 32<<20 {
		t.Errorf("skippedBytes is %v", n)
	}
}

// A refused call is redelivered within a millisecond and its message is dead after ten deliveries,
// so the port must stay open until the process ends.
func TestServeAnswersRunningInvocationsAtAStopAndKeepsThePortOpen(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	running := make(chan struct{}, 2)
	h := Handler(map[string]Func{"Long": func(ctx context.Context, _ Invocation) error {
		running <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}}, slog.New(slog.DiscardHandler), stepping())
	l, err := listen(ctx, "0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var lines logLines
	served := make(chan error, 1)
	go func() { served <- serve(ctx, l, h, "v1.2.3", lines.logger()) }()
	post := func(ctx context.Context) (int, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost,
			"http://"+l.Addr().String()+"/Long", strings.NewReader(`{"Data":{}}`))
		if err != nil {
			return 0, err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err
		}
		defer func() { _ = res.Body.Close() }()
		_, err = io.Copy(io.Discard, res.Body)
		return res.StatusCode, err
	}
	answered := make(chan error, 1)
	go func() {
		status, err := post(t.Context())
		if err == nil && status != http.StatusInternalServerError {
			err = fmt.Errorf("status %d", status)
		}
		answered <- err
	}()
	<-running
	stop(errors.New("told to stop"))
	if err := <-served; err != nil {
		t.Error(err)
	}
	if err := <-answered; err != nil {
		t.Errorf("the running invocation: %v", err)
	}
	late, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if status, err := post(late); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a request after the stop must wait: status %d, %v", status, err)
	}
	if len(running) != 0 {
		t.Error("an invocation was begun after the stop")
	}
	all := lines.all(t)
	if first := all[0]; first["msg"] != "listening" || first["version"] != "v1.2.3" {
		t.Errorf("the first line is %v", first)
	}
	if last := all[len(all)-1]; last["msg"] != "stopping" || last["reason"] != "told to stop" {
		t.Errorf("the last line is %v", last)
	}
}

func TestServeNamesAPortThatIsInUseOrWrong(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, used, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for port, want := range map[string]string{
		used:    "port " + used + " is in use",
		"":      "FUNCTIONS_CUSTOMHANDLER_PORT is not set",
		"http":  `FUNCTIONS_CUSTOMHANDLER_PORT is "http"`,
		"70000": `FUNCTIONS_CUSTOMHANDLER_PORT is "70000"`,
	} {
		err := Serve(t.Context(), port, http.NotFoundHandler(), "", slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v", port, err)
		}
	}
}

// fromHost makes a request as the Functions host sends it.
func fromHost(t *testing.T, method, path string, body io.Reader) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, body)
	r.Host = "127.0.0.1:34567"
	return r
}

// A web page can reach a port of this machine. Its requests are refused.
func TestOnlyTheHostMayCall(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		host, origin string
		calls        int
	}{
		{"127.0.0.1:8080", "", 1},
		{"127.0.0.1", "", 1},
		{"localhost:8080", "", 1},
		{"LOCALHOST.", "", 1},
		{"[::1]:8080", "", 1},
		{"127.0.0.1:8080", "https://pages.example", 0},
		{"127.0.0.1:8080", "null", 0},
		{"pages.example:8080", "", 0},
		{"localhost.pages.example", "", 0},
		{"127.0.0.1.pages.example", "", 0},
		{"10.0.0.1:8080", "", 0},
		{"", "", 0},
	} {
		called := 0
		h := Handler(map[string]Func{"PollExport": func(context.Context, Invocation) error {
			called++
			return nil
		}}, slog.New(slog.DiscardHandler), func() time.Time { return time.Time{} })
		r := fromHost(t, http.MethodPost, "/PollExport",
			strings.NewReader(`{"Data":{"message":"aGk="}}`))
		r.Host = c.host
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if called != c.calls || (c.calls == 0) != (w.Code == http.StatusForbidden) {
			t.Errorf("Host %q, Origin %q: called %d times, HTTP %d", c.host, c.origin, called,
				w.Code)
		}
	}
}
