package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// starter begins exports: it records the requests of an export, and asks the server until each
// job is accepted.
type starter struct {
	*deps
	failures *failures
	planner  *planner
}

// start begins an export for the schedule.
func (st *starter) start(
	ctx context.Context, plan Plan, d records.Document[records.PlanRecord],
) error {
	if d.Value.WantedAt.IsZero() {
		full, err := st.isFullDue(ctx, plan)
		if err != nil {
			return err
		}
		d.Value.Wanted = records.Window{Full: full}
	}
	if err := st.reserve(ctx, plan.Name, &d); errors.Is(err, ErrConflict) {
		return nil
	} else if err != nil {
		return err
	}
	return st.request(ctx, plan, d.Value)
}

// isFullDue reports whether the next export of the schedule asks for everything again: no full one
// is among the last exports. A full export that failed does not count.
func (st *starter) isFullDue(ctx context.Context, plan Plan) (bool, error) {
	if plan.FullEvery == 0 {
		return false, nil
	}
	last, err := st.records.LastExports(ctx, plan.Name, plan.FullEvery-1)
	if err != nil {
		return false, err
	}
	for _, key := range last {
		d, err := records.Read[records.Export](ctx, st.Journal, key)
		if err != nil {
			return false, err
		}
		if d.Value.State.Committed() && d.Value.IsFull() {
			return false, nil
		}
	}
	return true, nil
}

// reserve takes the next number of the plan. The caller whose swap of the plan's document
// succeeds owns the export; all others get ErrConflict.
func (st *starter) reserve(
	ctx context.Context, plan string, d *records.Document[records.PlanRecord],
) error {
	d.Value.Seq++
	d.Value.Current = records.ExportID(plan, d.Value.Seq)
	d.Value.RequestedAt, d.Value.WantedAt = st.Now(), time.Time{}
	d.Value.Window, d.Value.Wanted = d.Value.Wanted, records.Window{}
	return d.Write(ctx, st.Journal)
}

// request records the requests of an export, then sends them to the server.
func (st *starter) request(ctx context.Context, plan Plan, r records.PlanRecord) error {
	if err := records.CheckTypes(plan.Types); err != nil {
		return &fault.Error{
			Class: fault.Permanent, Whose: fault.OurSetting,
			Err: fmt.Errorf("export %s: %w", r.Current, err),
		}
	}
	source, err := st.Source(plan.Name)
	if err != nil {
		return fmt.Errorf("export %s: %w", r.Current, err)
	}
	now, err := source.Now(ctx)
	if err != nil {
		return st.notBegun(ctx, plan, r, StepKickOff, fmt.Errorf("export %s: %w", r.Current, err))
	}
	if err := st.notAhead("the server's time", now); err != nil {
		return st.notBegun(ctx, plan, r, StepKickOff, fmt.Errorf("export %s: %w", r.Current, err))
	}
	till := now.Add(-plan.Lag).Truncate(time.Millisecond)
	if err := st.checkRules(ctx, plan); fault.Of(err) == fault.Transient && err != nil {
		return fmt.Errorf("export %s: compare with the tables: %w", r.Current, err)
	} else if err != nil {
		return st.notBegun(ctx, plan, r, stepRules, fmt.Errorf("export %s: %w", r.Current, err))
	}
	basis, err := st.planner.basis(ctx, plan.Name, plan.Schema)
	if err != nil {
		return fmt.Errorf("export %s: %w", r.Current, err)
	}
	// A warehouse that cannot be opened is reported now, not after hours of exporting.
	if _, err := st.Warehouse.Ledger(ctx, plan.Schema, r.Current); err != nil {
		return fmt.Errorf("export %s: open the warehouse: %w", r.Current, err)
	}
	parts, members, err := st.cohort(ctx, plan, r.Current)
	if err != nil {
		return st.notBegun(ctx, plan, r, stepCohort, fmt.Errorf("export %s: %w", r.Current, err))
	}
	jobs, err := st.jobs(ctx, plan, parts, &basis, r.Window, till)
	if err != nil {
		return fmt.Errorf("export %s: %w", r.Current, err)
	}
	e := records.Export{
		ID: r.Current, Plan: plan.Name, Schema: plan.Schema, State: records.Requested,
		Cohort: plan.Cohort, Members: members,
		Jobs:        jobs,
		RequestedAt: st.Now(), TouchedAt: st.Now(), Lacks: basis.lacks, Notices: basis.notices,
		AcceptMissing: r.Window.AcceptMissing,
	}
	if plan.builds() && !r.Window.Full {
		e.BasedOn = basis.basedOn
	}
	if len(e.Lacks) > 0 {
		st.Log.WarnContext(ctx,
			"the tables lack exports that were loaded: was the warehouse restored, or emptied?",
			"export", e.ID, "lacks", e.Lacks)
	}
	if len(e.Jobs) == 0 {
		st.Log.WarnContext(ctx, "no export: the watermark is not behind the server's clock", "plan",
			plan.Name, "till", till)
		e.State, e.FinishedAt = records.Cancelled, st.Now()
		e.Notices = append(e.Notices,
			fmt.Sprintf("there is nothing to ask for: the last export ended where this one would end by the server's clock, at %s", till.UTC().Format(time.RFC3339)))
	}
	if err := st.records.CreateExport(ctx, e); errors.Is(err, ErrConflict) {
		return nil // another tick was faster and continues it
	} else if err != nil {
		return err
	}
	if e.State.Final() {
		return nil
	}
	st.Log.InfoContext(ctx, "export requested", "export", e.ID, "jobs", len(e.Jobs), "till", till)
	return st.kickOff(ctx, plan, e)
}

