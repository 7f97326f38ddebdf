package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"fhirsynapse/internal/fault"
)

// Cancel ends an export at a person's wish, and its jobs at the server. What was
// committed stays.
func (p *Pipeline) Cancel(ctx context.Context, id string) error {
	e, err := p.export(ctx, id)
	if errors.Is(err, fs.ErrNotExist) {
		return fault.Permanentf("cancel export %s: there is no such export", id)
	}
	if err != nil {
		return fmt.Errorf("cancel export %s: %w", id, err)
	}
	if e.State.Final() {
		return fault.Permanentf("cancel export %s: it is %s already", id, e.State)
	}
	if _, err = p.updateExport(ctx, id, func(e *Export) error {
		e.State, e.FinishedAt = Cancelled, p.Now()
		return nil
	}); err != nil {
		return fmt.Errorf("cancel export %s: %w", id, err)
	}
	// Should this fail, the next tick tells the server.
	if err := p.giveBack(ctx, e); err != nil {
		p.Log.WarnContext(ctx, "jobs not cancelled at the server; the next tick tries again", "export", id, "error", err)
	}
	return nil
}

// Pause keeps the schedule from starting a plan. An export in flight goes on, and
// Start still works. Pausing twice changes nothing.
func (p *Pipeline) Pause(ctx context.Context, plan string) error { return p.setPause(ctx, plan, true) }

// Resume lets the schedule start a plan again. Slots missed meanwhile count once.
func (p *Pipeline) Resume(ctx context.Context, plan string) error {
	return p.setPause(ctx, plan, false)
}

func (p *Pipeline) setPause(ctx context.Context, plan string, pause bool) error {
	if _, ok := p.plan(plan); !ok {
		return fault.Permanentf("pause plan %s: there is no such plan in the configuration", plan)
	}
	_, err := update(ctx, p.Journal, planKey(plan), func(r *planRecord) error {
		if r.PausedAt.IsZero() != pause {
			return errUnchanged
		}
		r.PausedAt = time.Time{}
		if pause {
			r.PausedAt = p.Now()
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("pause plan %s: %w", plan, err)
	}
	return nil
}

// dismiss gives the jobs of an export that has ended back to the server, once:
// some keep a client's one place until it deletes its job. It comes before the
// plan's next start.
func (p *Pipeline) dismiss(ctx context.Context, d *document[planRecord], e Export) error {
	if d.value.Released == e.ID {
		if d.value.Strays {
			p.clearStrays(ctx, e)
		}
		return nil
	}
	jobs, err := p.jobs(ctx, e)
	if err != nil {
		return err
	}
	if err := p.giveBack(ctx, e); err != nil {
		if fault.Of(err) == fault.Transient && p.Now().Sub(e.FinishedAt) < p.SilentAfter {
			return fmt.Errorf("give the jobs of export %s back: %w", e.ID, err)
		}
		p.Log.WarnContext(ctx, "jobs not given back to the server; they expire there", "export", e.ID, "error", err)
	}
	d.value.Released = e.ID
	d.value.Strays = slices.ContainsFunc(jobs, func(j Job) bool { return j.unsettled() > 0 })
	if err := d.write(ctx, p.Journal); err != nil && !errors.Is(err, ErrConflict) {
		return err
	}
	if d.value.Strays {
		p.clearStrays(ctx, e)
	}
	return nil
}

// clearStrays ends the jobs of an export that its lost kick-offs have started. It
// fails nothing: the next tick tries again, as long as the plan starts no other.
func (p *Pipeline) clearStrays(ctx context.Context, e Export) {
	source, err := p.Source(e.Plan)
	var jobs []Job
	if err == nil {
		jobs, err = p.jobs(ctx, e)
	}
	for i, j := range jobs {
		if err == nil {
			err = p.clearOrphans(ctx, source, j, e.Jobs[i])
		}
	}
	if err != nil {
		p.Log.WarnContext(ctx, "lost jobs not looked for at the server; the next tick tries again", "export", e.ID, "error", err)
	}
}

// giveBack deletes the jobs of an export at the server: those that run for nobody,
// and those whose files are there and were fetched.
func (p *Pipeline) giveBack(ctx context.Context, e Export) error {
	jobs, err := p.jobs(ctx, e)
	if err != nil {
		return err
	}
	var source Source
	var faults []error
	for _, j := range jobs {
		if j.StatusURL == "" {
			continue
		}
		if source == nil {
			if source, err = p.Source(e.Plan); err != nil {
				return err
			}
		}
		if _, keeps := source.(Downloader); j.collected() && !keeps {
			continue // the files are ours already, and the job is no more
		}
		if err := source.Cancel(ctx, j.StatusURL); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}
