package statuspage

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/statuspage/history"
)

// exportsView is the list of exports.
type exportsView struct {
	// Plan is the plan of the list, and Plans all plans.
	Plan    string      `json:"plan"`
	Plans   []string    `json:"plans"`
	Exports []exportRow `json:"exports"`
	Pages   pages       `json:"pages"`
}

func (exportsView) template() string { return "exports" }
func (v exportsView) title() string {
	if v.Plan == "" {
		return "Exports"
	}
	return "Exports of plan " + v.Plan
}

func (v exportsView) refresh() time.Duration {
	for _, e := range v.Exports {
		if !e.State.Final() {
			return soon
		}
	}
	return later
}

// exportRow is one export in a list.
type exportRow struct {
	ID    string        `json:"id"`
	Plan  string        `json:"plan"`
	State records.State `json:"state"`
	// Since is when the export has entered its state, if the journal has that.
	Since       time.Time `json:"since,omitzero"`
	RequestedAt time.Time `json:"requestedAt,omitzero"`
	FinishedAt  time.Time `json:"finishedAt,omitzero"`
	// Window describes what the export asks for.
	Window string `json:"window,omitempty"`
	Files  int    `json:"files"`
	// Resources is the number of resources in the manifests; -1 if unknown.
	Resources   int64  `json:"resources"`
	Quarantined int64  `json:"quarantined"`
	Deleted     int64  `json:"deleted"`
	Throughput  string `json:"throughput,omitempty"`
	// Took is the time from the request to the end, or to now.
	Took     string         `json:"took,omitempty"`
	Progress string         `json:"progress,omitempty"`
	Why      string         `json:"why,omitempty"`
	Notice   string         `json:"notice,omitempty"`
	Stalled  bool           `json:"stalled,omitempty"`
	Retry    *records.Retry `json:"retry,omitempty"`
	// Waits is set for an export that a person has asked for and that has not begun.
	Waits bool `json:"waits,omitempty"`
}

func (s *reader) exportsPage(ctx context.Context, plan string, page int) (view, error) {
	names, _, err := s.plans(ctx)
	if _, err := configText(err); err != nil {
		return nil, err
	}
	v := exportsView{Plan: plan, Plans: names, Exports: []exportRow{}}
	if plan == "" && len(names) > 0 {
		v.Plan = names[0]
	}
	if v.Plan == "" {
		v.Pages = pages{Page: 1, Last: 1}
		return v, nil
	}
	d, err := s.store.Plan(ctx, v.Plan)
	if err != nil {
		return nil, err
	}
	var from, to int
	from, to, v.Pages = cut(d.Value.Seq, page, exportsPerPage)
	if from == 0 && !d.Value.WantedAt.IsZero() {
		v.Exports = append(v.Exports, s.exportRow(records.ExportSummary{Export: records.Export{
			ID: records.ExportID(v.Plan, d.Value.Seq+1), Plan: v.Plan, State: records.Requested,
			RequestedAt: d.Value.WantedAt,
		}}, history.Entry{Manifest: -1}))
	}
	newest := d.Value.Seq - from
	known, err := s.entries(ctx, v.Plan, newest, to-from)
	if err != nil {
		return nil, err
	}
	for n := newest; n > d.Value.Seq-to; n-- {
		row, there, err := s.rowOf(ctx, v.Plan, n, known)
		if err != nil {
			return nil, err
		}
		if there {
			v.Exports = append(v.Exports, row)
		}
	}
	return v, nil
}

// entries reads the summaries of n exports, from the number newest down.
func (s *reader) entries(
	ctx context.Context, plan string, newest, n int,
) (map[int]history.Entry, error) {
	known := map[int]history.Entry{}
	entries, err := history.Between(ctx, s.Journal, plan, newest, newest-n+1)
	for _, e := range entries {
		known[e.Number] = e
	}
	return known, err
}

// rowOf describes one export, by its summary if there is one.
func (s *reader) rowOf(
	ctx context.Context, plan string, n int, known map[int]history.Entry,
) (row exportRow, there bool, err error) {
	id := records.ExportID(plan, n)
	if entry, ok := known[n]; ok {
		e := records.Export{
			ID: id, Plan: plan, State: entry.State, RequestedAt: entry.RequestedAt,
			FinishedAt: entry.FinishedAt,
		}
		if entry.Cause != "" {
			e.Failure = &records.Failure{Step: entry.Step, Cause: entry.Cause}
		}
		return s.exportRow(records.ExportSummary{Export: e, Files: entry.Files}, entry), true, nil
	}
	e, err := s.store.Export(ctx, id)
	if errors.Is(err, fs.ErrNotExist) {
		return row, false, nil
	}
	if err != nil {
		return row, false, err
	}
	sum := records.ExportSummary{Export: e}
	if len(e.Jobs) > 0 { // one job tells the progress of all
		j, err := s.store.Job(ctx, e.ID, 1)
		if err != nil {
			return row, false, err
		}
		sum.Files, sum.Progress = j.Files, j.Progress
	}
	return s.exportRow(sum, history.EntryOf(e, nil)), true, nil
}

// exportRow describes an export with what its summary adds.
func (s *reader) exportRow(e records.ExportSummary, entry history.Entry) exportRow {
	sum := entry.Sum()
	row := exportRow{
		ID: e.ID, Plan: e.Plan, State: e.State, Since: since(e.Export), RequestedAt: e.RequestedAt,
		FinishedAt: e.FinishedAt, Window: window(entry), Files: e.Files,
		Resources: entry.Manifest, Quarantined: sum.Quarantined, Deleted: sum.Deleted,
		Notice: e.Notice, Stalled: !e.StalledSince.IsZero() && !e.State.Final(),
	}
	end := e.FinishedAt
	if !e.State.Final() {
		end = s.Now()
		row.Progress, row.Retry = e.Progress, e.Retry
		row.Waits = e.TouchedAt.IsZero() && len(e.Jobs) == 0
	}
	if e.Failure != nil {
		row.Why = cause(e.Failure.Cause, e.Failure.Remedy)
		if !strings.HasPrefix(row.Why, e.Failure.Step) {
			row.Why = e.Failure.Step + ": " + row.Why
		}
	}
	if !e.RequestedAt.IsZero() && !end.IsZero() {
		row.Took = span(end.Sub(e.RequestedAt))
		if e.State.Committed() {
			row.Throughput = rate(entry.Manifest, end.Sub(e.RequestedAt))
		}
	}
	return row
}

// since returns when an export has entered its state. The journal does not know when loading began.
func since(e records.Export) time.Time {
	if e.State.Final() {
		return e.FinishedAt
	}
	return e.RequestedAt
}

// window describes what an export asks for.
func window(e history.Entry) string {
	till := ""
	if !e.Till.IsZero() {
		till = " up to " + moment(e.Till)
	}
	switch {
	case e.Since.IsZero() && !e.Full:
		return ""
	case e.Full:
		return "everything" + till
	}
	return "changes since " + moment(e.Since) + till
}
