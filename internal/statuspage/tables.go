package statuspage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/statuspage/history"
)

// tablesView is the page of the tables.
type tablesView struct {
	Plans []planTables `json:"plans"`
	Pages pages        `json:"pages"`
}

func (tablesView) template() string { return "tables" }
func (tablesView) title() string    { return "Tables" }

func (v tablesView) refresh() time.Duration {
	if slices.ContainsFunc(v.Plans, func(t planTables) bool { return t.pending }) {
		return soon
	}
	return later
}

// planTables are the tables of one plan.
type planTables struct {
	Plan   string `json:"plan"`
	Schema string `json:"schema"`
	// CompleteAt is up to when the tables have everything; zero if unknown.
	CompleteAt time.Time `json:"completeAt,omitzero"`
	// Answer reports whether the tables are complete, and as of when.
	Answer string `json:"answer"`
	OK     bool   `json:"ok"`
	// CountedAt is when the warehouse told the rows; zero if it has not. Approximate is set if it
	// calls them approximate.
	CountedAt   time.Time `json:"countedAt,omitzero"`
	Approximate bool      `json:"approximate,omitempty"`
	// Uncounted is why the rows are not known, or why newer ones are not; empty if they are.
	Uncounted string     `json:"uncounted,omitempty"`
	Types     []typeData `json:"types"`
	// pending is set until the warehouse has answered for the first time.
	pending bool
}

// HasDrift reports whether tables of any type differ from the views or the resources.
func (t planTables) HasDrift() bool {
	return slices.ContainsFunc(t.Types, func(t typeData) bool { return len(t.Drift) > 0 })
}

// typeData are the tables of one resource type.
type typeData struct {
	Type   string      `json:"type"`
	Tables []TableRows `json:"tables,omitempty"`
	// ChangedAt is when an export last changed the tables, and Export which one; zero if none did
	// in the last 30 days.
	ChangedAt time.Time `json:"changedAt,omitzero"`
	Export    string    `json:"export,omitempty"`
	// Applied and Deleted count the resources of the last 30 days.
	Applied     int64     `json:"applied"`
	Deleted     int64     `json:"deleted"`
	Quarantined int64     `json:"quarantined"`
	CompleteAt  time.Time `json:"completeAt,omitzero"`
	// Behind is set if the type is complete only to an earlier time than the plan's others.
	Behind bool `json:"behind,omitempty"`
	// Drift lists the values of the last change that differ from the resources, and the tables that
	// differ from their views.
	Drift []string `json:"drift,omitempty"`
}

func (s *reader) tablesPage(ctx context.Context, page int) (view, error) {
	past, pages, err := s.past(ctx, page, nil)
	if err != nil {
		return nil, err
	}
	v := tablesView{Plans: []planTables{}, Pages: pages}
	accounts := plansPerPage / max(1, len(past)) // that are read for the drift of a plan
	var names []string
	for _, p := range past {
		newest, err := s.newest(ctx, p)
		if err != nil {
			return nil, err
		}
		s.counts.begin(ctx, p.plan, p.changedAt(newest))
		names = append(names, p.name)
		t := tablesOf(p, newest)
		t.Schema = p.plan.Schema
		t.answer(p, newest, s.Now())
		if err := s.drift(ctx, &t, accounts); err != nil {
			return nil, err
		}
		v.Plans = append(v.Plans, t)
	}
	s.counts.waitFor(ctx, names)
	for i, p := range past {
		v.Plans[i].count(s.counts.answer(p.plan))
	}
	return v, nil
}

// changedAt returns when an export last ended in the tables; zero if none did.
func (p past) changedAt(newest *records.Export) (at time.Time) {
	if newest != nil && newest.State.Committed() {
		at = newest.FinishedAt
	}
	for _, e := range p.entries {
		if e.State.Committed() && e.FinishedAt.After(at) {
			at = e.FinishedAt
		}
	}
	return at
}

// newest reads the plan's newest export if it has no summary yet; else it returns nil.
func (s *reader) newest(ctx context.Context, p past) (*records.Export, error) {
	if p.behind == 0 || p.current == "" {
		return nil, nil //nolint:nilnil // nil is the documented answer
	}
	e, err := s.store.Export(ctx, p.current)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // it has not begun
	}
	return &e, err
}

