// Package silence_test checks that no command stays silent while it waits, whatever a server or a
// warehouse does. Its clock advances one second per few requests, so that a busy machine does not
// let the clock run ahead of the command.
package silence_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fhirsynapse/internal/app/connect"
	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/testkit/refwarehouse"
	"fhirsynapse/internal/warehouse"
)

// longest is the longest permitted silence. watched is how long each command is watched after its
// first request.
const (
	longest = 10 * time.Second
	watched = 3 * time.Minute
)

// world is a clock and the screen of a command.
type world struct {
	mu     sync.Mutex
	now    time.Time
	timers []timer
	ticks  chan time.Time
	every  time.Duration
	text   strings.Builder
	// said is the time of the last print, silent the longest time between two prints.
	said   time.Time
	silent time.Duration
	begun  time.Time // when the command reported its first request
	// says is a text that the command is to print before it is stopped.
	says string
}

type timer struct {
	at    time.Time
	fires chan time.Time
}

func newWorld() *world {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return &world{now: now, said: now, ticks: make(chan time.Time)}
}

func (w *world) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) Timer(at time.Time) (<-chan time.Time, func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := timer{at, make(chan time.Time, 1)}
	w.timers = append(w.timers, t)
	return t.fires, func() {}
}

func (w *world) Ticks(every time.Duration) (<-chan time.Time, func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.every = every
	return w.ticks, func() {}
}

// Write records the time of a print.
func (w *world) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(b)
	w.silent, w.said = max(w.silent, w.now.Sub(w.said)), w.now
	if w.begun.IsZero() && strings.Contains(string(b), "asking the server") {
		w.begun = w.now
	}
	return len(b), nil
}

// second advances the clock by a second, and reports whether the command was watched for long
// enough. It is late when that time is over and the command has not said everything yet.
func (w *world) second() (tick, enough, late bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(time.Second)
	left := w.timers[:0]
	for _, t := range w.timers {
		if t.at.After(w.now) {
			left = append(left, t)
		} else {
			t.fires <- w.now
		}
	}
	w.timers = left
	tick = w.every > 0 && w.now.Unix()%int64(w.every/time.Second) == 0
	enough = !w.begun.IsZero() && w.now.Sub(w.begun) > watched
	if enough && !strings.Contains(w.text.String(), w.says) {
		// A busy machine is slower than the clock. There is an end to this, too.
		enough, late = w.now.Sub(w.begun) > 20*watched, true
	}
	return tick, enough, late
}

// run runs a command until it ends, or stops it like Ctrl-C. All output of a tick arrives before
// the next second begins, so that the times are exact.
func (w *world) run(t *testing.T, args []string, env map[string]string, c cli.Commands) (code int) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		code = cli.Run(ctx, args, func(name string) string {
			return env[name]
		}, cli.Streams{Out: io.Discard, Err: w, Now: w.Now, Ticks: w.Ticks}, c)
	}()
	pace, least := server(t, w.Now, nil), time.Millisecond
	for {
		for range 3 {
			if r, err := http.Get(pace + "/pace"); err == nil {
				_ = r.Body.Close()
			}
		}
		select {
		case <-ended:
			return code
		case <-time.After(least):
		}
		tick, enough, late := w.second()
		if late { // a slow disk does not slow the requests
			least = 20 * time.Millisecond
		}
		if enough {
			stop()
		}
		if !tick {
			continue
		}
		select {
		case w.ticks <- w.Now():
		case <-ended:
			return code
		}
		select { // the receiver of a second tick has finished the first one
		case w.ticks <- w.Now():
		case <-ended:
			return code
		case <-time.After(2 * time.Second): // nobody waits for ticks any more
		}
	}
}

// spoilt is a warehouse whose Commit fails.
type spoilt struct {
	pipeline.Warehouse
	commit func(context.Context) error
}

func (s spoilt) Commit(ctx context.Context, b pipeline.Batch) error {
	if s.commit != nil {
		return s.commit(ctx)
	}
	return s.Warehouse.Commit(ctx, b)
}

// cell describes one failure: answers by the last part of the path, or a warehouse.
type cell struct {
	answer map[string]http.HandlerFunc
	commit func(context.Context) error
	source string
	args   []string
	env    map[string]string
	// says is text that the command must print.
	says string
}

func status(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body) // the client may be gone
	}
}

// hang answers only when the client has gone.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // only then the server notices a lost client
	<-r.Context().Done()
}

// slow begins a file and never ends it.
func slow(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, `{"resourceType":"Patient",`)
	_ = http.NewResponseController(w).Flush()
	hang(w, r)
}

