package statuspage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/statuspage/history"
)

// exportView is the page of one export.
type exportView struct {
	exportRow
	Schema string `json:"schema,omitempty"`
	Cohort string `json:"cohort,omitempty"`
	// Members is the number of the cohort's members when the export was requested.
	Members int      `json:"members,omitempty"`
	BasedOn []string `json:"basedOn,omitempty"`
	// Failure is why the export failed, with what to do.
	Failure *records.Failure `json:"failure,omitempty"`
	Notices []string         `json:"notices,omitempty"`
	Steps   []step           `json:"steps"`
	// Types accounts for every line. Types is empty while no manifest is here.
	Types []typeRow `json:"types"`
	Sum   typeRow   `json:"sum"`
	// Whole is set once every manifest is here.
	Whole bool `json:"whole"`
	// Uncounted is why the counts of the tables are missing; empty if they are there.
	Uncounted string              `json:"uncounted,omitempty"`
	Drift     map[string][]string `json:"drift,omitempty"`
	// CanCancel, CanStart and CanRetry select the buttons.
	CanCancel bool `json:"canCancel"`
	CanStart  bool `json:"canStart"`
	CanRetry  bool `json:"canRetry"`
	// Joined and Gone count the patients who came into the cohort and left it.
	Joined int64 `json:"joined,omitempty"`
	Gone   int64 `json:"gone,omitempty"`
	// Removals counts what the end of the export has removed from the tables.
	Removals []removal `json:"removals,omitempty"`
	// Incomplete describes what the server could not export; empty if that is nothing.
	Incomplete string `json:"incomplete,omitempty"`
	// Accepted is set if the plan allows errors of the server.
	Accepted bool `json:"accepted,omitempty"`

	landedFrom, landedTo time.Time
}

func (exportView) template() string { return "export" }
func (v exportView) title() string  { return "Export " + v.ID }

func (v exportView) refresh() time.Duration {
	if v.State.Final() {
		return later
	}
	return soon
}

// removal counts the resources of a type that the end of an export has removed.
type removal struct {
	Type string `json:"type"`
	// Left is the number of resources of patients who have left the cohort.
	Left int64 `json:"left"`
	// Missing is the number of resources that the server no longer has, and Kept the number of
	// those that were too many to be removed.
	Missing int64 `json:"missing"`
	Kept    int64 `json:"kept"`
}

// removals lists what the end of an export has removed, by type.
func removals(end *records.End) (out []removal) {
	if end == nil {
		return nil
	}
	types := map[string]bool{}
	for _, counts := range []map[string]int64{end.Left, end.Missing, end.Kept} {
		for typ := range counts {
			types[typ] = true
		}
	}
	for _, typ := range slices.Sorted(maps.Keys(types)) {
		out = append(out, removal{typ, end.Left[typ], end.Missing[typ], end.Kept[typ]})
	}
	return out
}

// step is one event in the life of an export.
type step struct {
	At   time.Time `json:"at,omitzero"`
	What string    `json:"what"`
	More string    `json:"more,omitempty"`
	// Now is set for the step that runs, Bad for one that failed.
	Now bool `json:"now,omitempty"`
	Bad bool `json:"bad,omitempty"`
}

// typeRow accounts for the lines of one resource type.
type typeRow struct {
	Type string `json:"type"`
	// Files is the number of files in the manifests; Landed and Loaded of those are there.
	Files  int `json:"files"`
	Landed int `json:"landed"`
	Loaded int `json:"loaded"`
	// Manifest is the number of resources in the manifests; -1 if the server did not count.
	Manifest int64 `json:"manifest"`
	Lines    int64 `json:"lines"`
	// Current is the number of resources whose rows are in the tables by this export.
	Current     int64 `json:"current"`
	Superseded  int64 `json:"superseded"`
	Deleted     int64 `json:"deleted"`
	Filtered    int64 `json:"filtered"`
	Quarantined int64 `json:"quarantined"`
	Blank       int64 `json:"blank"`
	// Balance is "complete", "loading", or what does not add up.
	Balance string `json:"balance"`
	OK      bool   `json:"ok"`
}

