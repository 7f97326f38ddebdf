package functionshost

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fhirsynapse/internal/azfunc"
)

// TestMain runs the tests, the handler that the tests' hosts start, or the host that a test kills.
// The first argument or the environment of a host selects one of them.
func TestMain(m *testing.M) {
	port, underHost := os.LookupEnv("FUNCTIONS_CUSTOMHANDLER_PORT")
	switch {
	case len(os.Args) > 2 && os.Args[1] == "host":
		os.Exit(actAsHost(os.Args[2]))
	case underHost && len(os.Args) > 2 && os.Args[1] == "handler":
		os.Exit(actAsHandler(port, os.Args[2]))
	case underHost:
		os.Exit(actAsProduct(port))
	default:
		os.Exit(m.Run())
	}
}

// actAsHost runs a host until it is killed, and prints the handler's address.
func actAsHost(root string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	h, err := Start(ctx, Options{
		Root: root, Log: slog.New(slog.DiscardHandler), Now: time.Now, Stdout: os.Stdout,
		LeaveHandler: true,
	})
	if err != nil {
		say(os.Stderr, "%v\n", err)
		return 1
	}
	say(os.Stdout, "handler=%d\n", h.HandlerPID())
	if h.Wait() != nil {
		return 1
	}
	return 0
}

// actAsProduct answers with the product's own wire code, and prints what it received.
func actAsProduct(port string) int {
	echo := func(name string, read func(azfunc.Invocation) (any, error)) azfunc.Func {
		return func(_ context.Context, in azfunc.Invocation) error {
			got, err := read(in)
			say(os.Stdout, "%s %+v %v\n", name, got, err)
			return err
		}
	}
	message := func(in azfunc.Invocation) (any, error) {
		m, err := in.Message()
		return string(m.Body) + " " + m.ID + " " + m.Subject + " " +
			fmt.Sprint(m.DeliveryCount, " ", !m.Enqueued.IsZero()), err
	}
	log := slog.New(slog.DiscardHandler)
	err := azfunc.Serve(context.Background(), port, azfunc.Handler(map[string]azfunc.Func{
		azfunc.TimerExport: echo("timer", func(in azfunc.Invocation) (any, error) {
			t, err := in.Timer()
			return t.PastDue, err
		}),
		azfunc.PollExport: echo("message", message),
		"TextMessage":     echo("message", message),
		azfunc.BlobLoaded: echo("blob", func(in azfunc.Invocation) (any, error) {
			e, err := in.BlobEvents()
			return fmt.Sprintf("%+v skipped=%v", e, in.Skipped() > 0), err
		}),
	}, log, time.Now), "test", log)
	say(os.Stderr, "%v\n", err)
	return 1
}

// actAsHandler runs a handler that misbehaves as the names of its functions suggest.
func actAsHandler(port, mode string) int {
	switch mode {
	case "crash":
		return 3
	case "exit0":
		return 0
	case "deaf":
		select {}
	}
	if mode == "env" {
		wd, _ := os.Getwd()
		for _, name := range []string{
			"FUNCTIONS_HTTPWORKER_PORT", "FUNCTIONS_CUSTOMHANDLER_WORKER_ID",
			"FUNCTIONS_HTTPWORKER_ID", "FUNCTIONS_APP_ROOT_PATH", "Inherited", "Setting",
		} {
			v, _ := os.LookupEnv(name)
			say(os.Stdout, "%v\n", name+"="+v)
		}
		say(os.Stdout, "%v\n", "port="+port+" wd="+wd)
		say(os.Stderr, "%v\n", "a Warning\nan error")
	}
	if mode == "address" {
		say(os.Stdout, "%v\n", "127.0.0.1:"+port)
	}
	ok := func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		say(w, "%s", `{"Outputs":{},"Logs":[],"ReturnValue":null}`)
	}
	mux := http.NewServeMux()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:"+port)
	if err != nil {
		say(os.Stderr, "%v\n", err)
		return 1
	}
	var probes atomic.Int64
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		probes.Add(1)
		w.WriteHeader(http.StatusNotFound)
	})
	mux.HandleFunc("POST /Ok", func(w http.ResponseWriter, _ *http.Request) {
		if mode == "probes" {
			say(os.Stdout, "probes=%d\n", probes.Load())
		}
		ok(w)
	})
	mux.HandleFunc("POST /Close", func(w http.ResponseWriter, _ *http.Request) {
		_ = l.Close()
		w.Header().Set("Connection", "close")
		ok(w)
	})
	mux.HandleFunc("POST /Fail", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
	})
	mux.HandleFunc("POST /Empty", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /Plain", func(w http.ResponseWriter, _ *http.Request) {
		say(w, "%s", "{}")
	})
	mux.HandleFunc("POST /Exit0", func(http.ResponseWriter, *http.Request) { os.Exit(0) })
	mux.HandleFunc("POST /Exit200", func(http.ResponseWriter, *http.Request) { os.Exit(200) })
	mux.HandleFunc("POST /Crash", func(http.ResponseWriter, *http.Request) { os.Exit(3) })
	mux.HandleFunc("POST /Hang", func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
	})
	mux.HandleFunc("POST /Slow", func(w http.ResponseWriter, r *http.Request) {
		say(os.Stdout, "%v\n", "slow")
		<-time.After(1500 * time.Millisecond)
		say(os.Stdout, "%v\n", "slow done")
		ok(w)
	})
	mux.HandleFunc("POST /Echo", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		say(os.Stdout, "%v %q %q %s\n", r.TransferEncoding, r.Header.Get("Content-Type"),
			r.Header.Get("X-Azure-Functions-InvocationId"), b)
		ok(w)
	})
	passed := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		say(w, "%s %s forwarded=%s %s loopback=%v invocation=%v body=%s", r.Method, r.URL,
			r.Header.Get("X-Forwarded-Host"), r.Header.Get("X-Forwarded-Proto"),
			r.Host == "127.0.0.1:"+port, r.Header.Get("X-Azure-Functions-InvocationId") != "", body)
	}
	for _, pattern := range []string{"GET /api/", "GET /API/", "POST /api/"} {
		mux.HandleFunc(pattern, passed)
	}
	say(os.Stderr, "%v\n", http.Serve(l, mux)) // #nosec G114 -- a test's own
	if !errors.Is(err, net.ErrClosed) {
		select {} // it has closed its port, but runs
	}
	return 1
}

