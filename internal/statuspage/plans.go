package statuspage

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/statuspage/history"
)

// plansView is the first page.
type plansView struct {
	// Config is why the configuration cannot be read; empty if it was.
	Config string    `json:"configuration,omitempty"`
	Plans  []planRow `json:"plans"`
	Pages  pages     `json:"pages"`
}

func (plansView) template() string       { return "plans" }
func (plansView) title() string          { return "Plans" }
func (plansView) refresh() time.Duration { return later }

// planRow is one plan.
type planRow struct {
	Name string `json:"name"`
	// Configured is false for a plan that only the journal knows.
	Configured bool   `json:"configured"`
	Level      string `json:"level,omitempty"`
	Cohort     string `json:"cohort,omitempty"`
	Schema     string `json:"schema,omitempty"`
	// Next is when the schedule starts the next export; zero if it does not. NextText is the same
	// for a person.
	Next     time.Time `json:"next,omitzero"`
	NextText string    `json:"nextText"`
	Paused   bool      `json:"paused,omitempty"`
	// Last is the newest export.
	Last *exportRow `json:"last,omitempty"`
	// CompleteAt is up to when the tables have everything; zero if unknown.
	CompleteAt time.Time `json:"completeAt,omitzero"`
	// CanStart is set if no export runs.
	CanStart bool `json:"canStart"`
	// Troubles lists what a person should look at.
	Troubles []string `json:"troubles,omitempty"`
}

// pages holds the place of a page in a long list.
type pages struct {
	Page int `json:"page"`
	Last int `json:"last"`
	All  int `json:"all"`
}

// cut returns the bounds of one page of a list.
func cut(all, page, per int) (from, to int, p pages) {
	p = pages{Page: page, Last: max(1, (all+per-1)/per), All: all}
	p.Page = min(p.Page, p.Last)
	from = (p.Page - 1) * per
	return from, min(from+per, all), p
}

// Lists are cut so that a page takes fewer than 50 requests to the storage.
const (
	plansPerPage   = 8  // each takes up to five requests
	exportsPerPage = 20 // each takes up to two requests
	filesPerPage   = 50
)

