package app

import (
	"context"
	"log/slog"

	"fhirsynapse/internal/azfunc"
	"fhirsynapse/internal/pipeline"
)

// contextual adds to each line what its context knows: the invocation, the export and the step. A
// line that has such an attribute keeps its own.
type contextual struct{ slog.Handler }

// Handle implements slog.Handler.
func (h contextual) Handle(ctx context.Context, r slog.Record) error {
	attrs := pipeline.LogAttrs(ctx)
	if id := azfunc.InvocationID(ctx); id != "" {
		attrs = append(attrs, slog.String("invocation", id))
	}
	for _, a := range attrs {
		if !has(r, a.Key) {
			r.AddAttrs(a)
		}
	}
	return h.Handler.Handle(ctx, r)
}

func has(r slog.Record, key string) (found bool) {
	r.Attrs(func(a slog.Attr) bool {
		found = a.Key == key
		return !found
	})
	return found
}

// WithAttrs implements slog.Handler.
func (h contextual) WithAttrs(attrs []slog.Attr) slog.Handler {
	return contextual{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h contextual) WithGroup(name string) slog.Handler {
	return contextual{h.Handler.WithGroup(name)}
}
