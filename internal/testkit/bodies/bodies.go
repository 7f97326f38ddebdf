// Package bodies makes a T-SQL stand-in run the bodies of views over documents, which package
// tables cannot do. Package tsqleval runs the statements that it understands, over the wire, in the
// types of the wire.
//
// A session has temporary tables of documents, as callers create them to try bodies on a server. It
// leaves everything else to a session of package tables.
package bodies

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/emulator/sqlserver/eval"
	"fhirsynapse/internal/emulator/sqlserver/tables"
	"fhirsynapse/internal/testkit/tsqleval"
)

// Sessions returns a function that opens sessions of a database which also run bodies.
func Sessions(db *tables.Database, d eval.Dialect) func(name string) sqlserver.Session {
	return func(name string) sqlserver.Session {
		return &session{Session: db.Session(name), dialect: d, documents: map[string][]string{}}
	}
}

// Shred returns the function by which a database of package tables fills its tables from bodies.
func Shred(d eval.Dialect) func(body string, columns []string, rows [][]string) ([]string, [][]any, error) {
	return func(body string, columns []string, rows [][]string) ([]string, [][]any, error) {
		r, err := run(body, d, tsqleval.Table{Name: "docs", Names: columns, Rows: rows})
		var names []string
		for _, c := range r.Columns {
			names = append(names, c.Name)
		}
		return names, r.Rows, err
	}
}

type session struct {
	sqlserver.Session
	dialect   eval.Dialect
	documents map[string][]string // by table
}

var (
	create = regexp.MustCompile(`^CREATE TABLE (#\w+) \(\[doc\] nvarchar\(max\) NULL\)$`)
	insert = regexp.MustCompile(`^INSERT INTO (#\w+) \(\[doc\]\) VALUES \(@p1\)$`)
	drop   = regexp.MustCompile(`^DROP TABLE IF EXISTS (#\w+)$`)
	opens  = regexp.MustCompile(`(?s)^SELECT\s.*\bOPENJSON\(`)
)

// Batch implements sqlserver.Session.
func (s *session) Batch(ctx context.Context, text string, parameters []any) (sqlserver.Result, error) {
	var none sqlserver.Result
	if m := create.FindStringSubmatch(text); m != nil {
		if _, there := s.documents[m[1]]; there {
			return none, &sqlserver.Error{Number: 2714, Message: "There is already an object named '" + m[1] + "' in the database."}
		}
		s.documents[m[1]] = nil
		return none, nil
	}
	if m := insert.FindStringSubmatch(text); m != nil {
		_, there := s.documents[m[1]]
		doc, isText := "", false
		if len(parameters) == 1 {
			doc, isText = parameters[0].(string)
		}
		if !there || !isText {
			return none, &sqlserver.Error{Number: 208, Message: "Invalid object name '" + m[1] + "', or no document."}
		}
		s.documents[m[1]] = append(s.documents[m[1]], doc)
		return sqlserver.Result{Affected: 1}, nil
	}
	if m := drop.FindStringSubmatch(text); m != nil {
		delete(s.documents, m[1])
		return none, nil
	}
	if opens.MatchString(text) {
		var all []tsqleval.Table
		for name, docs := range s.documents {
			all = append(all, tsqleval.Documents(name, docs))
		}
		return run(text, s.dialect, all...)
	}
	return s.Session.Batch(ctx, text, parameters)
}

func run(text string, d eval.Dialect, from ...tsqleval.Table) (sqlserver.Result, error) {
	var r sqlserver.Result
	columns, rows, err := tsqleval.Run(text, d, from...)
	if err != nil {
		return r, failure(err, d)
	}
	for _, c := range columns {
		r.Columns = append(r.Columns, sqlserver.Column{Name: c.Name, Type: c.Type})
	}
	for _, row := range rows {
		cells := make([]any, len(row))
		for i, cell := range row {
			if cell == nil {
				continue
			}
			if cells[i], err = cellOf(string(cell), columns[i]); err != nil {
				return r, fmt.Errorf("column %s: %w", columns[i].Name, err)
			}
		}
		r.Rows = append(r.Rows, cells)
	}
	r.Affected = int64(len(r.Rows))
	return r, nil
}

// failure returns an error with the number of SQL Server. On PostgreSQL all but a few errors share
// one number.
func failure(err error, d eval.Dialect) error {
	const unmapped = 33557097
	e := &sqlserver.Error{Number: 102, Message: err.Error()}
	var known *sqlserver.Error
	if errors.As(err, &known) {
		e.Number, e.Message = known.Number, known.Message
	}
	if d.Jsonb {
		e.Number = unmapped
	}
	return e
}

func cellOf(text string, c sqlserver.Column) (any, error) {
	kind, _, _ := strings.Cut(c.Type, "(")
	switch {
	case c.Name == "_file" || c.Name == "_line":
		// The tables of the interpreter hold text only.
		return strconv.ParseInt(text, 10, 64)
	case kind == "int" || kind == "bigint":
		return strconv.ParseInt(text, 10, 64)
	case kind == "bit":
		return text == "true", nil
	case kind == "date":
		return time.Parse(time.DateOnly, text)
	case kind == "datetime2":
		return time.Parse("2006-01-02T15:04:05.000", text)
	}
	return text, nil
}
