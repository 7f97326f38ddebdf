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
)

// Serve runs a handler until ctx ends: settings, port, invocations. It returns the
// exit code, which is never 0: the Functions host leaves a handler that ends with 0
// alone and fails each call from then on. The caller must end the process at once.
//
// The log goes to stdout. The reason of a failed start also goes to stderr, on one
// line: the host puts that line into the exception that people see.
func Serve(ctx context.Context, e Environment, stdout, stderr io.Writer) int {
	// net/http writes the beginning of what it cannot use of an answer to the global
	// log: that may be health data.
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
	if a.underHost() {
		ticks := time.NewTicker(parentCheck)
		defer ticks.Stop()
		var done func()
		ctx, done = untilOrphaned(ctx, os.Getppid, ticks.C)
		defer done()
	}
	if err := azfunc.Serve(ctx, a.port(), azfunc.Handler(a.Functions(), log, e.Now), e.Version, log); err != nil {
		log.Error("handler ended", "error", err)
		sayOnOneLine(stderr, "the handler ended", strings.Split(err.Error(), "\n"))
	}
	return 1
}

// newLog makes the log of a handler. It clips texts and errors, so that no entry grows
// with what a server has sent.
func newLog(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: clipAttr}))
}

// clipAttr clips the value of an attribute where it is a text or an error. The stack of
// a panic is our own text and stays whole.
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
	// Without stderr there is nobody to tell; the log has the same.
	_, _ = fmt.Fprintf(w, "fhirsynapse: %s: %s\n", what, strings.Join(faults, "; "))
}

// underHost reports whether the Functions host has started this process. Only the
// host sets these; a person who starts a handler by hand sets the port at most.
func (a *App) underHost() bool {
	return a.getenv("FUNCTIONS_CUSTOMHANDLER_WORKER_ID") != "" || a.getenv("FUNCTIONS_HTTPWORKER_ID") != ""
}

// parentCheck is the time between two looks for the parent process.
const parentCheck = time.Second

var errOrphaned = errors.New("the Functions host that started this handler is gone")

// untilOrphaned returns a context that ends with errOrphaned when the parent process
// has ended. A host that is killed leaves its handler running, with its memory and
// its locks, and tells it nothing; on Unix the handler then gets another parent.
func untilOrphaned(ctx context.Context, parent func() int, ticks <-chan time.Time) (watched context.Context, done func()) {
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
