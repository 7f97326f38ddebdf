package servicebus

import (
	"maps"
	"slices"
	"time"

	"github.com/Azure/go-amqp"
	"github.com/google/uuid"
)

// QueueConfig holds the settings of a queue. Zero values select the service's defaults.
type QueueConfig struct {
	// LockDuration is the time for which a receiver holds a message; 30 s by default.
	LockDuration time.Duration
	// MaxDeliveryCount is the number of failed deliveries after which a message moves to the
	// dead-letter queue; 10 by default.
	MaxDeliveryCount int
	// DuplicateWindow is the time for which a message id is remembered. A message with a known id
	// is accepted and dropped; zero turns detection off.
	DuplicateWindow time.Duration
}

// Queue is a queue or its dead-letter queue.
type Queue struct {
	switches
	name      string
	cfg       QueueConfig
	lastSeq   int64
	ready     []*message // by sequence number
	waiting   map[int64]*message
	deferred  map[int64]*message
	locked    map[[16]byte]*message
	seen      seenIDs
	dead      *Queue  // nil in a dead-letter queue
	consumers []*link // the next in turn is first
	sent      int64
	dropped   int64
	delivered int64
	completed int64
}

// seenIDs holds the message ids of the window in which duplicates are dropped.
type seenIDs struct {
	ids   map[string]bool
	order []seenID
}

type seenID struct {
	id string
	at time.Time
}

// duplicate reports whether an id occurred within the window, and remembers it.
func (s *seenIDs) duplicate(id string, window time.Duration, now time.Time) bool {
	if window <= 0 || id == "" {
		return false
	}
	old := 0
	for old < len(s.order) && now.Sub(s.order[old].at) >= window {
		delete(s.ids, s.order[old].id)
		old++
	}
	s.order = s.order[old:]
	if s.ids[id] {
		return true
	}
	s.ids[id] = true
	s.order = append(s.order, seenID{id, now})
	return false
}

func newQueue(s *Server, name string, cfg QueueConfig) *Queue {
	if cfg.LockDuration <= 0 {
		cfg.LockDuration = 30 * time.Second
	}
	if cfg.MaxDeliveryCount <= 0 {
		cfg.MaxDeliveryCount = 10
	}
	return &Queue{
		switches: switches{s: s}, name: name, cfg: cfg, waiting: map[int64]*message{},
		deferred: map[int64]*message{},
		locked:   map[[16]byte]*message{}, seen: seenIDs{ids: map[string]bool{}},
	}
}

// receive stores all messages of a send, unless a fault is due.
func (q *Queue) receive(c *conn, batch []*amqp.Message) []int64 {
	cut := q.faults.nextCut()
	if cut == CutBefore {
		c.cut()
		return nil
	}
	seqs := make([]int64, 0, len(batch))
	for _, m := range batch {
		seqs = append(seqs, q.put(m))
	}
	if cut == CutAfter {
		c.cut()
	}
	return seqs
}

// put stores one message and returns its sequence number.
func (q *Queue) put(m *amqp.Message) int64 {
	q.sent++
	q.lastSeq++
	msg := &message{seq: q.lastSeq, m: m}
	if q.seen.duplicate(msg.id(), q.cfg.DuplicateWindow, q.s.clock.Now()) {
		q.dropped++
		return msg.seq
	}
	now := q.s.clock.Now()
	if due, ok := m.Annotations[annScheduledTime].(time.Time); ok && due.After(now) {
		q.hold(msg, due.Sub(now), func() {
			q.lastSeq++
			msg.seq = q.lastSeq // an activated message counts as newly sent
			q.arrive(msg)
		})
		return msg.seq
	}
	q.arrive(msg)
	return msg.seq
}

// hold hides a message for d, then calls f.
func (q *Queue) hold(msg *message, d time.Duration, f func()) {
	seq := msg.seq
	msg.due = q.s.clock.Now().Add(d)
	q.waiting[seq] = msg
	msg.timer = q.s.after(d, func() {
		if q.waiting[seq] == msg {
			delete(q.waiting, seq)
			msg.timer = nil
			f()
		}
	})
}