const (
	timerFunction = `{"bindings":[{"type":"timerTrigger","name":"timer","schedule":"0 0 0 1 1 *"}]}`
	queueFunction = `{"bindings":[{"type":"serviceBusTrigger","name":"message","queueName":"%Queue%","connection":"Bus","dataType":"binary"}]}`
	otherFunction = `{"bindings":[{"type":"eventGridTrigger","name":"event"}]}`
)

// say writes to a reader that may be gone, so it ignores errors.
func say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

// newApp writes a function app with this test binary as handler.
func newApp(t *testing.T, functions map[string]string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	write(t, filepath.Join(root, "host.json"), fmt.Sprintf(
		`{"version":"2.0","customHandler":{"description":{"defaultExecutablePath":%q,"arguments":["handler","%%Mode%%"]}}}`, self))
	for name, text := range functions {
		write(t, filepath.Join(root, name, "function.json"), text)
	}
	return root
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// world holds a host under test with its events and output.
type world struct {
	*Host
	events chan Event
	stdout chan string
}

// options returns the options of a host with events and output that a test can wait for.
func options(t *testing.T, root, mode string) (Options, *world) {
	t.Helper()
	w := &world{events: make(chan Event, 10_000), stdout: make(chan string, 10_000)}
	r, pipe := io.Pipe()
	go func() {
		for s := bufio.NewScanner(r); s.Scan(); {
			w.stdout <- s.Text()
		}
	}()
	t.Cleanup(func() { _ = pipe.Close() })
	return Options{
		Root: root, Settings: map[string]string{"Mode": mode}, Now: time.Now,
		Log:    slog.New(slog.NewTextHandler(t.Output(), nil)),
		Stdout: pipe, OnEvent: func(e Event) { w.events <- e },
	}, w
}

// start runs a host until the end of the test.
func start(t *testing.T, root, mode string, change func(*Options)) *world {
	t.Helper()
	w, err := tryStart(t, root, mode, change)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func tryStart(t *testing.T, root, mode string, change func(*Options)) (*world, error) {
	t.Helper()
	o, w := options(t, root, mode)
	if change != nil {
		change(&o)
	}
	h, err := Start(t.Context(), o)
	if err != nil {
		return nil, err
	}
	w.Host = h
	t.Cleanup(h.Stop)
	return w, nil
}

// within bounds every wait of the tests.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// event waits for the next event of a kind.
func (w *world) event(t *testing.T, kind EventKind) Event {
	t.Helper()
	ctx := within(t)
	for {
		select {
		case e := <-w.events:
			if e.Kind == kind {
				return e
			}
		case <-ctx.Done():
			t.Fatalf("no event %q", kind)
		}
	}
}

// line waits for a line of the handler that starts with a prefix.
func (w *world) line(t *testing.T, prefix string) string {
	t.Helper()
	ctx := within(t)
	for {
		select {
		case l := <-w.stdout:
			if strings.HasPrefix(l, prefix) {
				return l
			}
		case <-ctx.Done():
			t.Fatalf("no line %q", prefix)
		}
	}
}

// reaped reports whether the process no longer exists.
func reaped(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return true
	}
	return errors.Is(p.Signal(probe), os.ErrProcessDone)
}
