// Package tsqleval runs the SELECT statements that package tsql writes, for its tests: on the
// emulator's evaluator, and on PostgreSQL after a translation.
package tsqleval

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/emulator/sqlserver/eval"
	"fhirsynapse/internal/emulator/sqlserver/syntax"
)

// Table is a table of documents, or of other text.
type Table struct {
	Name  string
	Names []string // names of the columns
	Rows  [][]string
}

// Documents returns a table with one column doc.
func Documents[T ~[]byte | string](name string, docs []T) Table {
	t := Table{Name: name, Names: []string{"doc"}}
	for _, d := range docs {
		t.Rows = append(t.Rows, []string{string(d)})
	}
	return t
}

// Run runs a SELECT. A nil cell is NULL; other cells are text: true and false of a bit, digits of
// numbers, days as 2006-01-02, moments as 2006-01-02T15:04:05.000.
func Run(
	statement string, d eval.Dialect, tables ...Table,
) ([]sqlserver.Column, [][][]byte, error) {
	q, err := syntax.ParseSelect(statement)
	if err != nil {
		return nil, nil, fmt.Errorf("parse the statement: %w", err)
	}
	all := map[string]*eval.Table{}
	for _, t := range tables {
		all[strings.ToLower(t.Name)] = t.typed(d)
	}
	names := eval.Names{Dialect: d, Table: func(n syntax.Name) (*eval.Table, error) {
		if t := all[strings.ToLower(n.Base)]; t != nil && n.Schema == "" {
			return t, nil
		}
		return nil, &sqlserver.Error{Number: 208, Message: "invalid object name " + n.Base}
	}}
	r, err := names.Query(q)
	if err != nil {
		return r.Columns, nil, err
	}
	var out [][][]byte
	for _, row := range r.Rows {
		cells := make([][]byte, len(row))
		for i, v := range row {
			cells[i] = shown(v, r.Columns[i].Type)
		}
		out = append(out, cells)
	}
	return r.Columns, out, nil
}

func (t Table) typed(d eval.Dialect) *eval.Table {
	text := syntax.Type{Base: "nvarchar", Max: true}
	if d.Varchar {
		text.Base = "varchar"
	}
	out := &eval.Table{Names: t.Names, Types: slices.Repeat([]syntax.Type{text}, len(t.Names))}
	for _, r := range t.Rows {
		var row []any
		for _, s := range r {
			row = append(row, s)
		}
		out.Rows = append(out.Rows, row)
	}
	return out
}

func shown(v any, kind string) []byte {
	switch v := v.(type) {
	case nil:
		return nil
	case time.Time:
		layout := "2006-01-02T15:04:05.000"
		if kind == "date" {
			layout = time.DateOnly
		}
		return []byte(v.Format(layout))
	}
	return fmt.Append([]byte{}, v) // never nil, which is NULL
}
