package bulkfhir

import (
	"context"
	"fmt"
	"sync"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// defaultDownloads is slightly above the six connections that browsers open to one host.
const defaultDownloads = 8

// turnPatience bounds the wait for a free slot. After it the step is sent again, so that it does
// not block others.
const turnPatience = 20 * time.Second

// turnWait is the delay that a download without a slot asks for.
const turnWait = 5 * time.Second

// limiter bounds the concurrent downloads of one server. A 429 halves the limit and pauses new
// downloads for the time that the server asks for; each full round without one raises it by one, up
// to most.
type limiter struct {
	most int
	now  func() time.Time

	mu      sync.Mutex
	limit   int
	running int
	good    int       // downloads that succeeded at this limit
	until   time.Time // no new downloads before it
	changed time.Time // when the limit was lowered
	waiting []chan struct{}
}

func newLimiter(most int, now func() time.Time) *limiter {
	return &limiter{most: most, limit: most, now: now}
}

// enter takes a slot. It returns pipeline.ErrThrottled if none is free within turnPatience.
func (l *limiter) enter(ctx context.Context) error {
	l.mu.Lock()
	if wait := l.until.Sub(l.now()); wait > 0 {
		l.mu.Unlock()
		return throttled(wait)
	}
	if l.running < l.limit {
		l.running++
		l.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	l.waiting = append(l.waiting, turn)
	l.mu.Unlock()
	patience := time.NewTimer(turnPatience)
	defer patience.Stop()
	var err error
	select {
	case <-turn:
		return nil
	case <-patience.C:
		err = throttled(turnWait)
	case <-ctx.Done():
		err = ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, w := range l.waiting {
		if w == turn {
			l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
			return err
		}
	}
	return nil // the slot became free at the same time
}

func throttled(wait time.Duration) error {
	return &fault.Error{
		Class: fault.Transient, Whose: fault.TheirServer, After: wait,
		Err: fmt.Errorf("%w", pipeline.ErrThrottled),
	}
}

// leave releases the slot.
func (l *limiter) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running--
	l.admit()
}

func (l *limiter) admit() {
	for len(l.waiting) > 0 && l.running < l.limit {
		l.running++
		close(l.waiting[0])
		l.waiting = l.waiting[1:]
	}
}

// well records a download that succeeded.
func (l *limiter) well() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.good++; l.good >= l.limit && l.limit < l.most {
		l.limit, l.good = l.limit+1, 0
		l.admit()
	}
}

// tooMany lowers the limit after a 429 for a download started at began. Downloads that started
// before the last change do not lower it again.
func (l *limiter) tooMany(began time.Time, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if until := now.Add(wait); until.After(l.until) {
		l.until = until
	}
	if began.Before(l.changed) {
		return
	}
	l.limit, l.good, l.changed = max(1, l.limit/2), 0, now
}
