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

// grace bounds the wait for running invocations when the program stops.
const grace = 5 * time.Second

// Serve listens on 127.0.0.1:port, where port is the value of FUNCTIONS_CUSTOMHANDLER_PORT, and
// serves h until ctx ends. h should connect to services lazily, because the host gives up on a slow
// handler.
//
// When ctx ends, the contexts of running invocations end too. Serve returns nil once they have
// answered, at the latest after five seconds. The port stays open and new requests wait unanswered;
// the caller must end the process at once with an exit code other than 0. If the port were closed,
// the host would fail each call within a millisecond and a message would use up its deliveries.
// After a non-zero exit the host holds calls until its new handler listens.
func Serve(
	ctx context.Context, port string, h http.Handler, version string, log *slog.Logger,
) error {
	l, err := listen(ctx, port)
	if err != nil {
		return err
	}
	return serve(ctx, l, h, version, log)
}

func listen(ctx context.Context, port string) (net.Listener, error) {
	if port == "" {
		return nil, errors.New(
			"no port to listen on: FUNCTIONS_CUSTOMHANDLER_PORT is not set; the Functions host sets it when it starts this program")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf(
			"FUNCTIONS_CUSTOMHANDLER_PORT is %q: it must be a port number, 0 to 65535", port)
	}
	// Loopback only, because anyone who reaches this port may call any function.
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp",
		net.JoinHostPort("127.0.0.1", strconv.FormatUint(n, 10)))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf(
			"port %d is in use by another program: end it or set FUNCTIONS_CUSTOMHANDLER_PORT to a free one: %w", n, err)
	case err != nil:
		return nil, fmt.Errorf("listen on port %d: %w", n, err)
	}
	return l, nil
}

func serve(
	ctx context.Context, l net.Listener, h http.Handler, version string, log *slog.Logger,
) error {
	g := newGate(h)
	srv := &http.Server{
		Handler:           g,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 30 * time.Second,
		// No timeout on body or answer: an invocation may run for an hour.
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	log.LogAttrs(ctx, slog.LevelInfo, "listening", slog.String("version", version),
		slog.String("address", l.Addr().String()))
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve invocations: %w", err)
	case <-ctx.Done():
	}
	idle := g.close()
	stop := context.WithoutCancel(ctx)
	log.LogAttrs(stop, slog.LevelInfo, "stopping",
		slog.String("reason", context.Cause(ctx).Error()))
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case <-idle:
	case <-late.C:
		log.LogAttrs(stop, slog.LevelWarn,
			"invocations were still running at the stop; their messages are delivered again")
	}
	return nil
}
