package azfunc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"
)

// grace is how long running invocations may take to notice a stop. The host
// never waits: it kills. This is for Ctrl-C.
const grace = 5 * time.Second

// Serve listens on 127.0.0.1:port, where port is the value of
// FUNCTIONS_CUSTOMHANDLER_PORT, and serves h until the context ends; then the
// contexts of running invocations end too, and Serve returns nil once they have
// returned, or after a short grace. It listens before it returns control to
// anything: h should connect to the world lazily, since the host gives up on a
// handler that is slow to answer. version describes the build, for the log.
func Serve(ctx context.Context, port string, h http.Handler, version string, log *slog.Logger) error {
	l, err := listen(ctx, port)
	if err != nil {
		return err
	}
	return serve(ctx, l, h, version, log)
}

func listen(ctx context.Context, port string) (net.Listener, error) {
	if port == "" {
		return nil, errors.New("no port to listen on: FUNCTIONS_CUSTOMHANDLER_PORT is not set; the Functions host sets it when it starts this program")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("FUNCTIONS_CUSTOMHANDLER_PORT is %q: it must be a port number, 0 to 65535", port)
	}
	// Loopback only: whoever reaches this port may call any function.
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.FormatUint(n, 10)))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("port %d is in use by another program: end it or set FUNCTIONS_CUSTOMHANDLER_PORT to a free one: %w", n, err)
	case err != nil:
		return nil, fmt.Errorf("listen on port %d: %w", n, err)
	}
	return l, nil
}

func serve(ctx context.Context, l net.Listener, h http.Handler, version string, log *slog.Logger) error {
	srv := &http.Server{
		Handler:           h,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 30 * time.Second,
		// No limit on body or answer: an invocation may run for an hour.
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	log.LogAttrs(ctx, slog.LevelInfo, "listening", slog.String("version", version), slog.String("address", l.Addr().String()))
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve invocations: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil {
		log.LogAttrs(stop, slog.LevelWarn, "invocations were still running at the stop", slog.String("error", err.Error()))
		if err := srv.Close(); err != nil {
			return fmt.Errorf("stop serving invocations: %w", err)
		}
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve invocations: %w", err)
	}
	return nil
}
