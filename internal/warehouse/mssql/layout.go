package mssql

import (
	"context"
	"fmt"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/warehouse/mssql/statements"
	"fhirsynapse/internal/warehouse/tds"
)

// layout reads the indexes and statistics of the type's tables. A server that refuses the query
// gets its rows all the same, and no indexes.
func (w *definer) layout(
	ctx context.Context, s session, t *statements.Target,
) (known bool, err error) {
	layout, err := s.layout(ctx, *t)
	if err != nil && tds.Number(err) != 0 {
		w.o.Log.WarnContext(ctx,
			"the server does not tell of indexes and statistics: none are made", "error", err)
		s.GoOn()
		return false, nil
	}
	t.Layout = layout
	return err == nil, err
}

// widen alters the columns that are too narrow for the longest texts of the batch. The dropped
// indexes leave the layout.
func (w *definer) widen(
	ctx context.Context, s session, t *statements.Target, there statements.Catalog,
) error {
	widening := t.Widen(there)
	t.Layout = t.Layout.Without(widening)
	for _, st := range widening {
		_, err := s.exec(ctx, st)
		column, altering := strings.CutPrefix(st.Step, statements.StepWiden)
		switch {
		case err == nil && altering:
			w.o.Log.InfoContext(ctx, "a column was too narrow for the rows of a commit",
				"statement", st.Text)
		case err == nil:
			w.o.Log.InfoContext(ctx, "an index or statistics made room for a wider column",
				"statement", st.Text)
		case !altering && tds.Number(err) == notThere:
			s.GoOn() // another committer was faster
		case !altering || tds.Number(err) == 0 || tds.Known(err):
			return err
		default:
			return w.tooNarrow(*t, column, err)
		}
	}
	return nil
}

// tooNarrow returns the error for a column that the server does not widen.
func (w *definer) tooNarrow(t statements.Target, column string, err error) error {
	table, name, _ := strings.Cut(column, ".")
	remedy := "drop the statistics, indexes and views of others that use the column, " +
		t.Rebuilding(t.Type)
	if others := statements.Others(t, table, name); others != "" && isUsed(err) {
		remedy = "others have made indexes or statistics on the column: drop them, commit again, and make them again if the column is short enough: " + others
	}
	return &fault.Error{
		Class: fault.Permanent,
		Err: fmt.Errorf("column %s of schema %s is too narrow for the rows of this commit, "+
			"and the server cannot widen it: %w", column, t.Schema, err),
		Remedy: remedy,
	}
}

// isUsed reports whether the server refused to change a column because other objects depend on it.
// It says so with two errors; the driver reports the last one.
func isUsed(err error) bool { n := tds.Number(err); return n == 4922 || n == 5074 }

// afterwards runs the statements that follow a commit, each by itself. The commit is in the ledger,
// so that failures are only logged; a later commit runs them again.
func (w *definer) afterwards(ctx context.Context, s session, todo []statements.Statement) {
	for _, st := range todo {
		_, err := s.exec(ctx, st)
		switch number := tds.Number(err); {
		case err == nil, number == notThere, number == statisticsThere, number == indexThere:
		default:
			w.o.Log.WarnContext(ctx, "left behind by a commit", "step", st.Step, "error", err)
			if number == 0 {
				return // the connection is lost
			}
		}
		s.GoOn() // a failed statement does not stop the others
	}
}

// The error numbers for existing statistics and indexes, which another committer has made.
const (
	statisticsThere = 1927
	indexThere      = 1913
)
