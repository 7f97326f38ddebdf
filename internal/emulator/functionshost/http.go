package functionshost

import (
	"context"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// httpTrigger is the trigger of a function that answers requests.
const httpTrigger = "httpTrigger"

// Keys are the keys of the real host. Without them, every request is allowed, as under Core Tools.
type Keys struct{ Function, Admin string }

// web takes requests and passes them on to the handler. Its zero value takes none.
type web struct {
	host   *Host
	server *http.Server
	url    string
}

// listen opens the port for requests. It does nothing if no function wants one.
func (w *web) listen(ctx context.Context, h *Host) error {
	if h.opt.HTTP == "" || !slices.ContainsFunc(h.app.functions, func(f *function) bool {
		return f.trigger.Type == httpTrigger
	}) {
		return nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", h.opt.HTTP)
	if err != nil {
		return fmt.Errorf("listen for requests: %w", err)
	}
	w.host, w.url = h, "http://"+l.Addr().String()
	w.server = &http.Server{
		Handler: http.HandlerFunc(w.serve), ReadHeaderTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(h.log.Handler(), slog.LevelWarn),
	}
	h.work.Go(func() { _ = w.server.Serve(l) }) // it ends with the host
	return nil
}

// close ends the port for requests, and the requests that are under way.
func (w *web) close() {
	if w.server != nil {
		_ = w.server.Close() // only the listener's error, and it is gone
	}
}

// URL returns the address for requests, such as http://127.0.0.1:7071; empty without one.
func (h *Host) URL() string { return h.web.url }

// route finds the function of a request. As in the real host, a wrong method is a 404 too.
func (h *launcher) route(r *http.Request) *function {
	parts := strings.FieldsFunc(r.URL.Path, isSlash)
	for _, folder := range strings.FieldsFunc(h.app.routePrefix, isSlash) {
		if len(parts) == 0 || !strings.EqualFold(parts[0], folder) {
			return nil
		}
		parts = parts[1:]
	}
	for _, f := range h.app.functions {
		b := f.trigger
		if b.Type == httpTrigger && matches(b.Route, parts) && (len(b.Methods) == 0 ||
			slices.ContainsFunc(b.Methods, func(m string) bool {
				return strings.EqualFold(m, r.Method)
			})) {
			return f
		}
	}
	return nil
}

func isSlash(c rune) bool { return c == '/' }

// matches reports whether a path fits the template of a route: text, {name} for one folder, and
// {*name} for the rest.
func matches(template string, parts []string) bool {
	folders := strings.Split(template, "/")
	for i, folder := range folders {
		switch {
		case strings.HasPrefix(folder, "{*"):
			return true
		case i >= len(parts):
			return false
		case strings.HasPrefix(folder, "{"):
		case !strings.EqualFold(folder, parts[i]):
			return false
		}
	}
	return len(parts) == len(folders)
}

// allowed checks the key of a request as the host does, in the query or in a header.
func (k Keys) allowed(level string, r *http.Request) bool {
	if k == (Keys{}) || strings.EqualFold(level, "anonymous") {
		return true
	}
	given := r.URL.Query().Get("code")
	if header := r.Header.Get("X-Functions-Key"); header != "" {
		given = header
	}
	is := func(key string) bool {
		return key != "" && subtle.ConstantTimeCompare([]byte(key), []byte(given)) == 1
	}
	return is(k.Admin) || !strings.EqualFold(level, "admin") && is(k.Function)
}

// serve passes a request on to the handler, as enableProxyingHttpRequest makes the real host
// do: with its path and query, under the handler's name in Host, and the two headers of an
// invocation.
func (w *web) serve(to http.ResponseWriter, r *http.Request) {
	h := w.host
	f := h.route(r)
	switch {
	case f == nil:
		http.NotFound(to, r)
		return
	case !h.opt.Keys.allowed(f.trigger.AuthLevel, r):
		to.WriteHeader(http.StatusUnauthorized)
		return
	}
	err := h.tracked(func() error { return w.pass(to, r, f) })
	if err != nil {
		h.log.LogAttrs(r.Context(), slog.LevelError, "request failed",
			slog.String("function", f.name), slog.String("reason", err.Error()))
	}
}

// activity is the time after which the real host gives up a silent request.
const activity = 240 * time.Second

func (w *web) pass(to http.ResponseWriter, r *http.Request, f *function) error {
	h := w.host
	id := uuid.NewString()
	ctx, done := context.WithTimeout(r.Context(), activity)
	defer done()
	p, err := h.await(ctx)
	if err != nil {
		to.WriteHeader(http.StatusServiceUnavailable)
		return err
	}
	target, err := url.Parse(p.url)
	if err != nil {
		return err
	}
	var failed error
	proxy := &httputil.ReverseProxy{
		Transport: p.client.Transport,
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.SetURL(target)
			pr.SetXForwarded()
			pr.Out.Header.Set("X-Azure-Functions-HostVersion", hostVersion)
			pr.Out.Header.Set("X-Azure-Functions-InvocationId", id)
		},
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelWarn),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			failed = err
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	proxy.ServeHTTP(to, r.WithContext(ctx))
	h.counters.invocation(f.name, failed)
	return failed
}
