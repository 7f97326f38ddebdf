package batch

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"fhirsynapse/internal/batch/memory"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

// Exporter runs one export of one server. Plan, Source, Lake, Warehouse, Flattener, Now and Token
// are needed.
type Exporter struct {
	// Plan describes the export. The exporter chooses its name.
	Plan pipeline.Plan
	// Since and Until are the window of the export, by time of change; zero means open.
	Since, Until time.Time
	Source       pipeline.Source
	Lake         pipeline.Lake
	Warehouse    pipeline.Warehouse
	Flattener    pipeline.Flattener
	// Landings creates the files in the landing area of Lake if the server keeps its own files.
	Landings pipeline.Landings
	// Shared is set if the landing area also holds files of other runs.
	Shared bool
	// Pipeline overrides the pipeline's own settings where they are not zero.
	Pipeline pipeline.Options
	Now      func() time.Time
	Token    func() string
	Log      *slog.Logger // nil means none
	// Watch is called by one goroutine when the progress has changed; it may be nil.
	Watch func(ExportProgress)
	// Timer returns a channel that fires at a time of Now's clock; nil means a time.Timer.
	Timer func(at time.Time) (fires <-chan time.Time, stop func())
	// Workers is the number of steps done at once; zero means 4.
	Workers int
	// Patience bounds the whole run; zero means 24 hours.
	Patience time.Duration
}

// ExportProgress describes the progress of an export.
type ExportProgress struct {
	State records.State
	// Job is the status URL of the job at the server; empty before there is one.
	Job string
	// Server is the server's own text about its job.
	Server string
	// Trouble is the reason why the export does not advance; nil when it does.
	Trouble *Trouble
	// NextPoll is the time of the next poll of the job.
	NextPoll time.Time
	// Files counts the files of the manifest; it is -1 before there is a manifest. Landed and
	// Prepared count the files that have arrived and that are flattened; Bytes is the size of the
	// files that have arrived.
	Files, Landed, Prepared int
	Bytes                   int64
}

// ExportResult reports the result of an export.
type ExportResult struct {
	Export string                `json:"export"`
	State  records.State         `json:"state"`
	Types  []pipeline.TypeReport `json:"types"`
	// Issues counts the issues in the server's error files, by severity and code.
	Issues map[string]int64 `json:"issues,omitempty"`
	// Shortfall describes the data that the server could not export; nil when it reports no error.
	Shortfall *records.Shortfall `json:"shortfall,omitempty"`
	// Values counts the values that did not fit or were rounded.
	Values records.PreparedValues `json:"values,omitzero"`
	// Notice asks a person to act although the export has not failed.
	Notice string `json:"notice,omitempty"`
	// Job is the status URL of the job at the server. Unreleased is the reason why the server may
	// still keep that job; nil when it has been deleted there.
	Job        string `json:"-"`
	Unreleased error  `json:"-"`
}

// Check returns an error unless the export is committed and every line of every type is
// accounted for. An export that is incomplete passes: see State.
func (r ExportResult) Check() error {
	var wrong []error
	if !r.State.Committed() {
		wrong = append(wrong, fmt.Errorf("export %s is %s, not loaded", r.Export, r.State))
	}
	for _, t := range r.Types {
		wrong = append(wrong, t.Check())
	}
	return errors.Join(wrong...)
}

// tickEvery is the time between two rounds of the watchdog.
const tickEvery = 15 * time.Second

// The first polls come soon, because someone may be waiting. A kick-off whose answer was lost is
// repeated soon, because no other process can be working on it.
const (
	pollMin         = time.Second
	pollMax         = time.Minute
	kickOffPatience = 10 * time.Second
	giveUpAfter     = 5 * time.Minute
)

// releaseTimeout is how long the server may take to delete its job; lateRelease replaces it after
// the time limit of the run has passed.
const (
	releaseTimeout = 15 * time.Second
	lateRelease    = time.Second
)

// startPatience is how long the server may be out of reach, or answer with errors, before it has
// accepted an export.
const startPatience = 5 * time.Minute

var errLate = errors.New("the time is up")

// run is an export in progress.
type run struct {
	Exporter
	pipeline *pipeline.Pipeline
	journal  *memory.Journal
	queue    *memory.Queue
	troubles *troubles
	errand   *errand
	seen     ExportProgress
	countAt  time.Time // the next time at which the lake may be listed
}