// plans lists the plans of the configuration and of the journal, by name.
func (s *reader) plans(
	ctx context.Context,
) (names []string, of map[string]pipeline.Plan, err error) {
	of = map[string]pipeline.Plan{}
	configured, configErr := s.Plans.Plans(ctx)
	for _, p := range configured {
		of[p.Name] = p
		names = append(names, p.Name)
	}
	known, err := records.Plans(ctx, s.Journal)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range known {
		if _, ok := of[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, of, asConfig(configErr)
}

// configError is the error of a configuration that cannot be read. Most of a page needs none.
type configError struct{ error }

func asConfig(err error) error {
	if err == nil {
		return nil
	}
	return configError{err}
}

// configText describes a configError, and returns other errors.
func configText(err error) (string, error) {
	if c, ok := err.(configError); ok { //nolint:errorlint // it is never wrapped
		return fault.Clip(c.Error()), nil
	}
	return "", err
}

func (s *reader) plansPage(ctx context.Context, page int) (view, error) {
	names, of, err := s.plans(ctx)
	config, err := configText(err)
	if err != nil {
		return nil, err
	}
	v := plansView{Config: config, Plans: []planRow{}}
	var from, to int
	from, to, v.Pages = cut(len(names), page, plansPerPage)
	for _, name := range names[from:to] {
		plan, configured := of[name]
		row, err := s.planRow(ctx, name, plan, configured || config != "")
		if err != nil {
			return nil, err
		}
		v.Plans = append(v.Plans, row)
	}
	return v, nil
}

func (s *reader) planRow(
	ctx context.Context, name string, plan pipeline.Plan, configured bool,
) (planRow, error) {
	row := planRow{
		Name: name, Configured: configured, Level: plan.Level, Cohort: plan.Cohort,
		Schema: plan.Schema,
	}
	d, err := s.store.Plan(ctx, name)
	if err != nil {
		return row, err
	}
	last, err := records.Exports(ctx, s.Journal, name, 1)
	if err != nil {
		return row, err
	}
	if len(last) > 0 {
		e := s.exportRow(last[0], history.EntryOf(last[0].Export, nil))
		row.Last = &e
		row.Schema = cmp.Or(row.Schema, last[0].Schema)
	}
	entries, _, err := history.Last(ctx, s.Journal, name, d.Value.Seq, s.Now(), 2)
	if err != nil {
		return row, err
	}
	row.CompleteAt = completeAt(entries, last, plan.Types)
	row.Paused = plan.Paused || !d.Value.PausedAt.IsZero()
	row.Next, row.NextText = next(plan, d.Value, row, s.Now())
	row.CanStart = row.Configured && (row.Last == nil || row.Last.State.Final())
	row.Troubles = troubles(plan, row, d.Value, s.Now())
	return row, nil
}

// next returns when a plan's next export begins, also as text.
func next(
	plan pipeline.Plan, d records.PlanRecord, row planRow, now time.Time,
) (at time.Time, text string) {
	switch {
	case !d.WantedAt.IsZero():
		return now, "at the next tick: a person has asked for it"
	case row.Last != nil && !row.Last.State.Final():
		text = "after the export that runs"
	case !row.Configured:
		return at, "never: the plan is no longer in the configuration"
	case plan.Paused:
		return at, "paused in the configuration"
	case row.Paused:
		return at, "paused: fhirsynapse exports resume " + row.Name
	case plan.Schedule == nil && plan.Name == "":
		return at, "unknown"
	case plan.Schedule == nil:
		return at, "only when a person starts it"
	}
	if plan.Schedule == nil || row.Paused {
		return at, text
	}
	if d.Seq == 0 {
		return now, "at the next tick"
	}
	at = plan.Schedule.Next(d.RequestedAt)
	if at.Before(now) {
		return now, cmp.Or(text, "at the next tick")
	}
	return at, cmp.Or(text, moment(at)+", "+until(at.Sub(now)))
}

// Tables are late after this many slots of the schedule, but not before this time has passed: a
// slot waits for a tick of the timer.
const (
	lateSlots = 3
	lateAfter = 30 * time.Minute
)

// troubles lists what a person should look at on a plan.
func troubles(
	plan pipeline.Plan, row planRow, d records.PlanRecord, now time.Time,
) (out []string) {
	if e := row.Last; e != nil {
		switch {
		case e.State == records.Failed:
			out = append(out, fmt.Sprintf("Export %s failed: %s", e.ID, e.Why))
		case e.State == records.Incomplete:
			out = append(out, fmt.Sprintf(
				"Export %s is incomplete: the server could not export everything", e.ID))
		case e.Stalled:
			out = append(out, fmt.Sprintf("Export %s makes no progress", e.ID))
		case e.Retry != nil:
			out = append(out, fmt.Sprintf("Export %s tries %s again: %s", e.ID, e.Retry.Step,
				e.Retry.Cause))
		}
	}
	if d.Retry != nil && (row.Last == nil || row.Last.State.Final()) {
		out = append(out, "the last tick failed: "+d.Retry.Cause)
	}
	if plan.Schedule == nil || row.Paused || row.CompleteAt.IsZero() {
		return out
	}
	at := row.CompleteAt
	for range lateSlots {
		at = plan.Schedule.Next(at)
	}
	if at.Add(plan.Lag).Before(now) && now.Sub(row.CompleteAt) > lateAfter {
		out = append(out, fmt.Sprintf(
			"The tables are late: they are complete as of %s UTC, which is %s ago",
			moment(row.CompleteAt), span(now.Sub(row.CompleteAt))))
	}
	return out
}

// completeAt returns up to when the tables have everything of the wanted types: the newest end of
// a window of an export that loaded all of them.
func completeAt(
	entries []history.Entry, newest []records.ExportSummary, types []string,
) (at time.Time) {
	covers := func(e history.Entry) bool {
		if len(types) == 0 {
			return len(e.Asked) == 0 && e.Covers(records.AllTypes)
		}
		return !slices.ContainsFunc(types, func(t string) bool { return !e.Covers(t) })
	}
	all := slices.Clone(entries)
	for _, e := range newest { // it may have ended since the last summary
		if e.State.Committed() && e.ID != "" {
			all = append(all, history.EntryOf(e.Export, nil))
		}
	}
	for _, e := range all {
		if covers(e) && e.Till.After(at) {
			at = e.Till
		}
	}
	return at
}
