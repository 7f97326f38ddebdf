package functionshost

import (
	"maps"
	"sync"
	"time"
)

// EventKind is the kind of an Event.
type EventKind int

// The kinds of events.
const (
	HandlerStarted EventKind = iota + 1 // a process runs
	HandlerReady                        // it answered GET /
	HandlerExited                       // it ended and was reaped
	InvocationStarted
	InvocationEnded  // Err has the failure
	MessageCompleted // settled at the broker
	MessageAbandoned
	MessageLost // could not be settled: the lock expires and the broker delivers again
	HostEnded   // Err has the reason, nil for a stop
)

// String returns the name of the kind.
func (k EventKind) String() string {
	names := [...]string{
		"unknown", "handler started", "handler ready", "handler exited", "invocation started",
		"invocation ended", "message completed", "message abandoned", "message lost", "host ended",
	}
	if k < 0 || int(k) >= len(names) {
		return names[0]
	}
	return names[k]
}

// Event reports a change that tests and the sandbox may wait for.
type Event struct {
	Kind       EventKind
	Function   string // of an invocation or message
	Invocation string
	PID        int // of the handler
	ExitCode   int // of HandlerExited; -1 for a signal
	Err        error
}

// FunctionStats counts the invocations of a function.
type FunctionStats struct {
	Invocations, Succeeded, Failed int
	// Reasons counts the failures by cause.
	Reasons map[string]int
}

// Stats counts the events up to now.
type Stats struct {
	Functions map[string]FunctionStats
	// Starts counts the handler processes, Crashes the processes that ended with a failure.
	Starts, Crashes int
	// PeakMemory is the largest resident size of any handler process in bytes, or 0 if the system
	// does not report it. It is read after each invocation, at Stats and before each kill.
	PeakMemory int64
	// Processor is the time that the handlers which have ended computed, on all cores together.
	Processor time.Duration
}

// maxReasons bounds the number of different failure texts per function.
const maxReasons = 100

// counters collects Stats.
type counters struct {
	mu sync.Mutex
	s  Stats
}

func (c *counters) change(f func(*Stats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.s)
}

func (c *counters) invocation(function string, err error) {
	c.change(func(s *Stats) {
		if s.Functions == nil {
			s.Functions = map[string]FunctionStats{}
		}
		f := s.Functions[function]
		f.Invocations++
		if err == nil {
			f.Succeeded++
		} else {
			f.Failed++
			if f.Reasons == nil {
				f.Reasons = map[string]int{}
			}
			reason := err.Error()
			if _, known := f.Reasons[reason]; !known && len(f.Reasons) >= maxReasons {
				reason = "others"
			}
			f.Reasons[reason]++
		}
		s.Functions[function] = f
	})
}

// snapshot returns a copy of the counters.
func (c *counters) snapshot() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.s
	s.Functions = make(map[string]FunctionStats, len(c.s.Functions))
	for k, f := range c.s.Functions {
		f.Reasons = maps.Clone(f.Reasons)
		s.Functions[k] = f
	}
	return s
}