// arrive makes a message available, with the configured delay.
func (q *Queue) arrive(msg *message) {
	if q.faults.delay > 0 {
		q.hold(msg, q.faults.delay, func() { q.enqueue(msg) })
		return
	}
	q.enqueue(msg)
}

func (q *Queue) enqueue(msg *message) {
	msg.enqueued = q.s.clock.Now()
	q.requeue(msg)
}

// requeue inserts a message by its sequence number.
func (q *Queue) requeue(msg *message) {
	q.insert(msg)
	q.pump()
}

func (q *Queue) insert(msg *message) {
	i, _ := slices.BinarySearchFunc(q.ready, msg.seq, func(o *message, seq int64) int {
		if o.seq > seq {
			return 1
		}
		return -1
	})
	q.ready = slices.Insert(q.ready, i, msg)
}

// pump delivers ready messages, in turn, to the links that take them.
func (q *Queue) pump() {
	for len(q.ready) > 0 {
		i := slices.IndexFunc(q.consumers, (*link).takes)
		if i < 0 {
			return
		}
		l := q.consumers[i]
		q.consumers = append(slices.Delete(q.consumers, i, i+1), l)
		m := q.ready[0]
		q.ready[0] = nil
		q.ready = q.ready[1:]
		q.delivered++
		if q.faults.nextTwice() {
			q.insert(m.twin())
		}
		if l.presettled {
			q.completed++
			l.send([]byte{0}, m.wire(q.s, StateActive), true)
			continue
		}
		q.lock(m)
		id := l.send(tag(m.token), m.wire(q.s, StateActive), false)
		l.ses.unsettled[id] = delivery{q, m.token}
		if q.faults.nextLoss() {
			q.unlock(m.token)
			m.failures++
			q.retry(m)
		}
	}
}

func (q *Queue) lock(msg *message) {
	msg.token = uuid.New()
	q.locked[msg.token] = msg
	q.extend(msg)
}

// extend restarts the lock's time.
func (q *Queue) extend(msg *message) {
	token, d := msg.token, q.cfg.LockDuration
	msg.stopTimer()
	msg.lockUntil = q.s.clock.Now().Add(d)
	msg.timer = q.s.after(d, func() {
		// A renewal may occur between the timer and the mutex.
		if q.locked[token] == msg && !q.s.clock.Now().Before(msg.lockUntil) {
			q.unlock(token)
			q.failed(msg)
		}
	})
}

// unlock ends a lock and returns its message, or nil if the lock is lost.
func (q *Queue) unlock(token [16]byte) *message {
	m := q.locked[token]
	if m != nil {
		delete(q.locked, token)
		m.stopTimer()
		m.lockUntil = time.Time{}
	}
	return m
}

// failed counts an uncompleted delivery.
func (q *Queue) failed(m *message) {
	m.failures++
	q.retry(m)
	q.pump()
}

// retry moves a message to the queue that its failures require. It delivers nothing yet.
func (q *Queue) retry(m *message) {
	switch {
	case m.deferred:
		q.deferred[m.seq] = m
	case q.dead != nil && int(m.failures) >= q.cfg.MaxDeliveryCount:
		q.deadLetter(m, "MaxDeliveryCountExceeded",
			"Message could not be consumed after the maximum number of delivery attempts.", nil)
	default:
		q.insert(m)
	}
}

// deadLetter moves a message that is in no list to the dead-letter queue.
func (q *Queue) deadLetter(m *message, reason, description string, properties map[string]any) {
	p := m.m.ApplicationProperties
	if p == nil {
		p = map[string]any{}
		m.m.ApplicationProperties = p
	}
	maps.Copy(p, properties)
	p[propDeadReason], p[propDeadErrorText] = reason, description
	a := annotate(m.m)
	a[annDeadSource] = q.name
	delete(a, annScheduledTime)
	d := q.dead
	d.lastSeq++
	m.seq, m.deferred = d.lastSeq, false
	d.enqueue(m)
}

func (q *Queue) stopTimers() {
	for _, m := range q.waiting {
		m.stopTimer()
	}
	for _, m := range q.locked {
		m.stopTimer()
	}
}
