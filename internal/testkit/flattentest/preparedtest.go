// Package flattentest makes prepared files for tests without a compiler of views. Each line states
// its own rows:
//
//	{"resourceType":"Patient","id":"a","meta":{"lastUpdated":"..","versionId":"1"},
//	 "rows":{"patient":[["Doe",null]]}}
package flattentest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
)

// Line is one resource as the engine of this package reads it.
type Line struct {
	ResourceType string `json:"resourceType"`
	ID           string `json:"id,omitempty"`
	Meta         Meta   `json:"meta"`
	// Rows are the rows per table: cells in the order of its columns, nil for NULL.
	Rows map[string][][]*string `json:"rows,omitempty"`
}

// Meta holds the version of a line.
type Meta struct {
	LastUpdated string `json:"lastUpdated,omitempty"`
	VersionID   string `json:"versionId,omitempty"`
	Deleted     bool   `json:"deleted,omitempty"`
	Subsetted   bool   `json:"subsetted,omitempty"`
}

// Views implements flatten.PlanViews for tables only: the tables by plan.
type Views map[string][]flatten.Table

// Tables implements flatten.PlanViews.
func (v Views) Tables(plan string) ([]flatten.Table, error) {
	t, ok := v[plan]
	if !ok {
		return nil, fault.Permanentf("no plan %s", plan)
	}
	return t, nil
}

// ViewSet implements flatten.PlanViews.
func (v Views) ViewSet(plan string) (string, error) {
	t, err := v.Tables(plan)
	if err != nil {
		return "", err
	}
	return flatten.Fingerprint(t), nil
}

// Engine implements flatten.PlanViews.
func (v Views) Engine(plan, resource string) (func(flatten.Room) flatten.Evaluator, error) {
	t, err := v.Tables(plan)
	if err != nil {
		return nil, err
	}
	return func(flatten.Room) flatten.Evaluator {
		return evaluator(flatten.TablesOf(t, resource))
	}, nil
}

type evaluator []flatten.Table

// Eval implements flatten.Evaluator. If the last row of a line has the wrong number of cells, Eval
// emits the rows before it: the line is bad, and its rows must not be visible.
func (e evaluator) Eval(
	_ context.Context, line []byte, emit func(view int, row [][]byte) error,
) (flatten.Resource, error) {
	var l Line
	if err := json.Unmarshal(line, &l); err != nil {
		return flatten.Resource{}, fault.BadDataf("no JSON object")
	}
	for view, t := range e {
		for _, row := range l.Rows[t.Name] {
			if len(row) != len(t.Columns) {
				return flatten.Resource{},
					fault.BadDataf("a row of %d cells for %s", len(row), t.Name)
			}
			var cells [][]byte
			for _, cell := range row {
				if cell == nil {
					cells = append(cells, nil)
					continue
				}
				cells = append(cells, append([]byte{}, *cell...))
			}
			if err := emit(view, slices.Clip(cells)); err != nil {
				return flatten.Resource{}, fmt.Errorf("emit a row of %s: %w", t.Name, err)
			}
			for _, c := range cells {
				clear(c) // valid until emit returns
			}
		}
	}
	return flatten.Resource{
		Type: []byte(l.ResourceType), ID: []byte(l.ID), VersionID: []byte(l.Meta.VersionID),
		LastUpdated: []byte(l.Meta.LastUpdated),
		Deleted:     l.Meta.Deleted, Subsetted: l.Meta.Subsetted,
	}, nil
}
