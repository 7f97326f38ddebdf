package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// Observer takes what happens to exports, for telemetry. Its methods are called from any
// goroutine, return at once and cannot fail. Reports hold no health data, no path and no text of
// a server.
type Observer interface {
	// StepEnded reports the end of one step, and of each round of kick-offs.
	StepEnded(r StepReport)
	// ExportEnded reports the end of an export. A process that is killed at that moment does not
	// report it.
	ExportEnded(r ExportReport)
	// PlanTicked reports at each tick how far a plan is.
	PlanTicked(r PlanReport)
}

// Outcome is how a step ended.
type Outcome string

// The outcomes of a step.
const (
	OutcomeDone    Outcome = "done"
	OutcomeAgain   Outcome = "sent again" // it failed and may succeed later
	OutcomeFailed  Outcome = "failed"     // and its export with it
	OutcomePutBack Outcome = "put back"   // its handler stops
	OutcomeCut     Outcome = "cut"        // it panicked
)

// StepReport describes a step that has ended.
type StepReport struct {
	// Step has the kind; it has no export if the step belongs to none.
	Step         Step
	Began, Ended time.Time
	Outcome      Outcome
	// Class is the class of the error; empty without one.
	Class string
	// Prepared counts what the step has flattened.
	Prepared PreparedReport
}

// PreparedReport counts files that were flattened. A file counts each time that it is flattened.
type PreparedReport struct {
	Files, Bytes, Lines, Rows, Quarantined int64
}

// ExportReport describes an export that has ended.
type ExportReport struct {
	Export, Plan          string
	State                 records.State
	RequestedAt, EndedAt  time.Time
	FailedStep, FaultSide string // of a failed export
	// Loaded has the counts of the ledger, by resource type.
	Loaded map[string]Counts
}

// PlanReport describes a plan at a tick.
type PlanReport struct {
	Plan string
	At   time.Time
	// LoadedTill is how far the newest loaded export reaches. It is the request of the first
	// export if none is loaded.
	LoadedTill time.Time
	// UnfinishedSince is when the export in flight was requested; zero if there is none.
	UnfinishedSince time.Time
	Paused          bool
}

type reportKey struct{}

// watch begins the report of a step. The log handler finds the step in the returned context.
func (d *deps) watch(ctx context.Context, s Step) (context.Context, *StepReport) {
	r := &StepReport{Step: s, Began: d.Now(), Outcome: OutcomeCut}
	return context.WithValue(ctx, reportKey{}, r), r
}

// observed returns the report of the step that runs; never nil.
func observed(ctx context.Context) *StepReport {
	if r, ok := ctx.Value(reportKey{}).(*StepReport); ok {
		return r
	}
	return &StepReport{}
}

// LogAttrs returns what log lines of a step have in common: its export, and the step.
func LogAttrs(ctx context.Context) []slog.Attr {
	s := observed(ctx).Step
	if s.Kind == "" {
		return nil
	}
	attrs := []slog.Attr{slog.Any("step", s)}
	if s.Export != "" {
		attrs = append(attrs, slog.String("export", s.Export))
	}
	return attrs
}

// end notes how the step ended.
func (r *StepReport) end(o Outcome, cause error) {
	r.Outcome, r.Class = o, ""
	if cause != nil {
		r.Class = fault.Of(cause).String()
	}
}

// endKickOff notes how a round of kick-offs ended, unless a failure is noted already.
func (r *StepReport) endKickOff(cause error) {
	switch {
	case cause != nil:
		r.end(OutcomeAgain, cause)
	case r.Outcome == OutcomeCut:
		r.end(OutcomeDone, nil)
	}
}

// stopped notes the failure of a kick-off that ends its round.
func (r *StepReport) stopped(forGood bool, cause error) {
	if forGood {
		r.end(OutcomeFailed, cause)
	} else {
		r.end(OutcomeAgain, cause)
	}
}

// prepared counts a file that was flattened. A fetch learns its type only now.
func (r *StepReport) prepared(typ string, bytes int64, d Done) {
	r.Step.Type = typ
	r.Prepared.Files++
	r.Prepared.Bytes += bytes
	r.Prepared.Lines += d.Lines
	r.Prepared.Quarantined += d.Quarantined
	for _, n := range d.Rows {
		r.Prepared.Rows += n
	}
}