// jobs makes the jobs of an export, and notes what they build on.
func (st *starter) jobs(
	ctx context.Context, plan Plan, parts []CohortPart, b *basis, window records.Window,
	till time.Time,
) ([]Request, error) {
	if plan.Cohort == "" {
		return requests(plan, b.marks, window, till), nil
	}
	b.basedOn = nil
	if !plan.changesOnly() {
		return cohortRequests(plan, parts, formerCohort{}, window, till), nil
	}
	former, err := st.planner.formerCohort(ctx, plan)
	if err != nil {
		return nil, err
	}
	if former.export != "" {
		b.basedOn = []string{former.export}
	}
	return cohortRequests(plan, parts, former, window, till), nil
}

// notBegun fails an export before its kick-offs: its server cannot be asked for its time, or its
// cohort has no Groups. While the cause may pass, the next tick tries again.
func (st *starter) notBegun(
	ctx context.Context, plan Plan, r records.PlanRecord, step string, cause error,
) error {
	if fault.Of(cause) == fault.Transient && st.Now().Sub(r.RequestedAt) < st.GiveUpAfter {
		return cause
	}
	st.failures.tellTrouble(Trouble{
		Export: r.Current, Step: Step{Kind: StepKickOff, Export: r.Current, Job: 1}, Err: cause,
	})
	// One write: an export without jobs that has not failed would never end.
	e := records.Export{
		ID: r.Current, Plan: plan.Name, Schema: plan.Schema, State: records.Failed,
		RequestedAt: r.RequestedAt, TouchedAt: st.Now(), FinishedAt: st.Now(),
		Failure: st.failures.failure(ctx, r.Current, 1, step, cause),
	}
	err := st.records.CreateExport(ctx, e)
	if errors.Is(err, ErrConflict) {
		return nil // another tick was faster
	}
	if err == nil {
		st.tellEnded(ctx, e, progress{})
	}
	return err
}

// kickOff starts every job that the server has not accepted yet. It may run again at any time,
// and twice at once.
func (st *starter) kickOff(
	ctx context.Context, plan Plan, e records.Export,
) (err error) {
	ctx, report := st.watch(ctx, Step{Kind: StepKickOff, Export: e.ID})
	defer func() {
		report.endKickOff(err)
		st.tellStep(report)
	}()
	source, err := st.Source(plan.Name)
	if err != nil {
		return fmt.Errorf("kick off %s: %w", e.ID, err)
	}
	for i, r := range e.Jobs {
		j, err := st.records.Job(ctx, e.ID, i+1)
		if err != nil {
			return err
		}
		if j.StatusURL == "" {
			if j, err = st.accept(ctx, source, e, j, r); err != nil {
				given := fault.Of(err) != fault.Transient ||
					st.Now().Sub(e.RequestedAt) > st.ExportTimeout || st.unavailable(j)
				st.kickOffTrouble(ctx, e, j, err, given)
				report.stopped(given, err)
				if given {
					return st.failures.failJob(ctx, e.ID, j.N, "kick-off", err)
				}
				if errors.Is(err, ErrDeclined) {
					st.Log.InfoContext(ctx, "kick-off declined; a later tick makes it again", "job",
						j.ID, "reason", err)
					return nil
				}
				return err
			}
			if j.StatusURL == "" {
				return nil // another tick works on it
			}
		}
		if err := st.record(ctx, e, j); err != nil {
			return err
		}
	}
	_, err = st.advance(ctx, e.ID, records.Requested, records.Exporting)
	return err
}

