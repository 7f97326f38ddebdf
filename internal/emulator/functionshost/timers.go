package functionshost

import (
	"context"
	"time"
)

// longestWait bounds one wait of a timer, so that the timer notices a changed clock.
const longestWait = time.Minute

// runTimer fires a timer until its context ends. Its runs never overlap; a tick during a run is
// skipped.
func (h *Host) runTimer(ctx, life context.Context, f *function) {
	status := timerStatus{next: f.schedule.Next(h.opt.Now())}
	fire := func(pastDue bool) {
		select {
		case f.turn <- struct{}{}:
			defer func() { <-f.turn }()
		case <-ctx.Done():
			return
		}
		now := h.opt.Now()
		body := timerBody(f, status, pastDue, now)
		// The outcome is logged and counted. A failed run also advances the status.
		_ = h.invoke(life, f, encoded(body))
		status.last, status.next = now, f.schedule.Next(h.opt.Now())
	}
	if h.opt.RunTimersAtStart || f.trigger.RunOnStartup {
		fire(h.opt.RunTimersAtStart)
	}
	for ctx.Err() == nil {
		wait := status.next.Sub(h.opt.Now())
		if wait <= 0 {
			fire(false)
			continue
		}
		t := time.NewTimer(min(wait, longestWait))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
	}
}
