package records

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
)

// Cancel ends an export at a person's request, or takes back one that has not begun, and then
// returns begun = false. It returns ErrConflict if another writer was faster.
func Cancel(
	ctx context.Context, j Journal, id string, at time.Time,
) (e Export, begun bool, err error) {
	s := Store{j}
	e, err = s.Export(ctx, id)
	if errors.Is(err, fs.ErrNotExist) {
		return e, false, cancelPending(ctx, s, id, at)
	}
	if err != nil {
		return e, false, err
	}
	if e.State.Final() {
		return e, false, ended(e)
	}
	if e, err = s.UpdateExport(ctx, id, func(e *Export) error {
		e.State, e.FinishedAt = Cancelled, at
		return nil
	}); err != nil {
		return e, false, err
	}
	if e.State != Cancelled {
		return e, false, ended(e) // it has ended meanwhile
	}
	return e, true, nil
}

// cancelPending ends an export that only the plan's document names: the export has no document
// of its own yet.
func cancelPending(ctx context.Context, s Store, id string, at time.Time) error {
	plan, n, _ := CutExportID(id)
	d, err := s.Plan(ctx, plan)
	switch {
	case err != nil:
		return err
	case d.Value.Current == id:
		return s.CreateExport(ctx, Export{
			ID: id, Plan: plan, State: Cancelled, RequestedAt: d.Value.RequestedAt, TouchedAt: at,
			FinishedAt: at,
		})
	case !d.Value.WantedAt.IsZero() && d.Value.Seq+1 == n:
		d.Value.WantedAt, d.Value.Wanted = time.Time{}, Window{}
		return d.Write(ctx, s.Journal)
	}
	return fault.Permanentf("there is no such export")
}

func ended(e Export) error {
	return fault.Permanentf("it does not run: it is %s since %s", e.State,
		e.FinishedAt.UTC().Format(time.RFC3339))
}

// StillRuns returns the error of a command that needs the export to have ended.
func StillRuns(e Export) error {
	return fault.Permanentf("export %s is still %s: wait for its end, or cancel it", e.ID, e.State)
}

// Running returns the id of the plan's export that is in flight or requested.
func Running(ctx context.Context, j Journal, plan string) (id string, err error) {
	d, err := knownPlan(ctx, j, plan)
	if err != nil {
		return "", fmt.Errorf("plan %s: %w", plan, err)
	}
	if current := d.Value.Current; current != "" {
		e, err := Store{j}.Export(ctx, current)
		switch {
		case errors.Is(err, fs.ErrNotExist), err == nil && !e.State.Final():
			return current, nil
		case err != nil:
			return "", err
		case d.Value.WantedAt.IsZero():
			return "", fault.Permanentf("plan %s has no export that runs: its last one, %s, is %s",
				plan, e.ID, e.State)
		}
	}
	return ExportID(plan, d.Value.Seq+1), nil
}

// RequestExport asks for an export of a plan and returns its future id; a second request changes
// the window at most. The next tick begins it whatever the schedule is, also for a paused plan;
// nothing checks that the configuration has the plan.
func RequestExport(
	ctx context.Context, j Journal, plan string, window Window, at time.Time,
) (id string, err error) {
	_, err = Update(ctx, j, planKey(plan), func(r *PlanRecord) error {
		if r.Current != "" {
			e, err := Store{j}.Export(ctx, r.Current)
			switch {
			case errors.Is(err, fs.ErrNotExist) && window == r.Window:
				id = r.Current // reserved: the next tick begins it
				return ErrUnchanged
			case errors.Is(err, fs.ErrNotExist):
				return fault.Permanentf(
					"export %s begins now with another window: wait for its end, or cancel it",
					r.Current)
			case err != nil:
				return err
			case !e.State.Final():
				return StillRuns(e)
			}
		}
		id = ExportID(plan, r.Seq+1)
		if !r.WantedAt.IsZero() && r.Wanted == window {
			return ErrUnchanged
		}
		r.WantedAt, r.Wanted = at, window
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("start plan %s: %w", plan, err)
	}
	return id, nil
}

// Pause keeps the schedule from starting a plan. An export in flight continues, and
// Pipeline.Start and RequestExport still work.
func Pause(ctx context.Context, j Journal, plan string, at time.Time) error {
	return setPause(ctx, j, "pause", plan, func(r *PlanRecord) error {
		if !r.PausedAt.IsZero() {
			return fault.Permanentf("it is paused already, since %s",
				r.PausedAt.UTC().Format(time.RFC3339))
		}
		r.PausedAt = at
		return nil
	})
}

// Resume lets the schedule start a plan again. Slots missed meanwhile count once.
func Resume(ctx context.Context, j Journal, plan string) error {
	return setPause(ctx, j, "resume", plan, func(r *PlanRecord) error {
		if r.PausedAt.IsZero() {
			return fault.Permanentf(
				"it is not paused; a pause by `paused: true` ends in exports.yaml")
		}
		r.PausedAt = time.Time{}
		return nil
	})
}

func setPause(
	ctx context.Context, j Journal, verb, plan string, change func(*PlanRecord) error,
) error {
	_, err := knownPlan(ctx, j, plan)
	if err == nil {
		_, err = Update(ctx, j, planKey(plan), change)
	}
	if err != nil {
		return fmt.Errorf("%s plan %s: %w", verb, plan, err)
	}
	return nil
}

// Plans lists the plans that the journal knows: plans with an export, or with a request for
// one.
func Plans(ctx context.Context, j Journal) ([]string, error) {
	var plans []string
	for name, err := range (Store{j}).PlanNames(ctx) {
		if err != nil {
			return nil, fmt.Errorf("list the plans of the journal: %w", err)
		}
		plans = append(plans, name)
	}
	return plans, nil
}

// ErrNoPlan is wrapped by errors about a plan that the journal does not know.
var ErrNoPlan = errors.New("there is no such plan in the journal")

// Known returns ErrNoPlan for a plan that the journal does not know; the error lists the known
// plans.
func Known(ctx context.Context, j Journal, plan string) error {
	if _, err := knownPlan(ctx, j, plan); err != nil {
		return fmt.Errorf("plan %s: %w", plan, err)
	}
	return nil
}

// knownPlan reads the document of a plan that the journal knows.
func knownPlan(ctx context.Context, j Journal, plan string) (Document[PlanRecord], error) {
	d, err := Read[PlanRecord](ctx, j, planKey(plan))
	if !errors.Is(err, fs.ErrNotExist) {
		return d, err
	}
	plans, err := Plans(ctx, j)
	switch {
	case err != nil:
		return d, err
	case len(plans) == 0:
		return d, fault.Permanentf("%w, which has none: a plan is there from its first export on",
			ErrNoPlan)
	}
	return d, fault.Permanentf("%w, which has %s; a plan is there from its first export on",
		ErrNoPlan, strings.Join(plans, ", "))
}
