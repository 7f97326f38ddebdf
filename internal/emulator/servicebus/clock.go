package servicebus

import (
	"slices"
	"sync"
	"time"
)

// Clock provides the time of a Server.
type Clock interface {
	Now() time.Time
	// AfterFunc calls f once after d, asynchronously and never from within AfterFunc.
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer represents a call that a Clock will make.
type Timer interface {
	// Stop prevents the call. It returns false if the call was already made or stopped.
	Stop() bool
}

// WallClock uses the clock of the machine.
type WallClock struct{}

// Now calls time.Now.
func (WallClock) Now() time.Time {
	return time.Now() //nolint:forbidigo // the one place where this package meets the machine's clock
}

// AfterFunc calls time.AfterFunc.
func (WallClock) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }

// ManualClock stands still until Advance moves it. It is safe for concurrent use.
type ManualClock struct {
	advancing sync.Mutex // one Advance at a time

	mu     sync.Mutex
	now    time.Time
	timers []*manualTimer // sorted by due time, then by age
}

type manualTimer struct {
	clock *ManualClock
	due   time.Time
	call  func()
}

// NewManualClock returns a clock that shows start.
func NewManualClock(start time.Time) *ManualClock { return &ManualClock{now: start} }

// Now returns the time that the clock shows.
func (c *ManualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// AfterFunc calls f from within the Advance that reaches now+d. If d is zero or less, the call also
// waits for the next Advance.
func (c *ManualClock) AfterFunc(d time.Duration, f func()) Timer {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &manualTimer{clock: c, due: c.now.Add(d), call: f}
	i, _ := slices.BinarySearchFunc(c.timers, t.due, func(o *manualTimer, due time.Time) int {
		if o.due.After(due) {
			return 1
		}
		return -1 // equal timers: first made, first called
	})
	c.timers = slices.Insert(c.timers, i, t)
	return t
}

// Stop implements Timer.
func (t *manualTimer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	i := slices.Index(t.clock.timers, t)
	if i < 0 {
		return false
	}
	t.clock.timers = slices.Delete(t.clock.timers, i, i+1)
	return true
}

// Advance moves the clock by d. It calls every timer that becomes due, in order and on this
// goroutine, with the clock at the timer's due time; this includes timers made by such a call.
func (c *ManualClock) Advance(d time.Duration) {
	c.advancing.Lock()
	defer c.advancing.Unlock()
	end := c.Now().Add(d)
	for {
		c.mu.Lock()
		if len(c.timers) == 0 || c.timers[0].due.After(end) {
			c.now = end
			c.mu.Unlock()
			return
		}
		t := c.timers[0]
		c.timers = c.timers[1:]
		if t.due.After(c.now) {
			c.now = t.due
		}
		c.mu.Unlock()
		t.call()
	}
}

// Next returns when the next timer is due, or false if none is waiting.
func (c *ManualClock) Next() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.timers) == 0 {
		return time.Time{}, false
	}
	return c.timers[0].due, true
}
