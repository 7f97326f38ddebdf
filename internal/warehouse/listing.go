package warehouse

import (
	"errors"
	"slices"
	"time"

	"fhirsynapse/internal/fault"
)

// Listing lists tables for a person.
type Listing struct {
	Tables []ListedTable
	// Notes are remarks about the whole list. Unknown are the reasons why something in it is not
	// known.
	Notes, Unknown []string
}

// ListedTable is one table of a Listing.
type ListedTable struct {
	// Plan is empty if no export has loaded the table.
	Plan   string `json:"plan,omitempty"`
	Schema string `json:"schema"`
	Table  string `json:"table"`
	Type   string `json:"type"`
	Exists bool   `json:"exists"`
	// Rows is nil if the number is not known; then Uncounted is the reason. Approximate is set if
	// it is the engine's own count.
	Rows        *int64 `json:"rows,omitempty"`
	Approximate bool   `json:"approximate,omitempty"`
	Uncounted   string `json:"uncounted,omitempty"`
	// ChangedAt is the time of the last commit that wrote rows of the type; zero if unknown.
	ChangedAt time.Time `json:"changedAt,omitzero"`
	// CompleteAt is up to when the table has everything; zero if unknown. Behind is set if that is
	// earlier than for other types of the plan.
	CompleteAt time.Time    `json:"completeAt,omitzero"`
	Behind     bool         `json:"behind,omitempty"`
	Drift      []TableDrift `json:"drift"`
}

// Complete holds the times up to which the tables of a plan have everything.
type Complete struct {
	// Types are the times by resource type, and Others the time of types without one.
	Types  map[string]time.Time
	Others time.Time
}

func (c Complete) at(typ string) time.Time {
	if at, known := c.Types[typ]; known {
		return at
	}
	return c.Others
}

// latest returns the latest of all times.
func (c Complete) latest() time.Time {
	latest := c.Others
	for _, at := range c.Types {
		if at.After(latest) {
			latest = at
		}
	}
	return latest
}

// Add adds the tables of a plan that exist, or should exist by now. all adds the others too.
func (l *Listing) Add(p PlanTables, d Description, c Complete, all bool) {
	why := ""
	if d.Uncounted != nil {
		why = fault.Clip(d.Uncounted.Error())
		to := &l.Unknown
		if errors.Is(d.Uncounted, ErrUncountable) {
			to = &l.Notes
		}
		if !slices.Contains(*to, why) {
			*to = append(*to, why)
		}
	}
	for _, s := range d.Tables {
		if !s.Exists && len(s.Drift) == 0 && !all {
			continue
		}
		t := ListedTable{
			Plan: p.Plan, Schema: p.Schema, Table: s.Table, Type: s.Type, Exists: s.Exists,
			ChangedAt: s.ChangedAt, CompleteAt: c.at(s.Type), Drift: []TableDrift{},
		}
		t.Drift = append(t.Drift, s.Drift...)
		t.Behind = t.CompleteAt.Before(c.latest())
		if s.Exists {
			t.Uncounted = why
			if why == "" {
				t.Rows, t.Approximate = &s.Rows, d.Approximate
			}
		}
		l.Tables = append(l.Tables, t)
	}
}

// OlderViews adds a difference to the tables whose last commit used views before set.
func (d *Description) OlderViews(set int) {
	for i := range d.Tables {
		if t := &d.Tables[i]; t.ViewSet > 0 && t.ViewSet < set {
			t.Drift = append(t.Drift, TableDrift{
				Kind: DriftOlderViews, Text: "the last commit of the type used earlier views of the plan",
			})
		}
	}
}
