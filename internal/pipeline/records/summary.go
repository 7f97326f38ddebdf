package records

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// lacking returns the notice of an export that found earlier exports missing from the tables.
func (e Export) lacking() string {
	if len(e.Lacks) == 0 {
		return ""
	}
	return fmt.Sprintf(
		"the tables lacked %s, although loaded: was the warehouse restored, or emptied? this export begins before them", strings.Join(e.Lacks, ", "))
}

// lostNotice names the jobs that a person has to look for at the server, because their
// kick-offs had no answer. Only a person can end them: a running job does not show who started
// it.
func lostNotice(e Export, jobs []Job) string {
	var notices []string
	for i, j := range jobs {
		lost, since := j.Lost, j.LostSince
		if j.StatusURL == "" && !j.KickOffAt.IsZero() {
			if !e.State.Final() {
				continue // the starter still looks for its job
			}
			lost++
		}
		if lost == 0 {
			continue
		}
		if since.IsZero() {
			since = j.KickOffAt
		}
		when := "at " + since.UTC().Format(time.RFC3339)
		if j.KickOffAt.After(since) {
			when = "between " + since.UTC().Format(time.RFC3339) + " and " +
				j.KickOffAt.UTC().Format(time.RFC3339)
		}
		types := "all resource types"
		if len(e.Jobs[i].Types) > 0 {
			types = strings.Join(e.Jobs[i].Types, ", ")
		}
		notices = append(notices,
			fmt.Sprintf("kick-offs without an answer: %d, made %s; each may have started a job that nobody follows. "+
				"Look at the server for exports of %s that began then, and end each that is nobody else's with an HTTP DELETE of its status address. "+
				"A server that writes into the landing container leaves a folder of that time there, named after the job",
				lost, when, types))
	}
	return strings.Join(notices, "; ")
}

// ExportSummary is an export with the sums of its jobs, for people.
type ExportSummary struct {
	Export
	Files    int    `json:"files"`
	Progress string `json:"progress,omitempty"`
	// Notice names an action for a person on an export that is otherwise fine.
	Notice string `json:"notice,omitempty"`
	// PlanPausedAt is when a person paused the export's plan; zero while it runs.
	PlanPausedAt time.Time `json:"planPausedAt,omitzero"`
}

// Empty reports whether a full export was loaded without any file.
func (s ExportSummary) Empty() bool {
	full := !slices.ContainsFunc(s.Jobs, func(r Request) bool { return !r.Since.IsZero() })
	return s.State == Loaded && s.Files == 0 && full
}

// Exports lists the exports of the journal, plan by plan, the newest first, at most most of
// each plan. It includes a requested export that has no document yet.
func Exports(ctx context.Context, j Journal, plan string, most int) ([]ExportSummary, error) {
	s := Store{j}
	plans := []string{plan}
	if plan == "" {
		var err error
		if plans, err = Plans(ctx, j); err != nil {
			return nil, err
		}
	}
	var out []ExportSummary
	for _, plan := range plans {
		of, err := summaries(ctx, s, plan, most)
		if err != nil {
			return nil, err
		}
		out = append(out, of...)
	}
	return out, nil
}

// summaries lists the exports of one plan.
func summaries(ctx context.Context, s Store, plan string, most int) ([]ExportSummary, error) {
	d, err := s.Plan(ctx, plan)
	if err != nil {
		return nil, fmt.Errorf("list exports of plan %s: %w", plan, err)
	}
	keys, err := s.LastExports(ctx, plan, most)
	if err != nil {
		return nil, fmt.Errorf("list exports of plan %s: %w", plan, err)
	}
	var out []ExportSummary
	if e, waits := d.Value.pendingExport(plan, keys); waits {
		e.Retry = d.Value.Retry
		out = append(out, ExportSummary{
			Export: e, PlanPausedAt: d.Value.PausedAt, Notice: e.Retry.notice(),
		})
		d.Value.Retry = nil
		keys = keys[:min(len(keys), most-1)]
	}
	for i, key := range keys {
		e, err := Read[Export](ctx, s.Journal, key)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		sum, err := summary(ctx, s, e.Value, d.Value, i == 0)
		if err != nil {
			return nil, err
		}
		out = append(out, sum)
	}
	return out, nil
}

// summary describes one export of a plan. The newest export also shows the retries of ticks.
func summary(
	ctx context.Context, s Store, e Export, plan PlanRecord, newest bool,
) (ExportSummary, error) {
	sum := ExportSummary{Export: e, PlanPausedAt: plan.PausedAt}
	jobs, err := s.Jobs(ctx, e)
	if err != nil {
		return sum, err
	}
	notices := []string{e.Shortfall.notice(), e.lacking(), lostNotice(e, jobs)}
	for _, job := range jobs {
		sum.Files += job.Files
		notices = append(notices, job.Notices...)
		if job.Progress != "" {
			sum.Progress = job.Progress
		}
	}
	notices = append(notices, e.Notices...)
	if !e.State.Final() {
		notices = append(notices, e.Retry.notice())
	}
	if newest {
		notices = append(notices, plan.Retry.notice())
		if sum.Retry == nil && !sum.State.Final() {
			sum.Retry = plan.Retry
		}
	}
	notices = slices.DeleteFunc(notices, func(n string) bool { return n == "" })
	sum.Notice = strings.Join(notices, "; ")
	return sum, nil
}

// pendingExport returns the plan's export that has not begun and has no document yet. keys are
// the keys of the plan's newest exports.
func (r PlanRecord) pendingExport(plan string, keys []string) (Export, bool) {
	e := Export{Plan: plan, State: Requested}
	switch {
	case r.Current != "" && !slices.Contains(keys, exportKey(plan, r.Seq)):
		e.ID, e.RequestedAt = r.Current, r.RequestedAt
	case !r.WantedAt.IsZero():
		e.ID, e.RequestedAt = ExportID(plan, r.Seq+1), r.WantedAt
	default:
		return e, false
	}
	return e, true
}

// notice describes the retry for a person.
func (r *Retry) notice() string {
	if r == nil {
		return ""
	}
	next := "at the next tick"
	if !r.Next.IsZero() {
		next = "at " + r.Next.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("%s is tried again %s: it has failed %d times since %s: %s", r.Step, next,
		r.Tries, r.Since.UTC().Format(time.RFC3339), r.Cause)
}

// notice describes for a person how a shortfall is handled.
func (s *Shortfall) notice() string {
	switch {
	case s == nil:
		return ""
	case s.Accepted:
		return s.String() + "; accepted, since the plan allows errors"
	}
	return s.String() +
		"; the next export asks for the same window of these types again, and the window grows until the server exports it without error. " +
		"Look at the error files in the landing area and correct the data at the server, or accept the loss with allowErrors: true in the plan"
}