// tablesOf sums up the entries of a plan by resource type.
func tablesOf(p past, newest *records.Export) planTables {
	out := planTables{Plan: p.name, Types: []typeData{}}
	all := slices.Clone(p.entries)
	if newest != nil && newest.State.Committed() {
		all = append([]history.Entry{history.EntryOf(*newest, nil)}, all...)
	}
	types := map[string]*typeData{}
	of := func(typ string) *typeData {
		if types[typ] == nil {
			types[typ] = &typeData{Type: typ}
		}
		return types[typ]
	}
	for _, typ := range p.plan.Types {
		of(typ)
	}
	for _, e := range all {
		for _, typ := range e.Asked {
			of(typ)
		}
		for typ, c := range e.Types {
			t := of(typ)
			t.Applied += c.Applied
			t.Deleted += c.Deleted
			t.Quarantined += c.Quarantined
			if c.Applied > 0 && e.FinishedAt.After(t.ChangedAt) {
				t.ChangedAt, t.Export = e.FinishedAt, exportID(p.name, e)
			}
		}
	}
	for _, e := range all {
		if e.Covers(records.AllTypes) && len(e.Asked) == 0 && e.Till.After(out.CompleteAt) {
			out.CompleteAt = e.Till
		}
	}
	for typ, t := range types {
		for _, e := range all {
			if e.Covers(typ) && e.Till.After(t.CompleteAt) {
				t.CompleteAt = e.Till
			}
		}
		if t.CompleteAt.After(out.CompleteAt) {
			out.CompleteAt = t.CompleteAt
		}
	}
	for _, t := range types {
		t.Behind = t.CompleteAt.Before(out.CompleteAt)
		out.Types = append(out.Types, *t)
	}
	slices.SortFunc(out.Types, func(a, b typeData) int { return cmp.Compare(a.Type, b.Type) })
	return out
}

// answer sets Answer and OK.
func (t *planTables) answer(p past, newest *records.Export, now time.Time) {
	behind := 0
	for _, typ := range t.Types {
		if typ.Behind {
			behind++
		}
	}
	switch {
	case t.CompleteAt.IsZero():
		t.Answer = "No export has loaded these tables in the last 30 days."
		return
	case behind == 1:
		t.Answer = fmt.Sprintf(
			"All types but one are complete as of %s UTC (%s). The other one is marked below.",
			moment(t.CompleteAt), ago(now.Sub(t.CompleteAt)))
	case behind > 1:
		t.Answer = fmt.Sprintf(
			"All types but %d are complete as of %s UTC (%s). The others are marked below.",
			behind, moment(t.CompleteAt), ago(now.Sub(t.CompleteAt)))
	default:
		t.Answer = fmt.Sprintf("Complete as of %s UTC (%s).", moment(t.CompleteAt),
			ago(now.Sub(t.CompleteAt)))
		t.OK = true
	}
	if bad := quarantined(t.Types); bad > 0 {
		t.Answer += fmt.Sprintf(" %s of the last 30 days are in quarantine.",
			plural(int(bad), "line", "lines"))
	}
	if newest != nil && newest.State == records.Failed ||
		newest == nil && len(p.entries) > 0 && p.entries[0].State == records.Failed {
		t.Answer += " The last export failed: what has changed since then is missing."
		t.OK = false
	}
}

func quarantined(types []typeData) (n int64) {
	for _, t := range types {
		n += t.Quarantined
	}
	return n
}

// drift reads the accounts of the exports that last changed each type, at most most of them.
func (s *reader) drift(ctx context.Context, t *planTables, most int) error {
	accounts := map[string]history.Account{}
	for i := range t.Types {
		typ := &t.Types[i]
		if typ.Export == "" {
			continue
		}
		a, known := accounts[typ.Export]
		if !known {
			if len(accounts) >= most {
				continue
			}
			var err error
			if a, _, err = history.Find(ctx, s.Journal, typ.Export); err != nil {
				return err
			}
			accounts[typ.Export] = a
		}
		typ.Drift = a.Drift[typ.Type]
	}
	return nil
}

// count adds the tables as the warehouse has described them.
func (t *planTables) count(a answer) {
	t.CountedAt, t.Uncounted, t.pending = a.at, a.why, a.pending
	t.Approximate = a.tables.Approximate
	for i := range t.Types {
		typ := &t.Types[i]
		for _, r := range a.tables.Rows {
			if r.Type != typ.Type {
				continue
			}
			typ.Tables = append(typ.Tables, r)
			for _, difference := range r.Drift {
				typ.Drift = append(typ.Drift, "table "+r.Table+": "+difference)
			}
		}
	}
}
