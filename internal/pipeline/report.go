package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// TypeReport accounts for one resource type of an export.
type TypeReport struct {
	Type        string `json:"type"`
	Files       int    `json:"files"`
	Manifest    int64  `json:"manifest"` // resources, by the manifest; -1 when it does not say
	Lines       int64  `json:"lines"`
	Applied     int64  `json:"applied"`
	Superseded  int64  `json:"superseded"`
	Filtered    int64  `json:"filtered"`
	Quarantined int64  `json:"quarantined"`
	Blank       int64  `json:"blank"`
	Deleted     int64  `json:"deleted"`
	// NoView says that no view reads the type: its resources are counted and make no rows.
	NoView bool `json:"noView,omitempty"`
}

// Check holds the sums of a report: every line accounted for, and as many
// resources read as the manifest counts.
func (r TypeReport) Check() error {
	var wrong []error
	if sum := r.Applied + r.Superseded + r.Filtered + r.Quarantined + r.Blank; sum != r.Lines {
		wrong = append(wrong, fmt.Errorf("%s: %d lines read, %d accounted for", r.Type, r.Lines, sum))
	}
	if read := r.Lines - r.Blank; r.Manifest >= 0 && read != r.Manifest {
		wrong = append(wrong, fmt.Errorf("%s: %d resources read, the manifest counts %d", r.Type, read, r.Manifest))
	}
	return errors.Join(wrong...)
}

// Report accounts for every file of an export: the manifests against the ledger.
func (p *Pipeline) Report(ctx context.Context, export string) ([]TypeReport, error) {
	e, err := p.export(ctx, export)
	if err != nil {
		return nil, fmt.Errorf("report on export %s: %w", export, err)
	}
	jobs, err := p.jobs(ctx, e)
	if err != nil {
		return nil, fmt.Errorf("report on export %s: %w", export, err)
	}
	g, err := p.filesOf(ctx, jobs, "")
	if err != nil {
		return nil, fmt.Errorf("report on export %s: %w", export, err)
	}
	if !g.complete() {
		return nil, fmt.Errorf("report on export %s: its manifest is not here yet; it is %s", export, e.State)
	}
	entries, err := p.Warehouse.Ledger(ctx, e.Schema, e.ID)
	if err != nil {
		return nil, fmt.Errorf("report on export %s: %w", export, err)
	}
	// Of an export of the same number, whose journal was lost, the ledger knows too.
	paths := map[string]bool{}
	for _, f := range g.files {
		paths[f.Path] = true
	}
	entries = slices.DeleteFunc(entries, func(l LedgerEntry) bool { return !paths[l.Path] })
	reports := withRequested(Account(outputs(g.files), entries), e.Jobs)
	for i, r := range reports {
		if r.Lines == 0 {
			continue
		}
		has, err := p.Flattener.HasViews(e.Plan, r.Type)
		if err != nil {
			return nil, fmt.Errorf("report on export %s: %w", export, err)
		}
		reports[i].NoView = !has
	}
	return reports, nil
}

// withRequested adds the types that were asked for and of which no file came.
func withRequested(reports []TypeReport, jobs []Request) []TypeReport {
	for _, r := range jobs {
		for _, t := range r.Types {
			if !slices.ContainsFunc(reports, func(have TypeReport) bool { return have.Type == t }) {
				reports = append(reports, TypeReport{Type: t})
			}
		}
	}
	slices.SortFunc(reports, func(a, b TypeReport) int { return strings.Compare(a.Type, b.Type) })
	return reports
}

// Account sums manifest entries and ledger entries by resource type. Without a
// manifest the counts of the manifest are -1.
func Account(files []OutputFile, entries []LedgerEntry) []TypeReport {
	reports := map[string]*TypeReport{}
	of := func(typ string) *TypeReport {
		if reports[typ] == nil {
			reports[typ] = &TypeReport{Type: typ}
			if files == nil {
				reports[typ].Manifest = -1
			}
		}
		return reports[typ]
	}
	for _, f := range files {
		r := of(f.Type)
		r.Files++
		if f.Count < 0 {
			r.Manifest = -1
		} else if r.Manifest >= 0 {
			r.Manifest += f.Count
		}
	}
	for _, l := range entries {
		r := of(l.Type)
		if files == nil {
			r.Files++
		}
		r.Lines += l.Lines
		r.Applied += l.Applied
		r.Superseded += l.Superseded
		r.Filtered += l.Filtered
		r.Quarantined += l.Quarantined
		r.Blank += l.Blank
		r.Deleted += l.Deleted
	}
	out := make([]TypeReport, 0, len(reports))
	for _, r := range reports {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b TypeReport) int { return strings.Compare(a.Type, b.Type) })
	return out
}

