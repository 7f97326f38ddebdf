package memory

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"fhirsynapse/internal/pipeline"
)

// duplicateWindow is how long an id is remembered, as pipeline.Queue requires.
const duplicateWindow = time.Hour

// Queue is a pipeline.Queue in memory. A caller that takes a message must handle it or put it back.
type Queue struct {
	now func() time.Time

	mu     sync.Mutex
	seen   map[string]time.Time
	pruned time.Time
	ready  byTime
	sent   chan struct{} // holds a token after messages were sent
}

// NewQueue makes an empty queue.
func NewQueue(now func() time.Time) *Queue {
	return &Queue{
		now: now, seen: map[string]time.Time{}, pruned: now(), sent: make(chan struct{}, 1),
	}
}

// Send implements pipeline.Queue.
func (q *Queue) Send(ctx context.Context, messages ...pipeline.Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	q.prune(now)
	for _, m := range messages {
		if at, again := q.seen[m.ID]; again && now.Sub(at) < duplicateWindow {
			continue
		}
		q.seen[m.ID] = now
		q.push(m)
	}
	return nil
}

// prune forgets old ids from time to time.
func (q *Queue) prune(now time.Time) {
	if now.Sub(q.pruned) < duplicateWindow {
		return
	}
	q.pruned = now
	for id, at := range q.seen {
		if now.Sub(at) >= duplicateWindow {
			delete(q.seen, id)
		}
	}
}

func (q *Queue) push(m pipeline.Message) {
	if m.At.IsZero() {
		m.At = q.now()
	}
	heap.Push(&q.ready, m)
	select {
	case q.sent <- struct{}{}:
	default:
	}
}

// PutBack returns a message that was taken but not handled.
func (q *Queue) PutBack(m pipeline.Message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.push(m)
}

// Take returns the earliest message that is due; false means that there is none.
func (q *Queue) Take() (pipeline.Message, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.ready) == 0 || q.ready[0].At.After(q.now()) {
		return pipeline.Message{}, false
	}
	m, ok := heap.Pop(&q.ready).(pipeline.Message)
	return m, ok
}

// Next returns when the earliest message is due; false means that there is none.
func (q *Queue) Next() (time.Time, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.ready) == 0 {
		return time.Time{}, false
	}
	return q.ready[0].At, true
}

// Sent receives a value when messages have been sent since the last value; it never closes.
func (q *Queue) Sent() <-chan struct{} { return q.sent }

// byTime is a heap of messages, the earliest first.
type byTime []pipeline.Message

func (b byTime) Len() int           { return len(b) }
func (b byTime) Less(i, j int) bool { return b[i].At.Before(b[j].At) }
func (b byTime) Swap(i, j int)      { b[i], b[j] = b[j], b[i] }

// Push implements heap.Interface.
func (b *byTime) Push(m any) {
	if message, ok := m.(pipeline.Message); ok {
		*b = append(*b, message)
	}
}

// Pop implements heap.Interface.
func (b *byTime) Pop() any {
	last := len(*b) - 1
	m := (*b)[last]
	(*b)[last] = pipeline.Message{}
	*b = (*b)[:last]
	return m
}