// server is a bulk server with one patient.
func server(t *testing.T, clock func() time.Time, answer map[string]http.HandlerFunc) string {
	t.Helper()
	var base string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", clock().Format(http.TimeFormat))
		name := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		if do, ok := answer[name]; ok {
			do(w, r)
			return
		}
		switch name {
		case "metadata":
			_, _ = io.WriteString(w, `{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1"}`)
		case "$export":
			w.Header().Set("Content-Location", base+"/status")
			w.WriteHeader(http.StatusAccepted)
		case "status":
			_, _ = io.WriteString(w,
				`{"transactionTime":"`+clock().Format(time.RFC3339)+
					`","requiresAccessToken":false,"error":[],"output":[{"type":"Patient","url":"`+
					base+`/file"}]}`)
		case "file":
			_, _ = io.WriteString(w, `{"resourceType":"Patient","id":"a"}`+"\n")
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	base = s.URL
	return base
}

func matrix() map[string]cell {
	one := func(name string, do http.HandlerFunc) map[string]http.HandlerFunc {
		return map[string]http.HandlerFunc{name: do}
	}
	signIn := []string{"--auth", "client-secret", "--client-id", "app", "--secret", "env:SECRET"}
	secret := map[string]string{"SECRET": "s3cret"}
	return map[string]cell{
		"metadata hangs":          {answer: one("metadata", hang)},
		"kick-off 500":            {answer: one("$export", status(500, "")), says: "HTTP 500"},
		"kick-off 503":            {answer: one("$export", status(503, "")), says: "HTTP 503"},
		"kick-off hangs":          {answer: one("$export", hang)},
		"kick-off refused":        {source: "http://127.0.0.1:1", says: "refused"},
		"host without an address": {source: "https://nowhere.invalid/fhir"},
		"poll 500":                {answer: one("status", status(500, "")), says: "HTTP 500"},
		"poll 202": {
			answer: one("status", status(202, "")), says: "the server is exporting",
		},
		"poll a page": {answer: one("status", status(200, "<html>"))},
		"poll hangs":  {answer: one("status", hang), says: "the server is exporting"},
		"file 404":    {answer: one("file", status(404, "")), says: "HTTP 404"},
		"file 503":    {answer: one("file", status(503, "")), says: "HTTP 503"},
		"file hangs":  {answer: one("file", hang), says: "0 of 1 files"},
		"file slow":   {answer: one("file", slow), says: "0 of 1 files"},
		"warehouse fails": {commit: func(context.Context) error {
			return fault.Transientf("the pool is paused")
		}, says: "the pool is paused"},
		"warehouse hangs": {commit: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}, says: "1 of 1 files"},
		"sign-in fails": {
			answer: one("token", status(500, "")), args: append(signIn, "--token-url", "/token"),
			env: secret,
		},
		"sign-in hangs": {
			answer: one("token", hang), args: append(signIn, "--token-url", "/token"), env: secret,
		},
		"nothing goes wrong": {says: "loaded: 1 files"},
	}
}

func TestSilenceOfStart(t *testing.T) {
	t.Parallel()
	for name, c := range matrix() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.says = c.says
			source := c.source
			if source == "" {
				source = server(t, w.Now, c.answer)
			}
			args := append([]string{
				"start", "--once", "--source", source, "--to", "memory:x", "--allow-private",
				"--types", "Patient",
			}, c.args...)
			for i, arg := range args {
				if arg == "/token" {
					args[i] = source + arg
				}
			}
			dir := t.TempDir()
			runs := connect.Runner(warehouse.Engines{"memory": engine{dir, c.commit}}, w.Now)
			runs.Timer = w.Timer
			code := w.run(t, args, c.env, cli.Commands{Runs: runs})
			text := w.text.String()
			if w.silent > longest {
				t.Errorf("silent for %v:\n%s", w.silent, text)
			}
			if (code == 0) != (name == "nothing goes wrong") || !strings.Contains(text, c.says) ||
				strings.Contains(text, "s3cret") {
				t.Errorf("code %d, want %q in\n%s", code, c.says, text)
			}
			t.Logf("code %d, silent for %v at most", code, w.silent)
		})
	}
}

// endless is a load that goes on until it is stopped.
type endless struct {
	batch.Runner
	begin func(batch.Progress)
}

func (e endless) Load(ctx context.Context, q batch.LoadRequest) (batch.LoadReport, error) {
	e.begin(q.Progress)
	<-ctx.Done()
	return batch.LoadReport{}, ctx.Err()
}

// engine is a warehouse in memory whose commits fail as commit says.
type engine struct {
	dir    string
	commit func(context.Context) error
}

func (e engine) Local(string) (warehouse.Local, bool) {
	return warehouse.Local{
		Schema: "main", Dir: e.dir, Quarantine: filepath.Join(e.dir, "quarantine"),
	}, true
}

func (e engine) Open(_ string, o warehouse.OpenOptions) (warehouse.Opened, error) {
	return warehouse.Opened{
		Warehouse: spoilt{refwarehouse.NewStore().Warehouse(o.Lake, o.Views.Tables), e.commit},
		Tables:    ready{},
	}, nil
}

// ready is a warehouse that can be used at once.
type ready struct{}

func (ready) Check(context.Context, string) error { return nil }

func (ready) Rows(
	_ context.Context, _, _ string, tables map[string]int64,
) (map[string]int64, error) {
	return tables, nil
}

func (ready) Close() error { return nil }

func TestSilenceOfLoad(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(batch.Progress){
		"while it looks":   func(batch.Progress) {},
		"while it reads":   func(p batch.Progress) { p.Total(2); p.Add(1) },
		"while it commits": func(p batch.Progress) { p.Total(2); p.Add(2) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.begun = w.now
			w.run(t, []string{"load", ".", "--to", "csv:x"}, nil,
				cli.Commands{Runs: endless{begin: begin}})
			if w.silent > longest || w.now.Sub(w.begun) < watched {
				t.Errorf("silent for %v of %v:\n%s", w.silent, w.now.Sub(w.begun), w.text.String())
			}
		})
	}
}
