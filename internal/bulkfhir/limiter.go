package bulkfhir

import (
	"context"
	"fmt"
	"sync"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// defaultDownloads is what a browser opens to one host, and some more.
const defaultDownloads = 8

// turnPatience is how long a download waits for its turn before it says that it
// is not its turn: the step is then sent again, and its place is free for others.
const turnPatience = 20 * time.Second

// turnWait is what a download that got no turn asks for.
const turnWait = 5 * time.Second

// limiter lets only so many downloads of one server run at once. A server that
// says "too many" halves the number and stops new ones for as long as it asks;
// each full round without such a word lets one more through, up to most.
type limiter struct {
	most int
	now  func() time.Time

	mu      sync.Mutex
	limit   int
	running int
	good    int       // downloads that ended well at this limit
	until   time.Time // no new ones before
	changed time.Time // when the limit was lowered
	waiting []chan struct{}
}

func newLimiter(most int, now func() time.Time) *limiter {
	return &limiter{most: most, limit: most, now: now}
}

// enter takes a turn. It fails with ErrThrottled when there is none in a while.
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
	return nil // the turn came at the same instant
}

func throttled(wait time.Duration) error {
	return &fault.Error{Class: fault.Transient, Whose: fault.TheirServer, After: wait, Err: fmt.Errorf("%w", pipeline.ErrThrottled)}
}

// leave gives the turn back.
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

// well notes a download that ended well.
func (l *limiter) well() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.good++; l.good >= l.limit && l.limit < l.most {
		l.limit, l.good = l.limit+1, 0
		l.admit()
	}
}

// tooMany notes that the server wants fewer of those that began at began. Those
// that were under way already when the limit was lowered lower it no more.
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
