package cohort

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Counts counts what a search has found.
type Counts struct {
	// Resources counts all resources of the search.
	Resources int64 `json:"resources"`
	// InError counts resources that were entered in error. Elsewhere counts references to another
	// server. NoPatient counts references that name no Patient: missing, logical or contained ones,
	// and references to other types. All of them are left out.
	InError   int64 `json:"enteredInError,omitempty"`
	Elsewhere int64 `json:"elsewhere,omitempty"`
	NoPatient int64 `json:"noPatient,omitempty"`
	// Superseded counts patients whose newest Observation is another one, with MatchLatest.
	Superseded int64 `json:"superseded,omitempty"`
}

// evaluation is one evaluation of a definition.
type evaluation struct {
	server Server
	base   string
	counts Counts
}

// evaluate returns the sorted ids of the patients of a definition.
func (e *evaluation) evaluate(ctx context.Context, d Definition) ([]string, error) {
	q, errs := parseQuery(d.Search)
	if len(errs) > 0 {
		return nil, fmt.Errorf("search: %w", errors.Join(errs...))
	}
	if d.Match == MatchLatest {
		return e.latest(ctx, d, q)
	}
	var ids []string
	err := e.each(ctx, q.search(false), &e.counts, func(id string, _ Entry) {
		ids = append(ids, id)
	})
	return sorted(ids), err
}

// each calls take for every resource of a search that names a patient.
func (e *evaluation) each(
	ctx context.Context, s Search, c *Counts, take func(id string, found Entry),
) error {
	return e.server.Search(ctx, s, func(found Entry) error {
		c.Resources++
		if found.InError {
			c.InError++
			return nil
		}
		if s.Element == "" {
			if idForm.MatchString(found.ID) {
				take(found.ID, found)
			} else {
				c.NoPatient++
			}
			return nil
		}
		switch id, place := PatientOf(found.Patient, e.base); place {
		case Here:
			take(id, found)
		case Elsewhere:
			c.Elsewhere++
		case NoPatient:
			c.NoPatient++
		}
		return nil
	})
}

// newest is the newest Observation of a patient.
type newest struct {
	id              string
	at, lastUpdated time.Time
	// found is set if the search with the value has found it.
	found bool
}

// before reports whether another Observation is newer: by the time that it is about, then by the
// time of its last change, then by id.
func (n newest) before(at, lastUpdated time.Time, id string) bool {
	if order := n.at.Compare(at); order != 0 {
		return order < 0
	}
	if order := n.lastUpdated.Compare(lastUpdated); order != 0 {
		return order < 0
	}
	return n.id < id
}

// latest searches twice: with the value, for the candidates, and without it, for the newest
// Observation of each candidate. A patient belongs to the cohort if the first search has found that
// Observation too; so the server alone decides what matches the value.
func (e *evaluation) latest(ctx context.Context, d Definition, q query) ([]string, error) {
	hits := map[string]struct{}{} // ids of Observations
	candidates := map[string]newest{}
	if err := e.each(ctx, q.search(false), &e.counts, func(id string, found Entry) {
		hits[found.ID] = struct{}{}
		candidates[id] = newest{}
	}); err != nil {
		return nil, err
	}
	if len(candidates) == 0 {
		return nil, nil
	}
	among, _ := q.withoutValue()
	if d.Among != "" {
		var errs []error
		if among, errs = parseQuery(d.Among); len(errs) > 0 {
			return nil, fmt.Errorf("among: %w", errors.Join(errs...))
		}
	}
	var all Counts // of all patients, who need not be candidates
	// Whole resources: servers differ in how _elements names the date.
	if err := e.each(ctx, among.search(true), &all, func(id string, found Entry) {
		last, candidate := candidates[id]
		if !candidate || last.id != "" && !last.before(found.At, found.LastUpdated, found.ID) {
			return
		}
		_, hit := hits[found.ID]
		candidates[id] = newest{found.ID, found.At, found.LastUpdated, hit}
	}); err != nil {
		return nil, err
	}
	var ids []string
	for id, last := range candidates {
		if last.found {
			ids = append(ids, id)
		} else {
			e.counts.Superseded++
		}
	}
	return sorted(ids), nil
}
