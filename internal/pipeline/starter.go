package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// Tick is the timer: it looks after every export in flight and starts the plans
// that are due. One plan's fault does not keep the others waiting; all faults
// are returned together. The next tick is the retry.
func (p *Pipeline) Tick(ctx context.Context) error {
	ctx, done := context.WithTimeoutCause(ctx, p.StepTimeout, errDeadline)
	defer done()
	var faults []error
	for name, err := range p.planNames(ctx) {
		if err != nil {
			faults = append(faults, fmt.Errorf("plan %s: %w", name, err))
			continue
		}
		if err := errors.Join(p.tickPlan(ctx, name), p.sweep(ctx, name)); err != nil {
			p.tickFailed(ctx, name, err)
			faults = append(faults, fmt.Errorf("plan %s: %w", name, err))
		}
	}
	return errors.Join(faults...)
}

// planNames yields the plans of the configuration, then those that only the
// journal still knows: their exports in flight must end too.
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
	return p.tickWell(ctx, name)
}

// goOn does what a tick does for one plan.
func (p *Pipeline) goOn(ctx context.Context, name string, d records.Document[records.PlanRecord]) error {
	plan, configured := p.plan(name)
	if current := d.Value.Current; current != "" {
		e, err := p.records.Export(ctx, current)
		switch {
		case errors.Is(err, fs.ErrNotExist) && configured:
			return p.request(ctx, plan, d.Value) // killed between the intent and the export
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case !e.State.Final() && !configured:
			return p.failExport(ctx, e.ID, "tick", fault.Permanentf("plan %s is no longer in the configuration: once it is back there, its next export brings what this one should have", name))
		case !e.State.Final():
			return p.lookAfter(ctx, plan, e)
		}
		if err := p.dismiss(ctx, &d, e); err != nil {
			return err
		}
	}
	if !configured || !p.due(plan, d.Value) {
		return nil
	}
	return p.start(ctx, plan, d)
}

// due says whether a person wants an export, or the schedule has come round since
// the last request. Slots missed meanwhile, by an outage or a pause, count once.
func (p *Pipeline) due(plan Plan, r records.PlanRecord) bool {
	if !r.WantedAt.IsZero() {
		return true
	}
	if plan.Schedule == nil || plan.Paused || !r.PausedAt.IsZero() {
		return false
	}
	return r.Seq == 0 || !plan.Schedule.Next(r.RequestedAt).After(p.Now())
}

// Start begins an export of a plan at once, whatever its schedule says. It fails
// when one is in flight. An id that comes with an error is that of an export which
// is in the journal already: the next tick goes on with it.
func (p *Pipeline) Start(ctx context.Context, name string) (id string, err error) {
	plan, ok := p.plan(name)
	if !ok {
		return "", fmt.Errorf("start plan %s: %w", name, NotConfigured(p.Plans))
	}
	for range records.SwapTries {
		if id, err = p.startNow(ctx, plan); !errors.Is(err, ErrConflict) {
			break
		}
	}
	if err != nil {
		return id, fmt.Errorf("start plan %s: %w", name, err)
	}
	return id, nil
}

func (p *Pipeline) startNow(ctx context.Context, plan Plan) (id string, err error) {
	d, err := p.records.Plan(ctx, plan.Name)
	if err != nil {
		return "", err
	}
	if d.Value.Current != "" {
		e, err := p.records.Export(ctx, d.Value.Current)
		switch {
		case errors.Is(err, fs.ErrNotExist): // reserved, and never asked for: that one is begun
			return d.Value.Current, p.request(ctx, plan, d.Value)
		case err != nil:
			return "", err
		case !e.State.Final():
			return "", records.StillRuns(e)
		}
		if err := p.dismiss(ctx, &d, e); err != nil {
			return "", err
		}
	}
	if err := p.reserve(ctx, plan.Name, &d); err != nil {
		return "", err
	}
	return d.Value.Current, p.request(ctx, plan, d.Value)
}

