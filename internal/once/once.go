// Package once is one export of one server, from kick-off to tables, in one process
// and without configuration.
//
// It is the pipeline itself on ports of this process: a lake in a folder, a journal
// and a queue in memory, and a loop in place of the host. Nothing of a run outlives
// it but the tables; a run that is broken off cancels its job at the server.
package once

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/inprocess"
	"fhirsynapse/internal/pipeline"
)

// Options of a run. Plan, Source, Lake, Warehouse, Flattener, Now and Token are
// needed.
type Options struct {
	// Plan says what is exported; its name is the run's to choose.
	Plan pipeline.Plan
	// Since and Until bound what is exported by its time of change; zero means open.
	Since, Until time.Time
	Source       pipeline.Source
	Lake         pipeline.Lake
	Warehouse    pipeline.Warehouse
	Flattener    pipeline.Flattener
	// Landings takes the files of servers that keep them; it is the Lake's own.
	Landings pipeline.Landings
	// Shared says that the landing area holds more than this run's files.
	Shared bool
	// Pipeline overrides the pipeline's own settings where they are not zero.
	Pipeline pipeline.Options
	Now      func() time.Time
	Token    func() string
	Log      *slog.Logger // nil means none
	// Watch is told, by one goroutine, when something has moved; nil means nobody.
	Watch func(Progress)
	// Timer gives a channel that fires at a time of Now's clock; nil takes a
	// time.Timer.
	Timer func(at time.Time) (fires <-chan time.Time, stop func())
	// Workers is how many steps are done at once; zero means 4.
	Workers int
	// Patience bounds the whole run; zero means 24 hours.
	Patience time.Duration
}

// Progress is how far a run got.
type Progress struct {
	State pipeline.State
	// Server is what the server says of its job.
	Server string
	// Trouble is why the last try had to be put off; empty when all is well.
	Trouble string
	// Files are those of the manifest, -1 before it is there. Prepared are those
	// that are flattened, of Bytes landed so far.
	Files, Landed, Prepared int
	Bytes                   int64
}

// Result accounts for a run.
type Result struct {
	Export string                `json:"export"`
	State  pipeline.State        `json:"state"`
	Types  []pipeline.TypeReport `json:"types"`
	// Issues counts what the server reported in its error files, by severity and code.
	Issues map[string]int64 `json:"issues,omitempty"`
	// Shortfall says what the server could not export; nil when it reports no error.
	Shortfall *pipeline.Shortfall `json:"shortfall,omitempty"`
	// Values is what became of values.
	Values pipeline.PreparedValues `json:"values,omitzero"`
	// Notice is what a person should do although the run is well.
	Notice string `json:"notice,omitempty"`
}

// Check holds law 5 against a result: what the server gave is committed, and every
// line of every type is accounted for. The state says whether the export is complete.
func (r Result) Check() error {
	var wrong []error
	if !r.State.Committed() {
		wrong = append(wrong, fmt.Errorf("export %s is %s, not loaded", r.Export, r.State))
	}
	for _, t := range r.Types {
		wrong = append(wrong, t.Check())
	}
	return errors.Join(wrong...)
}

// tickEvery is how often the watchdog looks after the export.
const tickEvery = 15 * time.Second

// Someone may be waiting: the first polls are soon. A kick-off whose answer was lost
// is made again soon, too: nobody but this process can be at it.
const (
	pollMin         = time.Second
	pollMax         = time.Minute
	kickOffPatience = 10 * time.Second
	giveUpAfter     = 5 * time.Minute
)

// releaseTimeout bounds the farewell to the server.
const releaseTimeout = 30 * time.Second

// run is one run under way.
type run struct {
	Options
	pipeline *pipeline.Pipeline
	journal  *inprocess.Journal
	queue    *inprocess.Queue
	seen     Progress
	countAt  time.Time // when the lake may be looked into again
}

