package servicebus

import (
	"slices"
	"time"
)

// CutPoint selects when the connection breaks during a send.
type CutPoint int

// The cut points. A sender cannot tell them apart, and must handle both.
const (
	CutNever  CutPoint = iota
	CutBefore          // nothing was stored
	CutAfter           // everything was stored, the acknowledgement is lost
)

// faults holds the faults that a queue still has to make.
type faults struct {
	cuts  int
	point CutPoint
	delay time.Duration
	loss  int
	twice int
}

func (f *faults) nextCut() CutPoint {
	if f.cuts == 0 {
		return CutNever
	}
	f.cuts--
	return f.point
}

func (f *faults) nextLoss() bool  { return count(&f.loss) }
func (f *faults) nextTwice() bool { return count(&f.twice) }

func count(n *int) bool {
	if *n == 0 {
		return false
	}
	*n--
	return true
}

// change makes a change under the mutex and wakes the waiting callers.
func (s *Server) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	s.notify()
}

// CutConnections breaks every connection, as a failing network does. Clients may reconnect at once;
// messages that they hold stay locked.
func (s *Server) CutConnections() { s.change(s.cutAll) }

func (s *Server) cutAll() {
	for c := range s.conns {
		c.cut()
	}
}

// RefuseConnections closes new connections without an answer while on. Existing connections
// continue: see CutConnections.
func (s *Server) RefuseConnections(on bool) { s.change(func() { s.refuseClients = on }) }

// RefuseSends answers every send with server-busy, an error that the SDK retries, while on.
// Receiving and settling continue.
func (s *Server) RefuseSends(on bool) { s.change(func() { s.refuseSends = on }) }

// switches lets a test cause the faults of a queue.
type switches struct {
	s      *Server
	faults faults
}

// CutSends cuts the connection of each of the next n sends to the queue. A batch counts as one
// send.
func (q *switches) CutSends(n int, point CutPoint) {
	q.s.change(func() { q.faults.cuts, q.faults.point = n, point })
}

// DelayDeliveries delays the availability of every message by d, until it is called with zero.
// Delayed messages count as scheduled.
func (q *switches) DelayDeliveries(d time.Duration) {
	q.s.change(func() { q.faults.delay = d })
}

// LoseLocks removes the lock of each of the next n deliveries as soon as the receiver has the
// message: the message is delivered again, and settling the first delivery fails with lock-lost.
// Receive-and-delete deliveries are not affected.
func (q *switches) LoseLocks(n int) { q.s.change(func() { q.faults.loss = n }) }

// DeliverTwice delivers each of the next n messages a second time, even after the first delivery is
// completed.
func (q *switches) DeliverTwice(n int) { q.s.change(func() { q.faults.twice = n }) }

// ExpireLocks ends all current locks as if they had expired, and returns how many.
func (q *Queue) ExpireLocks() int {
	n := 0
	q.s.change(func() {
		var held []*message
		for _, m := range q.locked {
			held = append(held, m)
		}
		slices.SortFunc(held, func(a, b *message) int { return int(a.seq - b.seq) })
		for _, m := range held {
			q.unlock(m.token)
			m.failures++
			q.retry(m)
		}
		q.pump()
		n = len(held)
	})
	return n
}