// start is the schedule's way to begin an export.
func (p *Pipeline) start(ctx context.Context, plan Plan, d records.Document[records.PlanRecord]) error {
	if err := p.reserve(ctx, plan.Name, &d); errors.Is(err, ErrConflict) {
		return nil
	} else if err != nil {
		return err
	}
	return p.request(ctx, plan, d.Value)
}

// reserve takes the next number of the plan: whoever swaps the plan's document has
// the export, everyone else was late.
func (p *Pipeline) reserve(ctx context.Context, plan string, d *records.Document[records.PlanRecord]) error {
	d.Value.Seq++
	d.Value.Current = records.ExportID(plan, d.Value.Seq)
	d.Value.RequestedAt, d.Value.WantedAt = p.Now(), time.Time{}
	return d.Write(ctx, p.Journal)
}

// request writes down what is to be exported, then asks the server for it.
func (p *Pipeline) request(ctx context.Context, plan Plan, r records.PlanRecord) error {
	if err := records.CheckTypes(plan.Types); err != nil {
		return &fault.Error{Class: fault.Permanent, Whose: fault.OurSetting, Err: fmt.Errorf("export %s: %w", r.Current, err)}
	}
	source, err := p.Source(plan.Name)
	if err != nil {
		return fmt.Errorf("export %s: %w", r.Current, err)
	}
	now, err := source.Now(ctx)
	if err != nil {
		return p.notBegun(ctx, plan, r, fmt.Errorf("export %s: %w", r.Current, err))
	}
	if err := p.notAhead("the server's time", now); err != nil {
		return p.notBegun(ctx, plan, r, fmt.Errorf("export %s: %w", r.Current, err))
	}
	till := now.Add(-plan.Lag).Truncate(time.Millisecond)
	basis, err := p.basis(ctx, plan.Name, plan.Schema)
	if err != nil {
		return fmt.Errorf("export %s: %w", r.Current, err)
	}
	// A warehouse that cannot be opened is told now, not after hours of exporting.
	if _, err := p.Warehouse.Ledger(ctx, plan.Schema, r.Current); err != nil {
		return fmt.Errorf("export %s: open the warehouse: %w", r.Current, err)
	}
	e := records.Export{
		ID: r.Current, Plan: plan.Name, Schema: plan.Schema, State: records.Requested,
		Jobs: requests(plan, basis.marks, till), RequestedAt: p.Now(), TouchedAt: p.Now(), Lacks: basis.lacks, Notices: basis.notices,
	}
	if plan.Level == LevelSystem {
		e.Rests = basis.rests
	}
	if len(e.Lacks) > 0 {
		p.Log.WarnContext(ctx, "the tables lack exports that were loaded: was the warehouse restored, or emptied?", "export", e.ID, "lacks", e.Lacks)
	}
	if len(e.Jobs) == 0 {
		p.Log.WarnContext(ctx, "no export: the watermark is not behind the server's clock", "plan", plan.Name, "till", till)
		e.State, e.FinishedAt = records.Cancelled, p.Now()
		e.Notices = append(e.Notices, fmt.Sprintf("there is nothing to ask for: the last export ended where this one would end by the server's clock, at %s", till.UTC().Format(time.RFC3339)))
	}
	if err := p.records.CreateExport(ctx, e); errors.Is(err, ErrConflict) {
		return nil // another tick was faster and goes on with it
	} else if err != nil {
		return err
	}
	if e.State.Final() {
		return nil
	}
	p.Log.InfoContext(ctx, "export requested", "export", e.ID, "jobs", len(e.Jobs), "till", till)
	return p.kickOff(ctx, plan, e)
}

