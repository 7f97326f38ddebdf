package mssql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/warehouse/mssql/statements"
)

// session is one connection, for as long as it is used. After an error it is ended
// rather than used again: what it left open, the server rolls back.
type session struct {
	conn   *sql.Conn
	engine statements.Engine
	failed bool
}

// with runs do on a connection of its own.
func (w *Warehouse) with(ctx context.Context, do func(*session) error) error {
	conn, err := w.pool.Conn(ctx)
	if err != nil {
		return classified(ctx, w.engine.Name, stepConnect, err)
	}
	s := &session{conn: conn, engine: w.engine}
	err = do(s)
	s.end(err)
	return err
}

func (s *session) end(err error) {
	if err != nil || s.failed {
		// The pool closes a connection that is called bad.
		_ = s.conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	_ = s.conn.Close() // of the handle: the pool's own error is of no use here
}

// fail classifies an error of the server, and ends the session with it.
func (s *session) fail(ctx context.Context, st statements.Statement, err error) error {
	s.failed = true
	return classified(ctx, s.engine.Name, st.Step, err)
}

// exec runs a statement and gives the number of rows that it touched.
func (s *session) exec(ctx context.Context, st statements.Statement) (int64, error) {
	r, err := s.conn.ExecContext(ctx, st.Text)
	if err != nil {
		return 0, s.fail(ctx, st, err)
	}
	n, err := r.RowsAffected()
	if err != nil {
		return 0, s.fail(ctx, st, err)
	}
	return n, nil
}

func (s *session) execAll(ctx context.Context, all []statements.Statement) error {
	for _, st := range all {
		if _, err := s.exec(ctx, st); err != nil {
			return err
		}
	}
	return nil
}

// query runs a statement and calls row for each of its rows.
func (s *session) query(ctx context.Context, st statements.Statement, row func(scan func(...any) error) error) (err error) {
	rows, err := s.conn.QueryContext(ctx, st.Text)
	if err != nil {
		return s.fail(ctx, st, err)
	}
	defer func() {
		if closeErr := rows.Close(); err == nil && closeErr != nil {
			err = s.fail(ctx, st, closeErr)
		}
	}()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			s.failed = true
			return fmt.Errorf("%s: %w", st.Step, err)
		}
	}
	if err := rows.Err(); err != nil {
		return s.fail(ctx, st, err)
	}
	return nil
}

// number runs a statement of one row and one column; there is false for NULL, and
// for no row.
func (s *session) number(ctx context.Context, st statements.Statement) (n int64, there bool, err error) {
	err = s.query(ctx, st, func(scan func(...any) error) error {
		var cell sql.NullInt64
		if err := scan(&cell); err != nil {
			return err
		}
		n, there = cell.Int64, cell.Valid
		return nil
	})
	return n, there, err
}

func (s *session) catalog(ctx context.Context, t statements.Target) (statements.Catalog, error) {
	var out statements.Catalog
	err := s.query(ctx, t.CatalogQuery(), func(scan func(...any) error) error {
		var f statements.Found
		var length, precision, scale sql.NullInt64
		var nullable sql.NullString
		if err := scan(&f.Table, &f.Column, &f.Type, &length, &precision, &scale, &nullable); err != nil {
			return err
		}
		f.Length, f.Precision, f.Scale, f.NotNull = int(length.Int64), int(precision.Int64), int(scale.Int64), nullable.String == "NO"
		out = append(out, f)
		return nil
	})
	return out, err
}

// ledger lists the committed files of an export; none where there is no ledger.
func (s *session) ledger(ctx context.Context, t statements.Target, export string) ([]pipeline.LedgerEntry, error) {
	there := false
	if err := s.query(ctx, t.LedgerThere(), func(scan func(...any) error) error {
		var name string
		there = true
		return scan(&name)
	}); err != nil || !there {
		return nil, err
	}
	var out []pipeline.LedgerEntry
	err := s.query(ctx, t.LedgerQuery(export), func(scan func(...any) error) error {
		var e pipeline.LedgerEntry
		if err := scan(&e.Path, &e.ETag, &e.Type, &e.Lines, &e.Applied, &e.Superseded, &e.Filtered, &e.Quarantined, &e.Blank, &e.Deleted); err != nil {
			return err
		}
		out = append(out, e)
		return nil
	})
	return out, err
}

// serverError is an error that came from the server or from the way to it.
type serverError struct {
	step   string
	number int32 // 0 where the way broke
	err    error
}

func (e *serverError) Error() string {
	if e.number == 0 {
		return fmt.Sprintf("%s: %v", e.step, e.err)
	}
	return fmt.Sprintf("%s: error %d: %v", e.step, e.number, e.err)
}

func (e *serverError) Unwrap() error { return e.err }

// numberOf is the server's number in an error, 0 where there is none.
func numberOf(err error) int32 {
	var s *serverError
	if errors.As(err, &s) {
		return s.number
	}
	return 0
}
