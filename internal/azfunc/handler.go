package azfunc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
)

// Func runs one function. The context ends when the host disconnects or the program stops;
// deadlines are up to the Func. An error fails the invocation, and the trigger's crude retry rules
// apply, so a Func returns one only if it could not record the failure itself.
type Func func(ctx context.Context, in Invocation) error

// success answers every successful invocation. The host waits for functionTimeout after an empty
// 200, and fails an answer that is not JSON.
const success = `{"Outputs":{},"Logs":[],"ReturnValue":null}`

// headerInvocation carries the host's invocation id.
const headerInvocation = "X-Azure-Functions-InvocationId"

// Handler answers POST /<function> by calling the function, and GET / (the host's readiness probe)
// at once. It writes exactly one log line per invocation, with function, invocation, duration and
// outcome; error texts are logged, so they must hold no health data. now is the clock for the
// duration.
func Handler(funcs map[string]Func, log *slog.Logger, now func() time.Time) http.Handler {
	return &handler{funcs: maps.Clone(funcs), log: log, now: now}
}

type handler struct {
	funcs map[string]Func
	log   *slog.Logger
	now   func() time.Time
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	switch {
	case r.Header.Get("Origin") != "" || !IsLoopback(r.Host):
		h.log.LogAttrs(r.Context(), slog.LevelWarn,
			"request refused: it does not come from the Functions host",
			slog.String("function", clip(name)), slog.Bool("origin", r.Header.Get("Origin") != ""),
			slog.Bool("loopback", IsLoopback(r.Host)))
		refuse(w, http.StatusForbidden,
			"forbidden: only the Functions host on this machine may call this port", "")
	case name == "":
		answer(w, http.StatusOK, success)
	case h.funcs[name] == nil:
		h.unknown(w, r, name)
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		h.log.LogAttrs(r.Context(), slog.LevelWarn, "not an invocation",
			slog.String("function", name), slog.String("method", r.Method))
		refuse(w, http.StatusMethodNotAllowed, "method not allowed", "")
	default:
		h.invoke(w, r, name)
	}
}

// IsLoopback reports whether a Host header names this machine, with or without a port. A web page
// can send requests to this port but cannot choose their Host: with DNS rebinding it is the name of
// the page's server.
func IsLoopback(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if strings.EqualFold(strings.TrimSuffix(name, "."), "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Unmap().IsLoopback()
}

func (h *handler) unknown(w http.ResponseWriter, r *http.Request, name string) {
	known := slices.Sorted(maps.Keys(h.funcs))
	h.log.LogAttrs(r.Context(), slog.LevelError,
		"unknown function: its folder is deployed, but this program has no route of that name",
		slog.String("function", clip(name)),
		slog.String("invocation", clip(r.Header.Get(headerInvocation))),
		slog.Any("known", known),
		slog.String("outcome", "unknown function"))
	refuse(w, http.StatusNotFound, "unknown function", "")
}

func (h *handler) invoke(w http.ResponseWriter, r *http.Request, name string) {
	started := h.now()
	in := Invocation{Function: name, ID: clip(r.Header.Get(headerInvocation))}
	line := func(ctx context.Context, level slog.Level, outcome string, more ...slog.Attr) {
		attrs := append([]slog.Attr{
			slog.String("function", name),
			slog.String("invocation", in.ID),
			slog.Duration("duration", h.now().Sub(started)),
			slog.String("outcome", outcome),
		}, more...)
		if n := in.Skipped(); n > 0 {
			attrs = append(attrs, slog.Int64("skippedBytes", n))
		}
		h.log.LogAttrs(ctx, level, "invocation", attrs...)
	}

	b, err := decode(r.Body)
	if err != nil {
		line(r.Context(), slog.LevelError, "unreadable", slog.String("error", err.Error()))
		refuse(w, http.StatusBadRequest, "unreadable invocation", "")
		return
	}
	// The body must be read to its end, because only then net/http detects that the host has
	// disconnected.
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		line(r.Context(), slog.LevelError, "unreadable", slog.String("error", err.Error()))
		refuse(w, http.StatusBadRequest, "unreadable invocation", "")
		return
	}
	in.Data, in.Metadata = b.data, b.metadata

	err = call(context.WithValue(r.Context(), invocationKey{}, in.ID), h.funcs[name], in)
	var p *panicked
	switch {
	case err == nil:
		line(r.Context(), slog.LevelInfo, "ok")
		answer(w, http.StatusOK, success)
	case errors.As(err, &p):
		line(r.Context(), slog.LevelError, "panic", slog.String("error", p.Error()),
			slog.String("stack", p.stack))
		refuse(w, http.StatusInternalServerError, "panic", in.ID)
	default:
		class := fault.Of(err).String()
		line(r.Context(), slog.LevelError, "failed", slog.String("class", class),
			slog.String("error", err.Error()))
		refuse(w, http.StatusInternalServerError, class, in.ID)
	}
}

type invocationKey struct{}

// InvocationID returns the host's id of the invocation that a Func works on; empty outside of one.
func InvocationID(ctx context.Context) string {
	id, _ := ctx.Value(invocationKey{}).(string)
	return id
}

// panicked is a recovered panic.
type panicked struct {
	what  string
	stack string
}

func (p *panicked) Error() string { return "panic: " + p.what }

// call runs f and turns a panic into an error, so that one bad invocation does not end the process
// and all others.
func call(ctx context.Context, f Func, in Invocation) (err error) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		// A panic's value may quote health data; the runtime's own messages do not.
		what := fmt.Sprintf("a value of type %T", v)
		if re, ok := v.(runtime.Error); ok {
			what = re.Error()
		}
		err = &panicked{what: what, stack: string(debug.Stack())}
	}()
	return f(ctx, in)
}

// answer writes a JSON body.
func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	// so that a flush completes the answer
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	// The host may have disconnected, and then needs no answer.
	_, _ = io.WriteString(w, body)
}

// refuse answers a failure. The host discards the body, which helps people who use curl and holds
// no error text.
func refuse(w http.ResponseWriter, status int, what, invocation string) {
	b, err := json.Marshal(map[string]string{
		"error": what, "invocation": invocation, "see": "the log of the handler",
	})
	if err != nil { // marshalling strings cannot fail
		b = []byte("{}")
	}
	answer(w, status, string(b))
}

// clip bounds a foreign text in a log line.
func clip(s string) string {
	const limit = 128
	if len(s) > limit {
		return s[:limit] + "..."
	}
	return s
}
