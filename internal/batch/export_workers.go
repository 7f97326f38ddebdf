package batch

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// maxFailures bounds how often a step that could not be postponed is tried again.
const maxFailures = 10

// workers does steps, several at once.
type workers struct {
	ctx    context.Context // of the run, which the steps belong to
	handle func(context.Context, []byte) error
	giveUp func(ctx context.Context, body []byte, panicValue any) error // of a step that panics
	hands  chan struct{}
	done   chan struct{} // holds a token when a step was done
	group  sync.WaitGroup

	mu       sync.Mutex
	failures []failure
	times    map[string]int // by message id
}

type failure struct {
	message pipeline.Message
	times   int
	err     error
}

func newWorkers(
	ctx context.Context, n int, handle func(context.Context, []byte) error,
	giveUp func(context.Context, []byte, any) error,
) *workers {
	return &workers{
		ctx: ctx, handle: handle, giveUp: giveUp, hands: make(chan struct{}, n),
		done: make(chan struct{}, 1), times: map[string]int{},
	}
}

func (w *workers) free() bool { return len(w.hands) < cap(w.hands) }

func (w *workers) busy() bool { return len(w.hands) > 0 }

// do starts a step. A worker must be free.
func (w *workers) do(m pipeline.Message) {
	w.hands <- struct{}{}
	w.group.Go(func() {
		err := w.attempt(m.Body)
		if err != nil {
			w.mu.Lock()
			w.times[m.ID]++
			w.failures = append(w.failures, failure{m, w.times[m.ID], err})
			w.mu.Unlock()
		}
		<-w.hands
		select {
		case w.done <- struct{}{}:
		default:
		}
	})
}

// attempt does a step. If the step panics, attempt gives it up and the process goes on.
func (w *workers) attempt(body []byte) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = w.giveUp(w.ctx, body, v)
		}
	}()
	return w.handle(w.ctx, body)
}

// panicked turns the value of a panic into an error, and logs the stack.
func (r *run) panicked(v any) error {
	what := panicText(v)
	r.Log.Error("panic", "what", what, "stack", string(debug.Stack()))
	return &fault.Error{
		Class: fault.Permanent, Err: errors.New("the program has a fault: panic: " + what),
		Remedy: "report it with the stack in the log",
	}
}

// panicText describes a panic. Only texts of the runtime are repeated, because other values may
// quote health data.
func panicText(v any) string {
	if e, ok := v.(runtime.Error); ok {
		return e.Error()
	}
	return fmt.Sprintf("a value of type %T", v)
}

// giveUp fails the export because one of its steps has panicked.
func (r *run) giveUp(ctx context.Context, body []byte, panicValue any) error {
	return r.pipeline.GiveUp(ctx, body, r.panicked(panicValue))
}

// failed removes and returns the next step that failed and must be tried again.
func (w *workers) failed() (failure, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.failures) == 0 {
		return failure{}, false
	}
	f := w.failures[0]
	w.failures = w.failures[1:]
	return f, true
}

// stop waits for the steps under way.
func (w *workers) stop() { w.group.Wait() }
