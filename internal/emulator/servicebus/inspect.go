package servicebus

import (
	"bytes"
	"context"
	"time"
)

// State is what the service calls the state of a message.
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
	Scheduled    int // wait for their time
	Locked       int // are with a receiver
	Deferred     int // wait to be asked for
	DeadLettered int // are in the dead-letter queue

	Sent       int64 // taken from senders since the start, duplicates included
	Duplicates int64 // of these, thrown away
	Delivered  int64 // deliveries
	Completed  int64
}

// Idle says that nothing is left to do now or later; deferred messages and dead
// letters do not count.
func (s Stats) Idle() bool { return s.Active == 0 && s.Locked == 0 && s.Scheduled == 0 }

// Message is a stored message, for people and tests.
type Message struct {
	ID       string
	Subject  string
	Sequence int64
	State    State
	Locked   bool
	Due      time.Time // of a scheduled one
	Failures int       // deliveries that were not completed
	Body     []byte

	DeadLetterReason      string
	DeadLetterDescription string
}

// Name of the queue as AddQueue was told it.
func (q *Queue) Name() string { return q.name }

// DeadLetterQueue is the dead-letter queue of q; of a dead-letter queue it is nil.
func (q *Queue) DeadLetterQueue() *Queue { return q.dead }

// Stats counts, at one instant.
func (q *Queue) Stats() Stats {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	return q.stats()
}

func (q *Queue) stats() Stats {
	st := Stats{
		Active: len(q.ready), Scheduled: len(q.waiting), Locked: len(q.locked), Deferred: len(q.deferred),
		Sent: q.sent, Duplicates: q.dropped, Delivered: q.delivered, Completed: q.completed,
	}
	if d := q.dead; d != nil {
		st.DeadLettered = len(d.ready) + len(d.locked) + len(d.waiting) + len(d.deferred)
	}
	return st
}

// Messages are all messages of the queue, by sequence number; those in its
// dead-letter queue are not among them.
func (q *Queue) Messages() []Message {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	var out []Message
	for _, p := range q.all() {
		m := Message{
			ID: p.id(), Sequence: p.seq, State: p.state, Locked: p.locked, Failures: int(p.failures),
			Body: bytes.Clone(p.m.GetData()),
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

// DeadLetters are the messages of the dead-letter queue.
func (q *Queue) DeadLetters() []Message {
	if q.dead == nil {
		return q.Messages()
	}
	return q.dead.Messages()
}

// WaitUntil returns nil as soon as done is true of the queue's Stats, which it is
// asked at once and after every change, under the server's mutex: done must not
// call the server. It ends with the cause of ctx, or net.ErrClosed after Close.
func (q *Queue) WaitUntil(ctx context.Context, done func(Stats) bool) error {
	return q.s.wait(ctx, func() bool { return done(q.stats()) })
}

// Stats counts all queues, by name.
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

// WaitUntil is Queue.WaitUntil over all queues.
func (s *Server) WaitUntil(ctx context.Context, done func(map[string]Stats) bool) error {
	return s.wait(ctx, func() bool { return done(s.stats()) })
}

// WaitIdle returns nil when no queue has a message that is active, locked or
// scheduled.
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

// Changed is closed at the next change of anything; ask before you look, so that no
// change falls between.
func (s *Server) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}