// Run does one export. After an error the result tells what is known of it.
func Run(ctx context.Context, o Options) (Result, error) {
	o.Workers = cmp.Or(o.Workers, 4)
	o.Patience = cmp.Or(o.Patience, 24*time.Hour)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Watch == nil {
		o.Watch = func(Progress) {}
	}
	if o.Timer == nil {
		o.Timer = func(at time.Time) (<-chan time.Time, func()) {
			t := time.NewTimer(at.Sub(o.Now()))
			return t.C, func() { t.Stop() }
		}
	}
	// The tables remember the export of every run: its name must be new.
	o.Plan.Name = "once-" + o.Token()[:min(16, len(o.Token()))]
	o.Plan.Schedule = nil
	o.Plan.OpenEnd = o.Until.IsZero()
	r := &run{Options: o, journal: inprocess.NewJournal(), queue: inprocess.NewQueue(o.Now), seen: Progress{Files: -1}}
	settings := o.Pipeline
	settings.Plans = []pipeline.Plan{o.Plan}
	settings.PollMin = cmp.Or(settings.PollMin, pollMin)
	settings.PollMax = cmp.Or(settings.PollMax, pollMax)
	settings.KickOffPatience = cmp.Or(settings.KickOffPatience, kickOffPatience)
	settings.GiveUpAfter = cmp.Or(settings.GiveUpAfter, giveUpAfter)
	source := windowed(o)
	ports := pipeline.Ports{
		Lake: o.Lake, Landings: o.Landings, Journal: r.journal, Queue: r.queue, Warehouse: o.Warehouse, Flattener: o.Flattener,
		Source: func(string) (pipeline.Source, error) { return source, nil },
		Now:    o.Now, Token: o.Token, Log: o.Log,
	}
	r.pipeline = pipeline.New(settings, ports)
	e, err := r.drive(ctx)
	err = errors.Join(err, r.release(ctx))
	return r.result(context.WithoutCancel(ctx), e, err)
}

// result adds the reconciliation, as far as there is one.
func (r *run) result(ctx context.Context, e pipeline.Export, err error) (Result, error) {
	out := Result{Export: e.ID, State: e.State, Shortfall: e.Shortfall}
	if list, err := pipeline.Exports(ctx, r.journal, r.Plan.Name, 1); err == nil && len(list) > 0 {
		out.Notice, out.Values = list[0].Notice, list[0].ValuesOf()
	}
	if !e.State.Committed() {
		return out, err
	}
	types, reportErr := r.pipeline.Report(ctx, e.ID)
	out.Types = types
	issues, issuesErr := r.pipeline.Issues(ctx, e.ID)
	if len(issues) > 0 {
		out.Issues = issues
	}
	return out, errors.Join(err, reportErr, issuesErr)
}

// drive starts the export and does its steps until it has ended.
func (r *run) drive(ctx context.Context) (pipeline.Export, error) {
	deadline := r.Now().Add(r.Patience)
	work := newWorkers(ctx, r.Workers, r.pipeline.Handle)
	defer work.stop()
	r.look(ctx, nil)
	_, err := r.pipeline.Start(ctx, r.Plan.Name)
	tick := r.Now().Add(tickEvery)
	for {
		e, ended := r.look(ctx, err)
		switch {
		case ctx.Err() != nil:
			return e, fmt.Errorf("the run was broken off: %w", context.Cause(ctx))
		case ended && e.State.Committed():
			return e, r.drain(ctx, work)
		case ended:
			return e, causeOf(e, err)
		case err != nil && fault.Of(err) != fault.Transient:
			return e, err
		case !r.Now().Before(deadline):
			return e, fault.Permanentf("the export has not ended within %v", r.Patience)
		}
		if err = r.dispatch(work); err != nil {
			return e, err
		}
		if r.Now().Before(tick) {
			r.wait(ctx, work, tick)
			continue
		}
		tick = r.Now().Add(tickEvery)
		err = r.pipeline.Tick(ctx)
	}
}

// drain does the steps that an export leaves when it is loaded: what the server
// reports of its own errors is still to be read. What would have to wait is left.
func (r *run) drain(ctx context.Context, work *workers) error {
	due := true
	for due && ctx.Err() == nil {
		if err := r.dispatch(work); err != nil {
			return err
		}
		work.stop()
		next, some := r.queue.Next()
		due = some && !next.After(r.Now())
	}
	return nil
}

