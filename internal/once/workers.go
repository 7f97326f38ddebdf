package once

import (
	"context"
	"sync"

	"fhirsynapse/internal/pipeline"
)

// maxFailures bounds how often a step that could not be put off is done again.
const maxFailures = 10

// workers do steps, so many at once.
type workers struct {
	ctx    context.Context // of the run, which the steps belong to
	handle func(context.Context, []byte) error
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

func newWorkers(ctx context.Context, n int, handle func(context.Context, []byte) error) *workers {
	return &workers{ctx: ctx, handle: handle, hands: make(chan struct{}, n), done: make(chan struct{}, 1), times: map[string]int{}}
}

func (w *workers) free() bool { return len(w.hands) < cap(w.hands) }

func (w *workers) busy() bool { return len(w.hands) > 0 }

// do begins a step; a hand must be free.
func (w *workers) do(m pipeline.Message) {
	w.hands <- struct{}{}
	w.group.Go(func() {
		err := w.handle(w.ctx, m.Body)
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

// failed gives a step that is not done and not recorded.
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