// ExportSummary is an export with the sums of its jobs, for people.
type ExportSummary struct {
	Export
	Files    int    `json:"files"`
	Progress string `json:"progress,omitempty"`
	// Notice is what a person should do about an export that is well otherwise.
	Notice string `json:"notice,omitempty"`
	// PlanPausedAt is when a person paused the export's plan; zero while it runs.
	PlanPausedAt time.Time `json:"planPausedAt,omitzero"`
}

// Empty reports whether a full export has brought nothing.
func (s ExportSummary) Empty() bool {
	full := !slices.ContainsFunc(s.Jobs, func(r Request) bool { return !r.Since.IsZero() })
	return s.State == Loaded && s.Files == 0 && full
}

// Exports lists the exports of the journal, plan by plan, the newest first, at
// most most of each plan. One that was asked for and has no document yet is among
// them.
func Exports(ctx context.Context, j Journal, plan string, most int) ([]ExportSummary, error) {
	p := &Pipeline{Ports: Ports{Journal: j}}
	plans := []string{plan}
	if plan == "" {
		var err error
		if plans, err = Plans(ctx, j); err != nil {
			return nil, err
		}
	}
	var out []ExportSummary
	for _, plan := range plans {
		d, err := readOrNew[planRecord](ctx, j, planKey(plan))
		if err != nil {
			return nil, fmt.Errorf("list exports of plan %s: %w", plan, err)
		}
		keys, err := p.lastExports(ctx, plan, most)
		if err != nil {
			return nil, fmt.Errorf("list exports of plan %s: %w", plan, err)
		}
		if e, waits := d.value.pendingExport(plan, keys); waits {
			e.Retry = d.value.Retry
			out = append(out, ExportSummary{Export: e, PlanPausedAt: d.value.PausedAt, Notice: e.Retry.notice()})
			d.value.Retry = nil
			keys = keys[:min(len(keys), most-1)]
		}
		for _, key := range keys {
			e, err := read[Export](ctx, j, key)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			s := ExportSummary{Export: e.value, PlanPausedAt: d.value.PausedAt}
			jobs, err := p.jobs(ctx, e.value)
			if err != nil {
				return nil, err
			}
			notices := []string{e.value.Shortfall.notice(), e.value.lacking(), lostNotice(e.value, jobs)}
			for _, job := range jobs {
				s.Files += job.Files
				notices = append(notices, job.Notices...)
				if job.Progress != "" {
					s.Progress = job.Progress
				}
			}
			notices = append(notices, e.value.Notices...)
			if !e.value.State.Final() {
				notices = append(notices, e.value.Retry.notice())
			}
			if key == keys[0] {
				notices = append(notices, d.value.Retry.notice())
				if s.Retry == nil && !s.State.Final() {
					s.Retry = d.value.Retry
				}
			}
			s.Notice = strings.Join(slices.DeleteFunc(notices, func(n string) bool { return n == "" }), "; ")
			out = append(out, s)
		}
	}
	return out, nil
}

// pendingExport is the export of a plan that is to begin and has no document yet. keys are
// those of the plan's newest exports.
func (r planRecord) pendingExport(plan string, keys []string) (Export, bool) {
	e := Export{Plan: plan, State: Requested}
	switch {
	case r.Current != "" && !slices.Contains(keys, exportKey(plan, r.Seq)):
		e.ID, e.RequestedAt = r.Current, r.RequestedAt
	case !r.WantedAt.IsZero():
		e.ID, e.RequestedAt = exportID(plan, r.Seq+1), r.WantedAt
	default:
		return e, false
	}
	return e, true
}
