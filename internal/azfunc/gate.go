package azfunc

import (
	"net/http"
	"sync"
)

// gate passes requests until it is closed. Later requests wait without an answer until the process
// ends.
type gate struct {
	next http.Handler

	mu      sync.Mutex
	running int
	closed  bool
	idle    chan struct{} // closed when the gate is closed and no request runs
}

func newGate(next http.Handler) *gate {
	return &gate{next: next, idle: make(chan struct{})}
}

// close makes new requests wait. It returns a channel that is closed when all earlier requests have
// been answered.
func (g *gate) close() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.closed = true
		if g.running == 0 {
			close(g.idle)
		}
	}
	return g.idle
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.running++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	if g.closed && g.running == 0 {
		close(g.idle)
	}
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !g.enter() {
		select {} // until the process ends
	}
	defer g.leave()
	g.next.ServeHTTP(w, r)
	// The process may end as soon as the gate is idle, so the answer must reach the host first. A
	// lost host cannot be answered.
	_ = http.NewResponseController(w).Flush()
}
