package tsqleval

import (
	"errors"
	"fmt"
	"strings"
)

// Table is a table of documents, or of other text.
type Table struct {
	Name  string
	Names []string // names of the columns
	Rows  [][]string

	types []sqlType
	rows  [][]value
}

// Documents returns a table with one column doc.
func Documents[T ~[]byte | string](name string, docs []T) Table {
	t := Table{Name: name, Names: []string{"doc"}}
	for _, d := range docs {
		t.Rows = append(t.Rows, []string{string(d)})
	}
	return t
}

// Dialect holds the differences between servers.
type Dialect struct {
	// Varchar is set if text is UTF-8 in varchar, and there is no nvarchar.
	Varchar bool
	// Jsonb is set if JSON is read as by a server on PostgreSQL that only speaks T-SQL. The escapes
	// of a text stay, OPENJSON WITH cuts at 4,000 characters, and the result is jsonb's text.
	Jsonb bool
	// Parses counts how often OPENJSON goes through a text. nil counts nothing.
	Parses *int
}

// Column is a column of a result, with its type.
type Column struct{ Name, Type string }

// IsDataError reports whether a statement failed by a cast that its data does not allow, rather
// than by its own text.
func IsDataError(err error) bool {
	var failed conversionError
	return errors.As(err, &failed)
}

// Run runs a SELECT. A nil cell is NULL; other cells are text: true and false of a bit, digits of
// numbers, days as 2006-01-02, moments as 2006-01-02T15:04:05.000.
func Run(statement string, d Dialect, tables ...Table) ([]Column, [][][]byte, error) {
	q, err := parse(statement)
	if err != nil {
		return nil, nil, fmt.Errorf("parse the statement: %w", err)
	}
	c := &compiler{tables: map[string]*Table{}, fabric: d.Varchar, jsonb: d.Jsonb, parses: d.Parses, texts: map[string]jsonValue{}}
	for _, t := range tables {
		typ := maxText
		if d.Varchar {
			typ.base = "varchar"
		}
		for range t.Names {
			t.types = append(t.types, typ)
		}
		for _, r := range t.Rows {
			row := make([]value, len(r))
			for i, s := range r {
				row[i] = textValue(s)
			}
			t.rows = append(t.rows, row)
		}
		c.tables[strings.ToLower(t.Name)] = &t
	}
	cols, r, err := c.query(q, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("compile the statement: %w", err)
	}
	var columns []Column
	for i, name := range cols.names {
		columns = append(columns, Column{name, cols.types[i].spelt()})
	}
	rows, err := r(nil)
	if err != nil {
		return columns, nil, err
	}
	var out [][][]byte
	for _, row := range rows {
		cells := make([][]byte, len(row))
		for i, v := range row {
			cells[i] = shown(v, cols.types[i])
		}
		out = append(out, cells)
	}
	return columns, out, nil
}

func shown(v value, t sqlType) []byte {
	switch {
	case v.null:
		return nil
	case t.base == "bit":
		return fmt.Append(nil, v.n.Sign() != 0)
	case t.base == "decimal":
		return []byte(decimalString(v.n, t.scale))
	case t.number():
		return []byte(v.n.String())
	case t.base == "date":
		return []byte(v.t.Format("2006-01-02"))
	case t.base == "datetime2" || t.base == "datetimeoffset":
		return []byte(v.t.Format("2006-01-02T15:04:05.000"))
	}
	return append([]byte{}, v.s...)
}