func (d *deps) tellStep(r *StepReport) {
	if d.Observer != nil {
		r.Ended = d.Now()
		d.Observer.StepEnded(*r)
	}
}

// tellEnded reports the end of an export, and logs a failed one. now has the ledger of a loaded
// export.
func (d *deps) tellEnded(ctx context.Context, e records.Export, now progress) {
	r := ExportReport{
		Export: e.ID, Plan: e.Plan, State: e.State, RequestedAt: e.RequestedAt,
		EndedAt: e.FinishedAt, Loaded: now.counts(),
	}
	if e.State == records.Failed && e.Failure != nil {
		r.FailedStep, r.FaultSide = e.Failure.Step, e.Failure.Whose
		d.Log.ErrorContext(ctx, "export failed", "export", e.ID, "plan", e.Plan, "failedStep",
			r.FailedStep, "whose", r.FaultSide)
	}
	if d.Observer != nil {
		d.Observer.ExportEnded(r)
	}
}

// counts sums the ledger by resource type.
func (p progress) counts() map[string]Counts {
	sums := map[string]Counts{}
	for _, f := range p.files {
		entry, there := p.ledger[[2]string{f.Path, f.blob.ETag}]
		if !there {
			continue
		}
		sum := sums[f.Type]
		sum.Add(entry.Counts)
		sums[f.Type] = sum
	}
	return sums
}

// reached is how far a plan had been loaded before an export.
type reached struct {
	export string
	till   time.Time
}

// tellTick logs and reports how far a plan is, given its last export. It asks the journal once for
// each export. If the journal fails, the tick goes on.
func (p *Pipeline) tellTick(
	ctx context.Context, plan Plan, r records.PlanRecord, e records.Export,
) {
	till, err := p.loadedTill(ctx, e)
	if err != nil {
		p.Log.WarnContext(ctx, "lag of a plan not known", "plan", plan.Name, "error", err)
		return
	}
	report := PlanReport{
		Plan: plan.Name, At: p.Now(), LoadedTill: till,
		Paused: plan.Paused || plan.Schedule == nil || !r.PausedAt.IsZero(),
	}
	unfinished := time.Duration(0)
	if !e.State.Final() {
		report.UnfinishedSince = e.RequestedAt
		unfinished = report.At.Sub(e.RequestedAt)
	}
	p.Log.InfoContext(ctx, "plan at a tick", "plan", plan.Name, "export", e.ID, "state",
		string(e.State), "lagSeconds", int64(report.At.Sub(till).Seconds()), "unfinishedSeconds",
		int64(unfinished.Seconds()), "paused", report.Paused)
	if p.Observer != nil {
		p.Observer.PlanTicked(report)
	}
}

// lookedBack bounds how many failed exports are read to find a loaded one.
const lookedBack = 20

// loadedTill returns how far the newest loaded export of a plan reaches, beginning with its last
// export.
func (p *Pipeline) loadedTill(ctx context.Context, e records.Export) (time.Time, error) {
	if e.State.Committed() {
		return reachOf(e), nil
	}
	p.mu.Lock()
	known := p.reached[e.Plan]
	p.mu.Unlock()
	if known.export == e.ID {
		return known.till, nil
	}
	last := e
	_, n, _ := records.CutExportID(e.ID)
	for i := n - 1; i > max(0, n-lookedBack) && !last.State.Committed(); i-- {
		before, err := p.records.Export(ctx, records.ExportID(e.Plan, i))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return time.Time{}, fmt.Errorf("read an earlier export of plan %s: %w", e.Plan, err)
		}
		last = before
	}
	till := last.RequestedAt
	if last.State.Committed() {
		till = reachOf(last)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reached == nil {
		p.reached = map[string]reached{}
	}
	p.reached[e.Plan] = reached{e.ID, till}
	return till, nil
}

// reachOf returns the earliest end of the windows of an export. A window without an end counts to
// the export's request.
func reachOf(e records.Export) time.Time {
	till := e.RequestedAt
	for i, r := range e.Jobs {
		if !r.Till.IsZero() && (i == 0 || r.Till.Before(till)) {
			till = r.Till
		}
	}
	return till
}
