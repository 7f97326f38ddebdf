package statuspage

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// Counter describes the tables of plans. The warehouse may be slow or asleep: the pages ask in the
// background, and seldom.
type Counter interface {
	// Tables describes the tables of a plan that exist.
	Tables(ctx context.Context, plan pipeline.Plan) (Tables, error)
}

// Tables describes the tables of one plan.
type Tables struct {
	Rows []TableRows
	// Uncounted is why no table has its number of rows; empty if all have it.
	Uncounted string
	// Approximate is set if the numbers are the warehouse's own, which calls them approximate.
	Approximate bool
	// Local is set if asking wakes no server, with an error too.
	Local bool
}

// TableRows describes one table.
type TableRows struct {
	Table string `json:"table"`
	Type  string `json:"type"`
	// Rows is nil if the number is not known.
	Rows *int64 `json:"rows,omitempty"`
	// Drift lists the differences between the table and its view.
	Drift []string `json:"drift,omitempty"`
}

// Count formats the number of rows; empty if it is not known.
func (r TableRows) Count() string {
	if r.Rows == nil {
		return ""
	}
	return grouped(*r.Rows)
}

const (
	// askFor bounds one question. A serverless database of Azure SQL takes a minute to wake up.
	askFor = 90 * time.Second
	// asksAtOnce bounds the questions under way.
	asksAtOnce = 2
	// patience is how long a page waits for questions that it has begun.
	patience = 100 * time.Millisecond
	// An answer of a server is kept until an export has changed the tables, and at least for
	// askEvery. So an open page lets a database fall asleep. A failure is kept for askEvery, then
	// four times as long after each further one, up to longestPause.
	askEvery      = time.Minute
	askLocalEvery = 5 * time.Second
	longestPause  = 6 * time.Hour
)

// counts keeps the answers of a Counter.
type counts struct {
	Counter
	now  func() time.Time
	log  *slog.Logger
	wait time.Duration
	room chan struct{} // of the questions under way

	mu   sync.Mutex
	kept map[string]*count // by plan
}

// count is the last answer about the tables of one plan.
type count struct {
	tables Tables
	at     time.Time // of tables; zero if there are none yet
	// err is the failure of the last try, and failures the number of those in a row.
	err      error
	failures int
	triedAt  time.Time
	// changed is when an export had last changed the tables, as known at the last try.
	changed time.Time
	// done is closed at the end of a try; nil if none is under way.
	done chan struct{}
}

func newCounts(o Options) *counts {
	wait := o.Patience
	if wait == 0 {
		wait = patience
	}
	return &counts{
		Counter: o.Counter, now: o.Now, log: o.Log, wait: wait,
		room: make(chan struct{}, asksAtOnce), kept: map[string]*count{},
	}
}

// begin asks about the tables of a plan in the background, if it is time to. changed is when an
// export last changed them.
func (c *counts) begin(ctx context.Context, plan pipeline.Plan, changed time.Time) {
	if plan.Name == "" || plan.Schema == "" {
		return
	}
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	of := c.kept[plan.Name]
	if of == nil {
		of = &count{}
		c.kept[plan.Name] = of
	}
	if !of.due(now, changed) {
		return
	}
	of.triedAt, of.changed, of.done = now, changed, make(chan struct{})
	go c.ask(context.WithoutCancel(ctx), plan, of)
}

// due reports whether it is time to ask again.
func (c *count) due(now, changed time.Time) bool {
	age := now.Sub(c.triedAt)
	switch {
	case c.done != nil:
		return false
	case c.triedAt.IsZero():
		return true
	case c.tables.Local:
		return age >= askLocalEvery
	case changed.After(c.changed):
		return age >= askEvery
	case c.err == nil:
		return false
	}
	const most = 6 // doublings of a minute that stay below the longest pause, and do not overflow
	return age >= min(askEvery<<(2*min(c.failures-1, most)), longestPause)
}

func (c *counts) ask(ctx context.Context, plan pipeline.Plan, of *count) {
	c.room <- struct{}{}
	defer func() { <-c.room }()
	ctx, stop := context.WithTimeoutCause(ctx, askFor,
		fault.Transientf("the warehouse did not answer within %v", askFor))
	defer stop()
	tables, err := c.describe(ctx, plan)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if err != nil {
		c.log.LogAttrs(ctx, slog.LevelWarn, "tables not described",
			slog.String("plan", plan.Name), slog.String("error", err.Error()))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	close(of.done)
	of.done, of.err = nil, err
	if err != nil {
		of.failures++
		of.tables.Local = tables.Local
		return
	}
	of.tables, of.at, of.failures = tables, of.triedAt, 0
}

// describe asks the Counter. A panic on a goroutine of its own would end the process.
func (c *counts) describe(ctx context.Context, plan pipeline.Plan) (tables Tables, err error) {
	defer func() {
		if v := recover(); v != nil {
			what := fmt.Sprintf("a value of type %T", v) // the value may quote health data
			c.log.LogAttrs(ctx, slog.LevelError, "panic", slog.String("what", what),
				slog.String("stack", string(debug.Stack())))
			err = fault.Permanentf("the program has a fault: report it with the stack in the log")
		}
	}()
	return c.Tables(ctx, plan)
}

// waitFor waits a moment for the questions about some plans.
func (c *counts) waitFor(ctx context.Context, plans []string) {
	timer := time.NewTimer(c.wait)
	defer timer.Stop()
	for _, name := range plans {
		c.mu.Lock()
		var done chan struct{}
		if of := c.kept[name]; of != nil {
			done = of.done
		}
		c.mu.Unlock()
		if done == nil {
			continue
		}
		select {
		case <-done:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// answer holds the last answer about the tables of a plan for a page.
type answer struct {
	tables Tables
	// at is the time of the rows; zero if they are not known.
	at time.Time
	// why says, for people, why rows are missing or old.
	why string
	// pending is set until the first answer.
	pending bool
}

// answer returns the last answer about the tables of a plan.
func (c *counts) answer(plan pipeline.Plan) answer {
	if plan.Name == "" {
		return answer{why: "the plan is not in the configuration"}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	of := c.kept[plan.Name]
	switch {
	case of == nil:
		return answer{why: "the plan has no schema"}
	case of.at.IsZero() && of.err == nil:
		return answer{
			why:     "the warehouse has not answered yet, and the page shows them later",
			pending: true,
		}
	case of.err != nil:
		return answer{tables: of.tables, at: of.at, why: fault.Clip(of.err.Error())}
	case of.tables.Uncounted != "":
		return answer{tables: of.tables, why: of.tables.Uncounted}
	}
	return answer{tables: of.tables, at: of.at}
}