// notBegun fails an export whose server cannot be asked for its time. While that may
// pass, the next tick tries it again.
func (p *Pipeline) notBegun(ctx context.Context, plan Plan, r records.PlanRecord, cause error) error {
	if fault.Of(cause) == fault.Transient && p.Now().Sub(r.RequestedAt) < p.GiveUpAfter {
		return cause
	}
	p.tellTrouble(Trouble{Export: r.Current, Step: Step{Kind: StepKickOff, Export: r.Current, Job: 1}, Err: cause})
	e := records.Export{ID: r.Current, Plan: plan.Name, Schema: plan.Schema, State: records.Requested, RequestedAt: r.RequestedAt, TouchedAt: p.Now()}
	if err := p.records.CreateExport(ctx, e); errors.Is(err, ErrConflict) {
		return nil // another tick was faster
	} else if err != nil {
		return err
	}
	return p.failJob(ctx, r.Current, 1, "kick-off", cause)
}

// kickOff starts every job that the server has not promised yet. It may run
// again at any time, and twice at once.
func (p *Pipeline) kickOff(ctx context.Context, plan Plan, e records.Export) error {
	source, err := p.Source(plan.Name)
	if err != nil {
		return fmt.Errorf("kick off %s: %w", e.ID, err)
	}
	for i, r := range e.Jobs {
		j, err := p.records.Job(ctx, e.ID, i+1)
		if err != nil {
			return err
		}
		if j.StatusURL == "" {
			if j, err = p.accept(ctx, source, e, j, r); err != nil {
				given := fault.Of(err) != fault.Transient || p.Now().Sub(e.RequestedAt) > p.ExportTimeout || p.unavailable(j)
				p.kickOffTrouble(ctx, e, j, err, given)
				if given {
					return p.failJob(ctx, e.ID, j.N, "kick-off", err)
				}
				if errors.Is(err, ErrDeclined) {
					p.Log.InfoContext(ctx, "kick-off declined; a later tick makes it again", "job", j.ID, "reason", err)
					return nil
				}
				return err
			}
			if j.StatusURL == "" {
				return nil // someone else is at it
			}
		}
		if err := p.record(ctx, e, j); err != nil {
			return err
		}
	}
	_, err = p.advance(ctx, e.ID, records.Requested, records.Exporting)
	return err
}

// accept makes one kick-off, intent first. It returns the job without a status
// URL when a kick-off of someone else may still be under way.
func (p *Pipeline) accept(ctx context.Context, source Source, e records.Export, j records.Job, r Request) (records.Job, error) {
	found, wait, err := p.lookForOrphan(ctx, source, j, r)
	if err != nil || wait {
		return j, err
	}
	if found.StatusURL != "" {
		p.Log.WarnContext(ctx, "job adopted whose promise was lost", "job", j.ID, "folder", found.Folder)
		return p.recordAccepted(ctx, source, e, j, found, true)
	}
	mine := false
	j, err = p.records.UpdateJob(ctx, e.ID, j.N, func(j *records.Job) error {
		now := p.Now()
		if mine = j.StatusURL == "" && !now.Before(j.RetryAt) && (j.KickOffAt.IsZero() || now.Sub(j.KickOffAt) >= p.KickOffPatience); !mine {
			return records.ErrUnchanged
		}
		if !j.KickOffAt.IsZero() {
			if j.Lost++; j.LostSince.IsZero() {
				j.LostSince = j.KickOffAt
			}
		}
		j.KickOffAt = now
		j.KickOffs++
		return nil
	})
	if err != nil || !mine {
		return j, err
	}
	if j.Lost > 0 {
		p.Log.WarnContext(ctx, "kicked off again: an earlier one may have started a job that nobody follows", "job", j.ID, "lost", j.Lost)
	}
	accepted, err := source.KickOff(ctx, r)
	if err != nil {
		if errors.Is(err, ErrDeclined) {
			declined, declinedErr := p.declined(ctx, e, j, err)
			if declinedErr != nil {
				return j, declinedErr
			}
			j = declined
		} else if fault.Of(err) != fault.Transient && !errors.Is(err, ErrUnfollowed) {
			if refusedErr := p.refused(ctx, e, j); refusedErr != nil {
				return j, refusedErr
			}
		}
		return j, fmt.Errorf("kick off job %s: %w", j.ID, err)
	}
	return p.recordAccepted(ctx, source, e, j, accepted, false)
}