func (s *reader) exportPage(ctx context.Context, id string) (view, error) {
	e, jobs, err := s.export(ctx, id)
	if errors.Is(err, fs.ErrNotExist) || err != nil && fault.Of(err) == fault.BadData {
		return s.pendingPage(ctx, id)
	}
	if err != nil {
		return nil, err
	}
	v := exportView{
		Schema: e.Schema, Cohort: e.Cohort, BasedOn: e.BasedOn,
		Types: []typeRow{}, CanCancel: !e.State.Final(),
	}
	if f := e.Failure; f != nil {
		short := *f
		short.Cause = cause(f.Cause, f.Remedy)
		v.Failure = &short
	}
	if e.Members != nil {
		v.Members = e.Members.Count
	}
	if e.End != nil {
		v.Joined, v.Gone = e.End.Joined, e.End.Gone
	}
	v.Removals = removals(e.End)
	account, err := s.account(ctx, e, jobs)
	if err != nil {
		v.Uncounted = fault.Clip(err.Error())
	}
	v.Whole, v.Drift = account.Whole, account.Drift
	v.landedFrom, v.landedTo = account.FirstLanded, account.LastLanded
	if s := e.Shortfall; s != nil {
		v.Incomplete, v.Accepted = s.String(), s.Accepted
	}
	for _, t := range account.Types {
		row := typeRowOf(t, e.State, v.Uncounted != "")
		v.Types = append(v.Types, row)
		v.Sum.add(row)
	}
	v.exportRow = s.exportRow(summary(e, jobs), history.EntryOf(e, jobs))
	v.Resources, v.Quarantined, v.Deleted = v.Sum.Manifest, v.Sum.Quarantined, v.Sum.Deleted
	if !account.Whole || len(account.Types) == 0 && !e.State.Committed() {
		v.Resources = -1
	}
	v.Throughput = throughput(e, v, s.Now())
	v.Notices = notices(e, jobs)
	v.Steps = steps(e, jobs, v)
	return v, s.fromPlan(ctx, &v)
}

// fromPlan adds what the document of the plan knows of an export: the ticks that failed, and the
// buttons of an export that has ended.
func (s *reader) fromPlan(ctx context.Context, v *exportView) error {
	d, err := s.store.Plan(ctx, v.Plan)
	if err != nil {
		return err
	}
	if !v.State.Final() {
		if d.Value.Current == v.ID {
			v.Retry = cmp.Or(v.Retry, d.Value.Retry)
		}
		if v.Retry != nil {
			short := *v.Retry
			short.Cause = cause(short.Cause, short.Remedy)
			v.Retry = &short
		}
		return nil
	}
	newest := d.Value.Current == v.ID && d.Value.WantedAt.IsZero()
	v.CanRetry = newest && (v.State == records.Failed || v.State == records.Incomplete)
	v.CanStart = newest && !v.CanRetry
	return nil
}

// pendingPage is the page of an export that a person has asked for and that has not begun.
func (s *reader) pendingPage(ctx context.Context, id string) (view, error) {
	none := problem{
		http.StatusNotFound, "there is no export " + id,
		"choose an export from the list; its id reads plan-number",
	}
	plan, n, ok := records.CutExportID(id)
	if !ok {
		return nil, none
	}
	d, err := s.store.Plan(ctx, plan)
	if err != nil {
		return nil, err
	}
	e := records.Export{ID: id, Plan: plan, State: records.Requested}
	switch {
	case d.Value.Current == id:
		e.RequestedAt = d.Value.RequestedAt
	case !d.Value.WantedAt.IsZero() && d.Value.Seq+1 == n:
		e.RequestedAt = d.Value.WantedAt
	default:
		return nil, none
	}
	e.Retry = d.Value.Retry
	v := exportView{
		exportRow: s.exportRow(records.ExportSummary{Export: e}, history.Entry{Manifest: -1}),
		Types:     []typeRow{}, CanCancel: true,
	}
	v.Steps = []step{
		{At: e.RequestedAt, What: "requested"},
		{What: "begins at the next tick of the app's timer", Now: true},
	}
	return v, nil
}