// dispatch hands out the steps whose time has come, as long as hands are free, and
// takes back those that could not even be put off.
func (r *run) dispatch(work *workers) error {
	for {
		failed, ok := work.failed()
		if !ok {
			break
		}
		if failed.times > maxFailures {
			return fmt.Errorf("a step failed %d times: %w", failed.times, failed.err)
		}
		r.queue.PutBack(failed.message)
	}
	for work.free() {
		m, ok := r.queue.Take()
		if !ok {
			return nil
		}
		work.do(m)
	}
	return nil
}

// wait ends when a step is done, one comes or is due. The watchdog looks at what is
// silent, so its tick counts only while no step is under way.
func (r *run) wait(ctx context.Context, work *workers, tick time.Time) {
	next, due := r.queue.Next()
	due = due && work.free()
	if !work.busy() && (!due || tick.Before(next)) {
		next, due = tick, true
	}
	var fires <-chan time.Time
	if due {
		if !next.After(r.Now()) {
			return
		}
		var stop func()
		fires, stop = r.Timer(next)
		defer stop()
	}
	select {
	case <-ctx.Done():
	case <-fires:
	case <-work.done:
	case <-r.queue.Sent():
	}
}

// look reads how far the export got, and tells whoever watches what has changed.
func (r *run) look(ctx context.Context, err error) (pipeline.Export, bool) {
	ctx = context.WithoutCancel(ctx) // reading memory ends by itself
	p := r.seen
	p.State, p.Trouble = pipeline.Requested, ""
	if err != nil {
		p.Trouble = err.Error()
	}
	if p.Trouble == "" {
		p.Trouble = r.kickOffTrouble(ctx)
	}
	e := pipeline.Export{State: pipeline.Requested} // as it will be, once it is written down
	if list, err := pipeline.Exports(ctx, r.journal, r.Plan.Name, 1); err == nil && len(list) > 0 {
		e = list[0].Export
		p.State, p.Server = e.State, list[0].Progress
		if e.State == pipeline.Loading || e.State.Committed() {
			p.Files = list[0].Files
			r.survey(ctx, e, &p)
		}
	}
	if p != r.seen {
		r.seen = p
		r.Watch(p)
	}
	return e, e.State.Final()
}

// countEvery spares the lake a listing at every step, and countShare keeps them
// below one part in so many of the time where there are many files.
const (
	countEvery = time.Second
	countShare = 50
)

// survey looks into the lake: what is landed and what is prepared. It is for people;
// what cannot be read is left as it was.
func (r *run) survey(ctx context.Context, e pipeline.Export, p *Progress) {
	began := r.Now()
	if !e.State.Final() && began.Before(r.countAt) {
		return
	}
	defer func() { r.countAt = r.Now().Add(max(countEvery, countShare*r.Now().Sub(began))) }()
	p.Prepared = 0
	p.Landed, p.Bytes = r.landed(ctx, p.Files)
	for f, err := range r.Lake.List(ctx, pipeline.Staging, e.ID+"/") {
		if err != nil {
			break
		}
		if strings.Contains(f.Path, ".done/") {
			p.Prepared++
		}
	}
}

// landed counts what is in the landing area. Where that is shared, the manifest's
// files count, which are all there with it.
func (r *run) landed(ctx context.Context, inManifest int) (files int, size int64) {
	if r.Shared {
		return inManifest, 0
	}
	for f, err := range r.Lake.List(ctx, pipeline.Landing, "") {
		if err != nil {
			break
		}
		files++
		size += f.Size
	}
	return files, size
}

// causeOf is why an export did not end well.
func causeOf(e pipeline.Export, err error) error {
	if f := e.Failure; f != nil {
		// The cause ends with the remedy where there is one.
		whose := ""
		if f.Whose != "" {
			whose = " (" + f.Whose + ")"
		}
		return fault.Permanentf("%s%s: %s", f.Step, whose, f.Cause)
	}
	return errors.Join(fault.Permanentf("the export was %s", e.State), err)
}