// declined takes a kick-off back that the server has answered with a later one: no
// job runs, and no try was made.
func (p *Pipeline) declined(ctx context.Context, e records.Export, j records.Job, cause error) (records.Job, error) {
	at := j.KickOffAt
	return p.records.UpdateJob(ctx, e.ID, j.N, func(j *records.Job) error {
		if !j.KickOffAt.Equal(at) || j.StatusURL != "" {
			return records.ErrUnchanged
		}
		wait := fault.After(cause)
		if errors.Is(cause, ErrUnavailable) {
			if j.Unavailable++; j.UnavailableSince.IsZero() {
				j.UnavailableSince = p.Now()
			}
			wait = max(wait, backOff(j.Unavailable+1))
		} else {
			j.Unavailable, j.UnavailableSince = 0, time.Time{}
		}
		j.KickOffAt, j.RetryAt = time.Time{}, p.Now().Add(min(wait, longestWait))
		j.KickOffs--
		return nil
	})
}

// unavailable reports whether the server has not been available for the kick-off for
// so long that the export is given up. Two tries are made in any case.
func (p *Pipeline) unavailable(j records.Job) bool {
	return j.Unavailable > 1 && p.Now().Sub(j.UnavailableSince) >= p.GiveUpAfter
}

// refused takes the mark of a kick-off back that has started no job, so that
// nobody looks for one.
func (p *Pipeline) refused(ctx context.Context, e records.Export, j records.Job) error {
	at := j.KickOffAt
	_, err := p.records.UpdateJob(ctx, e.ID, j.N, func(j *records.Job) error {
		if !j.KickOffAt.Equal(at) || j.StatusURL != "" {
			return records.ErrUnchanged
		}
		j.KickOffAt = time.Time{}
		return nil
	})
	return err
}

// recordAccepted writes the server's promise down, unless another one is there already.
func (p *Pipeline) recordAccepted(ctx context.Context, source Source, e records.Export, j records.Job, accepted Accepted, adopted bool) (records.Job, error) {
	kept := accepted.StatusURL
	id := j.ID
	j, err := p.records.UpdateJob(ctx, e.ID, j.N, func(j *records.Job) error {
		if kept = j.StatusURL; kept != "" {
			return records.ErrUnchanged
		}
		kept = accepted.StatusURL
		j.StatusURL, j.Folder, j.AcceptedAt, j.Adopted = accepted.StatusURL, accepted.Folder, p.Now(), adopted
		j.ServerTime = accepted.ServerTime
		if accepted.Exchange.Method != "" {
			j.Exchange = &accepted.Exchange
		}
		if adopted && j.Lost > 0 {
			j.Lost--
		}
		j.PollN, j.PollAt = 1, p.Now().Add(p.PollMin)
		return nil
	})
	if err == nil && kept != accepted.StatusURL {
		// Two kick-offs were made; the other one was written down first.
		if err := source.Cancel(ctx, accepted.StatusURL); err != nil {
			p.Log.WarnContext(ctx, "second kick-off not cancelled at the server", "job", id, "error", err)
		}
	}
	return j, err
}

// record makes a promised job findable by its folder and sends its first poll.
func (p *Pipeline) record(ctx context.Context, e records.Export, j records.Job) error {
	if j.Folder != "" {
		if err := p.records.Claim(ctx, j.Folder, records.Owner{Export: e.ID, Job: j.N}); err != nil {
			return err
		}
	}
	if j.Collected() {
		return nil
	}
	return p.send(ctx, j.PollAt, Step{Kind: StepPoll, Export: e.ID, Job: j.N, N: j.PollN})
}
