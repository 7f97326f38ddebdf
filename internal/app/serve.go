package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"fhirsynapse/internal/azfunc"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/telemetry"
)

// Serve runs a handler until ctx ends, and returns the exit code. The code is never 0, because the
// Functions host does not restart a handler that ends with 0 and fails each later call. The caller
// must end the process at once.
//
// The log goes to stdout. The reason for a failed start also goes to stderr, on one line, which the
// host puts into the exception that people see.
func Serve(ctx context.Context, e Environment, stdout, stderr io.Writer) int {
	// net/http writes the beginning of an unusable answer to the global log, which may be health
	// data.
	slog.SetDefault(slog.New(slog.DiscardHandler))
	log := newLog(stdout, levelOf(e.Environ))
	a, err := New(e, log)
	if err != nil {
		faults := strings.Split(err.Error(), "\n")
		for _, line := range faults {
			log.Error("configuration", "fault", line)
		}
		sayOnOneLine(stderr, "the configuration is wrong", faults)
		return 1
	}
	tuneMemory(e.Environ)
	sent := telemetry.Start(ctx, e.Environ, e.Version, e.Now, log)
	defer func() { sent.Stop(ctx) }()
	a.observer = sent.Observer()
	if a.underHost() {
		ticks := time.NewTicker(parentCheck)
		defer ticks.Stop()
		var done func()
		ctx, done = untilOrphaned(ctx, os.Getppid, ticks.C)
		defer done()
	}
	handler := azfunc.WithPages(a.Pages(e.Version), azfunc.Handler(a.Functions(), log, e.Now))
	if err := azfunc.Serve(ctx, a.port(), handler, e.Version, log); err != nil {
		log.Error("handler ended", "error", err)
		sayOnOneLine(stderr, "the handler ended", strings.Split(err.Error(), "\n"))
	}
	return 1
}

// newLog makes the log of a handler. It clips texts and errors, so that a server's text cannot make
// an entry long.
func newLog(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(contextual{slog.NewJSONHandler(w, &slog.HandlerOptions{
		Level: level, ReplaceAttr: clipAttr,
	})})
}

// clipAttr clips the value of an attribute if it is a text or an error. The stack of a panic stays
// whole, because it is our own text.
func clipAttr(_ []string, a slog.Attr) slog.Attr {
	if a.Key == "stack" {
		return a
	}
	switch v := a.Value.Resolve(); v.Kind() { //nolint:exhaustive // numbers and times are short
	case slog.KindString:
		a.Value = slog.StringValue(fault.Clip(v.String()))
	case slog.KindAny:
		switch text := v.Any().(type) {
		case error:
			a.Value = slog.StringValue(fault.Clip(text.Error()))
		case []string:
			clipped := make([]string, len(text))
			for i := range text {
				clipped[i] = fault.Clip(text[i])
			}
			a.Value = slog.AnyValue(clipped)
		case fmt.Stringer:
			a.Value = slog.StringValue(fault.Clip(text.String()))
		}
	}
	return a
}

func sayOnOneLine(w io.Writer, what string, faults []string) {
	// Without stderr nobody reads the line; the log has the same text.
	_, _ = fmt.Fprintf(w, "fhirsynapse: %s: %s\n", what, strings.Join(faults, "; "))
}

// underHost reports whether the Functions host started this process. Only the host sets these
// variables; a person who starts a handler by hand sets the port at most.
func (a *App) underHost() bool {
	return a.getenv("FUNCTIONS_CUSTOMHANDLER_WORKER_ID") != "" ||
		a.getenv("FUNCTIONS_HTTPWORKER_ID") != ""
}

// parentCheck is the time between two checks of the parent process.
const parentCheck = time.Second

var errOrphaned = errors.New("the Functions host that started this handler is gone")

// untilOrphaned returns a context that ends with errOrphaned when the parent process has ended. A
// killed host sends its handler no signal and leaves it running, with its memory and its locks; on
// Unix the handler then gets another parent.
func untilOrphaned(
	ctx context.Context, parent func() int, ticks <-chan time.Time,
) (watched context.Context, done func()) {
	watched, cancel := context.WithCancelCause(ctx)
	first := parent()
	go func() {
		for {
			select {
			case <-watched.Done():
				return
			case <-ticks:
				if parent() != first {
					cancel(errOrphaned)
					return
				}
			}
		}
	}()
	return watched, func() { cancel(nil) }
}
