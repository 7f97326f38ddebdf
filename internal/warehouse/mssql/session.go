package mssql

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/warehouse/mssql/statements"
	"fhirsynapse/internal/warehouse/tds"
)

// session is a connection that runs statements by step.
type session struct{ *tds.Session }

// with runs do on a connection of its own.
func (w *core) with(ctx context.Context, do func(session) error) error {
	return w.pool.With(ctx, func(s *tds.Session) error { return do(session{s}) })
}

func (s session) exec(ctx context.Context, st statements.Statement) (int64, error) {
	return s.Exec(ctx, st.Step, st.Text)
}

func (s session) execAll(ctx context.Context, all []statements.Statement) error {
	for _, st := range all {
		if _, err := s.exec(ctx, st); err != nil {
			return err
		}
	}
	return nil
}

func (s session) query(
	ctx context.Context, st statements.Statement, row func(scan func(...any) error) error,
) error {
	return s.Query(ctx, st.Step, st.Text, row)
}

func (s session) number(
	ctx context.Context, st statements.Statement,
) (n int64, there bool, err error) {
	return s.Number(ctx, st.Step, st.Text)
}

func (s session) catalog(ctx context.Context, t statements.Target) (statements.Catalog, error) {
	var out statements.Catalog
	err := s.query(ctx, t.CatalogQuery(), func(scan func(...any) error) error {
		var f statements.Found
		var length, precision, scale sql.NullInt64
		var nullable sql.NullString
		if err := scan(&f.Schema, &f.Table, &f.Column, &f.Type, &length, &precision, &scale,
			&nullable); err != nil {
			return err
		}
		f.Length, f.Precision, f.Scale, f.NotNull = int(length.Int64), int(precision.Int64),
			int(scale.Int64), nullable.String == "NO"
		out = append(out, f)
		return nil
	})
	return out, err
}

// layout reads the indexes and statistics of the tables of a type.
func (s session) layout(ctx context.Context, t statements.Target) (statements.Layout, error) {
	query, needed := statements.LayoutQuery(t)
	if !needed {
		return nil, nil
	}
	var parts []statements.Part
	err := s.query(ctx, query, func(scan func(...any) error) error {
		var p statements.Part
		var updated sql.NullTime
		if err := scan(&p.Schema, &p.Table, &p.Name, &p.Kind, &p.Column, &p.Number,
			&updated); err != nil {
			return err
		}
		p.Updated = updated.Time
		parts = append(parts, p)
		return nil
	})
	return statements.LayoutOf(parts), err
}

// ledger lists the committed files of an export. It returns none if there is no ledger.
func (s session) ledger(
	ctx context.Context, t statements.Target, export string,
) ([]pipeline.LedgerEntry, error) {
	var schemas []string
	if err := s.query(ctx, t.LedgerThere(), func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		schemas = append(schemas, name)
		return err
	}); err != nil || len(schemas) == 0 {
		return nil, err
	}
	from := t.Schemas()[1]
	if !slices.ContainsFunc(schemas, func(name string) bool {
		return strings.EqualFold(name, from)
	}) {
		from = t.Schema // an older version's
	}
	var out []pipeline.LedgerEntry
	err := s.query(ctx, t.LedgerQuery(from, export), func(scan func(...any) error) error {
		var e pipeline.LedgerEntry
		if err := scan(&e.Path, &e.ETag, &e.Type, &e.Lines, &e.Applied, &e.Superseded, &e.Filtered,
			&e.Quarantined, &e.Blank, &e.Deleted); err != nil {
			return err
		}
		out = append(out, e)
		return nil
	})
	return out, err
}

// conflicts reports whether err is a write-write conflict. The losing transaction has been
// rolled back.
func conflicts(err error) bool {
	n := tds.Number(err)
	return n == 24556 || n == 24706 || n == 3960
}
