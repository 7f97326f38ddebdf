// Package doctor checks an installation and explains what it finds.
//
// A check is a small function on one of the interfaces in subject.go; list.go has all of them.
// Checks run at the same time unless one needs another, each for a bounded time. They change
// nothing but a canary blob of their own, and print neither secrets nor health data.
package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"fhirsynapse/internal/fault"
)

// Status is the result of a check.
type Status string

// The statuses.
const (
	OK      Status = "ok"
	Warning Status = "warning"
	Failed  Status = "failed"
	// Skipped checks need another check that found a fault.
	Skipped Status = "skipped"
)

// Result is the result of one check, for people and for scripts.
type Result struct {
	// Check is a stable name, such as lake-staging.
	Check  string `json:"check"`
	Status Status `json:"status"`
	// What names the checked thing, such as "container fhir-staging".
	What string `json:"what"`
	// Why holds the finding.
	Why string `json:"why"`
	// Remedy holds the advice. Its last lines may be commands to type.
	Remedy string `json:"remedy,omitempty"`
	// Millis is the duration of the check.
	Millis int64 `json:"millis"`
}

// Outcome is the result of a check function.
type Outcome struct {
	Status      Status
	Why, Remedy string
	// Stops skips the checks that need this one although it did not fail.
	Stops bool
}

func fine(format string, args ...any) Outcome {
	return Outcome{Status: OK, Why: fmt.Sprintf(format, args...)}
}

func warn(remedy, format string, args ...any) Outcome {
	return Outcome{Status: Warning, Why: fmt.Sprintf(format, args...), Remedy: remedy}
}

func failed(remedy, format string, args ...any) Outcome {
	return Outcome{Status: Failed, Why: fmt.Sprintf(format, args...), Remedy: remedy}
}

// broken returns the outcome of an error. The remedy of the error comes before others.
func broken(err error, remedies ...string) Outcome {
	remedy := fault.Remedy(err)
	why := fault.Clip(err.Error())
	if remedy != "" {
		why = strings.TrimSuffix(why, ": "+remedy)
	}
	lines := slices.DeleteFunc(append([]string{remedy}, remedies...), func(s string) bool {
		return s == ""
	})
	return Outcome{Status: Failed, Why: why, Remedy: strings.Join(lines, "\n")}
}

// Check is one check of a list.
type Check struct {
	Name, What string
	// Needs are the names of checks without which this one makes no sense.
	Needs []string
	// Within bounds the duration; zero means Options.Within.
	Within time.Duration
	Do     func(ctx context.Context) Outcome
}

// Options of a run.
type Options struct {
	// Within bounds each check; zero means 30 seconds.
	Within time.Duration
	// Now is the clock for the durations.
	Now func() time.Time
	// Began and Ended are called for each check, never two at a time; nil means nothing. A skipped
	// check only ends.
	Began func(Check)
	Ended func(Result)
}

const defaultWithin = 30 * time.Second

// Run runs the checks and returns their results in the order of the list.
func Run(ctx context.Context, checks []Check, o Options) []Result {
	return newRunner(o).run(ctx, checks)
}

// runner runs lists of checks, of which a later one may need checks of an earlier one.
type runner struct {
	o Options

	mu      sync.Mutex
	results []Result
	stops   map[string]bool // the checks that skip what needs them
}

func newRunner(o Options) *runner {
	if o.Within == 0 {
		o.Within = defaultWithin
	}
	return &runner{o: o, stops: map[string]bool{}}
}

// run runs a list and returns its results.
func (r *runner) run(ctx context.Context, checks []Check) []Result {
	r.results = make([]Result, len(checks))
	done := map[string]chan struct{}{}
	for _, c := range checks {
		done[c.Name] = make(chan struct{})
	}
	var all sync.WaitGroup
	for i, c := range checks {
		all.Go(func() {
			defer close(done[c.Name])
			for _, needed := range c.Needs {
				if d, ok := done[needed]; ok {
					<-d
				}
			}
			r.one(ctx, i, c)
		})
	}
	all.Wait()
	return r.results
}

// one runs the i-th check, whose needs have ended.
func (r *runner) one(ctx context.Context, i int, c Check) {
	r.mu.Lock()
	for _, needed := range c.Needs {
		if r.stops[needed] {
			r.end(i, c, Outcome{
				Status: Skipped, Why: "it needs the check " + needed + ", see there",
			}, 0)
			r.mu.Unlock()
			return
		}
	}
	if r.o.Began != nil {
		r.o.Began(c)
	}
	r.mu.Unlock()
	began := r.o.Now()
	out := r.bounded(ctx, c)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end(i, c, out, r.o.Now().Sub(began))
}

// end records an outcome; r.mu is held.
func (r *runner) end(i int, c Check, out Outcome, took time.Duration) {
	r.stops[c.Name] = out.Stops || out.Status == Failed || out.Status == Skipped
	r.results[i] = Result{
		Check: c.Name, Status: out.Status, What: c.What, Why: out.Why, Remedy: out.Remedy,
		Millis: took.Milliseconds(),
	}
	if r.o.Ended != nil {
		r.o.Ended(r.results[i])
	}
}

// bounded runs a check until its time is over. A check that does not return then is left behind,
// because some libraries do not heed their context.
func (r *runner) bounded(ctx context.Context, c Check) Outcome {
	within := c.Within
	if within == 0 {
		within = r.o.Within
	}
	ctx, stop := context.WithTimeout(ctx, within)
	defer stop()
	out := make(chan Outcome, 1)
	go func() { out <- c.Do(ctx) }()
	select {
	case o := <-out:
		if o.Status == Failed && ctx.Err() != nil {
			return late(within, o.Why)
		}
		return o
	case <-ctx.Done():
		return late(within, "")
	}
}

func late(within time.Duration, why string) Outcome {
	text := fmt.Sprintf("no answer within %s", within)
	if why != "" {
		text += ": " + why
	}
	return failed("check the address, the name server, the firewall and the proxy between here and there; run the command again with a longer --timeout if the service is known to be slow",
		"%s", text)
}

// Worst returns the worst status among results: Failed, Warning or OK.
func Worst(results []Result) Status {
	worst := OK
	for _, r := range results {
		if r.Status == Failed {
			return Failed
		}
		if r.Status == Warning {
			worst = Warning
		}
	}
	return worst
}