// accept makes one kick-off, intent first. It returns the job without a status URL while a
// kick-off of another tick may still be in progress.
func (st *starter) accept(
	ctx context.Context, source Source, e records.Export, j records.Job, r Request,
) (records.Job, error) {
	found, wait, err := st.lookForOrphan(ctx, source, j, r)
	if err != nil || wait {
		return j, err
	}
	if found.StatusURL != "" {
		st.Log.WarnContext(ctx, "job adopted whose promise was lost", "job", j.ID, "folder",
			found.Folder)
		return st.recordAccepted(ctx, source, e, j, found, true)
	}
	mine := false
	j, err = st.records.UpdateJob(ctx, e.ID, j.N, func(j *records.Job) error {
		now := st.Now()
		if mine = j.StatusURL == "" && !now.Before(j.RetryAt) &&
			(j.KickOffAt.IsZero() || now.Sub(j.KickOffAt) >= st.KickOffPatience); !mine {
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
		st.Log.WarnContext(ctx,
			"kicked off again: an earlier one may have started a job that nobody follows", "job",
			j.ID, "lost", j.Lost)
	}
	accepted, err := source.KickOff(ctx, r)
	if err != nil {
		if errors.Is(err, ErrDeclined) {
			declined, declinedErr := st.declined(ctx, e, j, err)
			if declinedErr != nil {
				return j, declinedErr
			}
			j = declined
		} else if fault.Of(err) != fault.Transient && !errors.Is(err, ErrUnfollowed) {
			if refusedErr := st.refused(ctx, e, j); refusedErr != nil {
				return j, refusedErr
			}
		}
		return j, fmt.Errorf("kick off job %s: %w", j.ID, deidentified(r, err))
	}
	return st.recordAccepted(ctx, source, e, j, accepted, false)
}

// declined takes back a kick-off that the server has postponed: no job runs, and no try is
// counted.
func (st *starter) declined(
	ctx context.Context, e records.Export, j records.Job, cause error,
) (records.Job, error) {
	at := j.KickOffAt
	return st.records.UpdateJob(ctx, e.ID, j.N, func(j *records.Job) error {
		if !j.KickOffAt.Equal(at) || j.StatusURL != "" {
			return records.ErrUnchanged
		}
		wait := fault.After(cause)
		if errors.Is(cause, ErrUnavailable) {
			if j.Unavailable++; j.UnavailableSince.IsZero() {
				j.UnavailableSince = st.Now()
			}
			wait = max(wait, backOff(j.Unavailable+1))
		} else {
			j.Unavailable, j.UnavailableSince = 0, time.Time{}
		}
		j.KickOffAt, j.RetryAt = time.Time{}, st.Now().Add(min(wait, longestWait))
		j.KickOffs--
		return nil
	})
}

// unavailable reports whether the server has been unavailable for GiveUpAfter, so that the
// export is given up. At least two tries are made.
func (st *starter) unavailable(j records.Job) bool {
	return j.Unavailable > 1 && st.Now().Sub(j.UnavailableSince) >= st.GiveUpAfter
}

// refused removes the mark of a kick-off that has started no job, so that nobody looks for
// one.
func (st *starter) refused(ctx context.Context, e records.Export, j records.Job) error {
	at := j.KickOffAt
	_, err := st.records.UpdateJob(ctx, e.ID, j.N, func(j *records.Job) error {
		if !j.KickOffAt.Equal(at) || j.StatusURL != "" {
			return records.ErrUnchanged
		}
		j.KickOffAt = time.Time{}
		return nil
	})
	return err
}

// recordAccepted records the server's answer, unless another one is recorded already.
func (st *starter) recordAccepted(
	ctx context.Context, source Source, e records.Export, j records.Job, accepted Accepted,
	adopted bool,
) (records.Job, error) {
	kept := accepted.StatusURL
	id := j.ID
	j, err := st.records.UpdateJob(ctx, e.ID, j.N, func(j *records.Job) error {
		if kept = j.StatusURL; kept != "" {
			return records.ErrUnchanged
		}
		kept = accepted.StatusURL
		j.StatusURL, j.Folder, j.AcceptedAt, j.Adopted = accepted.StatusURL, accepted.Folder,
			st.Now(), adopted
		j.ServerTime = accepted.ServerTime
		if accepted.Exchange.Method != "" {
			j.Exchange = &accepted.Exchange
		}
		if adopted && j.Lost > 0 {
			j.Lost--
		}
		j.PollN, j.PollAt = 1, st.Now().Add(st.PollMin)
		return nil
	})
	if err == nil && kept != accepted.StatusURL {
		// Two kick-offs were made; the other one was recorded first.
		if err := source.Cancel(ctx, accepted.StatusURL); err != nil {
			st.Log.WarnContext(ctx, "second kick-off not cancelled at the server", "job", id,
				"error", err)
		}
	}
	return j, err
}

// record makes an accepted job findable by its folder and sends its first poll.
func (st *starter) record(ctx context.Context, e records.Export, j records.Job) error {
	if j.Folder != "" {
		if err := st.records.Claim(ctx, j.Folder, records.Owner{
			Export: e.ID, Job: j.N,
		}); err != nil {
			return err
		}
	}
	if j.Collected() {
		return nil
	}
	return st.send(ctx, j.PollAt, Step{Kind: StepPoll, Export: e.ID, Job: j.N, N: j.PollN})
}

// kickOffTrouble reports a kick-off that failed. Unless it is given up, the watchdog makes the
// next one.
func (st *starter) kickOffTrouble(
	ctx context.Context, e records.Export, j records.Job, cause error, givenUp bool,
) {
	if st.Trouble == nil {
		return
	}
	t := Trouble{Export: e.ID, Step: Step{Kind: StepKickOff, Export: e.ID, Job: j.N}, Err: cause}
	if now, err := st.records.Job(ctx, e.ID, j.N); err == nil {
		j = now
	}
	if !givenUp {
		t.Next = st.Now()
		for _, at := range []time.Time{j.RetryAt, j.KickOffAt.Add(st.KickOffPatience)} {
			if at.After(t.Next) {
				t.Next = at
			}
		}
	}
	st.Trouble(t)
}