// Export runs the export. After an error the result has the facts that are known.
func (o Exporter) Export(ctx context.Context) (ExportResult, error) {
	o.Workers = cmp.Or(o.Workers, 4)
	o.Patience = cmp.Or(o.Patience, 24*time.Hour)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Watch == nil {
		o.Watch = func(ExportProgress) {}
	}
	// The tables keep the export id of every run, so the name must be new.
	o.Plan.Name = "once-" + o.Token()[:min(16, len(o.Token()))]
	o.Plan.Schedule = nil
	o.Plan.OpenEnd = o.Until.IsZero()
	r := &run{
		Exporter: o, journal: memory.NewJournal(), queue: memory.NewQueue(o.Now),
		troubles: newTroubles(o.Now), seen: ExportProgress{Files: -1},
	}
	settings := o.Pipeline
	settings.Plans = []pipeline.Plan{o.Plan}
	settings.PollMin = cmp.Or(settings.PollMin, pollMin)
	settings.PollMax = cmp.Or(settings.PollMax, pollMax)
	settings.KickOffPatience = cmp.Or(settings.KickOffPatience, kickOffPatience)
	settings.GiveUpAfter = cmp.Or(settings.GiveUpAfter, giveUpAfter)
	source := windowed(o)
	ports := pipeline.Ports{
		Lake: o.Lake, Landings: o.Landings, Journal: r.journal, Queue: r.queue,
		Warehouse: o.Warehouse, Flattener: o.Flattener,
		Source: func(string) (pipeline.Source, error) { return source, nil },
		Now:    o.Now, Token: o.Token, Log: o.Log, Trouble: r.troubles.hear,
	}
	r.pipeline = pipeline.New(settings, ports)
	if o.Timer == nil {
		var done func()
		ctx, done = context.WithTimeoutCause(ctx, o.Patience, errLate)
		defer done()
		r.Timer = func(at time.Time) (<-chan time.Time, func()) {
			t := time.NewTimer(at.Sub(o.Now()))
			return t.C, func() { t.Stop() }
		}
	}
	e, err := r.drive(ctx)
	job, unreleased := r.release(ctx)
	out, err := r.result(context.WithoutCancel(ctx), e, err)
	out.Job, out.Unreleased = job, unreleased
	return out, err
}

// result adds the reconciliation of a committed export.
func (r *run) result(ctx context.Context, e records.Export, err error) (ExportResult, error) {
	out := ExportResult{Export: e.ID, State: e.State, Shortfall: e.Shortfall}
	if list, err := records.Exports(ctx, r.journal, r.Plan.Name, 1); err == nil && len(list) > 0 {
		out.Notice, out.Values = list[0].Notice, list[0].ValuesOf()
	}
	if !e.State.Committed() {
		return out, err
	}
	types, reportErr := r.pipeline.Report(ctx, e.ID)
	out.Types = types
	issues, issuesErr := records.IssueCounts(ctx, r.journal, e.ID)
	if len(issues) > 0 {
		out.Issues = issues
	}
	return out, errors.Join(err, reportErr, issuesErr)
}

// drive starts the export and does its steps until it ends.
func (r *run) drive(ctx context.Context) (records.Export, error) {
	began := r.Now()
	deadline := began.Add(r.Patience)
	work := newWorkers(ctx, r.Workers, r.step, r.giveUp)
	defer work.stop()
	r.begin(func() error {
		_, err := r.pipeline.Start(ctx, r.Plan.Name, records.Window{})
		return err
	})
	defer func() { r.errand.wait() }()
	tick := began.Add(tickEvery)
	for {
		err := r.errandDone(tick)
		e, ended := r.look(ctx)
		switch {
		case ended && e.State.Committed():
			return e, r.drain(ctx, work)
		case ended:
			return e, r.causeOf(e, err)
		case ctx.Err() != nil || !r.Now().Before(deadline):
			return e, r.stopped(ctx, e)
		case err != nil && fault.Of(err) != fault.Transient:
			return e, r.startFailed(err)
		case err != nil && e.State == records.Requested && r.Now().Sub(began) > startPatience &&
			!errors.Is(err, pipeline.ErrDeclined):
			return e, &FailedError{Trouble: *r.troubles.final()}
		}
		if err = r.dispatch(work); err != nil {
			return e, err
		}
		if r.errand == nil && !r.Now().Before(tick) {
			tick = r.Now().Add(tickEvery)
			r.begin(func() error { return r.pipeline.Tick(ctx) })
		}
		r.wait(ctx, work, tick)
	}
}

