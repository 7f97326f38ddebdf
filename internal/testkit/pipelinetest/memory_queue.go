package pipelinetest

import (
	"context"
	"slices"
	"sync"
	"time"

	"fhirsynapse/internal/pipeline"
)

// MemoryQueue is a pipeline.Queue in memory with the broker's rules. Duplicates within an hour are
// dropped, a message that fails is delivered again at once, and after ten failures it is dead.
type MemoryQueue struct {
	now func() time.Time

	mu    sync.Mutex
	seen  map[string]time.Time
	ready []*delivery
	dead  []pipeline.Message
}

type delivery struct {
	m      pipeline.Message
	failed int
}

const (
	duplicateWindow = time.Hour
	maxDeliveries   = 10
)

// NewMemoryQueue makes an empty queue.
func NewMemoryQueue(now func() time.Time) *MemoryQueue {
	return &MemoryQueue{now: now, seen: map[string]time.Time{}}
}

// Send implements pipeline.Queue.
func (q *MemoryQueue) Send(ctx context.Context, messages ...pipeline.Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	for _, m := range messages {
		if at, dup := q.seen[m.ID]; dup && now.Sub(at) < duplicateWindow {
			continue
		}
		q.seen[m.ID] = now
		if m.At.IsZero() {
			m.At = now
		}
		q.ready = append(q.ready, &delivery{m: m})
	}
	return nil
}

// Next returns the time at which the next message becomes visible.
func (q *MemoryQueue) Next() (at time.Time, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, d := range q.ready {
		if !ok || d.m.At.Before(at) {
			at, ok = d.m.At, true
		}
	}
	return at, ok
}

// Receive takes one visible message and hands it to handle. pick decides which one (nil: in the
// order of arrival). A message is done when handle returns nil, and is delivered again when handle
// fails. Receive returns false if nothing was visible.
func (q *MemoryQueue) Receive(
	ctx context.Context, pick func(n int) int, handle func(context.Context, pipeline.Message) error,
) bool {
	q.mu.Lock()
	now := q.now()
	var visible []*delivery
	for _, d := range q.ready {
		if !d.m.At.After(now) {
			visible = append(visible, d)
			if pick == nil {
				break
			}
		}
	}
	q.mu.Unlock()
	if len(visible) == 0 {
		return false
	}
	i := 0
	if pick != nil {
		i = pick(len(visible))
	}
	d := visible[i]
	err := handle(ctx, d.m)
	q.mu.Lock()
	defer q.mu.Unlock()
	if err != nil {
		if d.failed++; d.failed < maxDeliveries {
			return true
		}
		q.dead = append(q.dead, d.m)
	}
	if i := slices.Index(q.ready, d); i >= 0 {
		q.ready = slices.Delete(q.ready, i, i+1)
	}
	return true
}

// Redeliver copies every visible message, because the broker delivers at least once.
func (q *MemoryQueue) Redeliver() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, d := range slices.Clone(q.ready) {
		q.ready = append(q.ready, &delivery{m: d.m})
	}
}

// Drop removes every message that lose selects, as a purge of the queue would.
func (q *MemoryQueue) Drop(lose func(pipeline.Message) bool) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	before := len(q.ready)
	q.ready = slices.DeleteFunc(q.ready, func(d *delivery) bool { return lose(d.m) })
	return before - len(q.ready)
}

// Dead lists the messages that failed too often. Each of them is a bug.
func (q *MemoryQueue) Dead() []pipeline.Message {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.dead)
}
