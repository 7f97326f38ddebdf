package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// NotConfigured returns the error for a plan that is not in the configuration.
func NotConfigured(plans []Plan) error {
	names := make([]string, len(plans))
	for i, known := range plans {
		names[i] = known.Name
	}
	return fault.Permanentf("there is no such plan in the configuration, which has %s",
		strings.Join(names, ", "))
}

// Tick continues every export in flight and starts the plans that are due. A failing plan does
// not block the others; all errors are returned together, and the next tick is the retry.
func (p *Pipeline) Tick(ctx context.Context) error {
	ctx, done := context.WithTimeoutCause(ctx, p.StepTimeout, errDeadline)
	defer done()
	var faults []error
	for name, err := range p.planNames(ctx) {
		if err != nil {
			faults = append(faults, fmt.Errorf("plan %s: %w", name, err))
			continue
		}
		if err := errors.Join(p.tickPlan(ctx, name), p.watchdog.sweep(ctx, name)); err != nil {
			p.failures.tickFailed(ctx, name, err)
			faults = append(faults, fmt.Errorf("plan %s: %w", name, err))
		}
	}
	return errors.Join(faults...)
}

// planNames yields the plans of the configuration, then the plans that only the journal still
// knows: their exports in flight must end too.
func (p *Pipeline) planNames(ctx context.Context) func(func(string, error) bool) {
	return func(yield func(string, error) bool) {
		for _, plan := range p.Plans {
			if !yield(plan.Name, nil) {
				return
			}
		}
		for name, err := range p.records.PlanNames(ctx) {
			if _, known := p.plan(name); known && err == nil {
				continue
			}
			if !yield(name, err) || err != nil {
				return
			}
		}
	}
}

func (p *Pipeline) tickPlan(ctx context.Context, name string) error {
	d, err := p.records.Plan(ctx, name)
	if err != nil {
		return err
	}
	if err := p.goOn(ctx, name, d); err != nil || d.Value.Retry == nil {
		return err
	}
	return p.failures.tickWell(ctx, name)
}

// goOn does the work of a tick for one plan.
func (p *Pipeline) goOn(
	ctx context.Context, name string, d records.Document[records.PlanRecord],
) error {
	plan, configured := p.plan(name)
	if current := d.Value.Current; current != "" {
		e, err := p.records.Export(ctx, current)
		if err == nil && configured {
			p.tellTick(ctx, plan, d.Value, e)
		}
		switch {
		case errors.Is(err, fs.ErrNotExist) && configured:
			return p.starter.request(ctx, plan, d.Value) // killed between the intent and the export
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case !e.State.Final() && !configured:
			return p.failures.failExport(ctx, e.ID, "tick",
				fault.Permanentf(
					"plan %s is no longer in the configuration: once it is back there, its next export brings what this one should have", name))
		case !e.State.Final():
			return p.watchdog.lookAfter(ctx, plan, e)
		}
		if err := p.watchdog.releaseEnded(ctx, &d, e); err != nil {
			return err
		}
	}
	if !configured || !p.due(plan, d.Value) {
		return nil
	}
	return p.starter.start(ctx, plan, d)
}

// due reports whether a person has requested an export, or a slot of the schedule has passed
// since the last request. Slots missed meanwhile, by an outage or a pause, count once.
func (p *Pipeline) due(plan Plan, r records.PlanRecord) bool {
	if !r.WantedAt.IsZero() {
		return true
	}
	if plan.Schedule == nil || plan.Paused || !r.PausedAt.IsZero() {
		return false
	}
	return r.Seq == 0 || !plan.Schedule.Next(r.RequestedAt).After(p.Now())
}

// Start begins an export of a plan at once, whatever its schedule is, or returns an error if
// an export is in flight. An id returned with an error names an export that is in the journal
// already: the next tick continues it.
func (p *Pipeline) Start(
	ctx context.Context, name string, window records.Window,
) (id string, err error) {
	plan, ok := p.plan(name)
	if !ok {
		return "", fmt.Errorf("start plan %s: %w", name, NotConfigured(p.Plans))
	}
	for range records.SwapTries {
		if id, err = p.startNow(ctx, plan, window); !errors.Is(err, ErrConflict) {
			break
		}
	}
	if err != nil {
		return id, fmt.Errorf("start plan %s: %w", name, err)
	}
	return id, nil
}

func (p *Pipeline) startNow(
	ctx context.Context, plan Plan, window records.Window,
) (id string, err error) {
	d, err := p.records.Plan(ctx, plan.Name)
	if err != nil {
		return "", err
	}
	if d.Value.Current != "" {
		e, err := p.records.Export(ctx, d.Value.Current)
		switch {
		case errors.Is(err, fs.ErrNotExist): // reserved but not begun: begin it now
			if d.Value.Window = window; window != (records.Window{}) {
				if err := d.Write(ctx, p.Journal); err != nil {
					return "", err
				}
			}
			return d.Value.Current, p.starter.request(ctx, plan, d.Value)
		case err != nil:
			return "", err
		case !e.State.Final():
			return "", records.StillRuns(e)
		}
		if err := p.watchdog.releaseEnded(ctx, &d, e); err != nil {
			return "", err
		}
	}
	d.Value.Wanted = window
	if err := p.starter.reserve(ctx, plan.Name, &d); err != nil {
		return "", err
	}
	return d.Value.Current, p.starter.request(ctx, plan, d.Value)
}