// stopped returns the reason why a run ends before its export.
func (r *run) stopped(ctx context.Context, e records.Export) error {
	stop := &StopError{
		Last: r.troubles.final(), Asking: e.State == records.Requested && r.errand != nil,
		cause: context.Cause(ctx),
	}
	if ctx.Err() == nil || errors.Is(stop.cause, errLate) {
		stop.Patience, stop.cause = r.Patience, errLate
	}
	return stop
}

// errand is a call to the pipeline in parallel with the steps, because it may hang.
type errand struct {
	done chan struct{}
	err  error
}

// wait waits for the end of an errand, if there is one.
func (e *errand) wait() {
	if e != nil {
		<-e.done
	}
}

// begin starts an errand.
func (r *run) begin(do func() error) {
	e := &errand{done: make(chan struct{})}
	r.errand = e
	go func() {
		defer close(e.done)
		defer func() {
			if v := recover(); v != nil {
				e.err = r.panicked(v)
			}
		}()
		e.err = do()
	}()
}

// errandDone returns the error of an errand that has ended; next is the time of the next try.
func (r *run) errandDone(next time.Time) error {
	if r.errand == nil {
		return nil
	}
	select {
	case <-r.errand.done:
	default:
		return nil
	}
	err := r.errand.err
	r.errand = nil
	switch {
	case err == nil:
		r.troubles.over(starting, r.troubles.tries(starting))
	case r.troubles.current() == nil || r.troubles.current().Doing == starting.doing():
		r.troubles.add(starting, r.withoutNames(err), next)
	}
	return err
}

// withoutNames marks the text that the pipeline wrote before the cause of a failed start.
func (r *run) withoutNames(err error) error {
	text := err.Error()
	plan := "plan " + r.Plan.Name
	for _, prefix := range []string{"start ", plan + ": ", "export " + r.Plan.Name + "-000001: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return stepError{err, strings.TrimSuffix(err.Error(), text)}
}

// startFailed returns the error of a start that cannot succeed.
func (r *run) startFailed(err error) error {
	return &FailedError{
		Trouble: Trouble{Doing: starting.doing(), Err: r.withoutNames(err), Tries: 1},
		Whose:   string(fault.Whose(err)), Remedy: fault.Remedy(err),
	}
}

// step does a step. A step that succeeds ends its trouble.
func (r *run) step(ctx context.Context, body []byte) error {
	var s pipeline.Step
	if err := json.Unmarshal(body, &s); err != nil {
		return r.pipeline.Handle(ctx, body) // the pipeline describes the error
	}
	before := r.troubles.tries(topicOf(s))
	err := r.pipeline.Handle(ctx, body)
	if err == nil {
		r.troubles.over(topicOf(s), before)
	}
	return err
}

// drain does the steps that are left when an export is loaded, for example to read the server's
// error files. It leaves steps that would have to wait.
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

// dispatch starts the steps that are due while workers are free. It queues failed steps again that
// could not be postponed.
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

// wait returns when a step or the errand is done, or when a step arrives or is due. The watchdog's
// tick counts only while no step is under way, because it looks for silence.
func (r *run) wait(ctx context.Context, work *workers, tick time.Time) {
	next, due := r.queue.Next()
	due = due && work.free()
	if !work.busy() && r.errand == nil && (!due || tick.Before(next)) {
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
	var errand chan struct{}
	if r.errand != nil {
		errand = r.errand.done
	}
	select {
	case <-ctx.Done():
	case <-fires:
	case <-errand:
	case <-work.done:
	case <-r.queue.Sent():
	}
}

// causeOf returns the error of an export that did not succeed.
func (r *run) causeOf(e records.Export, err error) error {
	f := e.Failure
	if f == nil {
		return errors.Join(fault.Permanentf("the export was %s", e.State), err)
	}
	out := &FailedError{
		Trouble: Trouble{Doing: f.Step, Err: fault.Permanentf("%s", f.Cause), Tries: 1},
		Whose:   f.Whose, Remedy: f.Remedy,
	}
	if last := r.troubles.givenUp(); last != nil {
		out.Trouble = *last
	}
	return out
}