// export reads an export with its jobs.
func (s *reader) export(
	ctx context.Context, id string,
) (e records.Export, jobs []records.Job, err error) {
	if e, err = s.store.Export(ctx, id); err != nil {
		return e, nil, err
	}
	jobs, err = s.store.Jobs(ctx, e)
	return e, jobs, err
}

// account finds the account of an export that has ended, or makes it from the manifests.
func (s *reader) account(
	ctx context.Context, e records.Export, jobs []records.Job,
) (history.Account, error) {
	if e.State.Final() {
		if a, ok, err := history.Find(ctx, s.Journal, e.ID); ok || err != nil {
			return a, err
		}
	}
	return s.accountant.Account(ctx, s.Ledger, e, jobs)
}

func typeRowOf(t history.TypeAccount, state records.State, uncounted bool) typeRow {
	row := typeRow{
		Type: t.Type, Files: t.Files, Landed: t.Landed, Loaded: t.Loaded, Manifest: t.Manifest,
		Lines: t.Lines, Current: t.Applied - t.Deleted, Superseded: t.Superseded,
		Deleted: t.Deleted, Filtered: t.Filtered, Quarantined: t.Quarantined, Blank: t.Blank,
	}
	switch err := t.Check(); {
	case uncounted:
		row.Balance = "unknown"
	case t.Loaded < t.Files && state.Final():
		row.Balance = fmt.Sprintf("%d of %d files were not loaded", t.Files-t.Loaded, t.Files)
	case t.Loaded < t.Files:
		row.Balance = "loading"
	case err != nil:
		row.Balance = err.Error()
	default:
		row.Balance, row.OK = "complete", true
	}
	return row
}

// add sums rows of types.
func (r *typeRow) add(o typeRow) {
	r.Type = "all types"
	r.OK = o.OK && (r.OK || r.Files == 0 && r.Lines == 0)
	r.Files += o.Files
	r.Landed += o.Landed
	r.Loaded += o.Loaded
	if o.Manifest < 0 || r.Manifest < 0 {
		r.Manifest = -1
	} else {
		r.Manifest += o.Manifest
	}
	r.Lines += o.Lines
	r.Current += o.Current
	r.Superseded += o.Superseded
	r.Deleted += o.Deleted
	r.Filtered += o.Filtered
	r.Quarantined += o.Quarantined
	r.Blank += o.Blank
}

// summary adds the sums of the jobs to an export.
func summary(e records.Export, jobs []records.Job) records.ExportSummary {
	sum := records.ExportSummary{Export: e}
	for _, j := range jobs {
		sum.Files += j.Files
		sum.Progress = cmp.Or(sum.Progress, j.Progress)
	}
	return sum
}

// throughput returns the resources per second of an export up to now.
func throughput(e records.Export, v exportView, now time.Time) string {
	end, n := e.FinishedAt, v.Sum.Lines-v.Sum.Blank
	if !e.State.Final() {
		end = now
	}
	if e.State == records.Requested || v.Uncounted != "" {
		return ""
	}
	return rate(n, end.Sub(e.RequestedAt))
}

// mostNotices bounds the notices of an export on its page.
const mostNotices = 30

// notices collects what an export tells a person.
func notices(e records.Export, jobs []records.Job) (out []string) {
	if len(e.Lacks) > 0 {
		out = append(out, fmt.Sprintf(
			"the tables lacked %d exports that were loaded, %s among them: the warehouse was restored or emptied, and this export begins before them",
			len(e.Lacks), e.Lacks[0]))
	}
	out = append(out, e.Notices...)
	for _, j := range jobs {
		out = append(out, j.Notices...)
		if j.Lost > 0 {
			out = append(out, fmt.Sprintf(
				"%d kick-offs of job %s had no answer: each may have started a job at the server that nobody follows", j.Lost, j.ID))
		}
	}
	slices.Sort(out)
	if out = slices.Compact(out); len(out) > mostNotices {
		out = append(out[:mostNotices], fmt.Sprintf("and %d more", len(out)-mostNotices))
	}
	return out
}
