// Package eval runs queries and expressions of T-SQL over rows in memory.
//
// It follows Microsoft's documentation of the language and is strict. Before it runs a statement it
// finds the static type of each expression. It refuses what it does not know, and statements that
// SQL Server refuses, among them aggregates that mix columns of two queries, texts compared with
// numbers, and an OPENJSON over text that is not JSON. The default collation disregards case and
// blanks at the end, so a comparison that forgets its collation shows.
//
// It does not prove how a product behaves; a proof needs the product.
package eval

import (
	"fmt"
	"math/big"
	"strings"
	"time"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/emulator/sqlserver/syntax"
)

// Dialect holds the differences between servers.
type Dialect struct {
	// Varchar is set for a server without nvarchar: its varchar holds UTF-8.
	Varchar bool
	// Jsonb is set if JSON is read as by a server on PostgreSQL that only speaks T-SQL. The escapes
	// of a text stay, OPENJSON WITH cuts at 4,000 characters, and the result is jsonb's text.
	Jsonb bool
	// TypedJSON allows columns of any type in the WITH of OPENJSON. A body must not use them:
	// servers differ in what they do with a value that does not fit.
	TypedJSON bool
	// Parses counts how often OPENJSON goes through a text. nil counts nothing.
	Parses *int
}

// Names holds what a statement can name.
type Names struct {
	Dialect
	// Table returns a table, or error 208.
	Table func(syntax.Name) (*Table, error)
	// Variables holds variables and parameters by name, in lower case and with their @.
	Variables map[string]Variable
	// Functions adds functions of constants, by name in upper case.
	Functions map[string]Function
}

// Variable is a variable with its value.
type Variable struct {
	Type  syntax.Type
	Value any
}

// Function is a function with a fixed number of texts or integers as arguments.
type Function struct {
	Arguments int
	Type      syntax.Type
	Eval      func(args []string) any
}

// Table is a table. Values are nil, int64, bool, string and time.Time; decimals are texts.
type Table struct {
	Names []string
	Types []syntax.Type
	Rows  [][]any
}

// Result is the answer of a query.
type Result struct {
	Columns []sqlserver.Column
	Types   []syntax.Type
	Rows    [][]any
}

func (t *Table) columns(alias string) *columns {
	return &columns{alias: alias, names: t.Names, types: t.Types, used: make([]bool, len(t.Names))}
}

// run returns the rows of a table, with the values of the columns that the statement uses.
func (t *Table) run(cols *columns) run {
	var rows [][]value
	read := false
	return func(*frame) ([][]value, error) {
		if read {
			return rows, nil
		}
		read = true
		for _, r := range t.Rows {
			row, err := t.row(r, cols)
			if err != nil {
				return nil, err
			}
			rows = append(rows, row)
		}
		return rows, nil
	}
}

func (t *Table) row(r []any, cols *columns) ([]value, error) {
	row := make([]value, len(r))
	for i, used := range cols.used {
		if !used {
			continue
		}
		var err error
		if row[i], err = valueOf(r[i], t.Types[i]); err != nil {
			return nil, fmt.Errorf("column %s: %w", t.Names[i], err)
		}
	}
	return row, nil
}

func (n Names) compiler() *compiler {
	return &compiler{
		Names: n, json: &documents{jsonb: n.Jsonb, parses: n.Parses, texts: map[string]jsonValue{}},
	}
}

// Query runs a query. It returns the columns also if the data makes it fail.
func (n Names) Query(q syntax.Query) (Result, error) {
	var out Result
	cols, r, err := n.compiler().query(q, nil)
	if err != nil {
		return out, err
	}
	out.Types = cols.types
	for i, name := range cols.names {
		out.Columns = append(out.Columns, sqlserver.Column{Name: name, Type: cols.types[i].Spelt()})
	}
	rows, err := r(nil)
	if err != nil {
		return out, err
	}
	for _, row := range rows {
		cells := make([]any, len(row))
		for i, v := range row {
			cells[i] = plain(v, cols.types[i])
		}
		out.Rows = append(out.Rows, cells)
	}
	return out, nil
}

// Condition compiles a condition over the rows of a table, or over none if t is nil. The result
// reports whether it is true.
func (n Names) Condition(
	e syntax.Cond, t *Table, name string,
) (func(row []any) (bool, error), error) {
	s, at := over(t, name)
	is, err := n.compiler().cond(e, s)
	return func(row []any) (bool, error) {
		f, err := at(row)
		if err != nil {
			return false, err
		}
		v, err := is(f)
		return v > 0, err
	}, err
}

// Expression compiles an expression over the rows of a table, or over none if t is nil.
func (n Names) Expression(
	e syntax.Expr, t *Table, name string,
) (func(row []any) (any, error), error) {
	s, at := over(t, name)
	typ, x, err := n.compiler().expr(e, s)
	return func(row []any) (any, error) {
		f, err := at(row)
		if err != nil {
			return nil, err
		}
		v, err := x(f)
		return plain(v, typ), err
	}, err
}

// over returns the scope of one table, whose columns need no alias, and its frames.
func over(t *Table, name string) (*scope, func(row []any) (*frame, error)) {
	if t == nil {
		return &scope{}, func([]any) (*frame, error) { return &frame{}, nil }
	}
	cols := t.columns(name)
	cols.bare = true
	return &scope{sources: []*columns{cols}}, func(row []any) (*frame, error) {
		cells, err := t.row(row, cols)
		return &frame{rows: [][]value{cells}}, err
	}
}

// valueOf returns a cell of a table as a value of its column's type.
func valueOf(cell any, t syntax.Type) (value, error) {
	switch v := cell.(type) {
	case nil:
		return null, nil
	case string:
		if t.Base == "decimal" {
			n, scale, ok := parseDecimal(v)
			if !ok || scale > t.Scale {
				return null, refuse("the decimal %q", v)
			}
			return value{n: rescale(n, scale, t.Scale)}, nil
		}
		if t.Text() {
			return textValue(v), nil
		}
	case int64:
		if t.Base == "int" || t.Base == "bigint" {
			return intValue(v), nil
		}
	case bool:
		if t.Base == "bit" {
			return value{n: big.NewInt(map[bool]int64{true: 1}[v])}, nil
		}
	case time.Time:
		if t.Base == "date" || t.Base == "datetime2" {
			return value{t: v}, nil
		}
	}
	return null, refuse("a %T in a column of type %s", cell, t.Spelt())
}

// plain returns a value as a table holds it.
func plain(v value, t syntax.Type) any {
	switch {
	case v.null:
		return nil
	case t.Base == "bit":
		return v.n.Sign() != 0
	case t.Base == "decimal":
		return decimalString(v.n, t.Scale)
	case number(t):
		return v.n.Int64()
	case t.Base == "date" || t.Base == "datetime2" || t.Base == "datetimeoffset":
		return v.t
	}
	return strings.Clone(v.s)
}
