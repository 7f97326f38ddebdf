package servicebus

import (
	"bytes"
	"context"
	"time"
)

// State is the state of a message in the terms of the service.
type State int32

// The states, with the service's numbers.
const (
	StateActive    State = 0
	StateDeferred  State = 1
	StateScheduled State = 2
)

// Stats counts the messages of a queue.
type Stats struct {
	Active       int // could be delivered
	Scheduled    int // wait for their due time
	Locked       int // held by a receiver
	Deferred     int // wait until a receiver asks for them
	DeadLettered int // are in the dead-letter queue

	Sent       int64 // taken from senders since the start, including duplicates
	Duplicates int64 // dropped messages among Sent
	Delivered  int64 // deliveries
	Completed  int64
}

// Idle reports whether no message has to be handled now or later. Deferred messages and dead
// letters do not count.
func (s Stats) Idle() bool { return s.Active == 0 && s.Locked == 0 && s.Scheduled == 0 }

// Message describes a stored message, for people and tests.
type Message struct {
	ID       string
	Subject  string
	Sequence int64
	State    State
	Locked   bool
	Due      time.Time // of a scheduled message
	Failures int       // deliveries that were not completed
	Body     []byte

	DeadLetterReason      string
	DeadLetterDescription string
}

// Name returns the name that was passed to AddQueue.
func (q *Queue) Name() string { return q.name }

// DeadLetterQueue returns the dead-letter queue of q, or nil if q is a dead-letter queue.
func (q *Queue) DeadLetterQueue() *Queue { return q.dead }

// Stats returns the counts of one instant.
func (q *Queue) Stats() Stats {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	return q.stats()
}

func (q *Queue) stats() Stats {
	st := Stats{
		Active: len(q.ready), Scheduled: len(q.waiting), Locked: len(q.locked),
		Deferred: len(q.deferred),
		Sent:     q.sent, Duplicates: q.dropped, Delivered: q.delivered, Completed: q.completed,
	}
	if d := q.dead; d != nil {
		st.DeadLettered = len(d.ready) + len(d.locked) + len(d.waiting) + len(d.deferred)
	}
	return st
}

// Messages returns all messages of the queue, by sequence number, without the messages of its
// dead-letter queue.
func (q *Queue) Messages() []Message {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	var out []Message
	for _, p := range q.all() {
		m := Message{
			ID: p.id(), Sequence: p.seq, State: p.state, Locked: p.locked,
			Failures: int(p.failures),
			Body:     bytes.Clone(p.m.GetData()),
		}
		if p.state == StateScheduled {
			m.Due = p.due
		}
		if p.m.Properties != nil && p.m.Properties.Subject != nil {
			m.Subject = *p.m.Properties.Subject
		}
		m.DeadLetterReason, _ = p.m.ApplicationProperties[propDeadReason].(string)
		m.DeadLetterDescription, _ = p.m.ApplicationProperties[propDeadErrorText].(string)
		out = append(out, m)
	}
	return out
}

// DeadLetters returns the messages of the dead-letter queue.
func (q *Queue) DeadLetters() []Message {
	if q.dead == nil {
		return q.Messages()
	}
	return q.dead.Messages()
}

// WaitUntil waits until done is true of the queue's Stats. It calls done at once and after every
// change, under the server's mutex, so done must not call the server; it returns the cause of ctx,
// or net.ErrClosed after Close.
func (q *Queue) WaitUntil(ctx context.Context, done func(Stats) bool) error {
	return q.s.wait(ctx, func() bool { return done(q.stats()) })
}

// Stats returns the counts of all queues, by name.
func (s *Server) Stats() map[string]Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats()
}

func (s *Server) stats() map[string]Stats {
	all := make(map[string]Stats, len(s.queues))
	for _, q := range s.queues {
		all[q.name] = q.stats()
	}
	return all
}

// WaitUntil waits as Queue.WaitUntil does, over all queues.
func (s *Server) WaitUntil(ctx context.Context, done func(map[string]Stats) bool) error {
	return s.wait(ctx, func() bool { return done(s.stats()) })
}

// WaitIdle waits until no queue has an active, locked or scheduled message.
func (s *Server) WaitIdle(ctx context.Context) error {
	return s.wait(ctx, func() bool {
		for _, q := range s.queues {
			if !q.stats().Idle() {
				return false
			}
		}
		return true
	})
}

// Changed returns a channel that is closed at the next change. Call it before you read the state,
// so that you miss no change.
func (s *Server) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}
