// Package query writes a database's answer as a table, as CSV or as JSON.
//
// It depends on database/sql only, not on the engine. Rows are streamed, columns keep their order,
// exact numbers stay exact, and NULL differs from the empty text in every format.
package query

import (
	"database/sql"
	"fmt"
	"iter"
)

// Column is a column of an answer.
type Column struct {
	Name string
	// Type is the database's name of the type, for example DECIMAL(38,12).
	Type string
}

// Result is an answer. Its rows can be read once; the values of a row are valid until the next one.
type Result struct {
	Columns []Column
	Rows    iter.Seq2[[]any, error]
}

// FromSQL returns a Result of rows. It closes rows at the end of the iteration.
func FromSQL(rows *sql.Rows) (Result, error) {
	types, err := rows.ColumnTypes()
	if err != nil {
		return Result{}, fmt.Errorf("read columns: %w", err)
	}
	r := Result{Columns: make([]Column, len(types))}
	for i, t := range types {
		r.Columns[i] = Column{Name: t.Name(), Type: t.DatabaseTypeName()}
	}
	r.Rows = func(yield func([]any, error) bool) {
		defer rows.Close()
		values, into := make([]any, len(types)), make([]any, len(types))
		for i := range values {
			into[i] = &values[i]
		}
		for rows.Next() {
			clear(values)
			if err := rows.Scan(into...); err != nil {
				yield(nil, fmt.Errorf("read row: %w", err))
				return
			}
			if !yield(values, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(nil, fmt.Errorf("read rows: %w", err))
		}
	}
	return r, nil
}
